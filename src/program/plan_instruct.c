/* A group as a step: its operands, its instructions, its registers. */
#include "plan_impl.h"

typedef struct {
  RheoPlan plan;
  const PlanUnit *unit;
  const int *is_stored;
  int n_in, n_out, in[PLAN_MAX_REGISTERS], out[PLAN_MAX_INSTRUCTIONS]; /* node ids */
  int last_use[PLAN_MAX_INSTRUCTIONS];                                 /* by member */
  int reg[PLAN_MAX_INSTRUCTIONS];                                      /* of member */
} Builder;

static int member_of(const Builder *b, int id)
{
  for (int m = 0; m < b->unit->n; m++)
    if (b->unit->node[m] == id) return m;
  return -1;
}

static int operand_of(Builder *b, int id)
{
  for (int k = 0; k < b->n_in; k++)
    if (b->in[k] == id) return k;
  b->in[b->n_in] = id;
  return b->n_in++;
}

static void find_operands(Builder *b)
{
  for (int m = 0; m < b->unit->n; m++) {
    const int id = b->unit->node[m];
    const RheoNode *node = &b->plan->graph.node[id];
    b->last_use[m] = m;
    for (int k = 0; k < node->n_arg; k++) {
      const int from = member_of(b, node->arg[k]);
      if (from < 0)
        (void)operand_of(b, node->arg[k]);
      else
        b->last_use[from] = m;
    }
    if (b->is_stored[id]) b->out[b->n_out++] = id;
  }
}

/* Stored members live in their output, the others in temporaries that are used again after the last reader.
 */
static int assign_registers(Builder *b)
{
  int owner[PLAN_MAX_INSTRUCTIONS], n_temporary = 0, n_out = 0;
  for (int m = 0; m < b->unit->n; m++) {
    if (b->is_stored[b->unit->node[m]]) {
      b->reg[m] = b->n_in + n_out++;
      continue;
    }
    /* An argument that dies here may be overwritten by the result, but not by a fused operation's. */
    const int in_place = b->plan->graph.node[b->unit->node[m]].op != RHEO_OP_FUSED;
    int t = 0;
    while (t < n_temporary && b->last_use[owner[t]] >= m + in_place) t++;
    if (t == n_temporary) n_temporary++;
    owner[t] = m;
    b->reg[m] = b->n_in + b->n_out + t;
  }
  return n_temporary;
}

static void instruct(Builder *b, PlanInstruction *instruction)
{
  for (int m = 0; m < b->unit->n; m++) {
    const RheoNode *node = &b->plan->graph.node[b->unit->node[m]];
    PlanInstruction *it = &instruction[m];
    *it = (PlanInstruction){.node = node, .out = b->reg[m]};
    for (int k = 0; k < 4; k++) {
      const int id = node->arg[k < node->n_arg ? k : 0], from = member_of(b, id);
      it->arg[k] = from >= 0 ? b->reg[from] : operand_of(b, id);
    }
  }
}

static size_t scratch_of(const PlanGroup *group)
{
  size_t scratch = (size_t)group->n_temporary * PLAN_TILE;
  for (int k = 0; k < group->n_in + group->n_out; k++)
    scratch +=
        PLAN_TILE +
        (group->walk[k].kind == PLAN_WALK_PERIODIC ? (size_t)(group->walk[k].period + 15) / 16 * 16 : 0);
  return scratch;
}

PetscErrorCode PlanStepGroup(RheoPlan plan, const PlanUnit *unit, const int *is_stored)
{
  Builder b = {.plan = plan, .unit = unit, .is_stored = is_stored};
  PlanGroup *group;
  PlanStep *step;
  PetscFunctionBeginUser;
  const RheoShape shape = plan->graph.node[unit->node[0]].shape;
  find_operands(&b);
  for (int k = 0; k < b.n_out; k++) PetscCall(PlanPlaceOwn(plan, b.out[k]));
  PetscCall(PlanStepAdd(plan, PLAN_STEP_GROUP, unit->node[0], b.n_in, b.n_out, &step));
  PetscCall(PetscNew(&group));
  step->group = group;
  group->size = RheoShapeSize(shape);
  group->n_in = b.n_in;
  group->n_out = b.n_out;
  group->n_instruction = unit->n;
  group->n_temporary = assign_registers(&b);
  PetscCall(PetscMalloc1(b.n_in + b.n_out, &group->walk));
  PetscCall(PetscMalloc1(unit->n, &group->instruction));
  for (int k = 0; k < b.n_in + b.n_out; k++) {
    const int id = k < b.n_in ? b.in[k] : b.out[k - b.n_in];
    step->operand[k] = PlanOperandOf(&plan->place[id]);
    group->walk[k] = PlanWalkOf(shape, plan->graph.node[id].shape, &plan->place[id]);
  }
  instruct(&b, group->instruction);
  step->scratch = group->scratch = scratch_of(group);
  PetscFunctionReturn(RHEO_OK);
}
