"""What networks of images share."""

from math import gcd

from torch import nn

from deem.ensembles.learners._checks import checked_shape, checked_sizes
from deem.utils.exception import ArgumentError, check_choice

__all__ = ["checked_image", "checked_stages", "convolution", "halving"]

_CHANNELS_A_GROUP = 16


def checked_image(learner: str, input_shape: object, n_outputs: object) -> tuple[int, int, int]:
    """Channels, height and width of a sample, which `learner` needs."""
    shape = checked_shape(input_shape, n_outputs)
    if len(shape) != 3:
        raise ArgumentError(
            f"learner={learner!r} takes images, but samples have shape {shape}; reshape X to "
            "(n, channels, height, width), or pass learner='mlp'."
        )
    channels, height, width = shape
    return channels, height, width


def checked_stages(widths: object, depths: object) -> list[tuple[int, int]]:
    """Channels and length of every stage of a network."""
    channels, lengths = checked_sizes("widths", widths, 1), checked_sizes("depths", depths, 1)
    if len(channels) != len(lengths):
        raise ArgumentError(
            f"widths={channels} and depths={lengths}; expected as many of the one as of the other."
        )
    return list(zip(channels, lengths, strict=True))


def convolution(
    n_in: int, n_out: int, norm: str, kernel_size: int = 3, stride: int = 1
) -> list[nn.Module]:
    """Convolution that keeps the size of images at stride 1, and its normalisation.

    Without biases, as the normalisation shifts every channel anyway.

    References
    ----------
    .. [1] Wu, He (2018), Group normalization: 16 channels a group did best.
    """
    check_choice("norm", norm, ("batch", "group"))
    conv = nn.Conv2d(n_in, n_out, kernel_size, stride, kernel_size // 2, bias=False)
    n_groups = gcd(n_out, max(n_out // _CHANNELS_A_GROUP, 1))
    return [conv, nn.BatchNorm2d(n_out) if norm == "batch" else nn.GroupNorm(n_groups, n_out)]


def halving(height: int, width: int) -> tuple[list[nn.Module], int, int]:
    """Maximum of blocks of 2 by 2 pixels, and the size after it; a side of 1 pixel stays."""
    block = (min(2, height), min(2, width))
    pool: list[nn.Module] = [nn.MaxPool2d(block)] if block != (1, 1) else []
    return pool, height // block[0], width // block[1]
