"""Labelled images in a local folder, in the layouts they are published in.

Nothing is downloaded, and no file is trusted: pickles are read by a reader that knows pixels,
numbers and texts only.
"""

from deem.datasets.images.augmentation import augment
from deem.datasets.images.files import ImageFiles
from deem.datasets.images.layouts import ImageLayout, load_images

__all__ = [
    "ImageFiles",
    "ImageLayout",
    "augment",
    "load_images",
]
