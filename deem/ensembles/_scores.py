"""Checked scores and labels of learners, in float64 on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deem.math.decomposition import Decomposition, aggregate, decompose
from deem.utils.exception import ArgumentError, ShapeError, check_choice

__all__ = ["as_labels", "as_scores", "consensus", "share", "split_loss"]


def as_scores(scores: Any, loss: str = "ce") -> Tensor:
    """Scores (n_samples, n_learners, n_outputs) from a tensor or an array.

    Raises
    ------
    ShapeError
        If there are not three axes, one is empty, or cross-entropy finds a single output.
    ArgumentError
        If a score is not finite.
    """
    check_choice("loss", loss, ("ce", "mse"))
    found = torch.as_tensor(scores).detach().to("cpu", torch.float64)
    if found.dim() != 3 or not found.numel():
        raise ShapeError(
            f"scores has shape {tuple(found.shape)}; expected (n_samples, n_learners, n_outputs), "
            "none of them 0."
        )
    if loss == "ce" and found.shape[-1] == 1:
        raise ShapeError(
            f"scores has shape {tuple(found.shape)}, one output, which has no cross-entropy; pass "
            "logits of at least 2 classes, or loss='mse'."
        )
    if not bool(found.isfinite().all()):
        raise ArgumentError("scores holds values that are not finite; leave those learners out.")
    return found


def as_labels(scores_or_labels: Any) -> Tensor:
    """Labels (n_samples, n_learners), those of the highest scores where scores are given."""
    given = torch.as_tensor(scores_or_labels)
    if given.dim() == 3:
        return as_scores(given).argmax(-1)
    if given.dim() != 2 or given.is_floating_point() or not given.numel():
        raise ShapeError(
            f"labels is {given.dtype} of shape {tuple(given.shape)}; expected whole numbers "
            "(n_samples, n_learners), or scores (n_samples, n_learners, n_classes)."
        )
    return given.cpu()


def consensus(scores: Tensor, how: str, loss: str) -> Tensor:
    """Mean prediction (n_samples, n_outputs); log-probabilities for cross-entropy."""
    return scores.mean(1) if loss == "mse" else aggregate(scores, how)


def split_loss(scores: Any, y: Any, how: str, loss: str) -> Decomposition:
    """Decomposition of the loss, towards the consensus itself where there is no truth.

    Only the diversity means something then, and for means of scores alone.
    """
    found = as_scores(scores, loss)
    if y is None:
        y = consensus(found, how, loss)
        y = y.argmax(-1) if loss == "ce" else y
    return decompose(found, torch.as_tensor(y).cpu(), how, loss)


def share(part: Tensor, whole: Tensor, rounding: Tensor) -> float:
    """Part of a whole, 0.0 if the whole is nothing but rounding."""
    return float(part / whole) if bool(whole > rounding) else 0.0
