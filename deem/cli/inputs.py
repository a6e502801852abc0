"""From the columns of a file to votes and true labels."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.cli.tables import Table, read_table
from deem.core.labels import listed
from deem.core.reading import read_votes
from deem.core.votes import Votes
from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError

__all__ = ["ColumnNames", "Expected", "read_class_prior", "read_truth_file", "read_votes_file"]

_TASK_NAMES = ("task", "id", "", "__index_level_0__")
"""Columns that name the samples unless the user says otherwise; pandas writes the last two."""

_NUMBER = re.compile(r"(-?(?:0|[1-9]\d*))(\.\d+)?")
"""A number that is written the usual way; 007 is a name."""

_FREQUENCY = re.compile(r"(.+?)=([\d.eE+-]+)(?:,|$)")
"""A class and its frequency; a name may hold commas."""

_IDENTIFIER_ROWS = 20
"""From so many rows on, a column without a repeated entry is taken for an identifier, and columns
without a common one are not taken for votes."""

_IF_LONG = (
    "if each row is one vote, name its columns by "
    "--task-column, --worker-column and --label-column"
)
"""Cure of a long table that was read as a wide one."""


@dataclass(frozen=True)
class ColumnNames:
    """Names of columns as the user gave them; None for the usual ones.

    Parameters
    ----------
    task : str, optional
        What was voted on: "task", and in tables of one classifier a column also "id" or a column
        without a name.
    worker : str, optional
        Who voted: "worker".
    label : str, optional
        The vote, or the true label: "label".
    """

    task: str | None = None
    worker: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Expected:
    """What a trained model expects of votes.

    Parameters
    ----------
    classes : (n_classes,)
        Its labels.
    classifiers : (n_classifiers,)
        Their names.
    """

    classes: NDArray[Any]
    classifiers: NDArray[Any]


def read_votes_file(
    path: Path,
    names: ColumnNames | None = None,
    *,
    n_classes: int | None = None,
    expected: Expected | None = None,
) -> Votes:
    """Votes in a file.

    A table with the columns of tasks, workers and labels is long, one vote a row. Any other is
    wide: one sample a row, and every column but that of the tasks is a classifier. A wide table
    that looks like a long one is an error.

    Parameters
    ----------
    path : Path
        CSV or Parquet, see `deem.cli.tables.read_table`.
    names : ColumnNames, optional
        Of the columns. Naming the worker or the label makes the table a long one.
    n_classes : int, optional
        Labels are then 0..n_classes - 1.
    expected : Expected, optional
        Classes and classifiers of a trained model.

    Returns
    -------
    Votes
        Whole numbers are integers, all other labels are strings. The tasks are None if no column
        names them.

    Raises
    ------
    ArgumentError
        If the file, its columns or its labels are not as expected.
    OSError
        If it cannot be opened.
    """
    names = names or ColumnNames()
    table = read_table(path)
    usual = {names.task or "task", "worker", "label"}
    if names.worker is not None or names.label is not None or usual <= set(table):
        return _read_long(path, table, names, n_classes, expected)
    return _read_wide(path, table, names, n_classes, expected)


def read_truth_file(
    path: Path, votes: Votes, names: ColumnNames | None = None
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """True labels of some of the samples, from a file.

    Parameters
    ----------
    path : Path
        A table with the columns of tasks and labels, or with a single column, one label a sample
        in the order of the votes. Empty cells and -1 are unknown.
    votes : Votes
        They name the tasks; without names, tasks are row numbers from 0.
    names : ColumnNames, optional
        Of the columns.

    Returns
    -------
    (r,)
        Rows of the samples with a known label, ascending.
    (r,)
        These labels.

    Raises
    ------
    ArgumentError
        If the columns are not as expected, or no sample has a label.
    OSError
        If the file cannot be opened.
    """
    names = names or ColumnNames()
    table = read_table(path)
    if len(table) == 1:
        (cells,) = table.values()
        if len(cells) != votes.n_samples:
            raise ArgumentError(
                f"{path} has {len(cells)} labels, but the votes are on {votes.n_samples} samples; "
                "write a header and one label a sample, or add a column of tasks."
            )
        entries = cells.tolist()
    else:
        label = _column(path, table, names.label or "label", "--label-column")
        task = _task_column(path, table, names)
        if task is None:
            task = _column(path, table, "task", "--task-column")
        entries = _in_order(path, votes, table[task], table[label])
    rows = [row for row, label in enumerate(entries) if not _is_unknown(label)]
    if not rows:
        raise ArgumentError(
            f"{path} has a label for none of the {votes.n_samples} samples; check that its tasks "
            "are named as in the votes."
        )
    known = np.array([entries[row] for row in rows], dtype=object)
    (labels,) = _as_labels([known], votes.classes)
    return np.array(rows), labels


def read_class_prior(text: str, votes: Votes) -> list[float]:
    """Class frequencies as they are given on the command line.

    Parameters
    ----------
    text : str
        Such as "cat=0.3,dog=0.7", with each class of the votes once.
    votes : Votes
        They name the classes.

    Returns
    -------
    list of n_classes floats
        In the order of the classes.

    Raises
    ------
    ArgumentError
        If it is of another form, or names other classes.
    """
    pairs = _FREQUENCY.findall(text)
    names = [str(label) for label in votes.classes.tolist()]
    found = {name.strip(): value for name, value in pairs}
    if _FREQUENCY.sub("", text) or len(found) < len(pairs) or found.keys() != set(names):
        raise ArgumentError(
            f"class_prior is {text!r}, but the classes are {listed(names)}; give each its "
            f"frequency once, such as {names[0]}=0.5, with commas between them."
        )
    try:
        return [float(found[name]) for name in names]
    except ValueError as error:
        raise ArgumentError(f"class_prior is {text!r}, {error}; write it as 0.5.") from error


def _read_long(
    path: Path,
    table: Table,
    names: ColumnNames,
    n_classes: int | None,
    expected: Expected | None,
) -> Votes:
    task = _column(path, table, names.task or "task", "--task-column")
    worker = _column(path, table, names.worker or "worker", "--worker-column")
    label = _column(path, table, names.label or "label", "--label-column")
    classes = None if expected is None else expected.classes
    (labels,) = _as_labels([table[label]], classes)
    workers = _as_names(table[worker])
    if expected is not None:
        workers = _known_names(workers.tolist(), expected.classifiers)
    votes = read_votes(
        {"task": _as_names(table[task]), "worker": workers, "label": labels},
        n_classes=n_classes,
        classes=classes,
        classifiers=None if expected is None else expected.classifiers,
    )
    return replace(votes, task_name=task)


def _read_wide(
    path: Path,
    table: Table,
    names: ColumnNames,
    n_classes: int | None,
    expected: Expected | None,
) -> Votes:
    task = _task_column(path, table, names)
    tasks = None if task is None else _as_names(table.pop(task))
    if tasks is not None:
        _check_tasks(path, task, tasks)
    if not table:
        raise ArgumentError(
            f"{path} has no column of votes beside {task!r}; write one column a classifier, or "
            "the columns task, worker and label."
        )
    classes = None if expected is None else expected.classes
    columns = _as_labels(list(table.values()), classes)
    classifiers: list[Any] = list(table)
    if expected is None:
        _check_identifiers(path, table)
        _check_common(path, table, columns)
    else:
        classifiers = _known_names(classifiers, expected.classifiers).tolist()
    votes = read_votes(
        dict(zip(classifiers, columns, strict=True)),
        n_classes=n_classes,
        classes=classes,
        classifiers=None if expected is None else expected.classifiers,
    )
    return replace(votes, tasks=tasks, task_name=task or None)


def _column(path: Path, table: Table, name: str, option: str) -> str:
    if name not in table:
        found = ", ".join(map(repr, table))
        raise ArgumentError(
            f"{path} has no column {name!r}, found {found}; name the right one by {option}."
        )
    return name


def _task_column(path: Path, table: Table, names: ColumnNames) -> str | None:
    if names.task is not None:
        return _column(path, table, names.task, "--task-column")
    return next((name for name in _TASK_NAMES if name in table), None)


def _check_identifiers(path: Path, table: Table) -> None:
    """Raise on a column that can hardly be votes; it would make every sample its own class."""
    for name, column in table.items():
        if len(column) >= _IDENTIFIER_ROWS and len(set(column.tolist())) == len(column):
            raise ArgumentError(
                f"{path} has a different entry in every row of column {name!r}, so these are no "
                "votes; pass it as --task-column if it names the samples."
            )


def _check_tasks(path: Path, name: str | None, tasks: NDArray[Any]) -> None:
    """Raise on tasks in several rows: most likely each row is one vote, not one sample."""
    n_rows = Counter(task for task in tasks.tolist() if task is not None)
    repeated = [task for task, n in n_rows.items() if n > 1]
    if repeated:
        raise ArgumentError(
            f"{path} has {len(repeated)} tasks of column {name!r} in more than one row, for "
            f"instance {repeated[0]!r}; {_IF_LONG}, else keep one row a task."
        )


def _check_common(path: Path, table: Table, columns: Sequence[NDArray[Any]]) -> None:
    """Raise if no two classifiers ever name the same class."""
    if len(columns[0]) < _IDENTIFIER_ROWS:
        return
    found = [set(column.tolist()) - {None, MISSING} for column in columns]
    found = [labels for labels in found if labels]
    if len(found) > 1 and sum(map(len, found)) == len(set().union(*found)):
        raise ArgumentError(
            f"{path} has no label that occurs in two of the columns {listed(table)}, so these "
            f"are no votes on the same classes; {_IF_LONG}."
        )


def _in_order(path: Path, votes: Votes, tasks: NDArray[Any], labels: NDArray[Any]) -> list[Any]:
    """Label of each sample, None where there is none; tasks are matched by their text."""
    truth = dict(zip(map(str, tasks.tolist()), labels.tolist(), strict=True))
    if len(truth) < len(tasks):
        raise ArgumentError(
            f"{path} names {len(tasks) - len(truth)} tasks more than once; keep one label a task."
        )
    samples = range(votes.n_samples) if votes.tasks is None else votes.tasks.tolist()
    return [truth.get(str(task)) for task in samples]


def _is_unknown(label: Any) -> bool:  # noqa: ANN401
    # NaN is the one value that differs from itself
    return label in (None, MISSING, str(MISSING)) or label != label


def _as_names(cells: NDArray[Any]) -> NDArray[Any]:
    """Names of tasks or workers: integers if all are whole numbers, else as they stand."""
    if not _is_text(cells):
        return cells
    entries = cells.tolist()
    matches = [entry is not None and _NUMBER.fullmatch(entry) for entry in entries]
    whole = all(match and match[2] is None for match in matches)
    return np.array([int(entry) for entry in entries]) if whole else cells


def _known_names(found: Iterable[Any], expected: NDArray[Any]) -> NDArray[Any]:
    """Names as the model has them, matched by their text; all others as they stand."""
    known = {str(name): name for name in expected.tolist()}
    names = [known.get(str(name), name) for name in found]
    array = np.empty(len(names), dtype=object)
    array[:] = names
    return array


def _as_labels(columns: Sequence[NDArray[Any]], classes: NDArray[Any] | None) -> list[NDArray]:
    """Labels of columns of text: numbers if all of them are, else strings; others are left."""
    if not all(map(_is_text, columns)):
        return list(columns)
    found = set().union(*(set(column.tolist()) for column in columns)) - {None}
    table: dict[Any, Any] = {cell: _number(cell) for cell in found}
    if classes is not None:
        table |= {str(label): label for label in classes.tolist()}
    elif any(isinstance(value, str) for value in table.values()):
        table = {cell: cell for cell in found} | {str(MISSING): None}
    table[None] = None
    return [
        np.array([table[cell] for cell in column.tolist()], dtype=object) for column in columns
    ]


def _number(cell: str) -> int | float | str:
    """Number that a cell means, or the cell itself; 1.0 is 1."""
    match = _NUMBER.fullmatch(cell)
    if match is None:
        return cell
    whole = match[2] is None or not match[2].strip(".0")
    return int(match[1]) if whole else float(cell)


def _is_text(column: NDArray[Any]) -> bool:
    entries = column.tolist() if column.dtype == object else [0]
    return all(entry is None or isinstance(entry, str) for entry in entries)
