/* For tests of continuous flows: a field from a line of YAML, with parameters and named inputs. */
#pragma once
#include "cnf/cnf.h"
#include "program/plan.h"

typedef struct {
  RheoCnf cnf;
  RheoParams params;
  RheoProgram program;
  RheoScope scope;
  RheoVal t, z, context; /* inputs, in this order; (B, 1), (B, D), (B, C) or none */
  int n_features, n_context;
  size_t n_params;
  double *values;
  float *single;
} CnfModel;

RheoCnf CnfOf(const char *text); /* as the deck says; text: what stands below `cnf:` */
PetscErrorCode TryCnf(const char *text, int n_features, int n_context);
CnfModel StartCnf(const char *text, int n_features, int n_context, int rows, int training);
/* After all parameters have been named: random ones, `noise` off their start. */
void DrawCnf(CnfModel *m, double noise);
void FinishCnf(CnfModel *m);
