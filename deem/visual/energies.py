"""Free energies, or any other statistic, of data and of chains."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual._grid import COLOURS, as_array, make_panels

__all__ = ["plot_energies", "plot_traces"]

_FILL, _DARK_FILL, _EDGE = "#A6CEE8", "#2B6CA3", "#A83800"
"""A light area, its median, and a dark line, which stay apart in grey as well."""

_COLOURS = COLOURS[:-1]
"""Of single chains; black is for their mean."""

_BINS = (10, 60)
"""Fewest and most bins."""

_ROUNDING = 1e-9
"""Relative difference that passes for rounding."""

_SHORTEST = 4
"""Steps that an autocorrelation needs."""

_FADED = 0.05
"""Autocorrelation that passes for none."""


def plot_energies(
    data: Any,
    chains: Any,
    *,
    weights: Sequence[float] | NDArray[np.float64] | None = None,
    bins: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw histograms of free energies of data and of chains on common bins, with medians.

    The two cover each other if the chains stand where the model sees the data.

    Parameters
    ----------
    data : (n_samples,)
        In nats.
    chains : (n_chains,) or (steps, n_chains)
        In nats.
    weights : (n_samples,), optional
        How often each row of the data counts, at least 0 and not all 0.
    bins : int, optional
        At least 1; by default the square root of the shorter length, from 10 to 60.
    ax : Axes, optional
        By default that of a new figure, which is ``ax.figure``.

    Returns
    -------
    Axes

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ArgumentError
        If a value is not finite, or weights or bins are out of range.

    Examples
    --------
    >>> ax = plot_energies([-3.0, -2.0, -1.0], [-2.5, -1.0])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['data', 'median −2.00', 'chains', 'median −1.75']
    """
    values = _finite("data", data, (1,), "(n_samples,)")
    drawn = _finite("chains", chains, (1, 2), "(n_chains,) or (steps, n_chains)").ravel()
    counts = _check_weights(weights, len(values))
    edges = _edges(values, drawn, bins)
    panel: Axes = make_panels(ax, 1, 1, (4.8, 3.4))[0]
    share = np.histogram(values, edges, weights=counts)[0] / counts.sum()
    panel.stairs(share, edges, fill=True, color=_FILL, label="data")
    _draw_median(panel, _median(values, counts), _DARK_FILL, ":")
    share = np.histogram(drawn, edges)[0] / len(drawn)
    panel.stairs(share, edges, color=_EDGE, linewidth=1.6, label="chains")
    _draw_median(panel, float(np.median(drawn)), _EDGE, "--")
    _finish(panel, "free energy (nats)", "share")
    panel.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        borderaxespad=0.2,
        ncols=2,
        fontsize=9,
        frameon=False,
    )
    return panel


