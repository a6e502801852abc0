"""Pictures beside what a model makes of them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual._grid import make_panels
from deem.visual._tiles import (
    DIVERGING,
    GREY,
    TICK,
    TITLE,
    add_bar,
    as_pictures,
    draw_image,
    image_extent,
    image_size,
    largest_of,
    middles,
    range_of,
    tile,
)

__all__ = ["plot_reconstructions"]

_ROWS = ("data", "reconstruction", "difference")

_TILE = 0.45
"""Least width of a picture in inches."""

_GLYPH = 0.6
"""Mean width of a character in units of the font size."""


def plot_reconstructions(
    data: Any,
    reconstructed: Any,
    *,
    image_shape: Sequence[int] | None = None,
    n_images: int = 10,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw pictures, their reconstructions and the differences, with the error below each.

    Values in [0, 1] are drawn as they are, others so that data and reconstructions together fill
    the scale. Where the reconstruction is larger the difference is bright, where it is smaller
    dark; no difference is grey.

    Parameters
    ----------
    data : (n, n_visible), (n, h, w) or (n, channels, h, w)
        With 1 or 3 channels. What is not finite is left blank.
    reconstructed : of the same shape
        Means or draws of the model.
    image_shape : (h, w) or (channels, h, w), optional
        Of the visible units; by default a square.
    n_images : int
        At most the first so many are drawn.
    ax : sequence of 3 Axes, optional
        By default those of a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (3,)
        Array of Axes: the data, the reconstructions, the differences.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    ArgumentError
        If `n_images` is below 1, or there are not 3 axes.

    Examples
    --------
    >>> data = np.eye(4)
    >>> axes = plot_reconstructions(data, data - 0.5)
    >>> [label.get_text() for label in axes[2].get_xticklabels()]
    ['0.25', '0.25', '0.25', '0.25']
    """
    if n_images < 1:
        raise ArgumentError(f"n_images={n_images}, expected at least 1; pass how many to draw.")
    before = as_pictures("data", data, image_shape)
    after = as_pictures("reconstructed", reconstructed, image_shape)
    if before.shape != after.shape:
        raise ShapeError(
            f"reconstructed has shape {tuple(np.shape(reconstructed))}, expected that of data, "
            f"{tuple(np.shape(data))}; pass the reconstructions of the same samples."
        )
    before, after = before[:n_images], after[:n_images]
    difference = after - before
    rows = [tile(pictures, len(pictures)) for pictures in (before, after, difference)]
    width, height = image_size(rows[0], _TILE * len(before))
    has_bar = before.shape[-1] == 1
    size = (width + (2.1 if has_bar else 1.6), height + 0.05)
    axes = make_panels(ax, 3, 1, size, (0.0, 0.5))
    if ax is not None:
        width = image_extent(axes[2], rows[2])[0]
    low, high = range_of(before, after)
    for panel, row in zip(axes[:2], rows[:2], strict=True):
        draw_image(panel, row, low, high, GREY)
    largest = largest_of(difference)
    drawn = draw_image(axes[2], rows[2], -largest, largest, DIVERGING)
    for panel, name in zip(axes, _ROWS, strict=True):
        panel.set_ylabel(name, fontsize=TITLE, rotation=0, ha="right", va="center")
    _write_errors(axes[2], difference, width)
    if has_bar:
        add_bar(axes[2], drawn, "", width)
    return axes


def _write_errors(panel: Axes, difference: NDArray[np.float64], inches: float) -> None:
    """Write the errors under the pictures, upright or only some where all of them do not fit."""
    errors = [f"{error:.2g}" for error in (difference**2).mean((1, 2, 3))]
    room = inches / len(errors) * 72
    upright = max(map(len, errors)) * _GLYPH * TICK > 0.9 * room
    step = math.ceil(1.3 * TICK / room) if upright else 1
    places = middles(difference, 2, len(errors))[::step]
    panel.set_xticks(places, errors[::step], fontsize=TICK, rotation=90 if upright else 0)
    panel.tick_params(length=0, pad=2)
    panel.set_xlabel("mean squared error", fontsize=TITLE)
