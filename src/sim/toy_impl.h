/* What a type of toy distribution provides. */
#pragma once
#include "toy.h"

typedef struct {
  int label; /* class, from 0 */
  double u;  /* place within it, in [0, 1] */
} RheoToyPlace;

/* How the places of a class are spread in a set (key `of`): drawn at random, at even steps from 0 to 1, or from 0 to before 1. */
typedef enum { RHEO_TOY_RANDOM, RHEO_TOY_EVEN, RHEO_TOY_EVEN_OPEN } RheoToySpread;

typedef struct {
  const char *name, *summary, *reference;
  const RheoKey *keys; /* of the type; NULL for none */
  size_t size;         /* of its configuration */
  int classes;         /* at least 1 */
  RheoToySpread spread;
  int (*dimension)(const void *config); /* OPTIONAL; 2 where absent */
  /* REQUIRED. x (D) */
  void (*sample)(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x);
  /* OPTIONAL. log p(x); NaN where this configuration has none */
  double (*log_prob)(const void *config, const double *x);
  /* OPTIONAL, of a normal distribution of equal and independent coordinates. */
  void (*normal)(const void *config, double *mean, double *sd);
} RheoToyType;

/* A curve, or several, with normal noise of standard deviation sd around it: a point of class label at u in [0, 1]. */
typedef void (*RheoToyCurve)(const void *config, int label, double u, double *x);
void RheoToyCurveSample(RheoToyCurve curve, const void *config, double sd, const RheoToyPlace *place,
                        RheoStream *stream, double *x);
/* By quadrature over u, to about 1e-9 where the noise is at least 1e-4 of the curve's length. */
double RheoToyCurveLogProb(RheoToyCurve curve, const void *config, double sd, int classes, const double *x);

/* log of the density of a normal mixture of equal weights at centres (n, 2) with standard deviation sd. */
double RheoToyMixtureLogProb(int n, const double *centre, double sd, const double *x);
/* log of the density of a circle of radius around the origin with normal noise. */
double RheoToyCircleLogProb(double radius, double sd, const double *x);
/* log of the mean of exp(terms) (n). */
double RheoToyLogMeanExp(int n, const double *terms);
