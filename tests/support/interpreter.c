#include "interpreter.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct Interpretation_ {
  RheoProgram program;
  int n; /* nodes; the program may grow afterwards */
  InterpretMode mode;
  const double *params;
  const double *const *in;
  char *needed;
  double *(*value)[RHEO_MAX_PARTS]; /* of each node; NULL where it is not needed */
};

static void *allocate(size_t n, size_t size)
{
  void *memory = calloc(n ? n : 1, size);
  if (!memory) abort();
  return memory;
}

/* ---- Places in a tensor ---- */

typedef struct {
  int i[RHEO_MAX_DIM];
} Place;

static Place place_of(RheoShape shape, size_t flat)
{
  Place place = {{0}};
  for (int a = shape.n - 1; a >= 0; a--) {
    place.i[a] = (int)(flat % (size_t)shape.d[a]);
    flat /= (size_t)shape.d[a];
  }
  return place;
}

static size_t flat_of(RheoShape shape, Place place)
{
  size_t flat = 0;
  for (int a = 0; a < shape.n; a++) flat = flat * (size_t)shape.d[a] + (size_t)place.i[a];
  return flat;
}

/* The element of a tensor of shape `from` that broadcasting puts at a place of shape `to`. */
static size_t broadcast_from(RheoShape from, RheoShape to, Place place)
{
  Place source = {{0}};
  for (int a = 0; a < from.n; a++) source.i[a] = from.d[a] == 1 ? 0 : place.i[a + to.n - from.n];
  return flat_of(from, source);
}

/* ---- One operation ---- */

typedef struct {
  const RheoNode *node;
  RheoShape shape[3]; /* of the first arguments */
  const double *x[3];
  double *y;
} Step;

static double unary(RheoOp op, double x)
{
  switch (op) {
  case RHEO_OP_NEG:
    return -x;
  case RHEO_OP_ABS:
    return fabs(x);
  case RHEO_OP_SIGN:
    return (x > 0.) - (x < 0.);
  case RHEO_OP_FLOOR:
    return floor(x);
  case RHEO_OP_SQUARE:
    return x * x;
  case RHEO_OP_SQRT:
    return sqrt(x);
  case RHEO_OP_RECIP:
    return 1. / x;
  case RHEO_OP_EXP:
    return exp(x);
  case RHEO_OP_EXPM1:
    return expm1(x);
  case RHEO_OP_LOG:
    return log(x);
  case RHEO_OP_LOG1P:
    return log1p(x);
  case RHEO_OP_TANH:
    return tanh(x);
  case RHEO_OP_SIGMOID:
    return x < 0. ? exp(x) / (1. + exp(x)) : 1. / (1. + exp(-x));
  case RHEO_OP_SOFTPLUS:
    return fmax(x, 0.) + log1p(exp(-fabs(x)));
  case RHEO_OP_SIN:
    return sin(x);
  case RHEO_OP_COS:
    return cos(x);
  case RHEO_OP_ERF:
    return erf(x);
  case RHEO_OP_STOP_GRADIENT:
    return x;
  default:
    abort();
  }
}

static double binary(RheoOp op, double x, double y)
{
  switch (op) {
  case RHEO_OP_ADD:
    return x + y;
  case RHEO_OP_SUB:
    return x - y;
  case RHEO_OP_MUL:
    return x * y;
  case RHEO_OP_DIV:
    return x / y;
  case RHEO_OP_MAX:
    return x < y ? y : x;
  case RHEO_OP_MIN:
    return y < x ? y : x;
  case RHEO_OP_LESS:
    return x < y;
  case RHEO_OP_LESS_EQUAL:
    return x <= y;
  case RHEO_OP_EQUAL:
    return x == y;
  default:
    abort();
  }
}

static void step_element_wise(Step s)
{
  RheoShape shape = s.node->shape;
  for (size_t j = 0; j < RheoShapeSize(shape); j++) {
    Place place = place_of(shape, j);
    double x[3] = {0., 0., 0.};
    for (int k = 0; k < s.node->n_arg; k++) x[k] = s.x[k][broadcast_from(s.shape[k], shape, place)];
    switch (s.node->n_arg) {
    case 1:
      s.y[j] = unary(s.node->op, x[0]);
      break;
    case 2:
      s.y[j] = binary(s.node->op, x[0], x[1]);
      break;
    default:
      s.y[j] = x[0] != 0. ? x[1] : x[2];
      break;
    }
  }
}

static void step_matmul(Step s)
{
  RheoShape shape = s.node->shape;
  int n = shape.n, t_x = s.node->i[0], t_y = s.node->i[1];
  int inner = s.shape[0].d[n - (t_x ? 2 : 1)];
  for (size_t j = 0; j < RheoShapeSize(shape); j++) {
    Place place = place_of(shape, j);
    int row = place.i[n - 2], column = place.i[n - 1];
    double sum = 0.;
    for (int k = 0; k < inner; k++) {
      Place x = place, y = place;
      x.i[n - 2] = t_x ? k : row;
      x.i[n - 1] = t_x ? row : k;
      int offset = n - s.shape[1].n;
      y.i[n - 2 - offset] = t_y ? column : k;
      y.i[n - 1 - offset] = t_y ? k : column;
      sum += s.x[0][flat_of(s.shape[0], x)] * s.x[1][flat_of(s.shape[1], y)];
    }
    s.y[j] = sum;
  }
}

