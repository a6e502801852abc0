"""The convolutional restricted Boltzmann machine of real-valued pixels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from deem.core.solvers import ContrastiveDivergence, Solver
from deem.math.units import Gaussian
from deem.models.convolution import ConvHarmonium
from deem.models.standardised import Standardised

__all__ = ["GaussianConvRBM"]


class GaussianConvRBM(Standardised, ConvHarmonium):
    r"""Convolutional restricted Boltzmann machine of real pixels and binary hidden units.

    .. math:: z = (v - m) / s, \qquad p(z \mid h) = N\Big(a + \sum_k W_k^\top h_k, T\Big), \qquad
        F(v) = \Big(\tfrac12 \|z\|^2 - \sum_c a_c \sum_p z_{cp}\Big) / T
        - \sum_{k, q} \operatorname{softplus}\Big(
        \Big(b_k + \Big(\sum_c W_{kc} * z_c\Big)_q\Big) / T\Big)

    The pixels of a channel share location m and scale s, as they share filters: a pattern then
    looks the same to a filter wherever it stands, and pixels that hardly vary are not blown up.
    Draws of the visible units have the noise that the energy says. Data, draws and densities are
    in the units of the data.

    Parameters
    ----------
    visible_shape : (height, width)
        Of the images, which are (batch, n_channels, height, width).
    filter_shape : (height, width)
        Of the filters, at most as large as the padded image.
    n_filters, n_channels : int
        At least 1.
    stride : int
        Pixels between two positions of a filter, at least 1.
    padding : int
        Rows and columns around the image, of the mean of the data where they are standardised and
        of zeros else; less than the sides of the filters.
    pooling : int, optional
        Side of blocks of which at most one hidden unit is on, see `ConvRBM`.
    standardise : bool
        Fit m and s to the data of the first training; else they are 0 and 1.
    temperature : float
        T, above 0: in energy, draws and gradient alike.
    random_state : int
        Seed of the first filters, N(0, 0.01^2).

    Attributes
    ----------
    weight : (n_filters, n_channels, filter_height, filter_width) Parameter
        W.
    visible_bias : (n_channels,) Parameter
        a.
    hidden_bias : (n_filters,) Parameter
        b.
    location, scale : (n_channels, 1, 1)
        m and s; a constant channel has scale 1.
    visible_shape, hidden_shape, pooled_shape : (int, int, int)
        Channels or filters, height, width.

    References
    ----------
    .. [1] Lee, Grosse, Ranganath, Ng (2009), Convolutional deep belief networks for scalable
       unsupervised learning of hierarchical representations.

    Examples
    --------
    >>> import torch
    >>> images = 100 + 20 * torch.randn(50, 3, 8, 8)
    >>> model = GaussianConvRBM(visible_shape=(8, 8), filter_shape=(3, 3), n_channels=3)
    >>> model.fit(images, epochs=1, random_state=0).scale.flatten().round(decimals=-1)
    tensor([20., 20., 20.])
    """

    default_learning_rate = 0.05

    def __init__(
        self,
        visible_shape: Sequence[int] = (28, 28),
        filter_shape: Sequence[int] = (7, 7),
        n_filters: int = 5,
        n_channels: int = 1,
        stride: int = 1,
        padding: int = 0,
        pooling: int | None = None,
        standardise: bool = True,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(
            visible_shape,
            filter_shape,
            n_filters,
            n_channels,
            stride,
            padding,
            pooling,
            temperature,
            random_state,
        )
        self.standardise = standardise
        self.visible_units = Gaussian(temperature)
        self.hold_scale((n_channels, 1, 1))

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """CD-1 with gradients of a norm of at most 1 a position.

        Filters that overlap add up: a step too far moves the chains far away, and they the next
        step further still. The limit keeps steps as small as the learning rate.
        """
        rate = self.default_learning_rate if learning_rate is None else learning_rate
        return ContrastiveDivergence(learning_rate=rate, clip=prod(self.hidden_shape[1:]))
