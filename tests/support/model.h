/* For tests of networks, flows and objectives: random parameters, values and derivatives of small programs in
 * double. */
#pragma once
#include "program/program.h"

/* Values of all parameters of a layout: the initial ones, plus `noise` times standard normals on those that
 * are trained. Free with free. */
double *RandomParameters(RheoParams params, uint64_t seed, double noise);

/* Standard normals, a pure function of (seed, i). */
void FillNormal(uint64_t seed, size_t n, double *x);

/* out (its size) from the program's inputs, by the naive interpreter. */
void Evaluate(RheoVal out, const double *params, const double *const *in, double *y);

/* Fails unless the derivative of the scalar y by all parameters and by every input of the program, along a
 * few random directions, agrees with central differences to the relative error `tolerance`. */
void CheckGradients(RheoVal y, RheoParams params, const double *values, const double *const *in,
                    double tolerance);

/* Fails unless |x - y| <= tolerance; NaN fails. */
void AssertNear(double x, double y, double tolerance);
