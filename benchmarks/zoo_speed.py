"""CPU seconds of an epoch: the zoo against a minimal loop, Learnergy and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from plain_rbm import epoch, make_data
from sklearn.neural_network import BernoulliRBM
from zoo_data import cpu_seconds, ratio, verdict
from zoo_peers import Images, elsewhere, epoch_of, learnergy, learnergy_version, rows

from deem.core.solvers import ContrastiveDivergence
from deem.models import DBN, RBM

_BATCH, _HIDDEN = 128, 128

_TARGETS = {
    ("ours, metrics", "minimal loop, metrics"): (1.15, False),
    ("Learnergy, tensors", "ours, metrics"): (1.7, True),
    ("Learnergy, images", "ours, metrics"): (3.3, True),
    ("ours", "scikit-learn"): (1.0, False),
}
"""Upper and lower contender of a ratio; its bound, and whether that is the least."""


def our_epoch(data: torch.Tensor, *, metrics: bool) -> Callable[[], object]:
    """One epoch of our RBM at a call, always of the same model."""
    model = RBM(data.shape[1], _HIDDEN)
    solver = ContrastiveDivergence(learning_rate=0.1, monitor=metrics)
    return lambda: model.fit(data, epochs=1, batch_size=_BATCH, solver=solver, random_state=0)


def plain_epoch(data: torch.Tensor, *, metrics: bool) -> Callable[[], object]:
    """One epoch of the yardstick at a call, always of the same parameters."""
    n = data.shape[1]
    parameters = (0.01 * torch.randn(n, _HIDDEN), torch.zeros(n), torch.zeros(_HIDDEN))
    return lambda: epoch(data, *parameters, batch_size=_BATCH, metrics=metrics)


def measure_epoch(n_samples: int = 10_000, rounds: int = 7) -> dict[str, Any]:
    """One epoch of 784 x 128 units in batches of 128; all contenders alternate."""
    data = make_data(n_samples)
    array = data.numpy().astype(np.float32)
    sklearn = BernoulliRBM(_HIDDEN, learning_rate=0.1, batch_size=_BATCH, n_iter=1, random_state=0)
    contenders: dict[str, Callable[[], object]] = {
        "minimal loop": plain_epoch(data, metrics=False),
        "ours": our_epoch(data, metrics=False),
        "scikit-learn": lambda: sklearn.fit(array),
        "minimal loop, metrics": plain_epoch(data, metrics=True),
        "ours, metrics": our_epoch(data, metrics=True),
    }
    if learnergy_version():
        sizes = (data.shape[1], _HIDDEN, _BATCH)
        contenders["Learnergy, tensors"] = epoch_of(rows(data), *sizes)
        contenders["Learnergy, images"] = epoch_of(Images(data), *sizes)
    seconds = cpu_seconds(contenders, rounds)
    result: dict[str, Any] = {name: median(found) for name, found in seconds.items()}
    for name, found in result.items():
        print(f"  {name:24s}{1000 * found:7.0f} ms")
    result["ratios"] = {}
    for (upper, lower), (bound, at_least) in _TARGETS.items():
        if upper in seconds and lower in seconds:
            found = result["ratios"][f"{upper} / {lower}"] = ratio(seconds, upper, lower)
            sign = ">=" if at_least else "<="
            print(
                f"  {upper} / {lower}: {found:.2f} (wanted {sign} {bound}, "
                f"{verdict(found, bound, at_least)})"
            )
    return result


def measure_dbn(n_samples: int = 10_000, n_epochs: int = 6, rounds: int = 5) -> dict[str, Any]:
    """An epoch of the upper layer, 784 - 128 - 128 units, against an RBM on ready features.

    Each is a fit of some epochs, divided by their number, metrics included. The upper layer pays
    for the features once a fit. That of Learnergy, which has no fit without the lower layer, is
    the difference of fits with more and with fewer epochs of the upper one.
    """
    data = make_data(n_samples)
    stack = DBN.of("RBM", data.shape[1], [_HIDDEN, _HIDDEN])
    features, top = stack.encode(data, 1).detach(), RBM(_HIDDEN, _HIDDEN)
    options: dict[str, Any] = {"batch_size": _BATCH, "learning_rate": 0.1, "random_state": 0}
    contenders: dict[str, Callable[[], object]] = {
        "upper layer": lambda: stack.fit(data, epochs=(0, n_epochs), **options),
        "RBM on features": lambda: top.fit(features, epochs=n_epochs, **options),
    }
    if learnergy_version():
        contenders |= learnergy_stack(data, features, n_epochs)
    seconds = cpu_seconds(contenders, rounds)
    result: dict[str, Any] = {}
    for who in ("", "Learnergy, "):
        if f"{who}upper layer" not in seconds:
            continue
        upper, plain = seconds[f"{who}upper layer"], seconds[f"{who}RBM on features"]
        once = seconds.get(f"{who}both layers", [0.0] * len(upper))
        share = median((a - c) / b for a, b, c in zip(upper, plain, once, strict=True))
        result[f"{who or 'ours, '}ratio"] = share
        print(f"  {who or 'ours, '}upper layer / RBM on ready features: {share:.2f}")
    print(f"  ours wanted <= 1.1, {verdict(result['ours, ratio'], 1.1, at_least=False)}")
    return result


def learnergy_stack(
    data: torch.Tensor, features: torch.Tensor, n_epochs: int
) -> dict[str, Callable[[], object]]:
    """The same of Learnergy; its both layers cost one epoch each, once too often for the upper."""
    per_layer = {"steps": (1, 1), "learning_rate": (0.1, 0.1), "momentum": (0, 0)}
    rest = {"decay": (0, 0), "temperature": (1, 1), "n_hidden": (_HIDDEN, _HIDDEN)}
    with elsewhere():
        model = learnergy("DBN")(("bernoulli",) * 2, data.shape[1], **per_layer, **rest)
    top = learnergy("RBM")(n_visible=_HIDDEN, n_hidden=_HIDDEN, learning_rate=0.1)
    return {
        "Learnergy, upper layer": lambda: model.fit(rows(data), _BATCH, (1, n_epochs + 1)),
        "Learnergy, both layers": lambda: model.fit(rows(data), _BATCH, (1, 1)),
        "Learnergy, RBM on features": lambda: top.fit(rows(features), _BATCH, n_epochs),
    }
