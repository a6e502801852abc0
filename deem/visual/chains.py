"""How the chains of a training moved: what samplers record in histories."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deem.core.history import History
from deem.utils.exception import ArgumentError
from deem.visual.convergence import plot_convergence

__all__ = ["plot_chains"]

_SERIES = {
    "acceptance": ("accepted moves", "fraction"),
    "stuck": ("chains that never moved", "fraction"),
    "effective_share": ("effective draws", "fraction of the draws"),
    "step_size": ("step size", ""),
}
"""Readable name and unit of what samplers record, in the order of the panels."""

_WIDE = 10.0
"""Ratio of the largest to the smallest step size from which their axis is logarithmic."""


def plot_chains(
    history: History | Mapping[str, History] | Sequence[History],
    *,
    target: float | None = None,
    labels: Sequence[str] | None = None,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw acceptance, stuck chains, effective draws and step size over the epochs.

    A panel each; what no history has recorded is left out.

    Parameters
    ----------
    history : History, or dict or sequence of History
        Of trainings with a sampler that may reject, or with persistent chains; several are drawn
        as in `plot_convergence`.
    target : float, optional
        The acceptance that tuning aims at, in (0, 1); a dashed line.
    labels : sequence of str, optional
        One a history, for the legend.
    ax : Axes or sequence of Axes, optional
        One a recorded series; by default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (n_series,)
        Array of Axes.

    Raises
    ------
    ArgumentError
        If no history has recorded any of the series, or `target` is outside (0, 1).

    Examples
    --------
    >>> history = History()
    >>> history.append(acceptance=0.4, stuck=0.1)
    >>> history.append(acceptance=0.5, stuck=0.0)
    >>> [axes.get_title() for axes in plot_chains(history)]
    ['accepted moves', 'chains that never moved']
    """
    if target is not None and not 0 < target < 1:
        raise ArgumentError(f"target={target}; it must lie between 0 and 1.")
    recorded = _recorded(history)
    if not recorded:
        raise ArgumentError(
            f"history has recorded none of {', '.join(_SERIES)}; fit with "
            "ContrastiveDivergence(persistent=True, sampler=DiscreteLangevin())."
        )
    axes = plot_convergence(history, series=list(recorded), labels=labels, ax=ax)
    for panel, (name, values) in zip(axes, recorded.items(), strict=True):
        title, unit = _SERIES[name]
        panel.set_title(title, fontsize=10)
        panel.set_ylabel(unit)
        _set_range(panel, name, values)
        if name == "acceptance" and target is not None:
            panel.axhline(target, color="0.3", linestyle="--", linewidth=1, zorder=1)
            panel.set_title(f"{title} (dashed: target {target:g})", fontsize=10)
    return axes


def _recorded(
    history: History | Mapping[str, History] | Sequence[History],
) -> dict[str, NDArray[np.float64]]:
    """Finite values of all histories by the names of the series that have any."""
    if isinstance(history, History):
        history = [history]
    histories = list(history.values()) if isinstance(history, Mapping) else list(history)
    pooled = {name: [x for one in histories for x in one.get(name, [])] for name in _SERIES}
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in pooled.items()}
    finite = {name: values[np.isfinite(values)] for name, values in arrays.items()}
    return {name: values for name, values in finite.items() if len(values)}


def _set_range(panel: Axes, name: str, values: NDArray[np.float64]) -> None:
    """Fractions start at 0; the acceptance goes to 1, the others as far as they need."""
    if name == "step_size":
        if 0 < values.min() <= values.max() / _WIDE:
            panel.set_yscale("log")
        return
    top = 1.0 if name == "acceptance" else min(1.0, 1.1 * float(values.max())) or 1.0
    # A line at 0 or at 1 is not cut in half.
    panel.set_ylim(-0.03 * top, 1.03 * top)
