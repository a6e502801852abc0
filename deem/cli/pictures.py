"""Pictures of a fitted estimator, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes
from deem.estimators.consensus import DEEM
from deem.selection.dependence import DependenceMap

__all__ = ["draw_confusions", "draw_convergence", "draw_dependence", "draw_skills"]

_PANELS = 36
"""Most classifiers in one picture of confusions: those with the most votes."""


def draw_convergence(model: DEEM, path: Path) -> None:
    """Draw the history of the training into a file."""
    from deem.visual import plot_convergence

    plot_convergence(model.history_)[0].figure.savefig(path, dpi=150)


def draw_confusions(model: DEEM, votes: Votes, path: Path) -> None:
    """Draw the confusions of the classifiers with the most votes into a file."""
    from deem.visual import plot_confusions

    most = np.argsort(-votes.votes_per_classifier(), kind="stable")[:_PANELS]
    shown = np.sort(most)
    axes = plot_confusions(
        model.confusion_[shown],
        class_names=model.classes_.tolist(),
        classifier_names=np.asarray(model.classifiers_)[shown].tolist(),
        accuracy=model.skills_[shown],
    )
    axes[0].figure.savefig(path, dpi=100)


def draw_skills(model: DEEM, path: Path, truth: NDArray[np.float64] | None = None) -> None:
    """Draw the skills with their deviations into a file.

    Parameters
    ----------
    model : DEEM
        Fitted.
    path : Path
        Of the picture.
    truth : (n_classifiers,), optional
        The true accuracies, for comparison.
    """
    from deem.visual import plot_skills

    names = [str(name) for name in model.classifiers_.tolist()]
    ax: Any = plot_skills(model.skills_, model.skills_std_, names, reference=truth)
    ax.figure.savefig(path, dpi=120)


def draw_dependence(dependence: DependenceMap, path: Path) -> None:
    """Draw who copies whom into a file."""
    from deem.visual import plot_dependence

    axes = plot_dependence(
        dependence.correlation,
        dependence.linkage,
        clusters=dependence.clusters,
        classifier_names=[str(name) for name in dependence.names],
    )
    axes[0].figure.savefig(path, dpi=120)
