"""Draws of a model as pictures."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from deem.visual._grid import make_panels
from deem.visual._tiles import (
    GREY,
    as_pictures,
    count_columns,
    draw_image,
    image_size,
    range_of,
    tile,
)

__all__ = ["plot_samples"]


def plot_samples(
    draws: Any,
    *,
    image_shape: Sequence[int] | None = None,
    columns: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw pictures that a model has drawn, or those it learns from, in one grid.

    Values in [0, 1] are drawn as they are, others so that all of them together fill the scale.

    Parameters
    ----------
    draws : (n, n_visible), (n, h, w), (n, channels, h, w) or (steps, chains, n_visible)
        With 1 or 3 channels. Chains need `image_shape`; each is a column, and time runs down.
        What is not finite is left blank.
    image_shape : (h, w) or (channels, h, w), optional
        Of the visible units; by default a square.
    columns : int, optional
        Pictures side by side; by default the number of chains, or about a square.
    ax : Axes, optional
        By default that of a new figure, which is ``axes.figure``.

    Returns
    -------
    Axes
        Its only image is the grid.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    ArgumentError
        If `columns` is below 1.

    Examples
    --------
    >>> import torch
    >>> axes = plot_samples(torch.rand(5, 3, 16), image_shape=(4, 4))
    >>> axes.images[0].get_array().shape
    (24, 14)
    """
    pictures = as_pictures("draws", draws, image_shape)
    n_first = len(draws)
    if columns is None and 1 < n_first < len(pictures):
        columns = len(pictures) // n_first
    image = tile(pictures, count_columns(pictures, columns))
    (panel,) = make_panels(ax, 1, 1, image_size(image))
    draw_image(panel, image, *range_of(pictures), GREY)
    return panel
