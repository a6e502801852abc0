"""The Gaussian RBM of rectified hidden units."""

from __future__ import annotations

import torch

from deem.core.model import Model
from deem.math.units import Rectified, Units
from deem.models.real.gaussian_rbm import GaussianRBM

__all__ = ["GaussianReluRBM"]


class GaussianReluRBM(GaussianRBM):
    r"""Restricted Boltzmann machine of real visible units and rectified hidden ones.

    .. math:: E(v, h) = \Big(\tfrac12 |z|^2 - a^\top z + \tfrac12 |h|^2 - b^\top h - z W h\Big) / T

    for h of at least 0, with z in standard units as in `GaussianRBM`, which says what stays in the
    units of the data. The hidden units follow normal distributions of mean :math:`b + z W` and
    variance T, cut at 0; energy, free energy and draws belong to each other. The features, their
    means, are smooth rectifiers.

    The energy has a distribution only if it rises in every direction. ``gain() < 1`` suffices;
    weights above it can let chains run away, so keep the learning rate low or decay the weights.

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
    location, scale : (n_visible,) Tensor
        As in `GaussianRBM`.

    References
    ----------
    .. [1] Nair, Hinton (2010), Rectified linear units improve restricted Boltzmann machines.
    .. [2] Tubiana, Monasson (2017), Emergence of compositional representations in restricted
       Boltzmann machines.
    """

    hidden_units: Units = Rectified()
    default_learning_rate: float = 0.001

    # No layer can be listed.
    log_partition = Model.log_partition

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        standardise: bool = True,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(n_visible, n_hidden, standardise, temperature, random_state)
        self.hidden_units = Rectified(temperature)

    @torch.no_grad()
    def gain(self) -> float:
        """Largest factor that a sweep between the layers can stretch a difference by."""
        return float(torch.linalg.matrix_norm(self.weight, 2).square())
