"""Seconds of one training step with a layer, of whichever deem this interpreter has.

    python deep_step.py N_CLASSIFIERS N_CLASSES

The median over epochs of ten batches of 128: five steps of the discrete Langevin sampler on
persistent chains, one layer, one thread. What an epoch costs beside its steps is left in.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np
import torch

BATCHES, BATCH, REPEATS = 10, 128, 3


def votes(d: int, k: int) -> np.ndarray:
    """Votes of classifiers that are right in 70 % of the cases."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, k, BATCHES * BATCH)
    right = rng.random((len(truth), d)) < 0.7
    return np.where(right, truth[:, None], rng.integers(0, k, (len(truth), d)))


def published(given: np.ndarray, k: int) -> Callable[[int], Any]:
    """Training of deem 0.2.0 with one layer, for a number of epochs."""
    from deem import DEEM

    def train(epochs: int) -> None:
        settings = {"preprocessing_layers": 1, "sampler_steps": 5, "device": "cpu"}
        model = DEEM(
            n_classes=k,
            use_preprocessing=True,
            epochs=epochs,
            batch_size=BATCH,
            random_state=0,
            **settings,
        )
        model.fit(given)

    return train


def ours(given: np.ndarray, k: int) -> Callable[[int], Any]:
    """The same of our model, once it is started."""
    from deem.core.reading import read_votes
    from deem.core.solvers import ContrastiveDivergence
    from deem.models import MultinomialIRBM
    from deem.models.initialization import initialise
    from deem.samplers import DiscreteLangevin

    read = read_votes(given, n_classes=k)
    model = initialise(MultinomialIRBM(given.shape[1], k), read, "shares", random_state=0)
    solver = ContrastiveDivergence(
        5, 0.001, momentum=0.9, persistent=True, sampler=DiscreteLangevin()
    )

    def train(epochs: int) -> None:
        model.fit(read, epochs=epochs, batch_size=BATCH, solver=solver, random_state=0)

    return train


def seconds(train: Callable[[int], Any], epochs: int) -> float:
    """Processor time of a training."""
    start = time.process_time()
    train(epochs)
    return time.process_time() - start


def main() -> None:
    """Print the median of what further epochs cost, a step."""
    d, k = int(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    make = published if version("deem") == "0.2.0" else ours
    found = []
    with contextlib.redirect_stdout(io.StringIO()):
        train = make(votes(d, k), k)
        train(1)
        for _ in range(REPEATS):
            few, many = seconds(train, 1), seconds(train, 4)
            found.append((many - few) / (3 * BATCHES))
    print(median(found))


if __name__ == "__main__":
    main()
