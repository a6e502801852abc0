"""Scaling to the unit interval and to the simplex."""

import numpy as np

from deem.utils.constants import EPSILON

__all__ = ["normalise", "project_to_simplex", "unitary_scale"]


def unitary_scale(x: np.ndarray) -> np.ndarray:
    """Scale an array linearly so that its values fill [0, 1].

    Parameters
    ----------
    x : array
        Finite values of any shape.

    Returns
    -------
    array of the same shape, float64
        A constant array gives zeros.

    Examples
    --------
    >>> unitary_scale(np.array([2.0, 4.0, 3.0])).round(6)
    array([0. , 1. , 0.5])
    """
    x = np.asarray(x, dtype=np.float64)
    return (x - x.min()) / max(x.max() - x.min(), EPSILON)


def normalise(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Divide by the sum along an axis; slices that sum to zero become uniform.

    Parameters
    ----------
    x : array
        Values of at least 0.
    axis : int
        The axis that will sum to one.
    """
    x = np.asarray(x, dtype=np.float64)
    total = x.sum(axis, keepdims=True)
    return np.where(total > 0, x / np.where(total > 0, total, 1), 1 / x.shape[axis])


def project_to_simplex(x: np.ndarray) -> np.ndarray:
    """Nearest point of the probability simplex, row by row, in Euclidean distance.

    Parameters
    ----------
    x : (..., n)
        Any finite values.

    Returns
    -------
    (..., n)
        At least 0, summing to one along the last axis.

    References
    ----------
    .. [1] Duchi, Shalev-Shwartz, Singer, Chandra (2008), Efficient projections onto the l1-ball
       for learning in high dimensions, figure 1.

    Examples
    --------
    >>> project_to_simplex(np.array([0.5, 1.5]))
    array([0., 1.])
    """
    x = np.asarray(x, dtype=np.float64)
    ordered = -np.sort(-x, axis=-1)
    excess = ordered.cumsum(-1) - 1
    rank = np.arange(1, x.shape[-1] + 1)
    support = (ordered - excess / rank > 0).sum(-1, keepdims=True)
    threshold = np.take_along_axis(excess, support - 1, -1) / support
    return np.maximum(x - threshold, 0)
