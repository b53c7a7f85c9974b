/* Rules for products of tensors whose rows are all alike: the naive interpreter's numbers, by fewer multiplications. */
#include "check.h"
#include "interpreter.h"
#include "program/plan_impl.h"
#include <math.h>

enum { B = 7, K = 3, N = 5 };

/* How the tensor (B, K) comes about: in three ways with rows that are alike, and once with a last one that differs. */
enum { LITERAL, FILL, BROADCAST, UNLIKE, WAYS };

static RheoVal factor(RheoProgram p, int way, RheoVal row)
{
  double values[B * K];
  for (int i = 0; i < B * K; i++) values[i] = 0.5 + i % K;
  if (way == UNLIKE) values[B * K - 1] += 1;
  if (way == FILL) return rx_fill(p, RX_SHAPE(B, K), 0.7);
  if (way == BROADCAST) return rx_broadcast(row, RX_SHAPE(B, K));
  return rx_literal(p, RX_SHAPE(B, K), values);
}

static int64_t multiplications(RheoPlan plan)
{
  int64_t n = 0;
  for (int s = 0; s < plan->n_step; s++)
    if (plan->step[s].kind == PLAN_STEP_GEMM)
      n += plan->step[s].d[1] * plan->step[s].d[2] * plan->step[s].d[3];
  return n;
}

/* x w, x v^T and x^T y. */
static void RowsAlike(void **state)
{
  double row[K], w[K * N], v[N * K], y[B * N], expected[B * N], result[3][B * N];
  (void)state;
  for (int i = 0; i < K; i++) row[i] = 1.5 - i;
  for (int i = 0; i < K * N; i++) w[i] = 0.3 * i - 1, v[i] = 2 - 0.7 * i;
  for (int i = 0; i < B * N; i++) y[i] = 0.1 * i * i - 3;
  const double *in[] = {row, w, v, y};
  for (int way = 0; way < WAYS; way++) {
    RheoProgram p;
    RheoPlan plan;
    RheoWork work;
    OK(RheoProgramCreate(1, &p));
    const RheoVal row_in = rx_input(p, "row", RX_SHAPE(1, K)), w_in = rx_input(p, "w", RX_SHAPE(K, N)),
                  v_in = rx_input(p, "v", RX_SHAPE(N, K)), y_in = rx_input(p, "y", RX_SHAPE(B, N)),
                  x = factor(p, way, row_in);
    const RheoVal out[] = {rx_matmul(x, w_in), rx_matmul_t(x, 0, v_in, 1), rx_matmul_t(x, 1, y_in, 0)};
    OK(RheoPlanCreate(p, RHEO_DOUBLE, 3, out, &plan));
    OK(RheoWorkCreate(plan, &work));
    RheoPlanRun(plan, work, NULL, (const void *const *)in, (void *const[]){result[0], result[1], result[2]});
    for (int k = 0; k < 3; k++) {
      interpret_value(out[k], INTERPRET_KERNELS, NULL, in, expected);
      for (int i = 0; i < (k < 2 ? B * N : K * N); i++)
        assert_true(fabs(result[k][i] - expected[i]) <= 1e-12);
    }
    assert_int_equal(multiplications(plan), way == UNLIKE ? 3 * B * K * N : 3 * K * N);
    OK(RheoWorkDestroy(&work));
    OK(RheoPlanDestroy(&plan));
    OK(RheoProgramDestroy(&p));
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(RowsAlike)};
  return RUN_TESTS(argc, argv, tests);
}
