"""What can be counted about a consensus: classes, overruled votes, influence, copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes
from deem.math.vote import vote_shares

__all__ = [
    "VoteSummary",
    "class_separation",
    "disagreement",
    "exact_copies",
    "influence",
    "vote_against_consensus",
]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_SMALLEST = 1e-12


class VoteSummary(NamedTuple):
    """The votes of each sample at a glance.

    Attributes
    ----------
    shares : (n_samples, n_classes)
        Majority vote with ties shared.
    n_votes : (n_samples,)
        How many were cast.
    unanimous : (n_samples,)
        Class that all votes are for, -1 where they differ or there are none; of soft votes the
        most probable class counts.
    """

    shares: Array
    n_votes: Codes
    unanimous: Codes

    @classmethod
    def of(cls, votes: Votes) -> VoteSummary:
        """Summary of votes."""
        counts = votes.vote_counts()
        shares = vote_shares(counts)
        if votes.is_soft:
            counts = _top_votes(votes)
        n_votes = counts.sum(1).astype(np.int64)
        agree = (counts.max(1) == n_votes) & (n_votes > 0)
        return cls(shares, n_votes, np.where(agree, counts.argmax(1), -1))


def _top_votes(votes: Votes) -> Array:
    """Count of the most probable labels of soft votes, (n_samples, n_classes)."""
    k = votes.n_classes
    counts = np.zeros((votes.n_samples, k))
    rows = np.repeat(np.arange(votes.n_samples), np.diff(votes.indptr))
    pair = rows * votes.n_classifiers + votes.columns // k
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    values = np.ones(len(pair)) if votes.values is None else votes.values
    top = np.maximum.reduceat(values, first) if len(first) else values
    is_top = values == np.repeat(top, np.diff(np.append(first, len(pair))))
    # of equal ones the first
    chosen = np.flatnonzero(is_top)
    chosen = chosen[np.flatnonzero(np.diff(pair[chosen], prepend=-1))]
    np.add.at(counts, (rows[chosen], votes.columns[chosen] % k), 1)
    return counts


def vote_against_consensus(shares: Array, codes: Codes, weights: Array | None) -> Array:
    """Samples by majority vote (row, ties shared) and by consensus (column), (K, K)."""
    k = shares.shape[1]
    given = shares if weights is None else shares * weights[:, None]
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    table = np.zeros((k, k))
    table[:, present] = np.add.reduceat(given[order], starts).T
    return table


def class_separation(confusion: Array, votes_per_sample: Array) -> Array:
    r"""Nats by which the votes on an average sample tell two classes apart, (K, K).

    .. math:: J_{ab} = \tfrac12 \sum_i n_i \sum_l (\theta_{ial} - \theta_{ibl})
        (\log \theta_{ial} - \log \theta_{ibl})

    Parameters
    ----------
    confusion : (n_classifiers, n_classes, n_classes)
        Classifier, class, vote.
    votes_per_sample : (n_classifiers,)
        n, votes of each classifier over the number of samples.
    """
    k = confusion.shape[1]
    theta = np.maximum(confusion.transpose(1, 0, 2), _SMALLEST)
    weighted = (theta * votes_per_sample[:, None]).reshape(k, -1)
    cross = weighted @ np.log(theta).reshape(k, -1).T
    own = np.diag(cross)
    return 0.5 * (own[:, None] + own - cross - cross.T)


def influence(confusion: Array, prior: Array) -> Array:
    """Mutual information of the vote and the class of each classifier, (n_classifiers,), nats."""
    theta = np.maximum(confusion, _SMALLEST)
    marginal = np.einsum("k,dkl->dl", prior, theta)
    return np.einsum("k,dkl->d", prior, theta * np.log(theta)) - (marginal * np.log(marginal)).sum(
        1
    )


def exact_copies(votes: Votes, codes: Codes, telling: int) -> list[Codes]:
    """Groups of classifiers that cast exactly the same votes on the same samples.

    Agreement on right answers proves nothing, and neither do classifiers that always cast the
    same vote. Work is proportional to the number of votes.

    Parameters
    ----------
    votes : Votes
        Of the classifiers.
    codes : (n_samples,)
        The consensus.
    telling : int
        Votes against the consensus that a group needs.
    """
    hashes, voters = _vote_hashes(votes), votes.columns // votes.n_classes
    if not len(hashes):
        return []
    order = np.argsort(voters, kind="stable")
    present, starts = np.unique(voters[order], return_index=True)
    # The sum modulo 2**64 is the same for two that differ by a chance of 5e-20.
    sums = np.add.reduceat(hashes[order], starts)
    dissent = votes.columns % votes.n_classes != np.repeat(codes, np.diff(votes.indptr))
    against = np.bincount(voters[dissent], minlength=votes.n_classifiers)[present]
    varied = ((votes.label_counts() > 0).sum(1) > 1)[present]
    eligible = (against >= telling) & varied
    present, sums = present[eligible].astype(np.int64), sums[eligible]
    _, inverse, sizes = np.unique(sums, return_inverse=True, return_counts=True)
    return [present[inverse == group] for group in np.flatnonzero(sizes > 1)]


def _vote_hashes(votes: Votes) -> NDArray[np.uint64]:
    """Hash of the sample, the label and the value of each vote."""
    rng = np.random.default_rng(0)
    of_row = rng.integers(2**64, size=votes.n_samples, dtype=np.uint64)
    of_label = rng.integers(2**64, size=votes.n_classes, dtype=np.uint64) | np.uint64(1)
    hashes = np.repeat(of_row, np.diff(votes.indptr)) * of_label[votes.columns % votes.n_classes]
    return (
        hashes if votes.values is None else hashes * (votes.values.view(np.uint64) | np.uint64(1))
    )


def disagreement(candidates: Sequence[Any], codes: Codes, weights: Array | None) -> list[float]:
    """Share of the samples to which each candidate gives another class.

    Parameters
    ----------
    candidates : sequence of (n_samples, n_classes)
        Probabilities in the order of the classes.
    codes : (n_samples,)
        The consensus.
    weights : (n_samples,) or None
        How often each sample counts.
    """
    return [
        float(np.average(np.asarray(probas).argmax(1) != codes, weights=weights))
        for probas in candidates
    ]
