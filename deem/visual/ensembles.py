"""Ensembles between independent and joint training: sweeps over the degree of joint training.

A sweep is a sequence of rows, or anything with the attribute ``rows``. A row is a dict with
"seed", "beta", "split" ("train", "validation", "test"), "selection" ("last", "best"), "metric" and
"value"; a seed has one row of a kind at each beta. Values that are not finite leave a gap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from deem.visual._curves import (
    AXIS,
    DASHES,
    Curve,
    Look,
    as_names,
    curve_of,
    draw_curve,
    draw_legend,
    finish,
    nothing_found,
    read_rows,
    seeds_note,
    set_log,
)
from deem.visual._grid import COLOURS, make_panels

__all__ = [
    "plot_beta_sweep",
    "plot_collusion_panel",
    "plot_train_test_diversity",
]

_KEYS = ("seed", "beta", "split", "selection", "metric", "value")

_NAMES = {
    "accuracy": "accuracy of the ensemble",
    "individual_accuracy": "mean accuracy of the learners",
    "ensemble_loss": "loss of the ensemble",
    "individual_loss": "mean loss of the learners",
    "debiased_drop": "share of diversity by constant offsets",
    "collusion_index": "share of spread by constant offsets",
    "error_correlation": "correlation of errors",
    "oracle_accuracy": "share where any learner is right",
}
"""Readable names of metrics; the others are written as they are."""

_SELECTIONS = {"last": "last epoch", "best": "best epoch"}

_SHARES = {"quarter": "25 %", "half": "50 %", "three_quarters": "75 %"}

_DROP = re.compile(r"drop_(quarter|half|three_quarters|\d+)_(accuracy|loss)$")


def plot_beta_sweep(
    result: Any,
    metric: str = "accuracy",
    *,
    split: str | Sequence[str] = "test",
    selection: str | Sequence[str] = ("last", "best"),
    show_seeds: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric against the degree of joint training, with standard errors over seeds.

    Parameters
    ----------
    result : object with rows, or sequence of dict
        See the top of this module.
    metric : str
        What is drawn.
    split, selection : str or sequence of str
        One line for each pair of which there are rows.
    show_seeds : bool
        Whether each seed is drawn as a thin line as well.
    ax : Axes, optional
        By default that of a new figure, which is ``ax.figure``.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If a row is incomplete, if there are several where one is expected, or none to draw.

    Examples
    --------
    >>> kind = {"split": "test", "selection": "last", "metric": "accuracy"}
    >>> rows = [{**kind, "seed": 0, "beta": beta, "value": 0.9 - beta / 10} for beta in (0, 1)]
    >>> ax = plot_beta_sweep(rows)
    >>> ax.lines[0].get_ydata().tolist()
    [0.9, 0.8]
    """
    rows = read_rows(result, _KEYS)
    splits, selections = as_names("split", split), as_names("selection", selection)
    curves = {}
    for part in splits:
        for chosen in selections:
            curve = curve_of(rows, metric=metric, split=part, selection=chosen)
            if curve is not None:
                curves[part, chosen] = curve
    if not curves:
        raise nothing_found(rows, metric=metric, split=split, selection=selection)
    panel: Axes = make_panels(ax, 1, 1, (4.8, 3.6))[0]
    for (part, chosen), curve in curves.items():
        place = splits.index(part) if len(splits) > 1 else selections.index(chosen)
        dashes = DASHES[selections.index(chosen) % len(DASHES)]
        marker = "os^D"[place % 4]
        label = _SELECTIONS.get(chosen, chosen)
        label = f"{part}, {label}" if len(splits) > 1 else label
        look = Look(COLOURS[place % len(COLOURS)], dashes, marker)
        draw_curve(panel, curve, label, look, show_seeds)
    name = _NAMES.get(metric, metric.replace("_", " "))
    finish(panel, AXIS, name if len(splits) > 1 else f"{name}, {splits[0]}")
    draw_legend(panel, seeds_note(curves.values()))
    return panel


