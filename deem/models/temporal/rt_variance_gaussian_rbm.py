"""The recurrent temporal RBM of real-valued frames that learns their noise."""

from __future__ import annotations

from deem.models.real.variance_gaussian_rbm import VarianceGaussianRBM
from deem.models.temporal.recurrent import RecurrentHarmonium

__all__ = ["RTVarianceGaussianRBM"]


class RTVarianceGaussianRBM(RecurrentHarmonium):
    r"""Recurrent temporal RBM of real visible units, with a learned variance of each.

    .. math:: E(v_t, h_t \mid r_{t-1}) = \Big(\sum_i \frac{z_{ti}^2 / 2 - a_i z_{ti}}{\sigma_i^2}
        - b^\top h_t - \sum_{ij} \frac{z_{ti}}{\sigma_i^2} W_{ij} h_{tj} - r_{t-1} U h_t\Big) / T

    with :math:`z_t` in standard units and the variances as in `VarianceGaussianRBM`; what is known
    of a frame from the frames before makes them smaller.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units of a frame, at least 1.
    standardise : bool
        Whether the first ``fit`` sets locations and scales; otherwise they are 0 and 1.
    temperature : float
        T, above 0.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    Attributes
    ----------
    frame : VarianceGaussianRBM
        With a, b, W, the logarithms of the variances, locations and scales.
    recurrent_weight : (n_hidden, n_hidden) Parameter
        U.
    initial_state : (n_hidden,) Parameter
        :math:`r_0`.

    References
    ----------
    .. [1] Sutskever, Hinton, Taylor (2008), The recurrent temporal restricted Boltzmann machine.
    .. [2] Cho, Ilin, Raiko (2011), Improved learning of Gaussian-Bernoulli restricted Boltzmann
       machines.
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        standardise: bool = True,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        frame = VarianceGaussianRBM(n_visible, n_hidden, standardise, temperature)
        super().__init__(frame, random_state)
        self.standardise = standardise
