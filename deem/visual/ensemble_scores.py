"""Where the learners of an ensemble stand around their mean, in the plane of two outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError, check_whole
from deem.visual._curves import finish
from deem.visual._grid import COLOURS, as_array, check_names, make_panels

__all__ = ["plot_learner_scores_2d"]

_SHAPE = "(n_samples, n_learners, n_outputs)"

_NAMED = 5
"""Learners up to which each is named."""


def plot_learner_scores_2d(
    scores: Any,
    y: Any = None,
    *,
    samples: int | Sequence[int] = 0,
    outputs: tuple[int, int] | None = None,
    output_names: Sequence[Any] | None = None,
    ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw the scores of the learners for single samples, with arrows from their mean.

    Learners that are trained together may go far apart in opposite directions while their mean,
    which alone is judged, stays where it is [1]_.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_outputs), or dict of label to such an array
        Of the learners of one ensemble, or of several to compare; one sample may come as
        (n_learners, n_outputs). Ensembles must agree in samples and outputs.
    y : (n_samples,) int, optional
        True classes.
    samples : int or sequence of int
        Which samples; one row of panels each, and one column an ensemble, on a common scale.
    outputs : (int, int), optional
        The plane; by default, for each sample, the true class and the best other one by the mean
        over all ensembles, or the two best classes without `y`.
    output_names : (n_outputs,), optional
        By default "class 0" and so on.
    ax : Axes or sequence of Axes, optional
        One a panel, row by row; by default a new figure, which is ``axes[0].figure``.

    Returns
    -------
    (n_samples_drawn * n_ensembles,)
        Array of Axes. On the dotted line both outputs are equal.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or there is one output.
    ArgumentError
        If a sample or an output is not there, or a score is not finite.

    References
    ----------
    .. [1] Jeffares, Liu, Crabbe, van der Schaar (2023), Joint training of deep ensembles fails due
       to learner collusion.

    Examples
    --------
    >>> (ax,) = plot_learner_scores_2d([[3.0, -1.0], [-1.0, 2.0]])
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('score of class 0', 'score of class 1')
    """
    found = _as_ensembles(scores)
    n_samples, n_outputs = next(iter(found.values())).shape[::2]
    names = check_names("output_names", output_names, n_outputs, "class")
    rows = list(samples) if isinstance(samples, (Sequence, np.ndarray)) else [samples]
    classes = _checked_classes(y, n_samples, n_outputs)
    _check_places("samples", rows, n_samples)
    if outputs is not None:
        _check_places("outputs", outputs, n_outputs)
    axes = make_panels(ax, len(rows) * len(found), len(found), (3.6, 3.5))
    for panels, row in zip(axes.reshape(len(rows), -1), rows, strict=True):
        truth = None if classes is None else int(classes[row])
        plane = (
            tuple(outputs)
            if outputs is not None
            else _plane([values[row] for values in found.values()], truth)
        )
        reach = _reach([values[row][:, plane] for values in found.values()])
        for panel, (label, values) in zip(panels, found.items(), strict=True):
            _draw_arrows(panel, values[row][:, plane], reach)
            x, y_label = (f"score of {names[k]}" + " (true)" * (k == truth) for k in plane)
            finish(panel, x, y_label)
            title = [label] if label else []
            panel.set_title(", ".join([*title, f"sample {row}"]), fontsize=10)
    return axes


def _as_ensembles(scores: Any) -> dict[str, NDArray[np.float64]]:
    """Scores (n_samples, n_learners, n_outputs) by label."""
    given = dict(scores) if isinstance(scores, Mapping) else {"": scores}
    if not given:
        raise ArgumentError("scores is empty; pass the scores of an ensemble.")
    found = {}
    for label, values in given.items():
        name = f"scores[{label!r}]" if label != "" else "scores"
        array = as_array(name, values, (2, 3), _SHAPE)
        array = array.reshape(-1, *array.shape[-2:])
        if array.shape[2] < 2:
            raise ShapeError(f"{name} has 1 output; a plane needs two of them.")
        if not np.isfinite(array).all():
            raise ArgumentError(f"{name} has values that are not finite; leave them out.")
        found[str(label)] = array
    shapes = {array.shape[::2] for array in found.values()}
    if len(shapes) > 1:
        raise ShapeError(
            f"scores has ensembles of {sorted(shapes)} samples and outputs; pass the same samples "
            "for all."
        )
    return found


