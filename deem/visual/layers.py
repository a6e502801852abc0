"""Weights of a multinomial layer, block by block."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deem.utils.exception import ShapeError
from deem.visual._grid import as_array, check_names, make_panels

__all__ = ["plot_layer"]

_TITLE, _TICK = 9.0, 7.0
"""Font sizes in points."""

_GLYPH = 0.6
"""Mean width of a character in units of the font size."""

_CELL = 0.13
"""Side of a cell in inches where that fits."""

_SIDE = (1.8, 5.0)
"""Smallest and largest side of a new panel in inches."""

_MOST_CELLS = 360
"""Cells along a side up to which each is drawn, above a pixel wide; then one a block."""

_BLOCK = 0.09
"""Side of a block in inches from which blocks are parted by lines."""

_SIGNED = 0.08
"""Side of a cell in inches from which clearly negative ones carry a minus sign."""

_CLEAR = 0.25
"""Share of the largest weight from which one is clearly negative."""

_SHAPE = "(n_in, K, n_out, K')"


def plot_layer(
    weight: Any,
    *,
    start: Any = None,
    in_names: Sequence[Any] | None = None,
    out_names: Sequence[Any] | None = None,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw the weights of a layer: classifiers in by classifiers out, a block of votes each.

    Red adds to an output, blue takes from it; where there is room, blue cells carry a minus sign,
    which reads in grey as well. Above 360 cells a side, a block is drawn as one cell, its weight
    of largest magnitude.

    Parameters
    ----------
    weight : (n_in, K, n_out, K')
        Classifier and vote before the layer, classifier and vote after it. NaN and infinities are
        drawn grey.
    start : (n_in, K, n_out, K'), optional
        Weights before training; their difference, what was learnt, gets a second panel with
        colours of its own.
    in_names : (n_in,), optional
        By default the indices; as many as fit are written.
    out_names : (n_out,), optional
        Likewise.
    ax : Axes or sequence of Axes, optional
        One a panel; by default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (1,) or (2,)
        Array of Axes: the weights, and with `start` the difference.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> weight = np.einsum("ij,lm->iljm", np.eye(3), np.eye(2))
    >>> axes = plot_layer(weight, in_names=["Ann", "Bob", "Cem"])
    >>> axes[0].images[0].get_array().shape
    (6, 6)
    """
    tables = as_array("weight", weight, (4,), _SHAPE)
    panels = {"weight": tables}
    if start is not None:
        before = as_array("start", start, (4,), _SHAPE)
        if before.shape != tables.shape:
            raise ShapeError(
                f"start has shape {before.shape}, expected {tables.shape}, that of weight; pass "
                "the weights of the same layer."
            )
        panels["weight minus start"] = tables - before
    n_in, k_in, n_out, k_out = tables.shape
    rows = _short(check_names("in_names", in_names, n_in, ""))
    columns = _short(check_names("out_names", out_names, n_out, ""))
    size = _side(n_out * k_out), _side(n_in * k_in)
    room = (size[0] + 1.2 + _length(rows), size[1] + 0.7 + _length(columns))
    axes = make_panels(ax, len(panels), 2, room)
    for panel, (title, values) in zip(axes, panels.items(), strict=True):
        if ax is not None:
            size = _size_of(panel)
        _draw_blocks(panel, values, size, title)
        _write_names(panel, rows, columns, size)
    return axes


def _short(names: list[str]) -> list[str]:
    return [textwrap.shorten(name, 24, placeholder="…") or "…" for name in names]


def _length(names: list[str]) -> float:
    """Of the longest name in inches."""
    return max(map(len, names)) * _GLYPH * _TICK / 72


def _side(n_cells: int) -> float:
    return min(max(_SIDE[0], _CELL * n_cells), _SIDE[1])


def _size_of(panel: Axes) -> tuple[float, float]:
    """Width and height of somebody else's panel in inches."""
    extent = panel.get_window_extent()
    return extent.width / panel.figure.dpi, extent.height / panel.figure.dpi


