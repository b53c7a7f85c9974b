/* What is to be fixed: "x1 = 0.8", "2 a - b = 1", read into factors of the features, and the cost of missing it. */
#include "../base/log.h"
#include "steer_impl.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  RheoDeck deck;
  const char *text, *at; /* the whole, and where reading is */
  const char *end;       /* of the left side */
  int d;
  const char *const *name;
} Reading;

static void SkipSpace(Reading *r)
{
  while (r->at < r->end && isspace((unsigned char)*r->at)) r->at++;
}

/* The place of the longest name that stands here and ends where a name may end; -1 for none. Names of files may hold anything. */
static int NameHere(const Reading *r, size_t *length)
{
  int found = -1;
  *length = 0;
  for (int k = 0; k < r->d; k++) {
    const size_t n = strlen(r->name[k]);
    if (n <= *length || n > (size_t)(r->end - r->at) || strncmp(r->at, r->name[k], n)) continue;
    const char *after = r->at + n;
    if (after < r->end && !isspace((unsigned char)*after) && *after != '+' && *after != '-') continue;
    found = k;
    *length = n;
  }
  return found;
}

static PetscErrorCode RejectName(const Reading *r)
{
  char word[64] = "", known[256] = "";
  size_t n = 0;

  PetscFunctionBeginUser;
  while (r->at + n < r->end && !isspace((unsigned char)r->at[n])) n++;
  snprintf(word, sizeof word, "%.*s", (int)PetscMin(n, sizeof word - 1), r->at);
  const char *near = RheoNearest(word, r->d, r->name);
  for (int k = 0; k < r->d; k++)
    snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", k ? ", " : "", r->name[k]);
  if (!n)
    PetscCall(RheoDeckReject(r->deck, "dflow.fix", "'%s': a name is missing before the value; known: %s",
                             r->text, known));
  PetscCall(RheoDeckReject(r->deck, "dflow.fix", "'%s': there is no '%s'%s%s%s; known: %s", r->text, word,
                           near ? " (did you mean " : "", near ? near : "", near ? "?)" : "", known));
  PetscFunctionReturn(RHEO_OK);
}

