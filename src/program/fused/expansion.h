/* The expansion of a derivative kernel: the derivative of the expansion of what it belongs to. */
#pragma once
#include "../program_impl.h"

/* darg[0..n_arg-1] = dpart . (d part / d arg), with the arguments held apart from each other: one may be made
 * from another elsewhere in the program. node carries i and r. */
void rx_expand_vjp(RheoProgram p, const RheoFusedType *type, const RheoNode *node, int n_arg,
                   const RheoVal *arg, int n_part, const RheoVal *dpart, RheoVal *darg);
