/* Uniform on the black squares of a board of 4 by 4 squares of side 2 around the origin (Grathwohl et al., ICLR 2019). */
#include "../toy_impl.h"
#include <math.h>

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  const double a = 4 * place->u - 2, row = RheoStreamInteger(stream, 2) ? -2 : 0;
  (void)config;
  x[0] = 2 * a;
  x[1] = 2 * (RheoStreamUniform(stream) + row + ((int)floor(a) & 1));
}

static double log_prob(const void *config, const double *x)
{
  (void)config;
  if (!(fabs(x[0]) <= 4) || !(fabs(x[1]) <= 4)) return -INFINITY;
  return ((int)floor(x[0] / 2) + (int)floor(x[1] / 2)) & 1 ? -INFINITY : -log(32);
}

const RheoToyType RheoToyType_Checkerboard = {.name = "checkerboard",
                                              .summary = "uniform on the black squares of a board",
                                              .reference = "Grathwohl et al., ICLR 2019",
                                              .classes = 1,
                                              .sample = sample,
                                              .log_prob = log_prob};
