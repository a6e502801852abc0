"""Distributions that torch does not have, and distributions at a temperature."""

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    Normal,
    OneHotCategorical,
)

from deem.math.random import draw
from deem.utils.exception import ArgumentError

__all__ = ["JointStates", "tempered"]


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

    def tempered(self, temperature: float) -> "JointStates":
        """Every joint state by its probability to the power ``1 / temperature``, normalised."""
        return JointStates(self.log_probs / temperature, self.states)

    def log_prob(self, value: Tensor) -> Tensor:
        """(batch,): log-probability of joint states, in nats."""
        same = (value.unsqueeze(-1 - len(self.event_shape)) == self.states).flatten(
            -len(self.event_shape)
        )
        return self.log_probs.masked_fill(~same.all(-1), -torch.inf).logsumexp(-1)


def tempered(distribution: Distribution, temperature: float) -> Distribution:
    """Distribution whose density is that of another to the power ``1 / temperature``, normalised.

    Parameters
    ----------
    distribution : Distribution
        Bernoulli, Categorical, OneHotCategorical, Normal, an Independent of these, or any
        distribution that has a method ``tempered(temperature)`` of its own.
    temperature : float
        Above 0; above 1 it flattens.

    Raises
    ------
    ArgumentError
        If the distribution is of another kind.
    """
    if hasattr(distribution, "tempered"):
        return distribution.tempered(temperature)
    if isinstance(distribution, Independent):
        base = tempered(distribution.base_dist, temperature)
        return Independent(base, distribution.reinterpreted_batch_ndims, validate_args=False)
    if isinstance(distribution, (Bernoulli, Categorical, OneHotCategorical)):
        return type(distribution)(logits=distribution.logits / temperature, validate_args=False)
    if isinstance(distribution, Normal):
        scale = distribution.stddev * temperature**0.5
        return Normal(distribution.mean, scale, validate_args=False)
    raise ArgumentError(
        f"tempered() does not know {type(distribution).__name__}; "
        "give the distribution a method tempered(temperature)."
    )
