"""What is unusual about votes and fits: named warnings and the health report."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes
from deem.utils.exception import (
    ConstantClassifierWarning,
    EmptySampleWarning,
    FewSamplesWarning,
    NotConvergedWarning,
    SilentClassifierWarning,
    SingleClassifierWarning,
    SingleClassWarning,
)
from deem.utils.warning import warn

__all__ = ["report", "warn_about_training", "warn_about_votes"]

_SHOWN = 5
_FEW_SAMPLES = 2


def warn_about_votes(votes: Votes) -> None:
    """Warn by name of votes that leave the consensus little to work with."""
    if votes.n_classifiers == 1:
        warn("there is one classifier, so its votes are the consensus.", SingleClassifierWarning)
    cast = votes.votes_per_classifier()
    if (cast == 0).any():
        warn(
            f"classifiers {_named(votes.classifiers, cast == 0)} cast no vote and have no "
            "influence; leave them out.",
            SilentClassifierWarning,
        )
    empty = votes.empty_rows()
    if empty.any():
        warn(
            f"{int(empty.sum())} of {votes.n_samples} samples have no vote and get the class "
            "prior; see health_['empty_samples'].",
            EmptySampleWarning,
        )
    _warn_about_classes(votes, cast, int((~empty).sum()))


def _warn_about_classes(votes: Votes, cast: NDArray[np.int64], n_voted: int) -> None:
    used: NDArray[np.bool_] = votes.label_counts() > 0
    if used.any(0).sum() == 1:
        warn(
            f"every vote is for class {votes.classes[used.any(0)][0]!s}; there is nothing to "
            "decide.",
            SingleClassWarning,
        )
        return
    constant: NDArray[np.bool_] = (used.sum(1) == 1) & (cast > 1)
    if constant.any():
        warn(
            f"classifiers {_named(votes.classifiers, constant)} always cast the same vote and "
            "carry almost no information; check or leave them out.",
            ConstantClassifierWarning,
        )
    if n_voted < _FEW_SAMPLES * votes.n_classes:
        warn(
            f"{n_voted} samples with votes are few for {votes.n_classes} classes; the result "
            "rests on the prior and stays close to the vote. Bring more samples.",
            FewSamplesWarning,
        )


def warn_about_training(converged: bool, n_iter: int) -> None:
    """Warn by name if an exact solver stopped at its limit."""
    if not converged:
        warn(
            f"training stopped after {n_iter} passes before its stopping rule held; raise the "
            "tolerance of the solver or look at history_.",
            NotConvergedWarning,
        )


def report(votes: Votes, codes: NDArray[np.int64], converged: bool, n_iter: int) -> dict[str, Any]:
    """Facts about a fit, as plain values.

    Parameters
    ----------
    votes : Votes
        The training votes.
    codes : (n_samples,)
        The predicted class codes.
    converged : bool
        Whether the stopping rule held; a fixed number of epochs counts as converged.
    n_iter : int
        Passes over the votes.
    """
    empty = np.flatnonzero(votes.empty_rows())
    weights = np.ones(votes.n_samples) if votes.weights is None else votes.weights
    use = np.bincount(codes, weights, minlength=votes.n_classes) / weights.sum()
    return {
        "converged": converged,
        "n_iter": n_iter,
        "empty_samples": _plain(empty if votes.tasks is None else votes.tasks[empty]),
        "votes_per_classifier": votes.votes_per_classifier().tolist(),
        "class_use": use.tolist(),
    }


def _plain(names: NDArray[Any]) -> list[Any]:
    """Names that JSON can hold; dates, for one, as text."""
    entries = (names.astype(str) if names.dtype.kind in "mM" else names).tolist()
    return [x if isinstance(x, (str, int, float)) else str(x) for x in entries]


def _named(names: NDArray[Any] | None, mask: NDArray[np.bool_]) -> str:
    found = np.flatnonzero(mask) if names is None else names[mask]
    shown = ", ".join(str(x) for x in found[:_SHOWN])
    return shown if len(found) <= _SHOWN else f"{shown} and {len(found) - _SHOWN} more"
