/* Densities that several toys share. */
#include "toy_impl.h"
#include <gsl/gsl_integration.h>
#include <gsl/gsl_sf_bessel.h>
#include <math.h>

static const double LOG_TWO_PI = 1.83787706640934548356;

double RheoToyLogMeanExp(int n, const double *terms)
{
  double largest = -INFINITY, sum = 0;
  for (int i = 0; i < n; i++) largest = fmax(largest, terms[i]);
  if (isinf(largest)) return largest;
  for (int i = 0; i < n; i++) sum += exp(terms[i] - largest);
  return largest + log(sum / n);
}

double RheoToyMixtureLogProb(int n, const double *centre, double sd, const double *x)
{
  double sum = 0, nearest = INFINITY;
  for (int i = 0; i < n; i++)
    nearest = fmin(nearest, pow(x[0] - centre[2 * i], 2) + pow(x[1] - centre[2 * i + 1], 2));
  for (int i = 0; i < n; i++)
    sum += exp((nearest - pow(x[0] - centre[2 * i], 2) - pow(x[1] - centre[2 * i + 1], 2)) / (2 * sd * sd));
  return log(sum / n) - nearest / (2 * sd * sd) - LOG_TWO_PI - 2 * log(sd);
}

/* The mean over the angle of N(x; R (cos, sin), sd^2) is a Bessel function. */
double RheoToyCircleLogProb(double radius, double sd, const double *x)
{
  const double r = hypot(x[0], x[1]), v = sd * sd;
  return -pow(r - radius, 2) / (2 * v) + log(gsl_sf_bessel_I0_scaled(r * radius / v)) - LOG_TWO_PI - log(v);
}

void RheoToyCurveSample(RheoToyCurve curve, const void *config, double sd, const RheoToyPlace *place,
                        RheoStream *stream, double *x)
{
  curve(config, place->label, place->u, x);
  x[0] += sd * RheoStreamNormal(stream);
  x[1] += sd * RheoStreamNormal(stream);
}

/* Gauss-Legendre on panels that are short against the noise. With u = s^2 a curve that goes like the root of u at its beginning
 * is smooth too. */
double RheoToyCurveLogProb(RheoToyCurve curve, const void *config, double sd, int classes, const double *x)
{
  enum { NODES = 8, LEAST = 32, MOST = 100000, ROUGH = 64 };
  gsl_integration_glfixed_table *rule = gsl_integration_glfixed_table_alloc(NODES);
  double sum = 0, nearest = INFINITY; /* of exp(nearest - q) over all nodes */
  for (int label = 0; rule && label < classes; label++) {
    double a[2], b[2], length = 0;
    curve(config, label, 0, a);
    for (int i = 1; i <= ROUGH; i++) {
      curve(config, label, (double)i / ROUGH, b);
      length += hypot(b[0] - a[0], b[1] - a[1]);
      a[0] = b[0], a[1] = b[1];
    }
    const int panels = (int)fmin(MOST, fmax(LEAST, length / sd));
    for (int i = 0; i < NODES * panels; i++) {
      double s, weight, c[2];
      gsl_integration_glfixed_point((double)(i / NODES) / panels, (double)(i / NODES + 1) / panels,
                                    (size_t)(i % NODES), &s, &weight, rule);
      curve(config, label, s * s, c);
      const double q = (pow(x[0] - c[0], 2) + pow(x[1] - c[1], 2)) / (2 * sd * sd);
      if (q < nearest) {
        sum *= exp(q - nearest);
        nearest = q;
      }
      sum += 2 * s * weight * exp(nearest - q);
    }
  }
  if (!rule) return NAN;
  gsl_integration_glfixed_table_free(rule);
  return log(sum / classes) - nearest - LOG_TWO_PI - 2 * log(sd);
}
