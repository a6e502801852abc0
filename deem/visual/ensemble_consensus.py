"""Ways to combine the learners of ensembles between independent and joint training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, check_choice
from deem.visual._curves import (
    AXIS,
    Look,
    curve_of,
    draw_curve,
    draw_legend,
    finish,
    read_rows,
    seeds_note,
)
from deem.visual._grid import COLOURS, make_panels

__all__ = ["plot_consensus_of_fewer", "plot_consensus_sweep"]

_KEYS = ("seed", "beta", "method", "accuracy")

_METHODS = {
    "mean individual": Look("0.6", ":", "+"),
    "best individual": Look(COLOURS[6], ":", "x"),
    "vote": Look(COLOURS[4], "--", "s"),
    "majority vote": Look(COLOURS[4], "--", "s"),
    "probability mean": Look(COLOURS[5], "--", "^"),
    "score mean": Look(COLOURS[3], "--", "D"),
    "Dawid-Skene": Look(COLOURS[2], "-", "v"),
    "DEEM hard": Look(COLOURS[0], "-", "o", 2.0),
    "DEEM soft": Look(COLOURS[1], "-", "o", 2.0),
}
"""How methods are drawn, in the order of the legend; others follow in solid lines."""

_REASONS = {
    "error correlation": Look(COLOURS[6], "-", "o"),
    "any learner right": Look(COLOURS[2], "-", "s"),
}
"""What is drawn in the second panel."""


def plot_consensus_sweep(
    rows: Any,
    *,
    n_learners: int | None = None,
    show_seeds: bool = False,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw how right ways to combine learners are against the degree of joint training.

    Parameters
    ----------
    rows : object with rows, or sequence of dict
        Dicts with "seed", "beta", "method" and "accuracy", a fraction; one of each seed and method
        at a beta. Methods are drawn in the order "mean individual", "best individual", "majority
        vote" or "vote", "probability mean", "score mean", "Dawid-Skene", "DEEM hard", "DEEM soft",
        then all others. The rows of two more go to a second panel that shows why there is
        something to recover: "error correlation", in [-1, 1] and under "accuracy" as well, and
        "any learner right", the share of the samples.
    n_learners : int, optional
        Which rows are drawn if they have "n_learners", that of the ensemble after some were left
        out; by default those of most learners.
    show_seeds : bool
        Whether each seed is drawn as a thin line as well.
    ax : Axes or (Axes, Axes), optional
        One a panel; by default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (1,) or (2,)
        Array of Axes.

    Raises
    ------
    ArgumentError
        If a row is incomplete, if there are several where one is expected, or none of a way to
        combine learners.
    """
    found = _of_size(read_rows(rows, _KEYS, "rows"), n_learners)
    reasons = [name for name in _REASONS if any(row["method"] == name for row in found)]
    methods = _methods(found)
    axes = make_panels(ax, 1 + bool(reasons), 2, (4.4, 4.2))
    _draw_methods(axes[0], found, methods, AXIS, show_seeds)
    if reasons:
        for name in reasons:
            curve = curve_of(found, "accuracy", method=name)
            assert curve is not None  # noqa: S101
            draw_curve(axes[1], curve, name, _REASONS[name], show_seeds)
        finish(axes[1], AXIS, "correlation, or share of the samples")
        draw_legend(axes[1])
    return axes


def plot_consensus_of_fewer(
    rows: Any,
    *,
    beta: float | None = None,
    show_seeds: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw how right ways to combine learners are against the number of learners.

    Parameters
    ----------
    rows : object with rows, or sequence of dict
        As in `plot_consensus_sweep`, with "n_learners".
    beta : float, optional
        Degree of joint training; by default the highest.
    show_seeds : bool
        Whether each seed is drawn as a thin line as well.
    ax : Axes, optional
        By default that of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If a row is incomplete, or there are none of this degree.
    """
    found = read_rows(rows, (*_KEYS, "n_learners"), "rows")
    betas = sorted({row["beta"] for row in found})
    beta = betas[-1] if beta is None else beta
    check_choice("beta", beta, betas)
    found = [{**row, "beta": row["n_learners"]} for row in found if row["beta"] == beta]
    [panel] = make_panels(ax, 1, 1, (4.4, 4.2))
    _draw_methods(panel, found, _methods(found), f"learners (β = {beta:g})", show_seeds)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    return panel


def _methods(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ways to combine learners, known ones first."""
    names = dict.fromkeys(row["method"] for row in rows)
    found = [name for name in _METHODS if name in names]
    found += [name for name in names if name not in _METHODS and name not in _REASONS]
    if not found:
        raise ArgumentError(
            f"rows has only the methods {', '.join(map(str, names))}; add ways to combine."
        )
    return found


def _draw_methods(
    panel: Axes,
    rows: Sequence[Mapping[str, Any]],
    methods: Sequence[str],
    axis: str,
    show_seeds: bool,
) -> None:
    curves = []
    for place, name in enumerate(methods):
        curve = curve_of(rows, "accuracy", method=name)
        assert curve is not None  # noqa: S101
        other = Look(COLOURS[place % len(COLOURS)], "-.", "P")
        draw_curve(panel, curve, name, _METHODS.get(name, other), show_seeds)
        curves.append(curve)
    finish(panel, axis, "accuracy")
    draw_legend(panel, seeds_note(curves))


def _of_size(rows: list[Mapping[str, Any]], n_learners: int | None) -> list[Mapping[str, Any]]:
    """Rows of ensembles of one size; all if they do not tell it."""
    sizes = {row["n_learners"] for row in rows if "n_learners" in row}
    if n_learners is None:
        n_learners = max(sizes, default=None)
    if n_learners is not None:
        check_choice("n_learners", n_learners, sorted(sizes))
    return [row for row in rows if row.get("n_learners", n_learners) == n_learners]
