"""The convolutional restricted Boltzmann machine of binary pixels."""

from __future__ import annotations

from deem.models.convolution import ConvHarmonium

__all__ = ["ConvRBM"]


class ConvRBM(ConvHarmonium):
    r"""Convolutional restricted Boltzmann machine of binary pixels and binary hidden units.

    .. math:: F(v) = -\sum_c a_c \sum_p v_{cp} / T - \sum_{k, q} \operatorname{softplus}\Big(
        \Big(b_k + \Big(\sum_c W_{kc} * v_c\Big)_q\Big) / T\Big)

    With ``pooling=C`` the units of each filter stand in C x C blocks of which at most one unit is
    on (probabilistic max-pooling [1]_); the sum then runs over blocks, of
    :math:`\log(1 + \sum_{q \in \text{block}} e^{x_{kq}})`. It belongs to the distribution; a mere
    maximum of the hidden means, which leaves the model as it is, is not offered here, as
    ``torch.nn.functional.max_pool2d(model(v), C)`` is that.

    Pixels between 0 and 1 are taken as probabilities.

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
        Rows and columns of zeros around the image; less than the sides of the filters.
    pooling : int, optional
        Side of the blocks; it divides height and width of the hidden units.
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
    visible_shape, hidden_shape, pooled_shape : (int, int, int)
        Channels or filters, height, width.

    References
    ----------
    .. [1] Lee, Grosse, Ranganath, Ng (2009), Convolutional deep belief networks for scalable
       unsupervised learning of hierarchical representations.

    Examples
    --------
    >>> import torch
    >>> model = ConvRBM(visible_shape=(8, 8), filter_shape=(3, 3), n_filters=4, pooling=2)
    >>> images = torch.zeros(10, 1, 8, 8)
    >>> model(images).shape, model.pooled(images).shape
    (torch.Size([10, 4, 6, 6]), torch.Size([10, 4, 3, 3]))
    """

    default_learning_rate = 0.3
