r"""Loss of an ensemble as mean loss of its learners less their diversity.

Scores are (..., batch, n_learners, n_outputs): logits of the classes, or predicted values. Leading
axes are ensembles side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from deem.utils.exception import ArgumentError, LabelError, ShapeError, check_choice

__all__ = [
    "Decomposition",
    "aggregate",
    "augmented_objective",
    "checked_beta",
    "checked_classes",
    "checked_values",
    "decompose",
]

_HOWS = ("score", "prob", "vote")


@dataclass(frozen=True)
class Decomposition:
    """Mean losses of an ensemble, in nats for cross-entropy and squared units else.

    Parameters
    ----------
    individual : (...)
        Mean loss of the learners.
    ensemble : (...)
        Loss of their aggregate.
    diversity : (...)
        The difference of the two, which is at least 0 for convex losses.
    per_learner : (..., n_learners)
        Loss of each learner.
    """

    individual: Tensor
    ensemble: Tensor
    diversity: Tensor
    per_learner: Tensor


def aggregate(scores: Tensor, how: str = "score", weights: Tensor | None = None) -> Tensor:
    r"""Log-probabilities of the classes by an ensemble of classifiers.

    .. math:: \bar p = \operatorname{softmax}\big(\sum_m w_m z_m\big), \qquad
        \bar p = \sum_m w_m \operatorname{softmax}(z_m)

    for ``how="score"`` and ``how="prob"``. For "vote" it is the share of the learners that score a
    class highest; a learner with several highest scores splits its vote.

    Parameters
    ----------
    scores : (..., batch, n_learners, n_classes)
        Logits.
    how : {"score", "prob", "vote"}
        What is averaged. Means of scores are normalised geometric means of probabilities [1]_.
    weights : (batch, n_learners) or (..., batch, n_learners), optional
        At least 0, used as shares of each row; a row of zeros counts all learners alike.

    Returns
    -------
    (..., batch, n_classes)
        In nats; minus infinity where no learner votes for a class.

    References
    ----------
    .. [1] Wood et al. (2023), A unified theory of diversity in ensemble learning, JMLR 24.
    """
    check_choice("how", how, _HOWS)
    _check_scores(scores)
    shares = None if weights is None else _shares(weights, scores)
    if how == "score":
        return _log_softmax(_mean(scores, shares), -2)
    if how == "vote":
        highest = (scores == scores.amax(-1, keepdim=True)).to(scores)
        return _mean(highest / highest.sum(-1, keepdim=True), shares).log()
    return _log_mean_exp(_log_softmax(scores, -3).movedim(-2, -1), _over_classes(shares))


def decompose(
    scores: Tensor,
    y: Tensor,
    how: str = "score",
    loss: str = "ce",
    weights: Tensor | None = None,
    class_weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
) -> Decomposition:
    r"""Loss of an ensemble, mean loss of its learners, and the diversity between them.

    .. math:: \mathrm{IND} = \sum_m w_m \ell(f_m, y), \quad \mathrm{ENS} = \ell(\bar f, y), \quad
        \mathrm{DIV} = \mathrm{IND} - \mathrm{ENS}

    as means over the batch. For squared errors the diversity is the ambiguity
    :math:`\sum_m w_m \lVert f_m - \bar f \rVert^2` [1]_; for cross-entropy and means of scores it
    is :math:`\sum_m w_m \mathrm{KL}(\bar p \Vert p_m)`, both without regard to the labels.

    Parameters
    ----------
    scores : (..., batch, n_learners, n_outputs)
        Logits, or predicted values.
    y : (batch,) or (..., batch) int; (batch, n_outputs) or (..., batch, n_outputs)
        Classes from 0, or true values, for which the last axis may be left out if it is one.
    how : {"score", "prob"}
        See `aggregate`; squared errors take means of scores only.
    loss : {"ce", "mse"}
        Cross-entropy, or squared error summed over outputs.
    weights : (batch, n_learners) or (..., batch, n_learners), optional
        At least 0, used as shares of each row; rows of zeros do not count.
    class_weight : (n_classes,), optional
        At least 0: how often a sample of each class counts.
    sample_weight : (batch,) or (..., batch), optional
        At least 0: how often a sample counts.

    Returns
    -------
    Decomposition

    Raises
    ------
    LabelError
        If a class lies outside the scores.

    References
    ----------
    .. [1] Krogh, Vedelsby (1994), Neural network ensembles, cross validation, and active learning.
    .. [2] Jeffares, Liu, Crabbé, van der Schaar (2023), Joint training of deep ensembles fails due
       to learner collusion, NeurIPS.
    """
    check_choice("loss", loss, ("ce", "mse"))
    check_choice("how", how, ("score",) if loss == "mse" else ("score", "prob"))
    if loss == "mse" and class_weight is not None:
        raise ArgumentError("class_weight was given, but loss='mse' has no classes; leave it out.")
    _check_scores(scores)
    shares = None if weights is None else _shares(weights, scores)
    if loss == "ce":
        y = checked_classes(y, scores)
        each, joint = _cross_entropies(scores, y, how, shares)
    else:
        each, joint = _squared_errors(scores, checked_values(y, scores), shares)
    mass = _mass(joint, y, scores.shape[-1], weights, class_weight, sample_weight)
    total = mass.sum(-1)
    # Where no sample counts, the gradient too is zero, which one over a tiny number would not be.
    total = torch.where(total > 0, total, 1)
    individual = (mass * _mean(each.unsqueeze(-1), shares).squeeze(-1)).sum(-1) / total
    ensemble = (mass * joint).sum(-1) / total
    return Decomposition(
        individual, ensemble, individual - ensemble, _per_learner(each, mass, shares)
    )


def augmented_objective(
    decomposition: Decomposition, beta: float | Tensor, reduction: str = "sum"
) -> Tensor:
    r"""Objective between independent training (0) and joint training (1) of an ensemble.

    .. math:: L_\beta = \mathrm{IND} - \beta\,\mathrm{DIV}
        = (1 - \beta)\,\mathrm{IND} + \beta\,\mathrm{ENS}

    Parameters
    ----------
    decomposition : Decomposition
        Of the batch.
    beta : float or (...)
        In [0, 1]. Above 1 the objective has no lower bound.
    reduction : {"sum", "mean"}
        "sum" multiplies by the number of learners, so that each of them is trained at a pace that
        does not depend on how many they are: at 0 as if it were alone.

    Returns
    -------
    (...)
        In nats, or squared units.
    """
    check_choice("reduction", reduction, ("sum", "mean"))
    beta = checked_beta(beta, decomposition.individual)
    found = (1 - beta) * decomposition.individual + beta * decomposition.ensemble
    return found * decomposition.per_learner.shape[-1] if reduction == "sum" else found


def checked_beta(beta: Any, like: Tensor) -> Tensor:
    """`beta` as a tensor like another one, or `ArgumentError` unless it lies in [0, 1]."""
    try:
        found = torch.as_tensor(beta, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(f"beta={beta!r}; expected a number in [0, 1].") from error
    if not bool(((found >= 0) & (found <= 1)).all()):
        raise ArgumentError(
            f"beta={beta}; expected a number in [0, 1]: 0 trains learners independently, 1 "
            "jointly, and above 1 the objective has no lower bound."
        )
    return found


def checked_classes(y: Any, scores: Tensor) -> Tensor:
    """True classes (batch,) or (..., batch) of scores, or `ShapeError` or `LabelError`."""
    y = torch.as_tensor(y, device=scores.device)
    wanted = scores.shape[:-2]
    if y.is_floating_point() or y.shape not in (wanted, wanted[-1:]):
        raise ShapeError(
            f"y is {y.dtype} of shape {tuple(y.shape)}; expected classes {tuple(wanted[-1:])}, "
            "whole numbers, one a sample."
        )
    n_classes = scores.shape[-1]
    if y.numel() and not 0 <= int(y.min()) <= int(y.max()) < n_classes:
        raise LabelError(
            f"y holds the classes {int(y.min())} to {int(y.max())}, but the scores are of "
            f"{n_classes}; number the classes from 0."
        )
    return y.long()


def checked_values(y: Any, scores: Tensor) -> Tensor:
    """True values (batch, n_outputs) or (..., batch, n_outputs) of scores, or `ShapeError`."""
    y = torch.as_tensor(y).to(scores)
    wanted = (*scores.shape[:-2], scores.shape[-1])
    allowed = wanted, wanted[-2:]
    # A batch of one has an axis of one that is not that of the outputs.
    if y.shape not in allowed and wanted[-1] == 1 and y.shape in (wanted[:-1], wanted[-2:-1]):
        y = y.unsqueeze(-1)
    if y.shape not in allowed:
        raise ShapeError(
            f"y has shape {tuple(y.shape)}, but the scores {tuple(scores.shape)} predict values "
            f"of shape {wanted[-2:]}; pass one true value an output."
        )
    return y


def _cross_entropies(
    scores: Tensor, y: Tensor, how: str, shares: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Loss of each learner (..., batch, n_learners), and of their aggregate (..., batch)."""
    index = y[..., None, None].expand(*scores.shape[:-1], 1)
    true = _log_softmax(scores, -3).gather(-1, index).squeeze(-1)
    if how == "prob":
        return -true, -_log_mean_exp(true, shares)
    mean = _log_softmax(_mean(scores, shares), -2)
    return -true, -mean.gather(-1, index[..., 0, :]).squeeze(-1)


