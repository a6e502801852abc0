"""What the commands do, from paths to files and tables."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from deem.cli.inputs import (
    ColumnNames,
    Expected,
    read_class_prior,
    read_truth_file,
    read_votes_file,
)
from deem.cli.results import (
    accuracy_grid,
    check_folder,
    dependence_of,
    file_grid,
    label_columns,
    label_grid,
    probability_columns,
    skill_grid,
    summary,
    write_results,
)
from deem.cli.tables import check_format, is_parquet, write_table
from deem.core.labels import listed
from deem.core.votes import Votes
from deem.estimators.consensus import DEEM, load
from deem.estimators.explanation import Explanation
from deem.utils.exception import ArgumentError

__all__ = ["run_explain", "run_fit", "run_predict", "run_score"]

_DOUBTFUL = 5
"""Tasks that are explained if none is named."""


def run_fit(
    votes_path: Path,
    folder: Path,
    names: ColumnNames | None = None,
    *,
    gold: Path | None = None,
    class_prior: str | None = None,
    **params: Any,
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
    gold : Path, optional
        Labels known for certain, see `deem.cli.inputs.read_truth_file`.
    class_prior : str, optional
        See `deem.cli.inputs.read_class_prior`.
    **params
        Of `DEEM`.
    """
    check_folder(folder)
    votes = read_votes_file(votes_path, names, n_classes=params.get("n_classes"))
    if class_prior is not None:
        params["class_prior"] = read_class_prior(class_prior, votes)
    model = DEEM(**params)
    model.fit(votes, gold=None if gold is None else _gold(gold, votes, names))
    suffix = ".parquet" if is_parquet(votes_path) else ".csv"
    dependence = dependence_of(model, votes)
    files = write_results(model, votes, folder, suffix, dependence=dependence)
    console = Console()
    console.print(summary(model, votes, dependence))
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


def run_explain(
    model_path: Path,
    votes_path: Path,
    tasks: Sequence[str] = (),
    names: ColumnNames | None = None,
    out: Path | None = None,
) -> Explanation:
    """Say which votes drove the labels of some tasks.

    Parameters
    ----------
    model_path, votes_path : Path
        See `run_predict`.
    tasks : sequence of str
        Their names, else row numbers from 0; by default those with the least sure labels.
    names : ColumnNames, optional
        Of the columns.
    out : Path, optional
        Where the same goes as JSON.
    """
    model, votes = _load(model_path, votes_path, names)
    found = model.explain(votes, _samples(model, votes, tasks))
    if out is not None:
        out.write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    console = Console()
    for sample in found.samples:
        first, *others = found.describe(sample)
        console.print(Text(first, style="bold"))
        console.print(Text("".join(f"  {sentence}\n" for sentence in others)))
    if out is not None:
        console.print(file_grid("Written", [(out, "contribution of each vote, in nats")]))
    return found


def _samples(model: DEEM, votes: Votes, tasks: Sequence[str]) -> list[Any]:
    """Samples by the text of their names; without any, the most doubtful ones."""
    samples = list(range(votes.n_samples)) if votes.tasks is None else votes.tasks.tolist()
    if not tasks:
        order = model.predict_proba(votes).max(axis=1).argsort(kind="stable")
        return [samples[place] for place in order[:_DOUBTFUL]]
    known = {str(sample): sample for sample in samples}
    unknown = [task for task in tasks if task not in known]
    if unknown:
        raise ArgumentError(
            f"the votes have no task {unknown[0]!r}, but {listed(samples)}; name tasks as the "
            "votes do, or by row numbers from 0 where they have no names."
        )
    return [known[task] for task in tasks]


def _gold(path: Path, votes: Votes, names: ColumnNames | None) -> NDArray[Any]:
    """Known label of each sample, None where unknown."""
    rows, labels = read_truth_file(path, votes, names)
    gold = np.full(votes.n_samples, None, dtype=object)
    gold[rows] = labels
    return gold


def _load(model_path: Path, votes_path: Path, names: ColumnNames | None) -> tuple[DEEM, Votes]:
    model = load(model_path)
    expected = Expected(model.classes_, model.classifiers_)
    return model, read_votes_file(votes_path, names, expected=expected)
