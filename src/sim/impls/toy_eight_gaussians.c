/* Eight normal distributions around a circle, each a class. Circle and spread differ between papers:
 *   torchcfm's runner, table 2 of SF2M (Tong et al. 2024): radius 5, sd 1, as many points in each (key `of`); torchdyn, which
 *     makes them there, also moves each as a whole by N(0, 1e-8); as a target of moons radius 12, sd 1.5, drawn independently;
 *   torchcfm's notebooks, C2OT (Cheng & Schwing 2025): radius 5, sd 0.1^(1/4) = 0.5623, because a covariance of sqrt(0.1) was
 *     given, drawn independently. */
#include "../toy_impl.h"
#include <math.h>

enum { MODES = 8 };

typedef struct {
  double radius, sd;
} Config;

static const RheoKey keys[] = {{"radius", RHEO_KEY_REAL, offsetof(Config, radius), "5", "(0, inf)",
                                "of the circle of centres (eight_gaussians)"},
                               {"sd", RHEO_KEY_REAL, offsetof(Config, sd), "1", "(0, inf)",
                                "standard deviation (normal, eight_gaussians, gaussian_grid)"},
                               {0}};

static void centre(const Config *c, int i, double *x)
{
  x[0] = c->radius * cos(2 * M_PI * i / MODES);
  x[1] = c->radius * sin(2 * M_PI * i / MODES);
}

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  const Config *c = config;
  centre(c, place->label, x);
  for (int k = 0; k < 2; k++) x[k] += c->sd * RheoStreamNormal(stream);
}

static double log_prob(const void *config, const double *x)
{
  const Config *c = config;
  double centres[2 * MODES];
  for (int i = 0; i < MODES; i++) centre(c, i, centres + 2 * i);
  return RheoToyMixtureLogProb(MODES, centres, c->sd, x);
}

const RheoToyType RheoToyType_EightGaussians = {.name = "eight_gaussians",
                                                .summary = "normal distributions around a circle; 8 classes",
                                                .reference = "Tong et al., AISTATS 2024",
                                                .keys = keys,
                                                .size = sizeof(Config),
                                                .classes = MODES,
                                                .sample = sample,
                                                .log_prob = log_prob};
