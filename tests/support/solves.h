/* For tests of what follows a velocity field: a field with parameters, and solvers of it. */
#pragma once
#include "cnf/solve.h"
#include "cnfs.h"

/* A field of the deck's text (below `cnf:`) with all its parameters named, `noise` off their start. FinishCnf frees it. */
CnfModel FieldOf(const char *text, int n_features, int n_context, double noise);
/* Sets a parameter of the field by the end of its name ("velocity.A"), row-major. */
void SetParam(CnfModel *m, const char *name, const double *values);

/* Tight: tsit5 in double to 1e-10. */
RheoSolveConfig TightConfig(void);
/* As the deck's text below `cnf.solve:` says. */
RheoSolveConfig SolveConfigOf(const char *text);
RheoSolver SolverOf(const CnfModel *m, RheoSolveConfig config);

/* z(1), and the integral of the divergence, of v = A z + b + t c from z(0) = z, by the exponential of a matrix. */
double AffineFlow(int d, const double *a, const double *b, const double *c, double t0, double t1, double *z);
