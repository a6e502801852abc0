"""The mean log-likelihood of votes under a fitted model, exact or estimated."""

from __future__ import annotations

import numpy as np
import torch

from deem.core.dataset import Dataset
from deem.core.model import LatentModel
from deem.core.votes import Votes
from deem.models.multinomial import MultinomialIRBM
from deem.models.tempered import TemperedIRBM
from deem.selection.evidence import log_likelihoods
from deem.utils.exception import ArgumentError, IntractableError

__all__ = ["check_comparable", "mean_log_likelihood"]


def check_comparable(model: LatentModel) -> None:
    """Raise `ArgumentError` if restarts of a model have no likelihood to be compared by."""
    if isinstance(model, MultinomialIRBM):
        return
    try:
        model.log_partition()
    except IntractableError as error:
        raise ArgumentError(
            f"n_restarts compares restarts by their exact likelihood, which this "
            f"{type(model).__name__} does not have; use n_restarts=1 or a smaller hidden_dim."
        ) from error


@torch.no_grad()
def mean_log_likelihood(model: LatentModel, data: Dataset) -> float:
    """Mean log-probability of a sample, in nats, weighted.

    That of a model with layers is estimated. The tempered rule has none; that of the inverse RBM
    with its tables stands for it.
    """
    if not data.total_weight > 0:
        raise ArgumentError(
            f"the votes have {len(data)} samples of total weight 0, which have no mean "
            "log-likelihood; give at least one sample a weight above 0."
        )
    if isinstance(model, MultinomialIRBM) and isinstance(data.data, Votes):
        return float(np.average(log_likelihoods(model, data.data), weights=data.data.weights))
    if isinstance(model, TemperedIRBM):
        model = model.inverse_rbm()
    scores = model.log_likelihood(data).cpu().double()
    if data.weights is None:
        return float(scores.mean())
    return float((scores * data.weights).sum() / data.total_weight)