def plot_traces(
    series: Any,
    *,
    name: str = "free energy (nats)",
    warm_up: int = 0,
    n_shown: int = 8,
    ax: Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    r"""Draw chains over their steps with the running mean of all, and their autocorrelation.

    The autocorrelation is averaged over the chains, around the mean of all:

    .. math:: \rho_t = \frac{\sum_{s, c} (x_{s, c} - \bar x)(x_{s + t, c} - \bar x) / (S - t)}
       {\sum_{s, c} (x_{s, c} - \bar x)^2 / S}

    A correlation that stays high tells of chains that each keep a level of their own: they are
    stuck, or have different missing votes, which never move.

    Parameters
    ----------
    series : (steps, n_chains) or (steps,)
        One number a step and chain, such as the free energy.
    name : str
        What it is, with its unit.
    warm_up : int
        Steps at the start that count neither in the mean nor in the autocorrelation, which needs
        at least 4 others; shaded.
    n_shown : int
        Most chains that are drawn, at least 1; those shown are spread evenly over all.
    ax : (Axes, Axes), optional
        For the traces and for the autocorrelation; by default a new figure, which is
        ``axes[0].figure``.

    Returns
    -------
    (2,)
        Array of Axes: the traces, the autocorrelation.

    Raises
    ------
    ShapeError
        If `series` has another shape.
    ArgumentError
        If a value is not finite, or `warm_up` or `n_shown` is out of range.

    Examples
    --------
    >>> axes = plot_traces([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> axes[1].lines[-1].get_ydata().round(2).tolist()
    [1.0, -1.0, 1.0]
    """
    values = _finite("series", series, (1, 2), "(steps, n_chains) or (steps,)")
    values = values.reshape(len(values), -1)
    steps, n_chains = values.shape
    if not 0 <= warm_up <= steps - _SHORTEST:
        raise ArgumentError(
            f"warm_up={warm_up}, but series has {steps} steps; leave at least {_SHORTEST} of them."
        )
    if n_shown < 1:
        raise ArgumentError(f"n_shown={n_shown}; it must be at least 1.")
    axes = make_panels(ax, 2, 2, (3.8, 3.0))
    shown = np.linspace(0, n_chains - 1, min(n_shown, n_chains)).round().astype(int)
    _draw_traces(axes[0], values, shown, warm_up)
    _finish(axes[0], "step (shaded: left out)" if warm_up else "step", name)
    _draw_autocorrelation(axes[1], _autocorrelation(values[warm_up:]))
    _finish(axes[1], "lag (steps)", "correlation")
    for panel in axes:
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    return axes


def _finite(name: str, values: Any, n_dims: Sequence[int], shape: str) -> NDArray[np.float64]:
    array = as_array(name, values, n_dims, shape)
    wrong = ~np.isfinite(array)
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        at = ", ".join(map(str, place))
        raise ArgumentError(
            f"{name}[{at}]={array[place]}, and {wrong.sum()} of {array.size} values are not "
            "finite; leave them out, or find where the model diverged."
        )
    return array


def _check_weights(
    weights: Sequence[float] | NDArray[np.float64] | None, size: int
) -> NDArray[np.float64]:
    if weights is None:
        return np.ones(size)
    counts = _finite("weights", weights, (1,), "(n_samples,)")
    if len(counts) != size:
        raise ShapeError(f"weights has {len(counts)} entries, expected {size}; pass one a sample.")
    if counts.min() < 0 or not counts.any():
        raise ArgumentError(
            f"weights has the smallest entry {counts.min():g} and the sum {counts.sum():g}; pass "
            "weights of at least 0, not all of them 0."
        )
    return counts


def _edges(
    values: NDArray[np.float64], drawn: NDArray[np.float64], bins: int | None
) -> NDArray[np.float64]:
    """Common edges over the range of both."""
    if bins is None:
        bins = int(np.clip(np.sqrt(min(len(values), len(drawn))), *_BINS))
    if bins < 1:
        raise ArgumentError(f"bins={bins}; it must be at least 1.")
    pooled = np.concatenate([values, drawn])
    low, high = pooled.min(), pooled.max()
    if high - low <= _ROUNDING * max(1, abs(low), abs(high)):
        # One value but for rounding: in the middle of the middle bin.
        return np.linspace(low - 0.5, high + 0.5, (bins | 1) + 1)
    return np.linspace(low, high, bins + 1)


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Weighted median; the mean of both middles where half of the weight ends at one."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    middles = [np.searchsorted(total, total[-1] / 2, side) for side in ("left", "right")]
    return float(values[order][middles].mean())


def _draw_median(panel: Axes, median: float, colour: str, dashes: str) -> None:
    # The minus sign of the axis below.
    label = f"median {median:.2f}".replace("-", "−")
    panel.axvline(median, color=colour, linewidth=1.6, linestyle=dashes, label=label)


def _draw_traces(
    panel: Axes, values: NDArray[np.float64], shown: NDArray[np.int64], warm_up: int
) -> None:
    steps, n_chains = values.shape
    places = np.arange(1, steps + 1)
    for place, chain in enumerate(shown):
        colour = _COLOURS[place % len(_COLOURS)]
        panel.plot(places, values[:, chain], color=colour, linewidth=0.7, alpha=0.55)
    kept = values[warm_up:].mean(1)
    mean = kept.cumsum() / np.arange(1, len(kept) + 1)
    panel.plot(places[warm_up:], mean, color="white", linewidth=3.5)
    panel.plot(places[warm_up:], mean, color="black", linewidth=1.6)
    if warm_up:
        panel.axvspan(0.5, warm_up + 0.5, color="0.92", linewidth=0, zorder=0)
    few = f"{len(shown)} of {n_chains} chains" if len(shown) < n_chains else f"{n_chains} chains"
    panel.set_title(f"{few}, running mean in black", fontsize=10)
    panel.margins(x=0.01)


def _autocorrelation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of (steps, chains) at lags from 0; series that never change are wholly correlated."""
    steps = len(values)
    centred = values - values.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * steps, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum.mean(1), 2 * steps)[:steps] / np.arange(steps, 0, -1)
    if not np.ptp(values):
        return np.ones(steps)
    return covariance / covariance[0]


def _draw_autocorrelation(panel: Axes, rho: NDArray[np.float64]) -> None:
    """Up to half of the steps, or to three times the lag from which nothing is left."""
    faded = np.flatnonzero(rho < _FADED)
    enough = max(10, 3 * int(faded[0])) if len(faded) else len(rho)
    rho = rho[: min(enough, len(rho) // 2) + 1]
    panel.axhline(0, color="0.3", linewidth=0.8)
    panel.plot(
        np.arange(len(rho)), rho, color=_COLOURS[0], marker="o" if len(rho) <= 40 else None, ms=3
    )
    panel.set_ylim(min(-0.1, 1.1 * float(rho.min())), 1.05)
    panel.set_title("autocorrelation", fontsize=10)


def _finish(panel: Axes, x: str, y: str) -> None:
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    panel.ticklabel_format(useOffset=False)
    panel.grid(color="0.9", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
