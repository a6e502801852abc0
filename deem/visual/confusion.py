"""Confusions of all classifiers at a glance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual._grid import Scale, as_array, check_names, draw_heat_maps

__all__ = ["plot_confusions"]

_SCALE = Scale("Blues", 0.0, 1.0, "probability of the vote given the true class", decimals=2)

_ROW_SUM = 1e-3
"""Largest difference of a row's sum from one that passes for rounding."""


def plot_confusions(
    confusion: Any,  # noqa: ANN401
    *,
    class_names: Sequence[Any] | None = None,
    classifier_names: Sequence[Any] | None = None,
    accuracy: Sequence[float] | NDArray[np.float64] | None = None,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw one heat map a classifier, all on the scale from 0 to 1.

    Parameters
    ----------
    confusion : (n_classifiers, n_classes, n_classes)
        Probability of each vote (column) given the true class (row). Rows sum to one; a row of
        NaN is an unknown one and drawn grey.
    class_names : (n_classes,), optional
        By default the codes.
    classifier_names : (n_classifiers,), optional
        Titles of the panels.
    accuracy : (n_classifiers,), optional
        Fractions, written below the names.
    ax : Axes or sequence of n_classifiers Axes, optional
        By default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (n_classifiers,)
        Array of Axes.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    ArgumentError
        If the rows are not distributions, as after a transposition.

    Examples
    --------
    >>> axes = plot_confusions([[[0.9, 0.1], [0.2, 0.8]]], classifier_names=["Ann"])
    >>> axes[0].get_title()
    'Ann'
    """
    shape = "(n_classifiers, n_classes, n_classes)"
    tables = as_array("confusion", confusion, (3,), shape)
    n_classifiers, n_classes, n_votes = tables.shape
    if n_classes != n_votes:
        raise ShapeError(f"confusion has shape {tables.shape}, expected {shape}; reshape it.")
    _check_rows(tables)
    titles = check_names("classifier_names", classifier_names, n_classifiers, "classifier")
    if accuracy is not None:
        shares = as_array("accuracy", accuracy, (1,), "(n_classifiers,)")
        check_names("accuracy", list(shares), n_classifiers, "")
        titles = [
            f"{title}\n{100 * share:.1f} %" for title, share in zip(titles, shares, strict=True)
        ]
    names = check_names("class_names", class_names, n_classes, "")
    return draw_heat_maps(tables, titles, names, _SCALE, ax)


def _check_rows(tables: NDArray[np.float64]) -> None:
    sums = tables.sum(axis=2)
    wrong = np.abs(sums - 1) > _ROW_SUM
    wrong |= (tables < 0).any(axis=2)
    if wrong.any():
        classifier, row = map(int, np.argwhere(wrong)[0])
        raise ArgumentError(
            f"confusion[{classifier}, {row}] is no distribution (sum "
            f"{sums[classifier, row]:.4g}, expected 1); pass P(vote | true class) with one true "
            "class a row, transposed if the votes are in the rows, and NaN for unknown rows."
        )
