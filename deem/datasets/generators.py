"""Simulated votes with known truth and known parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deem.datasets._checks import (
    as_rng,
    check_count,
    check_fraction,
    checked_prior,
    checked_range,
)
from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError

__all__ = [
    "SimulatedVotes",
    "class_experts",
    "conditionally_independent",
    "copying_groups",
    "sparse_annotators",
]


@dataclass(frozen=True, eq=False)
class SimulatedVotes:
    """Votes, and everything that they were drawn from.

    Parameters
    ----------
    votes : (n_samples, n_classifiers)
        Class codes, -1 for missing.
    truth : (n_samples,)
        True class codes.
    confusion : (n_classifiers, n_classes, n_classes)
        Probability of each vote (column) given the true class (row), copying included.
    prior : (n_classes,)
        Probability of each class.
    groups : (n_classifiers,) or None
        Group that each classifier copies in; the first member of a group copies nobody.
    expertise : (n_classifiers,) or None
        Class that each classifier is an expert of.
    """

    votes: NDArray[np.int64]
    truth: NDArray[np.int64]
    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]
    groups: NDArray[np.int64] | None = None
    expertise: NDArray[np.int64] | None = None


def conditionally_independent(
    n_samples: int,
    n_classifiers: int,
    n_classes: int,
    *,
    accuracy: tuple[float, float] = (0.5, 0.9),
    missing: float = 0.0,
    prior: Sequence[float] | NDArray[np.float64] | None = None,
    random_state: int | np.random.Generator | None = None,
) -> SimulatedVotes:
    """Simulate classifiers that err independently of each other, given the true class.

    Parameters
    ----------
    n_samples, n_classifiers : int
        At least 1.
    n_classes : int
        At least 2.
    accuracy : (float, float)
        Each classifier draws its accuracy uniformly from this range. It holds in every class; the
        errors fall on the other classes with uniformly drawn probabilities.
    missing : float
        Probability that a vote is missing, whatever it is.
    prior : (n_classes,), optional
        Probability of each class, by default equal.
    random_state : None, int or numpy Generator
        Source of all draws; a Generator moves on.

    Returns
    -------
    SimulatedVotes

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> data = conditionally_independent(4, 3, 2, accuracy=(1.0, 1.0), random_state=0)
    >>> bool((data.votes == data.truth[:, None]).all())
    True
    """
    check_count("n_classifiers", n_classifiers)
    rng = as_rng(random_state)
    truth, shares = _draw_truth(n_samples, n_classes, prior, rng)
    confusion = _draw_confusions(_accuracies(accuracy, n_classifiers, n_classes, rng), rng)
    votes = _silenced(_draw_votes(confusion, truth, rng), missing, rng)
    return SimulatedVotes(votes, truth, confusion, shares)


def copying_groups(
    n_samples: int,
    n_classes: int,
    *,
    groups: Sequence[int] = (4, 3, 1, 1),
    copy_rate: float = 0.8,
    accuracy: tuple[float, float] = (0.5, 0.9),
    missing: float = 0.0,
    prior: Sequence[float] | NDArray[np.float64] | None = None,
    random_state: int | np.random.Generator | None = None,
) -> SimulatedVotes:
    """Simulate groups of classifiers that copy their first member.

    A member votes as the first one of its group with probability `copy_rate`, and on its own
    otherwise. See `conditionally_independent` for the other parameters and the result.

    Parameters
    ----------
    groups : sequence of int
        Size of each group, at least 1; there are ``sum(groups)`` classifiers.
    copy_rate : float
        In [0, 1].
    accuracy : (float, float)
        Range of the accuracies before copying.

    Examples
    --------
    >>> data = copying_groups(5, 3, groups=(2, 1), copy_rate=1.0, random_state=0)
    >>> data.groups
    array([0, 0, 1])
    >>> bool((data.votes[:, 0] == data.votes[:, 1]).all())
    True
    """
    check_count("len(groups)", len(groups))
    for place, size in enumerate(groups):
        check_count(f"groups[{place}]", size)
    check_fraction("copy_rate", copy_rate)
    group = np.repeat(np.arange(len(groups)), groups)
    first = np.searchsorted(group, group)
    rng = as_rng(random_state)
    truth, shares = _draw_truth(n_samples, n_classes, prior, rng)
    own = _draw_confusions(_accuracies(accuracy, len(group), n_classes, rng), rng)
    votes = _draw_votes(own, truth, rng)
    copies = rng.random(votes.shape) < copy_rate
    votes = _silenced(np.where(copies, votes[:, first], votes), missing, rng)
    confusion = copy_rate * own[first] + (1 - copy_rate) * own
    return SimulatedVotes(votes, truth, confusion, shares, groups=group)


def class_experts(
    n_samples: int,
    n_classes: int,
    *,
    experts_per_class: int = 2,
    accuracy: tuple[float, float] = (0.9, 0.99),
    elsewhere: tuple[float, float] = (0.3, 0.6),
    missing: float = 0.0,
    prior: Sequence[float] | NDArray[np.float64] | None = None,
    random_state: int | np.random.Generator | None = None,
) -> SimulatedVotes:
    """Simulate experts who know one class well and the others badly.

    See `conditionally_independent` for the other parameters and the result.

    Parameters
    ----------
    experts_per_class : int
        At least 1; there are ``n_classes * experts_per_class`` classifiers.
    accuracy, elsewhere : (float, float)
        Ranges of the accuracies in the class that an expert knows and in each other class.

    Examples
    --------
    >>> class_experts(10, 3, experts_per_class=2, random_state=0).expertise
    array([0, 0, 1, 1, 2, 2])
    """
    check_count("experts_per_class", experts_per_class)
    rng = as_rng(random_state)
    truth, shares = _draw_truth(n_samples, n_classes, prior, rng)
    expertise = np.repeat(np.arange(n_classes), experts_per_class)
    low, high = checked_range("elsewhere", elsewhere)
    accuracies = rng.uniform(low, high, (len(expertise), n_classes))
    known = _accuracies(accuracy, len(expertise), 1, rng)[:, 0]
    accuracies[np.arange(len(expertise)), expertise] = known
    confusion = _draw_confusions(accuracies, rng)
    votes = _silenced(_draw_votes(confusion, truth, rng), missing, rng)
    return SimulatedVotes(votes, truth, confusion, shares, expertise=expertise)


def sparse_annotators(
    n_samples: int,
    n_annotators: int,
    votes_per_sample: int,
    n_classes: int,
    *,
    accuracy: tuple[float, float] = (0.5, 0.9),
    spread: float = 1.0,
    prior: Sequence[float] | NDArray[np.float64] | None = None,
    random_state: int | np.random.Generator | None = None,
) -> SimulatedVotes:
    """Simulate a crowd in which every annotator answers few samples.

    Given the true class annotators err independently, whoever is asked. See
    `conditionally_independent` for the other parameters and the result.

    Parameters
    ----------
    n_annotators : int
        Columns of the votes.
    votes_per_sample : int
        Exactly so many different annotators answer each sample.
    spread : float
        Standard deviation of the logarithm of the annotators' activity; 0 asks all equally
        often, 1 lets a few do most of the work, as in real crowds.

    Examples
    --------
    >>> data = sparse_annotators(100, 40, 3, 2, random_state=0)
    >>> data.votes.shape, int((data.votes >= 0).sum())
    ((100, 40), 300)
    """
    check_count("n_annotators", n_annotators)
    check_count("votes_per_sample", votes_per_sample)
    if votes_per_sample > n_annotators:
        raise ArgumentError(
            f"votes_per_sample={votes_per_sample}, but n_annotators={n_annotators}; "
            f"pass at most {n_annotators}."
        )
    if not 0 <= spread < np.inf:
        raise ArgumentError(f"spread={spread}; it must be finite and at least 0.")
    rng = as_rng(random_state)
    truth, shares = _draw_truth(n_samples, n_classes, prior, rng)
    confusion = _draw_confusions(_accuracies(accuracy, n_annotators, n_classes, rng), rng)
    # The largest of log-weights plus Gumbel noise are draws without replacement
    # (Kool, van Hoof, Welling 2019, Stochastic beams and where to find them).
    keys = rng.gumbel(size=(n_samples, n_annotators)) + spread * rng.normal(size=n_annotators)
    asked = np.argpartition(-keys, votes_per_sample - 1, axis=1)[:, :votes_per_sample]
    votes = np.full((n_samples, n_annotators), MISSING)
    answers = _draw_codes(confusion[asked, truth[:, np.newaxis]], rng)
    np.put_along_axis(votes, asked, answers, axis=1)
    return SimulatedVotes(votes, truth, confusion, shares)


def _draw_truth(
    n_samples: int,
    n_classes: int,
    prior: Sequence[float] | NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Classes of the samples, and their checked prior."""
    check_count("n_samples", n_samples)
    check_count("n_classes", n_classes, least=2)
    shares = checked_prior(prior, n_classes)
    return rng.choice(n_classes, n_samples, p=shares), shares


