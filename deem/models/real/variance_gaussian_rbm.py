"""The Gaussian RBM that learns how noisy each visible unit is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from deem.core.model import Model
from deem.math.units import Gaussian, Units
from deem.models.real.gaussian_rbm import GaussianRBM

__all__ = ["VarianceGaussianRBM"]

_BOUND = math.log(1e6)
"""Largest size of the logarithm of a variance in standard units."""


class VarianceGaussianRBM(GaussianRBM):
    r"""Gaussian RBM with a learned variance of each visible unit.

    .. math:: E(v, h) = \Big(\sum_i \frac{z_i^2 / 2 - a_i z_i}{\sigma_i^2} - b^\top h
        - \sum_{ij} \frac{z_i}{\sigma_i^2} W_{ij} h_j\Big) / T, \qquad
        z_i \mid h \sim N\big(a_i + (h W^\top)_i, T \sigma_i^2\big)

    with z in standard units as in `GaussianRBM`, which says what stays in the units of the data.
    The logarithms of the variances are the parameters, and count as at most 1e6 and at least
    1e-6: the likelihood of a column that the hidden units tell exactly, such as a constant one,
    rises without end as its variance falls.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
    standardise : bool
        Whether the first ``fit`` sets locations and scales.
    temperature : float
        T, above 0: in energy, draws and gradient alike.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    Attributes
    ----------
    weight : (n_visible, n_hidden) Parameter
        W.
    visible_bias : (n_visible,) Parameter
        a.
    hidden_bias : (n_hidden,) Parameter
        b.
    log_variance : (n_visible,) Parameter
        Logarithm of the variances in standard units, at first 0.
    location, scale : (n_visible,) Tensor
        As in `GaussianRBM`.

    References
    ----------
    .. [1] Cho, Ilin, Raiko (2011), Improved learning of Gaussian-Bernoulli restricted Boltzmann
       machines.
    """

    default_learning_rate: float = 0.003

    # The variances take part in every term, which the closed form of a dense model does not know.
    contrast = Model.contrast

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        standardise: bool = True,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(n_visible, n_hidden, standardise, temperature, random_state)
        self.log_variance = nn.Parameter(torch.zeros(n_visible))

    @torch.no_grad()
    def reset(self, random_state: object = None) -> None:
        super().reset(random_state)
        if hasattr(self, "log_variance"):
            self.log_variance.zero_()

    @property
    def visible_units(self) -> Units:  # type: ignore[override]
        """Kind of the visible units, standardised."""
        return Gaussian(self.temperature * self._variance())

    def noise_variance(self) -> Tensor:
        """Variance of each visible unit given the hidden ones, (n_visible,), in its own units."""
        return self.temperature * self._variance() * self.scale.square()

    def _variance(self) -> Tensor:
        return self.log_variance.clamp(-_BOUND, _BOUND).exp()

    def code(self, v: Tensor) -> Tensor:
        return super().code(v) / self._variance()

    def visible_field(self, h: Tensor) -> Tensor:
        return super().visible_field(h) / self._variance()

    def visible_energy(self, v: Tensor) -> Tensor:
        cost = self.visible_units.cost(super().code(v)).sum(1)
        return cost - self.code(v) @ self.visible_bias / self.temperature
