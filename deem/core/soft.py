"""Votes that are probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.labels import Known, pair_count
from deem.core.votes import Votes
from deem.utils.exception import ArgumentError, ShapeError, SoftVotesWarning
from deem.utils.warning import warn

__all__ = ["read_soft"]

_SUM_TOLERANCE = 1e-3
"""How far soft votes may miss the sum 1 unremarked: half-precision softmax does by this much."""


def read_soft(array: NDArray[Any], known: Known) -> Votes:
    """Votes from probabilities (n_samples, n_classes, n_classifiers)."""
    soft = _normalise(_check_soft(array.astype(np.float64)))
    n_samples, n_classes, n_classifiers = soft.shape
    classes = np.arange(n_classes) if known.classes is None else known.classes
    if n_classes != (known.n_classes or len(classes)):
        expected = known.n_classes or len(classes)
        raise ShapeError(
            f"the soft votes have shape {soft.shape}, so {n_classes} classes, but {expected} are "
            f"expected; pass (n_samples, {expected}, n_classifiers)."
        )
    known.check_width(n_classifiers)
    width = pair_count(n_classifiers, n_classes)
    flat = soft.transpose(0, 2, 1).reshape(n_samples, width)
    rows, columns = np.nonzero(flat)
    indptr = np.zeros(n_samples + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=n_samples), out=indptr[1:])
    values = flat[rows, columns]
    names = known.classifiers
    return Votes(
        indptr, columns.astype(np.int32), values, n_classifiers, classes, classifiers=names
    )


def _check_soft(soft: NDArray[np.float64]) -> NDArray[np.float64]:
    """Soft votes with missing columns all 0, finite, non-negative and in the right layout."""
    blank = np.isnan(soft).all(axis=1, keepdims=True)
    soft = np.where(blank, 0, soft)
    wrong = ~np.isfinite(soft) | (soft < 0)
    if wrong.any():
        raise ArgumentError(
            f"the soft votes contain {soft[wrong][0]}, expected probabilities, not negative, inf "
            "or NaN beside numbers; for a missing vote set its whole column to 0 or NaN."
        )
    if _sums_to_one(soft, 2) and not _sums_to_one(soft, 1):
        raise ShapeError(
            f"the soft votes have shape {soft.shape} and sum to one along axis 2, expected along "
            "axis 1 of (n_samples, n_classes, n_classifiers); pass votes.transpose(0, 2, 1)."
        )
    return soft


def _sums_to_one(soft: NDArray[np.float64], axis: int) -> bool:
    """Whether all votes along an axis sum to one, missing ones aside."""
    total = soft.sum(axis=axis)
    return bool(((np.abs(total - 1) <= _SUM_TOLERANCE) | (total == 0)).all())


def _normalise(soft: NDArray[np.float64]) -> NDArray[np.float64]:
    """Soft votes that sum to one along axis 1, with warnings of what was not as expected."""
    total = soft.sum(axis=1, keepdims=True)
    missing = total == 0
    n_missing = int(np.count_nonzero(missing))
    if n_missing:
        _warn_soft(f"{n_missing} soft votes are all 0 or NaN and count as missing")
    n_off = int(np.count_nonzero(~missing & (np.abs(total - 1) > _SUM_TOLERANCE)))
    if n_off:
        _warn_soft(f"{n_off} soft votes did not sum to one along axis 1 and were normalised")
    return soft / np.where(missing, 1, total)


def _warn_soft(text: str) -> None:
    warn(f"{text}; check them if that is not intended.", SoftVotesWarning)
