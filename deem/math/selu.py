r"""States of units whose mode is the scaled exponential linear unit (SELU) of their field."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from deem.math.distributions import RectifiedNormal, TruncatedExponential

__all__ = ["SELU_DEPTH", "SELU_SLOPE", "SeluState", "selu_cost"]

SELU_SLOPE = 1.0507009873554805
r"""The :math:`\lambda` of the SELU: its slope above 0."""

SELU_DEPTH = SELU_SLOPE * 1.6732632423543772
r"""The :math:`\lambda \alpha` of the SELU: minus its lowest value."""

_NODES = 32
"""Of the quadrature below 0: 11 digits for fields down to -100, 5 down to -1000."""

_TINY = 1e-30


def selu_cost(state: Tensor) -> Tensor:
    r"""Integral of the inverse of the SELU from 0 to states, elementwise.

    .. math:: c(s) = \frac{s^2}{2 \lambda} \ (s > 0), \qquad
        c(s) = k (t \log t - t + 1), \ t = 1 + s / k \ (-k < s \le 0),
        \ k = \lambda \alpha

    Parameters
    ----------
    state : (batch, ...)
        Above minus ``SELU_DEPTH``; lower ones count as that.
    """
    # Held within the piece that they are used in, as a discarded NaN has a gradient.
    share = (1 + state / SELU_DEPTH).clamp(_TINY, 1)
    below = SELU_DEPTH * (share * share.log() - share + 1)
    return torch.where(state > 0, state.square() / (2 * SELU_SLOPE), below)


class SeluState(Distribution):
    r"""Density proportional to :math:`e^{x s - c(s) / T}` for s above minus ``SELU_DEPTH``.

    Above 0 it is a cut normal distribution. Below, with :math:`s = k (t - 1)` and t in (0, 1), its
    mass is an integral in one dimension, by the Gauss-Legendre rule in the cube root of t, where
    the end at t = 0 is smooth. Draws are exact: that of the side, then of the cut normal
    distribution or by rejection from an exponential one.

    Parameters
    ----------
    field : (batch, ...)
        x, any sign.
    temperature : float
        T, above 0.
    """

    arg_constraints = {}

    def __init__(self, field: Tensor, temperature: float = 1.0):
        self.field = field
        self.temperature = temperature
        self._above = RectifiedNormal(field, SELU_SLOPE * temperature)
        super().__init__(field.shape, validate_args=False)

    @property
    def log_normaliser(self) -> Tensor:
        """Logarithm of the integral of the density without its factor, elementwise."""
        below = self._log_masses().logsumexp(-1) - SELU_DEPTH * self.field
        return torch.logaddexp(self._above.log_normaliser, below)

    @property
    def mean(self) -> Tensor:
        """Above minus ``SELU_DEPTH``, elementwise."""
        masses = self._log_masses()
        share = self._share_above(masses)
        return share * self._above.mean + (1 - share) * SELU_DEPTH * (self._centre(masses) - 1)

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> Tensor:
        """One draw of each."""
        masses = self._log_masses()
        share = self._share_above(masses)
        u = torch.rand(share.shape, generator=generator, dtype=share.dtype, device=share.device)
        below = u >= share
        drawn = self._above.draw(generator)
        fields, touching = (x[below].double() for x in (self.field, self._centre(masses)))
        drawn[below] = self._draw_below(fields, touching, generator).to(drawn)
        return drawn

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats, elementwise."""
        density = self.field * value - selu_cost(value) / self.temperature - self.log_normaliser
        return torch.where(value >= -SELU_DEPTH, density, -torch.inf)

    def tempered(self, temperature: float) -> SeluState:
        """The field over the temperature, and the temperatures multiplied."""
        return SeluState(self.field / temperature, self.temperature * temperature)

    def _log_masses(self) -> Tensor:
        """Log-masses of the nodes below 0, (batch, ..., nodes), up to the factor at t = 0."""
        nodes, log_weights = _rule(self.field, self.temperature)
        return torch.addcmul(log_weights, (SELU_DEPTH * self.field).unsqueeze(-1), nodes)

    def _share_above(self, log_masses: Tensor) -> Tensor:
        below = log_masses.logsumexp(-1) - SELU_DEPTH * self.field
        return (self._above.log_normaliser - below).sigmoid()

    def _centre(self, log_masses: Tensor) -> Tensor:
        """Mean of t below 0."""
        return log_masses.softmax(-1) @ _rule(log_masses, self.temperature)[0]

    def _draw_below(self, field: Tensor, touching: Tensor, generator: torch.Generator) -> Tensor:
        r"""States below 0 of fields (n,), by rejection.

        The tangent of the convex cost at any :math:`t_0` leaves an exponential density on (0, 1);
        its draws are kept with probability :math:`e^{-k (t \log (t / t_0) - t + t_0) / T}`. With
        the mean for :math:`t_0` at least 0.6 of them are, for T of at least
        0.25.
        """
        strength = SELU_DEPTH / self.temperature
        slope = SELU_DEPTH * field - strength * touching.log()
        t = torch.empty_like(field)
        left = torch.arange(len(field), device=field.device)
        while len(left):
            proposed = TruncatedExponential(slope[left]).draw(generator)
            t[left] = proposed
            at = touching[left]
            excess = torch.xlogy(proposed, proposed / at) - proposed + at
            u = torch.rand(at.shape, generator=generator, dtype=at.dtype, device=at.device)
            # In this form NaN, of a training that diverges, is kept and the loop ends.
            left = left[u.log() > -strength * excess]
        return SELU_DEPTH * (t - 1)


def _rule(like: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Nodes t in (0, 1) and their log-weights, the cost among them."""
    nodes, log_weights = _listed(temperature)
    return torch.as_tensor(nodes).to(like), torch.as_tensor(log_weights).to(like)


@lru_cache(maxsize=16)
def _listed(temperature: float) -> tuple[np.ndarray, np.ndarray]:
    root, weight = np.polynomial.legendre.leggauss(_NODES)
    root, weight = (root + 1) / 2, weight / 2
    t = root**3
    cost = SELU_DEPTH * (t * np.log(t) - t + 1)
    return t, np.log(3 * SELU_DEPTH * root**2 * weight) - cost / temperature
