/* Fixed steps of a continuous flow written out as a program: discretise, then differentiate. The slow twin of
 * cnf/adjoint.h. */
#pragma once
#include "cnf/adjoint.h"

typedef struct {
  RheoVal z, log_det, penalty; /* (B, D), (B), (B); the last two 0 where they are not asked for */
} Unrolled;

/* From z at t0 to t1 by config->solve.steps steps of euler, heun or rk4. noise (B, probes D) or none. */
Unrolled rx_unrolled(RheoCnf cnf, RheoScope scope, const RheoAdjointConfig *config, double t0, double t1,
                     RheoVal z, RheoVal context, RheoVal noise);
