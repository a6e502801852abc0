"""Street view house numbers, cropped digits."""

import zlib
from pathlib import Path

import numpy as np

from deem.datasets.images._published import Labelled, Published, checked, not_found
from deem.utils.exception import ArgumentError

__all__ = ["read_svhn"]

_FILES = ("train_32x32.mat", "test_32x32.mat")
_SHAPE = (32, 32, 3)


def read_svhn(folder: Path) -> Published:
    """Read ``train_32x32.mat`` and ``test_32x32.mat``; their label 10 is the digit 0.

    Parameters
    ----------
    folder : Path
        Folder of the two files.

    Returns
    -------
    Published
        Images (n, 3, 32, 32) uint8; the code of a digit is the digit.

    Raises
    ------
    ArgumentError
        If a file is missing or damaged.

    References
    ----------
    .. [1] Netzer et al. (2011), Reading digits in natural images with unsupervised feature
       learning.
    """
    if not all((folder / name).is_file() for name in _FILES):
        raise not_found(folder, "svhn", [" and ".join(_FILES)])
    train, test = (_read(folder / name) for name in _FILES)
    return Published(train, test, tuple("0123456789"))


def _read(path: Path) -> Labelled:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    damages = (MatReadError, OSError, EOFError, ValueError, TypeError, KeyError, zlib.error)
    try:
        found = loadmat(path, variable_names=["X", "y"])
        pixels, labels = found["X"], found["y"].ravel()
    except (*damages, NotImplementedError) as error:
        raise ArgumentError(
            f"'{path}' is truncated, or no MATLAB file of X and y ({error}); replace it."
        ) from error
    if pixels.dtype != np.uint8 or pixels.shape != (*_SHAPE, len(labels)):
        raise ArgumentError(
            f"'{path}' has X {pixels.dtype} of shape {pixels.shape}, expected uint8 "
            f"{(*_SHAPE, len(labels))}; replace it."
        )
    digits = np.where(labels == 10, 0, labels)
    return Labelled(
        np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)), checked(path, digits, n_classes=10)
    )
