/* From a box to the real line, feature by feature: log((x - l) / (u - x)) between two bounds, log(x - l)
 * above a lower one, -log(u - x) below an upper one, x itself where there is none.
 *
 * The way back cannot leave the box: its result is clamped to the outermost single-precision numbers strictly
 * inside, so that this holds in both precisions. x on a bound counts as just inside; beyond it the density is
 * zero, log_det -infinity. A few units in the last place are let through, because data in single precision
 * may round a bound outwards. */
#include "../flow_impl.h"
#include <float.h>
#include <math.h>

typedef struct {
  RheoVal lower, upper;         /* (D), 0 where open */
  RheoVal has_lower, has_upper; /* (D), 1 or 0 */
  RheoVal has_both, has_none;
  RheoVal first, last;       /* outermost values inside */
  RheoVal out_low, out_high; /* beyond these the density is zero */
  RheoVal range, floor;      /* u - l, or 1; smallest distance to a bound */
} Box;

static RheoVal row(RheoScope scope, int n, const double *values)
{
  return rx_literal(scope.program, RX_SHAPE(n), values);
}

/* The smallest single above x, and not a subnormal, which processors may flush to 0. */
static double above(double x)
{
  float y = (float)x;
  if (!(y > x)) y = nextafterf(y, INFINITY);
  return y > -FLT_MIN && y < FLT_MIN ? (x < 0 ? 0 : FLT_MIN) : y;
}

static double slack(double bound)
{
  return 4 * FLT_EPSILON * fabs(bound);
}

static Box box_of(RheoScope scope, const RheoTransform *t)
{
  enum { LOWER, UPPER, HAS_LOWER, HAS_UPPER, BOTH, OPEN, FIRST, LAST, OUT_LOW, OUT_HIGH, RANGE, FLOOR, N };
  const int n = t->n_features;
  double v[N][RHEO_MAX_FEATURES];
  RheoVal r[N];
  for (int d = 0; d < n; d++) {
    const double l = t->lower ? t->lower[d] : -INFINITY, u = t->upper ? t->upper[d] : INFINITY;
    const int low = isfinite(l), high = isfinite(u);
    v[HAS_LOWER][d] = low;
    v[HAS_UPPER][d] = high;
    v[BOTH][d] = low && high;
    v[OPEN][d] = !low && !high;
    v[LOWER][d] = low ? l : 0;
    v[UPPER][d] = high ? u : 0;
    v[RANGE][d] = low && high ? u - l : 1;
    v[FLOOR][d] = low && high ? 1e-12 * (u - l) : 1e-30;
    v[FIRST][d] = low ? above(l) : -FLT_MAX;
    v[LAST][d] = high ? -above(-u) : FLT_MAX;
    v[OUT_LOW][d] = low ? l - slack(l) : -INFINITY;
    v[OUT_HIGH][d] = high ? u + slack(u) : INFINITY;
  }
  for (int k = 0; k < N; k++) r[k] = row(scope, n, v[k]);
  return (Box){r[LOWER], r[UPPER], r[HAS_LOWER], r[HAS_UPPER], r[BOTH],  r[OPEN],
               r[FIRST], r[LAST],  r[OUT_LOW],   r[OUT_HIGH],  r[RANGE], r[FLOOR]};
}

static int is_open(const RheoTransform *t)
{
  for (int d = 0; d < t->n_features; d++)
    if ((t->lower && isfinite(t->lower[d])) || (t->upper && isfinite(t->upper[d]))) return 0;
  return 1;
}

static void identity(RheoScope scope, RheoVal x, RheoVal *y, RheoVal *log_det)
{
  *y = x;
  *log_det = rx_fill(scope.program, RX_SHAPE(RheoProgramRows(scope.program)), 0);
}

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  (void)context;
  if (is_open(t)) {
    identity(scope, x, y, log_det);
    return;
  }
  Box b = box_of(scope, t);
  RheoVal one = rx_const(scope.program, 1), never = rx_const(scope.program, -INFINITY);
  RheoVal from_lower = rx_log(rx_select(b.has_lower, rx_max(rx_sub(x, b.lower), b.floor), one));
  RheoVal to_upper = rx_log(rx_select(b.has_upper, rx_max(rx_sub(b.upper, x), b.floor), one));
  RheoVal outside = rx_add(rx_less(x, b.out_low), rx_less(b.out_high, x));
  RheoVal log_slope = rx_sub(rx_sub(rx_log(b.range), from_lower), to_upper);
  *y = rx_select(b.has_none, x, rx_sub(from_lower, to_upper));
  *log_det = rx_sum(rx_select(outside, never, log_slope), 1);
}

/* Exponents are kept where neither precision overflows; what is farther out is at the last value inside
 * anyway. */
static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  (void)context;
  if (is_open(t)) {
    identity(scope, y, x, log_det);
    return;
  }
  Box b = box_of(scope, t);
  RheoVal up = rx_clamp(y, -80, 80);
  RheoVal between = rx_add(b.lower, rx_mul(b.range, rx_sigmoid(y)));
  RheoVal half = rx_select(b.has_lower, rx_add(b.lower, rx_exp(up)), rx_sub(b.upper, rx_exp(rx_neg(up))));
  RheoVal inside = rx_max(b.first, rx_min(b.last, rx_select(b.has_both, between, half)));
  RheoVal both = rx_sub(rx_log(b.range), rx_add(rx_softplus(y), rx_softplus(rx_neg(y))));
  RheoVal one_sided = rx_select(b.has_lower, y, rx_neg(y));
  RheoVal open_slope = rx_select(b.has_none, rx_const(scope.program, 0), one_sided);
  *x = rx_select(b.has_none, y, inside);
  *log_det = rx_sum(rx_select(b.has_both, both, open_slope), 1);
}

const RheoTransformType RheoTransformType_Bounded = {
    .name = "bounded",
    .summary = "from the bounds of the parameters to the real line; put in front where there are bounds",
    .reference = "-",
    .forward = forward,
    .inverse = inverse,
};
