"""Whether learners of an ensemble collude: signs of it one by one, and all in a report.

Learners that are trained jointly are only asked for a good mean. They can then look diverse by
differences that cancel out, and be of little use without each other [1]_.

References
----------
.. [1] Jeffares, Liu, Crabbé, van der Schaar (2023), Joint training of deep ensembles fails due to
   learner collusion, NeurIPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from deem.ensembles._scores import as_scores, consensus, split_loss
from deem.ensembles.agreement import (
    disagreement,
    effective_learners,
    error_correlation,
    kl_to_consensus,
    oracle_accuracy,
)
from deem.ensembles.dropping import DropPoint, drop_curve
from deem.ensembles.offsets import (
    collusion_index,
    debias,
    debiased_diversity_drop,
    learner_offsets,
)
from deem.math.decomposition import Decomposition
from deem.utils.exception import check_choice

__all__ = [
    "CollusionReport",
    "DropPoint",
    "collusion_index",
    "debias",
    "debiased_diversity_drop",
    "diagnose",
    "disagreement",
    "drop_curve",
    "effective_learners",
    "error_correlation",
    "generalisation_gap",
    "kl_to_consensus",
    "learner_offsets",
    "oracle_accuracy",
]

_SIGN = 0.15
"""Share of the diversity by offsets that is worth a word. On small public data independent
training stays below 0.03, and joint training, where it shows this sign, above 0.17."""


def generalisation_gap(train: Decomposition, test: Decomposition) -> dict[str, Tensor]:
    """Losses and diversity on test data less those on training data.

    Diversity of learners that collude is part of how they fit the training data, and is not worth
    the same elsewhere.

    Parameters
    ----------
    train, test : Decomposition
        Of the same ensembles.

    Returns
    -------
    dict
        ``individual``, ``ensemble`` and ``diversity``, each (...) as in the decompositions.
    """
    names = ("individual", "ensemble", "diversity")
    return {name: getattr(test, name) - getattr(train, name) for name in names}


@dataclass(frozen=True)
class CollusionReport:
    """What `diagnose` found; None is what needs labels that were not given, or another loss.

    Parameters
    ----------
    n_samples, n_learners, n_outputs : int
        Axes of the scores.
    how, loss : str
        What is averaged, and what the scores are for.
    offsets : tuple of tuple of float
        See `learner_offsets`.
    collusion_index, debiased_drop : float, float or None
        See `collusion_index` and `debiased_diversity_drop`.
    diversity : float or None
        Mean loss of the learners less that of the ensemble, in nats or squared units.
    individual_loss, ensemble_loss : float or None
        The two.
    accuracy, individual_accuracy : float or None
        Of the ensemble, and mean of the learners; fractions.
    individual_accuracy_each : tuple of float or None
        Of each learner.
    disagreement, kl_to_consensus : float or None
        See there; for cross-entropy.
    error_correlation, effective_learners, oracle_accuracy : float or None
        See there; squared errors have the first of them only.
    drop_curve : tuple of DropPoint or None
        See `drop_curve`.
    """

    n_samples: int
    n_learners: int
    n_outputs: int
    how: str
    loss: str
    offsets: tuple[tuple[float, ...], ...]
    collusion_index: float
    debiased_drop: float | None = None
    diversity: float | None = None
    individual_loss: float | None = None
    ensemble_loss: float | None = None
    accuracy: float | None = None
    individual_accuracy: float | None = None
    individual_accuracy_each: tuple[float, ...] | None = None
    disagreement: float | None = None
    kl_to_consensus: float | None = None
    error_correlation: float | None = None
    effective_learners: float | None = None
    oracle_accuracy: float | None = None
    drop_curve: tuple[DropPoint, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """All fields as numbers, strings, lists and dicts."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def summary(self) -> list[str]:
        """What was found in words, a sentence a line."""
        return [*_on_losses(self), *_on_offsets(self), *_on_learners(self)]


def diagnose(
    scores: Any,
    y: Any = None,
    how: str = "score",
    loss: str = "ce",
    *,
    fractions: Sequence[float] = (0.25, 0.5, 0.75),
    n_draws: int = 20,
    random_state: object = 0,
) -> CollusionReport:
    """Diversity of the learners of an ensemble, and whether it is worth anything.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_outputs)
        Logits, or predicted values, of samples the learners have not seen.
    y : (n_samples,) int; (n_samples, n_outputs) or, for one output, (n_samples,), optional
        True classes, or values.
    how : {"score", "prob"}
        What is averaged; squared errors take means of scores only.
    loss : {"ce", "mse"}
        What the scores are for.
    fractions, n_draws, random_state
        As in `drop_curve`.

    Returns
    -------
    CollusionReport

    Examples
    --------
    >>> import numpy as np
    >>> f = np.array([0.0, 1.0, 5.0])
    >>> report = diagnose(np.stack([f + 2, f - 2], 1)[..., None], loss="mse")
    >>> print(report.summary()[1])
    Constant offsets explain 100 % of the diversity.
    """
    found = as_scores(scores, loss)
    check_choice("how", how, ("score",) if loss == "mse" else ("score", "prob"))
    known = _label_free(found, how, loss)
    if y is not None:
        curve = drop_curve(found, y, fractions, n_draws, how, loss, random_state)
        known |= {**_labelled(found, y, how, loss), "drop_curve": tuple(curve)}
    n_samples, n_learners, n_outputs = found.shape
    return CollusionReport(n_samples, n_learners, n_outputs, how, loss, **known)


