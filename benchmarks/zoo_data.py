"""What the parts of zoo.py share: data, the exact likelihood, medians and ratios of CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

SEEDS = (0, 1, 2)

Parameters = tuple[Tensor, Tensor, Tensor]
"""Weight (n_visible, n_hidden), visible bias (n_visible,), hidden bias (n_hidden,)."""


def binary_digits(flipped: bool = False) -> tuple[Tensor, Tensor]:
    """Training (1400, 64) and test rows (397, 64) of scikit-learn's digits, 1 above 7 of 16.

    They are shuffled, as the writers of the first and of the last rows are not the same.
    """
    pixels = torch.from_numpy((load_digits().data > 7).astype(np.float32))
    pixels = pixels[torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))]
    pixels = 1 - pixels if flipped else pixels
    return pixels[:1400], pixels[1400:]


@torch.no_grad()
def log_partition(parameters: Parameters) -> float:
    """Logarithm of the partition function by the sum over all hidden states, in nats."""
    weight, visible, hidden = (x.detach().double() for x in parameters)
    n = len(hidden)
    parts = []
    for start in range(0, 2**n, 4096):
        codes = torch.arange(start, min(start + 4096, 2**n))
        h = (codes[:, None] >> torch.arange(n) & 1).double()
        softplus = torch.nn.functional.softplus(torch.addmm(visible, h, weight.t()))
        parts.append(torch.logsumexp(h @ hidden + softplus.sum(1), 0))
    return torch.logsumexp(torch.stack(parts), 0).item()


@torch.no_grad()
def exact_log_likelihood(parameters: Parameters, data: Tensor) -> float:
    """Mean log-probability of rows (n, n_visible) under a binary RBM, in nats.

    The one judge of everybody: it sees nothing of a model but its three tensors.
    """
    weight, visible, hidden = (x.detach().double() for x in parameters)
    v = data.double()
    softplus = torch.nn.functional.softplus(torch.addmm(hidden, v, weight))
    return (v @ visible + softplus.sum(1)).mean().item() - log_partition(parameters)


def independent_pixels(train: Tensor) -> Parameters:
    """A model without hidden units, from smoothed frequencies."""
    share = (train.double().sum(0) + 1) / (len(train) + 2)
    return torch.zeros(train.shape[1], 1), torch.logit(share), torch.zeros(1)


def cpu_seconds(
    contenders: Mapping[str, Callable[[], object]], rounds: int = 5
) -> dict[str, list[float]]:
    """CPU seconds of contenders that alternate; one round more is run first and thrown away."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, run in contenders.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return {name: found[1:] for name, found in seconds.items()}


def ratio(seconds: Mapping[str, list[float]], upper: str, lower: str) -> float:
    """Median over the rounds of one contender's time divided by another's."""
    return median(a / b for a, b in zip(seconds[upper], seconds[lower], strict=True))


def verdict(value: float, bound: float, at_least: bool = True) -> str:
    """Whether a figure reaches its target."""
    return "reached" if (value >= bound if at_least else value <= bound) else "MISSED"