static void step_reduce(Step s)
{
  int largest = s.node->op == RHEO_OP_AMAX;
  for (size_t j = 0; j < RheoShapeSize(s.node->shape); j++) s.y[j] = largest ? -INFINITY : 0.;
  for (size_t j = 0; j < RheoShapeSize(s.shape[0]); j++) {
    Place place = place_of(s.shape[0], j);
    for (int a = 0; a < s.shape[0].n; a++)
      if (s.node->i[a]) place.i[a] = 0;
    double *y = &s.y[flat_of(s.node->shape, place)];
    if (largest)
      *y = *y < s.x[0][j] || isnan(s.x[0][j]) ? s.x[0][j] : *y;
    else
      *y += s.x[0][j];
  }
}

static void step_cumsum(Step s)
{
  int axis = s.node->i[0], reverse = s.node->i[1];
  for (size_t j = 0; j < RheoShapeSize(s.node->shape); j++) {
    Place place = place_of(s.node->shape, j), other = place;
    int begin = reverse ? place.i[axis] : 0, end = reverse ? s.node->shape.d[axis] - 1 : place.i[axis];
    s.y[j] = 0.;
    for (other.i[axis] = begin; other.i[axis] <= end; other.i[axis]++)
      s.y[j] += s.x[0][flat_of(s.shape[0], other)];
  }
}

static void step_shape(Step s)
{
  const int *i = s.node->i;
  for (size_t j = 0; j < RheoShapeSize(s.node->shape); j++) {
    Place place = place_of(s.node->shape, j), from = place;
    switch (s.node->op) {
    case RHEO_OP_BROADCAST:
      s.y[j] = s.x[0][broadcast_from(s.shape[0], s.node->shape, place)];
      break;
    case RHEO_OP_RESHAPE:
      s.y[j] = s.x[0][j];
      break;
    case RHEO_OP_PERMUTE:
      for (int a = 0; a < s.node->shape.n; a++) from.i[i[a]] = place.i[a];
      s.y[j] = s.x[0][flat_of(s.shape[0], from)];
      break;
    case RHEO_OP_SLICE:
      from.i[i[0]] += i[1];
      s.y[j] = s.x[0][flat_of(s.shape[0], from)];
      break;
    case RHEO_OP_PAD:
      from.i[i[0]] -= i[1];
      s.y[j] =
          from.i[i[0]] < 0 || from.i[i[0]] >= s.shape[0].d[i[0]] ? 0. : s.x[0][flat_of(s.shape[0], from)];
      break;
    default:
      abort();
    }
  }
}

static int index_of(double index, int size)
{
  if (!(index > 0.)) return 0;
  return index > size - 1 ? size - 1 : (int)index;
}

static void step_index(Step s)
{
  int axis = s.node->i[0];
  if (s.node->op == RHEO_OP_GATHER) {
    for (size_t j = 0; j < RheoShapeSize(s.node->shape); j++) {
      Place place = place_of(s.node->shape, j);
      place.i[axis] = index_of(s.x[1][place.i[axis]], s.shape[0].d[axis]);
      s.y[j] = s.x[0][flat_of(s.shape[0], place)];
    }
    return;
  }
  memset(s.y, 0, RheoShapeSize(s.node->shape) * sizeof(double));
  for (size_t j = 0; j < RheoShapeSize(s.shape[0]); j++) {
    Place place = place_of(s.shape[0], j);
    place.i[axis] = index_of(s.x[1][place.i[axis]], s.node->shape.d[axis]);
    s.y[flat_of(s.node->shape, place)] += s.x[0][j];
  }
}

/* ---- Operations on any number of arguments, and leaves ---- */

static void run_concat(Interpretation r, const RheoNode *node, double *y)
{
  int axis = node->i[0], begin = 0;
  for (int k = 0; k < node->n_arg; k++) {
    RheoShape shape = r->program->node[node->arg[k]].shape;
    for (size_t j = 0; j < RheoShapeSize(shape); j++) {
      Place place = place_of(shape, j);
      place.i[axis] += begin;
      y[flat_of(node->shape, place)] = r->value[node->arg[k]][0][j];
    }
    begin += shape.d[axis];
  }
}

