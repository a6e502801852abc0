"""Who copies whom: residual correlations in the order of their clusters."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.cluster.hierarchy import average, dendrogram
from scipy.spatial.distance import squareform

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual._grid import as_array, check_names

__all__ = ["plot_dependence"]

_TICK = 7.0
"""Font size in points."""

_SIDE = (3.0, 7.0)
"""Smallest and largest side of a new heat map in inches."""

_CELL = 0.18
"""Side of a cell in inches where that fits."""


def plot_dependence(
    correlation: Any,  # noqa: ANN401
    linkage: Any = None,  # noqa: ANN401
    *,
    clusters: Sequence[Sequence[int]] = (),
    classifier_names: Sequence[Any] | None = None,
    ax: Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw a heat map of the residual correlations under the tree of the classifiers.

    Blue is dependence: the two agree beyond what the class explains. Red is the contrary. The
    diagonal is grey, as it tells nothing.

    Parameters
    ----------
    correlation : (n_classifiers, n_classifiers)
        In [-1, 1], such as ``DependenceMap.correlation``.
    linkage : (n_classifiers - 1, 4), optional
        The merges, such as ``DependenceMap.linkage``; by default average linkage on 1 minus the
        positive correlation.
    clusters : sequence of sequences of int
        Outlined; their members must stand together in the tree.
    classifier_names : (n_classifiers,), optional
        By default the indices; as many of them are written as fit.
    ax : (Axes, Axes), optional
        For the tree and for the heat map; by default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (2,)
        Array of Axes: the tree, the heat map.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    ArgumentError
        If there is one classifier, or not two axes.

    Examples
    --------
    >>> axes = plot_dependence([[1, 0, 0.8], [0, 1, 0], [0.8, 0, 1]], clusters=[(0, 2)])
    >>> [label.get_text() for label in axes[1].get_yticklabels()]
    ['1', '0', '2']
    """
    shape = "(n_classifiers, n_classifiers)"
    rho = as_array("correlation", correlation, (2,), shape)
    n = len(rho)
    if rho.shape != (n, n):
        raise ShapeError(f"correlation has shape {rho.shape}, expected {shape}; reshape it.")
    if n < 2:
        raise ArgumentError(
            "correlation has 1 classifier; there is no dependence to draw below 2."
        )
    names = check_names("classifier_names", classifier_names, n, "")
    if linkage is None:
        distance = 1 - np.clip((rho + rho.T) / 2, 0, 1)
        linkage = average(squareform(distance, checks=False))
    merges = as_array("linkage", linkage, (2,), "(n_classifiers - 1, 4)")
    if merges.shape != (n - 1, 4):
        raise ShapeError(f"linkage has shape {merges.shape}, expected ({n - 1}, 4); reshape it.")
    axes = _two_axes(ax, n)
    tree, heat = axes
    order = _draw_tree(tree, merges, n)
    _draw_heat(heat, rho[np.ix_(order, order)], [names[i] for i in order])
    _outline(heat, order, clusters)
    return axes


def _two_axes(ax: Sequence[Axes] | NDArray[Any] | None, n: int) -> NDArray[Any]:
    if ax is None:
        side = min(max(_SIDE[0], _CELL * n), _SIDE[1])
        figure = Figure((side + 1.8, side + 1.6), layout="constrained")
        grid = figure.add_gridspec(2, 1, height_ratios=(1, side))
        new = [figure.add_subplot(cell) for cell in (grid[0], grid[1])]
        return np.array(new, dtype=object)
    given = np.atleast_1d(np.array(ax, dtype=object)).ravel()
    if len(given) != 2:
        raise ArgumentError(
            f"ax has {len(given)} axes, expected 2: for the tree and for the heat map."
        )
    return given


def _draw_tree(tree: Axes, merges: NDArray[np.float64], n: int) -> list[int]:
    """Draw the tree over the columns of the heat map; return the order of its leaves."""
    drawn = dendrogram(merges, no_plot=True)
    for x, y in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        # scipy puts leaf i at 5 + 10 i
        tree.plot((np.array(x) - 5) / 10, y, color="0.3", linewidth=0.8)
    tree.set_xlim(-0.5, n - 0.5)
    tree.set_ylim(0, max(1.0, float(merges[:, 2].max())) * 1.02)
    tree.set_xticks([])
    tree.set_yticks([0, 0.5, 1], ["1", "0.5", "0"], fontsize=_TICK)
    tree.set_ylabel("correlation\nat merge", fontsize=_TICK)
    tree.spines[["top", "right", "bottom"]].set_visible(False)
    return list(drawn["leaves"])


def _draw_heat(heat: Axes, rho: NDArray[np.float64], names: list[str]) -> None:
    shown = rho.copy()
    np.fill_diagonal(shown, np.nan)
    heat.set_facecolor("0.8")
    drawn = heat.imshow(shown, cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="none")
    side = heat.get_window_extent().height / heat.figure.dpi
    step = math.ceil(len(names) * _TICK * 1.4 / (side * 72))
    places = range(0, len(names), step)
    written = [names[place] for place in places]
    heat.set_xticks(places, written, fontsize=_TICK, rotation=90)
    heat.set_yticks(places, written, fontsize=_TICK)
    heat.tick_params(length=0, pad=2)
    bar = heat.figure.colorbar(drawn, ax=heat, aspect=25)
    bar.set_label("residual correlation", fontsize=_TICK + 1)
    bar.ax.tick_params(labelsize=_TICK)
    bar.outline.set_visible(False)


def _outline(heat: Axes, order: list[int], clusters: Sequence[Sequence[int]]) -> None:
    for cluster in clusters:
        places = sorted(order.index(i) for i in cluster)
        size = len(places)
        if places[-1] - places[0] != size - 1:
            raise ArgumentError(
                f"clusters has {tuple(cluster)}, whose members do not stand together in the "
                "tree; pass the linkage that the clusters were cut from."
            )
        corner = (places[0] - 0.5, places[0] - 0.5)
        heat.add_patch(Rectangle(corner, size, size, fill=False, edgecolor="black", lw=1.2))
