"""Which hidden state is which class: assignment against a reference vote."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from deem.utils.exception import ShapeError

__all__ = ["assign_states", "contingency"]


def contingency(
    states: np.ndarray, shares: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Weighted co-occurrence of hidden states and reference classes.

    Parameters
    ----------
    states : (n_samples,) ints
        Hidden state of each sample, 0..n_classes-1.
    shares : (n_samples, n_classes)
        Reference vote of each sample, ties shared evenly; zero rows do not count.
    weights : (n_samples,), optional
        How often each sample counts.

    Returns
    -------
    (n_classes, n_classes) float64
        Row: hidden state, column: class.
    """
    n_classes = shares.shape[1]
    rows, columns = np.nonzero(shares)
    mass = shares[rows, columns] if weights is None else shares[rows, columns] * weights[rows]
    cells = states[rows].astype(np.int64) * n_classes + columns
    return np.bincount(cells, mass, n_classes * n_classes).reshape(n_classes, n_classes)


def assign_states(table: np.ndarray) -> np.ndarray:
    """Class of each hidden state that maximises the total of the table.

    Parameters
    ----------
    table : (n_classes, n_classes)
        Co-occurrence of hidden state (row) and class (column).

    Returns
    -------
    (n_classes,) int64
        Entry s is the class of state s. Among assignments of equal total the one that leaves
        most states in place is taken, so classes that never occur keep their names.

    Raises
    ------
    ShapeError
        If the table is not square.

    Examples
    --------
    >>> assign_states(np.array([[0, 9, 0], [8, 0, 0], [0, 0, 0]]))
    array([1, 0, 2])
    """
    table = np.asarray(table, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ShapeError(f"table has shape {table.shape}; expected (n_classes, n_classes).")
    # Small against any difference of counts, so that it only decides between equal totals.
    bonus = 1e-9 * (table.sum() or 1.0) / len(table)
    return linear_sum_assignment(table + bonus * np.eye(len(table)), maximize=True)[1]
