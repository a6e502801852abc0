"""How training went: the series of one or several histories."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from deem.core.history import History
from deem.utils.exception import ArgumentError, ShapeError
from deem.visual._grid import COLOURS, make_panels

__all__ = ["plot_convergence"]

_KNOWN = {
    "objective": ("objective", "nats a sample"),
    "log_likelihood": ("log-likelihood", "nats a sample"),
    "free_energy": ("free energy of the data", "nats a sample"),
    "free_energy_gap": ("free energy, data minus chains", "nats a sample"),
    "pseudo_likelihood": ("pseudo-likelihood", "nats a sample"),
    "reconstruction_error": ("reconstruction error", "squared, a sample"),
    "accuracy": ("accuracy", "fraction"),
    "acceptance": ("accepted moves", "fraction"),
}
"""Readable name and unit of the series that the library records."""

_DASHES = ("-", "--", ":", "-.")

_WIDTH = 3.6
"""Of a panel in a new figure, in inches."""

_ENTRY = (0.085, 0.65)
"""Width of a legend entry in inches: a character, and what stands beside the text."""

_FEW_POINTS = 30
"""Up to so many measurements each is marked by a dot."""


def plot_convergence(
    history: History | Mapping[str, History] | Sequence[History],
    *,
    series: str | Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw the series of a training over its epochs, one panel each.

    Parameters
    ----------
    history : History, or dict or sequence of History
        Several are drawn as lines of different colours in the same panels; the keys of a dict
        are their labels.
    series : str or sequence of str, optional
        Names of series; by default all of them, those that the library records first.
    labels : sequence of str, optional
        One a history, for the legend.
    ax : Axes or sequence of Axes, optional
        One a series; by default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (n_series,)
        Array of Axes.

    Raises
    ------
    ArgumentError
        If a series is in none of the histories, or there is nothing to draw.

    Examples
    --------
    >>> history = History()
    >>> history.append(objective=-2.0, accuracy=0.5)
    >>> history.append(objective=-1.5, accuracy=0.75)
    >>> [axes.get_title() for axes in plot_convergence(history)]
    ['objective', 'accuracy']
    """
    histories, labels = _as_lists(history, labels)
    chosen = _chosen_series(histories, series)
    columns = {1: 1, 2: 2, 4: 2}.get(len(chosen), 3)
    axes = make_panels(ax, len(chosen), columns, (_WIDTH, 2.8))
    for panel, name in zip(axes, chosen, strict=True):
        _draw_series(panel, name, histories, labels)
    if labels is not None:
        _draw_legend(axes, columns * _WIDTH if ax is None else None)
    return axes


def _as_lists(
    history: History | Mapping[str, History] | Sequence[History], labels: Sequence[str] | None
) -> tuple[list[History], list[str] | None]:
    if isinstance(history, History):
        histories = [history]
    elif isinstance(history, Mapping):
        histories = list(history.values())
        labels = list(history) if labels is None else labels
    else:
        histories = list(history)
    if labels is None:
        labels = [f"history {place}" for place in range(len(histories))]
        return histories, labels if len(histories) > 1 else None
    if len(labels) != len(histories):
        raise ShapeError(
            f"labels has {len(labels)} entries, expected {len(histories)}; pass one a history."
        )
    return histories, [str(label) for label in labels]


def _chosen_series(histories: Sequence[History], series: str | Sequence[str] | None) -> list[str]:
    recorded = dict.fromkeys(name for history in histories for name in history)
    available = [name for name in _KNOWN if name in recorded]
    available += sorted(recorded.keys() - _KNOWN.keys())
    if not available:
        raise ArgumentError("history holds no series; fit the model first.")
    if series is None:
        return available
    chosen = [series] if isinstance(series, str) else list(series)
    unknown = [name for name in chosen if name not in available]
    if unknown or not chosen:
        raise ArgumentError(
            f"series={series!r} names no recorded series; choose from: {', '.join(available)}."
        )
    return chosen


def _draw_series(
    panel: Axes, name: str, histories: Sequence[History], labels: Sequence[str] | None
) -> None:
    for place, history in enumerate(histories):
        if name not in history:
            continue
        values = np.asarray(history[name])
        # Series that are measured now and then are NaN in between, where a line would break.
        measured = np.flatnonzero(np.isfinite(values))
        panel.plot(
            measured + 1,
            values[measured],
            color=COLOURS[place % len(COLOURS)],
            linestyle=_DASHES[place // len(COLOURS) % len(_DASHES)],
            linewidth=1.5,
            marker="o" if len(measured) <= _FEW_POINTS else None,
            markersize=3,
            label=None if labels is None else labels[place],
        )
    title, unit = _KNOWN.get(name, (name.replace("_", " "), ""))
    panel.set_title(title, fontsize=10)
    panel.set_ylabel(unit)
    panel.set_xlabel("epoch")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    panel.ticklabel_format(axis="y", useOffset=False)
    panel.grid(color="0.9", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_legend(axes: NDArray[Any], width: float | None) -> None:
    """Above all panels of a figure of ours of this width, else inside the first panel."""
    found: dict[Any, Any] = {}
    for panel in axes:
        handles, names = panel.get_legend_handles_labels()
        found |= dict(zip(names, handles, strict=True))
    if width is not None:
        entry = _ENTRY[0] * max(map(len, found)) + _ENTRY[1]
        axes[0].figure.legend(
            found.values(),
            found.keys(),
            loc="outside upper center",
            ncols=max(1, min(len(found), int(width / entry))),
            frameon=False,
        )
    else:
        axes[0].legend(found.values(), found.keys(), frameon=False)
