"""The peer of `rheo bench -bench_run cfm`: conditional flow matching in PyTorch on this machine.

What the notebooks of torchcfm do (github.com/atong01/conditional-flow-matching, examples/2D_tutorials): a network of 3 layers of 64
SELU units over [x, t], batches of 256 from eight gaussians to moons (drawn beforehand), Adam at 1e-3; `otcfm` couples each batch by an exact assignment
(SciPy's linear_sum_assignment; the notebooks use a network simplex). Prints `iterations_per_s threads peer` for the best thread count.

usage: peer_cfm.py icfm|otcfm [SECONDS]
"""
import math
import os
import sys
import time

import torch
from torch import nn

BATCH, ROWS = 256, 25600


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
    source, target = eight_gaussians(ROWS), moons(ROWS)
    if coupled:
        from scipy.optimize import linear_sum_assignment

    def step():
        optimiser.zero_grad()
        x0, x1 = source[torch.randint(0, ROWS, (BATCH,))], target[torch.randint(0, ROWS, (BATCH,))]
        if coupled:
            _, column = linear_sum_assignment((torch.cdist(x0, x1) ** 2).numpy())
            x1 = x1[torch.from_numpy(column)]
        t = torch.rand(BATCH, 1)
        x = (1 - t) * x0 + t * x1 + 0.1 * torch.randn(BATCH, 2)
        loss = torch.mean((net(torch.cat((x, t), dim=1)) - (x1 - x0)) ** 2)
        loss.backward()
        optimiser.step()
        return 1

    return step


def rate(kind, threads, seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    work = training(kind == "otcfm")
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
