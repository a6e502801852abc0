"""Deep networks of stages of small filters, each stage on half the pixels of the one before."""

from collections.abc import Sequence

from torch import nn

from deem.ensembles.learners._checks import check_dropout
from deem.ensembles.learners._images import checked_image, checked_stages, convolution, halving
from deem.utils.exception import ArgumentError, check_whole

__all__ = ["vgg16", "vgg_small"]


def vgg16(
    input_shape: Sequence[int],
    n_outputs: int,
    dropout: Sequence[float] = (0.3, 0.4, 0.5),
    norm: str = "batch",
) -> nn.Sequential:
    """VGG-16 for small images, with normalised channels: 15.0 million parameters.

    As `vgg_small`, with 2, 2, 3, 3 and 3 convolutions of 64, 128, 256, 512 and 512 filters and 512
    hidden units.

    Parameters
    ----------
    input_shape, n_outputs, dropout, norm
        As in `vgg_small`.

    References
    ----------
    .. [1] Simonyan, Zisserman (2015), Very deep convolutional networks for large-scale image
       recognition.
    .. [2] Liu, Deng (2015), Very deep convolutional neural network based image classification
       using small training sample size.
    """
    image = checked_image("vgg16", input_shape, n_outputs)
    stages = checked_stages((64, 128, 256, 512, 512), (2, 2, 3, 3, 3))
    return _network(image, n_outputs, stages, 512, dropout, norm)


def vgg_small(
    input_shape: Sequence[int],
    n_outputs: int,
    widths: Sequence[int] = (16, 32),
    depths: Sequence[int] = (2, 2),
    hidden: int = 64,
    dropout: Sequence[float] = (0.0, 0.0, 0.0),
    norm: str = "batch",
) -> nn.Sequential:
    """VGG of any size, from images (batch, ...) to scores (batch, n_outputs).

    A stage ends with a maximum over blocks of 2 by 2 pixels, as long as there are so many.

    Parameters
    ----------
    input_shape : sequence of int
        Channels, height and width of an image.
    n_outputs : int
        Number of scores, at least 1.
    widths, depths : sequence of int
        Filters (3 by 3 pixels) of each convolution of a stage, and convolutions of a stage.
    hidden : int
        Units of the hidden layer above the stages, at least 1.
    dropout : three floats
        Shares in [0, 1) hidden in training: between the convolutions of the first stage, between
        those of a later stage, and on both sides of the hidden layer.
    norm : str
        "batch" or "group": how channels are normalised.

    References
    ----------
    .. [1] Simonyan, Zisserman (2015), Very deep convolutional networks for large-scale image
       recognition.
    """
    image = checked_image("vgg_small", input_shape, n_outputs)
    return _network(image, n_outputs, checked_stages(widths, depths), hidden, dropout, norm)


def _network(
    image: tuple[int, int, int],
    n_outputs: int,
    stages: list[tuple[int, int]],
    hidden: int,
    dropout: Sequence[float],
    norm: str,
) -> nn.Sequential:
    check_whole(1, hidden=hidden)
    first, later, top = _checked_shares(dropout)
    layers: list[nn.Module] = []
    n_in, height, width = image
    for i, (n_out, depth) in enumerate(stages):
        for j in range(depth):
            # The pixels that survive the maximum stay whole.
            share = (later if i else first) if j < depth - 1 else 0
            layers += [*convolution(n_in, n_out, norm), nn.ReLU(), *_hiding(share)]
            n_in = n_out
        pool, height, width = halving(height, width)
        layers += pool
    layers += [nn.Flatten(), *_hiding(top), nn.Linear(n_in * height * width, hidden), nn.ReLU()]
    return nn.Sequential(*layers, *_hiding(top), nn.Linear(hidden, n_outputs))


def _checked_shares(dropout: Sequence[float]) -> tuple[float, float, float]:
    if not isinstance(dropout, Sequence) or isinstance(dropout, str) or len(dropout) != 3:
        raise ArgumentError(f"dropout={dropout!r}; expected three shares, as (0.3, 0.4, 0.5).")
    check_dropout(**{f"dropout[{i}]": share for i, share in enumerate(dropout)})
    first, later, top = dropout
    return first, later, top


def _hiding(share: float) -> list[nn.Module]:
    return [nn.Dropout(share)] if share > 0 else []