def _check_places(name: str, places: Sequence[int], size: int) -> None:
    for place in places:
        check_whole(0, **{name: place})
        if place >= size:
            raise ArgumentError(f"{name} has {place}, but there are {size}; count from 0.")
    if not places or (name == "outputs" and len(set(places)) != 2):
        wanted = "two different ones" if name == "outputs" else "at least one"
        raise ArgumentError(f"{name}={places!r}; expected {wanted}.")


def _checked_classes(y: Any, n_samples: int, n_outputs: int) -> NDArray[np.float64] | None:
    if y is None:
        return None
    classes = np.atleast_1d(as_array("y", y, (0, 1), "(n_samples,)"))
    if len(classes) != n_samples:
        raise ShapeError(f"y has {len(classes)} entries, expected {n_samples}; pass one a sample.")
    wrong = ~np.isin(classes, np.arange(n_outputs))
    if wrong.any():
        raise ArgumentError(
            f"y has {classes[wrong][0]:g}, but there are {n_outputs} outputs; pass classes from 0."
        )
    return classes


def _plane(scores: Sequence[NDArray[np.float64]], truth: int | None) -> tuple[int, int]:
    """The true class and the best other, or the two best, by the mean over all ensembles."""
    mean = np.mean([values.mean(0) for values in scores], 0)
    order = [int(k) for k in np.argsort(-mean, kind="stable")]
    if truth is None:
        return order[0], order[1]
    return truth, next(k for k in order if k != truth)


def _reach(scores: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Limits of both axes, for all ensembles."""
    low, high = min(x.min() for x in scores), max(x.max() for x in scores)
    room = 0.15 * (high - low) or 1.0
    return float(low - room), float(high + room)


def _draw_arrows(panel: Axes, points: NDArray[np.float64], reach: tuple[float, float]) -> None:
    """Draw the learners (n_learners, 2), arrows that end at them, and their mean on top."""
    mean = points.mean(0)
    panel.axline((0, 0), slope=1, color="0.6", linewidth=0.9, linestyle=":", zorder=0)
    for place, point in enumerate(points):
        colour = COLOURS[place % len(COLOURS)]
        look = {"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 2}
        panel.annotate("", tuple(point), tuple(mean), arrowprops=look)
        panel.plot(*point, "o", color=colour, markersize=4.5)
        if len(points) <= _NAMED:
            _name(panel, f"$f_{{{place + 1}}}$", point, _angle(point - mean), colour)
    panel.plot(*mean, "*", color="black", markersize=11, markeredgecolor="white", zorder=5)
    _name(panel, r"$\bar{f}$", mean, _free_angle(points - mean), "black")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    panel.set_xlim(reach)
    panel.set_ylim(reach)
    panel.set_aspect("equal")


def _angle(way: NDArray[np.float64]) -> float:
    return float(np.arctan2(way[1], way[0]))


def _free_angle(ways: NDArray[np.float64]) -> float:
    """Middle of the widest angle between arrows."""
    angles = np.sort([_angle(way) for way in ways])
    gaps = np.diff(angles, append=angles[0] + 2 * np.pi)
    widest = int(np.argmax(gaps))
    return float(angles[widest] + gaps[widest] / 2)


def _name(panel: Axes, text: str, point: NDArray[np.float64], angle: float, colour: str) -> None:
    """Write a name beside a point, in the direction of an angle."""
    panel.annotate(
        text,
        tuple(point),
        (11 * np.cos(angle), 11 * np.sin(angle)),
        textcoords="offset points",
        ha="center",
        va="center",
        color=colour,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )
