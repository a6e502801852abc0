"""Parallel tempering: replicas at higher temperatures carry chains from mode to mode."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from deem.core.model import Model
from deem.core.sampler import MetropolisSampler, Sampler, SamplerState
from deem.samplers.dlp import DiscreteLangevin
from deem.utils.exception import ArgumentError

__all__ = [
    "ParallelTempering",
    "check_is_one",
    "check_temperatures",
    "exchange",
    "partners",
]


class ParallelTempering(Sampler):
    r"""Several replicas of each chain, one a temperature, whose states swap places.

    Every step moves all replicas by a kernel of their own temperature and then proposes to swap
    neighbours, either those that start at an even or those that start at an odd temperature. A
    swap is accepted with probability

    .. math:: \min\Big(1, \exp\Big(\Big(\frac1{T_r} - \frac1{T_s}\Big)
        \big(F(v_r) - F(v_s)\big)\Big)\Big),

    which leaves :math:`\prod_r \exp(-F(v_r) / T_r)` invariant. The replicas at the first
    temperature are the draws.

    ``start`` and ``run`` hold chains as (n_chains, n_temperatures, ...); ``init`` and ``step``
    move the rows, (n_chains * n_temperatures, ...). All replicas of a chain start at the same data
    and so miss the same sites. The metrics are those of the first temperature, and ``swap_rate``,
    the share of the proposed swaps that were made.

    Parameters
    ----------
    kernel : MetropolisSampler, optional
        What moves the replicas; `DiscreteLangevin()` by default. Its own temperature multiplies
        theirs, and it is tuned by the acceptance at the first one.
    temperatures : sequence of float
        At least two, ascending from 1.

    References
    ----------
    .. [1] Swendsen and Wang (1986), Replica Monte Carlo simulation of spin-glasses.
    .. [2] Desjardins et al. (2010), Tempered Markov chain Monte Carlo for training of restricted
       Boltzmann machines.
    """

    def __init__(
        self,
        kernel: MetropolisSampler | None = None,
        temperatures: Sequence[float] = (1.0, 1.5, 2.25, 3.375),
    ):
        kernel = DiscreteLangevin() if kernel is None else kernel
        if not isinstance(kernel, MetropolisSampler):
            raise ArgumentError(
                f"kernel is a {type(kernel).__name__}, expected a MetropolisSampler such as "
                "DiscreteLangevin()."
            )
        self.kernel = kernel
        self.temperatures = check_temperatures(temperatures)
        self._ladder = torch.tensor(self.temperatures)

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Swaps leave the target invariant; so the kernel decides."""
        return self.kernel.exact

    def start(self, v: Tensor, generator: torch.Generator) -> Tensor:
        n_replicas = len(self.temperatures)
        chains = self.kernel.start(v.repeat_interleave(n_replicas, 0), generator)
        return chains.unflatten(0, (-1, n_replicas))

    def draws(self, chains: Tensor) -> Tensor:
        return chains[:, 0]

    def run(
        self, model: Model, v: Tensor, steps: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        rows, metrics = super().run(model, v.flatten(0, 1), steps, generator)
        return rows.unflatten(0, v.shape[:2]), metrics

    def init(self, model: Model, v: Tensor) -> SamplerState:
        check_is_one(model)
        state = self._spread(v).init(model, v)
        return state._replace(movable=self._first(state.movable))

    def step(self, model: Model, state: SamplerState, generator: torch.Generator) -> SamplerState:
        kernel = self._spread(state.v)
        state = kernel.step(model, state, generator)
        source, swapped = self._swaps(state, generator)
        v, gradient = state.v.index_select(0, source), state.gradient
        if gradient is not None:
            gradient = gradient.index_select(0, source)
        return SamplerState(
            v,
            _energy(state).index_select(0, source),
            gradient,
            # Moves depend on the temperature that a state has come to.
            kernel.tabulate(v, gradient),
            self._first(state.accepted),
            state.movable,
            swapped,
        )

    def adapt(self, acceptance: Tensor) -> None:
        self.kernel.adapt(acceptance)

    def state(self) -> dict[str, Any]:
        return self.kernel.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.kernel.restore(state)

    def _spread(self, v: Tensor) -> MetropolisSampler:
        """The kernel, with the temperature of each row (rows, ...)."""
        if (self._ladder.device, self._ladder.dtype) != (v.device, v.dtype):
            # Built once, because copies to a device make the host wait.
            self._ladder = torch.tensor(self.temperatures, dtype=v.dtype, device=v.device)
        kernel = copy.copy(self.kernel)
        ladder = self._ladder * self.kernel.temperature
        kernel.temperature = ladder.repeat(len(v) // len(ladder))
        return kernel

    def _first(self, rows: Tensor | None) -> Tensor | None:
        """Of every chain the row at the first temperature."""
        return None if rows is None else rows[:: len(self.temperatures)]

    def _swaps(self, state: SamplerState, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Where each row (rows,) gets its state from, and the share of swaps made (n_chains,)."""
        free_energy = _energy(state).unflatten(0, (-1, len(self.temperatures)))
        n, r = free_energy.shape
        there = partners(n, r, generator)
        inverse = 1 / (self._ladder * self.kernel.temperature)
        log_ratio = (inverse - inverse[there]) * (free_energy - free_energy.gather(1, there))
        return exchange(there, log_ratio, generator)


def partners(n: int, n_replicas: int, generator: torch.Generator) -> Tensor:
    """Whom each replica may swap with (n, n_replicas): a neighbour, or itself at an end.

    Of each chain either those pair up that start at an even place or those at an odd one.
    """
    device = generator.device
    here = torch.arange(n_replicas, device=device)
    # Two replicas are but one pair.
    odd = torch.randint(min(n_replicas - 1, 2), (n, 1), generator=generator, device=device)
    there = torch.where((here + odd) % 2 == 0, here + 1, here - 1)
    # The first and the last may be without a neighbour.
    return torch.where((there >= 0) & (there < n_replicas), there, here)


def exchange(
    there: Tensor, log_ratio: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Swap replicas with probability ``min(1, exp(log_ratio))``.

    Parameters
    ----------
    there : (n, n_replicas)
        As `partners` gives them.
    log_ratio : (n, n_replicas)
        Gain in log-probability by the swap, the same for both of a pair.
    generator : torch.Generator
        On their device.

    Returns
    -------
    source : (n * n_replicas,)
        Which row each row gets its state from.
    share : (n,)
        Of the tried swaps of a chain that were made.
    """
    (n, r), device = there.shape, there.device
    here = torch.arange(r, device=device)
    uniform = torch.rand((n, r), generator=generator, dtype=log_ratio.dtype, device=device)
    # Both of a pair must look at the same number.
    uniform = uniform.gather(1, torch.minimum(here, there))
    swap = (uniform.log() < log_ratio) & (there != here)
    source = torch.where(swap, there, here) + r * torch.arange(n, device=device).unsqueeze(1)
    return source.flatten(), swap.sum(1) / (there != here).sum(1).clamp(min=1)


def check_is_one(model: Any) -> None:
    """Raise `ArgumentError` if every row of a batch has a thinned model of its own."""
    held = getattr(model, "held", None)
    if held is not None and len(held) > 1:
        raise ArgumentError(
            f"the model holds {len(held)} masks, one a sample, but replicas swap places; give it "
            'mask="batch", or take a sampler without replicas.'
        )


def check_temperatures(temperatures: Sequence[float]) -> tuple[float, ...]:
    """Temperatures as a tuple; raise `ArgumentError` unless they ascend from 1."""
    found = tuple(temperatures)
    rising = all(a < b for a, b in pairwise(found))
    if len(found) < 2 or found[0] != 1 or not rising:
        raise ArgumentError(f"temperatures={found}; give at least two, ascending from 1.")
    return found


def _energy(state: SamplerState) -> Tensor:
    assert state.free_energy is not None  # noqa: S101
    return state.free_energy
