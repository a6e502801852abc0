"""Panels in a grid, shared by all plots; figures are made without pyplot, so nothing leaks."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError

__all__ = [
    "COLOURS",
    "Scale",
    "as_array",
    "check_names",
    "default_columns",
    "draw_heat_maps",
    "make_panels",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colours that stay apart for colour-blind eyes, by Okabe and Ito (2008); the last is black."""

_TITLE, _TICK = 8.0, 7.0
"""Font sizes in points."""

_GLYPH = 0.6
"""Mean width of a character in units of the font size."""

_VALUE_CELL = 0.35
"""Side in inches from which a cell has room for its value."""

_BRIGHTNESS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the perceived brightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class Scale:
    """Colours of heat maps.

    Parameters
    ----------
    colours : str
        Name of a colour map; white where nothing is to be seen, dark at the ends.
    low, high : float
        Range.
    label : str
        Of the colour bar.
    decimals : int
        Of values written into cells.
    """

    colours: str
    low: float
    high: float
    label: str
    decimals: int


def as_array(name: str, values: Any, n_dims: Sequence[int], shape: str) -> NDArray[np.float64]:  # noqa: ANN401
    """Array of floats from an array, a tensor or nested lists.

    Parameters
    ----------
    name : str
        Of the argument, for the error.
    values : array-like or Tensor
        On any device, with or without a gradient.
    n_dims : sequence of int
        Numbers of dimensions that are allowed.
    shape : str
        The expected shape in words.

    Raises
    ------
    ShapeError
        If the number of dimensions is another one, or an axis is empty.
    """
    if isinstance(values, torch.Tensor):
        # numpy has no bfloat16
        values = values.detach().cpu().double().numpy()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in n_dims or not array.size:
        raise ShapeError(f"{name} has shape {array.shape}, expected {shape}; reshape it.")
    return array


def check_names(name: str, names: Sequence[Any] | None, size: int, word: str) -> list[str]:
    """Names as text, or ``word 0``, ``word 1``, ... if there are none.

    Raises
    ------
    ShapeError
        If there are not `size` names.
    """
    if names is None:
        return [f"{word} {place}".strip() for place in range(size)]
    if len(names) != size:
        raise ShapeError(f"{name} has {len(names)} entries, expected {size}; pass one each.")
    return [str(entry) for entry in names]


def make_panels(
    ax: Axes | Sequence[Axes] | NDArray[Any] | None,
    n_panels: int,
    columns: int,
    size: tuple[float, float],
    margin: tuple[float, float] = (0.0, 0.0),
) -> NDArray[Any]:
    """Axes to draw in: the given ones, or those of a new figure.

    Parameters
    ----------
    ax : Axes or sequence of Axes, optional
        One a panel.
    n_panels, columns : int
        How many, and how many side by side in a new figure.
    size : (float, float)
        Width and height of a panel in a new figure, in inches.
    margin : (float, float)
        Added to the width and height of a new figure, in inches.

    Returns
    -------
    (n_panels,)
        Array of Axes, row by row.

    Raises
    ------
    ArgumentError
        If the number of given axes is another one.
    """
    if ax is None:
        columns = min(columns, n_panels)
        rows = math.ceil(n_panels / columns)
        shape = (columns * size[0] + margin[0], rows * size[1] + margin[1])
        figure = Figure(shape, layout="constrained")
        grid = figure.add_gridspec(rows, columns)
        cells = [grid[divmod(place, columns)] for place in range(n_panels)]
        return np.array([figure.add_subplot(cell) for cell in cells], dtype=object)
    axes = np.atleast_1d(np.array(ax, dtype=object)).ravel()
    if len(axes) != n_panels:
        raise ArgumentError(
            f"ax has {len(axes)} axes, but there are {n_panels} panels; pass one each, or None "
            "for a new figure."
        )
    return axes


