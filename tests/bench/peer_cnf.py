"""The peer of `rheo bench` for continuous flows: conditional flow matching in PyTorch on this machine.

What the notebooks of torchcfm do (github.com/atong01/conditional-flow-matching, examples/2D_tutorials): a network of 3 layers of 64
SELU units over [x, t], batches of 256 from eight gaussians to moons, Adam at 1e-3; `otcfm` couples each batch by an exact assignment
(SciPy's linear_sum_assignment, which is faster than the network simplex of the notebooks); `sample` carries 10 000 points from t = 0
to 1 by Tsit5 with steps controlled by the RMS over the batch, as torchdyn and torchdiffeq do. Prints `rate threads peer` for the best
thread count: iterations per second, or points per second.

usage: peer_cnf.py icfm|otcfm|sample [SECONDS]
"""
import math
import os
import sys
import time

import torch
from torch import nn

BATCH, POINTS, RTOL, ATOL = 256, 10000, 1e-4, 1e-4


def network():
    width = 64
    return nn.Sequential(nn.Linear(3, width), nn.SELU(), nn.Linear(width, width), nn.SELU(), nn.Linear(width, width), nn.SELU(),
                         nn.Linear(width, 2))


def eight_gaussians(n):
    angle = torch.randint(0, 8, (n,)) * (math.pi / 4)
    return 5 * torch.stack((torch.cos(angle), torch.sin(angle)), dim=1) + 0.1**0.25 * torch.randn(n, 2)


def moons(n):
    outer = math.pi * torch.rand(n // 2)
    inner = math.pi * torch.rand(n - n // 2)
    x = torch.cat((torch.stack((torch.cos(outer), torch.sin(outer)), 1), torch.stack((1 - torch.cos(inner), 0.5 - torch.sin(inner)), 1)))
    return 3 * (x + 0.2 * torch.rand(n, 1)) - 1


def training(coupled):
    net = network()
    optimiser = torch.optim.Adam(net.parameters())
    if coupled:
        from scipy.optimize import linear_sum_assignment

    def step():
        optimiser.zero_grad()
        x0, x1 = eight_gaussians(BATCH), moons(BATCH)
        if coupled:
            _, column = linear_sum_assignment((torch.cdist(x0, x1) ** 2).numpy())
            x1 = x1[torch.from_numpy(column)]
        t = torch.rand(BATCH, 1)
        x = (1 - t) * x0 + t * x1 + 0.1 * torch.randn(BATCH, 2)
        loss = torch.mean((net(torch.cat((x, t), dim=1)) - (x1 - x0)) ** 2)
        loss.backward()
        optimiser.step()
        return 1

    return net, step


A = [[], [0.161], [-0.008480655492356989, 0.335480655492357], [2.8971530571054935, -6.359448489975075, 4.3622954328695815],
     [5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525],
     [5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383],
     [0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774]]
C = [0, 0.161, 0.327, 0.9, 0.9800255409045097, 1, 1]
E = [0.00178001105222577714, 0.0008164344596567469, -0.007880878010261995, 0.1447110071732629, -0.5823571654525552, 0.45808210592918697,
     -1 / 66]


@torch.no_grad()
def tsit5(net, x):
    f = lambda t, y: net(torch.cat((y, t.expand(len(y), 1)), dim=1))
    t, dt, k = torch.zeros(()), torch.tensor(0.01), [f(torch.zeros(()), x)]
    while t < 1:
        dt = torch.minimum(dt, 1 - t)
        k = k[:1]
        for i in range(1, 7):
            y = x + dt * sum(a * q for a, q in zip(A[i], k))
            k.append(f(t + C[i] * dt, y))
        scale = ATOL + RTOL * torch.maximum(x.abs(), y.abs())
        error = torch.sqrt(torch.mean((dt * sum(e * q for e, q in zip(E, k)) / scale) ** 2))
        if error <= 1:
            t, x, k = t + dt, y, [k[6]]
        dt = dt * torch.clamp(0.9 * error**-0.2, 0.2, 10)
    return x


def sampling():
    net, step = training(False)
    for _ in range(500):
        step()
    return lambda: len(tsit5(net, eight_gaussians(POINTS)))


def rate(kind, threads, seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    work = sampling() if kind == "sample" else training(kind == "otcfm")[1]
    for _ in range(3):
        work()
    best = 0.0
    for _ in range(3):
        done, start = 0, time.perf_counter()
        while done == 0 or time.perf_counter() - start < seconds / 3:
            done += work()
        best = max(best, done / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    which, span = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
    best = max((rate(which, n, span), n) for n in range(1, min(2, os.cpu_count() or 1) + 1))
    print("%.1f %d plain PyTorch %s" % (best[0], best[1], torch.__version__))
