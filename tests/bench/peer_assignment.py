"""Seconds of SciPy's linear_sum_assignment on the squared distances of a coupling's batch.

The same as `rheo bench -bench_run assignment`: from n normal points in d dimensions to n normal ones, or (circle 1) to eight
Gaussians of sd 0.3 on a circle of radius 5; of each of five draws the best of several turns, and the mean of these.
Prints one line: seconds, name of the peer.

usage: peer_assignment.py N D CIRCLE [SECONDS]
"""
import sys
import time

import numpy as np
import scipy
from scipy.optimize import linear_sum_assignment

DRAWS = 5


def costs(n, d, circle, rng):
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    if circle:
        angle = np.pi / 4 * rng.integers(8, size=n)
        y = 0.3 * y
        y[:, 0] += 5 * np.cos(angle)
        y[:, 1] += 5 * np.sin(angle)
    return ((x[:, None] - y[None]) ** 2).sum(axis=2)


if __name__ == "__main__":
    n, d, circle = (int(a) for a in sys.argv[1:4])
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 1.0
    mean = 0.0
    for draw in range(DRAWS):
        cost = costs(n, d, circle, np.random.default_rng(draw))
        best, start = np.inf, time.perf_counter()
        while best == np.inf or time.perf_counter() - start < seconds / DRAWS:
            begin = time.perf_counter()
            linear_sum_assignment(cost)
            best = min(best, time.perf_counter() - begin)
        mean += best / DRAWS
    print("%.6g SciPy %s" % (mean, scipy.__version__))
