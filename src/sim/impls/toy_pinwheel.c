/* Five bent blades; five classes (Johnson et al., NeurIPS 2016, with the constants of Grathwohl et al., ICLR 2019: radial sd 0.3,
 * tangential sd 0.1, rate 0.25, scale 2). A point (1 + r, s) of the blade is turned by 2 pi label / 5 + rate exp(1 + r). */
#include "../toy_impl.h"
#include <math.h>

enum { BLADES = 5 };

typedef struct {
  double radial, tangential, rate;
} Config;

static const RheoKey keys[] = {
    {"radial", RHEO_KEY_REAL, offsetof(Config, radial), "0.3", "(0, inf)", "sd along a blade (pinwheel)"},
    {"tangential", RHEO_KEY_REAL, offsetof(Config, tangential), "0.1", "(0, inf)",
     "sd across a blade (pinwheel)"},
    {"rate", RHEO_KEY_REAL, offsetof(Config, rate), "0.25", NULL, "how blades are bent (pinwheel)"},
    {0}};

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  const Config *c = config;
  const double r = 1 + c->radial * RheoStreamNormal(stream), s = c->tangential * RheoStreamNormal(stream);
  const double a = 2 * M_PI * place->label / BLADES + c->rate * exp(r);
  x[0] = r * cos(a) + s * sin(a);
  x[1] = s * cos(a) - r * sin(a);
}

const RheoToyType RheoToyType_Pinwheel = {.name = "pinwheel",
                                          .summary = "five bent blades; 5 classes",
                                          .reference = "Johnson et al., NeurIPS 2016",
                                          .keys = keys,
                                          .size = sizeof(Config),
                                          .classes = BLADES,
                                          .sample = sample};
