"""Gibbs with gradients: one site a step, chosen by the gradient of the free energy."""

import torch
from torch import Tensor
from torch.linalg import vecdot

from deem.core.sampler import SamplerState
from deem.samplers.categorical import CategoricalSampler, log_moves, row_sum

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

    def moves(self, v: Tensor, half_gain: Tensor) -> Tensor:
        logits = torch.where(v < row_sum(v), half_gain, -torch.inf).flatten(1)
        # The last move is to stay, which only a row without any other move does.
        stay = torch.where(logits.amax(1, keepdim=True).isneginf(), 0.0, -torch.inf).to(v)
        return torch.cat([logits, stay], 1).log_softmax(1)

    def propose(self, state: SamplerState, generator: torch.Generator) -> Tensor:
        v, cumulative = state.v, log_moves(state).exp().cumsum(1)
        uniform = torch.rand(len(v), 1, generator=generator, dtype=v.dtype, device=v.device)
        chosen = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
        move = torch.zeros_like(cumulative).scatter_(1, chosen, 1.0)[:, :-1].reshape(v.shape)
        return v * (1 - row_sum(move)) + move

    def log_proposal(self, state: SamplerState, proposed: SamplerState) -> Tensor:
        old, new, moves = state.v.flatten(1), proposed.v.flatten(1), log_moves(state)
        gained = vecdot(new, new) - vecdot(old, new)
        chosen = torch.where(gained == 1, (new - old).argmax(1), moves.shape[1] - 1)
        return moves.gather(1, chosen.unsqueeze(1)).squeeze(1)
