"""Parallel tempering of harmoniums, whose replicas move by block Gibbs sweeps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deem.core.model import Model
from deem.core.sampler import Sampler, SamplerState
from deem.samplers.gibbs_path import GibbsPath, as_two_layers, checked_field, own_field
from deem.samplers.tempering import check_is_one, check_temperatures, exchange, partners

__all__ = ["TemperedGibbs"]


class TemperedGibbs(Sampler):
    r"""Several replicas of each chain, one a temperature, that sweep and then swap places.

    A replica at temperature T is a chain of the harmonium whose fields are divided by T, all of
    the costs of its units staying; for binary units that is :math:`\exp(-E(v, h) / T)`. After
    each sweep neighbours propose to swap their visible units, with the hidden ones summed out in
    closed form, and do so with probability

    .. math:: \min\Big(1, \exp\big(F_r(v_r) + F_s(v_s) - F_r(v_s) - F_s(v_r)\big)\Big),

    which leaves :math:`\prod_r \exp(-F_r(v_r))` invariant. There is nothing to tune and nothing
    rejected but swaps. The replicas at the first temperature are the draws.

    ``start`` and ``run`` hold chains as (n_chains, n_temperatures, ...); ``init`` and ``step``
    move the rows, (n_chains * n_temperatures, ...). The metric is ``swap_rate``, the share of the
    proposed swaps that were made.

    Parameters
    ----------
    temperatures : sequence of float
        At least two, ascending from 1.
    field : (...) Tensor, optional
        What the fields of the visible units tend to as the temperature rises, such as that of
        `IndependentUnits` with the means of the data: hot replicas then stay near the data, and
        fewer are needed. By default 0.

    References
    ----------
    .. [1] Desjardins et al. (2010), Tempered Markov chain Monte Carlo for training of restricted
       Boltzmann machines.
    .. [2] Cho, Raiko, Ilin (2010), Parallel tempering is efficient for learning restricted
       Boltzmann machines.
    """

    def __init__(
        self,
        temperatures: Sequence[float] = (1.0, 1.25, 1.5, 2.0, 3.0, 6.0),
        field: Tensor | None = None,
    ):
        self.temperatures = check_temperatures(temperatures)
        self.field = field

    def start(self, v: Tensor, generator: torch.Generator) -> Tensor:
        n_replicas = len(self.temperatures)
        return v.repeat_interleave(n_replicas, 0).unflatten(0, (-1, n_replicas))

    def draws(self, chains: Tensor) -> Tensor:
        return chains[:, 0]

    def init(self, model: Model, v: Tensor) -> SamplerState:
        as_two_layers(model)
        return SamplerState(v)

    @torch.no_grad()
    def step(self, model: Model, state: SamplerState, generator: torch.Generator) -> SamplerState:
        v, swapped = _sweep(self._path(model), self._ladder(state.v), state.v, generator)
        return SamplerState(v, swapped=swapped)

    @torch.no_grad()
    def run(
        self, model: Model, v: Tensor, steps: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        rows = v.flatten(0, 1)
        # One path, which remembers the fields from one sweep to the next.
        path, ladder, shares = self._path(model), self._ladder(rows), []
        for _ in range(steps):
            rows, swapped = _sweep(path, ladder, rows, generator)
            shares.append(swapped)
        metrics = {"swap_rate": torch.stack(shares).mean()} if shares else {}
        return rows.unflatten(0, v.shape[:2]), metrics

    def _path(self, model: Model) -> GibbsPath:
        check_is_one(model)
        own = own_field(model)
        field = torch.zeros_like(own) if self.field is None else checked_field(self.field, own)
        return GibbsPath(as_two_layers(model), field)

    def _ladder(self, v: Tensor) -> Tensor:
        """Inverse temperatures."""
        return 1 / torch.tensor(self.temperatures, dtype=v.dtype, device=v.device)


def _sweep(
    path: GibbsPath, ladder: Tensor, v: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Rows (n_chains * n_temperatures, ...) once moved and swapped, and the share of swaps."""
    r = len(ladder)
    n = len(v) // r
    own = ladder.repeat(n)
    v = path.move(v, own, generator)
    there = partners(n, r, generator)
    gain = path.free_energy(v, own) - path.free_energy(v, ladder[there].flatten())
    gain = gain.unflatten(0, (n, r))
    source, swapped = exchange(there, gain + gain.gather(1, there), generator)
    return path.take(v, source), swapped
