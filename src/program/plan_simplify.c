/* From a program to the graph: only what the outputs need, every value once, in its simplest form. */
#include "plan_impl.h"

PetscErrorCode PlanSimplifyNode(PlanGraph *graph, const RheoNode *node, int *id)
{
  PetscFunctionBeginUser;
  /* The first result of a fused operation is known by the number of the operation itself. */
  if (node->op == RHEO_OP_STOP_GRADIENT || (node->op == RHEO_OP_PART && node->i[0] == 0)) {
    *id = node->arg[0];
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(PlanGraphAdd(graph, node, id));
  PetscFunctionReturn(RHEO_OK);
}

static void mark_live(RheoProgram program, int n_out, const RheoVal *out, char *live)
{
  for (int i = 0; i < n_out; i++) live[out[i].id] = 1;
  for (int id = program->n - 1; id >= 0; id--)
    if (live[id])
      for (int k = 0; k < program->node[id].n_arg; k++) live[program->node[id].arg[k]] = 1;
}

PetscErrorCode PlanSimplify(RheoProgram program, int n_out, const RheoVal *out, PlanGraph *graph, int *id)
{
  char *live;
  int *map, *arg, most = 1;
  PetscFunctionBeginUser;
  for (int k = 0; k < program->n; k++)
    if (program->node[k].n_arg > most) most = program->node[k].n_arg;
  PetscCall(PetscCalloc1(program->n, &live));
  PetscCall(PetscMalloc1(program->n, &map));
  PetscCall(PetscMalloc1(most, &arg));
  mark_live(program, n_out, out, live);
  for (int k = 0; k < program->n; k++) {
    if (!live[k]) continue;
    RheoNode node = program->node[k];
    for (int j = 0; j < node.n_arg; j++) arg[j] = map[node.arg[j]];
    node.arg = arg;
    PetscCall(PlanSimplifyNode(graph, &node, &map[k]));
  }
  for (int i = 0; i < n_out; i++) id[i] = map[out[i].id];
  PetscCall(PetscFree(live));
  PetscCall(PetscFree(map));
  PetscCall(PetscFree(arg));
  PetscFunctionReturn(RHEO_OK);
}
