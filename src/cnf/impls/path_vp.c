/* z_t = cos(pi t/2) z0 + sin(pi t/2) z1 + sigma e, target pi/2 (cos(pi t/2) z1 - sin(pi t/2) z0): the variance of
 * independent z0, z1 of unit variance stays one (Albergo & Vanden-Eijnden 2023, trigonometric interpolant). */
#include "../cnf_impl.h"
#include <math.h>

static void place(double sigma, RheoVal z0, RheoVal z1, RheoVal e, RheoVal t, RheoVal *z, RheoVal *target)
{
  RheoVal angle = rx_scale(t, M_PI / 2), c = rx_cos(angle), s = rx_sin(angle);
  *z = rx_add(rx_mul(c, z0), rx_mul(s, z1));
  if (sigma > 0) *z = rx_add(*z, rx_scale(e, sigma));
  *target = rx_scale(rx_sub(rx_mul(c, z1), rx_mul(s, z0)), M_PI / 2);
}

static int allows(double sigma)
{
  return sigma >= 0;
}

const RheoPathType RheoPathType_Vp = {
    .name = "vp",
    .summary = "variance-preserving: cosine of the source, sine of the data",
    .reference = "Albergo & Vanden-Eijnden 2023",
    .rule = "[0, inf)",
    .allows = allows,
    .noise = 1,
    .place = place,
};