def plot_train_test_diversity(
    result: Any,
    *,
    selection: str | Sequence[str] = "last",
    show_seeds: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the diversity of training and test samples against the degree of joint training.

    Diversity that is learnt, but does not carry over to new samples, shows as lines that part.

    Parameters
    ----------
    result, selection, show_seeds, ax
        As in `plot_beta_sweep`. The metric is "diversity".

    Returns
    -------
    Axes
        On a logarithmic scale; linear next to 0 if there is no diversity somewhere.

    Raises
    ------
    ArgumentError
        As in `plot_beta_sweep`.
    """
    panel = plot_beta_sweep(
        result,
        "diversity",
        split=("train", "test"),
        selection=selection,
        show_seeds=show_seeds,
        ax=ax,
    )
    means = np.concatenate([bars[0].get_ydata() for bars in panel.containers])
    set_log(panel, means)
    return panel


def plot_collusion_panel(
    result: Any,
    *,
    split: str = "test",
    selection: str = "last",
    show_seeds: bool = False,
    ax: Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw three signs of collusion against the degree of joint training.

    Learners that collude have a diversity far above the loss of their ensemble, need each other,
    and differ by constants [1]_. The panels are the loss of the ensemble over its diversity; the
    change of accuracy, or of loss if there are no accuracies, when learners are dropped at random;
    and the share of the diversity that goes with constant offsets of the learners.

    Parameters
    ----------
    result : object with rows, or sequence of dict
        See the top of this module. The metrics are "ensemble_loss", "diversity", "debiased_drop"
        and one or several of the changes "drop_<share>_accuracy" or "drop_<share>_loss", where the
        share is "quarter", "half", "three_quarters" or a number of percents.
    split, selection : str
        Which rows are drawn.
    show_seeds : bool
        Whether each seed is drawn as a thin line as well.
    ax : (Axes, Axes, Axes), optional
        By default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (3,)
        Array of Axes.

    Raises
    ------
    ArgumentError
        If a row is incomplete, or a metric has no rows.

    References
    ----------
    .. [1] Jeffares, Liu, Crabbe, van der Schaar (2023), Joint training of deep ensembles fails due
       to learner collusion.
    """
    rows = read_rows(result, _KEYS)
    where = {"split": split, "selection": selection}
    loss, diversity, drop = (
        _needed(rows, metric=metric, **where)
        for metric in ("ensemble_loss", "diversity", "debiased_drop")
    )
    kind, changes = _changes(rows, where)
    axes = make_panels(ax, 3, 3, (3.5, 3.3))
    ratio = loss.over(diversity)
    draw_curve(axes[0], ratio, "", show_seeds=show_seeds)
    set_log(axes[0], ratio.mean)
    for place, (label, curve) in enumerate(changes.items()):
        look = Look(COLOURS[place % len(COLOURS)], marker="os^D"[place % 4])
        draw_curve(axes[1], curve, label, look, show_seeds)
    draw_curve(axes[2], drop, "", show_seeds=show_seeds)
    for panel in axes[1:]:
        panel.axhline(0, color="0.3", linewidth=0.8, zorder=0)
    finish(axes[0], AXIS, "ratio")
    finish(axes[1], AXIS, f"change of the {kind}")
    finish(axes[2], AXIS, "share of the diversity")
    titles = ("loss of the ensemble / diversity", "learners dropped", "constant offsets")
    for panel, title in zip(axes, titles, strict=True):
        panel.set_title(title, fontsize=10)
    # The lines part on the right.
    side = "lower left" if kind == "accuracy" else "upper left"
    axes[1].legend(loc=side, frameon=False, fontsize=9)
    note = seeds_note([loss, diversity, drop, *changes.values()])
    if ax is None:
        axes[0].figure.suptitle(", ".join(filter(None, [split, note])), fontsize=10)
    return axes


def _needed(rows: Sequence[Mapping[str, Any]], **where: str) -> Curve:
    curve = curve_of(rows, **where)
    if curve is None:
        raise nothing_found(rows, **where)
    return curve


def _changes(
    rows: Sequence[Mapping[str, Any]], where: Mapping[str, str]
) -> tuple[str, dict[str, Curve]]:
    """What changes when learners are dropped, and its curves by the share that is dropped."""
    found: dict[str, list[tuple[int, str]]] = {"accuracy": [], "loss": []}
    there = [row for row in rows if all(row[key] == value for key, value in where.items())]
    for metric in {row["metric"] for row in there}:
        match = _DROP.match(metric)
        if match:
            share = _SHARES.get(match[1], f"{match[1]} %")
            found[match[2]].append((int(share[:-2]), metric))
    kind = "accuracy" if found["accuracy"] else "loss"
    if not found[kind]:
        raise nothing_found(rows, metric="drop_half_accuracy", **where)
    return kind, {
        f"{share} %": _needed(there, metric=metric, **where)
        for share, metric in sorted(found[kind])
    }
