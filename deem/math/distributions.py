"""Distributions that torch does not have, and distributions at a temperature."""

import math

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

__all__ = ["JointStates", "RectifiedNormal", "TruncatedExponential", "tempered"]


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


class TruncatedExponential(Distribution):
    r"""Density proportional to :math:`e^{x s}` on [0, 1].

    Parameters
    ----------
    field : (batch, ...)
        x, any sign.
    """

    arg_constraints = {}

    def __init__(self, field: Tensor):
        self.field = field
        super().__init__(field.shape, validate_args=False)

    @property
    def log_normaliser(self) -> Tensor:
        """Logarithm of the integral of :math:`e^{x s}`, elementwise."""
        x, small = self._apart()
        # Symmetric form: expm1 of minus the absolute value cannot overflow.
        size = x.abs()
        exact = x.clamp(min=0) + (-torch.expm1(-size) / size).log()
        series = self.field / 2 + self.field.square() / 24
        return torch.where(small, series, exact)

    @property
    def mean(self) -> Tensor:
        """In (0, 1), elementwise."""
        x, small = self._apart()
        # Distance to the nearer end; of minus the absolute value nothing overflows, gradients too.
        size = x.abs()
        near = 1 / size + size.neg().exp() / torch.expm1(-size)
        exact = torch.where(x > 0, 1 - near, near)
        return torch.where(small, 0.5 + self.field / 12, exact)

    def draw(self, generator: torch.Generator) -> Tensor:
        """One draw of each, by the inverse of the distribution function."""
        x, small = (t.detach() for t in self._apart())
        u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        # From the end that the density is high at.
        size = x.abs()
        below = -torch.log1p(u * torch.expm1(-size)) / size
        s = torch.where(x > 0, 1 - below, below)
        return torch.where(small, u, s).clamp(0, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats, elementwise."""
        inside = (value >= 0) & (value <= 1)
        return torch.where(inside, self.field * value - self.log_normaliser, -torch.inf)

    def tempered(self, temperature: float) -> "TruncatedExponential":
        """The field over the temperature."""
        return TruncatedExponential(self.field / temperature)

    def _apart(self) -> tuple[Tensor, Tensor]:
        """Fields away from 0, where the closed forms are 0 / 0, and which ones were near it."""
        small = self.field.abs() < _SMALL[self.field.dtype]
        return torch.where(small, torch.ones_like(self.field), self.field), small


_SMALL = {torch.float64: 1e-3, torch.float32: 3e-2}
"""Below it two terms of the series are nearer than the closed form."""


class RectifiedNormal(Distribution):
    r"""Normal distribution cut at 0: density :math:`\propto e^{x s - s^2 / 2 \sigma^2}`, s >= 0.

    Parameters
    ----------
    field : (batch, ...)
        x; the uncut distribution has its mean at :math:`\sigma^2 x`.
    variance : float
        :math:`\sigma^2` of the uncut distribution, above 0.
    """

    arg_constraints = {}

    def __init__(self, field: Tensor, variance: float = 1.0):
        self.field = field
        self.uncut_variance = variance
        self._scale = variance**0.5
        super().__init__(field.shape, validate_args=False)

    @property
    def log_normaliser(self) -> Tensor:
        r"""Logarithm of the integral of the density without its factor, elementwise."""
        x = self._scale * self.field
        # erfcx keeps what x^2 / 2 and the logarithm of a tiny tail would cancel.
        below = x.clamp(max=0)
        tail = (torch.special.erfcx(-below / 2**0.5) / 2).log()
        above = x.clamp(min=0)
        bulk = above.square() / 2 + torch.special.log_ndtr(above)
        return torch.where(x < 0, tail, bulk) + math.log(2 * math.pi * self.uncut_variance) / 2

    @property
    def mean(self) -> Tensor:
        """Above 0, elementwise."""
        x = self._scale * self.field
        exact = x + (math.log(self._scale) - self.log_normaliser).exp()
        # Far beyond the cut the two terms cancel; the asymptotic series does not.
        limit = _FAR[x.dtype]
        s = 1 / (-x).clamp(min=limit)
        q = s.square()
        series = s * (1 - q * (2 - q * (10 - q * 74)))
        return self._scale * torch.where(x < -limit, series, exact)

    def draw(self, generator: torch.Generator) -> Tensor:
        """One draw of each, by the inverse of the distribution function."""
        x = self._scale * self.field.detach().double()
        u = torch.rand(x.shape, generator=generator, dtype=torch.float64, device=x.device)
        # The upper tail P(s > t) = u P(s > 0), in the half where it keeps its digits.
        # Not by ndtr, which is 0 below -8.3.
        share = u * torch.special.erfc(-x / 2**0.5) / 2
        centred = -torch.special.ndtri(share.clamp(min=1e-300))
        # Further out the tail of a normal density is that of its own logarithm.
        log = -2 * u.clamp(min=1e-300).log()
        far = log / (x.abs() + (x.square() + log).sqrt())
        drawn = torch.where(x > -35, centred + x, far).clamp(min=0)
        return (self._scale * drawn).to(self.field)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats, elementwise."""
        cost = value.square() / (2 * self.uncut_variance)
        density = self.field * value - cost - self.log_normaliser
        return torch.where(value >= 0, density, -torch.inf)

    def tempered(self, temperature: float) -> "RectifiedNormal":
        """The field over the temperature, the variance times it."""
        return RectifiedNormal(self.field / temperature, self.uncut_variance * temperature)


_FAR = {torch.float64: 100.0, torch.float32: 20.0}
"""Further beyond the cut four terms of the series are nearer than the closed form."""


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
