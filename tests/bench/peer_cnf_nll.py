"""The peer of `rheo bench`, section cnf_nll: maximum likelihood of a 2-d continuous flow in plain PyTorch on this machine.

The protocol is that of torchcfm's tutorial: a 3x64 network of place and time, batch 256, 100 Euler steps from the data at t = 1 to a
normal at t = 0, the exact trace of the Jacobian by reverse mode (one product for each dimension), Adam. The gradient goes back
through the steps. Activation ELU, on both sides. Prints `iterations_per_s threads peer` of the best thread count.

usage: peer_cnf_nll.py [SECONDS]
"""
import os
import sys
import time

import torch
from torch import nn

D, WIDTH, BATCH, STEPS = 2, 64, 256, 100


def field():
    layers = [nn.Linear(D + 1, WIDTH), nn.ELU(), nn.Linear(WIDTH, WIDTH), nn.ELU(), nn.Linear(WIDTH, WIDTH), nn.ELU(), nn.Linear(WIDTH, D)]
    return nn.Sequential(*layers)


def negative_log_likelihood(net, x):
    z, log_det = x.requires_grad_(True), torch.zeros(len(x))
    for n in range(STEPS):
        t = torch.full((len(z), 1), 1 - n / STEPS)
        v = net(torch.cat((z, t), dim=1))
        trace = 0
        for d in range(D):
            trace = trace + torch.autograd.grad(v[:, d].sum(), z, create_graph=True)[0][:, d]
        z, log_det = z - v / STEPS, log_det - trace / STEPS
    return (0.5 * (z * z).sum(dim=1) + 0.5 * D * 1.8378770664093453 - log_det).mean()


def rate(threads, seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = field()
    optimiser = torch.optim.Adam(net.parameters())
    data = torch.randn(16 * BATCH, D)

    def step(i):
        rows = (i % 16) * BATCH
        optimiser.zero_grad()
        negative_log_likelihood(net, data[rows : rows + BATCH].clone()).backward()
        optimiser.step()

    step(0)
    best = 0.0
    for _ in range(2):
        done, start = 0, time.perf_counter()
        while done < 2 or time.perf_counter() - start < seconds / 2:
            step(done)
            done += 1
        best = max(best, done / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    span = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    found = [(rate(n, span), n) for n in range(1, min(os.cpu_count() or 1, 2) + 1)]
    best = max(found)
    print("%.4f %d plain PyTorch %s" % (best[0], best[1], torch.__version__))
