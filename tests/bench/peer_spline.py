"""The peer of `rheo bench`: sbi's default neural spline flow, trained in PyTorch on this machine.

Uses nflows (what sbi trains) or zuko where one can be imported, and otherwise the same flow written in plain PyTorch: 5 steps of
rational-quadratic spline coupling (10 bins, tails at 3, residual net 2x50 with gated context) and LU-parametrised linear layer, on
10-d parameters and 10-d data, Adam, gradients clipped at norm 5. Prints `samples_per_s peer threads` of the best thread count.

usage: peer_spline.py BATCH [SECONDS]
"""
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

D = C = 10
HIDDEN, BLOCKS, BINS, BOUND, STEPS = 50, 2, 10, 3.0, 5
MIN = 1e-3


class ResidualNet(nn.Module):
    def __init__(self, n_in, n_context, n_out):
        super().__init__()
        self.first = nn.Linear(n_in + n_context, HIDDEN)
        self.inner = nn.ModuleList([nn.ModuleList([nn.Linear(HIDDEN, HIDDEN) for _ in range(2)]) for _ in range(BLOCKS)])
        self.context = nn.ModuleList([nn.Linear(n_context, HIDDEN) for _ in range(BLOCKS)])
        self.last = nn.Linear(HIDDEN, n_out)

    def forward(self, x, c):
        h = self.first(torch.cat((x, c), dim=1))
        for (a, b), gate in zip(self.inner, self.context):
            t = b(F.relu(a(F.relu(h))))
            h = h + F.glu(torch.cat((t, gate(c)), dim=1), dim=1)
        return self.last(h)


def knots(raw, low, high):
    width = MIN + (1 - MIN * BINS) * F.softmax(raw, dim=-1)
    edge = F.pad(torch.cumsum(width, dim=-1), (1, 0))
    edge = low + (high - low) * edge
    return edge, edge[..., 1:] - edge[..., :-1]


def spline(x, raw):
    """Rational-quadratic spline inside [-BOUND, BOUND], identity outside; returns y and log dy/dx."""
    inside = (x >= -BOUND) & (x <= BOUND)
    y, log_det = x.clone(), torch.zeros_like(x)
    xi, raw = x[inside], raw[inside]
    edge_x, width = knots(raw[..., :BINS], -BOUND, BOUND)
    edge_y, height = knots(raw[..., BINS : 2 * BINS], -BOUND, BOUND)
    slope = MIN + F.softplus(F.pad(raw[..., 2 * BINS :], (1, 1), value=0.541324854612918))
    k = (torch.sum(xi[..., None] >= edge_x[..., 1:-1], dim=-1))[..., None]
    pick = lambda t: t.gather(-1, k)[..., 0]
    w, h, x0, y0 = pick(width), pick(height), pick(edge_x), pick(edge_y)
    d0, d1 = pick(slope), pick(slope[..., 1:])
    s, t = h / w, (xi - x0) / w
    tt = t * (1 - t)
    below = s + (d0 + d1 - 2 * s) * tt
    y[inside] = y0 + h * (s * t * t + d0 * tt) / below
    log_det[inside] = torch.log(s * s * (d1 * t * t + 2 * s * tt + d0 * (1 - t) ** 2)) - 2 * torch.log(below)
    return y, log_det.sum(dim=-1)


class Coupling(nn.Module):
    def __init__(self, step):
        super().__init__()
        self.register_buffer("fixed", torch.arange(step % 2, D, 2))
        self.register_buffer("moved", torch.arange(1 - step % 2, D, 2))
        self.net = ResidualNet(len(self.fixed), C, len(self.moved) * (3 * BINS - 1))

    def forward(self, x, c):
        raw = self.net(x[:, self.fixed], c).view(len(x), len(self.moved), 3 * BINS - 1)
        raw = torch.cat((raw[..., : 2 * BINS] / HIDDEN**0.5, raw[..., 2 * BINS :]), dim=-1)
        moved, log_det = spline(x[:, self.moved], raw)
        y = torch.empty_like(x)
        y[:, self.fixed], y[:, self.moved] = x[:, self.fixed], moved
        return y, log_det


class LU(nn.Module):
    def __init__(self):
        super().__init__()
        n = D * (D - 1) // 2
        self.low, self.up = nn.Parameter(torch.zeros(n)), nn.Parameter(torch.zeros(n))
        self.diagonal, self.bias = nn.Parameter(torch.full((D,), 0.541324854612918)), nn.Parameter(torch.zeros(D))
        self.register_buffer("li", torch.tril_indices(D, D, -1))
        self.register_buffer("ui", torch.triu_indices(D, D, 1))

    def forward(self, x, c):
        low, up = torch.eye(D), torch.zeros(D, D)
        low[self.li[0], self.li[1]] = self.low
        up[self.ui[0], self.ui[1]] = self.up
        diagonal = F.softplus(self.diagonal) + MIN
        up = up + torch.diag(diagonal)
        return F.linear(F.linear(x, up), low, self.bias), torch.log(diagonal).sum()


class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList([m for step in range(STEPS) for m in (Coupling(step), LU())])

    def loss(self, x, c):
        log_det = 0
        for step in self.steps:
            x, part = step(x, c)
            log_det = log_det + part
        return (0.5 * (x * x).sum(dim=1) + 0.5 * D * 1.8378770664093453 - log_det).mean()


def make():
    """The flow and its loss, with the name of the library that brings it."""
    try:
        from nflows import distributions, flows, transforms
        from nflows.nn import nets

        def step(i):
            mask = torch.arange(D) % 2 == i % 2
            net = lambda n_in, n_out: nets.ResidualNet(n_in, n_out, HIDDEN, context_features=C, num_blocks=BLOCKS, activation=F.relu)
            return [transforms.PiecewiseRationalQuadraticCouplingTransform(mask.long(), net, num_bins=BINS, tails="linear", tail_bound=BOUND),
                    transforms.LULinear(D, identity_init=True)]

        flow = flows.Flow(transforms.CompositeTransform([t for i in range(STEPS) for t in step(i)]), distributions.StandardNormal((D,)))
        return flow, lambda x, c: -flow.log_prob(x, context=c).mean(), "nflows"
    except ImportError:
        pass
    try:
        import zuko

        flow = zuko.flows.NSF(D, C, transforms=STEPS, bins=BINS, hidden_features=(HIDDEN, HIDDEN), passes=2)
        return flow, lambda x, c: -flow(c).log_prob(x).mean(), "zuko"
    except ImportError:
        flow = Flow()
        return flow, flow.loss, "plain PyTorch " + torch.__version__


def rate(batch, threads, seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    flow, loss, name = make()
    optimiser = torch.optim.Adam(flow.parameters(), lr=5e-4)
    x = torch.randn(batch * 4, D)
    c = x + 0.5 * torch.randn(batch * 4, C)

    def step(i):
        rows = slice((i % 4) * batch, (i % 4 + 1) * batch)
        optimiser.zero_grad()
        loss(x[rows], c[rows]).backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimiser.step()

    for i in range(3):
        step(i)
    best = 0.0
    for _ in range(3):
        done, start = 0, time.perf_counter()
        while done < 2 or time.perf_counter() - start < seconds / 3:
            step(done)
            done += 1
        best = max(best, done * batch / (time.perf_counter() - start))
    return best, name


if __name__ == "__main__":
    size, span = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
    found = [(*rate(size, n, span), n) for n in range(1, (os.cpu_count() or 1) + 1) if n <= 2]
    best = max(found)
    print("%.0f %d %s" % (best[0], best[2], best[1]))
