"""Skills of all classifiers, with how sure they are."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual._grid import as_array, check_names, make_panels

__all__ = ["plot_skills"]

_ROW = 0.22
"""Height of a classifier in inches."""

_NAMED = 60
"""Classifiers up to which each is named; more are ranked without names, at a height for 40."""


def plot_skills(
    skills: Any,  # noqa: ANN401
    std: Any = None,  # noqa: ANN401
    names: Sequence[Any] | None = None,
    *,
    reference: Sequence[float] | NDArray[np.float64] | float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the skill of every classifier, the best on top, with bars of two deviations.

    Parameters
    ----------
    skills : (n_classifiers,)
        Accuracies in [0, 1]; NaN is left empty.
    std : (n_classifiers,), optional
        Their standard deviations, at least 0; the bars are cut at 0 and 1.
    names : (n_classifiers,), optional
        By default "classifier 0" and so on. Above 60 classifiers none is written.
    reference : (n_classifiers,) or float, optional
        Accuracies to compare with, one each, as circles; or one for all, as a line.
    ax : Axes, optional
        By default that of a new figure, which is ``ax.figure``.

    Returns
    -------
    Axes

    Raises
    ------
    ShapeError
        If the arguments are not of one length.
    ArgumentError
        If a skill is outside [0, 1], or a deviation below 0.

    Examples
    --------
    >>> ax = plot_skills([0.7, 0.9], [0.05, 0.01], ["Ann", "Bob"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['Bob', 'Ann']
    """
    values = as_array("skills", skills, (1,), "(n_classifiers,)")
    labels = check_names("names", names, len(values), "classifier")
    spread = np.zeros_like(values) if std is None else as_array("std", std, (1,), "(n,)")
    check_names("std", list(spread), len(values), "")
    _check_range(values, spread)
    shown = min(len(values), 40 if len(values) > _NAMED else _NAMED)
    panel: Axes = make_panels(ax, 1, 1, (5.0, 0.9 + _ROW * shown))[0]
    order = np.argsort(-values, kind="stable")
    places = np.arange(len(values))
    best, spread = values[order], spread[order]
    ends = np.stack([best - np.maximum(best - 2 * spread, 0), np.minimum(2 * spread, 1 - best)])
    bars = None if std is None else ends
    panel.errorbar(best, places, xerr=bars, fmt="o", ms=4, capsize=2, lw=1.2, label="estimated")
    if reference is not None:
        _draw_reference(panel, reference, order)
    _finish(panel, [labels[place] for place in order], bars is not None, reference is not None)
    return panel


def _check_range(values: NDArray[np.float64], spread: NDArray[np.float64]) -> None:
    wrong = (values < 0) | (values > 1) | (spread < 0)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ArgumentError(
            f"skills[{at}]={values[at]:.4g} with std {spread[at]:.4g}; skills are fractions in "
            "[0, 1], and deviations at least 0."
        )


def _draw_reference(panel: Axes, reference: Any, order: NDArray[np.int64]) -> None:  # noqa: ANN401
    if np.ndim(reference) == 0:
        panel.axvline(float(reference), color="0.4", lw=1, ls="--", label="reference")
        return
    known = as_array("reference", reference, (1,), "(n_classifiers,) or a number")
    if len(known) != len(order):
        raise ShapeError(
            f"reference has {len(known)} entries, expected {len(order)}; pass one each, or one "
            "number for all."
        )
    places = np.arange(len(order))
    panel.plot(known[order], places, "o", mfc="none", mec="0.2", ms=8, label="reference")


def _finish(panel: Axes, labels: list[str], has_bars: bool, has_reference: bool) -> None:
    """Write names and axes; the best classifier is on top."""
    if len(labels) <= _NAMED:
        short = [textwrap.shorten(label, 30, placeholder="…") or "…" for label in labels]
        panel.set_yticks(range(len(labels)), short, fontsize=7)
    else:
        panel.set_ylabel(f"rank among {len(labels)} classifiers", fontsize=9)
    panel.set_ylim(len(labels) - 0.4, -0.6)
    panel.set_xlabel("accuracy, ± 2 standard deviations" if has_bars else "accuracy", fontsize=9)
    panel.tick_params(labelsize=7)
    panel.grid(axis="x", color="0.9", lw=0.7)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    if has_reference:
        panel.legend(fontsize=8, frameon=False, loc="lower right")
