"""Distributions that torch does not have."""

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from deem.math.random import draw

__all__ = ["JointStates"]


class JointStates(Distribution):
    """Distribution over listed joint states of several units.

    Units that are coupled, as the hidden units of an inverse RBM are once a vote is missing,
    have no product form; listing their joint states keeps everything exact.

    Parameters
    ----------
    logits : (batch, n_states)
        Unnormalised log-probabilities, in nats.
    states : (n_states, ...)
        The joint states.
    """

    arg_constraints = {}

    def __init__(self, logits: Tensor, states: Tensor):
        self.log_probs = logits.log_softmax(-1)
        self.states = states
        super().__init__(logits.shape[:-1], states.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(batch, ...): expectation of the joint state."""
        return torch.tensordot(self.log_probs.exp(), self.states, dims=1)

    def draw(self, generator: torch.Generator) -> Tensor:
        """(batch, ...): one joint state for each row."""
        return self.states[draw(Categorical(logits=self.log_probs), generator)]

    def log_prob(self, value: Tensor) -> Tensor:
        """(batch,): log-probability of joint states, in nats."""
        same = (value.unsqueeze(-1 - len(self.event_shape)) == self.states).flatten(
            -len(self.event_shape)
        )
        return self.log_probs.masked_fill(~same.all(-1), -torch.inf).logsumexp(-1)
