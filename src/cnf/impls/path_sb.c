/* Brownian bridges of variance sigma^2: z_t = (1 - t) z0 + t z1 + sigma s e with s = sqrt(t (1 - t)), target
 * z1 - z0 + (1 - 2t)/(2 t (1 - t)) (z_t - mean) = z1 - z0 + sigma (1 - 2t)/(2 s) e (Tong et al. 2024, SB-CFM, eq. 21). With
 * pairs from entropic transport of regularisation 2 sigma^2 it learns the Schroedinger bridge's flow. The factor's square has
 * no mean on (0, 1): s is not let below 0.01, which touches t within 1e-4 of the ends. */
#include "../cnf_impl.h"

static void place(double sigma, RheoVal z0, RheoVal z1, RheoVal e, RheoVal t, RheoVal *z, RheoVal *target)
{
  RheoProgram p = t.program;
  RheoVal straight = rx_sub(z1, z0),
          s = rx_sqrt(rx_max(rx_mul(t, rx_sub(rx_const(p, 1), t)), rx_const(p, 1e-4)));
  RheoVal slope = rx_div(rx_offset(rx_scale(t, -2), 1), rx_scale(s, 2));
  *z = rx_add(rx_add(z0, rx_mul(t, straight)), rx_mul(rx_scale(s, sigma), e));
  *target = rx_add(straight, rx_mul(rx_scale(slope, sigma), e));
}

static int allows(double sigma)
{
  return sigma > 0;
}

const RheoPathType RheoPathType_Sb = {
    .name = "sb",
    .summary = "Brownian bridges of width sigma",
    .reference = "Tong et al. 2024",
    .rule = "(0, inf)",
    .allows = allows,
    .noise = 1,
    .bridge = 1,
    .place = place,
};