def _accuracies(
    accuracy: tuple[float, float], n_classifiers: int, n_classes: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Accuracy of every classifier, the same in every class, (n_classifiers, n_classes)."""
    low, high = checked_range("accuracy", accuracy)
    return np.tile(rng.uniform(low, high, (n_classifiers, 1)), (1, n_classes))


def _draw_confusions(
    accuracies: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Confusions with (n_classifiers, n_classes) accuracies on their diagonals."""
    n_classifiers, n_classes = accuracies.shape
    errors = rng.dirichlet(np.ones(n_classes - 1), (n_classifiers, n_classes))
    confusion = np.empty((n_classifiers, n_classes, n_classes))
    confusion[:, ~np.eye(n_classes, dtype=bool)] = (
        errors * (1 - accuracies)[:, :, np.newaxis]
    ).reshape(n_classifiers, -1)
    confusion[:, np.arange(n_classes), np.arange(n_classes)] = accuracies
    return confusion


def _draw_votes(
    confusion: NDArray[np.float64], truth: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Votes (n_samples, n_classifiers), independent given the truth."""
    return np.stack([_draw_codes(table[truth], rng) for table in confusion], axis=1)


def _draw_codes(probabilities: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """One class code for every distribution along the last axis."""
    bounds = probabilities.cumsum(axis=-1)[..., :-1]
    return (rng.random((*bounds.shape[:-1], 1)) >= bounds).sum(axis=-1)


def _silenced(
    votes: NDArray[np.int64], missing: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    check_fraction("missing", missing)
    return np.where(rng.random(votes.shape) < missing, MISSING, votes)
