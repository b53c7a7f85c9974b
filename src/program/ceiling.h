/* How fast matrix products are on this machine: the ceiling that `rheo bench` holds training against. */
#pragma once

/* The best rate, in floating-point operations a second on one core in single precision, of C (m, n) = A B over every library at hand (ours,
 * oneDNN, CBLAS) and the orientations that training uses (A B, A B^T, A^T B); *library says whose it is. Each candidate runs for
 * about `seconds`, in pieces of which the best counts. Not collective. */
double RheoProductCeiling(int m, int n, int k, double seconds, const char **library);
