"""Figures of merit of consensus, and how methods compare over many sets. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

CLIP = 1e-15
"""Probabilities below count as this much in the log loss, so one sure error costs 34.5 nats."""

N_BINS = 15


def expected_accuracy(shares: np.ndarray, gold: np.ndarray) -> float:
    """Accuracy in % of the largest share where ties are broken uniformly.

    Parameters
    ----------
    shares : (n, n_classes)
        A row of zeros is a tie of all classes.
    gold : (n,)
        True labels, -1 where unknown; these rows do not count, here and below.
    """
    known = np.flatnonzero(gold >= 0)
    top = shares[known] >= shares[known].max(1, keepdims=True) - 1e-12
    return 100 * float((top[np.arange(len(known)), gold[known]] / top.sum(1)).mean())


def brier_score(probas: np.ndarray, gold: np.ndarray) -> float:
    """Mean squared distance of the probabilities to the truth, in [0, 2]; 0 is best."""
    given, truth = probas[gold >= 0], gold[gold >= 0]
    # |p - e|^2 = |p|^2 - 2 p_e + 1, without a table of ones for a thousand classes
    right = given[np.arange(len(given)), truth]
    return float(((given**2).sum(1) - 2 * right + 1).mean())


def log_loss(probas: np.ndarray, gold: np.ndarray) -> float:
    """Mean negative log-probability of the truth in nats, probabilities clipped at `CLIP`."""
    known = np.flatnonzero(gold >= 0)
    return float(-np.log(np.maximum(probas[known, gold[known]], CLIP)).mean())


def calibration_error(probas: np.ndarray, gold: np.ndarray, n_bins: int = N_BINS) -> float:
    """Expected calibration error in [0, 1].

    The items are put into bins of equal width by their largest probability; the result is the
    mean distance of accuracy and mean confidence in a bin, weighted by its items [1]_.

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger (2017), On calibration of modern neural networks, ICML.
    """
    known = gold >= 0
    top, right = probas[known].max(1), probas[known].argmax(1) == gold[known]
    # (a, b] as in the source; a confidence of 0 would go to the first bin
    place = np.clip(np.ceil(top * n_bins).astype(int) - 1, 0, n_bins - 1)
    gap = np.bincount(place, top - right, n_bins)
    return float(np.abs(gap).sum() / known.sum())


def true_skills(item, worker, label, gold: np.ndarray, n_workers: int, at_least: int = 20):
    """Share of right votes of each worker on items with known truth.

    Returns
    -------
    (n_workers,)
        In [0, 1]; NaN for workers with fewer than `at_least` such votes.
    """
    known = gold[item] >= 0
    cast = np.bincount(worker[known], minlength=n_workers)
    right = np.bincount(worker[known], label[known] == gold[item[known]], n_workers)
    return np.where(cast >= at_least, right / np.maximum(cast, 1), np.nan)


def skill_error(skills: np.ndarray, truth: np.ndarray) -> float | None:
    """Mean absolute error of estimated accuracies in [0, 1]; None where no truth is known."""
    known = ~np.isnan(truth)
    return float(np.abs(skills[known] - truth[known]).mean()) if known.any() else None


def mean_ranks(table: np.ndarray) -> np.ndarray:
    """Mean rank of each method, 1 is best, ties share their ranks.

    Parameters
    ----------
    table : (n_sets, n_methods)
        Accuracies.
    """
    return stats.rankdata(-table, axis=1).mean(0)


def friedman(table: np.ndarray) -> float:
    """p-value of the hypothesis that all methods are alike.

    Friedman's statistic with its correction for ties, in the form of Iman and Davenport [1]_.

    References
    ----------
    .. [1] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7.
    """
    n, k = table.shape
    chi2 = stats.friedmanchisquare(*table.T).statistic
    return float(stats.f.sf((n - 1) * chi2 / (n * (k - 1) - chi2), k - 1, (k - 1) * (n - 1)))


def critical_difference(n_methods: int, n_sets: int, alpha: float = 0.05) -> float:
    """Difference of mean ranks from which two methods differ, by Nemenyi's test."""
    q = stats.studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))


def cliques(ranks: np.ndarray, distance: float) -> list[tuple[float, float]]:
    """First and last mean rank of the largest groups that do not differ, of two or more."""
    ordered = np.sort(ranks)
    last = [int(np.searchsorted(ordered, rank + distance, "right")) - 1 for rank in ordered]
    first = [i for i in range(len(ordered)) if i == 0 or last[i] > last[i - 1]]
    return [(float(ordered[i]), float(ordered[last[i]])) for i in first if last[i] > i]


def wins_ties_losses(ours: Any, theirs: Any, margin: float = 0.05) -> tuple[int, int, int]:
    """Sets where we are ahead, level and behind; level is within `margin` points."""
    gain = np.asarray(ours) - np.asarray(theirs)
    ahead, behind = int((gain > margin).sum()), int((gain < -margin).sum())
    return ahead, len(gain) - ahead - behind, behind


def worst_loss(ours: dict[str, float], theirs: dict[str, float]) -> tuple[float, str | None]:
    """Largest loss in points over the sets of both, and its set; (0, None) where none is lost."""
    losses = {name: theirs[name] - ours[name] for name in ours.keys() & theirs.keys()}
    name = max(sorted(losses), key=losses.__getitem__, default=None)
    if name is None or losses[name] <= 0:
        return 0.0, None
    return losses[name], name
