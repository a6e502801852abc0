"""Curves over the degree of joint training, made of tidy rows; shared by plots of ensembles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError
from deem.visual._grid import COLOURS

__all__ = [
    "AXIS",
    "DASHES",
    "Curve",
    "Look",
    "as_names",
    "curve_of",
    "draw_curve",
    "draw_legend",
    "finish",
    "nothing_found",
    "read_rows",
    "seeds_note",
    "set_log",
]

AXIS = "β (0 independent, 1 joint)"

DASHES = ("-", "--", ":", "-.")

_TICKS = (
    (20, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)),
    (1000, (1.0, 2.0, 5.0)),
    (np.inf, (1.0,)),
)
"""Ticks in each decade of a logarithmic axis, up to a ratio of what it shows."""

_LISTED = 20
"""Most values of a key that an error lists."""


@dataclass(frozen=True)
class Look:
    """Line, marker and width in points of a curve."""

    colour: str = COLOURS[0]
    dashes: str = "-"
    marker: str = "o"
    width: float = 1.5


@dataclass(frozen=True)
class Curve:
    """Values of several seeds against beta.

    Parameters
    ----------
    cells : dict of beta to dict of seed to value
        NaN where a value is not finite.
    """

    cells: dict[float, dict[Any, float]]

    @property
    def betas(self) -> list[float]:
        """In ascending order."""
        return sorted(self.cells)

    @property
    def mean(self) -> NDArray[np.float64]:
        """(n_betas,) over seeds; NaN where that of a seed is."""
        return np.array([np.mean(list(self.cells[beta].values())) for beta in self.betas])

    @property
    def error(self) -> NDArray[np.float64]:
        """(n_betas,) standard errors of the mean; NaN for one seed."""
        found = [np.array(list(self.cells[beta].values())) for beta in self.betas]
        return np.array([x.std(ddof=1) / len(x) ** 0.5 if len(x) > 1 else np.nan for x in found])

    @property
    def n_seeds(self) -> list[int]:
        """At each beta."""
        return [len(self.cells[beta]) for beta in self.betas]

    def of_seeds(self) -> list[tuple[list[float], list[float]]]:
        """Betas and values of each seed."""
        seeds = dict.fromkeys(seed for cell in self.cells.values() for seed in cell)
        points = ([(b, self.cells[b][s]) for b in self.betas if s in self.cells[b]] for s in seeds)
        return [([b for b, _ in line], [x for _, x in line]) for line in points]

    def over(self, other: Curve) -> Curve:
        """Ratio to another curve in each cell that both have; NaN where that one is 0."""
        found: dict[float, dict[Any, float]] = {}
        for beta, cell in self.cells.items():
            for seed, value in cell.items():
                below = other.cells.get(beta, {}).get(seed)
                if below is not None:
                    found.setdefault(beta, {})[seed] = value / below if below else np.nan
        return Curve(found)


def read_rows(result: Any, keys: Sequence[str], name: str = "result") -> list[Mapping[str, Any]]:
    """Rows of a result, each with all of the keys.

    Raises
    ------
    ArgumentError
        If there are none, or a row is no dict or lacks a key.
    """
    rows = list(getattr(result, "rows", result))
    if not rows:
        raise ArgumentError(f"{name} has no rows; there is nothing to draw.")
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ArgumentError(
                f"row {place} of {name} is {row!r:.60}; expected a dict with {', '.join(keys)}."
            )
        missing = [key for key in keys if key not in row]
        if missing:
            raise ArgumentError(
                f"row {place} of {name} has no {missing[0]!r}; a row needs {', '.join(keys)}."
            )
    return rows


def curve_of(
    rows: Iterable[Mapping[str, Any]], value: str = "value", **where: object
) -> Curve | None:
    """Curve of the rows that have these entries; None if there are none.

    Raises
    ------
    ArgumentError
        If a seed has several of them at one beta.
    """
    cells: dict[float, dict[Any, float]] = {}
    for row in rows:
        if any(row[key] != wanted for key, wanted in where.items()):
            continue
        cell = cells.setdefault(float(row["beta"]), {})
        if row["seed"] in cell:
            raise ArgumentError(
                f"there are several rows with {_listed(where)}, seed={row['seed']!r} and "
                f"beta={row['beta']:g}; keep one of them."
            )
        number = np.nan if row[value] is None else float(row[value])
        cell[row["seed"]] = number if np.isfinite(number) else np.nan
    return Curve(cells) if cells else None


def nothing_found(rows: Iterable[Mapping[str, Any]], **where: object) -> ArgumentError:
    """Error for rows that are not there, which lists those that are."""
    rows = list(rows)
    there = []
    for key in where:
        values = sorted({str(row[key]) for row in rows})
        more = ", ..." if len(values) > _LISTED else ""
        there.append(f"{key}: {', '.join(values[:_LISTED])}{more}")
    return ArgumentError(f"no rows have {_listed(where)}; there are {'; '.join(there)}.")


def _listed(where: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in where.items())


def as_names(name: str, values: str | Sequence[str]) -> list[str]:
    """Names from one or several.

    Raises
    ------
    ArgumentError
        If there are none.
    """
    found = [values] if isinstance(values, str) else list(values)
    if not found:
        raise ArgumentError(f"{name} is empty; name at least one.")
    return found


def draw_curve(
    panel: Axes, curve: Curve, label: str, look: Look = Look(), show_seeds: bool = False
) -> None:
    """Draw means with standard errors, and lines of the single seeds below them if asked for."""
    if show_seeds:
        for betas, values in curve.of_seeds():
            panel.plot(betas, values, look.dashes, color=look.colour, linewidth=0.6, alpha=0.45)
    panel.errorbar(
        curve.betas,
        curve.mean,
        yerr=curve.error if max(curve.n_seeds, default=0) > 1 else None,
        color=look.colour,
        linestyle=look.dashes,
        marker=look.marker,
        markersize=4,
        linewidth=look.width,
        elinewidth=1.0,
        capsize=2.5,
        label=label,
    )


def seeds_note(curves: Iterable[Curve]) -> str:
    """What the bars are; nothing if there is one seed."""
    counts = {count for curve in curves for count in curve.n_seeds}
    if max(counts) == 1:
        return ""
    few, many = min(counts), max(counts)
    return f"mean ± standard error of {many if few == many else f'{few}–{many}'} seeds"


def finish(panel: Axes, x: str, y: str) -> None:
    """Name the axes, and take away what is not needed."""
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    panel.grid(color="0.9", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def set_log(panel: Axes, values: NDArray[np.float64]) -> None:
    """Set a logarithmic scale, with a linear part around 0 if a value needs one.

    Parameters
    ----------
    panel : Axes
    values : (n,)
        What is drawn; without a positive one the scale stays linear.
    """
    positive = values[values > 0]
    if not positive.size:
        return
    if np.nanmin(values) <= 0:
        panel.set_yscale("symlog", linthresh=float(positive.min()))
        return
    panel.set_yscale("log")
    span = positive.max() / positive.min()
    panel.yaxis.set_major_locator(LogLocator(subs=next(x for most, x in _TICKS if span <= most)))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.yaxis.set_minor_locator(NullLocator())


def draw_legend(panel: Axes, title: str = "", columns: int = 2) -> None:
    """Draw a legend above a panel, where it covers no line."""
    panel.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        borderaxespad=0.2,
        ncols=columns,
        fontsize=9,
        title=title or None,
        title_fontsize=9,
        frameon=False,
    )
