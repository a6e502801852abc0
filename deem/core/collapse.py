"""Whether hidden units still tell the samples apart, watched as training goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from deem.core.training import Callback, Training
from deem.core.votes import Votes

if TYPE_CHECKING:
    from deem.core.model import LatentModel

__all__ = ["CollapseGuard", "class_information"]

_ROWS = 2_000
_LEAST = 0.25
"""Share of the information at the start that has to be left."""

_ROUNDING = 1e-9
"""Nats."""


class CollapseGuard(Callback):
    """Stop a training whose class no longer follows the votes, and put the last good state back.

    Every epoch records in the history, in nats, "class_entropy" of how often the classes are used
    and "posterior_entropy" of an average sample. Their difference is what the posterior tells
    about a sample; both one class for all and equal probabilities for all bring it to zero.
    Training is stopped when less than a quarter of it is left, or when all samples of several
    classes get one class.

    Parameters
    ----------
    votes : Votes
        The training votes, of which the first 2000 are looked at.

    Attributes
    ----------
    collapsed : str
        What went wrong; empty while all is well.
    """

    def __init__(self, votes: Votes):
        self.votes = votes.take(slice(0, _ROWS))
        self.collapsed = ""

    def on_start(self, training: Training) -> None:
        model: Any = training.model
        self.collapsed = ""
        self._healthy = _copy(model)
        self._first, self._used = _measure(model, self.votes)

    def on_epoch_end(self, training: Training) -> bool:
        model: Any = training.model
        information, used = _measure(model, self.votes)
        training.history.amend(class_entropy=information[0], posterior_entropy=information[1])
        self.collapsed = self._cause(information, used)
        if self.collapsed:
            model.load_state_dict(self._healthy)
            return True
        self._healthy = _copy(model)
        return False

    def _cause(self, information: tuple[float, float], used: int) -> str:
        told, at_start = (first - second for first, second in (information, self._first))
        if used == 1 and self._used > 1:
            return "all samples got one class"
        if not told >= _LEAST * at_start - _ROUNDING:
            return f"the posterior tells {told:.3g} nats of a sample, {at_start:.3g} at the start"
        return ""


def class_information(posterior: Tensor) -> tuple[float, float]:
    """Entropy of the class frequencies, and mean entropy of a sample's class, in nats.

    Parameters
    ----------
    posterior : (n_samples, n_classes)
        Rows sum to one.
    """
    posterior = posterior.double()
    return float(_entropy(posterior.mean(0))), float(_entropy(posterior).mean())


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)


def _measure(model: LatentModel, votes: Votes) -> tuple[tuple[float, float], int]:
    posterior = model.predict_classes(votes)
    labels = posterior.argmax(1).cpu().numpy()
    return class_information(posterior), len(np.unique(labels))


def _copy(model: LatentModel) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}
