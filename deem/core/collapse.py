"""Whether hidden units still tell the samples apart, watched as training goes on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deem.core.training import Callback, Training, snapshot
from deem.core.votes import Votes

__all__ = ["CollapseGuard", "class_information"]

_ROWS = 2_000
_LEAST = 0.25
"""Share of the information at the start that has to be left."""

_MOST, _KNOWN = 0.2, 0.1
"""Share of the samples that may change their class, if the start told that many nats of it."""

_FALL = 1.0
"""Nats a sample that the log-likelihood may fall by, where one is recorded."""

_ROUNDING = 1e-9
"""Nats."""


class CollapseGuard(Callback):
    """Stop a training whose class no longer follows the votes, and put the last good state back.

    Every epoch records in the history, in nats, "class_entropy" of how often the classes are used
    and "posterior_entropy" of an average sample. Their difference is what the posterior tells
    about a sample; both one class for all and equal probabilities for all bring it to zero.
    Training is stopped when less than a quarter of it is left, when all samples of several
    classes get one class, when more than a fifth of the samples have changed their class, or when
    "log_likelihood", if a callback before this one records it, has fallen by more than a nat. All
    of that is measured from the start of the first training that a guard watches.

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
        self._first: tuple[float, Tensor, float | None] | None = None

    def on_start(self, training: Training) -> None:
        model: Any = training.model
        self.collapsed = ""
        self._healthy = snapshot(model)
        if self._first is None:
            posterior = model.predict_classes(self.votes)
            used, sample = class_information(posterior)
            at_start = training.history.settings.get("log_likelihood_at_start")
            self._first = used - sample, posterior.argmax(1), at_start

    def on_epoch_end(self, training: Training) -> bool:
        model: Any = training.model
        posterior = model.predict_classes(self.votes)
        used, sample = class_information(posterior)
        training.history.amend(class_entropy=used, posterior_entropy=sample)
        likelihood = training.history.get("log_likelihood", [None])[-1]
        self.collapsed = self._cause(used - sample, posterior.argmax(1), likelihood)
        if self.collapsed:
            model.load_state_dict(self._healthy)
            return True
        self._healthy = snapshot(model)
        return False

    def _cause(self, told: float, labels: Tensor, likelihood: float | None) -> str:
        assert self._first is not None  # noqa: S101
        at_start, first, likelihood_at_start = self._first
        changed = float((labels != first).double().mean())
        if len(labels.unique()) == 1 < len(first.unique()):
            return "all samples got one class"
        if not told >= _LEAST * at_start - _ROUNDING:
            return f"the posterior tells {told:.3g} nats of a sample, {at_start:.3g} at the start"
        if at_start > _KNOWN and changed > _MOST:
            return f"{100 * changed:.0f} % of the samples changed their class"
        if likelihood is not None and likelihood_at_start is not None:
            fall = likelihood_at_start - likelihood
            if not fall <= _FALL:
                return f"the log-likelihood fell by {fall:.3g} nats a sample"
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
