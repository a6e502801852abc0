"""What is unusual about votes and fits: named warnings and the health report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.history import History
from deem.core.votes import Votes
from deem.utils.exception import (
    CollapsedConsensusWarning,
    ConstantClassifierWarning,
    CopiedClassifierWarning,
    DeadClassWarning,
    EmptySampleWarning,
    FewClassifiersWarning,
    FewSamplesWarning,
    FewVotesWarning,
    FlippedConsensusWarning,
    IgnoredClassifierWarning,
    MergedClassesWarning,
    NotConvergedWarning,
    OverruledVotesWarning,
    RestartsDisagreeWarning,
    SilentClassifierWarning,
    SingleClassifierWarning,
    SingleClassWarning,
)
from deem.utils.warning import warn

__all__ = [
    "names_of_samples",
    "plain_names",
    "report",
    "training_facts",
    "warn_about_consensus",
    "warn_about_copies",
    "warn_about_training",
    "warn_about_votes",
]

Array = NDArray[np.float64]

_SHOWN = 5
_LISTED = 100
_FEW_SAMPLES = 2
_FEW_CLASSIFIERS = 2

_SMALLEST = 1e-12

_CHANCE = 0.01
"""That any classifier is taken for a constant one."""

_OVERRULED = 0.01
"""Share of the unanimous samples."""

_MISSED = 5.0
"""Samples of a class by majority vote from which its loss is worth a word."""

_MOST = 0.5
"""Share of the votes."""

_DISAGREEMENT = 0.1
"""Share of the samples."""


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
    constant = _constant(votes, cast)
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


def _constant(votes: Votes, cast: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Classifiers with one label, on more votes than chance would give any of them the same."""
    counts = votes.label_counts()
    share = counts.sum(0) / max(counts.sum(), 1)
    label = counts.argmax(1)
    by_chance = share[label] ** counts[np.arange(len(counts)), label]
    alone: NDArray[np.bool_] = ((counts > 0).sum(1) == 1) & (cast > 1)
    return alone & (by_chance < _CHANCE / votes.n_classifiers)


def warn_about_training(converged: bool, n_iter: int) -> None:
    """Warn by name if an exact solver stopped at its limit."""
    if not converged:
        warn(
            f"training stopped after {n_iter} passes before its stopping rule held; raise the "
            "tolerance of the solver or look at history_.",
            NotConvergedWarning,
        )


def warn_about_copies(votes: Votes, groups: Sequence[Sequence[int]]) -> None:
    """Warn by name of groups of classifiers that were taken for copies."""
    if not groups:
        return
    masks = (np.isin(np.arange(votes.n_classifiers), group) for group in groups[:_SHOWN])
    listed = "; ".join(_named(votes.classifiers, mask) for mask in masks)
    warn(
        f"classifiers vote as one, errors included, and each group counts once: {listed}; see "
        "dependence(), and bring classifiers that err on their own.",
        CopiedClassifierWarning,
    )


def warn_about_consensus(
    votes: Votes, health: Mapping[str, Any], *, informed: bool = False
) -> None:
    """Warn by name of what a user should act on.

    Nothing is said of votes that are too few to judge by, of which `warn_about_votes` tells.

    Parameters
    ----------
    votes : Votes
        The training votes.
    health : mapping
        From `deem.estimators.examination.examine`.
    informed : bool
        Whether the user gave knowledge that may well contradict the votes.
    """
    n_voted = votes.n_samples - health["n_empty_samples"]
    if n_voted < _FEW_SAMPLES * votes.n_classes or votes.n_classes == 1:
        return
    collapsed = not health["finite"] or health["constant"]
    if collapsed:
        warn(
            "the consensus is one class for all samples, or not finite, though the votes are not; "
            'start from the vote by init_method="mv", or pass solver="exact".',
            CollapsedConsensusWarning,
        )
    elif not informed:
        _warn_about_class_facts(votes, health)
        _warn_about_overruled(health)
    _warn_about_merged(health)
    _warn_about_classifier_facts(health, collapsed)
    differs = max(health["candidate_disagreement"], default=0.0)
    if differs > _DISAGREEMENT:
        warn(
            f"restarts or models disagree on up to {100 * differs:.0f} % of the samples; see "
            "health_['candidate_disagreement']. Trust the probabilities less, or pass gold.",
            RestartsDisagreeWarning,
        )


def _warn_about_class_facts(votes: Votes, health: Mapping[str, Any]) -> None:
    if health["vote_agreement"] < health["chance_agreement"] - _SMALLEST or (
        2 * len(health["below_chance"]) > votes.n_classifiers or len(health["renamed_classes"]) > 0
    ):
        warn(
            f"the consensus agrees with the majority vote on {100 * health['vote_agreement']:.0f} "
            "% of the samples, classes changed places in training, or most classifiers are below "
            "chance: classes may be swapped. Pass some known labels as gold.",
            FlippedConsensusWarning,
        )
    gone = [x for x in health["swallowed_classes"] if x["lost"] + x["kept"] >= _MISSED]
    if gone:
        pairs = ", ".join(f"{x['class']} to {x['into']}" for x in gone[:_SHOWN])
        warn(
            f"samples of a class by majority vote go mostly to another class: {pairs}; check "
            "confusion_, pass class_prior or some known labels as gold.",
            DeadClassWarning,
        )


