"""The peer of `rheo bench`, section cnf_nll: maximum likelihood of a 2-d continuous flow in plain PyTorch on this machine.

The protocol is that of torchcfm's tutorial: a 3x64 SELU network of place and time, batch 256, 100 Euler steps from the data at t = 1
to a normal at t = 0, the exact trace of the Jacobian by reverse mode (one product for each dimension), Adam. `adjoint` goes forward
without a graph and back step by step, as the tutorial's sensitivity="adjoint" does; `backprop` keeps the graph of all steps.
Prints `iterations_per_s threads name` of the best thread count.

usage: peer_cnf_nll.py adjoint|backprop [SECONDS]
"""
import os
import sys
import time

import torch
from torch import nn

D, WIDTH, BATCH, STEPS = 2, 64, 256, 100
DT = -1 / STEPS


def field():
    layers = [nn.Linear(D + 1, WIDTH), nn.SELU(), nn.Linear(WIDTH, WIDTH), nn.SELU(), nn.Linear(WIDTH, WIDTH), nn.SELU(), nn.Linear(WIDTH, D)]
    return nn.Sequential(*layers)


def rates(net, n, z, graph):
    """Velocity and divergence at the n-th step; graph: they will be differentiated."""
    v = net(torch.cat((z, torch.full((len(z), 1), 1 + n * DT)), dim=1))
    trace = 0
    for d in range(D):
        trace = trace + torch.autograd.grad(v[:, d].sum(), z, create_graph=graph, retain_graph=True)[0][:, d]
    return v, trace


def source_loss(z):
    return 0.5 * (z * z).sum(dim=1) + 0.5 * D * 1.8378770664093453


def backprop(net, x):
    z, log_det = x.requires_grad_(True), torch.zeros(len(x))
    for n in range(STEPS):
        v, trace = rates(net, n, z, True)
        z, log_det = z + DT * v, log_det + DT * trace
    loss = (source_loss(z) - log_det).mean()
    loss.backward()
    return loss


def adjoint(net, x):
    path, log_det = [x], torch.zeros(len(x))
    for n in range(STEPS):
        z = path[-1].requires_grad_(True)
        v, trace = rates(net, n, z, False)
        path.append((z + DT * v).detach())
        log_det = log_det + DT * trace.detach()
    z = path.pop()
    loss, dz = (source_loss(z) - log_det).mean(), z / len(x)
    weights = list(net.parameters())
    for w in weights:
        w.grad = torch.zeros_like(w)
    for n in reversed(range(STEPS)):
        z = path.pop().requires_grad_(True)
        v, trace = rates(net, n, z, True)
        pulled = torch.autograd.grad((v * dz).sum() - trace.mean(), [z] + weights, allow_unused=True)
        dz = dz + DT * pulled[0]
        for w, g in zip(weights, pulled[1:]):
            if g is not None:
                w.grad += DT * g
    return loss


def rate(step_of, threads, seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = field()
    optimiser = torch.optim.Adam(net.parameters())
    data = torch.randn(16 * BATCH, D)

    def step(i):
        rows = (i % 16) * BATCH
        optimiser.zero_grad()
        step_of(net, data[rows : rows + BATCH].clone())
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
    step_of = {"adjoint": adjoint, "backprop": backprop}[sys.argv[1]]
    span = float(sys.argv[2]) if len(sys.argv) > 2 else 4.0
    found = [(rate(step_of, n, span), n) for n in range(1, min(os.cpu_count() or 1, 2) + 1)]
    best = max(found)
    print("%.4f %d plain PyTorch %s" % (best[0], best[1], torch.__version__))