def draw_heat_maps(
    images: NDArray[np.float64],
    titles: Sequence[str],
    names: Sequence[str],
    scale: Scale,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None,
    columns: int | None = None,
) -> NDArray[Any]:
    """Draw square images of classes by votes with one colour bar.

    Parameters
    ----------
    images : (n_panels, n_classes, n_classes)
        Rows are true classes, columns are votes; NaN is drawn grey.
    titles : (n_panels,)
        Cut to two lines.
    names : (n_classes,)
        Of the classes; as many of them are written as fit.
    scale : Scale
        Shared by all panels.
    ax : Axes or sequence of Axes, optional
        One a panel.
    columns : int, optional
        Panels side by side; by default as `default_columns` has it.

    Returns
    -------
    (n_panels,)
        Array of Axes.
    """
    n_panels, n_classes = images.shape[:2]
    columns = columns or default_columns(n_panels)
    side = _new_side(n_panels, n_classes)
    titles = [_wrapped(title, side) for title in titles]
    names = [textwrap.shorten(name, 14, placeholder="…") or "…" for name in names]
    above = 0.1 + _TITLE * 1.3 / 72 * max(title.count("\n") + 1 for title in titles)
    beside = max(map(len, names)) * _GLYPH * _TICK / 72
    size, margin = (side + 0.05, side + above), (1.3 + beside, 0.5 + beside)
    axes = make_panels(ax, n_panels, columns, size, margin)
    cmap = colormaps[scale.colours].with_extremes(bad="0.8")
    for panel, image, title in zip(axes, images, titles, strict=True):
        drawn = panel.imshow(image, cmap=cmap, vmin=scale.low, vmax=scale.high, aspect="equal")
        panel.set_title(title, fontsize=_TITLE)
        side = side if ax is None else _side(panel)
        _write_ticks(panel, names, side)
        if side / n_classes >= _VALUE_CELL:
            _write_values(panel, drawn, image, scale.decimals)
    bar = axes[0].figure.colorbar(
        drawn, ax=list(axes), shrink=min(1.0, 3 / _rows(axes)), aspect=25
    )
    bar.set_label(scale.label, fontsize=_TITLE + 1)
    bar.ax.tick_params(labelsize=_TICK)
    bar.outline.set_visible(False)
    _name_sides(axes, min(columns, n_panels), ax is None)
    return axes


def default_columns(n_panels: int) -> int:
    """Panels side by side: a few in one row, many in a figure a little wider than high."""
    return n_panels if n_panels <= 4 else math.ceil(math.sqrt(1.3 * n_panels))


def _new_side(n_panels: int, n_classes: int) -> float:
    """Side of a new panel in inches: alone it may be large, and many classes need room."""
    smallest = 3.4 if n_panels == 1 else 1.9 if n_panels <= 20 else 1.3
    return max(smallest, min(0.09 * n_classes, 3.4))


def _side(panel: Axes) -> float:
    """Side of somebody else's panel in inches."""
    extent = panel.get_window_extent()
    return float(min(extent.width, extent.height) / panel.figure.dpi)


def _rows(axes: NDArray[Any]) -> int:
    cells = [panel.get_subplotspec() for panel in axes]
    return len({cell.rowspan.start for cell in cells if cell is not None}) or 1


def _wrapped(title: str, side: float) -> str:
    width = max(8, int(side * 72 / (_GLYPH * _TITLE)))
    return "\n".join(
        line
        for part in title.split("\n")
        for line in textwrap.wrap(part, width, max_lines=2, placeholder=" …")
    )


def _write_ticks(panel: Axes, names: Sequence[str], side: float) -> None:
    """Name every class, or every second, third, ... where not all of them fit."""
    step = math.ceil(len(names) * _TICK * 1.3 / (side * 72))
    places = range(0, len(names), step)
    written = [names[place] for place in places]
    longest = max(map(len, written)) * _GLYPH * _TICK
    upright = longest * len(written) > 0.9 * side * 72
    panel.set_xticks(places, written, fontsize=_TICK, rotation=90 if upright else 0)
    panel.set_yticks(places, written, fontsize=_TICK)
    panel.tick_params(length=0, pad=2)
    panel.spines[:].set_color("0.7")


def _write_values(
    panel: Axes, drawn: AxesImage, image: NDArray[np.float64], decimals: int
) -> None:
    bright = drawn.to_rgba(image)[..., :3] @ np.array(_BRIGHTNESS) > 0.5
    for (row, column), value in np.ndenumerate(image):
        if np.isfinite(value):
            # adding 0 turns -0.0 into 0.0
            text = f"{round(value, decimals) + 0.0:.{decimals}f}"
            colour = "black" if bright[row, column] else "white"
            panel.text(column, row, text, ha="center", va="center", size=_TICK, color=colour)


def _name_sides(axes: NDArray[Any], columns: int, is_new: bool) -> None:
    """Name the two axes once a figure of ours, and on every panel of somebody else's."""
    if is_new:
        for place, panel in enumerate(axes):
            panel.tick_params(
                labelleft=place % columns == 0, labelbottom=place + columns >= len(axes)
            )
        axes[0].figure.supxlabel("vote", fontsize=_TITLE + 1)
        axes[0].figure.supylabel("true class", fontsize=_TITLE + 1)
        return
    for panel in axes:
        panel.set_xlabel("vote", fontsize=_TITLE)
        panel.set_ylabel("true class", fontsize=_TITLE)