def _draw_blocks(
    panel: Axes, values: NDArray[np.float64], size: tuple[float, float], title: str
) -> None:
    n_in, k_in, n_out, k_out = values.shape
    if max(n_in * k_in, n_out * k_out) > _MOST_CELLS:
        values = _largest(values)
        title = f"{title}, the largest of each {k_in} x {k_out} block"
    image = values.reshape(values.shape[0] * values.shape[1], -1)
    image = np.where(np.isfinite(image), image, np.nan)
    largest = float(np.nanmax(np.abs(image), initial=0.0)) or 1.0
    panel.set_facecolor("0.8")
    # One unit a block, whatever is drawn in it.
    drawn = panel.imshow(
        image,
        cmap="RdBu_r",
        vmin=-largest,
        vmax=largest,
        aspect="auto",
        extent=(0, n_out, n_in, 0),
    )
    width = max(12, int(size[0] * 72 / (_GLYPH * _TITLE)))
    panel.set_title(textwrap.fill(title, width), fontsize=_TITLE)
    _mark_negative(panel, image, largest, size)
    bar = panel.figure.colorbar(drawn, ax=panel, aspect=25)
    bar.ax.tick_params(labelsize=_TICK)
    bar.outline.set_visible(False)


def _largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest entry by magnitude, or one not finite, of each block: (n_in, 1, n_out, 1)."""
    n_in, _, n_out, _ = values.shape
    blocks = values.transpose(0, 2, 1, 3).reshape(n_in, n_out, -1)
    size = np.where(np.isfinite(blocks), np.abs(blocks), np.inf)
    found = np.take_along_axis(blocks, size.argmax(2)[:, :, np.newaxis], axis=2)
    return found[:, np.newaxis]


def _mark_negative(
    panel: Axes, image: NDArray[np.float64], largest: float, size: tuple[float, float]
) -> None:
    """Minus signs on clearly negative cells, as both ends of the colours are dark in grey."""
    cell = min(size[0] / image.shape[1], size[1] / image.shape[0])
    rows, columns = np.nonzero(image < -_CLEAR * largest)
    if cell < _SIGNED or not len(rows):
        return
    (_, right), (bottom, _) = panel.get_xlim(), panel.get_ylim()
    x, y = (columns + 0.5) * right / image.shape[1], (rows + 0.5) * bottom / image.shape[0]
    dark = image[rows, columns] < -0.6 * largest
    points = min(cell * 72 * 0.45, 7.0)
    for chosen, colour in ((dark, "white"), (~dark, "black")):
        style = {"marker": "_", "markersize": points, "markeredgewidth": 0.9, "color": colour}
        panel.plot(x[chosen], y[chosen], linestyle="", **style)


def _write_names(
    panel: Axes, rows: list[str], columns: list[str], size: tuple[float, float]
) -> None:
    """Name the blocks in their middles, as many as fit, and part them by lines."""
    n_in, n_out = len(rows), len(columns)
    step = math.ceil(n_in * _TICK * 1.4 / (size[1] * 72))
    panel.set_yticks(np.arange(n_in)[::step] + 0.5, rows[::step], fontsize=_TICK)
    step = math.ceil(n_out * _TICK * 1.4 / (size[0] * 72))
    written = columns[::step]
    turn = 90 if _length(written) * len(written) > 0.85 * size[0] else 0
    panel.set_xticks(np.arange(n_out)[::step] + 0.5, written, fontsize=_TICK, rotation=turn)
    panel.set_ylabel("classifier before", fontsize=_TITLE)
    panel.set_xlabel("classifier after", fontsize=_TITLE)
    if min(size[0] / n_out, size[1] / n_in) >= _BLOCK:
        panel.set_xticks(np.arange(n_out + 1), minor=True)
        panel.set_yticks(np.arange(n_in + 1), minor=True)
        panel.grid(which="minor", color="0.6", linewidth=0.5)
    panel.tick_params(which="both", length=0, pad=2)
    panel.spines[:].set_color("0.7")
