"""The Gaussian RBM: real visible units with noise, binary hidden ones."""

from __future__ import annotations

from deem.math.units import Gaussian, Units
from deem.models.harmonium import DenseHarmonium
from deem.models.standardised import Standardised

__all__ = ["GaussianRBM"]


class GaussianRBM(Standardised, DenseHarmonium):
    r"""Restricted Boltzmann machine of real visible units and binary hidden ones.

    .. math:: E(v, h) = \Big(\tfrac12 |z|^2 - a^\top z - b^\top h - z W h\Big) / T, \qquad
        z_i = (v_i - m_i) / s_i, \qquad z \mid h \sim N(a + h W^\top, T)

    Standardising the data is part of the model: the locations m and scales s are the means and
    standard deviations of the columns in the first ``fit`` and stay, in files too, so the code of
    a sample depends on no other sample. Everything that goes in or comes out (samples, draws,
    reconstructions, their error in the history, densities) is in the units of the data. Free
    energies do not change with these units; ``log_partition`` carries the logarithm of the scales.
    ``reset`` forgets the data together with the weights.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
    standardise : bool
        Whether the first ``fit`` sets m and s; otherwise they are 0 and 1.
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
        m and s; the scale of a constant column is 1.
    is_standardised : Tensor
        Whether a training has set them.

    References
    ----------
    .. [1] Hinton, Salakhutdinov (2006), Reducing the dimensionality of data with neural networks.
    .. [2] Krizhevsky (2009), Learning multiple layers of features from tiny images, section 1.3.

    Examples
    --------
    >>> import torch
    >>> data = torch.tensor([[0.0, 900.0], [1.0, 901.0], [50.0, 9.0], [51.0, 8.0]]).repeat(25, 1)
    >>> model = GaussianRBM(2, 1)
    >>> model = model.fit(data, epochs=50, batch_size=10, learning_rate=0.1, random_state=0)
    >>> (model.reconstruct(data) - data).abs().amax(0) < torch.tensor([10.0, 180.0])
    tensor([True, True])
    """

    default_learning_rate: float = 0.01

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        standardise: bool = True,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(n_visible, n_hidden, temperature, random_state)
        self.standardise = standardise
        self.hold_scale((n_visible,))

    @property
    def visible_units(self) -> Units:  # type: ignore[override]
        """Kind of the visible units, standardised."""
        return Gaussian(self.temperature)
