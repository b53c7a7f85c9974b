/* z_t = (1 - t) z0 + t z1 + sigma e, target z1 - z0 (Tong et al. 2024, I-CFM, eq. 14; with sigma = 0 rectified flow and the
 * stochastic interpolant of Liu et al. 2023 and Albergo & Vanden-Eijnden 2023). */
#include "../cnf_impl.h"

static void place(double sigma, RheoVal z0, RheoVal z1, RheoVal e, RheoVal t, RheoVal *z, RheoVal *target)
{
  *target = rx_sub(z1, z0);
  *z = rx_add(z0, rx_mul(t, *target));
  if (sigma > 0) *z = rx_add(*z, rx_scale(e, sigma));
}

static int allows(double sigma)
{
  return sigma >= 0;
}

const RheoPathType RheoPathType_Linear = {
    .name = "linear",
    .summary = "straight lines from source to data, blurred by sigma",
    .reference = "Tong et al. 2024; Liu et al. 2023",
    .rule = "[0, inf)",
    .allows = allows,
    .noise = 1,
    .place = place,
};
