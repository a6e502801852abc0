"""The log-likelihood of models without exact sums, followed through a training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deem.core.model import Model, evaluating
from deem.core.training import Callback, Training
from deem.core.votes import Votes
from deem.math.random import draw_one_hot
from deem.samplers.path import SiteMixture, present_sites

__all__ = ["LikelihoodMonitor"]

_ROWS = 1_000
_SHARED = 2_000
_OWN = 4
"""Draws of the base: for all samples if none has a missing vote, else for each sample."""


class LikelihoodMonitor(Callback):
    r"""Record an estimate of the mean log-likelihood of votes after every epoch.

    .. math:: \log p(v) \approx -F(v) - \log \frac1m \sum_c \exp\big(F_0(v_c) - F(v_c)\big)

    Importance sampling from a base that the model is near to, such as the exact inverse RBM it
    started as. The draws :math:`v_c` stay the same, so that epochs can be compared; the level is
    an estimate, too high in expectation, for which `estimate_log_likelihood` is the better tool.

    Parameters
    ----------
    votes : Votes
        Of which the first 1000 are looked at; soft ones are drawn once.
    base : Model
        With ``log_tables``, such as a trained `SoftIRBM`.
    generator : torch.Generator
        On the CPU.

    Attributes
    ----------
    draws : (n_rows * m, D, K) Tensor
        Of the base, with the missing votes of the samples.
    """

    def __init__(self, votes: Votes, base: Model, generator: torch.Generator):
        v = votes.take(slice(0, _ROWS)).one_hot(dtype=torch.float64)
        self.v = draw_one_hot(v, generator)
        present = present_sites(self.v)
        shared = bool(present.all())
        present = present[:1].expand(_SHARED, -1) if shared else present.repeat_interleave(_OWN, 0)
        mixture = SiteMixture.of(base).to(torch.device("cpu"), torch.float64)
        self.draws = mixture.sample(len(present), generator, present)
        base_energy = mixture.free_energy(self.draws)
        self.base_energy = base_energy if shared else base_energy.reshape(-1, _OWN)

    @torch.no_grad()
    def estimate(self, model: Model) -> Tensor:
        """Estimate at the present parameters, without the noise of training, a scalar in nats."""
        with evaluating(model):
            energy = [
                model.free_energy(x.to(model.device, model.dtype)).double().cpu()
                for x in (self.v, self.draws)
            ]
        log_weights = self.base_energy - energy[1].reshape(self.base_energy.shape)
        m = log_weights.shape[-1]
        log_partition = log_weights.logsumexp(-1) - torch.tensor(float(m)).log()
        return -(energy[0] + log_partition).mean()

    def on_start(self, training: Training) -> None:
        """Note the estimate before the first epoch in ``history.settings``."""
        if training.epoch == 0:
            start = float(self.estimate(training.model))
            training.history.settings["log_likelihood_at_start"] = start

    def on_epoch_end(self, training: Training) -> Any:
        training.history.amend(log_likelihood=float(self.estimate(training.model)))
