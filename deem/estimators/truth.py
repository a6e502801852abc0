"""Labels that the user knows, to watch a training or to learn from, as class codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.coding import factorize
from deem.core.reading import match_labels
from deem.core.votes import Votes
from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError, LabelError, MonitorLabelWarning
from deem.utils.warning import warn

__all__ = ["gold_codes", "one_of", "truth_codes"]

_SHOWN = 10


def one_of(first: str, a: Any, second: str, b: Any) -> Any:
    """Value of an argument that has two names.

    Raises
    ------
    ArgumentError
        If both were given.
    """
    if a is not None and b is not None:
        raise ArgumentError(f"{first} and {second} are two names of one argument; pass one.")
    return b if a is None else a


def truth_codes(votes: Votes, truth: Any) -> NDArray[np.int64]:
    """Class codes of true labels; -1, with a warning, for those outside the classes.

    Parameters
    ----------
    votes : Votes
        Known by its classes and tasks.
    truth : (n_samples,)
        In the user's own names.

    Returns
    -------
    (n_samples,)
        In -1..n_classes-1.
    """
    codes, _ = _class_codes(votes, match_labels(votes, truth, "y"))
    foreign = int((codes == MISSING).sum())
    if foreign:
        warn(
            f"{foreign} of {len(codes)} true labels are not among the classes "
            f"{votes.classes.tolist()[:_SHOWN]} and count as wrong; check their coding.",
            MonitorLabelWarning,
        )
    return codes


def gold_codes(votes: Votes, gold: Any) -> NDArray[np.int64]:
    """Class codes of labels known for certain; -1 for unknown.

    Parameters
    ----------
    votes : Votes
        Known by its classes and tasks.
    gold : (n_samples,)
        In the user's own names; -1, NaN or None for unknown.

    Returns
    -------
    (n_samples,)
        In -1..n_classes-1.

    Raises
    ------
    LabelError
        If a label is not among the classes.
    """
    codes, foreign = _class_codes(votes, match_labels(votes, gold, "gold"))
    foreign = [label for label in foreign if label != MISSING]
    if foreign:
        raise LabelError(
            f"gold contains label {foreign[0]!r}, which is not among the classes "
            f"{votes.classes.tolist()[:_SHOWN]}; use -1, NaN or None for unknown."
        )
    return codes


def _class_codes(votes: Votes, labels: NDArray[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Code of each label, -1 for null and foreign ones; and the distinct foreign labels."""
    codes, distinct = factorize(labels)
    known = {label: code for code, label in enumerate(votes.classes.tolist())}
    table = [known.get(label, MISSING) for label in distinct.tolist()]
    foreign = [label for label in distinct.tolist() if label not in known]
    return np.array([*table, MISSING], dtype=np.int64)[codes], foreign
