"""Discrete Langevin proposals: all sites at once, informed by the gradient."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from deem.core.model import Model
from deem.core.sampler import SamplerState
from deem.math.random import draw_one_hot
from deem.samplers.categorical import CategoricalSampler, log_moves, row_sum
from deem.utils.exception import ArgumentError

__all__ = ["DiscreteLangevin"]

_SUREST = 80.0
"""Nats for or against a move; a surer proposal would gain nothing, and could overflow."""

_SMALLEST, _LARGEST = 0.02, 50.0
"""Step sizes between which tuning stays."""


class DiscreteLangevin(CategoricalSampler):
    r"""Metropolis kernel that proposes a category for every site at once.

    .. math:: q_i(k \mid v) \propto \exp\Big(\frac{d_{ik}}2 - \frac{[k \ne v_i]}\alpha\Big)

    with d as in `GibbsWithGradients`.

    Parameters
    ----------
    step_size : float
        alpha, above 0; larger steps move more sites and are accepted less often.
    temperature : float
        Above 0.
    adjusted : bool
        Whether proposals are accepted or rejected (DMALA). Without that (DULA) the target is
        only approximately invariant: the better the smaller the steps, where the free energy is
        quadratic in `v`; elsewhere up to the error of its first order.
    target_acceptance : float
        What tuning aims at, in (0, 1).
    warm_up : int
        Runs in which training tunes the step size, at least 0; the step size stays afterwards.

    References
    ----------
    .. [1] Zhang, Liu, Liu (2022), A Langevin-like sampler for discrete distributions, eq. 4 and
       algorithms 1 and 2.
    """

    def __init__(
        self,
        step_size: float = 0.5,
        temperature: float = 1.0,
        adjusted: bool = True,
        target_acceptance: float = 0.574,
        warm_up: int = 100,
    ):
        super().__init__(temperature)
        if not step_size > 0:
            raise ArgumentError(f"step_size={step_size}; it must be above 0.")
        if not 0 < target_acceptance < 1:
            raise ArgumentError(
                f"target_acceptance={target_acceptance}; it must lie between 0 and 1."
            )
        if warm_up < 0:
            raise ArgumentError(f"warm_up={warm_up}; it must be at least 0.")
        self.step_size: float | Tensor = step_size
        self.adjusted = adjusted
        self.target_acceptance = target_acceptance
        self.warm_up = warm_up
        self._tuned = 0

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Only the adjusted kernel leaves the target invariant."""
        return self.adjusted

    def moves(self, v: Tensor, half_gain: Tensor) -> Tensor:
        logits = (half_gain - (1 - v) / self.step_size).clamp(-_SUREST, _SUREST)
        return logits - row_sum(logits.exp()).log()

    def propose(self, state: SamplerState, generator: torch.Generator) -> Tensor:
        return draw_one_hot(log_moves(state).exp(), generator) * row_sum(state.v)

    def log_proposal(self, state: SamplerState, proposed: SamplerState) -> Tensor:
        return torch.linalg.vecdot(log_moves(state).flatten(1), proposed.v.flatten(1))

    def accepts(
        self, state: SamplerState, proposed: SamplerState, generator: torch.Generator
    ) -> Tensor:
        if self.adjusted:
            return super().accepts(state, proposed, generator)
        return torch.ones(len(state.v), dtype=torch.bool, device=state.v.device)

    def adapt(self, acceptance: Tensor) -> None:
        """Move the step size towards the target acceptance, by Robbins and Monro's scheme."""
        if not self.adjusted or self._tuned >= self.warm_up:
            return
        self._tuned += 1
        gain = 3 * self._tuned**-0.6 * (acceptance - self.target_acceptance)
        self.step_size = (self.step_size * gain.exp()).clamp(_SMALLEST, _LARGEST)

    def tune(self, model: Model, v: Tensor, generator: torch.Generator) -> DiscreteLangevin:
        """A kernel of the step size that suits a model, after ``warm_up`` steps from `v`."""
        kernel = copy.deepcopy(self)
        for _ in range(self.warm_up):
            v, metrics = kernel.run(model, v, 1, generator)
            kernel.adapt(metrics["acceptance"])
        kernel.step_size = float(kernel.step_size)
        return kernel

    def state(self) -> dict[str, Any]:
        return {"step_size": self.step_size, "tuned": self._tuned}

    def restore(self, state: dict[str, Any]) -> None:
        self.step_size, self._tuned = state["step_size"], state["tuned"]
