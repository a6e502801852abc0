"""Annealed importance sampling against enumeration; whether trainings repeat to the bit."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from zoo_data import binary_digits, log_partition, verdict
from zoo_likelihood import cd, pcd

import deem.models
from deem.core.model import Model
from deem.core.solvers import Centring, FastWeights, Solver
from deem.core.training import Callback, Checkpoint, Training
from deem.samplers.ais import bracket
from deem.samplers.gibbs_path import IndependentUnits

_TRAININGS: dict[str, tuple[str, Callable[[], Solver]]] = {
    "RBM, CD-1": ("RBM", cd),
    "RBM, CD-1, Adam": ("RBM", lambda: cd(optimizer="adam", learning_rate=0.01)),
    "RBM, PCD-1, centred": ("RBM", lambda: pcd(centring=Centring())),
    "DropoutRBM, CD-1": ("DropoutRBM", cd),
    "EDropoutRBM, CD-1": ("EDropoutRBM", cd),
    "RBM, fast-weight PCD-1": ("RBM", lambda: pcd(fast_weights=FastWeights(0.05))),
}
"""Class and solver of trainings that are repeated and interrupted."""


def _fitted(name: str, solver: Solver, **options: Any) -> Model:
    data, _ = binary_digits()
    model = getattr(deem.models, name)(data.shape[1], 16, random_state=0)
    return model.fit(data, batch_size=20, solver=solver, **{"random_state": 0, **options})


class _Stop(Callback):
    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_epoch_end(self, training: Training) -> bool:
        return training.epoch == self.epoch


def equal(one: Model, other: Model) -> bool:
    """Whether two models hold the same bits."""
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def measure_seeds(n_epochs: int = 4) -> dict[str, Any]:
    """Whether a seed gives the same weights twice, and a training that was interrupted too."""
    result = {}
    for said, (name, solver) in _TRAININGS.items():
        whole = _fitted(name, solver(), epochs=n_epochs)
        again = _fitted(name, solver(), epochs=n_epochs)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "half"
            # Planned for all epochs, as schedules look ahead, and ended half way.
            callbacks = [Checkpoint(path), _Stop(n_epochs // 2)]
            _fitted(name, solver(), epochs=n_epochs, callbacks=callbacks)
            resumed = _fitted(name, solver(), epochs=n_epochs, random_state=99, resume=path)
        result[said] = {"same_seed": equal(whole, again), "resumed": equal(whole, resumed)}
        told = ("yes" if value else "NO" for value in result[said].values())
        print("  {:24s} same seed, same bits: {}; resumed, same bits: {}".format(said, *told))
    return result


def measure_ais(n_steps: int = 1000, n_chains: int = 256) -> dict[str, Any]:
    """A bracket of the log-partition of a trained RBM, 64 x 16, from independent pixels."""
    data, _ = binary_digits()
    model = _fitted("RBM", pcd(), epochs=60)
    truth = log_partition((model.weight, model.visible_bias, model.hidden_bias))
    start = time.process_time()
    found = bracket(
        model,
        IndependentUnits.of(model, data),
        n_steps=n_steps,
        n_chains=n_chains,
        generator=torch.Generator().manual_seed(0),
    )
    result = {
        "truth": truth,
        "forward": found.forward.log_partition,
        "reverse": found.reverse.log_partition,
        "lower": found.lower,
        "upper": found.upper,
        "error": abs(found.forward.log_partition - truth),
        "cpu_s": time.process_time() - start,
    }
    inside = "inside" if found.lower <= truth <= found.upper else "OUTSIDE"
    print(
        "  log Z {truth:.3f}; forward {forward:.3f}, reverse {reverse:.3f}, bracket {lower:.3f} "
        "to {upper:.3f}, {cpu_s:.1f} s".format(**result)
        + f" ({inside})\n"
        f"  error {result['error']:.3f} (wanted <= 0.05, {verdict(result['error'], 0.05, False)})"
    )
    return result
