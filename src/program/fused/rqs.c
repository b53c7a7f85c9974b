/* Monotone rational-quadratic splines: Gregory and Delbourgo 1982; Durkan, Bekasov, Murray and Papamakarios,
 * Neural Spline Flows, NeurIPS 2019, equations 4 to 8, with linear tails.
 *
 * Differences from the paper and its code: the raw slopes are shifted so that raw = 0 is the identity; the
 * denominator is written as a sum of positive terms, so that nothing cancels in single precision; the inverse
 * solves for t/(1 - t), where neither discriminant nor root can cancel, instead of for t; slopes are at most
 * 1e6, so that no finite raw overflows.
 *
 * Kernels work on tiles of elements, the raw parameters transposed so that elements lie side by side: one
 * exponential per raw width and height, one softplus per knot of the bin found, and as much again for the
 * derivative, which recomputes instead of storing. Cost per element with 10 bins: about 20 ns forward, 25 ns
 * for the derivative on one Zen 4 core.
 */
#define RHEO_NO_HERE
#include "expansion.h"
#include <string.h>

enum { RQS_TILE = 32 };
static const double RQS_MIN_BIN = 1e-3, RQS_MIN_SLOPE = 1e-3, RQS_MAX_SLOPE = 1e6;
static const double RQS_SHIFT = 0.539742417236952079; /* log(exp(1 - RQS_MIN_SLOPE) - 1) */

typedef struct {
  int n_bin, inverse;
  double bound, least, factor; /* a bin is least + factor softmax(raw) */
} RqsSizes;

static RqsSizes rqs_sizes(const RheoNode *node, const RheoShape *arg)
{
  const int n_bin = (arg[1].d[arg[1].n - 1] + 1) / 3;
  const double bound = node->r[0], least = 2 * bound * RQS_MIN_BIN;
  return (RqsSizes){n_bin, node->i[0], bound, least, 2 * bound - n_bin * least};
}

#include "single.h"

#include "transpose.inc"

#include "rqs.inc"

#include "double.h"

#include "transpose.inc"

#include "rqs.inc"

static size_t scratch(const RheoNode *node, const RheoShape *arg)
{
  (void)node;
  return (size_t)arg[1].d[arg[1].n - 1] * RQS_TILE;
}

static const char *shape(const RheoShape *arg, int n_arg, RheoNode *node)
{
  const RheoShape x = arg[0], raw = arg[1];
  if (n_arg != 2 || raw.n != x.n + 1) return "needs x (...) and raw (..., 3K - 1)";
  for (int k = 0; k < x.n; k++)
    if (raw.d[k] != x.d[k]) return "raw does not begin with the sizes of x";
  const int n_raw = raw.d[x.n];
  if (n_raw % 3 != 2) return "raw needs 3K - 1 values for K bins";
  if (n_raw < 5) return "needs at least 2 bins";
  if (n_raw > 1500) return "at most 500 bins";
  if (!(node->r[0] > 0)) return "the bound must be above 0";
  node->n_part = 2;
  node->part[0] = node->part[1] = x;
  return NULL;
}

static const char *shape_vjp(const RheoShape *arg, int n_arg, RheoNode *node)
{
  if (n_arg != 4) return "needs x, raw, dy and dlog_det";
  const char *what = shape(arg, 2, node);
  if (what) return what;
  if (!RheoShapeSame(arg[2], arg[0]) || !RheoShapeSame(arg[3], arg[0]))
    return "dy and dlog_det need the shape of x";
  node->part[1] = arg[1];
  return NULL;
}

/* ---- The same in primitives ---- */

typedef struct {
  RheoVal x0, x1, y0, y1, d0, d1; /* knots and slopes of each one's bin */
} Bin;

/* Lower and upper ends (..., K) of bins of raw sizes (..., K). */
static void expand_knots(const RqsSizes *size, RheoVal raw, RheoVal *lower, RheoVal *upper)
{
  const int axis = rx_shape(raw).n - 1;
  RheoShape one = rx_shape(raw);
  one.d[axis] = 1;
  const RheoVal sizes = rx_offset(rx_scale(rx_softmax(raw), size->factor), size->least);
  const RheoVal ends = rx_offset(rx_cumsum(sizes, axis, 0), -size->bound);
  const RheoVal inner = rx_slice(ends, axis, 0, size->n_bin - 1);
  *lower = rx_concat2(axis, rx_fill(raw.program, one, -size->bound), inner);
  *upper = rx_concat2(axis, inner, rx_fill(raw.program, one, size->bound));
}

static RheoVal expand_pick(RheoVal mask, RheoVal x)
{
  return rx_sum(rx_mul(mask, x), -1);
}

static Bin expand_bin(const RqsSizes *size, RheoVal key, RheoVal raw)
{
  const int axis = rx_shape(raw).n - 1, n_bin = size->n_bin;
  RheoProgram p = raw.program;
  RheoShape one = rx_shape(raw);
  RheoVal x0, x1, y0, y1;
  one.d[axis] = 1;
  expand_knots(size, rx_slice(raw, axis, 0, n_bin), &x0, &x1);
  expand_knots(size, rx_slice(raw, axis, n_bin, 2 * n_bin), &y0, &y1);
  const RheoVal begun = rx_less_equal(size->inverse ? y0 : x0, rx_reshape(key, one));
  const RheoVal next = rx_pad(rx_slice(begun, axis, 1, n_bin), axis, 0, 1), mask = rx_sub(begun, next);
  const RheoVal shifted = rx_offset(rx_slice(raw, axis, 2 * n_bin, 3 * n_bin - 1), RQS_SHIFT);
  const RheoVal inner = rx_offset(rx_min(rx_softplus(shifted), rx_const(p, RQS_MAX_SLOPE)), RQS_MIN_SLOPE);
  const RheoVal end = rx_fill(p, one, 1);
  return (Bin){expand_pick(mask, x0),
               expand_pick(mask, x1),
               expand_pick(mask, y0),
               expand_pick(mask, y1),
               expand_pick(mask, rx_concat2(axis, end, inner)),
               expand_pick(mask, rx_concat2(axis, inner, end))};
}

