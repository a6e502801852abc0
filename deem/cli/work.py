"""What the commands do, from paths to files and tables."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from deem.cli.inputs import ColumnNames, Expected, read_truth_file, read_votes_file
from deem.cli.results import (
    accuracy_grid,
    check_folder,
    file_grid,
    label_columns,
    label_grid,
    probability_columns,
    skill_grid,
    write_results,
)
from deem.cli.tables import check_format, is_parquet, write_table
from deem.core.votes import Votes
from deem.estimators.consensus import DEEM, load

__all__ = ["run_fit", "run_predict", "run_score"]


def run_fit(
    votes_path: Path, folder: Path, names: ColumnNames | None = None, **params: Any
) -> DEEM:  # noqa: ANN401
    """Fit DEEM to a file of votes and write everything that it found.

    Parameters
    ----------
    votes_path : Path
        See `deem.cli.inputs.read_votes_file`.
    folder : Path
        Where the results go, tables in the format of the votes; made if it is not there.
    names : ColumnNames, optional
        Of the columns.
    **params
        Of `DEEM`.
    """
    check_folder(folder)
    votes = read_votes_file(votes_path, names, n_classes=params.get("n_classes"))
    model = DEEM(**params).fit(votes)
    suffix = ".parquet" if is_parquet(votes_path) else ".csv"
    files = write_results(model, votes, folder, suffix)
    console = Console()
    console.print(_summary(model, votes))
    console.print(skill_grid(model, votes))
    console.print(file_grid(f"Written to {folder}", files))
    return model


def run_predict(
    model_path: Path,
    votes_path: Path,
    names: ColumnNames | None = None,
    out: Path | None = None,
    probabilities_out: Path | None = None,
) -> NDArray[Any]:
    """Label a file of votes by a trained model.

    Parameters
    ----------
    model_path, votes_path : Path
        The model is one that `DEEM.save` wrote.
    names : ColumnNames, optional
        Of the columns.
    out, probabilities_out : Path, optional
        Where labels and probabilities go, in the formats that their names say: .csv or .parquet.

    Returns
    -------
    (n_samples,)
        Labels.
    """
    for path in filter(None, (out, probabilities_out)):
        check_format(path)
    model, votes = _load(model_path, votes_path, names)
    probabilities = model.predict_proba(votes)
    labels = model.classes_[probabilities.argmax(axis=1)]
    files = []
    if out is not None:
        write_table(out, label_columns(votes, labels, probabilities))
        files.append((out, "consensus label of each task, and how sure it is"))
    if probabilities_out is not None:
        write_table(probabilities_out, probability_columns(votes, probabilities))
        files.append((probabilities_out, "probability of each class"))
    console = Console()
    console.print(label_grid(votes, labels, probabilities))
    if files:
        console.print(file_grid("Written", files))
    return labels


def run_score(
    model_path: Path, votes_path: Path, truth_path: Path, names: ColumnNames | None = None
) -> float:
    """Accuracy of a trained model on a file of votes, beside that of the majority vote.

    Parameters
    ----------
    model_path, votes_path, truth_path : Path
        See `run_predict` and `deem.cli.inputs.read_truth_file`.
    names : ColumnNames, optional
        Of the columns.

    Returns
    -------
    float
        In [0, 1], over the samples with a known label.
    """
    model, votes = _load(model_path, votes_path, names)
    rows, truth = read_truth_file(truth_path, votes, names)
    known = votes.take(rows)
    accuracy = model.score(known, truth)
    places = {label: code for code, label in enumerate(model.classes_.tolist())}
    codes = np.array([places.get(label, -1) for label in truth.tolist()])
    title = f"Accuracy on {len(rows)} of {votes.n_samples} tasks, those with a true label"
    found = model.predict_proba(known).argmax(axis=1)
    Console().print(accuracy_grid(title, known, codes, found))
    return accuracy


def _load(model_path: Path, votes_path: Path, names: ColumnNames | None) -> tuple[DEEM, Votes]:
    model = load(model_path)
    expected = Expected(model.classes_, model.classifiers_)
    return model, read_votes_file(votes_path, names, expected=expected)


def _summary(model: DEEM, votes: Votes) -> str:
    return (
        f"{votes.n_votes} votes of {votes.n_classifiers} classifiers on {votes.n_samples} tasks, "
        f"{votes.n_classes} classes: trained in {model.health_['n_iter']} passes."
    )
