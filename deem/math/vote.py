"""Votes as arrays: one-hot coding, hard and soft forms, shares and seeded ties."""

import numpy as np

from deem.utils.constants import MISSING
from deem.utils.exception import LabelError, ShapeError

__all__ = ["break_ties", "hard_to_soft", "one_hot", "soft_to_hard", "vote_shares"]

_TIE = 1e-9
"""Relative difference below which two sums of soft votes count as tied."""


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """One-hot rows of integer labels; a missing label gives a row of zeros.

    Parameters
    ----------
    labels : (...) ints
        In 0..n_classes-1, or -1 for missing.
    n_classes : int
        At least 1.

    Returns
    -------
    (..., n_classes) float64

    Raises
    ------
    LabelError
        If a label lies outside -1..n_classes-1.

    Examples
    --------
    >>> one_hot(np.array([1, -1]), 2)
    array([[0., 1.],
           [0., 0.]])
    """
    labels = np.asarray(labels)
    if labels.size and not (labels.min() >= MISSING and labels.max() < n_classes):
        raise LabelError(
            f"labels lie in {labels.min()}..{labels.max()}, "
            f"but n_classes={n_classes} allows -1..{n_classes - 1}."
        )
    return (labels[..., None] == np.arange(n_classes)).astype(np.float64)


def hard_to_soft(votes: np.ndarray, n_classes: int) -> np.ndarray:
    """Hard votes as degenerate soft votes.

    Parameters
    ----------
    votes : (n_samples, n_classifiers) ints
        Labels 0..n_classes-1, -1 for missing.
    n_classes : int
        At least 1.

    Returns
    -------
    (n_samples, n_classes, n_classifiers) float64
        A missing vote is a column of zeros.
    """
    votes = np.asarray(votes)
    if votes.ndim != 2:
        raise ShapeError(f"votes has shape {votes.shape}; expected (n_samples, n_classifiers).")
    return np.moveaxis(one_hot(votes, n_classes), 2, 1)


def soft_to_hard(votes: np.ndarray) -> np.ndarray:
    """Most probable label of each soft vote; ties go to the lowest label.

    Parameters
    ----------
    votes : (n_samples, n_classes, n_classifiers)
        Probabilities along axis 1; a column of zeros or with NaN is a missing vote.

    Returns
    -------
    (n_samples, n_classifiers) int64
        Labels 0..n_classes-1, -1 for missing.
    """
    votes = np.asarray(votes)
    if votes.ndim != 3:
        raise ShapeError(
            f"votes has shape {votes.shape}; expected (n_samples, n_classes, n_classifiers)."
        )
    missing = ~(votes.sum(1) > 0)
    return np.where(missing, MISSING, np.nan_to_num(votes).argmax(1))


def vote_shares(counts: np.ndarray) -> np.ndarray:
    """Majority class of each row, a tie shared evenly.

    Parameters
    ----------
    counts : (n_samples, n_classes)
        Votes for each class, at least 0.

    Returns
    -------
    (n_samples, n_classes) float64
        Rows sum to one; a row without votes is zero.

    Examples
    --------
    >>> vote_shares(np.array([[2, 2, 0], [1, 0, 0], [0, 0, 0]]))
    array([[0.5, 0.5, 0. ],
           [1. , 0. , 0. ],
           [0. , 0. , 0. ]])
    """
    top = counts.max(1, keepdims=True)
    winners = ((counts >= top * (1 - _TIE)) & (top > 0)).astype(np.float64)
    return winners / np.maximum(winners.sum(1, keepdims=True), 1)


def break_ties(shares: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draw one class a row from the shares of the vote.

    Parameters
    ----------
    shares : (n_samples, n_classes)
        Rows sum to one or are zero.
    seed : int
        Row r always uses the r-th draw of this seed, tied or not.

    Returns
    -------
    (n_samples,) int64
        The drawn class, -1 for a row of zeros.
    """
    uniform = np.random.default_rng(seed).random(len(shares))
    cumulative = shares.cumsum(1)
    labels = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(1)
    return np.where(shares.any(1), np.minimum(labels, shares.shape[1] - 1), MISSING)
