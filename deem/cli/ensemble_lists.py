"""Names that settings of ensembles take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from deem.cli.results import _grid, _titled
from deem.core.optimizers import OPTIMIZERS, SCHEDULERS
from deem.datasets.images.layouts import IMAGE_LAYOUTS
from deem.datasets.tasks import TASKS, Task
from deem.ensembles.consensus import AGGREGATORS
from deem.ensembles.joint import MONITORS
from deem.ensembles.learners import LEARNERS
from deem.ensembles.schedules import SCHEDULES

__all__ = ["run_list"]


def run_list() -> None:
    """Print all names, from the dictionaries that the library looks them up in."""
    schedulers = [(name, "") for name in SCHEDULERS]
    schedulers += [
        (name, ", ".join(f"scheduler_{setting}" for setting in taken))
        for name, (_, taken) in SCHEDULES.items()
    ]
    tables = {
        "data: tasks": [(name, _sizes(task)) for name, task in TASKS.items()],
        "data: images in data_dir": [
            (name, _summary(layout.read)) for name, layout in IMAGE_LAYOUTS.items()
        ],
        "learner, learners": [(name, _summary(make)) for name, make in LEARNERS.items()],
        "optimizer": [(name, "") for name in OPTIMIZERS],
        "scheduler": schedulers,
        "monitor": [
            (name, "larger is better" if larger else "smaller is better")
            for name, larger in MONITORS.items()
        ],
        "aggregators": [(name, "") for name in AGGREGATORS],
    }
    console = Console()
    for title, rows in tables.items():
        console.print(_titled(title, _listed(rows)))


def _listed(rows: Iterable[tuple[str, str]]) -> Any:
    grid = _grid("", "")
    grid.show_header = False
    grid.columns[0].no_wrap = True
    grid.columns[1].justify = "left"
    for name, text in rows:
        grid.add_row(Text(name), Text(text))
    return grid


def _summary(made: Callable[..., Any]) -> str:
    """First line of a docstring."""
    return (inspect.getdoc(made) or "").partition("\n")[0]


def _sizes(task: Task) -> str:
    parts = {"training": task.n_train, "validation": task.n_validation}
    listed = " and ".join(
        f"{100 * size:.0f} % {name} samples" if size < 1 else f"{size} {name} samples"
        for name, size in parts.items()
    )
    return f"{listed} by default"
