"""The RBM of visible units anywhere between 0 and 1."""

from __future__ import annotations

from deem.math.units import UnitInterval, Units
from deem.models.harmonium import DenseHarmonium

__all__ = ["SigmoidRBM"]


class SigmoidRBM(DenseHarmonium):
    r"""Restricted Boltzmann machine of visible units in [0, 1] and binary hidden ones.

    .. math:: E(v, h) = -\big(a^\top v + b^\top h + v W h\big) / T, \qquad v \in [0, 1]^n

    Given the hidden units a visible one has a density proportional to :math:`e^{x v}`, the
    continuous Bernoulli distribution, so grey pixels have a likelihood. Models called so elsewhere
    are an `RBM` of binary units whose probabilities are passed down in place of draws, which is no
    sampler of any energy; ``ContrastiveDivergence(deterministic=True)`` does that here.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
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

    References
    ----------
    .. [1] Bengio, Lamblin, Popovici, Larochelle (2007), Greedy layer-wise training of deep
       networks, section 3: truncated exponential units.
    .. [2] Loaiza-Ganem, Cunningham (2019), The continuous Bernoulli: fixing a pervasive error in
       variational autoencoders.
    """

    visible_units: Units = UnitInterval()
