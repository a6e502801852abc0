"""Gibbs with gradients: one site a step, chosen by the gradient of the free energy."""

import torch
from torch import Tensor

from deem.core.sampler import SamplerState
from deem.math.random import draw_one_hot
from deem.samplers.categorical import CategoricalSampler

__all__ = ["GibbsWithGradients"]


class GibbsWithGradients(CategoricalSampler):
    r"""Metropolis kernel that proposes to move one site to one other category.

    .. math:: q(i, k \mid v) \propto \exp(d_{ik} / 2), \qquad
        d_{ik} = -\frac1T \Big(\frac{\partial F}{\partial v_{ik}}
        - \sum_l v_{il} \frac{\partial F}{\partial v_{il}}\Big)

    The present categories are excluded, so every accepted step is a move. With two categories and
    a flat target the chain has period two: averages over time are right, its state after a given
    number of steps is not a draw.

    Parameters
    ----------
    temperature : float
        Above 0.

    References
    ----------
    .. [1] Grathwohl, Swersky, Hashemi, Duvenaud, Maddison (2021), Oops I took a gradient:
       scalable sampling for discrete distributions, algorithm 1.
    """

    def tabulate(self, v: Tensor, gradient: Tensor | None) -> Tensor:
        assert gradient is not None  # noqa: S101
        possible = (v.sum(-1, keepdim=True) > 0) & (v == 0)
        half = (self.log_gain(v, gradient) / 2).masked_fill(~possible, -torch.inf).flatten(1)
        # A row without any move would have no distribution; it is never read.
        none = half.isneginf().all(1, keepdim=True)
        return half.masked_fill(none, 0.0).log_softmax(1).masked_fill(none, -torch.inf)

    def propose(self, state: SamplerState, generator: torch.Generator) -> Tensor:
        v, moves = state.v, _moves(state)
        move = draw_one_hot(moves.exp(), generator).reshape(v.shape)
        return v * (1 - move.cumsum(-1)[..., -1:]) + move

    def log_proposal(self, state: SamplerState, proposed: SamplerState) -> Tensor:
        gained = (proposed.v * (1 - state.v)).flatten(1)
        n_moved = gained.sum(1)
        moves = _moves(state)
        log = moves.masked_fill(gained == 0, 0.0).sum(1)
        log = log.masked_fill(n_moved != 1, -torch.inf)
        return log.masked_fill((n_moved == 0) & moves.isneginf().all(1), 0.0)


def _moves(state: SamplerState) -> Tensor:
    assert state.log_moves is not None  # noqa: S101
    return state.log_moves
