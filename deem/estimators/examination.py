"""What is worth knowing of a trained consensus, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes
from deem.estimators.facts import (
    VoteSummary,
    class_separation,
    disagreement,
    exact_copies,
    influence,
    vote_against_consensus,
)
from deem.estimators.health import names_of_samples, plain_names, report

__all__ = ["Outcome", "examine"]

Array = NDArray[np.float64]

_SMALLEST = 1e-12

_CONSTANT = 0.05
"""Share of the samples that the vote gives to other classes than the one of all samples."""

_MERGED = 0.1
"""Nats by which an average sample tells two classes apart."""

_UNANIMOUS = 3
"""Equal votes on a sample from which it counts as unanimous."""

_MANY_VOTES = 30
_IGNORED = 0.01
"""Influence as a share of the entropy of the class, of classifiers with many votes."""

_TELLING = 5
"""Votes against the consensus that two classifiers cast alike only if one copies the other."""


@dataclass(frozen=True)
class Outcome:
    """A trained consensus, as `examine` looks at it.

    Parameters
    ----------
    votes : Votes
        The training votes.
    probas : (n_samples, n_classes)
        Posterior of the classes.
    prior : (n_classes,)
        Class frequencies.
    confusion : (n_classifiers, n_classes, n_classes)
        Classifier, class, vote.
    skills, skills_std : (n_classifiers,)
        Accuracies and their standard deviations.
    converged : bool
        Whether the stopping rule held; a fixed number of epochs counts as converged.
    n_iter : int
        Passes over the votes.
    gold : (n_samples,), optional
        Class codes known for certain, -1 for unknown.
    class_map : (n_classes,), optional
        Class of each hidden state where training started with state k as class k.
    clusters : sequence of sequences of int
        Classifiers that vote as one.
    candidates : sequence of (n_samples, n_classes)
        Posteriors of other restarts or models, in the order of the classes.
    """

    votes: Votes
    probas: Array
    prior: Array
    confusion: Array
    skills: Array
    skills_std: Array
    converged: bool = True
    n_iter: int = 0
    gold: NDArray[np.int64] | None = None
    class_map: NDArray[np.int64] | None = None
    clusters: Sequence[Sequence[int]] = ()
    candidates: Sequence[Any] = ()


def examine(outcome: Outcome) -> dict[str, Any]:
    """Facts about a fit, as plain values for JSON, also where nothing is wrong.

    Parameters
    ----------
    outcome : Outcome
        What was found.

    Returns
    -------
    dict
        "converged", "n_iter"
            As given.
        "empty_samples", "n_empty_samples"
            Samples without votes; lists of samples hold the first hundred, numbers are exact.
        "votes_per_classifier"
            Counts.
        "few_votes"
            Share of the votes whose classifier cast fewer than two a class, and voted on less
            than half of the samples.
        "finite", "constant"
            Whether all probabilities are finite, and all samples got one class though the vote
            gives others to at least one in twenty.
        "class_use"
            Share of the samples given to each class.
        "vote_agreement", "chance_agreement"
            Share of the samples given to their majority class, and what independent draws of
            both would give.
        "unused_classes"
            Voted for, but given to no sample.
        "swallowed_classes"
            "class" whose majority samples go mostly to "into": "kept" and "lost", in samples.
        "merged_classes"
            Pairs of used classes that the votes on a sample tell apart by "nats" below 0.1.
        "renamed_classes"
            Classes whose hidden state started as that of another one.
        "n_unanimous", "n_overruled", "n_overruled_pairs", "overruled_samples"
            Samples with at least three votes, all for one class; those of them given to another;
            the same of two votes; which those two are.
        "influence"
            Mutual information of vote and class of each classifier, in nats.
        "ignored_classifiers", "ignored_votes"
            Those with 30 votes or more, and an influence below 1 % of the entropy of the class;
            their share of all votes.
        "below_chance"
            Accuracy more than two standard deviations below that of random votes.
        "copies", "clusters"
            Groups of classifiers with the very same votes, five or more of them against the
            consensus; groups that vote as one.
        "candidate_disagreement"
            Share of the samples to which each candidate gives another class.
    """
    votes, probas = outcome.votes, outcome.probas
    finite = bool(np.isfinite(probas).all())
    codes = np.nan_to_num(probas, nan=-1.0).argmax(1)
    summary = VoteSummary.of(votes)
    table = vote_against_consensus(summary.shares, codes, votes.weights)
    table_shares = table / max(table.sum(), _SMALLEST)
    voted, given = table_shares.sum(1), table_shares.sum(0)
    cast = votes.votes_per_classifier()
    # Where all samples are few, it is not the classifiers who voted seldom.
    few = min(2 * votes.n_classes, (summary.n_votes > 0).sum() / 2)
    return {
        **report(votes, codes, outcome.converged, outcome.n_iter),
        "few_votes": float(cast[cast < few].sum() / max(cast.sum(), 1)),
        "finite": finite,
        "constant": bool(np.ptp(codes) == 0 and voted.sum() - voted[codes[0]] > _CONSTANT),
        "vote_agreement": float(np.trace(table_shares)),
        "chance_agreement": float(voted @ given),
        **_class_facts(outcome, table, codes),
        **_overruled(outcome, summary, codes),
        **_classifier_facts(outcome, cast, codes),
        "candidate_disagreement": disagreement(outcome.candidates, codes, votes.weights),
    }


def _class_facts(outcome: Outcome, table: Array, codes: NDArray[np.int64]) -> dict[str, Any]:
    """What became of the classes; `table` has the vote in its rows, the consensus in columns."""
    votes, names = outcome.votes, outcome.votes.classes
    used = np.bincount(codes, minlength=votes.n_classes) > 0
    voted = (votes.label_counts() > 0).any(0)
    into, kept = table.argmax(1), np.diag(table)
    lost = table[np.arange(len(table)), into]
    swallowed = np.flatnonzero(lost > kept)
    places = np.flatnonzero(used)
    cast = votes.votes_per_classifier() / votes.n_samples
    nats = class_separation(outcome.confusion[:, places], cast)
    close = np.argwhere(np.triu(nats < _MERGED, 1))
    moved = [] if outcome.class_map is None else outcome.class_map != np.arange(len(names))
    return {
        "unused_classes": plain_names(names[voted & ~used]),
        "swallowed_classes": [
            {
                "class": plain_names(names[[a]])[0],
                "into": plain_names(names[into[[a]]])[0],
                "kept": float(kept[a]),
                "lost": float(lost[a]),
            }
            for a in swallowed
        ],
        "merged_classes": [
            {"classes": plain_names(names[places[pair]]), "nats": float(nats[tuple(pair)])}
            for pair in close
        ],
        "renamed_classes": plain_names(names[np.flatnonzero(moved)]),
    }


def _overruled(outcome: Outcome, summary: VoteSummary, codes: NDArray[np.int64]) -> dict[str, Any]:
    free = np.ones(len(codes), bool) if outcome.gold is None else outcome.gold < 0
    many, pair = summary.n_votes >= _UNANIMOUS, summary.n_votes == _UNANIMOUS - 1
    agreed = (summary.unanimous >= 0) & free
    against = agreed & (summary.unanimous != codes)
    return {
        "n_unanimous": int((agreed & many).sum()),
        "n_overruled": int((against & many).sum()),
        "n_overruled_pairs": int((against & pair).sum()),
        "overruled_samples": names_of_samples(
            outcome.votes, np.flatnonzero(against & (many | pair))
        ),
    }


def _classifier_facts(
    outcome: Outcome, cast: NDArray[np.int64], codes: NDArray[np.int64]
) -> dict[str, Any]:
    votes, prior = outcome.votes, outcome.prior
    names = np.arange(votes.n_classifiers) if votes.classifiers is None else votes.classifiers
    gain = influence(outcome.confusion, prior)
    entropy = -prior @ np.log(np.maximum(prior, _SMALLEST))
    ignored = (cast >= _MANY_VOTES) & (gain < _IGNORED * entropy)
    chance = np.einsum("dlk,l,k->d", outcome.confusion, prior, prior)
    below = outcome.skills + 2 * outcome.skills_std < chance
    return {
        "influence": gain.tolist(),
        "ignored_classifiers": plain_names(names[ignored]),
        "ignored_votes": float(cast[ignored].sum() / max(cast.sum(), 1)),
        "below_chance": plain_names(names[below]),
        "copies": [plain_names(names[group]) for group in exact_copies(votes, codes, _TELLING)],
        "clusters": [plain_names(names[list(group)]) for group in outcome.clusters],
    }