def _warn_about_merged(health: Mapping[str, Any]) -> None:
    if health["merged_classes"]:
        pairs = ", ".join(
            " and ".join(str(x) for x in pair["classes"])
            for pair in health["merged_classes"][:_SHOWN]
        )
        warn(
            f"the votes do not tell these classes apart: {pairs}; merge them, or bring "
            "classifiers that know the difference.",
            MergedClassesWarning,
        )


def _warn_about_overruled(health: Mapping[str, Any]) -> None:
    overruled, unanimous = health["n_overruled"], health["n_unanimous"]
    if overruled > _OVERRULED * unanimous:
        warn(
            f"{overruled} of {unanimous} samples with three or more votes, all for one "
            "class, were given another; see health_['overruled_samples']. Check the classifiers "
            "below chance, or use the majority vote there.",
            OverruledVotesWarning,
        )


def _warn_about_classifier_facts(health: Mapping[str, Any], collapsed: bool) -> None:
    cast = np.array(health["votes_per_classifier"])
    if (cast > 0).sum() == _FEW_CLASSIFIERS:
        warn(
            "where two classifiers differ, nothing in the votes says who is right; bring a third.",
            FewClassifiersWarning,
        )
    if health["copies"]:
        groups = "; ".join(", ".join(map(str, group)) for group in health["copies"][:_SHOWN])
        warn(
            f"classifiers with the very same votes, errors included: {groups}; keep one of each "
            "group, since copies count as independent witnesses.",
            CopiedClassifierWarning,
        )
    if health["ignored_votes"] > _MOST and not collapsed:
        warn(
            f"{100 * health['ignored_votes']:.0f} % of the votes are of classifiers that tell "
            "almost nothing about the class; see health_['ignored_classifiers'], and check how "
            "their votes were read.",
            IgnoredClassifierWarning,
        )
    if health["few_votes"] > _MOST:
        warn(
            f"{100 * health['few_votes']:.0f} % of the votes are of classifiers with fewer than "
            "two votes a class, too few to know each of them; ask fewer people for more votes.",
            FewVotesWarning,
        )


def report(votes: Votes, codes: NDArray[np.int64], converged: bool, n_iter: int) -> dict[str, Any]:
    """Facts that need no more than the labels, as plain values.

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
        "empty_samples": names_of_samples(votes, empty),
        "n_empty_samples": len(empty),
        "votes_per_classifier": votes.votes_per_classifier().tolist(),
        "class_use": use.tolist(),
    }


def training_facts(history: History) -> dict[str, Any]:
    """What the history tells of chains and of layers; empty for exact training.

    Parameters
    ----------
    history : History
        Of the training.

    Returns
    -------
    dict
        "chains": the last acceptance, share of stuck chains and effective share, where there are
        chains that may reject. "depth": how often training was restarted with smaller steps, why
        layers were given up (empty if they were not), and what they added to the estimated
        log-likelihood of a sample, in nats, where there were layers.
    """
    facts: dict[str, Any] = {}
    names = ("acceptance", "stuck", "effective_share")
    chains = {name: history[name][-1] for name in names if name in history}
    if chains:
        facts["chains"] = {name: x if np.isfinite(x) else None for name, x in chains.items()}
    if "abandoned" in history.settings:
        depth = {name: history.settings[name] for name in ("restarts", "abandoned")}
        if history.get("log_likelihood") and "log_likelihood_at_start" in history.settings:
            start = history.settings["log_likelihood_at_start"]
            depth["log_likelihood_gain"] = history["log_likelihood"][-1] - start
        facts["depth"] = depth
    return facts


def names_of_samples(votes: Votes, rows: NDArray[np.int64]) -> list[Any]:
    """Names of samples, else their places; the first hundred."""
    rows = rows[:_LISTED]
    return plain_names(rows if votes.tasks is None else votes.tasks[rows])


def plain_names(names: NDArray[Any]) -> list[Any]:
    """Names that JSON can hold; dates, for one, as text."""
    entries = (names.astype(str) if names.dtype.kind in "mM" else names).tolist()
    return [x if isinstance(x, (str, int, float)) else str(x) for x in entries]


def _named(names: NDArray[Any] | None, mask: NDArray[np.bool_]) -> str:
    found = np.flatnonzero(mask) if names is None else names[mask]
    shown = ", ".join(str(x) for x in found[:_SHOWN])
    return shown if len(found) <= _SHOWN else f"{shown} and {len(found) - _SHOWN} more"
