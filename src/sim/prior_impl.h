/* What the families share. */
#pragma once
#include "prior.h"

/* x with cdf(x) = p, or upper_cdf(x) = p where upper. For families whose inverse in GSL fails for small
 * shapes or far tails: Newton on the logarithm of the tail, kept inside a bracket that is halved in the order
 * of the doubles. Needs check, support, log_pdf, cdf, upper_cdf of the type. */
double RheoPriorInvert(const RheoPriorType *type, const double *a, double p, int upper);
