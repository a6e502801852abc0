"""Small convolutional networks."""

from collections.abc import Sequence

from torch import nn

from deem.ensembles.learners._checks import check_dropout, checked_sizes
from deem.ensembles.learners._images import checked_image, halving
from deem.utils.exception import ArgumentError, check_whole

__all__ = ["cnn", "cnn_paper"]


def cnn(
    input_shape: Sequence[int],
    n_outputs: int,
    channels: Sequence[int] = (16, 32),
    hidden: int = 64,
    kernel_size: int = 3,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Convolutional network, from images (batch, ...) to scores (batch, n_outputs).

    Every convolution is followed by a maximum over blocks of 2 by 2 pixels, as long as there are
    so many, and by rectified linear units; a hidden layer and a linear one read all pixels.

    Parameters
    ----------
    input_shape : sequence of int
        Channels, height and width of an image.
    n_outputs : int
        Number of scores, at least 1.
    channels : sequence of int
        Filters of each convolution.
    hidden : int
        Units of the hidden layer, at least 1.
    kernel_size : int
        Height and width of the filters, in pixels; images are padded by half of it.
    dropout : float
        Share of the channels of each convolution that is hidden in training; in [0, 1).

    References
    ----------
    .. [1] LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document
       recognition.
    """
    image = checked_image("cnn", input_shape, n_outputs)
    check_whole(1, kernel_size=kernel_size)
    padding = kernel_size // 2
    return _network(image, n_outputs, channels, hidden, kernel_size, padding, dropout)


def cnn_paper(input_shape: Sequence[int], n_outputs: int, dropout: float = 0.1) -> nn.Sequential:
    """The small convolutional network of the study of learner collusion.

    As `cnn`, with two convolutions of 10 and 20 filters of 5 by 5 pixels without padding and 50
    hidden units: 31,340 parameters for 10 classes of images (3, 32, 32).

    Parameters
    ----------
    input_shape, n_outputs, dropout
        As in `cnn`; images have at least 14 by 14 pixels.

    References
    ----------
    .. [1] Jeffares, Liu, Crabbé, van der Schaar (2023), Joint training of deep ensembles fails
       due to learner collusion.
    """
    image = checked_image("cnn_paper", input_shape, n_outputs)
    if min(image[1:]) < 14:
        raise ArgumentError(
            "learner='cnn_paper' takes images of at least 14 by 14 pixels, but samples have shape "
            f"{image}; pass learner='cnn'."
        )
    return _network(image, n_outputs, (10, 20), 50, 5, 0, dropout)


def _network(
    image: tuple[int, int, int],
    n_outputs: int,
    channels: Sequence[int],
    hidden: int,
    kernel_size: int,
    padding: int,
    dropout: float,
) -> nn.Sequential:
    check_whole(1, hidden=hidden)
    check_dropout(dropout=dropout)
    layers: list[nn.Module] = []
    n_in, height, width = image
    growth = 2 * padding - kernel_size + 1
    for n_out in checked_sizes("channels", channels, 1):
        layers.append(nn.Conv2d(n_in, n_out, kernel_size, padding=padding))
        if dropout > 0:
            layers.append(nn.Dropout2d(dropout))
        pool, height, width = halving(height + growth, width + growth)
        layers += [*pool, nn.ReLU()]
        n_in = n_out
    features = nn.Linear(n_in * height * width, hidden)
    return nn.Sequential(*layers, nn.Flatten(), features, nn.ReLU(), nn.Linear(hidden, n_outputs))
