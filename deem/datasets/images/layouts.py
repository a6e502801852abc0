"""Which layouts of labelled images can be read, and their splits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import torch

from deem.core.dataset import Dataset
from deem.core.splits import Splits, split_rows
from deem.datasets.images._published import Labelled, Published
from deem.datasets.images.cifar import read_cifar10, read_cifar100
from deem.datasets.images.files import ImageFiles
from deem.datasets.images.folders import read_folder, read_imagenet
from deem.datasets.images.svhn import read_svhn
from deem.utils.exception import ArgumentError, check_choice

__all__ = ["IMAGE_LAYOUTS", "ImageLayout", "load_images"]

_SIZE = 224
_TINY = 32
_WHITE = 255
_SHARE = 0.1


@dataclass(frozen=True)
class ImageLayout:
    """How a layout is read.

    Parameters
    ----------
    read : callable (folder) -> Published
        Reads the parts as they were published.
    in_memory : bool
        Whether all images are held in memory; else they are files that are opened when needed.
    may_flip : bool
        Whether mirror images are of the same class, for `augment`; not so for digits.
    """

    read: Callable[[Path], Published]
    in_memory: bool
    may_flip: bool = True


IMAGE_LAYOUTS = {
    "cifar10": ImageLayout(read_cifar10, in_memory=True),
    "cifar100": ImageLayout(read_cifar100, in_memory=True),
    "svhn": ImageLayout(read_svhn, in_memory=True, may_flip=False),
    "imagenet": ImageLayout(read_imagenet, in_memory=False),
    "folder": ImageLayout(read_folder, in_memory=False),
}
"""Layouts by name."""


def load_images(
    layout: str,
    folder: str | PathLike[str],
    *,
    random_state: int = 0,
    n_validation: float | None = None,
    size: int | None = None,
    random_crop: bool = False,
    random_flip: bool = False,
) -> Splits:
    """Labelled images of a local folder, split for training, validation and test.

    The test part is the published one (for ImageNet the published validation images) and serves
    for the report alone. The validation part is drawn from the published training images, evenly
    over the classes.

    Parameters
    ----------
    layout : str
        A key of `IMAGE_LAYOUTS`. Images of CIFAR and SVHN are held in memory, 12 KiB each, and
        standardised channel by channel with statistics of the training part; those of the others
        are `ImageFiles`.
    folder : path
        Where the published files are; nothing is downloaded.
    random_state : int
        Seed of the validation part and of random crops and flips.
    n_validation : int or float, optional
        Training images put aside, or their fraction, by default 0.1; 0 for none. Not for a
        folder that has validation images of its own.
    size : int, optional
        Height and width, by default 224; for images in memory always 32.
    random_crop, random_flip : bool
        For training images in files, see `ImageFiles`. For images in memory, call `augment` on
        the batches.

    Returns
    -------
    Splits

    Raises
    ------
    ArgumentError
        If the layout is unknown, or files are missing or damaged, or an option is not one of the
        layout.
    """
    check_choice("layout", layout, IMAGE_LAYOUTS)
    kind = IMAGE_LAYOUTS[layout]
    if kind.in_memory:
        _check_in_memory(layout, size, random_crop or random_flip)
    parts = _with_validation(kind.read(Path(folder)), n_validation, random_state)
    if kind.in_memory:
        return _splits(parts, _pixels, layout).standardised()

    def files(part: Labelled, crop: bool = False, flip: bool = False) -> ImageFiles:
        return ImageFiles(
            part.images,
            part.codes,
            _SIZE if size is None else size,
            random_crop=crop,
            random_flip=flip,
            random_state=random_state,
        )

    splits = _splits(parts, files, layout)
    return replace(splits, train=files(parts.train, random_crop, random_flip))


def _with_validation(
    published: Published, n_validation: float | None, random_state: int
) -> Published:
    """Same images, with some of the training part put aside unless there are others."""
    if published.validation is not None:
        if n_validation is not None:
            raise ArgumentError(
                f"n_validation={n_validation}, but the folder has validation images of its own; "
                "pass n_validation=None."
            )
        return published
    share = _SHARE if n_validation is None else n_validation
    train = published.train
    rows = split_rows(
        len(train.codes),
        {"n_validation": share, "train": None},
        labels=train.codes,
        random_state=random_state,
    )
    aside = rows["n_validation"]
    if len(aside) == len(train.codes):
        raise ArgumentError(f"n_validation={share} leaves no training image; ask for fewer.")
    return replace(
        published,
        train=train.take(rows["train"]),
        validation=train.take(aside) if len(aside) else None,
    )


def _splits(
    parts: Published, make: Callable[[Labelled], Dataset | ImageFiles], name: str
) -> Splits:
    validation = None if parts.validation is None else make(parts.validation)
    return Splits(make(parts.train), validation, make(parts.test), parts.classes, name)


def _pixels(part: Labelled) -> Dataset:
    """Images in [0, 1], float32."""
    pixels = torch.from_numpy(part.images).to(torch.float32).div_(_WHITE)
    return Dataset(pixels, torch.from_numpy(part.codes))


def _check_in_memory(layout: str, size: int | None, is_random: bool) -> None:
    if size not in (None, _TINY):
        raise ArgumentError(f"size={size}, but images of {layout} are {_TINY} wide; pass None.")
    if is_random:
        raise ArgumentError(
            f"random_crop or random_flip is set, but images of {layout} are held in memory; call "
            "augment on the batches."
        )