def _log_softmax(scores: Tensor, samples: int) -> Tensor:
    """Log-softmax over the last axis, where `samples` is the axis of the batch.

    Torch takes twenty times as long over a last axis of a few classes as over one in front of it.
    """
    return log_softmax(scores.movedim(samples, -1), -2).movedim(-1, samples)


def _squared_errors(scores: Tensor, y: Tensor, shares: Tensor | None) -> tuple[Tensor, Tensor]:
    return (
        (scores - y.unsqueeze(-2)).square().sum(-1),
        (_mean(scores, shares) - y).square().sum(-1),
    )


def _mean(values: Tensor, shares: Tensor | None) -> Tensor:
    """Mean over the learners of (..., n_learners, n_outputs)."""
    return values.mean(-2) if shares is None else (values * shares.unsqueeze(-1)).sum(-2)


def _log_mean_exp(values: Tensor, shares: Tensor | None) -> Tensor:
    """Logarithm of the mean over the last axis of exp(values), without leaving the logarithms."""
    if shares is None:
        return values.logsumexp(-1) - math.log(values.shape[-1])
    return (values + shares.log()).logsumexp(-1)


def _over_classes(shares: Tensor | None) -> Tensor | None:
    return None if shares is None else shares.unsqueeze(-2)


def _shares(weights: Tensor, scores: Tensor) -> Tensor:
    """Weights as shares of the learners; rows of zeros become equal shares."""
    weights = torch.as_tensor(weights).to(scores)
    wanted = scores.shape[:-1]
    if weights.shape not in (wanted, wanted[-2:]):
        raise ShapeError(
            f"weights has shape {tuple(weights.shape)}; expected {tuple(wanted[-2:])}, one a "
            "sample and learner."
        )
    if not bool((weights.isfinite() & (weights >= 0)).all()):
        raise ArgumentError("weights holds values below 0 or not finite; pass shares.")
    total = weights.sum(-1, keepdim=True)
    n_learners = weights.shape[-1]
    tiny = torch.finfo(total.dtype).tiny
    return torch.where(total > 0, weights / total.clamp(min=tiny), 1 / n_learners)


