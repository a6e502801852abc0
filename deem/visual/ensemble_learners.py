"""Single ensembles: their training, and what happens when learners are dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from deem.core.history import History
from deem.utils.exception import ArgumentError
from deem.visual._curves import draw_legend, finish, set_log
from deem.visual._grid import COLOURS, make_panels

__all__ = ["plot_learner_drop", "plot_training_curves"]

_CHANGES = {
    "loss_increase": "increase of the loss",
    "accuracy_change": "change of the accuracy",
}

_PARTS = {"train": "training", "val": "validation"}

_QUANTITIES = {
    "loss": ("ensemble_loss", "individual_loss"),
    "accuracy": ("accuracy", "individual_accuracy"),
}
"""Series of the ensemble and of the mean of its learners."""

_FEW_POINTS = 30
"""Up to so many epochs each is marked by a dot."""


def plot_learner_drop(
    reports: Any, *, ax: Axes | Sequence[Axes] | NDArray[Any] | None = None
) -> NDArray[Any]:
    """Draw what happens to ensembles when learners are dropped at random.

    Parameters
    ----------
    reports : report, or dict of label to report
        A report is a dict, or something with ``to_dict()`` that gives it, with "n_learners" and
        "drop_curve": dicts with "n_kept", "loss_increase" and, where known, "accuracy_change"
        and the standard deviations over draws "loss_increase_std" and "accuracy_change_std".
    ax : Axes or (Axes, Axes), optional
        One a panel; by default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (1,) or (2,)
        Array of Axes: the loss, and the accuracy if a report knows it. All learners are drawn
        with no change.

    Raises
    ------
    ArgumentError
        If there is no report, or one has no drop curve, as without labels.

    Examples
    --------
    >>> curve = [{"n_kept": 2, "loss_increase": 0.1}]
    >>> (ax,) = plot_learner_drop({"n_learners": 4, "drop_curve": curve})
    >>> ax.lines[0].get_xdata().tolist()
    [0.0, 0.5]
    """
    found = _as_reports(reports)
    known = [
        key
        for key in _CHANGES
        if any(
            _number(point, key) is not None for r in found.values() for point in r["drop_curve"]
        )
    ]
    if not known:
        raise ArgumentError(f"the drop curves know neither {' nor '.join(_CHANGES)}; add one.")
    axes = make_panels(ax, len(known), 2, (4.2, 3.3))
    for panel, key in zip(axes, known, strict=True):
        for place, (label, report) in enumerate(found.items()):
            _draw_drops(panel, report, key, label, place)
        panel.axhline(0, color="0.3", linewidth=0.8, zorder=0)
        bars = "\n(bars: standard deviation over subsets)" if _has_bars(panel) else ""
        finish(panel, f"share of the learners dropped{bars}", _CHANGES[key])
        if len(found) > 1:
            draw_legend(panel, columns=3)
    return axes


def _as_reports(reports: Any) -> dict[str, dict[str, Any]]:
    """Reports as dicts by their labels; each has a drop curve that is not empty."""
    is_one = hasattr(reports, "to_dict") or "drop_curve" in reports
    found = {"": reports} if is_one else dict(reports)
    if not found:
        raise ArgumentError("reports is empty; pass a report, or a dict of label to report.")
    plain = {str(k): v.to_dict() if hasattr(v, "to_dict") else v for k, v in found.items()}
    for label, report in plain.items():
        where = f"reports[{label!r}]" if label else "reports"
        if not report.get("drop_curve"):
            raise ArgumentError(f"{where} has no drop curve; diagnose with the targets.")
        if not report.get("n_learners"):
            raise ArgumentError(f"{where} has no n_learners; pass a whole report.")
    return plain


def _number(point: Mapping[str, Any], key: str) -> float | None:
    value = point.get(key)
    return None if value is None else float(value)


def _has_bars(panel: Axes) -> bool:
    return any(getattr(drawn, "has_yerr", False) for drawn in panel.containers)


def _draw_drops(panel: Axes, report: Mapping[str, Any], key: str, label: str, place: int) -> None:
    """Draw the points of a report that know the change; all learners come first."""
    points = sorted(
        (1 - point["n_kept"] / report["n_learners"], value, _number(point, f"{key}_std") or 0.0)
        for point in report["drop_curve"]
        if (value := _number(point, key)) is not None
    )
    shares, values, spread = np.array([(0.0, 0.0, 0.0), *points]).T
    panel.errorbar(
        shares,
        values,
        yerr=spread if spread.any() else None,
        color=COLOURS[place % len(COLOURS)],
        marker="os^Dv"[place % 5],
        markersize=4,
        linewidth=1.5,
        elinewidth=1.0,
        capsize=2.5,
        label=label,
    )


def plot_training_curves(
    histories: History | Mapping[str, Any],
    *,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw losses and accuracies of ensembles over epochs, beside those of their learners.

    Parameters
    ----------
    histories : History, or dict of label to History
        With some of the series "train_ensemble_loss", "train_individual_loss", "train_accuracy",
        "train_individual_accuracy" and the same with "val" for "train".
    ax : Axes or sequence of Axes, optional
        One a panel; by default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (n_panels,)
        Array of Axes: for losses, on a logarithmic scale, and then for accuracies, one panel of
        the training samples and one of those held out, as far as recorded. Ensembles are solid,
        the means over their learners dashed; the two panels have a common scale in a new figure.

    Raises
    ------
    ArgumentError
        If none of the series is there.

    Examples
    --------
    >>> history = History()
    >>> history.append(train_ensemble_loss=2.0, train_individual_loss=2.5)
    >>> [panel.get_title() for panel in plot_training_curves({"β = 0": history})]
    ['training']
    """
    # A history is itself a mapping, of names to series.
    found = {"": histories} if isinstance(histories, History) else dict(histories)
    shown = [
        (quantity, part)
        for quantity, names in _QUANTITIES.items()
        for part in _PARTS
        if any(f"{part}_{name}" in history for history in found.values() for name in names)
    ]
    if not shown:
        there = sorted({name for history in found.values() for name in history})
        raise ArgumentError(
            f"histories hold none of the series train_ensemble_loss, train_individual_loss, "
            f"train_accuracy, ...; there are: {', '.join(map(str, there)) or 'none'}."
        )
    axes = make_panels(ax, len(shown), len({part for _, part in shown}), (3.9, 2.8))
    for panel, (quantity, part) in zip(axes, shown, strict=True):
        for place, history in enumerate(found.values()):
            _draw_pair(panel, history, part, quantity, COLOURS[place % len(COLOURS)])
        panel.set_title(_PARTS[part], fontsize=10)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        finish(panel, "epoch", quantity)
    _scale(axes, [quantity for quantity, _ in shown], ax is None)
    _draw_keys(axes, list(found), ax is None)
    return axes


