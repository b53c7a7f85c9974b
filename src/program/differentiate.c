/* Derivatives by reverse accumulation over the list of nodes, appended to the same program, so that they can
 * be differentiated again. */
#define RHEO_NO_HERE
#include "differentiate_impl.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
  RheoProgram p;
  int first;     /* nodes below are not looked into */
  int n;         /* nodes when the sweep began */
  char *depends; /* whether the node varies with one of x */
  RheoVal (*cotangent)[RHEO_MAX_PARTS];
} Sweep;

int rx_vjp_depends(RheoOp op, int k)
{
  switch (op) {
  case RHEO_OP_SIGN:
  case RHEO_OP_FLOOR:
  case RHEO_OP_LESS:
  case RHEO_OP_LESS_EQUAL:
  case RHEO_OP_EQUAL:
  case RHEO_OP_STOP_GRADIENT:
    return 0;
  case RHEO_OP_SELECT:
    return k > 0;
  case RHEO_OP_GATHER:
  case RHEO_OP_SCATTER_ADD:
    return k == 0;
  default:
    return 1;
  }
}

static void mark(Sweep *s, int n_x, const RheoVal *x)
{
  int start = s->n;
  for (int i = 0; i < n_x; i++) {
    s->depends[x[i].id] = 1;
    if (x[i].id < start) start = x[i].id;
  }
  for (int id = start > s->first ? start : s->first; id < s->n; id++) {
    const RheoNode *node = &s->p->node[id];
    for (int k = 0; k < node->n_arg && !s->depends[id]; k++)
      s->depends[id] = s->depends[node->arg[k]] && rx_vjp_depends(node->op, k);
  }
}

static void pull_back_fused(Sweep *s, const RheoNode *node, int id, const int *need, RheoVal *darg)
{
  RheoVal *arg = calloc((size_t)node->n_arg, sizeof *arg), part[RHEO_MAX_PARTS], dpart[RHEO_MAX_PARTS];
  if (!arg) {
    rx_fail(s->p, "vjp: out of memory");
    return;
  }
  for (int k = 0; k < node->n_arg; k++) arg[k] = (RheoVal){s->p, node->arg[k]};
  for (int k = 0; k < node->n_part; k++) dpart[k] = s->cotangent[id][k];
  if (node->fused->vjp) {
    for (int k = 0; k < node->n_part; k++) {
      part[k] = rx_part((RheoVal){s->p, id}, k);
      if (!rx_exists(dpart[k])) dpart[k] = rx_fill(s->p, node->part[k], 0.);
    }
    node->fused->vjp(s->p, node, arg, part, dpart, darg);
  } else {
    int first = s->p->n;
    node->fused->expand(s->p, node, arg, part);
    rx_vjp_many(s->p, first, node->n_part, part, dpart, node->n_arg, arg, need, darg);
  }
  free(arg);
}

/* Hands the cotangent of a node on to its arguments. */
static void pull_back(Sweep *s, int id)
{
  enum { FEW = 8 };
  RheoNode node = s->p->node[id]; /* a copy: the list moves when it grows */
  int few_need[FEW], *need = few_need, any = 0;
  RheoVal few_darg[FEW], *darg = few_darg;
  if (node.op == RHEO_OP_PART) {
    RheoVal *whole = &s->cotangent[node.arg[0]][node.i[0]];
    *whole = rx_accumulate(*whole, s->cotangent[id][0]);
    return;
  }
  if (node.n_arg > FEW) {
    need = malloc((size_t)node.n_arg * sizeof *need);
    darg = malloc((size_t)node.n_arg * sizeof *darg);
  }
  if (!need || !darg) rx_fail(s->p, "vjp: out of memory");
  for (int k = 0; need && darg && k < node.n_arg; k++) {
    darg[k] = RHEO_NONE;
    need[k] = s->depends[node.arg[k]] && rx_vjp_depends(node.op, k);
    any |= need[k];
  }
  if (any) {
    if (node.op == RHEO_OP_FUSED)
      pull_back_fused(s, &node, id, need, darg);
    else
      rx_vjp_rule(s->p, id, s->cotangent[id][0], need, darg);
    for (int k = 0; k < node.n_arg; k++)
      if (need[k]) s->cotangent[node.arg[k]][0] = rx_accumulate(s->cotangent[node.arg[k]][0], darg[k]);
  }
  if (need != few_need) free(need);
  if (darg != few_darg) free(darg);
}