def _mass(
    like: Tensor,
    y: Tensor,
    n_outputs: int,
    weights: Tensor | None,
    class_weight: Tensor | None,
    sample_weight: Tensor | None,
) -> Tensor:
    """How often each sample counts, (..., batch)."""
    mass = torch.ones_like(like)
    if weights is not None:
        mass = mass * (torch.as_tensor(weights).to(like).sum(-1) > 0)
    if class_weight is not None:
        n_classes = (n_outputs,)
        mass = mass * _checked_mass("class_weight", class_weight, like, n_classes)[y]
    if sample_weight is not None:
        shapes = tuple(like.shape), tuple(like.shape[-1:])
        mass = mass * _checked_mass("sample_weight", sample_weight, like, *shapes)
    return mass


def _checked_mass(name: str, values: Any, like: Tensor, *shapes: tuple[int, ...]) -> Tensor:
    found = torch.as_tensor(values).to(like)
    if found.shape not in shapes:
        raise ShapeError(f"{name} has shape {tuple(found.shape)}; expected {shapes[-1]}.")
    if not bool((found.isfinite() & (found >= 0)).all()):
        raise ArgumentError(f"{name} holds values below 0 or not finite; pass counts or shares.")
    return found


def _per_learner(each: Tensor, mass: Tensor, shares: Tensor | None) -> Tensor:
    mass = mass.unsqueeze(-1)
    if shares is not None:
        mass = mass * shares
    total = mass.sum(-2).clamp(min=torch.finfo(each.dtype).tiny)
    return (mass * each).sum(-2) / total


def _check_scores(scores: Tensor) -> None:
    if scores.dim() < 3:
        raise ShapeError(
            f"scores has shape {tuple(scores.shape)}; expected (..., batch, n_learners, "
            "n_outputs)."
        )
