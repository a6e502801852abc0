"""Image files that are opened when they are asked for."""

from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import Dataset as MapDataset

from deem.utils.exception import ArgumentError, ShapeError, check_whole

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageFiles"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green and blue over ImageNet, of pixels in [0, 1]."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of red, green and blue over ImageNet, of pixels in [0, 1]."""

_CENTRE = 7 / 8
"""Side of the central crop, as a fraction of the shorter side of the image."""

_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)
_TRIES = 10

_Box = tuple[float, float, float, float]


class ImageFiles(MapDataset[tuple[Tensor, int]]):
    """Images of files, cut to squares; an item is (image, class code).

    By default the square is in the middle, 7/8 of the shorter side. A random crop covers 8 % to
    100 % of the area at an aspect ratio from 3/4 to 4/3, as in [1]_. Both are scaled to `size`.

    Parameters
    ----------
    paths : sequence of n_samples str
        JPEG or PNG files; grey ones get three equal channels.
    targets : (n_samples,)
        Class codes.
    size : int
        Height and width of the images, in pixels.
    mean, std : (3,)
        Pixels x in [0, 1] become (x - mean) / std.
    random_crop, random_flip : bool
        For training images: a random crop; the mirror image with probability 1/2, which is no
        choice for digits and letters.
    random_state : int
        Seed of both. The crop of an image depends on the seed, on `epoch` and on its index alone,
        not on workers and the order of the images.

    Attributes
    ----------
    epoch : int
        Set it before every pass over the data, or each image has the same crop in all of them.
    targets : (n_samples,) int64 Tensor
        Class codes.

    References
    ----------
    .. [1] Szegedy et al. (2015), Going deeper with convolutions, section 6.
    """

    def __init__(
        self,
        paths: Sequence[str],
        targets: ArrayLike,
        size: int = 224,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        random_crop: bool = False,
        random_flip: bool = False,
        random_state: int = 0,
    ):
        check_whole(1, size=size)
        check_whole(0, random_state=random_state)
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ArgumentError(
                f"mean={mean} and std={std}; expected three numbers each, std above 0."
            )
        self.paths, self.size = list(paths), int(size)
        self.targets = torch.from_numpy(np.array(targets, dtype=np.int64))
        if self.targets.shape != (len(self.paths),):
            raise ShapeError(
                f"targets has shape {tuple(self.targets.shape)}, expected ({len(self.paths)},)."
            )
        self.mean, self.std = (np.asarray(x, dtype=np.float32) for x in (mean, std))
        self.random_crop, self.random_flip = random_crop, random_flip
        self.random_state, self.epoch = int(random_state), 0

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        index = range(len(self.paths))[index]
        rng = np.random.default_rng([self.random_state, self.epoch, index])
        pixels = self._square(self.paths[index], rng)
        if self.random_flip and rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        scaled = (pixels / np.float32(255) - self.mean) / self.std
        image = np.ascontiguousarray(scaled.transpose(2, 0, 1), dtype=np.float32)
        return torch.from_numpy(image), int(self.targets[index])

    def _square(self, path: str, rng: np.random.Generator) -> np.ndarray:
        """Pixels (size, size, 3) uint8."""
        from PIL import Image

        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ArgumentError(
                f"'{path}' cannot be opened as an image ({error}); replace or remove it."
            ) from error
        box = _random_box(*image.size, rng) if self.random_crop else _central_box(*image.size)
        shape = (self.size, self.size)
        return np.asarray(image.resize(shape, Image.Resampling.BILINEAR, box=box))


def _central_box(width: int, height: int) -> _Box:
    side = _CENTRE * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _random_box(width: int, height: int, rng: np.random.Generator) -> _Box:
    """Box of a random area, aspect ratio and place; the central one where none fits."""
    for _ in range(_TRIES):
        area = width * height * rng.uniform(*_AREA)
        ratio = exp(rng.uniform(log(_RATIO[0]), log(_RATIO[1])))
        wide, high = sqrt(area * ratio), sqrt(area / ratio)
        if wide <= width and high <= height:
            left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
            # Rounding must not push the box over the edge.
            return left, top, min(left + wide, width), min(top + high, height)
    return _central_box(width, height)
