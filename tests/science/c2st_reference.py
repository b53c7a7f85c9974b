"""Two sample sets and their C2ST by the protocol of the sbi benchmark in scikit-learn: for tests/science/c2st_reference.sh.

usage: c2st_reference.py CASE x.csv y.csv   writes the sets and prints the score
"""
import sys

import numpy as np
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier

case, x_file, y_file = sys.argv[1:]
rng = np.random.default_rng(7)
n, d = 2000, 3
if case == "same":
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
elif case == "shift":
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d)) + [0.7, 0, 0]
elif case == "rotated":  # equal marginals, other correlations
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    y[:, 1] = 0.8 * y[:, 0] + 0.6 * y[:, 1]
elif case == "heavy":  # heavy tails, far from the origin
    x, y = 50 + 3 * rng.standard_t(4, size=(n, d)), 50 + 3 * rng.normal(size=(n, d))
else:
    sys.exit("unknown case " + case)
np.savetxt(x_file, x, delimiter=",", header="a,b,c", comments="")
np.savetxt(y_file, y, delimiter=",", header="a,b,c", comments="")

mean, sd = x.mean(axis=0), x.std(axis=0)
data = np.concatenate([(x - mean) / sd, (y - mean) / sd])
label = np.concatenate([np.zeros(n), np.ones(n)])
classifier = MLPClassifier(activation="relu", hidden_layer_sizes=(10 * d, 10 * d), max_iter=10000, solver="adam", random_state=1)
scores = cross_val_score(classifier, data, label, cv=KFold(n_splits=5, shuffle=True, random_state=1), scoring="accuracy")
print("%.4f" % scores.mean())
