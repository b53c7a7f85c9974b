#define RHEO_NO_HERE
#include "program_impl.h"

const RheoFusedType *const RheoFusedTypes[] = {
#define RHEO_FUSED(name) &RheoFusedType_##name,
#include "fused_types.def"
#undef RHEO_FUSED
    NULL,
};

static RheoVal fail_shapes(RheoProgram p, const RheoFusedType *type, int n_arg, const RheoShape *shape,
                           const char *what)
{
  char list[256] = "", text[RHEO_SHAPE_TEXT];
  size_t length = 0;
  for (int k = 0; k < n_arg && length < sizeof list; k++)
    length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", k ? ", " : "",
                               RheoShapeText(shape[k], text));
  return rx_fail(p, "%s: %s: %s", type->name, list, what);
}

RheoVal(rx_fused)(RheoProgram p, const RheoFusedType *type, int n_arg, const RheoVal *arg, const int i[8],
                  const double r[4])
{
  enum { MAX_ARG = 16 };
  RheoShape shape[MAX_ARG];
  int id[MAX_ARG];
  RheoNode node = {.op = RHEO_OP_FUSED, .n_arg = n_arg, .arg = id, .fused = type, .n_part = 1};
  if (!p) return RHEO_NONE;
  if (n_arg < 1 || n_arg > MAX_ARG) return rx_fail(p, "%s: %d arguments", type->name, n_arg);
  RheoProgram owner = rx_program_of(type->name, n_arg, arg);
  if (owner && owner != p) return rx_fail(p, "%s: its arguments belong to another program", type->name);
  if (!owner) return rx_failed(n_arg, arg);
  for (int k = 0; k < n_arg; k++) {
    shape[k] = rx_shape(arg[k]);
    id[k] = arg[k].id;
  }
  for (int k = 0; k < 8; k++) node.i[k] = i ? i[k] : 0;
  for (int k = 0; k < 4; k++) node.r[k] = r ? r[k] : 0.;
  const char *what = type->shape(shape, n_arg, &node);
  if (what) return fail_shapes(p, type, n_arg, shape, what);
  node.shape = node.part[0];
  return rx_append(p, &node);
}

/* The parts usually stand right behind their operation, where one that was asked for before is found again.
 */
RheoVal rx_part(RheoVal fused, int k)
{
  RheoProgram p = fused.program;
  if (fused.id < 0) return fused;
  const RheoNode *node = &p->node[fused.id];
  if (node->op != RHEO_OP_FUSED || k < 0 || k >= node->n_part)
    return rx_fail(p, "part: %s has no part %d", RheoOps[node->op].name, k);
  for (int j = fused.id + 1; j < p->n && j <= fused.id + RHEO_MAX_PARTS; j++)
    if (p->node[j].op == RHEO_OP_PART && p->node[j].arg[0] == fused.id && p->node[j].i[0] == k)
      return (RheoVal){p, j};
  return rx_append(
      p, &(RheoNode){.op = RHEO_OP_PART, .shape = node->part[k], .n_arg = 1, .arg = &fused.id, .i = {k}});
}
