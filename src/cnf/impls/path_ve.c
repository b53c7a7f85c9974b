/* Variance-exploding: z_t = z1 + g z0/sigma with the noise g = sigma (least/sigma)^t falling geometrically from sigma to
 * least = 0.01 (Song et al. 2021, eq. 31, with time from noise to data; Lipman et al. 2023, eq. 17). z(0) is sigma times the
 * source, and stands for z1 + z(0) the better the wider it is: sigma is some 10 to 100 standard deviations of the data.
 * Target: dz/dt = log(least/sigma) g z0/sigma. */
#include "../cnf_impl.h"
#include <math.h>

static const double least = 0.01;

static void place(double sigma, RheoVal z0, RheoVal z1, RheoVal e, RheoVal t, RheoVal *z, RheoVal *target)
{
  const double rate = log(least / sigma);
  (void)e;
  RheoVal noise = rx_mul(rx_exp(rx_scale(t, rate)), z0);
  *z = rx_add(z1, noise);
  *target = rx_scale(noise, rate);
}

static int allows(double sigma)
{
  return sigma >= 1;
}

static double width(double sigma)
{
  return sigma;
}

const RheoPathType RheoPathType_Ve = {
    .name = "ve",
    .summary = "variance-exploding: data plus noise that falls from sigma to 0.01",
    .reference = "Song et al. 2021",
    .rule = "[1, inf)",
    .allows = allows,
    .place = place,
    .width = width,
};
