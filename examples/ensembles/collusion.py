"""Look for learners that collude: signs of it in words, and in a picture.

Usage: python collusion.py [FOLDER]; the default is a temporary folder. After the folder, --long
takes seven degrees of joint training and five seeds.
"""

import sys
import tempfile
from pathlib import Path

from deem.datasets import load_task
from deem.ensembles import BetaSweep, DeepEnsembleClassifier, diagnose
from deem.visual import plot_collusion_panel, plot_train_test_diversity

LONG = "--long" in sys.argv


def main(folder):
    betas = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 1) if LONG else (0, 1)
    training = {"epochs": 60} if LONG else {"epochs": 10, "learning_rate": 0.005}
    estimator = DeepEnsembleClassifier(n_learners=8, **training)
    sweep = BetaSweep(estimator, betas=betas, seeds=5 if LONG else 1)
    result = sweep.run(lambda seed: load_task("digits", seed, label_noise=0.3).standardised())

    for beta in (0, 1):
        cell = result[0, beta]
        report = diagnose(cell.scores["last"], cell.targets)
        print(f"beta {beta}:", *report.summary(), sep="\n  ")

    panels = plot_collusion_panel(result)
    panels[0].figure.savefig(Path(folder) / "collusion.png", dpi=120)
    ax = plot_train_test_diversity(result)
    ax.figure.savefig(Path(folder) / "diversity.png", dpi=120)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
