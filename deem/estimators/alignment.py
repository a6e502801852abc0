"""Which hidden state is which class, and probabilities in the order of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deem.core.model import LatentModel
from deem.core.votes import Votes
from deem.math.hungarian import assign_states, contingency
from deem.math.vote import one_hot
from deem.models.irbm import InverseRBM
from deem.utils.exception import IntractableError, ShapeError

__all__ = [
    "aligned",
    "class_map",
    "class_probabilities",
    "reference_shares",
    "rename_states",
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


def reference_shares(votes: Votes, gold: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Majority vote with ties shared, (n_samples, n_classes); known classes outvote it."""
    shares = votes.vote_shares()
    if gold is None:
        return shares
    return np.where(gold[:, None] >= 0, one_hot(gold, votes.n_classes), shares)


def class_map(
    states: NDArray[np.float64],
    shares: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Class of each hidden state, (n_classes,).

    Parameters
    ----------
    states : (n_samples, n_classes)
        From `state_probabilities`.
    shares : (n_samples, n_classes)
        From `reference_shares`.
    weights : (n_samples,), optional
        How often each sample counts.
    """
    return assign_states(contingency(states.argmax(1), shares, weights))


def aligned(states: NDArray[np.float64], mapping: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities of the classes from those of the hidden states, both (n, n_classes)."""
    probas = np.empty_like(states)
    probas[:, mapping] = states
    return probas


def solve_map(model: LatentModel, votes: Votes) -> NDArray[np.int64]:
    """Class of each hidden state, solved against the majority vote of the votes."""
    return class_map(state_probabilities(model, votes), reference_shares(votes), votes.weights)


def class_probabilities(
    model: LatentModel, votes: Votes, mapping: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Posterior of the classes by a map that is known already, (n_samples, n_classes)."""
    return aligned(state_probabilities(model, votes), mapping)


def rename_states(model: InverseRBM, mapping: NDArray[np.int64]) -> None:
    """Call state s of the first hidden unit ``mapping[s]``; the energy stays as it is."""
    visible_bias, weight, hidden_bias = (x.detach() for x in model.categorical_parameters())
    order = np.argsort(mapping)
    weight, hidden_bias = weight.clone(), hidden_bias.clone()
    weight[:, :, 0] = weight[:, :, 0][..., order]
    hidden_bias[0] = hidden_bias[0, order]
    model.set_parameters(visible_bias, weight, hidden_bias)
