"""Answers in the kind of container that the votes came in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.coding import object_array
from deem.core.votes import Votes

__all__ = ["wrap_labels", "wrap_probabilities"]


def wrap_labels(votes: Votes, labels: NDArray[Any]) -> Any:  # noqa: ANN401
    """Labels in the kind of container that the votes came in.

    Parameters
    ----------
    votes : Votes
        Known by its `frame`, `tasks` and `task_name`.
    labels : (n_samples,)
        One entry a sample.

    Returns
    -------
    (n_samples,) array, pandas Series indexed by task, or polars frame of tasks and labels
    """
    if votes.frame is None:
        return labels
    native = _build(votes, {"label": labels})
    return native["label"] if votes.frame == "pandas" else native


def wrap_probabilities(votes: Votes, probabilities: NDArray[np.float64]) -> Any:  # noqa: ANN401
    """Probabilities in the kind of container that the votes came in.

    Parameters
    ----------
    votes : Votes
        Known by its `frame`, `tasks` and `task_name`.
    probabilities : (n_samples, n_classes)
        In [0, 1].

    Returns
    -------
    array, pandas DataFrame indexed by task, or polars frame with a task column
        The other columns are named by the classes.
    """
    if votes.frame is None:
        return probabilities
    names = [str(name) for name in votes.classes.tolist()]
    native = _build(votes, dict(zip(names, probabilities.T, strict=True)))
    if votes.frame == "pandas":
        native.columns = votes.classes
    return native


def _build(votes: Votes, columns: dict[str, NDArray[Any]]) -> Any:  # noqa: ANN401
    """Native frame of these columns with the tasks as index (pandas) or first column."""
    import narwhals.stable.v1 as nw

    tasks = np.arange(votes.n_samples) if votes.tasks is None else votes.tasks
    if votes.frame == "pandas":
        native = nw.from_dict(columns, backend="pandas").to_native()
        native.index = tasks
        if isinstance(tasks[0], tuple):
            # of a list of arrays pandas makes the MultiIndex that the tuples came from
            native.index = [object_array(level) for level in zip(*tasks, strict=True)]
        native.index.name = votes.task_name
        return native
    return nw.from_dict({votes.task_name or "task": tasks} | columns, backend="polars").to_native()
