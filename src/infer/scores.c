/* Parameters as the network sees them: normal scores of their prior. With z = Phi^-1(F(theta)) a density changes by
 * log q(theta) = log q(z) + log p(theta) - log phi(z). */
#include "posterior_impl.h"
#include <math.h>

static const double LOG_ROOT_TWO_PI = 0.91893853320467274178;

double RheoPosteriorFromScores(RheoPosterior p, const double *score, double log_q, double *theta)
{
  double sum = log_q;
  for (int k = 0; k < p->d; k++) {
    const double z = score[k];
    theta[k] = RheoPriorFromNormal(p->prior, k, z);
    sum += 0.5 * z * z + LOG_ROOT_TWO_PI + RheoPriorMarginalLogDensity(p->prior, k, theta[k]);
  }
  return sum;
}

double RheoPosteriorToScores(RheoPosterior p, const double *theta, double *score)
{
  double sum = 0;
  for (int k = 0; k < p->d; k++) {
    const double z = RheoPriorToNormal(p->prior, k, theta[k]);
    score[k] = isfinite(z) ? z : 0;
    sum += isfinite(z) ? 0.5 * z * z + LOG_ROOT_TWO_PI + RheoPriorMarginalLogDensity(p->prior, k, theta[k])
                       : -INFINITY;
  }
  return sum;
}

double RheoPosteriorBeyond(RheoPosterior p, int k, double z)
{
  return 0.5 * z * z + RheoPriorMarginalLogDensity(p->prior, k, RheoPriorFromNormal(p->prior, k, z)) +
         LOG_ROOT_TWO_PI;
}