static void run_fused(Interpretation r, const RheoNode *node, const RheoShape *shape, const double *const *x,
                      double **part)
{
  if (r->mode == INTERPRET_KERNELS) {
    size_t n_scratch = node->fused->scratch ? node->fused->scratch(node, shape) : 0;
    double *scratch = allocate(n_scratch, sizeof(double));
    node->fused->run_double(node, shape, x, part, scratch);
    free(scratch);
    return;
  }
  RheoProgram program;
  RheoVal *arg = allocate((size_t)node->n_arg, sizeof *arg), expanded[RHEO_MAX_PARTS];
  if (RheoProgramCreate(r->program->rows, &program)) abort();
  for (int k = 0; k < node->n_arg; k++) {
    char name[16];
    snprintf(name, sizeof name, "%d", k);
    arg[k] = rx_input(program, name, shape[k]);
  }
  node->fused->expand(program, node, arg, expanded);
  if (RheoProgramError(program)) {
    fprintf(stderr, "expansion of %s: %s\n", node->fused->name, RheoProgramError(program));
    abort();
  }
  Interpretation inner = interpret(program, r->mode, NULL, x, node->n_part, expanded);
  for (int k = 0; k < node->n_part; k++)
    memcpy(part[k], interpreted(inner, expanded[k]), RheoShapeSize(node->part[k]) * sizeof(double));
  interpretation_free(inner);
  if (RheoProgramDestroy(&program)) abort();
  free(arg);
}

static void run_leaf(Interpretation r, const RheoNode *node, double *y)
{
  size_t size = RheoShapeSize(node->shape);
  const double *from = node->op == RHEO_OP_INPUT   ? r->in[node->i[0]]
                       : node->op == RHEO_OP_PARAM ? r->params + node->offset
                                                   : node->data;
  for (size_t j = 0; j < size; j++) y[j] = node->op == RHEO_OP_FILL ? node->r[0] : from[j];
}

static void run_node(Interpretation r, int id)
{
  const RheoNode *node = &r->program->node[id];
  Step s = {.node = node, .y = r->value[id][0]};
  RheoShape *shape = allocate((size_t)node->n_arg, sizeof *shape);
  const double **x = allocate((size_t)node->n_arg, sizeof *x);
  for (int k = 0; k < node->n_arg; k++) {
    shape[k] = r->program->node[node->arg[k]].shape;
    x[k] = r->value[node->arg[k]][0];
    if (k < 3) {
      s.shape[k] = shape[k];
      s.x[k] = x[k];
    }
  }
  switch (RheoOps[node->op].class) {
  case RHEO_CLASS_LEAF:
    run_leaf(r, node, s.y);
    break;
  case RHEO_CLASS_UNARY:
  case RHEO_CLASS_BINARY:
  case RHEO_CLASS_COMPARE:
  case RHEO_CLASS_SELECT:
    step_element_wise(s);
    break;
  case RHEO_CLASS_CONTRACT:
    step_matmul(s);
    break;
  case RHEO_CLASS_REDUCE:
    step_reduce(s);
    break;
  case RHEO_CLASS_SCAN:
    step_cumsum(s);
    break;
  case RHEO_CLASS_SHAPE:
    if (node->op == RHEO_OP_CONCAT)
      run_concat(r, node, s.y);
    else
      step_shape(s);
    break;
  case RHEO_CLASS_INDEX:
    step_index(s);
    break;
  case RHEO_CLASS_FUSED:
    run_fused(r, node, shape, x, r->value[id]);
    break;
  case RHEO_CLASS_PART:
    memcpy(s.y, r->value[node->arg[0]][node->i[0]], RheoShapeSize(node->shape) * sizeof(double));
    break;
  }
  free(shape);
  free(x);
}

/* ---- Programs ---- */

Interpretation interpret(RheoProgram program, InterpretMode mode, const double *params,
                         const double *const *in, int n_out, const RheoVal *out)
{
  Interpretation r = allocate(1, sizeof *r);
  *r = (struct Interpretation_){program, program->n, mode, params, in, NULL, NULL};
  r->needed = allocate((size_t)program->n, 1);
  r->value = allocate((size_t)program->n, sizeof *r->value);
  for (int k = 0; k < n_out; k++) {
    if (out[k].id < 0) {
      fprintf(stderr, "no value to interpret: %s\n", program->error);
      abort();
    }
    r->needed[out[k].id] = 1;
  }
  for (int id = program->n - 1; id >= 0; id--)
    for (int k = 0; r->needed[id] && k < program->node[id].n_arg; k++)
      r->needed[program->node[id].arg[k]] = 1;
  for (int id = 0; id < program->n; id++) {
    if (!r->needed[id]) continue;
    const RheoNode *node = &program->node[id];
    int n_part = node->op == RHEO_OP_FUSED ? node->n_part : 1;
    for (int k = 0; k < n_part; k++)
      r->value[id][k] =
          allocate(RheoShapeSize(node->op == RHEO_OP_FUSED ? node->part[k] : node->shape), sizeof(double));
    run_node(r, id);
  }
  return r;
}

const double *interpreted(Interpretation result, RheoVal x)
{
  return result->value[x.id][0];
}

void interpretation_free(Interpretation result)
{
  for (int id = 0; id < result->n; id++)
    for (int k = 0; k < RHEO_MAX_PARTS && result->needed[id]; k++) free(result->value[id][k]);
  free(result->value);
  free(result->needed);
  free(result);
}

void interpret_value(RheoVal out, InterpretMode mode, const double *params, const double *const *in,
                     double *y)
{
  Interpretation r = interpret(out.program, mode, params, in, 1, &out);
  memcpy(y, interpreted(r, out), RheoShapeSize(rx_shape(out)) * sizeof(double));
  interpretation_free(r);
}