static int has_cotangent(const Sweep *s, int id)
{
  for (int k = 0; k < RHEO_MAX_PARTS; k++)
    if (s->cotangent[id][k].program) return 1;
  return 0;
}

/* An x that stands twice gets its derivative at the first place only: what is handed back is to be added up.
 */
static RheoVal take(const Sweep *s, int i, const RheoVal *x)
{
  for (int j = 0; j < i; j++)
    if (x[j].id == x[i].id) return RHEO_NONE;
  return s->cotangent[x[i].id][0];
}

void rx_vjp_many(RheoProgram p, int first, int n_y, const RheoVal *y, const RheoVal *dy, int n_x,
                 const RheoVal *x, const int *need, RheoVal *dx)
{
  Sweep s = {.p = p, .first = first, .n = p->n};
  if (p->error[0]) return;
  s.depends = calloc((size_t)s.n, 1);
  s.cotangent = malloc((size_t)s.n * sizeof *s.cotangent);
  if (s.depends && s.cotangent) {
    for (int id = 0; id < s.n; id++)
      for (int k = 0; k < RHEO_MAX_PARTS; k++) s.cotangent[id][k] = RHEO_NONE;
    mark(&s, n_x, x);
    for (int k = 0; k < n_y; k++)
      if (rx_exists(dy[k]) && s.depends[y[k].id])
        s.cotangent[y[k].id][0] = rx_accumulate(s.cotangent[y[k].id][0], dy[k]);
    for (int id = s.n - 1; id >= first && !p->error[0]; id--)
      if (s.depends[id] && has_cotangent(&s, id)) pull_back(&s, id);
    for (int i = 0; i < n_x; i++)
      if (!need || need[i]) dx[i] = take(&s, i, x);
  } else
    rx_fail(p, "vjp: out of memory");
  free(s.depends);
  free(s.cotangent);
}

/* ---- The public functions ---- */

static RheoVal fail_all(RheoVal failed, int n, RheoVal *dx)
{
  for (int i = 0; i < n; i++) dx[i] = failed;
  return failed;
}

RheoVal(rx_vjp)(RheoVal y, RheoVal dy, int n, const RheoVal *x, RheoVal *dx)
{
  char text[2][RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of("vjp", 1, &y);
  if (!p || (n > 0 && !rx_program_of("vjp", n, x))) return fail_all(rx_failed(1, &y), n, dx);
  if (n > 0 && x[0].program != p)
    return fail_all(rx_fail(p, "vjp: y and x belong to different programs"), n, dx);
  if (!dy.program && RheoShapeSize(rx_shape(y)) != 1)
    return fail_all(rx_fail(p, "vjp: %s is no scalar and needs a dy", RheoShapeText(rx_shape(y), text[0])), n,
                    dx);
  if (!dy.program) dy = rx_fill(p, rx_shape(y), 1.);
  if (rx_program_of("vjp", 2, (RheoVal[]){y, dy}) != p) return fail_all((RheoVal){p, -1}, n, dx);
  if (!RheoShapeSame(rx_shape(y), rx_shape(dy)))
    return fail_all(rx_fail(p, "vjp: y is %s, but dy %s", RheoShapeText(rx_shape(y), text[0]),
                            RheoShapeText(rx_shape(dy), text[1])),
                    n, dx);
  fail_all(RHEO_NONE, n, dx);
  rx_vjp_many(p, 0, 1, &y, &dy, n, x, NULL, dx);
  if (p->error[0]) return fail_all((RheoVal){p, -1}, n, dx);
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++)
      if (x[j].id == x[i].id) dx[i] = dx[j];
    if (!rx_exists(dx[i])) dx[i] = rx_fill(p, rx_shape(x[i]), 0.);
  }
  return y;
}

