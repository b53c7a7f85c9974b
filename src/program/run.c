/* Running a plan: the steps one after the other. No allocation, no locks. */
#include "plan_impl.h"
#include <string.h>

static void run_steps(RheoPlan plan, RheoWork work, const void *params, int begin, int end)
{
  char **base = work->base;
  base[PLAN_BASE_ARENA] = work->memory;
  base[PLAN_BASE_PARAMS] = (char *)params;
  base[PLAN_BASE_CONSTANTS] = plan->constants;
  base[PLAN_BASE_SCRATCH] = work->memory + plan->arena_bytes;
  for (int s = begin; s < end; s++) plan->function[plan->step[s].kind](plan, &plan->step[s], base);
}

static void bind(RheoPlan plan, RheoWork work, const void *const *in, void *const *out)
{
  char **base = work->base + PLAN_BASE_IN;
  for (int i = 0; i < plan->n_in; i++) base[i] = in ? (char *)in[i] : NULL;
  for (int i = 0; i < plan->n_out; i++) base[plan->n_in + i] = out[i];
}

void RheoPlanRun(RheoPlan plan, RheoWork work, const void *params, const void *const *in, void *const *out)
{
  bind(plan, work, in, out);
  run_steps(plan, work, params, 0, plan->n_step);
}

void RheoPlanPrepare(RheoPlan plan, RheoWork work, const void *params)
{
  run_steps(plan, work, params, 0, plan->n_fixed);
}

void RheoPlanRunPrepared(RheoPlan plan, RheoWork work, const void *params, const void *const *in,
                         void *const *out)
{
  bind(plan, work, in, out);
  run_steps(plan, work, params, plan->n_fixed, plan->n_step);
}

/* The rows of the last block, the last one repeated. */
static void pad_rows(const char *from, size_t row, int64_t n, int64_t rows, char *to)
{
  memcpy(to, from, (size_t)n * row);
  for (int64_t r = n; r < rows; r++) memcpy(to + (size_t)r * row, from + (size_t)(n - 1) * row, row);
}

void RheoPlanRunRows(RheoPlan plan, RheoWork work, const void *params, int64_t n_rows, const void *const *in,
                     void *const *out)
{
  const int64_t rows = plan->rows;
  for (int64_t begin = 0; begin < n_rows; begin += rows) {
    const int64_t n = n_rows - begin < rows ? n_rows - begin : rows;
    char *padding = work->memory + plan->arena_bytes + plan->scratch_bytes;
    for (int i = 0; i < plan->n_in; i++) {
      const size_t row = plan->in_size[i] * plan->real / (size_t)rows;
      work->rows_in[i] = (char *)in[i];
      if (!plan->in_is_rows[i] || !in[i]) continue;
      work->rows_in[i] += (size_t)begin * row;
      if (n == rows) continue;
      pad_rows(work->rows_in[i], row, n, rows, padding);
      work->rows_in[i] = padding;
      padding += ((size_t)rows * row + 63) / 64 * 64;
    }
    for (int i = 0; i < plan->n_out; i++) {
      const size_t row = plan->out_size[i] * plan->real / (size_t)rows;
      work->rows_out[i] = n == rows ? (char *)out[i] + (size_t)begin * row : padding;
      if (n < rows) padding += ((size_t)rows * row + 63) / 64 * 64;
    }
    RheoPlanRun(plan, work, params, (const void *const *)work->rows_in, (void *const *)work->rows_out);
    if (n == rows) continue;
    for (int i = 0; i < plan->n_out; i++) {
      const size_t row = plan->out_size[i] * plan->real / (size_t)rows;
      memcpy((char *)out[i] + (size_t)begin * row, work->rows_out[i], (size_t)n * row);
    }
  }
}
