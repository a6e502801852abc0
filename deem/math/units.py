r"""Kinds of units: what one costs, what it sums to and how it is drawn belong together.

A unit with state :math:`s` and field :math:`x`, the sum of its bias and of what reaches it, has

.. math:: p(s \mid x) = \exp\big(x s - c(s) - A(x)\big), \qquad
    A(x) = \log \int \exp\big(x s - c(s)\big) \, ds.

So one object says what a kind of units is: its cost :math:`c`, the log-sum :math:`A`, whose
derivative is the mean, and the conditional distribution.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Normal
from torch.nn.functional import softplus

from deem.math.distributions import RectifiedNormal, TruncatedExponential
from deem.math.selu import SELU_DEPTH, SeluState, selu_cost

__all__ = ["Binary", "Gaussian", "Rectified", "Selu", "UnitInterval", "Units"]


class Units(ABC):
    """Independent units of one kind; you write ``cost``, ``log_sum`` and ``given``.

    They are the units of an exponential family harmonium [1]_.

    Attributes
    ----------
    bounds : (float, float)
        Smallest and largest state.
    is_binary : bool
        Whether 0 and 1 are the only states.
    has_cost : bool
        Whether the cost differs from 0 anywhere within the bounds.

    References
    ----------
    .. [1] Welling, Rosen-Zvi, Hinton (2004), Exponential family harmoniums with an application to
       information retrieval.
    """

    bounds: tuple[float, float] = (-math.inf, math.inf)
    is_binary: bool = False
    has_cost: bool = True

    @abstractmethod
    def cost(self, state: Tensor) -> Tensor:
        """Energy c of states by themselves, elementwise, in nats."""

    @abstractmethod
    def log_sum(self, field: Tensor) -> Tensor:
        """Log-sum A over the states, elementwise, in nats."""

    @abstractmethod
    def given(self, field: Tensor) -> Distribution:
        """Distribution of units with these fields, elementwise."""

    def mean(self, field: Tensor) -> Tensor:
        """Mean of units with these fields, elementwise: the derivative of ``log_sum``."""
        return self.given(field).mean


class Binary(Units):
    """Units in {0, 1}: sigmoid mean, softplus log-sum."""

    bounds = (0.0, 1.0)
    is_binary = True
    has_cost = False

    def cost(self, state: Tensor) -> Tensor:
        return torch.zeros_like(state)

    def log_sum(self, field: Tensor) -> Tensor:
        return softplus(field)

    def given(self, field: Tensor) -> Distribution:
        return Bernoulli(logits=field, validate_args=False)

    def mean(self, field: Tensor) -> Tensor:
        return field.sigmoid()


class UnitInterval(Units):
    r"""Units anywhere in [0, 1], with density proportional to :math:`e^{x s}`.

    References
    ----------
    .. [1] Loaiza-Ganem, Cunningham (2019), The continuous Bernoulli: fixing a pervasive error in
       variational autoencoders.
    """

    bounds = (0.0, 1.0)
    has_cost = False

    def cost(self, state: Tensor) -> Tensor:
        return torch.zeros_like(state)

    def log_sum(self, field: Tensor) -> Tensor:
        return TruncatedExponential(field).log_normaliser

    def given(self, field: Tensor) -> Distribution:
        return TruncatedExponential(field)


class Gaussian(Units):
    r"""Real units with cost :math:`s^2 / 2 \sigma^2`, so with mean :math:`\sigma^2 x`.

    Parameters
    ----------
    variance : float or Tensor
        :math:`\sigma^2`, above 0; a tensor gives each unit its own.
    """

    def __init__(self, variance: float | Tensor = 1.0):
        self.variance = variance

    def cost(self, state: Tensor) -> Tensor:
        return state.square() / (2 * self.variance)

    def log_sum(self, field: Tensor) -> Tensor:
        variance = torch.as_tensor(self.variance, dtype=field.dtype, device=field.device)
        return self.variance * field.square() / 2 + (2 * math.pi * variance).log() / 2

    def given(self, field: Tensor) -> Distribution:
        return Normal(self.variance * field, self.variance**0.5, validate_args=False)

    def mean(self, field: Tensor) -> Tensor:
        return self.variance * field


class Rectified(Units):
    r"""Units of at least 0 with cost :math:`s^2 / 2 \sigma^2`: a normal distribution cut at 0.

    Their mean is a smooth rectifier of the field; the draws are the noise of noisy rectified
    units, here of exactly the distribution that the energy says.

    Parameters
    ----------
    variance : float
        :math:`\sigma^2`, above 0.

    References
    ----------
    .. [1] Nair, Hinton (2010), Rectified linear units improve restricted Boltzmann machines.
    """

    bounds = (0.0, math.inf)

    def __init__(self, variance: float = 1.0):
        self.variance = variance

    def cost(self, state: Tensor) -> Tensor:
        return state.square() / (2 * self.variance)

    def log_sum(self, field: Tensor) -> Tensor:
        return RectifiedNormal(field, self.variance).log_normaliser

    def given(self, field: Tensor) -> Distribution:
        return RectifiedNormal(field, self.variance)


class Selu(Units):
    r"""Units above :math:`-\lambda \alpha` whose most likely state is the SELU of the field.

    .. math:: c(s) = \frac1T \int_0^s f^{-1}(u) \, du, \qquad f(x) = \lambda
        \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}

    as every monotonic activation f is the mode of the units whose cost is the integral of its
    inverse [1]_, at T = 1. Positive states are a cut normal distribution; see
    `deem.math.selu.SeluState` for the others.

    Parameters
    ----------
    temperature : float
        T, above 0; the mode is the SELU of T times the field.

    References
    ----------
    .. [1] Ravanbakhsh, Poczos, Schneider, Schuurmans, Greiner (2016), Stochastic neural networks
       with monotonic activation functions.
    .. [2] Klambauer, Unterthiner, Mayr, Hochreiter (2017), Self-normalizing neural networks.
    """

    bounds = (-SELU_DEPTH, math.inf)

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def cost(self, state: Tensor) -> Tensor:
        return selu_cost(state) / self.temperature

    def log_sum(self, field: Tensor) -> Tensor:
        return SeluState(field, self.temperature).log_normaliser

    def given(self, field: Tensor) -> Distribution:
        return SeluState(field, self.temperature)
