"""Weights between the votes and the hidden units."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deem.utils.exception import ShapeError
from deem.visual._grid import Scale, as_array, check_names, default_columns, draw_heat_maps

__all__ = ["plot_weights"]


def plot_weights(
    weight: Any,  # noqa: ANN401
    *,
    class_names: Sequence[Any] | None = None,
    classifier_names: Sequence[Any] | None = None,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw one heat map a classifier and hidden unit, on one scale around 0.

    The images have the true class, which is the state of the hidden unit, in the rows, as in
    `plot_confusions`.

    Parameters
    ----------
    weight : (n_classifiers, n_classes, n_classes) or (n_classifiers, n_classes, H, n_classes)
        Classifier, vote, hidden unit (if there are several), state of the unit; in nats. Of a
        fitted `DEEM`, it is ``model_.categorical_parameters()[1]``.
    class_names : (n_classes,), optional
        By default the codes.
    classifier_names : (n_classifiers,), optional
        Titles of the panels.
    ax : Axes or sequence of n_classifiers * H Axes, optional
        By default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (n_classifiers * H,)
        Array of Axes, the hidden units of a classifier side by side.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.

    Examples
    --------
    >>> axes = plot_weights([[[2.0, -2.0], [-2.0, 2.0]]])
    >>> axes[0].images[0].get_clim()
    (-2.0, 2.0)
    """
    shape = "(n_classifiers, n_classes, n_classes) or (n_classifiers, n_classes, H, n_classes)"
    if np.ndim(weight) == 2:
        raise ShapeError(
            f"weight has shape {tuple(np.shape(weight))}, expected {shape}; if it is that of a "
            "model of two classes, pass model_.categorical_parameters()[1]."
        )
    tables = as_array("weight", weight, (3, 4), shape)
    if tables.ndim == 3:
        tables = tables[:, :, np.newaxis]
    n_classifiers, n_classes, n_units, n_states = tables.shape
    if n_classes != n_states:
        found = tuple(np.shape(weight))
        raise ShapeError(f"weight has shape {found}, expected {shape}; reshape it.")
    titles = check_names("classifier_names", classifier_names, n_classifiers, "classifier")
    if n_units > 1:
        titles = [f"{title}\nunit {unit}" for title in titles for unit in range(n_units)]
    names = check_names("class_names", class_names, n_classes, "")
    images = tables.transpose(0, 2, 3, 1).reshape(-1, n_classes, n_classes)
    finite = np.abs(images[np.isfinite(images)])
    largest = float(finite.max(initial=0.0)) or 1.0
    columns = n_units * max(1, default_columns(len(images)) // n_units)
    scale = Scale("RdBu_r", -largest, largest, "weight (nats)", decimals=1)
    return draw_heat_maps(images, titles, names, scale, ax, columns)
