"""Label-free evidence for a model: held-out likelihood, and the votes of a left-out classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from deem.core.left_out import leave_one_out, vote_pairs
from deem.core.model import LatentModel
from deem.core.votes import Votes
from deem.math.hungarian import assign_states, contingency
from deem.math.random import as_generator, draw_one_hot
from deem.models.deep_start import exact_inverse_rbm
from deem.models.latent_class import LatentClassModel
from deem.samplers.likelihood import estimate_log_likelihood

__all__ = [
    "LeftOut",
    "Prediction",
    "evidence_votes",
    "halves",
    "held_out",
    "log_likelihoods",
    "mean_and_error",
    "posterior_of",
    "predict",
]

Array = NDArray[np.float64]
Posterior = Callable[[Votes], Array]

_VOTES = 100_000
"""Votes that evidence is gathered from; more would tell the same."""

_PAIRS = 20_000
_CELLS = 4_000_000
"""Votes that are left out, and the largest table of their posteriors."""

_STEPS, _SHARED, _OWN = 10, 1000, 8
"""Of annealing: temperatures; chains if no vote is missing, and else for each pattern."""

_KNOWN, _SPREAD = 0.5, 0.1
"""Pseudo-counts of a confusion: on its diagonal, and spread over a row."""


def evidence_votes(votes: Votes) -> Votes:
    """Distinct rows in an order that does not depend on that of the samples, not too many.

    Repeated rows, weights and the order of samples so have no influence on a choice, nor have
    samples without votes or of weight 0. The order is that of a hash, so the first rows are a
    random sample of all.
    """
    merged, _ = _telling(votes).merged()
    if merged.n_votes <= _VOTES:
        return merged
    return merged.take(np.arange(np.searchsorted(merged.indptr, _VOTES, side="right") - 1))


def _telling(votes: Votes) -> Votes:
    """Samples with a vote and a weight above 0, as hard votes where they are."""
    kept = ~votes.empty_rows()
    if votes.weights is not None:
        kept &= votes.weights > 0
    if votes.values is not None and (votes.values == 1).all():
        # Certain soft votes are hard ones, and rows are ordered by all that they hold.
        votes = replace(votes, values=None)
    return votes if kept.all() else votes.take(kept)


def halves(votes: Votes) -> tuple[Votes, Votes]:
    """Two samples of merged rows, each row shared between them as evenly as whole counts can be.

    Parameters
    ----------
    votes : Votes
        From `evidence_votes`.
    """
    weights = np.ones(votes.n_samples) if votes.weights is None else votes.weights
    even = np.floor(weights / 2)
    first = even + np.where(np.arange(votes.n_samples) % 2 == 0, weights - 2 * even, 0)
    return _counted(votes, first), _counted(votes, weights - first)


def _counted(votes: Votes, weights: Array) -> Votes:
    kept = np.flatnonzero(weights)
    return votes.take(kept).with_weights(weights[kept])


def held_out(
    train: Callable[[Votes], LatentModel], parts: tuple[Votes, Votes]
) -> tuple[Array, Array]:
    """Log-likelihood of every row of each half under a model trained on the other.

    Parameters
    ----------
    train : callable
        Gives a new model trained on votes.
    parts : pair of Votes
        From `halves`.

    Returns
    -------
    log_likelihood, weights : (n,)
        In nats; how often each row counts.
    """
    scores = []
    for learnt, judged in (parts, parts[::-1]):
        scores.append(log_likelihoods(train(learnt), judged))
    return np.concatenate(scores), np.concatenate([part.weights for part in parts[::-1]])


@torch.no_grad()
def log_likelihoods(model: LatentModel, votes: Votes) -> Array:
    """Log-probability of every sample, (n_samples,), in nats.

    Exact where the model has exact sums. Else it is estimated by annealing from an exact inverse
    RBM of the same votes, less the bias of the estimate; the draws, also of soft votes, have a
    fixed seed.
    """
    if isinstance(model, LatentClassModel):
        return model.score_samples(votes).cpu().double().numpy()
    found = estimate_log_likelihood(
        model,
        _drawn(votes).to(model.device, model.dtype),
        exact_inverse_rbm(votes),
        generator=as_generator(0, model.device),
        n_steps=_STEPS,
        n_chains=_SHARED if _is_complete(votes) else _OWN,
    )
    error = found.standard_error_of_partition[found.pattern]
    return (found.values - error.square() / 2).cpu().numpy()


def _drawn(votes: Votes) -> torch.Tensor:
    """One draw from each soft vote; hard votes as they are."""
    return draw_one_hot(votes.one_hot(dtype=torch.float64), as_generator(0))


def _is_complete(votes: Votes) -> bool:
    return bool(votes.n_votes == votes.n_samples * votes.n_classifiers)


class LeftOut:
    """Votes that are taken away one at a time, each with what remains of its sample.

    Parameters
    ----------
    votes : Votes
        From `evidence_votes`.

    Attributes
    ----------
    classifier, label : (m,)
        Of each vote.
    weights : (m,)
        How often its sample counts.
    """

    def __init__(self, votes: Votes):
        rows, classifier, label = vote_pairs(votes)
        limit = min(_PAIRS, max(_CELLS // votes.n_classes, 1))
        if len(rows) > limit:
            chosen = np.sort(np.random.default_rng(0).choice(len(rows), limit, replace=False))
            rows, classifier, label = rows[chosen], classifier[chosen], label[chosen]
        self.votes, self.classifier, self.label = votes, classifier, label
        self.weights = np.ones(len(rows)) if votes.weights is None else votes.weights[rows]
        self._parts = list(leave_one_out(votes, rows, classifier))

    def ask(self, posterior: Posterior) -> Array:
        """Posterior of the class from the other votes, (m, n_classes)."""
        return np.concatenate([posterior(rest) for _, rest in self._parts])

    def vote_agreement(self) -> Array:
        """Share of the majority of the others that each vote agrees with, (m,)."""
        shares = np.concatenate([rest.vote_shares() for _, rest in self._parts])
        return shares[np.arange(len(shares)), self.label]


class Prediction(NamedTuple):
    """How well the consensus of the others foretells each left-out vote, (m,) each.

    Attributes
    ----------
    agreement
        1 where their most probable class is the vote, else 0.
    log_score
        Log-probability of the vote: their posterior through the classifier's confusion, in nats.
    information
        The same where only their most probable class is known, in nats. A model that explains
        dependence by its hidden states gains in the first and not in this.
    """

    agreement: Array
    log_score: Array
    information: Array


def predict(left: LeftOut, posterior: Posterior, states: Array) -> Prediction:
    """Foretell each left-out vote by the consensus of the others.

    Parameters
    ----------
    left : LeftOut
        Which votes.
    posterior : callable
        Gives the posterior of the class of votes, (n, n_classes), in the order of the classes.
    states : (n_samples, n_classes)
        What it gives of all votes, left-out ones included.
    """
    others = left.ask(posterior)
    hard = others.argmax(1)
    d, k = left.votes.n_classifiers, left.votes.n_classes
    weights = left.votes.weights
    mass = states * (1 if weights is None else weights[:, None])
    # Vote by class.
    confusion = _confusion((left.votes.matrix().T @ mass).reshape(d, k, k))
    expected = np.einsum("mk,mk->m", others, confusion[left.classifier, left.label])
    seen = np.zeros((d, k, k))
    np.add.at(seen, (left.classifier, left.label, hard), left.weights)
    return Prediction(
        (hard == left.label).astype(np.float64),
        np.log(expected),
        np.log(_confusion(seen)[left.classifier, left.label, hard]),
    )


def _confusion(counts: Array) -> Array:
    """Probability of the vote (second axis) given the class (third)."""
    k = counts.shape[1]
    counts = counts + _KNOWN * np.eye(k) + _SPREAD / k
    return counts / counts.sum(1, keepdims=True)


def mean_and_error(values: Array, weights: Array) -> tuple[float, float]:
    """Weighted mean, and its standard error."""
    total = weights.sum()
    mean = float(weights @ values / total)
    return mean, float(np.sqrt(weights @ (values - mean) ** 2) / total)


def posterior_of(model: LatentModel, votes: Votes) -> Posterior:
    """Posterior of the class by a trained model, its states named by the majority of votes.

    Parameters
    ----------
    model : LatentModel
        Trained on `votes`.
    votes : Votes
        Give the states their classes.
    """
    states = model.predict_classes(votes).cpu().double().numpy()
    order = np.argsort(
        assign_states(contingency(states.argmax(1), votes.vote_shares(), votes.weights))
    )
    return lambda others: model.predict_classes(others).cpu().double().numpy()[:, order]
