"""Data of ensembles by the name in their settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from deem.core.dataset import Dataset
from deem.core.splits import Splits
from deem.datasets import augment, flip_labels, load_images
from deem.datasets.images.layouts import IMAGE_LAYOUTS
from deem.datasets.tasks import TASKS
from deem.ensembles.config import EnsembleConfig
from deem.utils.exception import ArgumentError, UnusedParameterWarning, check_choice
from deem.utils.warning import warn

__all__ = ["Source", "augmentation", "check_data"]

_SHIFT = 8
"""The largest shift of an image is its width over this, as for images of 32 pixels in [1].

References
----------
.. [1] He et al. (2016), Deep residual learning for image recognition, section 4.2.
"""


@dataclass(frozen=True)
class Source:
    """Data of the settings; called with a seed it gives the splits.

    Parameters
    ----------
    config : EnsembleConfig
        With a name that `check_data` has checked.
    """

    config: EnsembleConfig

    def __call__(self, seed: int) -> Splits:
        """Splits, drawn with a seed."""
        config = self.config
        if config.data not in TASKS:
            return _images(config, seed)
        task = replace(TASKS[config.data], is_standardised=config.standardise)
        sizes = config.n_train, config.n_validation, config.n_test
        return task(seed, config.label_noise or 0.0, *sizes)


def check_data(config: EnsembleConfig) -> None:
    """Raise unless there are data of this name that go with the other settings.

    Settings that do nothing with them give a warning.

    Raises
    ------
    ArgumentError
        If the name is unknown, a folder is missing, or a setting is not for such data.
    """
    check_choice("data", config.data, [*TASKS, *IMAGE_LAYOUTS])
    if config.data in TASKS:
        _warn(config, ["data_dir", "image_size", "n_workers"])
        return
    in_memory = IMAGE_LAYOUTS[config.data].in_memory
    if config.data_dir is None:
        raise ArgumentError(
            f"data='{config.data}' is read from files; pass data_dir, the folder of them."
        )
    sizes = [name for name in ("n_train", "n_test") if getattr(config, name) is not None]
    if config.label_noise and not in_memory:
        sizes.append("label_noise")
    if config.class_weight == "balanced" and not in_memory:
        sizes.append("class_weight")
    if sizes:
        raise ArgumentError(f"{sizes[0]} is set, but not for data='{config.data}'; leave it out.")
    _warn(config, ["standardise", *(["image_size", "n_workers"] if in_memory else [])])


def augmentation(
    config: EnsembleConfig, splits: Splits
) -> Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None:
    """Random changes of training batches, None for none; files change as they are read."""
    shape = splits.sample_shape
    if not config.augment or not isinstance(splits.train, Dataset):
        return None
    if len(shape) != 3:
        raise ArgumentError(
            f"augment is set, but samples of '{config.data}' have the shape {shape}; augmentation "
            "is for images, leave it out."
        )
    flip = config.data in IMAGE_LAYOUTS and IMAGE_LAYOUTS[config.data].may_flip
    return partial(augment, padding=shape[-1] // _SHIFT, flip=flip)


def _images(config: EnsembleConfig, seed: int) -> Splits:
    layout = IMAGE_LAYOUTS[config.data]
    options: dict[str, Any] = {"random_state": seed, "n_validation": config.n_validation}
    if not layout.in_memory:
        options |= {"size": config.image_size, "random_crop": config.augment}
        options["random_flip"] = config.augment and layout.may_flip
    splits = load_images(config.data, str(config.data_dir), **options)
    train = splits.train
    if not (config.label_noise and isinstance(train, Dataset) and splits.classes):
        return splits
    assert train.targets is not None  # noqa: S101
    rng = np.random.default_rng([seed, 1])
    flipped = flip_labels(train.targets.numpy(), config.label_noise, len(splits.classes), rng)
    return replace(splits, train=Dataset(train.data, torch.from_numpy(flipped)))


def _warn(config: EnsembleConfig, unused: list[str]) -> None:
    default = EnsembleConfig()
    names = [name for name in unused if getattr(config, name) != getattr(default, name)]
    if names:
        text = f"{', '.join(names)} set, but not for data='{config.data}'; leave it out."
        warn(text, UnusedParameterWarning)
