"""A yardstick for couplings in the plane: the exact optimal assignment between the two training sets, carried over to a test point
from its nearest training point, is measured as couplings.sh measures a model. A smooth map may do a little better. Needs NumPy and SciPy, and the shared
library for its assignment of 10 000 points.

usage: exact_map.py LIBRHEO DIR       the files that couplings.sh leaves for moons-8g-np
       exact_map.py LIBRHEO N-scurve  10 000 rows each of our own, seeds 42 to 46
"""
import ctypes
import os
import sys

import numpy as np
from scipy.spatial import cKDTree

ROWS = 10000


def assign(library, x, y):
    """Columns of y for rows of x, and the mean squared distance."""
    x, y = (np.ascontiguousarray(a, float) for a in (x, y))
    column, total = np.empty(len(x), np.int32), ctypes.c_double()
    code = library.RheoAssignPoints(ctypes.c_int64(len(x)), x.shape[1], *(ctypes.c_void_p(a.ctypes.data) for a in (x, y, column)),
                                    ctypes.byref(total))
    if code:
        sys.exit(f"no assignment: error {code}")
    return column, total.value / len(x)


def scurve(seed):
    random = np.random.default_rng(seed)

    def pair():
        t = 3 * np.pi * (random.random(ROWS) - 0.5)
        curve = np.stack([np.sin(t), np.sign(t) * (np.cos(t) - 1)], 1)
        return random.standard_normal((ROWS, 2)), 1.5 * (curve + 0.05 * random.standard_normal((ROWS, 2)))

    return (*pair(), *pair())


def files(folder):
    return (np.loadtxt(f"{folder}/{name}.csv", delimiter=",", skiprows=1) for name in ("source", "target", "source_test", "target_test"))


def main():
    library = ctypes.CDLL(os.path.abspath(sys.argv[1]))
    sets = [(seed, scurve(seed)) for seed in range(42, 47)] if sys.argv[2] == "N-scurve" else [(sys.argv[2], files(sys.argv[2]))]
    for name, (x, y, x_test, y_test) in sets:
        column, train = assign(library, x, y)
        _, test = assign(library, x_test, y_test)
        nearest = cKDTree(x).query(x_test)[1]
        end = x_test + y[column[nearest]] - x[nearest]
        energy = ((end - x_test) ** 2).sum(1).mean()
        print(f"{name}: W2 {assign(library, end, y_test)[1] ** 0.5:.3f} NPE {abs(energy / test - 1):.3f} "
              f"(W2^2 of the training sets over that of the test sets, less 1: {train / test - 1:+.3f})", flush=True)


if __name__ == "__main__":
    main()
