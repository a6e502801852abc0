"""Residual networks for small images."""

from collections.abc import Sequence

from torch import Tensor, nn

from deem.ensembles.learners._images import checked_image, checked_stages, convolution

__all__ = ["resnet18", "resnet34", "resnet_small"]

_WIDTHS = (64, 128, 256, 512)


def resnet18(input_shape: Sequence[int], n_outputs: int, norm: str = "batch") -> nn.Sequential:
    """ResNet-18 for small images: 11.2 million parameters.

    As `resnet_small`, with 2 blocks in each stage of 64, 128, 256 and 512 filters.

    Parameters
    ----------
    input_shape, n_outputs, norm
        As in `resnet_small`.

    References
    ----------
    .. [1] He, Zhang, Ren, Sun (2016), Deep residual learning for image recognition.
    """
    image = checked_image("resnet18", input_shape, n_outputs)
    return _network(image, n_outputs, checked_stages(_WIDTHS, (2, 2, 2, 2)), norm)


def resnet34(input_shape: Sequence[int], n_outputs: int, norm: str = "batch") -> nn.Sequential:
    """ResNet-34 for small images: 21.3 million parameters.

    As `resnet_small`, with 3, 4, 6 and 3 blocks of 64, 128, 256 and 512 filters.

    Parameters
    ----------
    input_shape, n_outputs, norm
        As in `resnet_small`.

    References
    ----------
    .. [1] He, Zhang, Ren, Sun (2016), Deep residual learning for image recognition.
    """
    image = checked_image("resnet34", input_shape, n_outputs)
    return _network(image, n_outputs, checked_stages(_WIDTHS, (3, 4, 6, 3)), norm)


def resnet_small(
    input_shape: Sequence[int],
    n_outputs: int,
    widths: Sequence[int] = (16, 32, 64),
    depths: Sequence[int] = (1, 1, 1),
    norm: str = "batch",
) -> nn.Sequential:
    """ResNet of any size, from images (batch, ...) to scores (batch, n_outputs).

    Small images are read by 3 by 3 filters at stride 1, where large ones are halved twice; every
    stage but the first halves them. A linear layer reads the mean of the pixels.

    Parameters
    ----------
    input_shape : sequence of int
        Channels, height and width of an image.
    n_outputs : int
        Number of scores, at least 1.
    widths, depths : sequence of int
        Filters of each convolution of a stage, and blocks of two convolutions of a stage.
    norm : str
        "batch" or "group": how channels are normalised.

    References
    ----------
    .. [1] He, Zhang, Ren, Sun (2016), Deep residual learning for image recognition, section 4.2.
    """
    image = checked_image("resnet_small", input_shape, n_outputs)
    return _network(image, n_outputs, checked_stages(widths, depths), norm)


def _network(
    image: tuple[int, int, int], n_outputs: int, stages: list[tuple[int, int]], norm: str
) -> nn.Sequential:
    n_in = stages[0][0]
    layers: list[nn.Module] = [*convolution(image[0], n_in, norm), nn.ReLU()]
    for i, (n_out, depth) in enumerate(stages):
        for j in range(depth):
            layers.append(_Block(n_in, n_out, 2 if i > 0 and j == 0 else 1, norm))
            n_in = n_out
    head = nn.Linear(n_in, n_outputs)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


class _Block(nn.Module):
    """Two convolutions whose result is added to what they read."""

    def __init__(self, n_in: int, n_out: int, stride: int, norm: str):
        super().__init__()
        self.residual = nn.Sequential(
            *convolution(n_in, n_out, norm, stride=stride),
            nn.ReLU(),
            *convolution(n_out, n_out, norm),
        )
        is_same = n_in == n_out and stride == 1
        self.shortcut = nn.Sequential(
            *([] if is_same else convolution(n_in, n_out, norm, kernel_size=1, stride=stride))
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.residual(x) + self.shortcut(x)).relu()
