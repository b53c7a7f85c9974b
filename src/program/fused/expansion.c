#define RHEO_NO_HERE
#include "expansion.h"
#include "../differentiate_impl.h"

void rx_expand_vjp(RheoProgram p, const RheoFusedType *type, const RheoNode *node, int n_arg,
                   const RheoVal *arg, int n_part, const RheoVal *dpart, RheoVal *darg)
{
  RheoVal part[RHEO_MAX_PARTS];
  const int first = p->n;
  for (int k = 0; k < n_arg; k++) darg[k] = RHEO_NONE;
  type->expand(p, node, arg, part);
  rx_vjp_many(p, first, n_part, part, dpart, n_arg, arg, NULL, darg);
  for (int k = 0; k < n_arg; k++)
    if (!rx_exists(darg[k])) darg[k] = rx_fill(p, rx_shape(arg[k]), 0);
}
