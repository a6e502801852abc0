"""Pictures as tiles of one image, shared by all plots of pictures."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual._grid import as_array

__all__ = [
    "DIVERGING",
    "GREY",
    "TICK",
    "TITLE",
    "add_bar",
    "as_pictures",
    "count_columns",
    "draw_image",
    "image_extent",
    "image_size",
    "largest_of",
    "middles",
    "range_of",
    "tile",
]


class Colours(NamedTuple):
    """Name of a colour map, and the colour of gaps, empty tiles and what is not finite."""

    name: str
    blank: str


GREY = Colours("gray", "#9db4d6")
"""Of pictures; the blank is a blue, as black and white both occur."""

DIVERGING = Colours("cividis", "#ffffff")
"""Blue below 0, grey at 0, yellow above; its brightness rises, so it reads in grey as well."""

TITLE, TICK = 9.0, 7.0
"""Font sizes in points."""

_SIDE = (2.5, 6.5)
"""Least and greatest length in inches of the longer side of a new image."""

_LEAST = 0.3
"""Least length in inches of the shorter side."""

_PIXEL = 0.06
"""Length of a pixel in inches where that fits."""

_BAR = (0.1, 0.12)
"""Distance from its image and width of a colour bar in inches."""


def as_pictures(
    name: str,
    values: Any,
    image_shape: Sequence[int] | None = None,
    pixels: int = -1,
) -> NDArray[np.float64]:
    """Pictures from rows of pixels, or from arrays that have their shape.

    Parameters
    ----------
    name : str
        Of the argument, for the error.
    values : (..., h * w), (..., channels * h * w), (..., h, w) or (..., channels, h, w)
        On any device.
    image_shape : (h, w) or (channels, h, w), optional
        By default what follows the first axis, and a square of the pixels of two axes.
    pixels : int
        Axis of the pixels where they are flat.

    Returns
    -------
    (n, h, w, channels)
        With 1 or 3 channels.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    """
    array = as_array(name, values, range(2, 9), "(n, h, w), (n, channels, h, w) or (n, h * w)")
    if image_shape is None:
        shape = _default_shape(name, array, pixels)
    else:
        shape = tuple(np.atleast_1d(image_shape).tolist())
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ShapeError(
            f"image_shape is {shape} where {name} has shape {array.shape}, expected (h, w) or "
            "(channels, h, w); pass one of these."
        )
    if array.shape[-len(shape) :] != shape:
        array = np.moveaxis(array, pixels, -1)
        if array.shape[-1] != math.prod(shape):
            raise ShapeError(
                f"{name} has shape {tuple(np.shape(values))}, whose pictures are not of {shape}; "
                "pass their image_shape=(h, w) or (channels, h, w)."
            )
    channels, height, width = (1, *shape)[-3:]
    if channels not in (1, 3):
        raise ShapeError(
            f"{name} has pictures of {channels} channels, expected 1 or 3; pass some channels."
        )
    return array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)


def _default_shape(name: str, array: NDArray[np.float64], pixels: int) -> tuple[int, ...]:
    if array.ndim > 2:
        return array.shape[1:]
    side = math.isqrt(array.shape[pixels])
    if side**2 != array.shape[pixels]:
        raise ShapeError(
            f"{name} has shape {array.shape}, and {array.shape[pixels]} pixels are no square; "
            "pass image_shape=(h, w) or (channels, h, w)."
        )
    return side, side


def count_columns(pictures: NDArray[np.float64], columns: int | None) -> int:
    """Tiles side by side: those asked for, or an image that is a little wider than high.

    Raises
    ------
    ArgumentError
        If `columns` is below 1.
    """
    n, height, width = pictures.shape[:3]
    if columns is None:
        columns = max(1, round(math.sqrt(1.3 * n * height / width)))
    if columns < 1:
        raise ArgumentError(f"columns={columns}, expected at least 1; pass None for a default.")
    return min(columns, n)


def tile(pictures: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """Lay pictures out row by row, with gaps between them.

    Parameters
    ----------
    pictures : (n, h, w, channels)
        Of any values.
    columns : int
        Tiles side by side.

    Returns
    -------
    (height, width, channels)
        NaN in gaps and empty tiles.
    """
    n, height, width, channels = pictures.shape
    rows, gap = math.ceil(n / columns), _gap(pictures)
    shape = (rows * columns, height + gap, width + gap, channels)
    tiles = np.full(shape, np.nan)
    tiles[:n, :height, :width] = pictures
    grid = tiles.reshape(rows, columns, *shape[1:]).swapaxes(1, 2)
    return grid.reshape(rows * shape[1], columns * shape[2], channels)[:-gap, :-gap]


def _gap(pictures: NDArray[np.float64]) -> int:
    return max(1, round(0.06 * max(pictures.shape[1:3])))


def largest_of(values: NDArray[np.float64]) -> float:
    """Largest finite magnitude, 1 if all are 0."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0


def range_of(*arrays: NDArray[np.float64]) -> tuple[float, float]:
    """(0, 1) where all finite values lie in it, else their least and greatest."""
    values = np.concatenate([array[np.isfinite(array)] for array in arrays])
    if not values.size or (values.min() >= 0 and values.max() <= 1):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return low, high if high > low else low + 1


def image_size(image: NDArray[np.float64], least: float = 0.0) -> tuple[float, float]:
    """Width, at least some inches, and height of an image in a figure of its own."""
    height, width = image.shape[:2]
    longer = max(height, width)
    inch = min(max(_SIDE[0], _PIXEL * longer), _SIDE[1]) / longer
    inch = max(inch, least / width)
    return max(width * inch, _LEAST), max(height * inch, _LEAST)


def draw_image(
    panel: Axes, image: NDArray[np.float64], low: float, high: float, colours: Colours
) -> AxesImage:
    """Draw (height, width, 1 or 3) values of a range; one channel has the colours of a map."""
    is_blank = np.any(~np.isfinite(image), axis=2)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    if image.shape[2] == 1:
        masked = np.ma.masked_array(image[:, :, 0], is_blank)
        cmap = colormaps[colours.name].with_extremes(bad=colours.blank)
        return panel.imshow(masked, cmap=cmap, vmin=low, vmax=high)
    scaled = np.clip((image - low) / (high - low), 0, 1)
    scaled[is_blank] = to_rgb(colours.blank)
    return panel.imshow(scaled)


def middles(pictures: NDArray[np.float64], axis: int, n: int) -> NDArray[np.float64]:
    """Where the middles of the first n tiles lie along an axis of the pictures, in pixels."""
    side = pictures.shape[axis]
    return np.arange(n) * (side + _gap(pictures)) + (side - 1) / 2


def add_bar(panel: Axes, drawn: AxesImage, label: str, width: float) -> None:
    """Add a colour bar beside an image of a width in inches, of its height."""
    bar_axes = panel.inset_axes((1 + _BAR[0] / width, 0, _BAR[1] / width, 1))
    bar = panel.figure.colorbar(drawn, cax=bar_axes)
    bar.set_label(label, fontsize=TITLE)
    bar_axes.tick_params(labelsize=TICK)
    bar.outline.set_visible(False)


def image_extent(panel: Axes, image: NDArray[np.float64]) -> tuple[float, float]:
    """Width and height in inches that an image will have in somebody else's panel."""
    extent = panel.get_window_extent()
    height, width = image.shape[:2]
    inch = min(extent.width / width, extent.height / height) / panel.figure.dpi
    return width * inch, height * inch
