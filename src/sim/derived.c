/* Expressions become a list of instructions for a stack; grammar, from the loosest:
 *   sum = product {(+|-) product};  product = sign {(*|/) sign};  sign = -sign | +sign | power;
 *   power = atom [^ sign];  atom = number | name | function(sum {, sum}) | (sum) */
#include "simulator_impl.h"
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CODE = 256, MAX_DEPTH = 64 };

typedef enum {
  PUSH,
  LOAD,
  ADD,
  SUBTRACT,
  MULTIPLY,
  DIVIDE,
  POWER,
  NEGATE,
  EXP,
  LOG,
  SQRT,
  ABS,
  MIN,
  MAX
} Operation;

typedef struct {
  Operation operation;
  int index;    /* LOAD: parameters, then the quantities above */
  double value; /* PUSH */
} Instruction;

typedef struct {
  const char *name;
  int n_code;
  Instruction code[MAX_CODE];
} Quantity;

struct RheoDerived_ {
  int n_parameters, n;
  Quantity *quantity;
};

const RheoKey RheoDerivedKeys[] = {{"*", RHEO_KEY_STRING, 0, NULL, NULL,
                                    "an expression of parameters: + - * / ^ ( ) exp log sqrt abs min max pi"},
                                   {0}};

static const struct {
  const char *name;
  Operation operation;
  int n_arguments;
} functions[] = {{"exp", EXP, 1}, {"log", LOG, 1}, {"sqrt", SQRT, 1},
                 {"abs", ABS, 1}, {"min", MIN, 2}, {"max", MAX, 2}};
enum { N_FUNCTIONS = sizeof functions / sizeof functions[0] };

/* The first mistake is kept in error, at the character where; parsing then runs to its end without effect. */
typedef struct {
  const char *text, *at;
  RheoPrior prior;
  const Quantity *above;
  int n_above, depth, nesting;
  Quantity *out;
  char error[200];
  int where;
} Parser;

static void __attribute__((format(printf, 3, 4))) Fail(Parser *p, const char *at, const char *format, ...)
{
  va_list arguments;
  if (p->error[0]) return;
  va_start(arguments, format);
  vsnprintf(p->error, sizeof p->error, format, arguments);
  va_end(arguments);
  p->where = (int)(at - p->text) + 1;
  p->at = p->text + strlen(p->text);
}

static void SkipBlanks(Parser *p)
{
  while (isspace((unsigned char)*p->at)) ++p->at;
}

static int Accept(Parser *p, char c)
{
  SkipBlanks(p);
  if (*p->at != c) return 0;
  ++p->at;
  return 1;
}

/* change: what the instruction does to the height of the stack. */
static void Emit(Parser *p, Instruction instruction, int change)
{
  p->depth += change;
  if (p->out->n_code == MAX_CODE || p->depth > MAX_DEPTH) {
    Fail(p, p->at, "the expression is too long");
    return;
  }
  p->out->code[p->out->n_code++] = instruction;
}

static void ParseSum(Parser *p);

/* Letters that differ, lengths included: enough to name the nearest of a few names. */
static int Distance(const char *a, size_t n_a, const char *b)
{
  const size_t n_b = strlen(b), n = n_a < n_b ? n_a : n_b;
  size_t head = 0, tail = 0;
  while (head < n && tolower((unsigned char)a[head]) == tolower((unsigned char)b[head])) ++head;
  while (tail < n - head &&
         tolower((unsigned char)a[n_a - 1 - tail]) == tolower((unsigned char)b[n_b - 1 - tail]))
    ++tail;
  return (int)((n_a > n_b ? n_a : n_b) - head - tail);
}

static void UnknownName(Parser *p, const char *name, size_t length)
{
  const char *best = "";
  int distance = 1 << 20;
  const int n = RheoPriorSize(p->prior);
  for (int i = 0; i < n + p->n_above + N_FUNCTIONS; ++i) {
    const char *known = i < n                ? RheoPriorName(p->prior, i)
                        : i < n + p->n_above ? p->above[i - n].name
                                             : functions[i - n - p->n_above].name;
    const int d = Distance(name, length, known);
    if (d >= distance) continue;
    distance = d;
    best = known;
  }
  Fail(p, name, "'%.*s' is no parameter, quantity above or function; nearest: %s", (int)length, name, best);
}

