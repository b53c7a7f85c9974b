/* The SIR epidemic: S' = -beta S I / N, I' = beta S I / N - gamma I (Kermack and McKendrick, 1927). */
#pragma once

/* Infected on days 1 .. n_days after one with `initial` infected, the rest of the population susceptible; rates per day.
 * infected (n_days), relative error below 1e-6 (a test holds it to GSL's tightest). Returns 0, or 1 where the rates are
 * negative, not finite, or too large for the step limit. */
int rheo_sir_infected(double beta, double gamma, double population, double initial, int n_days,
                      double *infected);