def _label_free(scores: Tensor, how: str, loss: str) -> dict[str, Any]:
    offsets = learner_offsets(scores, loss).tolist()
    known = {
        "offsets": tuple(tuple(row) for row in offsets),
        "collusion_index": collusion_index(scores, loss),
    }
    if how == "score":
        known["diversity"] = float(split_loss(scores, None, how, loss).diversity)
        known["debiased_drop"] = debiased_diversity_drop(scores, None, how, loss)
    if loss == "ce":
        known["disagreement"] = disagreement(scores)
        known["kl_to_consensus"] = kl_to_consensus(scores, how)
    return known


def _labelled(scores: Tensor, y: Any, how: str, loss: str) -> dict[str, Any]:
    found = split_loss(scores, y, how, loss)
    known: dict[str, Any] = {
        "diversity": float(found.diversity),
        "individual_loss": float(found.individual),
        "ensemble_loss": float(found.ensemble),
        "debiased_drop": debiased_diversity_drop(scores, y, how, loss),
        "error_correlation": error_correlation(scores, y, loss),
    }
    if loss == "mse":
        return known
    y = torch.as_tensor(y).cpu()
    each = (scores.argmax(-1) == y.unsqueeze(1)).double().mean(0)
    right = consensus(scores, how, loss).argmax(-1) == y
    return known | {
        "accuracy": float(right.double().mean()),
        "individual_accuracy": float(each.mean()),
        "individual_accuracy_each": tuple(each.tolist()),
        "effective_learners": effective_learners(scores, y),
        "oracle_accuracy": oracle_accuracy(scores, y),
    }


def _on_losses(report: CollusionReport) -> list[str]:
    unit = "nats" if report.loss == "ce" else "squared units"
    counts = f"{_count(report.n_learners, 'learner')} on {_count(report.n_samples, 'sample')}"
    if report.diversity is None:
        return [f"{counts}; without labels the diversity is not known."]
    lines = [f"{counts}; their diversity is {report.diversity:.3g} {unit}."]
    if report.ensemble_loss is not None:
        lines.append(
            f"The loss of the ensemble is {report.ensemble_loss:.3g} {unit}, that of its learners "
            f"{report.individual_loss:.3g}."
        )
    if report.accuracy is not None and report.individual_accuracy_each is not None:
        each = report.individual_accuracy_each
        shares = report.accuracy, report.individual_accuracy, min(each), max(each)
        joint, mean, lowest, highest = (_percent(share, 1) for share in shares)
        lines.append(
            f"The ensemble is right on {joint} of the samples, its learners on {mean} ({lowest} "
            f"to {highest}), any of them on {_percent(report.oracle_accuracy, 1)}."
        )
    return lines


def _on_offsets(report: CollusionReport) -> list[str]:
    drop = report.debiased_drop
    spread = f"{_percent(report.collusion_index)} of the spread between learners"
    if drop is None:
        return [f"Constant offsets are {spread}."]
    share = _percent(drop) if drop >= 0.005 else "none"
    line = f"Constant offsets explain {share} of the diversity"
    line += f" and {spread}." if report.loss == "ce" else "."
    # Of learners that differ at random, offsets explain one over the number of samples.
    if drop > max(_SIGN, 3 / report.n_samples):
        return [line, "That is a sign of collusion: offsets that cancel out help no prediction."]
    return [line]


def _on_learners(report: CollusionReport) -> list[str]:
    if report.n_learners == 1:
        return []
    lines = []
    if report.disagreement is not None:
        lines.append(
            f"Two learners disagree on {_percent(report.disagreement, 1)} of the samples."
        )
    if report.error_correlation is not None:
        lines.append(f"Errors of two learners correlate by {report.error_correlation:.2f}.")
    if report.effective_learners is not None:
        lines.append(
            f"A sample is the work of {report.effective_learners:.1f} of {report.n_learners} "
            "learners."
        )
    for point in report.drop_curve or ():
        line = f"With {point.n_kept} of them the loss changes by {point.loss_increase:+.3g}"
        if point.accuracy_change is not None:
            line += f" and the accuracy by {100 * point.accuracy_change:+.1f} points"
        lines.append(line + ".")
    return lines


def _percent(fraction: float | None, digits: int = 0) -> str:
    return f"{100 * (fraction or 0):.{digits}f} %"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _plain(value: Any) -> Any:
    """Dicts and lists of it, without tuples."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
