"""Free energies of held-out samples as training goes on: the sign of overfitting without Z."""

from __future__ import annotations

from typing import Any

import torch

from deem.core.dataset import Dataset
from deem.core.model import Model, evaluating
from deem.core.solvers import as_visible, weighted_mean
from deem.core.training import Callback, Training
from deem.utils.exception import ArgumentError

__all__ = ["Validation"]

_ROWS = 4096


class Validation(Callback):
    r"""Record the free energy of held-out samples, and how far it lies above that of trained ones.

    .. math:: \text{gap} = \frac1n \sum_i F(v_i^\text{held out})
        - \frac1n \sum_i F(v_i^\text{train})

    The log-partition cancels in the gap, which is the difference of the mean log-probabilities.
    It is near 0 as long as the model fits both alike, and grows as it begins to learn the training
    samples by heart.

    The series ``validation_free_energy`` and ``validation_gap``, in nats a sample, are added to
    every epoch. The model is looked at in evaluation mode. Callbacks that read the series, such
    as ``EarlyStopping(monitor="validation_gap")``, come after this one.

    Parameters
    ----------
    data : Dataset, Votes, Tensor or array
        Held-out samples; weights count.
    train : Dataset, Votes, Tensor or array, optional
        What to compare with. By default as many samples of the training data, evenly spaced and
        the same in every epoch.

    References
    ----------
    .. [1] Hinton (2012), A practical guide to training restricted Boltzmann machines, section 6.
    """

    def __init__(self, data: Any, train: Any = None):
        self.data = Dataset.wrap(data)
        self.train = None if train is None else Dataset.wrap(train)
        for name, found in (("data", self.data), ("train", self.train)):
            if found is not None and len(found) == 0:
                raise ArgumentError(f"{name} has no rows; pass at least one sample.")

    def on_start(self, training: Training) -> None:
        for data in (self.data, self.train):
            if data is not None:
                training.model.check_data(data)
        self._compared = self.train or _spread(training.data, len(self.data))

    def on_epoch_end(self, training: Training) -> None:
        held_out, trained = (
            mean_free_energy(training.model, x) for x in (self.data, self._compared)
        )
        training.history.amend(validation_free_energy=held_out, validation_gap=held_out - trained)


def _spread(data: Dataset, n: int) -> Dataset:
    """At most n samples, evenly spaced."""
    last = len(data) - 1
    return data.take(torch.linspace(0, last, min(n, last + 1), dtype=torch.float64).long())


@torch.no_grad()
def mean_free_energy(model: Model, data: Dataset) -> float:
    """Mean free energy of samples, by their weights, in nats; in evaluation mode.

    Of models that learn from labels that of data and labels, see ``DiscriminativeRBM.joined``.
    """
    if hasattr(model, "joined"):
        data = model.joined(data)  # type: ignore[operator]
    with evaluating(model):
        free_energy = torch.cat(
            [
                model.free_energy(as_visible(batch.data, model)).double()
                for batch in data.batches(_ROWS)
            ]
        )
    if data.weights is None:
        return float(free_energy.mean())
    return float(weighted_mean(free_energy, data.weights.to(free_energy) / data.total_weight))
