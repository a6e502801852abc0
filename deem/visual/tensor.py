"""Any tensor as a picture, on axes or in a file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import imsave
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual._grid import as_array, make_panels
from deem.visual._tiles import GREY, count_columns, draw_image, image_size, range_of, tile

__all__ = ["plot_tensor", "save_tensor"]

_SHAPE = "(h, w), (h, w, 3), (3, h, w), (n, h, w), (n, h, w, 3) or (n, channels, h, w)"

_SUFFIXES = (".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def plot_tensor(tensor: Any, *, ax: Axes | None = None) -> Axes:
    """Draw a tensor as a picture, grey or in colour.

    Values in [0, 1] are drawn as they are, bytes as shares of 255, others so that they fill
    the scale from black to white.

    Parameters
    ----------
    tensor : (h, w), (h, w, 3), (3, h, w), (n, h, w), (n, h, w, 3) or (n, channels, h, w)
        Finite values of any type, on any device. Three channels of colour may come first or
        last; several pictures become a mosaic. Three grey pictures are of shape (3, 1, h, w).
    ax : Axes, optional
        By default that of a new figure, which is ``axes.figure``.

    Returns
    -------
    Axes
        Its only image is the picture.

    Raises
    ------
    ShapeError
        If the shape is none of these.
    ArgumentError
        If a value is not finite.

    Examples
    --------
    >>> import torch
    >>> axes = plot_tensor(torch.rand(3, 20, 30))
    >>> axes.images[0].get_array().shape
    (20, 30, 3)
    """
    image = _image(tensor)
    (panel,) = make_panels(ax, 1, 1, image_size(image))
    draw_image(panel, image, 0.0, 1.0, GREY)
    return panel


def save_tensor(tensor: Any, path: str | os.PathLike[str], *, zoom: int = 1) -> None:
    """Save a tensor as a picture, one pixel a value, with the values of `plot_tensor`.

    Parameters
    ----------
    tensor : as in `plot_tensor`
        The tensor.
    path : str or path
        Ends in .png, .jpg, .jpeg, .tif, .tiff or .webp; an existing file is replaced.
    zoom : int
        Side of a value in pixels, at least 1.

    Raises
    ------
    ShapeError
        If the shape is none of those of `plot_tensor`.
    ArgumentError
        If a value is not finite, `path` has another ending, or `zoom` is below 1.

    Examples
    --------
    >>> save_tensor(np.eye(28), getfixture("tmp_path") / "line.png", zoom=4)
    """
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise ArgumentError(
            f"path={os.fspath(path)!r} does not end in one of {', '.join(_SUFFIXES)}; rename it."
        )
    if zoom < 1:
        raise ArgumentError(f"zoom={zoom}, expected at least 1; pass 1 for a pixel a value.")
    image = _image(tensor)
    image = np.broadcast_to(image, (*image.shape[:2], 3)).copy()
    image[np.isnan(image).any(2)] = to_rgb(GREY.blank)
    pixels = np.round(255 * image).astype(np.uint8)
    imsave(os.fspath(path), pixels.repeat(zoom, 0).repeat(zoom, 1))


def _image(tensor: Any) -> NDArray[np.float64]:
    """(height, width, 1 or 3) values in [0, 1], NaN between several pictures."""
    values = as_array("tensor", tensor, (2, 3, 4), _SHAPE)
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ArgumentError(
            f"tensor has {count} values that are not finite; replace them by numpy.nan_to_num."
        )
    is_bytes = str(getattr(tensor, "dtype", "")).endswith("uint8")
    low, high = range_of(values)
    if is_bytes and high > 1:
        low, high = 0.0, 255.0
    pictures = (_pictures(values) - low) / (high - low)
    return pictures[0] if len(pictures) == 1 else tile(pictures, count_columns(pictures, None))


def _pictures(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, h, w, channels) values; channels that come first win over those that come last."""
    if values.ndim == 2:
        return values[np.newaxis, :, :, np.newaxis]
    if values.ndim == 3:
        if 3 in (values.shape[0], values.shape[2]):
            values = values[np.newaxis]
        else:
            values = values[:, np.newaxis]
    if values.shape[1] in (1, 3):
        return values.transpose(0, 2, 3, 1)
    if values.shape[3] in (1, 3):
        return values
    raise ShapeError(f"tensor has shape {values.shape}, expected {_SHAPE}; pass 1 or 3 channels.")