/* t = (x - x0)/w and u = 1 - t, or both from y, see rqs.inc. */
static void expand_place(const RqsSizes *size, const Bin *b, RheoVal key, RheoVal s, RheoVal *t, RheoVal *u)
{
  const RheoVal low = size->inverse ? b->y0 : b->x0, high = size->inverse ? b->y1 : b->x1,
                span = rx_sub(high, low);
  const RheoVal q = rx_div(rx_sub(key, low), span), p = rx_div(rx_sub(high, key), span);
  *t = q;
  *u = p;
  if (!size->inverse) return;
  const RheoVal half = rx_scale(rx_sub(rx_mul(b->d0, p), rx_mul(b->d1, q)), 0.5);
  const RheoVal root = rx_sqrt(rx_add(rx_square(half), rx_mul(rx_square(s), rx_mul(q, p))));
  const RheoVal negative = rx_less(half, rx_const(key.program, 0));
  const RheoVal over = rx_select(negative, rx_sub(root, half), rx_mul(s, q));
  const RheoVal under = rx_select(negative, rx_mul(s, p), rx_add(root, half));
  *t = rx_div(over, rx_add(over, under));
  *u = rx_div(under, rx_add(over, under));
}

static void expand(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  const RqsSizes size = rqs_sizes(node, (RheoShape[]){rx_shape(arg[0]), rx_shape(arg[1])});
  const RheoVal x = arg[0], zero = rx_fill(p, rx_shape(x), 0), bound = rx_const(p, size.bound);
  const RheoVal inside = rx_mul(rx_less_equal(rx_neg(bound), x), rx_less_equal(x, bound));
  const RheoVal key = rx_select(inside, x, zero);
  const Bin b = expand_bin(&size, key, arg[1]);
  const RheoVal w = rx_sub(b.x1, b.x0), h = rx_sub(b.y1, b.y0), s = rx_div(h, w);
  RheoVal t, u;
  expand_place(&size, &b, key, s, &t, &u);
  const RheoVal t2 = rx_square(t), u2 = rx_square(u), a = rx_mul(t, u);
  const RheoVal A = rx_add(rx_mul(s, t2), rx_mul(b.d0, a)), C = rx_add(rx_mul(s, u2), rx_mul(b.d1, a));
  const RheoVal D = rx_add(A, C);
  const RheoVal N = rx_add(rx_add(rx_mul(b.d1, t2), rx_mul(b.d0, u2)), rx_scale(rx_mul(s, a), 2));
  const RheoVal log_slope = rx_add(rx_log(N), rx_scale(rx_sub(rx_log(s), rx_log(D)), 2));
  const RheoVal value = size.inverse ? rx_add(b.x0, rx_mul(w, t)) : rx_add(b.y0, rx_mul(h, rx_div(A, D)));
  part[0] = rx_select(inside, value, x);
  part[1] =
      rx_select(inside, size.inverse ? rx_neg(log_slope) : log_slope, rx_select(rx_equal(x, x), zero, x));
}

static void expand_vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  rx_expand_vjp(p, &RheoFusedType_RQS, node, 2, arg, 2, arg + 2, part);
}

static void vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, const RheoVal *part,
                const RheoVal *dpart, RheoVal *darg)
{
  (void)part;
  const RheoVal all[] = {arg[0], arg[1], dpart[0], dpart[1]};
  const RheoVal fused = rx_fused(p, &RheoFusedType_RQSVJP, 4, all, node->i, node->r);
  darg[0] = rx_part(fused, 0);
  darg[1] = rx_part(fused, 1);
}

RheoVal(rx_rqs)(RheoVal x, RheoVal raw, double bound, int inverse, RheoVal *log_det)
{
  const int i[8] = {inverse != 0};
  const double r[4] = {bound};
  const RheoVal fused = rx_fused(x.program, &RheoFusedType_RQS, 2, (RheoVal[]){x, raw}, i, r),
                y = rx_part(fused, 0);
  if (log_det) *log_det = rx_part(fused, 1);
  return y;
}

const RheoFusedType RheoFusedType_RQSVJP = {
    .name = "rqs_vjp",
    .summary = "derivative of rqs by x and raw",
    .reference = "Durkan et al. 2019",
    .shape = shape_vjp,
    .expand = expand_vjp,
    .run_single = run_vjp_single,
    .run_double = run_vjp_double,
    .scratch = scratch,
};

const RheoFusedType RheoFusedType_RQS = {
    .name = "rqs",
    .summary = "monotone rational-quadratic spline with linear tails, and its inverse",
    .reference = "Durkan et al. 2019, equations 4 to 8",
    .shape = shape,
    .expand = expand,
    .vjp = vjp,
    .run_single = run_single,
    .run_double = run_double,
    .scratch = scratch,
};
