/* 25 narrow normal distributions on a square grid, each a class (Gulrajani et al., NeurIPS 2017: spacing 2, sd 0.05). */
#include "../toy_impl.h"

enum { SIDE = 5, MODES = SIDE * SIDE };

typedef struct {
  double spacing, sd;
} Config;

static const RheoKey keys[] = {
    {"spacing", RHEO_KEY_REAL, offsetof(Config, spacing), "2", "(0, inf)", "between centres (gaussian_grid)"},
    {"sd", RHEO_KEY_REAL, offsetof(Config, sd), "0.05", "(0, inf)",
     "standard deviation (normal, eight_gaussians, gaussian_grid)"},
    {0}};

static void centre(const Config *c, int i, double *x)
{
  x[0] = c->spacing * (i / SIDE - SIDE / 2);
  x[1] = c->spacing * (i % SIDE - SIDE / 2);
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

const RheoToyType RheoToyType_GaussianGrid = {.name = "gaussian_grid",
                                              .summary = "5 by 5 narrow normal distributions; 25 classes",
                                              .reference = "Gulrajani et al., NeurIPS 2017",
                                              .keys = keys,
                                              .size = sizeof(Config),
                                              .classes = MODES,
                                              .sample = sample,
                                              .log_prob = log_prob};
