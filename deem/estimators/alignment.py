"""Which hidden state is which class, and probabilities in the order of the classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deem.core.model import LatentModel
from deem.core.votes import Votes
from deem.math.hungarian import assign_states, contingency
from deem.math.vote import one_hot
from deem.utils.exception import IntractableError, ShapeError

__all__ = [
    "Reference",
    "aligned",
    "class_probabilities",
    "solve_map",
    "state_probabilities",
]


def state_probabilities(model: LatentModel, votes: Votes) -> NDArray[np.float64]:
    """Posterior of the hidden states, not aligned to classes, (n_samples, n_classes).

    Raises
    ------
    IntractableError
        If votes are missing and the model cannot do without.
    ShapeError
        If the model has another number of states than there are classes.
    """
    if not model.supports_missing and votes.n_votes < votes.n_samples * votes.n_classifiers:
        raise IntractableError(
            f"the votes have gaps, which {type(model).__name__} cannot sum over "
            "(supports_missing is False); pass complete rows, or use another model."
        )
    states = model.predict_classes(votes).detach().cpu().double().numpy()
    if states.shape != (votes.n_samples, votes.n_classes):
        raise ShapeError(
            f"{type(model).__name__}.predict_classes gave shape {states.shape}, expected "
            f"(n_samples, n_classes) = {votes.n_samples, votes.n_classes}; the class is read from "
            "the first hidden unit, which needs one state a class."
        )
    return states


class Reference(NamedTuple):
    """What the hidden states get their classes from.

    Attributes
    ----------
    shares : (n_samples, n_classes)
        Majority vote with ties shared; a known class outvotes it.
    weights : (n_samples,) or None
        How often each sample counts.
    named : bool
        Whether state k is class k already, since training knew something of the classes.
    """

    shares: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None
    named: bool = False

    @classmethod
    def of(
        cls, votes: Votes, gold: NDArray[np.int64] | None = None, *, named: bool = False
    ) -> Reference:
        """Reference of votes, with class codes known for certain, -1 for unknown."""
        shares = votes.vote_shares()
        if gold is not None:
            shares = np.where(gold[:, None] >= 0, one_hot(gold, votes.n_classes), shares)
        return cls(shares, votes.weights, named)

    def class_map(self, states: NDArray[np.float64]) -> NDArray[np.int64]:
        """Class of each hidden state, (n_classes,), from (n_samples, n_classes) posteriors."""
        if self.named:
            return np.arange(states.shape[1])
        return assign_states(contingency(states.argmax(1), self.shares, self.weights))


def aligned(states: NDArray[np.float64], mapping: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities of the classes from those of the hidden states, both (n, n_classes)."""
    probas = np.empty_like(states)
    probas[:, mapping] = states
    return probas


def solve_map(model: LatentModel, votes: Votes) -> NDArray[np.int64]:
    """Class of each hidden state, solved against the majority vote of the votes."""
    return Reference.of(votes).class_map(state_probabilities(model, votes))


def class_probabilities(
    model: LatentModel, votes: Votes, mapping: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Posterior of the classes by a map that is known already, (n_samples, n_classes)."""
    return aligned(state_probabilities(model, votes), mapping)
