"""The peer of `rheo bench -bench_run sampling`: points moved by a neural ODE in PyTorch on this machine.

Tsitouras' pair 5(4) as torchdyn and torchdiffeq run it: one step for the whole batch, chosen by the root mean square of the error
estimate, first same as last, no gradients. The field is a network of 3 hidden layers of 64 SiLU units that sees place and time.
Prints `seconds_per_evaluation evaluations peer` of the best thread count; an evaluation is of the field for all points.

usage: peer_sampling.py POINTS TOLERANCE [SECONDS]
"""
import os
import sys
import time

import torch
from torch import nn

C = [0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0]
A = [
    [0.161],
    [-0.008480655492356989, 0.335480655492357],
    [2.8971530571054935, -6.359448489975075, 4.3622954328695815],
    [5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525],
    [5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383],
    [0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774],
]
E = [-0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995, -0.1447110071732629, 0.5823571654525552,
     -0.45808210592918697, 0.015151515151515152]


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [3, 64, 64, 64]
        layers = [m for i, o in zip(sizes, sizes[1:]) for m in (nn.Linear(i, o), nn.SiLU())]
        self.net = nn.Sequential(*layers, nn.Linear(64, 2))
        self.evaluations = 0

    def forward(self, t, x):
        self.evaluations += 1
        return self.net(torch.cat((x, t.expand(len(x), 1)), dim=1))


def rms(x):
    return x.square().mean().sqrt()


def first_step(field, x, k, tolerance):
    scale = tolerance + tolerance * x.abs()
    d0, d1 = rms(x / scale), rms(k / scale)
    h0 = 0.01 * d0 / d1
    d2 = rms((field(h0, x + h0 * k) - k) / scale) / h0
    return min(100 * h0, (0.01 / max(d1, d2)) ** (1 / 6))


def solve(field, x, tolerance):
    t, end = torch.zeros(()), 1.0
    first = field(t, x)
    h = first_step(field, x, first, tolerance)
    while t < end - 1e-7:
        h = min(h, end - t)
        k = [first]
        for c, row in zip(C, A):
            y = x + h * sum(a * s for a, s in zip(row, k))
            k.append(field(t + c * h, y))
        scale = tolerance + tolerance * torch.max(x.abs(), y.abs())
        error = rms(h * sum(e * s for e, s in zip(E, k)) / scale)
        if error <= 1:
            t, x, first = t + h, y, k[-1]
        h = h * min(10.0, max(0.2, 0.9 * float(error) ** -0.2))
    return x


def measure(points, tolerance, seconds):
    torch.manual_seed(1)
    field = Field()
    best = float("inf")
    start = time.perf_counter()
    with torch.no_grad():
        x = torch.randn(points, 2)
        solve(field, x, tolerance)
        while time.perf_counter() - start < seconds:
            field.evaluations = 0
            begin = time.perf_counter()
            solve(field, x, tolerance)
            best = min(best, (time.perf_counter() - begin) / field.evaluations)
    return best, field.evaluations


def main():
    points, tolerance = int(sys.argv[1]), float(sys.argv[2])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 3.0
    counts = sorted({1, os.cpu_count() or 1})
    results = []
    for threads in counts:
        torch.set_num_threads(threads)
        results.append((*measure(points, tolerance, seconds / len(counts)), threads))
    each, evaluations, threads = min(results)
    print(f"{each:.4g} {evaluations} PyTorch {torch.__version__} on {threads} threads")


if __name__ == "__main__":
    main()
