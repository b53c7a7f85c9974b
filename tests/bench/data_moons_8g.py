"""The very data of moons to eight Gaussians in table 2 of SF2M, as far as they are known: what torchcfm's runner makes with numpy's,
scikit-learn's and torch's generators (system moon-8gaussians, 30 000 rows each, cut in three by a generator of seed 42).

Writes source.csv, source_test.csv, target.csv, target_test.csv of 10 000 rows each into DIR.

usage: data_moons_8g.py SEED DIR
"""
import sys

import numpy as np
import torch
from sklearn.datasets import make_moons

ROWS = 30000
CORNER = 1 / np.sqrt(2)
CENTRES = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (CORNER, CORNER), (CORNER, -CORNER), (-CORNER, CORNER), (-CORNER, -CORNER)])


def moons(seed):
    np.random.seed(seed)
    x = torch.tensor(make_moons(n_samples=ROWS, noise=0.1)[0])
    return ((x - x.mean()) / x.std() * 7).float().numpy()


def eight_gaussians(seed):
    """Point by point, since the order of the draws is what the data depend on."""
    np.random.seed(seed)
    x = np.empty((ROWS, 2))
    for row in x:
        noise = np.random.randn(2)
        row[:] = 4 * CENTRES[np.random.randint(8)] + 0.5 * noise
    return 3 * x.astype(np.float32)


def main():
    seed, folder = int(sys.argv[1]), sys.argv[2]
    for name, x in (("source", moons(seed)), ("target", eight_gaussians(seed))):
        parts = torch.utils.data.random_split(range(ROWS), [ROWS // 3] * 3, generator=torch.Generator().manual_seed(42))
        for part, ending in ((parts[0], ""), (parts[2], "_test")):
            np.savetxt(f"{folder}/{name}{ending}.csv", x[part.indices], fmt="%.9g", delimiter=",", header="x1,x2", comments="")


if __name__ == "__main__":
    main()
