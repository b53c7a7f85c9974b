/* The steps on a processor, for one precision; see kernels/real.h. */
#include "gemm.h"
#include "kernels/kernels.h"
#include "kernels/real.h"
#include "plan_impl.h"
#include <string.h>

static NAME(tile_function) const tile_functions[RHEO_OP_COUNT] = {
#define TILE(symbol, expression) [RHEO_OP_##symbol] = NAME(tile_##symbol),
#include "kernels/tile.def"
#undef TILE
};

static REAL *address(const PlanOperand *operand, char *const *base)
{
  return (REAL *)(base[operand->base] + operand->bytes);
}

/* ---- Groups ---- */

typedef struct {
  REAL *at[PLAN_MAX_REGISTERS];    /* the tile of each register */
  REAL *slot[PLAN_MAX_REGISTERS];  /* where a register has memory of its own */
  REAL *whole[PLAN_MAX_REGISTERS]; /* operands: the tensor */
} Registers;

static size_t padded(size_t n)
{
  return (n + RHEO_LANES - 1) / RHEO_LANES * RHEO_LANES;
}

/* x (period), again and again, in ever larger pieces: y (n) */
static void repeat(size_t period, size_t n, const REAL *x, REAL *y)
{
  memcpy(y, x, period * sizeof *y);
  for (size_t done = period; done < n; done *= 2)
    memcpy(y + done, y, (n - done < done ? n - done : done) * sizeof *y);
}

/* What is the same for all tiles: scalars are spread over a tile, short rows are repeated beyond the length
 * of one. */
static void prepare(const PlanStep *step, char *const *base, Registers *registers)
{
  const PlanGroup *group = step->group;
  const size_t longest = group->size < PLAN_TILE ? padded(group->size) : PLAN_TILE;
  REAL *scratch = (REAL *)base[PLAN_BASE_SCRATCH];
  for (int k = 0; k < group->n_in + group->n_out + group->n_temporary; k++) {
    registers->at[k] = registers->slot[k] = scratch;
    scratch += PLAN_TILE;
    if (k >= group->n_in + group->n_out) continue;
    REAL *x = registers->whole[k] = address(&step->operand[k], base);
    const PlanWalk *walk = &group->walk[k];
    if (walk->kind == PLAN_WALK_SCALAR)
      for (size_t i = 0; i < longest; i++) registers->slot[k][i] = x[0];
    if (walk->kind == PLAN_WALK_PERIODIC) {
      repeat((size_t)walk->period, (size_t)walk->period + longest, x, registers->slot[k]);
      scratch += padded((size_t)walk->period);
    }
  }
}

/* A tile's last elements beyond n, which no one will read, get values that are no trouble. */
static void pad(size_t n, REAL *tile)
{
  for (size_t i = n; i < padded(n); i++) tile[i] = tile[n - 1];
}

static void load(const PlanWalk *walk, size_t begin, size_t n, int k, Registers *registers)
{
  switch (walk->kind) {
  case PLAN_WALK_DENSE:
    registers->at[k] = registers->whole[k] + begin;
    if (n % RHEO_LANES) {
      memcpy(registers->slot[k], registers->at[k], n * sizeof(REAL));
      pad(n, registers->slot[k]);
      registers->at[k] = registers->slot[k];
    }
    break;
  case PLAN_WALK_SCALAR:
    break;
  case PLAN_WALK_PERIODIC:
    registers->at[k] = registers->slot[k] + begin % (size_t)walk->period;
    break;
  case PLAN_WALK_GENERAL:
    NAME(walk_read)(walk->n, walk->d, walk->stride, begin, n, registers->whole[k], registers->slot[k]);
    pad(n, registers->slot[k]);
    break;
  }
}

static void aim(const PlanWalk *walk, size_t begin, size_t n, int k, Registers *registers)
{
  const int direct = walk->kind == PLAN_WALK_DENSE && n % RHEO_LANES == 0;
  registers->at[k] = direct ? registers->whole[k] + begin : registers->slot[k];
}

static void store(const PlanWalk *walk, size_t begin, size_t n, int k, Registers *registers)
{
  if (registers->at[k] != registers->slot[k]) return;
  if (walk->kind == PLAN_WALK_DENSE)
    memcpy(registers->whole[k] + begin, registers->slot[k], n * sizeof(REAL));
  else
    NAME(walk_write)(walk->n, walk->d, walk->stride, begin, n, registers->slot[k], registers->whole[k]);
}

static void execute(const PlanInstruction *it, size_t n, REAL *const *at)
{
  if (it->node->op == RHEO_OP_FUSED) {
    const REAL *arg[4] = {at[it->arg[0]], at[it->arg[1]], at[it->arg[2]], at[it->arg[3]]};
    it->node->fused->NAME(tile)(it->node, n, arg, at[it->out]);
  } else {
    tile_functions[it->node->op](n, at[it->arg[0]], at[it->arg[1]], at[it->arg[2]], at[it->out]);
  }
}

