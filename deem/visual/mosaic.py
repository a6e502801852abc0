"""Weights of hidden units as tiles of one picture."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deem.utils.exception import check_choice
from deem.visual._grid import as_array, make_panels
from deem.visual._tiles import (
    DIVERGING,
    TICK,
    TITLE,
    add_bar,
    as_pictures,
    count_columns,
    draw_image,
    image_extent,
    image_size,
    largest_of,
    middles,
    tile,
)

__all__ = ["plot_mosaic"]

_SHAPE = "(n_visible, n_hidden), (n_units, h, w) or (n_units, channels, h, w)"

_LABELS = {"shared": "weight", "tile": "relative weight"}


def plot_mosaic(
    weight: Any,
    *,
    image_shape: Sequence[int] | None = None,
    scale: str = "shared",
    columns: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of each hidden unit as a picture, all of them in one mosaic.

    A weight of 0 is grey; brighter adds to the unit, darker takes from it, in print too. The
    numbers beside the rows are those of their first units.

    Parameters
    ----------
    weight : (n_visible, n_hidden), (n_units, h, w) or (n_units, channels, h, w)
        Weights of an RBM, filters, or filters of a `ConvRBM`, with 1 or 3 channels. What is not
        finite is left blank.
    image_shape : (h, w) or (channels, h, w), optional
        Of the visible units of an RBM; by default a square.
    scale : {"shared", "tile"}
        One range of colours for all, or one for each unit, which shows weak units too.
    columns : int, optional
        Tiles side by side; by default about as many as make a square.
    ax : Axes, optional
        By default that of a new figure, which is ``axes.figure``.

    Returns
    -------
    Axes
        Its only image is the mosaic; other colours by ``axes.images[0].set_cmap(...)``.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    ArgumentError
        If `scale` is unknown or `columns` is below 1.

    Examples
    --------
    >>> axes = plot_mosaic(np.random.default_rng(0).normal(size=(12, 5)), image_shape=(3, 4))
    >>> axes.images[0].get_array().shape
    (11, 9)
    """
    check_choice("scale", scale, _LABELS)
    values = as_array("weight", weight, (2, 3, 4), _SHAPE)
    pictures = as_pictures("weight", values, image_shape, pixels=0 if values.ndim == 2 else -1)
    if scale == "tile":
        pictures = np.stack([picture / largest_of(picture) for picture in pictures])
    columns = count_columns(pictures, columns)
    image, largest = tile(pictures, columns), largest_of(pictures)
    width, height = image_size(image)
    has_bar = pictures.shape[-1] == 1
    size = (width + (1.7 if has_bar else 0.7), max(height, 1.0) + 0.2)
    (panel,) = make_panels(ax, 1, 1, size)
    if ax is not None:
        width, height = image_extent(panel, image)
    drawn = draw_image(panel, image, -largest, largest, DIVERGING)
    _name_rows(panel, pictures, columns, height)
    if has_bar:
        add_bar(panel, drawn, _LABELS[scale], width)
    return panel


def _name_rows(panel: Axes, pictures: NDArray[np.float64], columns: int, inches: float) -> None:
    """Write the number of the first unit of as many rows as fit into a height in inches."""
    firsts = np.arange(0, len(pictures), columns)
    step = math.ceil(len(firsts) * TICK * 1.4 / (inches * 72))
    places = middles(pictures, 1, len(firsts))
    panel.set_yticks(places[::step], firsts[::step].astype(str), fontsize=TICK)
    panel.tick_params(length=0, pad=2)
    panel.set_ylabel("unit", fontsize=TITLE)
