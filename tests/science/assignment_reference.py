"""RheoAssign and RheoAssignPoints against SciPy's linear_sum_assignment, total by total, and RheoAssign's time on batches as
couplings have them, which is at most two thirds of SciPy's: for assignment_reference.sh.

usage: assignment_reference.py LIBRARY
"""
import ctypes
import sys
import time

import numpy as np
from scipy.optimize import linear_sum_assignment

rheo = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
if rheo.RheoInitialize(None, None):
    sys.exit("RheoInitialize failed")


def pointer(x):
    return x.ctypes.data_as(ctypes.c_void_p)


def check(name, cost, column, total):
    rows, columns = linear_sum_assignment(cost)
    want = cost[rows, columns].sum()
    size = max(abs(want), 1e-300)
    ok = sorted(column) == list(range(len(cost))) and abs(total - want) <= 1e-9 * size
    ok = ok and abs(cost[np.arange(len(cost)), column].sum() - total) <= 1e-9 * size
    if not ok:
        sys.exit("%s, n = %d: SciPy %.17g, rheo %.17g" % (name, len(cost), want, total))


def assign(name, cost):
    cost = np.ascontiguousarray(cost, dtype=np.float64)
    column, total = np.empty(len(cost), np.int32), ctypes.c_double()
    if rheo.RheoAssign(ctypes.c_int64(len(cost)), pointer(cost), pointer(column), ctypes.byref(total)):
        sys.exit(name + ": RheoAssign failed")
    check(name, cost, column, total.value)


def assign_points(name, x, y):
    column, total = np.empty(len(x), np.int32), ctypes.c_double()
    if rheo.RheoAssignPoints(ctypes.c_int64(len(x)), ctypes.c_int(x.shape[1]), pointer(x), pointer(y), pointer(column), ctypes.byref(total)):
        sys.exit(name + ": RheoAssignPoints failed")
    check(name, ((x[:, None] - y[None]) ** 2).sum(axis=2), column, total.value)


rng = np.random.default_rng(5)
count = 0
for n in (1, 2, 3, 10, 23, 24, 25, 64, 100, 200, 256, 500):
    for d in (1, 2, 10, 30):
        x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
        eight = 0.3 * y
        eight[:, 0] += 5 * np.cos(np.pi / 4 * rng.integers(8, size=n))
        for name, z in (("normal", y), ("moved", y + 3), ("clusters", eight), ("rounded", np.round(4 * y) / 4)):
            assign_points("%s in %d dimensions" % (name, d), x, z)
            assign("%s in %d dimensions, matrix" % (name, d), ((x[:, None] - z[None]) ** 2).sum(axis=2))
            count += 2
    u = rng.random((n, n))
    label = rng.integers(4, size=n)
    i = np.arange(1.0, n + 1)
    for name, cost in {
        "uniform": u, "negative": -u, "exponential": -np.log(u), "heavy": u**-3, "huge": 1e150 * u, "tiny": 1e-150 * u,
        "small integers": np.floor(5 * u), "integers": np.floor(1e6 * u), "zeros and ones": 1.0 * (u < 0.1), "constant": 0 * u + 3,
        "classes": u + 1e6 * (label[:, None] != label[None]), "products": i[:, None] * i[None], "offset": u + 1e6 * i[:, None],
        "rank one": np.abs(i[:, None] - i[None]) ** 1.5,
    }.items():
        assign(name, cost)
        count += 1
print("%d assignments cost what SciPy's cost" % count)


def seconds(call):
    # of the processor, so that what else runs here counts for little
    begin = time.process_time()
    call()
    return time.process_time() - begin


def compare(name, cost, rounds=7):
    cost = np.ascontiguousarray(cost, dtype=np.float64)
    column, total = np.empty(len(cost), np.int32), ctypes.c_double()

    def own():
        if rheo.RheoAssign(ctypes.c_int64(len(cost)), pointer(cost), pointer(column), ctypes.byref(total)):
            sys.exit(name + ": RheoAssign failed")

    both = [(seconds(own), seconds(lambda: linear_sum_assignment(cost))) for _ in range(rounds)]
    mine, theirs = (min(x) for x in zip(*both))
    check(name, cost, column, total.value)
    print("%s, n = %d: %.3g of SciPy's time" % (name, len(cost), mine / theirs))
    return mine <= 2 / 3 * theirs


fast = True
for n in (256, 1024):
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    eight = 0.3 * y
    eight += 5 * np.exp(0.25j * np.pi * rng.integers(8, size=n)).view(np.float64).reshape(n, 2)
    for name, z in (("normal", y), ("clusters", eight)):
        fast = compare(name, ((x[:, None] - z[None]) ** 2).sum(axis=2)) and fast
    x, y = rng.normal(size=(n, 20)), rng.normal(size=(n, 20)) + 0.2
    fast = compare("bridge in 20 dimensions", ((x[:, None] - y[None]) ** 2).sum(axis=2)) and fast
if not fast:
    sys.exit("an assignment takes more than two thirds of SciPy's time")
