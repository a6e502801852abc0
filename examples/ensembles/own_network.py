"""Ensembles of networks of one's own: a factory, a name for it, and unlike learners.

Usage: python own_network.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from torch import nn

from deem.datasets import load_task
from deem.ensembles import DeepEnsembleClassifier, register_learner
from deem.ensembles.learners import LEARNERS


def gated(input_shape, n_outputs, width=32):
    """Network whose units are switched by others."""
    return nn.Sequential(nn.Linear(*input_shape, 2 * width), nn.GLU(), nn.Linear(width, n_outputs))


def main(folder):
    data = load_task("wine")
    X, y = data.train.data.numpy(), data.train.targets.numpy()
    X_new, y_new = data.test.data.numpy(), data.test.targets.numpy()
    if "gated" not in LEARNERS:  # a name that is registered can be saved
        register_learner("gated", gated)
    settings = {"epochs": 40, "learning_rate": 0.003, "random_state": 0}
    one = DeepEnsembleClassifier(4, "gated", learner_params={"width": 16}, **settings)
    one.fit(X, y).save(Path(folder) / "gated.deem")
    again = DeepEnsembleClassifier.load(Path(folder) / "gated.deem")
    print(f"4 gated networks: {one.score(X_new, y_new):.3f}, computed by {one.bank_.backend}")
    print("same after loading:", np.array_equal(again.predict(X_new), one.predict(X_new)))

    mixed = DeepEnsembleClassifier(3, [gated, "mlp", "mlp"], **settings).fit(X, y)
    kinds = {type(layer).__name__ for learner in mixed.learners_ for layer in learner}
    print(f"unlike networks of {sorted(kinds)}: {mixed.score(X_new, y_new):.3f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