/* One term: [sign] [number [*]] name. The sign may be left out of the first. */
static PetscErrorCode ReadTerm(Reading *r, PetscBool first, double *factor)
{
  double by = 1;
  size_t length;

  PetscFunctionBeginUser;
  if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
    by = *r->at++ == '-' ? -1 : 1;
  else if (!first)
    PetscCall(RheoDeckReject(r->deck, "dflow.fix", "'%s': + or - is missing before '%.*s'", r->text,
                             (int)(r->end - r->at), r->at));
  SkipSpace(r);
  int k = NameHere(r, &length);
  if (k < 0 && r->at < r->end && (isdigit((unsigned char)*r->at) || *r->at == '.')) {
    char *after;
    by *= strtod(r->at, &after);
    r->at = PetscMin((const char *)after, r->end);
    SkipSpace(r);
    if (r->at < r->end && *r->at == '*') r->at++;
    SkipSpace(r);
    k = NameHere(r, &length);
  }
  if (k < 0) PetscCall(RejectName(r));
  factor[k] += by;
  r->at += length;
  SkipSpace(r);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ReadFix(RheoDeck deck, const char *text, int d, const char *const *name, double *factor,
                              double *value)
{
  const char *equals = strrchr(text, '=');
  Reading r = {.deck = deck, .text = text, .at = text, .end = equals, .d = d, .name = name};
  char *end = NULL;

  PetscFunctionBeginUser;
  if (!equals)
    PetscCall(
        RheoDeckReject(deck, "dflow.fix", "'%s': must be NAME = VALUE, such as %s = 0.8", text, name[0]));
  SkipSpace(&r);
  PetscCall(ReadTerm(&r, PETSC_TRUE, factor));
  while (r.at < r.end) PetscCall(ReadTerm(&r, PETSC_FALSE, factor));
  *value = strtod(equals + 1, &end);
  const PetscBool read = (PetscBool)(end > equals + 1);
  while (isspace((unsigned char)*end)) end++;
  if (!read || *end || !isfinite(*value))
    PetscCall(RheoDeckReject(deck, "dflow.fix", "'%s': '%s' is not a number", text, equals + 1));
  PetscFunctionReturn(RHEO_OK);
}

/* Values that are drawn and a prior that pulls leave out by a few sd; what misses by more is not fulfilled. */
static const double FAR = 5;

/* Whether equation j is a multiple of i, but for its value. */
static PetscBool Contradicts(const SteerFix *fix, int i, int j)
{
  const double *a = fix->factor + i * fix->d, *b = fix->factor + j * fix->d;
  double aa = 0, ab = 0, bb = 0;
  for (int k = 0; k < fix->d; k++) {
    aa += a[k] * a[k];
    ab += a[k] * b[k];
    bb += b[k] * b[k];
  }
  if (ab * ab < (1 - 1e-12) * aa * bb) return PETSC_FALSE;
  const double by = ab / aa;
  return (PetscBool)(fabs(by * fix->value[i] - fix->value[j]) > FAR * hypot(by * fix->sd[i], fix->sd[j]));
}

static PetscErrorCode CheckTogether(RheoDeck deck, const RheoSteerConfig *config, const SteerFix *fix)
{
  PetscFunctionBeginUser;
  for (int j = 1; j < fix->n; j++)
    for (int i = 0; i < j; i++)
      if (Contradicts(fix, i, j))
        PetscCall(RheoDeckReject(deck, "dflow.fix", "'%s' and '%s' contradict each other (sd %g and %g)",
                                 config->fix.v[i], config->fix.v[j], fix->sd[i], fix->sd[j]));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SteerFixCreate(RheoDeck deck, const RheoSteerConfig *config, int d, const char *const *name,
                              const double *scale, SteerFix *fix)
{
  const int n = config->fix.n;

  PetscFunctionBeginUser;
  if (!n) PetscCall(RheoDeckReject(deck, "dflow.fix", "is missing: what shall samples fulfil?"));
  if (config->sd.n > 1 && config->sd.n != n)
    PetscCall(RheoDeckReject(deck, "dflow.sd", "has %d numbers, dflow.fix %d", config->sd.n, n));
  *fix = (SteerFix){.n = n, .d = d};
  fix->drawn = (PetscBool)(config->prior > 0 && config->around == RHEO_STEER_START);
  PetscCall(PetscCalloc3(n * d, &fix->factor, n, &fix->value, n, &fix->sd));
  for (int i = 0; i < n; i++) {
    double *factor = fix->factor + i * d, spread = 0;
    PetscCall(ReadFix(deck, config->fix.v[i], d, name, factor, &fix->value[i]));
    for (int k = 0; k < d; k++) spread = hypot(spread, factor[k] * scale[k]);
    if (!isfinite(spread))
      PetscCall(
          RheoDeckReject(deck, "dflow.fix", "'%s': a factor is larger than numbers are", config->fix.v[i]));
    if (!(spread > 0))
      PetscCall(
          RheoDeckReject(deck, "dflow.fix", "'%s': nothing is left of the left side", config->fix.v[i]));
    fix->sd[i] = config->sd.n ? config->sd.v[config->sd.n > 1 ? i : 0] : 0.01 * spread;
  }
  PetscCall(CheckTogether(deck, config, fix));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SteerFixDestroy(SteerFix *fix)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree3(fix->factor, fix->value, fix->sd));
  PetscFunctionReturn(RHEO_OK);
}

void SteerFixWarn(MPI_Comm comm, const SteerFix *fix, int64_t n, const double *cost)
{
  int64_t far = 0, worst = 0;
  for (int64_t i = 0; i < n; i++) {
    if (!(cost[i] > 0.5 * FAR * FAR * fix->n)) continue;
    if (!far++ || cost[i] > cost[worst]) worst = i;
  }
  if (far)
    RheoLog(
        comm, RHEO_LOG_WARNING,
        "%lld of %lld samples do not fulfil dflow.fix: they miss by more than %g sd an equation; the worst, "
        "number %lld, by %.3g",
        (long long)far, (long long)n, FAR, (long long)worst, sqrt(2 * cost[worst] / fix->n));
}

PetscErrorCode SteerFixCost(void *data, int64_t row, const double *x, double *cost, double *dx)
{
  enum { DRAW = 2 }; /* a stream beside those of the source and of Hutchinson's noise */
  const SteerFix *fix = data;
  RheoStream stream = RheoStreamMake(fix->seed, RHEO_STREAM_SAMPLE, DRAW, fix->first + (uint64_t)row);

  PetscFunctionBeginUser;
  *cost = 0;
  PetscCall(PetscArrayzero(dx, fix->d));
  for (int i = 0; i < fix->n; i++) {
    const double *factor = fix->factor + i * fix->d;
    double miss = -fix->value[i] / fix->sd[i] - (fix->drawn ? RheoStreamNormal(&stream) : 0);
    for (int k = 0; k < fix->d; k++) miss += factor[k] * x[k] / fix->sd[i];
    *cost += 0.5 * miss * miss;
    for (int k = 0; k < fix->d; k++) dx[k] += miss * factor[k] / fix->sd[i];
  }
  PetscFunctionReturn(RHEO_OK);
}
