/* Derivatives of programs against central differences, by the interpreter in double. */
#pragma once
#include "interpreter.h"

/* x[i] an input or parameter of the program with values at[i] (which in and param point into). The largest
 * difference, relative to the largest derivative, between d/dx[i] of sum(weight y) and its difference
 * quotients of fourth order; weight has y's shape, NULL for ones. dx (of x[i]'s shape) is what the program
 * says.                                          */
double difference_error(RheoVal y, const double *weight, RheoVal x, double *at, RheoVal dx,
                        InterpretMode mode, const double *param, const double *const *in);

/* The same for a tangent (of y's shape) along v. */
double tangent_error(RheoVal y, RheoVal x, double *at, const double *v, RheoVal tangent, InterpretMode mode,
                     const double *param, const double *const *in);
