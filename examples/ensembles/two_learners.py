"""Two learners that go apart while their mean stays where it is, as arrows.

Usage: python two_learners.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from deem.datasets import load_task
from deem.ensembles import DeepEnsembleClassifier
from deem.visual import plot_learner_scores_2d


def main(folder):
    data = load_task("digits", label_noise=0.3).standardised()
    X, y = data.train.data.numpy(), data.train.targets.numpy()
    X_new, y_new = data.test.data.numpy(), data.test.targets.numpy()
    scores = {}
    for name, beta in (("independent", 0), ("joint", 1)):
        ensemble = DeepEnsembleClassifier(2, beta=beta, epochs=15, random_state=0).fit(X, y)
        found = ensemble.predict_learners(X_new, "score").transpose(0, 2, 1)
        # What is added to all scores of a learner changes no probability.
        scores[name] = found - found.mean(-1, keepdims=True)
        apart = np.linalg.norm(found[:, 0] - found[:, 1], axis=1).mean()
        alone = (found.argmax(-1) == y_new[:, None]).mean()
        right = ensemble.score(X_new, y_new)
        print(f"{name}: apart {apart:.1f}, accuracy {right:.3f}, of a learner {alone:.3f}")

    axes = plot_learner_scores_2d(scores, y_new, samples=[0, 1])
    axes[0].figure.savefig(Path(folder) / "two_learners.png", dpi=120)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