RheoVal(rx_grad)(RheoVal y, RheoVal x)
{
  RheoVal dx;
  rx_vjp(y, RHEO_NONE, 1, &x, &dx);
  return dx;
}

/* g(u) = J^T u is linear in u, so that its VJP with respect to u is J v whatever u is: u is a zero that rules
 * cannot see through. */
RheoVal(rx_jvp)(RheoVal y, RheoVal x, RheoVal v)
{
  RheoVal all[] = {y, x, v}, g, tangent;
  char text[2][RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of("jvp", 3, all);
  if (!p) return rx_failed(3, all);
  if (!RheoShapeSame(rx_shape(x), rx_shape(v)))
    return rx_fail(p, "jvp: x is %s, but v %s", RheoShapeText(rx_shape(x), text[0]),
                   RheoShapeText(rx_shape(v), text[1]));
  RheoVal u = rx_stop_gradient(rx_fill(p, rx_shape(y), 0.));
  rx_vjp(y, u, 1, &x, &g);
  rx_vjp(g, v, 1, &u, &tangent);
  return tangent;
}

/* ---- The gradient as one vector ---- */

static int param_node(RheoProgram p, const RheoParamView *view)
{
  for (int i = 0; i < p->n_param; i++)
    if (p->param[i].name == view->name) return p->param[i].node;
  return -1;
}

static int is_zero(RheoVal x)
{
  const RheoNode *node = &x.program->node[x.id];
  return node->op == RHEO_OP_FILL && node->r[0] == 0.;
}

/* Puts stretches behind each other; zeros next to each other become one. x, dx, piece have room for all
 * views. */
static RheoVal grad_params(RheoVal y, RheoParams params, RheoVal *x, RheoVal *dx, RheoVal *piece)
{
  RheoProgram p = y.program;
  int count = RheoParamsCount(params), n = 0, n_piece = 0;
  size_t zeros = 0;
  for (int i = 0; i < count; i++) {
    const RheoParamView *view = RheoParamsView(params, i);
    int id = view->init.frozen ? -1 : param_node(p, view);
    if (id >= 0) x[n++] = (RheoVal){p, id};
  }
  if (!rx_exists(rx_vjp(y, RHEO_NONE, n, x, dx))) return (RheoVal){p, -1};
  n = 0;
  for (int i = 0; i <= count; i++) {
    const RheoParamView *view = i < count ? RheoParamsView(params, i) : NULL;
    int named = view && !view->init.frozen && param_node(p, view) >= 0;
    RheoVal gradient = named ? dx[n++] : RHEO_NONE;
    if (view && (!named || is_zero(gradient))) {
      zeros += view->size;
      continue;
    }
    if (zeros) piece[n_piece++] = rx_fill(p, RX_SHAPE((int)zeros), 0.);
    zeros = 0;
    if (view) piece[n_piece++] = rx_reshape(gradient, RX_SHAPE((int)view->size));
  }
  return rx_concat(0, n_piece, piece);
}

RheoVal(rx_grad_params)(RheoVal y, RheoParams params)
{
  RheoProgram p = rx_program_of("grad_params", 1, &y);
  if (!p) return rx_failed(1, &y);
  if (p->params && p->params != params) return rx_fail(p, "grad_params: not the program's layout");
  if (RheoParamsSize(params) == 0 || RheoParamsSize(params) > INT_MAX)
    return rx_fail(p, "grad_params: %zu parameters", RheoParamsSize(params));
  size_t count = (size_t)RheoParamsCount(params);
  RheoVal *memory = calloc(4 * count + 1, sizeof *memory);
  if (!memory) return rx_fail(p, "grad_params: out of memory");
  RheoVal gradient = grad_params(y, params, memory, memory + count, memory + 2 * count);
  free(memory);
  return gradient;
}
