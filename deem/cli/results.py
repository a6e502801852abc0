"""What comes out: files in one folder, and tables for the terminal."""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from deem.cli.pictures import draw_confusions, draw_convergence, draw_dependence, draw_skills
from deem.cli.tables import write_table
from deem.core.votes import Votes
from deem.estimators.consensus import DEEM
from deem.selection.dependence import DependenceMap

__all__ = [
    "accuracies",
    "accuracy_grid",
    "check_folder",
    "file_grid",
    "label_columns",
    "dependence_of",
    "label_grid",
    "skill_grid",
    "summary",
    "vote_accuracy",
    "write_results",
]

_MAPPED = 300
"""Most classifiers whose pairs are looked at."""

_ROWS = 20
"""Most rows of a table in the terminal."""


def write_results(
    model: DEEM,
    votes: Votes,
    folder: Path,
    suffix: str = ".csv",
    *,
    dependence: DependenceMap | None = None,
    truth: NDArray[np.float64] | None = None,
) -> list[tuple[Path, str]]:
    """Write everything that a fitted estimator found into one folder.

    Parameters
    ----------
    model : DEEM
        Fitted to `votes`.
    votes : Votes
        They name the tasks and classifiers.
    folder : Path
        Made if it is not there.
    suffix : ".csv" or ".parquet"
        Format of the tables.
    dependence : DependenceMap, optional
        From `dependence_of`; without it there is no picture of it.
    truth : (n_classifiers,), optional
        True accuracies, to compare the skills with in their picture.

    Returns
    -------
    list of (path, description)

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    files = {
        f"labels{suffix}": "consensus label of each task, and how sure it is",
        f"probabilities{suffix}": "probability of each class",
        f"skills{suffix}": "estimated accuracy of each classifier",
        "report.json": "model and why, health, who copies whom",
        "model.deem": "trained model, for deem predict and deem.load",
        "history.json": "objective of each epoch",
        "convergence.png": "the same as a picture",
        "confusions.png": "how each classifier votes, given the class",
        "skills.png": "estimated accuracies"
        + (", and how sure they are" if truth is None else "; the true ones are circles"),
        "dependence.png": "who copies whom",
    }
    if dependence is None:
        del files["dependence.png"]
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in files]
    write_table(paths[0], label_columns(votes, model.labels_, model.probas_))
    write_table(paths[1], probability_columns(votes, model.probas_))
    write_table(paths[2], skill_columns(model, votes))
    write_report(paths[3], model, dependence)
    model.save(paths[4])
    model.history_.to_json(paths[5])
    draw_convergence(model, paths[6])
    draw_confusions(model, votes, paths[7])
    draw_skills(model, paths[8], truth)
    if dependence is not None:
        draw_dependence(dependence, paths[9])
    return list(zip(paths, files.values(), strict=True))


def write_report(path: Path, model: DEEM, dependence: DependenceMap | None = None) -> None:
    """Write in JSON which model was chosen and why, the health, and who copies whom."""
    content = {
        "model": type(model.model_).__name__,
        "selection": model.selection_,
        "expected_accuracy": model.expected_accuracy_,
        "health": model.health_,
        "dependence": None if dependence is None else _copies(dependence),
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _copies(dependence: DependenceMap) -> dict[str, Any]:
    names = [str(name) for name in dependence.names]
    return {
        "clusters": [[names[i] for i in cluster] for cluster in dependence.clusters],
        "vote_weights": dict(zip(names, dependence.vote_weights.tolist(), strict=True)),
        "effective_voters": dependence.effective_voters,
    }


def dependence_of(model: DEEM, votes: Votes) -> DependenceMap | None:
    """Who copies whom; None of a single classifier, or of so many that it would take long."""
    return model.dependence(votes) if 2 <= votes.n_classifiers <= _MAPPED else None


def summary(model: DEEM, votes: Votes, dependence: DependenceMap | None = None) -> Text:
    """Sizes, the model and why it was taken, and who copies whom, a line each."""
    name, selection = type(model.model_).__name__, model.selection_
    chosen = f"{selection['chosen']} ({name}), {selection['reason']}" if selection else f"{name}."
    lines = [
        f"{votes.n_votes} votes of {votes.n_classifiers} classifiers on {votes.n_samples} tasks, "
        f"{votes.n_classes} classes: trained in {model.health_['n_iter']} passes.",
        f"Model: {chosen}",
        f"Dependence: {'; '.join(dependence.describe())}." if dependence else "",
    ]
    return Text("\n".join(filter(None, lines)))


def check_folder(folder: Path) -> None:
    """Raise before any work is done for a folder that cannot be written to; makes nothing.

    Raises
    ------
    OSError
        If it, or the nearest folder above it that exists, is a file or lacks the permission.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def label_columns(
    votes: Votes, labels: NDArray[Any], probabilities: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Columns of tasks, labels and the probability of the label."""
    return {
        _task_name(votes, ("label", "confidence")): _tasks(votes),
        "label": labels,
        "confidence": probabilities.max(axis=1),
    }


def probability_columns(
    votes: Votes, probabilities: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Columns of tasks and of the probability of each class, named by the classes."""
    names = [str(label) for label in votes.classes.tolist()]
    columns = {_task_name(votes, names): _tasks(votes)}
    return columns | dict(zip(names, probabilities.T, strict=True))


def skill_columns(model: DEEM, votes: Votes) -> dict[str, NDArray[Any]]:
    """Columns of classifiers, estimated accuracies, their deviations, and numbers of votes."""
    return {
        "worker": np.asarray(model.classifiers_),
        "skill": model.skills_,
        "std": model.skills_std_,
        "votes": votes.votes_per_classifier(),
    }


def accuracies(votes: Votes, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the votes of each classifier that name the true class.

    Parameters
    ----------
    votes : Votes
        Of D classifiers.
    codes : (n_samples,)
        True classes, -1 for a label that is none of them.

    Returns
    -------
    (D,)
        In [0, 1], NaN for classifiers without votes.
    """
    rows = np.repeat(np.arange(votes.n_samples), np.diff(votes.indptr))
    voters, labels = np.divmod(votes.columns, votes.n_classes)
    hits = np.bincount(voters, labels == codes[rows], minlength=votes.n_classifiers)
    cast = np.bincount(voters, minlength=votes.n_classifiers)
    return np.divide(hits, cast, out=np.full(len(cast), np.nan), where=cast > 0)


def vote_accuracy(votes: Votes, codes: NDArray[np.int64]) -> float:
    """Expected accuracy of the majority vote, if ties are broken by a fair draw.

    Parameters
    ----------
    votes : Votes
        A sample without votes is a tie of all classes.
    codes : (n_samples,)
        True classes, -1 for a label that is none of them.
    """
    shares = votes.vote_shares()
    shares[votes.empty_rows()] = 1 / votes.n_classes
    known = np.flatnonzero(codes >= 0)
    return float(shares[known, codes[known]].sum() / votes.n_samples)


def accuracy_grid(
    title: str,
    votes: Votes,
    codes: NDArray[np.int64],
    found: NDArray[np.int64],
    seconds: dict[str, float] | None = None,
) -> Group:
    """Compare the consensus with the majority vote and the classifiers.

    Parameters
    ----------
    title : str
        Of the table.
    votes : Votes
        On the samples with a known label.
    codes : (n_samples,)
        True classes, -1 for a label that is none of them.
    found : (n_samples,)
        Classes of the consensus.
    seconds : dict, optional
        Time that "majority vote" and "DEEM" took.
    """
    single = accuracies(votes, codes)
    best = int(np.nanargmax(single))
    names = _names(votes)
    rows = {
        "mean of the classifiers": float(np.nanmean(single)),
        f"best classifier: {names[best]}": float(single[best]),
        "majority vote": vote_accuracy(votes, codes),
        "DEEM": float(np.mean(found == codes)),
    }
    grid = _grid("", "accuracy", *(["seconds"] if seconds else []))
    for name, accuracy in rows.items():
        time = (seconds or {}).get(name)
        cells = [_percent(accuracy), "" if time is None else f"{time:.4f}"]
        grid.add_row(
            Text(name),
            *cells[: len(grid.columns) - 1],
            style="bold green" if name == "DEEM" else None,
        )
    return _titled(title, grid)


def skill_grid(model: DEEM, votes: Votes, truth: NDArray[np.float64] | None = None) -> Group:
    """Accuracies of the classifiers as DEEM estimates them, the most able ones first.

    Parameters
    ----------
    model : DEEM
        Fitted to `votes`.
    votes : Votes
        They name the classifiers.
    truth : (n_classifiers,), optional
        The true accuracies, for comparison.
    """
    extra = [] if truth is None else ["true"]
    grid = _grid("", "votes", "estimated", *extra)
    cast, names = votes.votes_per_classifier(), _names(votes)
    order = np.argsort(-model.skills_, kind="stable")
    for place in order[:_ROWS]:
        known = [] if truth is None else [_percent(truth[place])]
        estimated = _percent(model.skills_[place], model.skills_std_[place])
        grid.add_row(Text(names[place]), str(cast[place]), estimated, *known)
    return _titled(
        "Accuracy of each classifier, ± its standard deviation", grid, len(order) - _ROWS
    )


def label_grid(votes: Votes, labels: NDArray[Any], probabilities: NDArray[np.float64]) -> Group:
    """Consensus labels of the first samples."""
    grid = _grid(*label_columns(votes, labels, probabilities))
    confidence = probabilities.max(axis=1)
    for task, label, sure in list(zip(_tasks(votes), labels, confidence, strict=True))[:_ROWS]:
        grid.add_row(Text(str(task)), Text(str(label)), _percent(sure))
    return _titled("Consensus", grid, len(labels) - _ROWS)


def file_grid(title: str, files: Sequence[tuple[Path, str]]) -> Group:
    """Files that were written, and what they hold."""
    grid = _grid("", "")
    grid.show_header = False
    grid.columns[1].justify = "left"
    for path, description in files:
        grid.add_row(path.name, description)
    return _titled(title, grid)


def _grid(first: str, *others: str) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 2))
    grid.add_column(first, overflow="fold")
    for name in others:
        grid.add_column(name, justify="right")
    return grid


def _titled(title: str, grid: Grid, n_more: int = 0) -> Group:
    """Grid below its title, which may be wider than the grid is."""
    more = [Text(f"   and {n_more} more\n", style="dim")] if n_more > 0 else []
    return Group(Text(f"\n{title}", style="bold"), grid, *more)


def _percent(share: float, std: float | None = None) -> str:
    spread = "" if std is None else f" ± {100 * std:.1f}"
    return "-" if np.isnan(share) else f"{100 * share:.1f}{spread} %"


def _names(votes: Votes) -> list[str]:
    names = range(votes.n_classifiers) if votes.classifiers is None else votes.classifiers
    return [str(name) for name in names]


def _tasks(votes: Votes) -> NDArray[Any]:
    return np.arange(votes.n_samples) if votes.tasks is None else votes.tasks


def _task_name(votes: Votes, taken: Sequence[str]) -> str:
    name = votes.task_name or "task"
    while name in taken:
        name += "_"
    return name