def _draw_pair(
    panel: Axes, history: Mapping[str, Sequence[float]], part: str, quantity: str, colour: str
) -> None:
    """Draw the ensemble and the mean of its learners."""
    for name, dashes in zip(_QUANTITIES[quantity], ("-", "--"), strict=True):
        if f"{part}_{name}" not in history:
            continue
        values = np.asarray(history[f"{part}_{name}"], dtype=float)
        # Series that are measured now and then are NaN in between, where a line would break.
        measured = np.flatnonzero(np.isfinite(values))
        marker = "o" if len(measured) <= _FEW_POINTS else None
        panel.plot(
            measured + 1, values[measured], dashes, color=colour, marker=marker, ms=3, lw=1.5
        )


def _scale(axes: NDArray[Any], quantities: Sequence[str], is_new: bool) -> None:
    """Losses above 0 on logarithmic scales; panels of one quantity of ours on a common scale."""
    for name in set(quantities):
        panels = [panel for panel, found in zip(axes, quantities, strict=True) if found == name]
        drawn = [np.asarray(line.get_ydata()) for panel in panels for line in panel.lines]
        if name == "loss":
            values = np.concatenate(drawn)
            for panel in panels if values.size and values.min() > 0 else ():
                set_log(panel, values)
        if is_new:
            ends = [panel.get_ylim() for panel in panels]
            for panel in panels:
                panel.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


def _draw_keys(axes: NDArray[Any], labels: list[str], is_new: bool) -> None:
    """Name colours and dashes, above all panels of a figure of ours, else in the first panel."""
    keys = [
        Line2D([], [], color=COLOURS[place % len(COLOURS)], lw=3, label=label)
        for place, label in enumerate(labels)
        if label
    ]
    for label, dashes in (("ensemble", "-"), ("mean learner", "--")):
        keys.append(Line2D([], [], color="0.3", ls=dashes, lw=1.5, label=label))
    if is_new:
        figure = axes[0].figure
        columns = max(2, min(len(keys), int(figure.get_figwidth() / 1.6)))
        figure.legend(handles=keys, loc="outside upper center", ncols=columns, frameon=False)
    else:
        axes[0].legend(handles=keys, frameon=False, fontsize=8)
