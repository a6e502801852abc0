"""Sweep from independent to joint training, where some training labels are wrong.

With --long: seven degrees of joint training, five seeds and 60 epochs.
"""

import sys

from deem.datasets import load_task
from deem.ensembles import BetaSweep, DeepEnsembleClassifier

LONG = "--long" in sys.argv


def main():
    betas = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 1) if LONG else (0, 1)
    training = {"epochs": 60} if LONG else {"epochs": 10, "learning_rate": 0.005}
    estimator = DeepEnsembleClassifier(n_learners=8, **training)
    sweep = BetaSweep(estimator, betas=betas, seeds=5 if LONG else 2)
    result = sweep.run(lambda seed: load_task("digits", seed, label_noise=0.3).standardised())

    train = result.values(split="train").mean(0)
    test, best = (result.values(selection=name).mean(0) for name in ("last", "best"))
    alone = result.values("individual_accuracy").mean(0)
    for place, beta in enumerate(result.betas):
        print(
            f"beta {beta:g}: accuracy train {train[place]:.3f}, test {test[place]:.3f} "
            f"(best epoch {best[place]:.3f}), a learner {alone[place]:.3f}"
        )

    joint = result.paired("accuracy")[-1]
    error = f"{100 * joint['mean']:+.1f} +- {100 * joint['sem']:.1f} points"
    print(f"joint less independent: {error}, worse in {joint['n_below']} of {joint['n_seeds']}")


if __name__ == "__main__":
    main()
