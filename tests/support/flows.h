/* For tests of flows: a flow from a line of YAML, with parameters and named inputs. */
#pragma once
#include "flow/flow.h"
#include "program/plan.h"

enum { FLOW_ROWS = 4 };

typedef struct {
  RheoFlow flow;
  RheoParams params;
  RheoProgram program;
  RheoScope scope;
  RheoVal x, noise, context; /* inputs, in this order; (B, D), (B, D), (B, C) or none */
  int n_features, n_context;
  size_t n_params;
  double *values;
  float *single;
} FlowModel;

/* text: what stands below `flow:`. lower, upper (D) or NULL. rows: B. */
FlowModel StartFlow(const char *text, int n_features, int n_context, const double *lower, const double *upper,
                    int rows, int training);
/* After all parameters have been named: random ones, `noise` off their start. */
void DrawFlow(FlowModel *m, double noise);
void FinishFlow(FlowModel *m);

/* Compiles and runs. in[k] and out[k] in double; single computes in single precision. */
void RunFlow(const FlowModel *m, RheoPrecision precision, const double *const *in, int n_out,
             const RheoVal *value, double *const *out);
