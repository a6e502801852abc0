"""Labelled images in a local folder, in the layouts they are published in.

Nothing is downloaded, and no file is trusted: pickles are read by a reader that knows pixels,
numbers and texts only.
"""

from deem.datasets.images.augmentation import augment
from deem.datasets.images.files import IMAGENET_MEAN, IMAGENET_STD, ImageFiles
from deem.datasets.images.layouts import IMAGE_LAYOUTS, ImageLayout, load_images

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "IMAGE_LAYOUTS",
    "ImageFiles",
    "ImageLayout",
    "augment",
    "load_images",
]
