"""Tables of ensembles for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from deem.cli.results import _grid, _percent, _titled
from deem.core.splits import Splits
from deem.ensembles.config import EnsembleConfig
from deem.ensembles.consensus import ConsensusResult
from deem.ensembles.results import SweepResult
from deem.ensembles.table import ArchitectureTable

__all__ = ["consensus_grid", "headline", "sweep_grid", "table_grid"]

_WHEN = {"last": "after the last epoch", "best": "where the validation samples were best"}


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _plain(value: float) -> str:
    return f"{value:.3g}"


_COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "accuracy": ("accuracy", _percent),
    "individual_accuracy": ("learners", _percent),
    "ensemble_loss": ("loss", _plain),
    "individual_loss": ("learners", _plain),
    "diversity": ("diversity", _plain),
    "debiased_drop": ("offsets", lambda value: f"{100 * value:.0f} %"),
    "drop_half_accuracy": ("½ dropped", _points),
    "drop_half_loss": ("½ dropped", lambda value: f"{value:+.2g}"),
}
"""Columns of a sweep by metric."""

_OF_CLASSES = (
    *("accuracy", "individual_accuracy", "diversity"),
    *("debiased_drop", "drop_half_accuracy"),
)
_OF_VALUES = (
    *("ensemble_loss", "individual_loss", "diversity"),
    *("debiased_drop", "drop_half_loss"),
)


def headline(config: EnsembleConfig, splits: Splits) -> str:
    """What was trained on what, in a line."""
    parts = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    counts = [f"{len(part)} {name}" for name, part in parts.items() if part is not None]  # type: ignore[arg-type]
    noise = (
        f", {100 * config.label_noise:.0f} % of the training labels wrong"
        if config.label_noise
        else ""
    )
    return (
        f"{config.data}: {', '.join(counts)} samples{noise}. {config.n_learners} learners, "
        f"{config.epochs} epochs, seeds {', '.join(map(str, config.seed_list))}."
    )


def sweep_grid(result: SweepResult, selection: str) -> Group:
    """Measures of the test samples, a row a beta, and paired differences to the first beta."""
    there = result.metrics(selection=selection)
    wanted = _OF_CLASSES if "accuracy" in there else _OF_VALUES
    metrics = [name for name in wanted if name in there]
    means = {
        name: [row["mean"] for row in result.table([name], selection=selection)]
        for name in metrics
    }
    baseline = result.betas[0]
    paired = result.paired(metrics[0], selection=selection, baseline=baseline)
    differences = {row["beta"]: row for row in paired}
    grid = _narrow("β", *(_COLUMNS[name][0] for name in metrics), "Δ ± SEM", "worse")
    for place, beta in enumerate(result.betas):
        cells = [_COLUMNS[name][1](means[name][place]) for name in metrics]
        grid.add_row(f"{beta:g}", *cells, *_difference(differences.get(beta), metrics[0]))
    unit = " in points" if metrics[0] == "accuracy" else ""
    return _titled(
        f"Test samples {_WHEN[selection]}; Δ to β = {baseline:g}{unit}, and worse seeds",
        grid,
    )


def table_grid(table: ArchitectureTable, selection: str) -> Group:
    """Independent against joint training, a row an architecture."""
    k = table.rows[0].get("k")
    names = ("parameters", "M", "single", "independent", "joint", "Δ ± SEM", "worse")
    grid, best = _narrow("learner", *names), _narrow("learner", "independent", "joint")
    for row in table.rows:
        cells = [f"{row['n_parameters']:,}", str(row["n_learners"])]
        cells += [_percent(row[name]) for name in ("single", "independent", "joint")]
        cells += _difference({**row, "mean": row["delta"]}, "accuracy")
        grid.add_row(row["learner"], *cells)
        if k is not None:
            shares = (row["independent_top_k"], row["joint_top_k"])
            best.add_row(row["learner"], *map(_percent, shares))
    title = f"Test accuracy {_WHEN[selection]}; Δ in points, and worse seeds"
    tables = [_titled(title, grid)]
    if k is not None:
        tables.append(_titled(f"The true class is among the {k} most probable ones", best))
    return Group(*tables)


def consensus_grid(found: ConsensusResult) -> Group:
    """Mean accuracies of all methods, a column a beta, for each number of learners."""
    sizes = sorted({row["n_learners"] for row in found.rows}, reverse=True)
    parts = [_titled(f"Test accuracy with {n} learners, by β", _methods(found, n)) for n in sizes]
    return Group(*parts)


def _methods(found: ConsensusResult, n_learners: int) -> Grid:
    grid = _narrow("", *(f"{beta:g}" for beta in found.betas))
    for method in found.methods:
        means = np.nanmean(found.values(method, n_learners), axis=0)
        is_share = method != "error correlation"
        cells = [f"{100 * mean:.1f} %" if is_share else f"{mean:.2f}" for mean in means]
        grid.add_row(Text(method), *cells, style="bold" if method.startswith("DEEM") else None)
    return grid


def _difference(row: Mapping[str, Any] | None, metric: str) -> list[str]:
    """Mean with its standard error, and the share of the seeds that are worse."""
    if row is None:
        return ["", ""]
    if metric == "accuracy":
        mean, sem, n_worse = f"{100 * row['mean']:+.2f}", f"{100 * row['sem']:.2f}", row["n_below"]
    else:
        mean, sem, n_worse = f"{row['mean']:+.2g}", f"{row['sem']:.1g}", row["n_above"]
    spread = "" if np.isnan(row["sem"]) else f" ± {sem}"
    return [mean + spread, f"{n_worse}/{row['n_seeds']}"]


def _narrow(first: str, *others: str) -> Grid:
    grid = _grid(first, *others)
    grid.padding, grid.pad_edge, grid.collapse_padding = (0, 1), False, True
    grid.columns[0].no_wrap = True
    return grid
