/* Probability paths against their formulas, their targets against differences in time, and the times that are drawn. */
#include "check.h"
#include "cnfs.h"
#include "model.h"
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 9 };

/* What z_t is made of: c[0] z0 + c[1] z1 + c[2] e. Fails for a path that stands not here. */
static void formula(const char *path, double sigma, double t, double *c)
{
  const double straight[] = {1 - t, t, sigma}, lipman[] = {1 - (1 - sigma) * t, t, 0};
  const double vp[] = {cos(M_PI * t / 2), sin(M_PI * t / 2), sigma};
  const double sb[] = {1 - t, t, sigma * sqrt(fmax(t * (1 - t), 1e-4))}, ve[] = {pow(0.01 / sigma, t), 1, 0};
  const struct {
    const char *name;
    const double *c;
  } known[] = {{"linear", straight}, {"lipman", lipman}, {"vp", vp}, {"sb", sb}, {"ve", ve}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++)
    if (!strcmp(known[k].name, path)) {
      memcpy(c, known[k].c, 3 * sizeof *c);
      return;
    }
  fail_msg("no formula for the path '%s'", path);
}

typedef struct {
  RheoProgram program;
  RheoVal z, target;
} Path;

static Path start(const RheoPathType *type, double sigma)
{
  Path path;
  RheoVal in[4];
  const char *const names[] = {"z0", "z1", "e", "t"};
  OK(RheoProgramCreate(B, &path.program));
  for (int k = 0; k < 4; k++) in[k] = rx_rows(path.program, names[k], 1);
  type->place(sigma, in[0], in[1], in[2], in[3], &path.z, &path.target);
  return path;
}

static double sigma_of(const RheoPathType *type, int k)
{
  const double sigmas[] = {0, 0.3, 1.5, 20};
  return type->allows(sigmas[k]) ? sigmas[k] : -1;
}

/* A value at z0, z1, e and B times. */
static void at(RheoVal value, double z0, double z1, double e, const double *t, double *y)
{
  double in[3][B];
  for (int r = 0; r < B; r++) {
    in[0][r] = z0;
    in[1][r] = z1;
    in[2][r] = e;
  }
  Evaluate(value, NULL, (const double *[]){in[0], in[1], in[2], t}, y);
}

static void places_follow_their_formulas(void **state)
{
  double t[B], y[B], c[3];
  (void)state;
  for (int r = 0; r < B; r++) t[r] = r / (B - 1.);
  for (int i = 0; RheoPathTypes[i]; i++)
    for (int k = 0; k < 4; k++) {
      const double sigma = sigma_of(RheoPathTypes[i], k);
      if (sigma < 0) continue;
      Path path = start(RheoPathTypes[i], sigma);
      for (int part = 0; part < 3; part++) {
        at(path.z, part == 0, part == 1, part == 2, t, y);
        for (int r = 0; r < B; r++) {
          formula(RheoPathTypes[i]->name, sigma, t[r], c);
          AssertNear(y[r], c[part], 1e-12 * (1 + sigma));
        }
      }
      OK(RheoProgramDestroy(&path.program));
    }
}

/* At t = 0 the source (for a path that widens it, the source and a small part), at t = 1 the data; up to sigma. */
static void ends_are_source_and_data(void **state)
{
  const double t[B] = {0, 1, 0, 1, 0, 1, 0, 1, 0};
  double y[B];
  (void)state;
  for (int i = 0; RheoPathTypes[i]; i++) {
    const RheoPathType *type = RheoPathTypes[i];
    const double sigma = type->allows(1e-3) ? 1e-3 : 50, blur = type->width ? 1e-3 : sigma;
    Path path = start(type, sigma);
    at(path.z, 2, -3, 0.5, t, y);
    AssertNear(y[0], type->width ? 2 - 3 : 2, 3 * blur);
    AssertNear(y[1], -3, 3 * blur);
    OK(RheoProgramDestroy(&path.program));
  }
}

/* A target is the derivative of its place in time, for fixed z0, z1 and e. */
static void targets_are_velocities(void **state)
{
  const double h = 1e-5;
  double t[B], up[B], down[B], target[B], moved[B];
  (void)state;
  for (int r = 0; r < B; r++) t[r] = 0.02 + 0.96 * r / (B - 1.);
  for (int i = 0; RheoPathTypes[i]; i++)
    for (int k = 0; k < 4; k++) {
      const double sigma = sigma_of(RheoPathTypes[i], k);
      if (sigma < 0) continue;
      Path path = start(RheoPathTypes[i], sigma);
      for (int r = 0; r < B; r++) moved[r] = t[r] + h;
      at(path.z, 0.7, -1.2, 0.4, moved, up);
      for (int r = 0; r < B; r++) moved[r] = t[r] - h;
      at(path.z, 0.7, -1.2, 0.4, moved, down);
      at(path.target, 0.7, -1.2, 0.4, t, target);
      for (int r = 0; r < B; r++)
        AssertNear(target[r], (up[r] - down[r]) / (2 * h), 1e-6 * (1 + fabs(target[r])));
      OK(RheoProgramDestroy(&path.program));
    }
}

