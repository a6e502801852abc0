"""Block Gibbs sampling of bipartite models: by draws, by means, or while cooling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from deem.core.model import BipartiteModel, Model
from deem.core.sampler import Sampler, SamplerState
from deem.math.distributions import tempered
from deem.math.random import draw
from deem.samplers.categorical import row_sum
from deem.utils.exception import ArgumentError

__all__ = ["Gibbs"]


class Gibbs(Sampler):
    r"""Alternating draws of all hidden and all visible units, ``BipartiteModel.gibbs_step``.

    By default every sweep leaves p(v) invariant; there is nothing to accept. At temperature T the
    draws are from :math:`p(h \mid v)^{1/T}` and :math:`p(v \mid h)^{1/T}`, normalised, so that on
    complete rows a sweep leaves :math:`\exp(-E(v, h) / T)` invariant, whose marginal is not
    :math:`\exp(-F(v) / T)`.

    A missing site stays missing. The hidden units are drawn with it summed out, so the sites that
    are there follow their own distribution without bias.

    Parameters
    ----------
    deterministic : bool
        Propagate means in place of draws, the mean-field approximation of the published
        implementation. The chains then do not sample from the model; ``exact`` is False.
    start_temperature : float
        At least 1. Above 1 every ``run`` cools: its temperatures fall geometrically from this one
        to 1, which its last sweep, and every single ``step``, has. That helps chains out of the
        mode they start in, but where they end depends on it; ``exact`` is False.

    References
    ----------
    .. [1] Geman and Geman (1984), Stochastic relaxation, Gibbs distributions, and the Bayesian
       restoration of images.
    """

    def __init__(self, deterministic: bool = False, start_temperature: float = 1.0):
        if not start_temperature >= 1:
            raise ArgumentError(f"start_temperature={start_temperature}; it must be at least 1.")
        self.deterministic = deterministic
        self.start_temperature = start_temperature

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Whether every sweep of a run leaves p(v) invariant."""
        return not self.deterministic and self.start_temperature == 1

    def init(self, model: Model, v: Tensor) -> SamplerState:
        _bipartite(model)
        return SamplerState(v)

    def step(self, model: Model, state: SamplerState, generator: torch.Generator) -> SamplerState:
        return SamplerState(self._sweep(_bipartite(model), state.v, 1.0, generator))

    @torch.no_grad()
    def run(
        self, model: Model, v: Tensor, steps: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        bipartite = _bipartite(model)
        for left in reversed(range(steps)):
            temperature = self.start_temperature ** (left / max(steps - 1, 1))
            v = self._sweep(bipartite, v, temperature, generator)
        return v, {}

    def _sweep(
        self, model: BipartiteModel, v: Tensor, temperature: float, generator: torch.Generator
    ) -> Tensor:
        if temperature != 1:
            h = self._take(tempered(model.p_h(v), temperature), generator)
            new = self._take(tempered(model.p_v(h), temperature), generator)
        elif self.deterministic:
            new = model.reconstruct(v)
        else:
            new = model.gibbs_step(v, generator)
        return new * (row_sum(v) > 0) if model.supports_missing else new

    def _take(self, distribution: Distribution, generator: torch.Generator) -> Tensor:
        return distribution.mean if self.deterministic else draw(distribution, generator)


def _bipartite(model: Model) -> BipartiteModel:
    if not isinstance(model, BipartiteModel):
        raise ArgumentError(
            f"Gibbs needs a BipartiteModel, found {type(model).__name__}; "
            "use a MetropolisSampler, which needs only the free energy."
        )
    return model
