/* Independent normal coordinates, in any dimension. Two of them are the bridge of De Bortoli et al. (NeurIPS 2021): N(-0.1, I)
 * to N(0.1, I). */
#include "../toy_impl.h"
#include <math.h>

typedef struct {
  double mean, sd;
  int dimension;
} Config;

static const RheoKey keys[] = {
    {"mean", RHEO_KEY_REAL, offsetof(Config, mean), "0", NULL, "of every coordinate (normal)"},
    {"sd", RHEO_KEY_REAL, offsetof(Config, sd), "1", "(0, inf)",
     "standard deviation (normal, eight_gaussians, gaussian_grid)"},
    {"dimension", RHEO_KEY_INT, offsetof(Config, dimension), "2", "[1, 1000]", "coordinates (normal)"},
    {0}};

static int dimension(const void *config)
{
  return ((const Config *)config)->dimension;
}

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  const Config *c = config;
  (void)place;
  for (int k = 0; k < c->dimension; k++) x[k] = c->mean + c->sd * RheoStreamNormal(stream);
}

static double log_prob(const void *config, const double *x)
{
  const Config *c = config;
  double sum = -0.91893853320467274178 * c->dimension - c->dimension * log(c->sd);
  for (int k = 0; k < c->dimension; k++) sum -= 0.5 * pow((x[k] - c->mean) / c->sd, 2);
  return sum;
}

static void normal(const void *config, double *mean, double *sd)
{
  *mean = ((const Config *)config)->mean;
  *sd = ((const Config *)config)->sd;
}

const RheoToyType RheoToyType_Normal = {.name = "normal",
                                        .summary = "independent normal coordinates",
                                        .reference = "De Bortoli et al., NeurIPS 2021",
                                        .keys = keys,
                                        .size = sizeof(Config),
                                        .classes = 1,
                                        .dimension = dimension,
                                        .sample = sample,
                                        .log_prob = log_prob,
                                        .normal = normal};
