#include "prior_impl.h"
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* The doubles in order as integers: halving an interval of these reaches any scale, and the last bit, in 64
 * steps. */
static int64_t OrderOf(double x)
{
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits < 0 ? INT64_MIN - bits : bits;
}

static double OfOrder(int64_t order)
{
  const int64_t bits = order < 0 ? INT64_MIN - order : order;
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double Middle(double low, double high)
{
  const int64_t l = OrderOf(low), h = OrderOf(high);
  return OfOrder(l / 2 + h / 2 + (l % 2 + h % 2) / 2);
}

double RheoPriorInvert(const RheoPriorType *type, const double *a, double p, int upper)
{
  double low, high, x;
  type->support(a, &low, &high);
  if (!(p > 0)) return upper ? high : low;
  if (p >= 1) return upper ? low : high;
  low = fmax(low, -DBL_MAX);
  high = fmin(high, DBL_MAX);
  x = Middle(low, high);
  for (int i = 0; i < 200 && x > low && x < high; ++i) {
    const double tail = upper ? type->upper_cdf(x, a) : type->cdf(x, a);
    if (tail == p) break;
    if ((tail > p) == (upper != 0)) {
      low = x;
    } else {
      high = x;
    }
    /* d log(tail) / dx = +-pdf / tail. Every other step halves, so that a poor Newton step costs one
     * evaluation. */
    const double slope = exp(type->log_pdf(x, a)) / tail, step = log(tail / p) / slope;
    const double newton = upper ? x + step : x - step;
    if (fabs(newton - x) <= DBL_EPSILON * fabs(x)) return newton > low && newton < high ? newton : x;
    x = newton > low && newton < high && (i % 4 || i < 8) ? newton : Middle(low, high);
  }
  return x;
}