static void ParseFunction(Parser *p, int f)
{
  const char *start = p->at;
  if (!Accept(p, '(')) {
    Fail(p, start, "'(' expected after %s", functions[f].name);
    return;
  }
  for (int i = 0; i < functions[f].n_arguments; ++i) {
    if (i && !Accept(p, ','))
      Fail(p, p->at, "',' expected: %s has %d arguments", functions[f].name, functions[f].n_arguments);
    ParseSum(p);
  }
  if (!Accept(p, ')'))
    Fail(p, p->at, "')' expected: %s has %d argument%s", functions[f].name, functions[f].n_arguments,
         functions[f].n_arguments > 1 ? "s" : "");
  Emit(p, (Instruction){.operation = functions[f].operation}, 1 - functions[f].n_arguments);
}

static void ParseName(Parser *p)
{
  const char *name = p->at;
  while (isalnum((unsigned char)*p->at) || *p->at == '_') ++p->at;
  const size_t length = (size_t)(p->at - name);
  const int n = RheoPriorSize(p->prior);
  for (int i = 0; i < n + p->n_above; ++i) {
    const char *known = i < n ? RheoPriorName(p->prior, i) : p->above[i - n].name;
    if (strlen(known) != length || strncmp(known, name, length)) continue;
    Emit(p, (Instruction){.operation = LOAD, .index = i}, 1);
    return;
  }
  for (int f = 0; f < N_FUNCTIONS; ++f) {
    if (strlen(functions[f].name) != length || strncmp(functions[f].name, name, length)) continue;
    ParseFunction(p, f);
    return;
  }
  if (length == 2 && !strncmp(name, "pi", 2)) {
    Emit(p, (Instruction){.operation = PUSH, .value = M_PI}, 1);
  } else {
    UnknownName(p, name, length);
  }
}

static void ParseAtom(Parser *p)
{
  SkipBlanks(p);
  if (isdigit((unsigned char)*p->at) || *p->at == '.') {
    char *end;
    const double value = strtod(p->at, &end);
    if (end == p->at) {
      Fail(p, p->at, "a number expected");
      return;
    }
    p->at = end;
    Emit(p, (Instruction){.operation = PUSH, .value = value}, 1);
  } else if (isalpha((unsigned char)*p->at) || *p->at == '_') {
    ParseName(p);
  } else if (Accept(p, '(')) {
    ParseSum(p);
    if (!Accept(p, ')')) Fail(p, p->at, "')' expected");
  } else if (*p->at) {
    Fail(p, p->at, "a number, name or '(' expected, not '%c'", *p->at);
  } else {
    Fail(p, p->at, "the expression ends where a number, name or '(' is expected");
  }
}

static void ParseSign(Parser *p)
{
  if (++p->nesting > 200) Fail(p, p->at, "the expression is nested too deeply");
  if (Accept(p, '-')) {
    ParseSign(p);
    Emit(p, (Instruction){.operation = NEGATE}, 0);
  } else if (Accept(p, '+')) {
    ParseSign(p);
  } else {
    ParseAtom(p);
    if (Accept(p, '^')) { /* to the right first: 2 ^ 3 ^ 2 is 2 ^ 9, and -2 ^ 2 is -4 */
      ParseSign(p);
      Emit(p, (Instruction){.operation = POWER}, -1);
    }
  }
  --p->nesting;
}

static void ParseProduct(Parser *p)
{
  ParseSign(p);
  for (;;) {
    const int divide = Accept(p, '/');
    if (!divide && !Accept(p, '*')) return;
    ParseSign(p);
    Emit(p, (Instruction){.operation = divide ? DIVIDE : MULTIPLY}, -1);
  }
}

static void ParseSum(Parser *p)
{
  ParseProduct(p);
  for (;;) {
    const int subtract = Accept(p, '-');
    if (!subtract && !Accept(p, '+')) return;
    ParseProduct(p);
    Emit(p, (Instruction){.operation = subtract ? SUBTRACT : ADD}, -1);
  }
}

