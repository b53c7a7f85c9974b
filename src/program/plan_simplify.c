/* From a program to the graph: only what the outputs need, every value once, in its simplest form. */
#include "plan_impl.h"

/* ---- Constants ---- */

enum { FOLD_LARGEST = 1 << 16 };

static int is_constant(const RheoNode *node)
{
  return node->op == RHEO_OP_LITERAL || node->op == RHEO_OP_FILL;
}

/* Whether the result is worth keeping: it is not larger than what it is made from, or small. */
static int can_fold(const PlanGraph *graph, const RheoNode *node)
{
  const size_t size = RheoShapeSize(node->shape);
  size_t from = 4096;
  if (RheoOps[node->op].class == RHEO_CLASS_LEAF || node->op == RHEO_OP_FUSED || node->op == RHEO_OP_PART)
    return 0;
  for (int k = 0; k < node->n_arg; k++) {
    if (!is_constant(&graph->node[node->arg[k]])) return 0;
    from += RheoShapeSize(graph->node[node->arg[k]].shape);
  }
  return size <= from && from <= FOLD_LARGEST;
}

PetscErrorCode PlanFold(PlanGraph *graph, const RheoNode *node, int *id)
{
  RheoProgram program;
  RheoPlan plan;
  RheoWork work;
  RheoNode alone = *node, literal = {.op = RHEO_OP_LITERAL, .shape = node->shape};
  PetscFunctionBeginUser;
  if (!can_fold(graph, node)) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoProgramCreate(1, &program));
  PetscCall(PetscMalloc1(node->n_arg, &alone.arg));
  for (int k = 0; k < node->n_arg; k++) alone.arg[k] = rx_append(program, &graph->node[node->arg[k]]).id;
  const RheoVal out = rx_append(program, &alone);
  PetscCall(PetscMalloc1(RheoShapeSize(node->shape), &literal.data));
  PetscCall(PlanCreate(program, RHEO_DOUBLE, PLAN_WITHOUT_RULES, 1, &out, &plan));
  PetscCall(RheoWorkCreate(plan, &work));
  RheoPlanRun(plan, work, NULL, NULL, (void *[]){literal.data});
  PetscCall(PlanGraphAdd(graph, &literal, id));
  PetscCall(PetscFree(literal.data));
  PetscCall(PetscFree(alone.arg));
  PetscCall(RheoWorkDestroy(&work));
  PetscCall(RheoPlanDestroy(&plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Passes ---- */

static void mark_live(int n, const RheoNode *node, char *live)
{
  for (int id = n - 1; id >= 0; id--)
    if (live[id])
      for (int k = 0; k < node[id].n_arg; k++) live[node[id].arg[k]] = 1;
}

/* Adds the live ones of n nodes to the graph, with rules or as they are; id: the outputs, renumbered. */
static PetscErrorCode add_live(int n, const RheoNode *node, int with_rules, PlanGraph *graph, int n_out,
                               int *id)
{
  char *live;
  int *map, *arg, most = 1;
  PetscFunctionBeginUser;
  for (int k = 0; k < n; k++)
    if (node[k].n_arg > most) most = node[k].n_arg;
  PetscCall(PetscCalloc1(n, &live));
  PetscCall(PetscMalloc1(n, &map));
  PetscCall(PetscMalloc1(most, &arg));
  for (int i = 0; i < n_out; i++) live[id[i]] = 1;
  mark_live(n, node, live);
  for (int k = 0; k < n; k++) {
    if (!live[k]) continue;
    RheoNode copy = node[k];
    for (int j = 0; j < copy.n_arg; j++) arg[j] = map[copy.arg[j]];
    copy.arg = arg;
    if (with_rules)
      PetscCall(PlanSimplifyNode(graph, &copy, &map[k]));
    else
      PetscCall(PlanGraphAdd(graph, &copy, &map[k]));
  }
  for (int i = 0; i < n_out; i++) id[i] = map[id[i]];
  PetscCall(PetscFree(live));
  PetscCall(PetscFree(map));
  PetscCall(PetscFree(arg));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlanSimplify(RheoProgram program, int without, int n_out, const RheoVal *out, PlanGraph *graph,
                            int *id)
{
  PlanGraph simple = {0};
  PetscFunctionBeginUser;
  for (int i = 0; i < n_out; i++) id[i] = out[i].id;
  if (without & PLAN_WITHOUT_RULES) {
    PetscCall(add_live(program->n, program->node, 0, graph, n_out, id));
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(add_live(program->n, program->node, 1, &simple, n_out, id));
  PetscCall(add_live(simple.n, simple.node, 0, graph, n_out, id)); /* rules leave nodes that no one needs */
  PetscCall(PlanGraphDestroy(&simple));
  PetscFunctionReturn(RHEO_OK);
}
