/* z_t = (1 - (1 - sigma) t) z0 + t z1 (Lipman et al. 2023, eq. 22). The target (z1 - (1 - sigma) z_t)/(1 - (1 - sigma) t) is,
 * with this z_t, z1 - (1 - sigma) z0: written so, nothing is divided by a small number near t = 1. */
#include "../cnf_impl.h"

static void place(double sigma, RheoVal z0, RheoVal z1, RheoVal e, RheoVal t, RheoVal *z, RheoVal *target)
{
  (void)e;
  *target = rx_sub(z1, rx_scale(z0, 1 - sigma));
  *z = rx_add(z0, rx_mul(t, *target));
}

static int allows(double sigma)
{
  return sigma >= 0 && sigma < 1;
}

const RheoPathType RheoPathType_Lipman = {
    .name = "lipman",
    .summary = "a normal that shrinks to width sigma around each data point",
    .reference = "Lipman et al. 2023",
    .rule = "[0, 1)",
    .allows = allows,
    .place = place,
};
