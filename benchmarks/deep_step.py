"""Seconds of one training step with a layer, of whichever deem this interpreter has.

    python deep_step.py N_CLASSIFIERS N_CLASSES

The median over ten-step epochs of batches of 128, five sampler steps, one layer, on the CPU.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
import warnings
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


def seconds(given: np.ndarray, k: int, epochs: int) -> float:
    """Processor time of a whole fit."""
    from deem import DEEM

    settings: dict[str, Any] = {"preprocessing_layers": 1, "sampler_steps": 5}
    if version("deem") != "0.2.0":
        settings |= {"solver": "pcd", "sampler": "dlp"}
    model = DEEM(
        n_classes=k,
        use_preprocessing=True,
        epochs=epochs,
        batch_size=BATCH,
        device="cpu",
        random_state=0,
        **settings,
    )
    start = time.process_time()
    model.fit(given)
    return time.process_time() - start


def main() -> None:
    """Print the median of what further epochs cost, a step."""
    d, k = int(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    given, found = votes(d, k), []
    with contextlib.redirect_stdout(io.StringIO()):
        seconds(given, k, 1)
        for _ in range(REPEATS):
            few, many = seconds(given, k, 1), seconds(given, k, 4)
            found.append((many - few) / (3 * BATCHES))
    print(median(found))


if __name__ == "__main__":
    main()
