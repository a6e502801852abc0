"""Annealing between a base and a model: log-weights of chains that go either way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from deem.core.sampler import MetropolisSampler
from deem.samplers.path import Base
from deem.utils.exception import ArgumentError, NonFiniteError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = ["Annealing", "check_count", "error_of_log_mean", "log_mean"]

_NUMBERS = 2**20
"""In the configurations of the chains that run at a time."""


class Annealing:
    """Inverse temperatures, and the kernel that moves chains once at each of them.

    Parameters
    ----------
    n_steps : int or sequence of float
        Number of inverse temperatures between 0 and 1, evenly spaced, at least 0; or all of them,
        ascending from 0 to 1.
    sampler : MetropolisSampler, optional
        Exact, at temperature 1; by default that which suits the base.

    Attributes
    ----------
    betas : list of float
        From 0 to 1.
    sampler : MetropolisSampler or None
        The kernel.
    """

    def __init__(
        self,
        n_steps: int | Sequence[float] = 1000,
        sampler: MetropolisSampler | None = None,
    ):
        self.betas = _inverse_temperatures(n_steps)
        self.sampler = _checked_kernel(sampler)

    @torch.no_grad()
    def from_base(
        self, model: Model, base: Base, present: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Chains from draws of the base to the model.

        Parameters
        ----------
        model, base
            Of the same sizes.
        present : (n_chains, D) bool
            Which sites of each chain have a vote.
        generator : torch.Generator
            On the model's device.

        Returns
        -------
        log_weights : (n_chains,) float64
            In nats.
        chains : (n_chains, ...)
            Where they end.

        Raises
        ------
        NonFiniteError
            If the free energy of a chain is NaN or infinite.
        """
        starts = (
            base.sample(len(part), generator, part)
            for part in present.split(_chains_at_a_time(base))
        )
        return self._weigh(model, base, starts, self.betas, generator)

    @torch.no_grad()
    def to_base(
        self, model: Model, base: Base, starts: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Chains from draws (n_chains, ...) of the model back to the base.

        The log-weights are those of the way from the base to the model.
        """
        parts = iter(starts.split(_chains_at_a_time(base)))
        return self._weigh(model, base, parts, self.betas[::-1], generator)

    @torch.no_grad()
    def settle(
        self, model: Model, base: Base, v: Tensor, steps: int, generator: torch.Generator
    ) -> Tensor:
        """Chains (n_chains, ...) that have been moved on under the model itself."""
        path = base.path_to(model.frozen(v), self.sampler)
        for _ in range(steps):
            v = path.move(v, 1.0, generator)
        return v

    def _weigh(
        self,
        model: Model,
        base: Base,
        starts: Iterator[Tensor],
        betas: list[float],
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        parts = [self._move(model, base, v, betas, generator) for v in starts]
        log_weights, chains = (torch.cat(found) for found in zip(*parts, strict=True))
        _check_finite(log_weights)
        return log_weights, chains

    def _move(
        self,
        model: Model,
        base: Base,
        v: Tensor,
        betas: list[float],
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        path = base.path_to(model.frozen(v), self.sampler)
        _check_finite(path.log_ratio(v, 0.0, 1.0))
        log_weight = torch.zeros(len(v), dtype=torch.float64, device=v.device)
        for index, (old, new) in enumerate(pairwise(betas)):
            if index > 0:
                v = path.move(v, old, generator)
            log_weight += path.log_ratio(v, min(old, new), max(old, new))
        return log_weight, v


def log_mean(log_weights: Tensor) -> Tensor:
    """Logarithm of the mean of weights along the last axis."""
    return log_weights.logsumexp(-1) - math.log(log_weights.shape[-1])


def error_of_log_mean(log_weights: Tensor) -> Tensor:
    """Standard error of ``log_mean`` by the delta method; infinite for one weight."""
    n = log_weights.shape[-1]
    if n == 1:
        return torch.full_like(log_weights[..., 0], torch.inf)
    ratio = (log_weights - log_mean(log_weights).unsqueeze(-1)).exp()
    return (ratio.var(-1) / n).sqrt()


def _check_finite(values: Tensor) -> None:
    if not values.isfinite().all():
        raise NonFiniteError(
            "the free energy of a chain is NaN or infinite; check the parameters of the model."
        )


def _chains_at_a_time(base: Base) -> int:
    return max(1, _NUMBERS // math.prod(base.shape))


def _inverse_temperatures(n_steps: int | Sequence[float]) -> list[float]:
    if isinstance(n_steps, Integral):
        n_steps = int(n_steps)
        check_count("n_steps", n_steps, 0)
        return [i / (n_steps + 1) for i in range(n_steps + 2)]
    betas = [float(beta) for beta in cast("Sequence[float]", n_steps)]
    if len(betas) < 2 or betas[0] != 0 or betas[-1] != 1:
        raise ArgumentError(f"n_steps={n_steps}; inverse temperatures go from 0 to 1.")
    if any(new <= old for old, new in pairwise(betas)):
        raise ArgumentError(f"n_steps={n_steps}; inverse temperatures must ascend.")
    return betas


def check_count(name: str, value: int, smallest: int) -> None:
    """Raise `ArgumentError` if a number is too small."""
    if value < smallest:
        raise ArgumentError(f"{name}={value}; it must be at least {smallest}.")


def _checked_kernel(sampler: MetropolisSampler | None) -> MetropolisSampler | None:
    if sampler is None:
        return None
    name = type(sampler).__name__
    if not isinstance(sampler, MetropolisSampler):
        raise ArgumentError(
            f"sampler is {name}, which cannot move chains between base and model; pass a "
            "MetropolisSampler such as GibbsWithGradients()."
        )
    if not sampler.exact:
        raise ArgumentError(
            f"sampler={name} is not exact, and would give weights of another model; pass an "
            "adjusted kernel."
        )
    if isinstance(sampler.temperature, Tensor) or sampler.temperature != 1:
        raise ArgumentError(
            f"sampler has temperature={sampler.temperature}; it must be 1, since the inverse "
            "temperatures are those of the path."
        )
    return sampler
