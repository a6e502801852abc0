"""Block Gibbs sampling of bipartite models."""

import torch

from deem.core.model import BipartiteModel, Model
from deem.core.sampler import Sampler, SamplerState
from deem.utils.exception import ArgumentError

__all__ = ["Gibbs"]


class Gibbs(Sampler):
    """Alternating draws of all hidden and all visible units, ``BipartiteModel.gibbs_step``.

    Every sweep leaves p(v) invariant; there is nothing to accept.

    References
    ----------
    .. [1] Geman and Geman (1984), Stochastic relaxation, Gibbs distributions, and the Bayesian
       restoration of images.
    """

    def init(self, model: Model, v: torch.Tensor) -> SamplerState:
        if not isinstance(model, BipartiteModel):
            raise ArgumentError(
                f"Gibbs needs a BipartiteModel, found {type(model).__name__}; "
                "use a MetropolisSampler, which needs only the free energy."
            )
        return SamplerState(v)

    def step(self, model: Model, state: SamplerState, generator: torch.Generator) -> SamplerState:
        return SamplerState(model.gibbs_step(state.v, generator))  # type: ignore[operator]
