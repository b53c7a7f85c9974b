/* Programs, their leaves, and how the first mistake is kept. */
#define RHEO_NO_HERE
#include "../base/deck.h"
#include "program_impl.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

PetscErrorCode RheoProgramCreate(int rows, RheoProgram *program)
{
  RheoProgram p;
  PetscFunctionBeginUser;
  PetscCheck(rows > 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "a program needs at least one row, got %d",
             rows);
  PetscCall(PetscNew(&p));
  p->rows = rows;
  *program = p;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoProgramDestroy(RheoProgram *program)
{
  PetscFunctionBeginUser;
  if (!*program) PetscFunctionReturn(RHEO_OK);
  RheoProgram p = *program;
  for (int id = 0; id < p->n; id++) {
    free(p->node[id].arg);
    free(p->node[id].data);
  }
  free(p->node);
  free(p->input);
  free(p->param);
  PetscCall(PetscFree(*program));
  PetscFunctionReturn(RHEO_OK);
}

int RheoProgramRows(RheoProgram program)
{
  return program->rows;
}

const char *RheoProgramError(RheoProgram program)
{
  return program->error[0] ? program->error : NULL;
}

/* ---- The first mistake ---- */

RheoVal(rx_fail)(RheoProgram p, const char *format, ...)
{
  if (!p) return RHEO_NONE;
  if (!p->error[0]) {
    va_list list;
    va_start(list, format);
    vsnprintf(p->error, sizeof p->error - 64, format, list); /* the place is put behind it */
    va_end(list);
  }
  return (RheoVal){p, -1};
}

RheoVal rx_here(const char *file, int line, RheoVal x)
{
  RheoProgram p = x.program;
  if (x.id >= 0 || !p || !p->error[0] || p->error_line) return x;
  const char *slash = strrchr(file, '/');
  size_t length = strlen(p->error);
  snprintf(p->error + length, sizeof p->error - length, ", at %.48s:%d", slash ? slash + 1 : file, line);
  p->error_line = line;
  return x;
}

RheoVal rx_failed(int n, const RheoVal *x)
{
  for (int k = 0; k < n; k++)
    if (x[k].program) return (RheoVal){x[k].program, -1};
  return RHEO_NONE;
}

RheoProgram rx_program_of(const char *op, int n, const RheoVal *x)
{
  RheoProgram p = rx_failed(n, x).program;
  if (!p || p->error[0]) return NULL;
  for (int k = 0; k < n; k++) {
    if (x[k].id < 0) {
      rx_fail(p, "%s: argument %d of %d does not exist", op, k + 1, n);
      return NULL;
    }
    if (x[k].program != p) {
      rx_fail(p, "%s: argument %d of %d belongs to another program", op, k + 1, n);
      return NULL;
    }
  }
  return p;
}

/* ---- Nodes ---- */

/* Room for one more; the array may move. 0 where memory has run out. */
static int grow(void **array, size_t size, int n, int *capacity)
{
  if (n < *capacity) return 1;
  int more = *capacity ? 2 * *capacity : 64;
  void *larger = realloc(*array, (size_t)more * size);
  if (!larger) return 0;
  *array = larger;
  *capacity = more;
  return 1;
}

static void *copy(const void *from, size_t size)
{
  void *to = malloc(size);
  if (to) memcpy(to, from, size);
  return to;
}

RheoVal rx_append(RheoProgram p, const RheoNode *node)
{
  RheoNode new = *node;
  size_t n_data = node->data ? RheoShapeSize(node->shape) : 0;
  if (!p) return RHEO_NONE;
  if (p->error[0]) return (RheoVal){p, -1};
  new.arg = node->n_arg ? copy(node->arg, (size_t)node->n_arg * sizeof(int)) : NULL;
  new.data = n_data ? copy(node->data, n_data * sizeof(double)) : NULL;
  if ((node->n_arg && !new.arg) || (n_data && !new.data) ||
      !grow((void **)&p->node, sizeof(RheoNode), p->n, &p->capacity)) {
    free(new.arg);
    free(new.data);
    return rx_fail(p, "%s: out of memory", RheoOps[node->op].name);
  }
  p->node[p->n] = new;
  return (RheoVal){p, p->n++};
}

RheoVal rx_append_op(RheoOp op, RheoShape shape, int n, const RheoVal *x)
{
  int id[RHEO_MAX_DIM] = {0};
  for (int k = 0; k < n; k++) id[k] = x[k].id;
  return rx_append(x[0].program, &(RheoNode){.op = op, .shape = shape, .n_arg = n, .arg = id});
}

RheoShape rx_shape(RheoVal x)
{
  return x.id >= 0 ? x.program->node[x.id].shape : RX_SCALAR;
}

int rx_dim(RheoVal x, int axis)
{
  RheoShape shape = rx_shape(x);
  axis = rx_axis(shape, axis);
  return axis < 0 ? 0 : shape.d[axis];
}

int rx_axis(RheoShape shape, int axis)
{
  if (axis < 0) axis += shape.n;
  return axis < 0 || axis >= shape.n ? -1 : axis;
}

/* ---- Leaves ---- */

static int shape_is_sound(RheoShape shape)
{
  if (shape.n < 0 || shape.n > RHEO_MAX_DIM) return 0;
  for (int i = 0; i < shape.n; i++)
    if (shape.d[i] < 1) return 0;
  return 1;
}

static RheoVal leaf(RheoProgram p, const RheoNode *node)
{
  char text[RHEO_SHAPE_TEXT];
  if (!p) return RHEO_NONE;
  if (shape_is_sound(node->shape)) return rx_append(p, node);
  return rx_fail(p, "%s: %s is no shape: at most %d sizes, each at least 1", RheoOps[node->op].name,
                 RheoShapeText(node->shape, text), RHEO_MAX_DIM);
}

static RheoVal add_input(RheoProgram p, const char *name, RheoShape shape, RheoInputKind kind, int is_rows)
{
  if (!p) return RHEO_NONE;
  if (RheoProgramInputFind(p, name) >= 0) return rx_fail(p, "input: the name '%s' is taken", name);
  if (!grow((void **)&p->input, sizeof(RheoInputInfo), p->n_input, &p->input_capacity))
    return rx_fail(p, "input: out of memory");
  RheoVal x = leaf(p, &(RheoNode){.op = RHEO_OP_INPUT, .shape = shape, .i = {p->n_input}});
  if (rx_exists(x)) p->input[p->n_input++] = (RheoInputInfo){RheoIntern(name), kind, is_rows, x.id};
  return x;
}

RheoVal(rx_input)(RheoProgram p, const char *name, RheoShape shape)
{
  return add_input(p, name, shape, RHEO_INPUT_DATA, 0);
}

RheoVal(rx_rows)(RheoProgram p, const char *name, int width)
{
  return add_input(p, name, RX_SHAPE(p ? p->rows : 0, width), RHEO_INPUT_DATA, 1);
}

RheoVal(rx_noise)(RheoProgram p, RheoInputKind kind, const char *name, int width)
{
  const RheoShape shape = RX_SHAPE(p ? p->rows : 0, width);
  const int k = p ? RheoProgramInputFind(p, name) : -1;
  if (p && width != 1 && (kind == RHEO_INPUT_NOISE_STRATIFIED || kind == RHEO_INPUT_NOISE_ANTITHETIC))
    return rx_fail(p, "noise: '%s' has one number a row, not %d", name, width);
  if (k >= 0 && p->input[k].kind == kind && RheoShapeSame(RheoProgramInputShape(p, k), shape))
    return (RheoVal){p, p->input[k].node};
  return add_input(p, name, shape, kind, 1);
}

RheoVal(rx_literal)(RheoProgram p, RheoShape shape, const double *values)
{
  return leaf(p, &(RheoNode){.op = RHEO_OP_LITERAL, .shape = shape, .data = (double *)values});
}

RheoVal(rx_fill)(RheoProgram p, RheoShape shape, double value)
{
  return leaf(p, &(RheoNode){.op = RHEO_OP_FILL, .shape = shape, .r = {value}});
}

RheoVal(rx_const)(RheoProgram p, double value)
{
  return rx_fill(p, RX_SCALAR, value);
}

RheoVal(rx_param)(RheoProgram p, RheoParams params, const char *name, RheoShape shape, RheoInit init)
{
  char message[256];
  if (!p) return RHEO_NONE;
  if (!params) return rx_fail(p, "param: '%s' needs a layout", name);
  if (p->params && p->params != params) return rx_fail(p, "param: '%s' comes from another layout", name);
  if (!shape_is_sound(shape)) return leaf(p, &(RheoNode){.op = RHEO_OP_PARAM, .shape = shape});
  const RheoParamView *view = RheoParamsAdd(params, name, shape, init, message);
  if (!view) return rx_fail(p, "param: %s", message);
  p->params = params;
  for (int i = 0; i < p->n_param; i++)
    if (p->param[i].name == view->name) return (RheoVal){p, p->param[i].node};
  if (!grow((void **)&p->param, sizeof(RheoParamNode), p->n_param, &p->param_capacity))
    return rx_fail(p, "param: out of memory");
  RheoVal x = leaf(p, &(RheoNode){.op = RHEO_OP_PARAM, .shape = shape, .offset = view->offset});
  if (rx_exists(x)) p->param[p->n_param++] = (RheoParamNode){view->name, x.id};
  return x;
}

/* ---- Inputs ---- */

int RheoProgramInputCount(RheoProgram p)
{
  return p->n_input;
}

int RheoProgramInputFind(RheoProgram p, const char *name)
{
  for (int i = 0; i < p->n_input; i++)
    if (!strcmp(p->input[i].name, name)) return i;
  return -1;
}

const char *RheoProgramInputName(RheoProgram p, int i)
{
  return p->input[i].name;
}

RheoInputKind RheoProgramInputKind(RheoProgram p, int i)
{
  return p->input[i].kind;
}

RheoShape RheoProgramInputShape(RheoProgram p, int i)
{
  return p->node[p->input[i].node].shape;
}

int RheoProgramInputIsRows(RheoProgram p, int i)
{
  return p->input[i].is_rows;
}