static void step_group(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  const PlanGroup *group = step->group;
  Registers registers;
  (void)plan;
  prepare(step, base, &registers);
  for (size_t begin = 0; begin < group->size; begin += PLAN_TILE) {
    const size_t n = group->size - begin < PLAN_TILE ? group->size - begin : PLAN_TILE;
    for (int k = 0; k < group->n_in; k++) load(&group->walk[k], begin, n, k, &registers);
    for (int k = group->n_in; k < group->n_in + group->n_out; k++)
      aim(&group->walk[k], begin, n, k, &registers);
    for (int k = 0; k < group->n_instruction; k++) execute(&group->instruction[k], padded(n), registers.at);
    for (int k = group->n_in; k < group->n_in + group->n_out; k++)
      store(&group->walk[k], begin, n, k, &registers);
  }
}

/* ---- The other steps ---- */

static void step_copy(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  const PlanWalk *from = &step->walk[0], *to = &step->walk[1];
  const REAL *x = address(&step->operand[0], base);
  REAL *y = address(&step->operand[1], base), tile[PLAN_TILE];
  const size_t size = (size_t)step->d[0];
  (void)plan;
  if (to->kind == PLAN_WALK_DENSE) {
    NAME(walk_read)(from->n, from->d, from->stride, 0, size, x, y);
    return;
  }
  for (size_t begin = 0; begin < size; begin += PLAN_TILE) {
    const size_t n = size - begin < PLAN_TILE ? size - begin : PLAN_TILE;
    NAME(walk_read)(from->n, from->d, from->stride, begin, n, x, tile);
    NAME(walk_write)(to->n, to->d, to->stride, begin, n, tile, y);
  }
}

static void step_gemm(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  const REAL *a = address(&step->operand[0], base), *b = address(&step->operand[1], base);
  REAL *c = address(&step->operand[2], base);
  (void)plan;
  REAL *scratch = (REAL *)base[PLAN_BASE_SCRATCH];
  const int64_t *d = step->d, *ld = step->ld, *batch = step->batch_stride;
  for (int64_t k = 0; k < d[0]; k++) {
    const REAL *ak = a + k * batch[0], *bk = b + k * batch[1];
    NAME(gemm)
    (step->i[0], step->i[1], (int)d[1], (int)d[2], (int)d[3], ak, (int)ld[0], bk, (int)ld[1], 0,
     c + k * batch[2], (int)ld[2], scratch);
  }
}

static void step_sum(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  (void)plan;
  NAME(sum)
  ((size_t)step->d[0], (size_t)step->d[1], (size_t)step->d[2], address(&step->operand[0], base),
   address(&step->operand[1], base));
}

static void step_amax(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  (void)plan;
  NAME(amax)
  ((size_t)step->d[0], (size_t)step->d[1], (size_t)step->d[2], address(&step->operand[0], base),
   address(&step->operand[1], base));
}

static void step_cumsum(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  (void)plan;
  NAME(cumsum)
  ((size_t)step->d[0], (size_t)step->d[1], (size_t)step->d[2], step->i[0], address(&step->operand[0], base),
   address(&step->operand[1], base));
}

static void step_gather(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  (void)plan;
  NAME(gather)
  ((size_t)step->d[0], (size_t)step->d[1], (size_t)step->d[2], (size_t)step->d[3],
   address(&step->operand[0], base), address(&step->operand[1], base), address(&step->operand[2], base));
}

static void step_scatter_add(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  (void)plan;
  NAME(scatter_add)
  ((size_t)step->d[0], (size_t)step->d[1], (size_t)step->d[2], (size_t)step->d[3],
   address(&step->operand[0], base), address(&step->operand[1], base), address(&step->operand[2], base));
}

static void step_fused(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base)
{
  const RheoNode *node = &plan->graph.node[step->node];
  const REAL *arg[PLAN_MAX_FUSED_ARGUMENTS];
  REAL *part[RHEO_MAX_PARTS];
  for (int k = 0; k < step->n_in; k++) arg[k] = address(&step->operand[k], base);
  for (int k = 0; k < step->n_out; k++) part[k] = address(&step->operand[step->n_in + k], base);
  node->fused->NAME(run)(node, step->shape, arg, part, (REAL *)base[PLAN_BASE_SCRATCH]);
}

const PlanStepFunction NAME(PlanSteps)[PLAN_STEP_COUNT] = {
    [PLAN_STEP_GROUP] = step_group,   [PLAN_STEP_COPY] = step_copy,
    [PLAN_STEP_GEMM] = step_gemm,     [PLAN_STEP_SUM] = step_sum,
    [PLAN_STEP_AMAX] = step_amax,     [PLAN_STEP_CUMSUM] = step_cumsum,
    [PLAN_STEP_GATHER] = step_gather, [PLAN_STEP_SCATTER_ADD] = step_scatter_add,
    [PLAN_STEP_FUSED] = step_fused,
};
