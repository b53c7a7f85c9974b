/* y = L U x + b, L lower with unit diagonal, U upper with diagonal 1e-3 + softplus (Oliva et al. 2018; Kingma
 * and Dhariwal 2018). One parameter (D, D) holds L below, U above and the raw diagonal of U on the diagonal.
 * The products and inverses of the factors are computed once a run, O(D^3), not for every row. */
#include "../flow_impl.h"
#include <math.h>

static const double least = 1e-3;

typedef struct {
  RheoVal lower, unit_upper, diagonal; /* L, and U = diag(diagonal) unit_upper */
  RheoVal bias;
} Factors;

static RheoVal counting(RheoProgram program, int n)
{
  return rx_cumsum(rx_fill(program, RX_SHAPE(n), 1), 0, 0);
}

static Factors factors(RheoScope scope, int n)
{
  RheoProgram p = scope.program;
  RheoVal row = rx_reshape(counting(p, n), RX_SHAPE(n, 1));
  RheoVal column = rx_reshape(row, RX_SHAPE(1, n)), eye = rx_equal(row, column);
  RheoVal w =
      rx_scope_param(scope, "weight", RX_SHAPE(n, n),
                     (RheoInit){.kind = RHEO_INIT_IDENTITY, .a = log(expm1(1 - least)), .no_decay = 1});
  RheoVal diagonal = rx_offset(rx_softplus(rx_sum(rx_mul(w, eye), 1)), least);
  RheoVal above = rx_div(rx_mul(w, rx_less(row, column)), rx_reshape(diagonal, RX_SHAPE(n, 1)));
  return (Factors){
      .lower = rx_add(rx_mul(w, rx_less(column, row)), eye),
      .unit_upper = rx_add(above, eye),
      .diagonal = diagonal,
      .bias = rx_scope_param(scope, "bias", RX_SHAPE(n), (RheoInit){.kind = RHEO_INIT_ZERO, .no_decay = 1}),
  };
}

static RheoVal block(RheoVal a, int row, int row_end, int column, int column_end)
{
  return rx_slice(rx_slice(a, 0, row, row_end), 1, column, column_end);
}

/* The inverse of the unit lower triangle a[begin:end, begin:end], by halves:
 * [A 0; B C]^-1 = [A^-1 0; -C^-1 B A^-1 C^-1]. */
static RheoVal invert(RheoVal a, int begin, int end)
{
  const int middle = begin + (end - begin) / 2;
  if (end - begin == 1) return rx_fill(a.program, RX_SHAPE(1, 1), 1);
  RheoVal first = invert(a, begin, middle), second = invert(a, middle, end);
  RheoVal mixed = rx_neg(rx_matmul(rx_matmul(second, block(a, middle, end, begin, middle)), first));
  RheoVal zero = rx_fill(a.program, RX_SHAPE(middle - begin, end - middle), 0);
  return rx_concat2(0, rx_concat2(1, first, zero), rx_concat2(1, mixed, second));
}

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  (void)context;
  Factors f = factors(scope, t->n_features);
  RheoVal upper = rx_mul(f.unit_upper, rx_reshape(f.diagonal, RX_SHAPE(-1, 1)));
  *y = rx_linear(x, rx_matmul_t(upper, 1, f.lower, 1), f.bias, RHEO_ACT_NONE);
  *log_det = rx_same_for_rows(scope.program, rx_log(f.diagonal));
}

/* Rows: x = (y - b) L^-T U^-T with U^-T = unit_upper^-T / diagonal. */
static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  (void)context;
  const int n = t->n_features;
  Factors f = factors(scope, n);
  RheoVal inverse_lower = invert(f.lower, 0, n), inverse_upper_t = invert(rx_transpose(f.unit_upper), 0, n);
  inverse_upper_t = rx_mul(inverse_upper_t, rx_reshape(rx_recip(f.diagonal), RX_SHAPE(n, 1)));
  RheoVal both = rx_matmul_t(inverse_lower, 1, inverse_upper_t, 0);
  *x = rx_matmul(rx_sub(y, f.bias), both);
  *log_det = rx_same_for_rows(scope.program, rx_neg(rx_log(f.diagonal)));
}

const RheoTransformType RheoTransformType_Lu = {
    .name = "lu",
    .summary = "a linear map, by its triangular factors",
    .reference = "Oliva et al. 2018; Kingma and Dhariwal 2018",
    .forward = forward,
    .inverse = inverse,
};
