"""Whether trainings repeat to the bit, and go on to the bit after an interruption."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from zoo_data import binary_digits
from zoo_likelihood import cd, pcd

import deem.models
from deem.core.model import Model
from deem.core.solvers import Centring, FastWeights, Solver
from deem.core.training import Callback, Checkpoint, Training

_TRAININGS: dict[str, tuple[str, Callable[[], Solver]]] = {
    "RBM, CD-1": ("RBM", cd),
    "RBM, CD-1, Adam": ("RBM", lambda: cd(optimizer="adam", learning_rate=0.01)),
    "RBM, PCD-1, centred": ("RBM", lambda: pcd(centring=Centring())),
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
