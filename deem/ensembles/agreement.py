"""How alike learners of an ensemble are, in what they say and in when they err."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deem.ensembles._scores import as_labels, as_scores
from deem.math.decomposition import aggregate, checked_classes, checked_values, decompose
from deem.utils.exception import ShapeError, check_choice

__all__ = [
    "disagreement",
    "effective_learners",
    "error_correlation",
    "kl_to_consensus",
    "oracle_accuracy",
]

_CONSTANT = 1e-10
"""Spread of errors, relative to their size, below which a learner always errs alike."""


def disagreement(scores: Any) -> float:
    """Share of the samples on which two learners give unlike labels, as mean over pairs.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_classes), or (n_samples, n_learners) int
        Logits or probabilities, or labels.

    Returns
    -------
    float
        In [0, 1]; 0 for a single learner.

    Examples
    --------
    >>> disagreement([[0, 0, 1], [2, 2, 2]])
    0.333...
    """
    labels = as_labels(scores)
    n_learners = labels.shape[1]
    if n_learners == 1:
        return 0.0
    unlike = sum(
        int((labels[:, i, None] != labels[:, i + 1 :]).sum()) for i in range(n_learners - 1)
    )
    return 2 * unlike / (len(labels) * n_learners * (n_learners - 1))


def error_correlation(scores: Any, y: Any, loss: str = "ce") -> float:
    """Pearson correlation of the errors of two learners, as mean over pairs.

    Errors are whether a label is wrong for cross-entropy, and residuals for squared errors, each
    output about its own mean. Learners whose errors never change, as those that are always right,
    have no correlation and are left out.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_outputs), or (n_samples, n_learners)
        Scores; or labels, or predicted values of one output.
    y : (n_samples,) int, or (n_samples,) or (n_samples, n_outputs)
        True classes, or values.
    loss : {"ce", "mse"}
        What the scores are for.

    Returns
    -------
    float
        In [-1, 1]; 0 where no two learners are left.
    """
    check_choice("loss", loss, ("ce", "mse"))
    errors = _wrong(scores, y).double() if loss == "ce" else _residuals(scores, y)
    about_mean = errors - errors.mean(0)
    size, spread = errors.norm(dim=(0, 2)), about_mean.norm(dim=(0, 2))
    kept = spread > _CONSTANT * size
    n_kept = int(kept.sum())
    if n_kept < 2:
        return 0.0
    unit = about_mean[:, kept] / spread[kept, None]
    # The sum over pairs is that of the whole matrix, less the ones on its diagonal.
    pairs = float(unit.sum(1).square().sum()) - n_kept
    return pairs / (n_kept * (n_kept - 1))


def kl_to_consensus(scores: Any, how: str = "score") -> float:
    r"""Mean divergence of the learners from the consensus.

    .. math:: \frac{1}{M} \sum_m \mathrm{KL}(\bar p \Vert p_m)

    For means of scores it is the diversity of cross-entropy.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_classes)
        Logits.
    how : {"score", "prob", "vote"}
        What is averaged for the consensus; see `deem.math.decomposition.aggregate`.

    Returns
    -------
    float
        In nats, at least 0 up to rounding.
    """
    found = as_scores(scores)
    p = aggregate(found, how).exp()
    cross = -(p.unsqueeze(1) * found.log_softmax(-1)).sum(-1).mean(1)
    return float((cross - torch.special.entr(p).sum(-1)).mean())


def effective_learners(scores: Any, y: Any) -> float:
    r"""Number of learners that share the responsibility for the true class.

    .. math:: \frac{1}{\sum_m r_m^2}, \qquad r_m = \frac{p_{m,y}}{\sum_j p_{j,y}}

    as mean over samples. With joint training of means of probabilities r is the share of a learner
    in the gradient, as in a mixture of experts. Squared errors have no such number.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_classes)
        Logits.
    y : (n_samples,) int
        True classes.

    Returns
    -------
    float
        From 1 to the number of learners, which is that of learners that are all alike.
    """
    found = as_scores(scores)
    y = checked_classes(y, found)
    # Each sample as an ensemble of its own gives the loss of each learner on it.
    losses = decompose(found.unsqueeze(1), y.unsqueeze(1)).per_learner
    return float((1 / (-losses).softmax(-1).square().sum(-1)).mean())


def oracle_accuracy(scores: Any, y: Any) -> float:
    """Share of the samples on which any learner is right.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_classes), or (n_samples, n_learners) int
        Scores, or labels.
    y : (n_samples,) int
        True classes.
    """
    return 1 - float(_wrong(scores, y).all(1).double().mean())


def _wrong(scores: Any, y: Any) -> Tensor:
    """Whether a learner errs, (n_samples, n_learners, 1)."""
    labels = as_labels(scores)
    y = torch.as_tensor(y).cpu()
    if y.shape != labels.shape[:1] or y.is_floating_point():
        raise ShapeError(
            f"y is {y.dtype} of shape {tuple(y.shape)}; expected classes ({len(labels)},), whole "
            "numbers, one a sample."
        )
    return (labels != y.unsqueeze(1)).unsqueeze(-1)


def _residuals(scores: Any, y: Any) -> Tensor:
    values = torch.as_tensor(scores)
    found = as_scores(values.unsqueeze(-1) if values.dim() == 2 else values, "mse")
    return found - checked_values(y, found).unsqueeze(1)
