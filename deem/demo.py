"""The demonstration: classifiers of handwritten digits vote, and DEEM finds the digits."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console

from deem.cli.results import (
    accuracies,
    accuracy_grid,
    check_folder,
    dependence_of,
    file_grid,
    skill_grid,
    summary,
    write_results,
)
from deem.cli.tables import write_table
from deem.core.reading import read_votes
from deem.core.votes import Votes
from deem.datasets import ClassifierVotes, digits_votes
from deem.estimators.consensus import DEEM

__all__ = ["run_demo"]


def run_demo(folder: Path, random_state: int = 0, console: Console | None = None) -> DEEM:
    """Fuse twelve classifiers of handwritten digits without labels, and show how well it went.

    Parameters
    ----------
    folder : Path
        Where labels, probabilities, the model and pictures go; made if it is not there.
    random_state : int
        Seed of the classifiers and of DEEM.
    console : rich Console, optional
        Where the tables go.

    Returns
    -------
    DEEM
        Fitted.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    console = console or Console()
    check_folder(folder)
    console.print("Training twelve different classifiers on handwritten digits ...", style="dim")
    data = digits_votes(random_state)
    votes = read_votes(dict(zip(data.classifiers, data.votes.T, strict=True)))
    seconds = {"majority vote": _seconds(votes.vote_shares)}
    model = DEEM(random_state=random_state)
    seconds["DEEM"] = _seconds(lambda: model.fit(votes))
    title = f"Accuracy on {votes.n_samples} unseen digits (DEEM saw the votes, never a label)"
    found = model.probas_.argmax(axis=1)
    console.print(accuracy_grid(title, votes, data.truth, found, seconds))
    dependence, skills = dependence_of(model, votes), accuracies(votes, data.truth)
    console.print()
    console.print(summary(model, votes, dependence))
    console.print(skill_grid(model, votes, skills))
    results = write_results(model, votes, folder, dependence=dependence, truth=skills)
    files = [*_write_inputs(data, votes, folder), *results]
    console.print(file_grid(f"Written to {folder}", files))
    return model


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _write_inputs(data: ClassifierVotes, votes: Votes, folder: Path) -> list[tuple[Path, str]]:
    """Write what went in, as examples of the files that `deem fit` and `deem score` read."""
    paths = folder / "votes.csv", folder / "truth.csv"
    tasks = np.arange(votes.n_samples)
    names = np.array([*data.classes.tolist(), None], dtype=object)
    cells = names[data.votes]  # -1, no vote, is the None at the end
    write_table(paths[0], {"task": tasks} | dict(zip(data.classifiers, cells.T, strict=True)))
    write_table(paths[1], {"task": tasks, "label": data.classes[data.truth]})
    return [(paths[0], "the votes that went in"), (paths[1], "the digits, for deem score")]
