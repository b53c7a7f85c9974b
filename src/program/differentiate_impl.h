/* Private to differentiate*.c. */
#pragma once
#include "program_impl.h"

/* dx[i] += dy[k] . d y[k] / d x[i] over the nodes first, first + 1, ...; a dy that does not exist is zero, as is a dx
 * handed back as such; need: which of x are asked for, NULL for all. x[i] that stands twice: the first gets all. */
void rx_vjp_many(RheoProgram p, int first, int n_y, const RheoVal *y, const RheoVal *dy, int n_x,
                 const RheoVal *x, const int *need, RheoVal *dx);

/* x + y where a value that does not exist, or is a zero filled in, is left out. */
RheoVal rx_accumulate(RheoVal x, RheoVal y);