static PetscErrorCode ParseQuantity(RheoDeck deck, RheoPrior prior, RheoDerived derived, int i,
                                    const char *name)
{
  const char *text = NULL;
  char key[256];
  PetscFunctionBeginUser;
  const RheoKey keys[] = {{name, RHEO_KEY_STRING, 0, RHEO_REQUIRED, NULL, "an expression of parameters"},
                          {0}};
  PetscCall(RheoDeckRead(deck, "derived", keys, &text));
  snprintf(key, sizeof key, "derived.%s", name);
  for (int j = 0; j < RheoPriorSize(prior); ++j) {
    if (!strcmp(name, RheoPriorName(prior, j)))
      PetscCall(RheoDeckReject(deck, key, "is the name of a parameter already"));
  }
  derived->quantity[i].name = name;
  Parser parser = {.text = text ? text : "", .prior = prior, .above = derived->quantity, .n_above = i};
  parser.at = parser.text;
  parser.out = &derived->quantity[i];
  ParseSum(&parser);
  SkipBlanks(&parser);
  if (*parser.at) Fail(&parser, parser.at, "an operator is expected before '%s'", parser.at);
  if (parser.error[0]) PetscCall(RheoDeckReject(deck, key, "character %d: %s", parser.where, parser.error));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDerivedCreate(RheoDeck deck, RheoPrior prior, RheoDerived *derived)
{
  const char **names;
  PetscFunctionBeginUser;
  PetscCall(PetscNew(derived));
  PetscCall(RheoDeckGetChildren(deck, "derived", &(*derived)->n, &names));
  (*derived)->n_parameters = RheoPriorSize(prior);
  PetscCall(PetscCalloc1((size_t)(*derived)->n, &(*derived)->quantity));
  for (int i = 0; i < (*derived)->n; ++i) PetscCall(ParseQuantity(deck, prior, *derived, i, names[i]));
  PetscCall(PetscFree(names));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDerivedDestroy(RheoDerived *derived)
{
  PetscFunctionBeginUser;
  if (!*derived) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscFree((*derived)->quantity));
  PetscCall(PetscFree(*derived));
  PetscFunctionReturn(RHEO_OK);
}

int RheoDerivedSize(RheoDerived derived)
{
  return derived->n;
}

const char *RheoDerivedName(RheoDerived derived, int i)
{
  return derived->quantity[i].name;
}

static double Binary(Operation operation, double a, double b)
{
  switch (operation) {
  case ADD:
    return a + b;
  case SUBTRACT:
    return a - b;
  case MULTIPLY:
    return a * b;
  case DIVIDE:
    return a / b;
  case POWER:
    return pow(a, b);
  case MIN:
    return fmin(a, b);
  default:
    return fmax(a, b);
  }
}

static double Unary(Operation operation, double a)
{
  switch (operation) {
  case NEGATE:
    return -a;
  case EXP:
    return exp(a);
  case LOG:
    return log(a);
  case SQRT:
    return sqrt(a);
  default:
    return fabs(a);
  }
}

static double Evaluate(const Quantity *quantity, int n_parameters, const double *theta, const double *q)
{
  double stack[MAX_DEPTH + 1];
  int top = 0;
  for (int i = 0; i < quantity->n_code; ++i) {
    const Instruction *in = &quantity->code[i];
    switch (in->operation) {
    case PUSH:
      stack[top++] = in->value;
      break;
    case LOAD:
      stack[top++] = in->index < n_parameters ? theta[in->index] : q[in->index - n_parameters];
      break;
    case NEGATE:
    case EXP:
    case LOG:
    case SQRT:
    case ABS:
      stack[top - 1] = Unary(in->operation, stack[top - 1]);
      break;
    default:
      stack[top - 2] = Binary(in->operation, stack[top - 2], stack[top - 1]);
      --top;
    }
  }
  return stack[0];
}

void RheoDerivedEvaluate(RheoDerived derived, const double *theta, double *q)
{
  for (int i = 0; i < derived->n; ++i)
    q[i] = Evaluate(&derived->quantity[i], derived->n_parameters, theta, q);
}
