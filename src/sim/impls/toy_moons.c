/* Two half circles that reach into each other; two classes. In scikit-learn (make_moons) normal noise, independent in both
 * coordinates; SF2M's table 2 takes noise 0.05, scale 2, shift (-1, 0) as a target; as a source noise 0.1 and mean 0, standard deviation 7
 * over both coordinates together: scale 9.682, shift (-3.631, -3.631). In torchdyn, and so in torchcfm's notebooks and in C2OT
 * (noise 0.2, scale 3, shift (-1, -1)), one number, uniform on [0, noise], is added to both coordinates: `jitter: diagonal`. */
#include "../toy_impl.h"
#include <math.h>

typedef enum { JITTER_NORMAL, JITTER_DIAGONAL } Jitter;

typedef struct {
  double noise;
  int jitter;
} Config;

static const RheoKey keys[] = {{"noise", RHEO_KEY_REAL, offsetof(Config, noise), "0.05", "(0, inf)",
                                "standard deviation around a curve, or extent of the jitter"},
                               {"jitter", RHEO_KEY_CHOICE, offsetof(Config, jitter), "normal",
                                "normal|diagonal",
                                "normal noise, or one uniform number added to both coordinates (moons)"},
                               {0}};

static void curve(const void *config, int label, double u, double *x)
{
  const double a = M_PI * u;
  (void)config;
  x[0] = label ? 1 - cos(a) : cos(a);
  x[1] = label ? 0.5 - sin(a) : sin(a);
}

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  const Config *c = config;
  if (c->jitter == JITTER_NORMAL) {
    RheoToyCurveSample(curve, c, c->noise, place, stream, x);
    return;
  }
  const double move = c->noise * RheoStreamUniform(stream);
  curve(c, place->label, place->u, x);
  x[0] += move;
  x[1] += move;
}

static double log_prob(const void *config, const double *x)
{
  const Config *c = config;
  return c->jitter == JITTER_NORMAL ? RheoToyCurveLogProb(curve, c, c->noise, 2, x) : NAN;
}

const RheoToyType RheoToyType_Moons = {.name = "moons",
                                       .summary = "two half circles; 2 classes",
                                       .reference = "Pedregosa et al., JMLR 2011",
                                       .keys = keys,
                                       .size = sizeof(Config),
                                       .classes = 2,
                                       .spread = RHEO_TOY_EVEN,
                                       .sample = sample,
                                       .log_prob = log_prob};