/* The variance of the place for independent z0, z1, e of unit variance. */
static void marginals_have_their_variance(void **state)
{
  double t[B], c[3][B];
  (void)state;
  for (int r = 0; r < B; r++) t[r] = 0.05 + 0.9 * r / (B - 1.);
  for (int i = 0; RheoPathTypes[i]; i++) {
    const int is_vp = !strcmp(RheoPathTypes[i]->name, "vp"), is_sb = !strcmp(RheoPathTypes[i]->name, "sb");
    const double sigma = 0.7;
    if (!is_vp && !is_sb) continue;
    Path path = start(RheoPathTypes[i], sigma);
    for (int part = 0; part < 3; part++) at(path.z, part == 0, part == 1, part == 2, t, c[part]);
    for (int r = 0; r < B; r++) {
      const double variance = c[0][r] * c[0][r] + c[1][r] * c[1][r] + c[2][r] * c[2][r], u = 1 - t[r];
      AssertNear(variance, is_vp ? 1 + sigma * sigma : t[r] * t[r] + u * u + sigma * sigma * t[r] * u, 1e-12);
    }
    OK(RheoProgramDestroy(&path.program));
  }
}

/* The times that uniform numbers u become. */
static void times_from(const char *text, const double *u, double *t)
{
  double z[B * 2];
  FillNormal(3, B * 2, z);
  CnfModel m = StartCnf(text, 2, 0, B, 1);
  RheoMatch match = rx_cnf_match(m.cnf, m.scope, m.z, m.z);
  if (RheoProgramError(m.program)) fail_msg("%s", RheoProgramError(m.program));
  assert_int_equal(RheoProgramInputCount(m.program), 3);
  assert_string_equal(RheoProgramInputName(m.program, 2), "cnf.times");
  Evaluate(match.t, NULL, (const double *[]){u, z, u}, t);
  FinishCnf(&m);
}

static void times_have_their_distribution(void **state)
{
  const double u[B] = {1e-6, 1e-4, 0.01, 0.2, 0.5, 0.7, 0.95, 0.9999, 1 - 1e-6};
  double t[B];
  (void)state;
  times_from("times: uniform", u, t);
  for (int r = 0; r < B; r++) assert_true(t[r] == u[r]);
  times_from("times: power, times_power: 1", u, t);
  for (int r = 0; r < B; r++) AssertNear(t[r], sqrt(u[r]), 1e-12);
  times_from("times: power, times_power: -0.5", u, t);
  for (int r = 0; r < B; r++) AssertNear(t[r], u[r] * u[r], 1e-12);
  times_from("times: logit_normal, times_mean: -0.4, times_sd: 1.6", u, t);
  for (int r = 0; r < B; r++)
    AssertNear(log(t[r] / (1 - t[r])), -0.4 + 1.6 * gsl_cdf_ugaussian_Pinv(u[r]), 2e-5);
}

static void draws_are_of_their_kind(void **state)
{
  const char *const draws[] = {"independent", "stratified", "antithetic"};
  const RheoInputKind kinds[] = {RHEO_INPUT_NOISE_UNIFORM, RHEO_INPUT_NOISE_STRATIFIED,
                                 RHEO_INPUT_NOISE_ANTITHETIC};
  (void)state;
  for (int k = 0; k < 3; k++) {
    char text[64];
    snprintf(text, sizeof text, "sigma: 0.1, times_draw: %s", draws[k]);
    CnfModel m = StartCnf(text, 2, 0, B, 1);
    rx_cnf_match(m.cnf, m.scope, m.z, m.z);
    assert_int_equal(RheoProgramInputKind(m.program, 2), kinds[k]);
    assert_int_equal(RheoProgramInputKind(m.program, 3), RHEO_INPUT_NOISE_NORMAL);
    FinishCnf(&m);
  }
}

static void wrong_pairs_are_reported(void **state)
{
  (void)state;
  CnfModel m = StartCnf("", 2, 0, B, 1);
  rx_cnf_match(m.cnf, m.scope, m.z, m.t);
  assert_non_null(strstr(RheoProgramError(m.program), "must be a pair"));
  FinishCnf(&m);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(places_follow_their_formulas),  cmocka_unit_test(ends_are_source_and_data),
      cmocka_unit_test(targets_are_velocities),        cmocka_unit_test(marginals_have_their_variance),
      cmocka_unit_test(times_have_their_distribution), cmocka_unit_test(draws_are_of_their_kind),
      cmocka_unit_test(wrong_pairs_are_reported),
  };
  return RUN_TESTS(argc, argv, tests);
}
