"""Recover the confusions that simulated votes were drawn from, with more samples more exactly."""

import numpy as np

from deem import DEEM
from deem.datasets import conditionally_independent


def main():
    for n_samples in (100, 1000, 10_000):
        simulated = conditionally_independent(n_samples, 8, 3, missing=0.2, random_state=0)
        model = DEEM(n_classes=3).fit(simulated.votes)
        error = np.abs(model.confusion_ - simulated.confusion).mean()
        accuracy = (model.labels_ == simulated.truth).mean()
        print(f"{n_samples} samples: mean error of a probability {error:.3f}, ", end="")
        print(f"accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
