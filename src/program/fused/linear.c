/* A linear layer is not an operation of its own but a composition: the matrix product goes to the library,
 * and the compiler groups bias and activation into one pass over its result. Its derivative is then the two
 * matrix products dx = dz W^T and dW = x^T dz, a column sum for db and the pass dz = act'(.) dy, which joins
 * its neighbours as well. Leading axes are flattened first, so that dW is one product too.
 */
#define RHEO_NO_HERE
#include "../program_impl.h"

RheoVal(rx_linear)(RheoVal x, RheoVal weight, RheoVal bias, RheoActivation activation)
{
  const RheoShape s = rx_shape(x), w = rx_shape(weight);
  if (s.n < 1 || w.n != 2 || s.d[s.n - 1] != w.d[0] ||
      (rx_exists(bias) && (rx_shape(bias).n != 1 || rx_shape(bias).d[0] != w.d[1])))
    return rx_fail(x.program, "linear: x (..., %d), weight (%d, %d), bias (%d) do not fit", rx_dim(x, -1),
                   rx_dim(weight, 0), rx_dim(weight, 1), rx_dim(bias, -1));
  const RheoVal rows = s.n == 2 ? x : rx_reshape(x, RX_SHAPE(-1, w.d[0]));
  RheoVal z = rx_matmul(rows, weight);
  if (rx_exists(bias)) z = rx_add(z, bias);
  const RheoVal y = rx_activate(activation, z);
  if (s.n == 2) return y;
  RheoShape result = s;
  result.d[s.n - 1] = w.d[1];
  return rx_reshape(y, result);
}
