"""CIFAR-10 and CIFAR-100, in their binary and their Python version."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deem.datasets.images._pickled import read_pickled
from deem.datasets.images._published import Labelled, Published, checked, not_found
from deem.utils.exception import ArgumentError

__all__ = ["read_cifar10", "read_cifar100"]

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class _Version:
    """Files of one version; `n_labels` bytes come before the pixels, the last one is the class."""

    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    labels: str
    n_labels: int = 1

    @property
    def is_binary(self) -> bool:
        return self.test.endswith(".bin")


_CIFAR10 = (
    _Version(
        "cifar-10-batches-bin",
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        "test_batch.bin",
        "batches.meta.txt",
        "labels",
    ),
    _Version(
        "cifar-10-batches-py",
        tuple(f"data_batch_{i}" for i in range(1, 6)),
        "test_batch",
        "batches.meta",
        "labels",
    ),
)
_CIFAR100 = (
    _Version(
        "cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", "fine_labels", 2
    ),
    _Version("cifar-100-python", ("train",), "test", "meta", "fine_labels"),
)


def read_cifar10(folder: Path) -> Published:
    """Read CIFAR-10 from ``cifar-10-batches-bin`` or ``cifar-10-batches-py``.

    Parameters
    ----------
    folder : Path
        That folder, or the one it is in.

    Returns
    -------
    Published
        Images (n, 3, 32, 32) uint8.

    Raises
    ------
    ArgumentError
        If a file is missing or damaged.

    References
    ----------
    .. [1] Krizhevsky (2009), Learning multiple layers of features from tiny images.
    """
    return _read(folder, "cifar10", _CIFAR10)


def read_cifar100(folder: Path) -> Published:
    """Read CIFAR-100, with its 100 fine classes, from ``cifar-100-binary`` or ``-python``.

    See `read_cifar10` for the parameters and the result.
    """
    return _read(folder, "cifar100", _CIFAR100)


def _read(folder: Path, layout: str, versions: tuple[_Version, ...]) -> Published:
    home, version = _located(folder, layout, versions)
    missing = [name for name in (*version.train, version.test) if not (home / name).is_file()]
    if missing:
        raise ArgumentError(
            f"'{home}' lacks {', '.join(missing)}; unpack the published archive again."
        )
    classes = _names(home / version.names)
    read: Callable[[Path, _Version, int], Labelled]
    read = _binary if version.is_binary else _python
    parts = [read(home / name, version, len(classes)) for name in version.train]
    train = Labelled(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.codes for part in parts]),
    )
    return Published(train, read(home / version.test, version, len(classes)), classes)


def _located(folder: Path, layout: str, versions: tuple[_Version, ...]) -> tuple[Path, _Version]:
    for version in versions:
        for home in (folder / version.folder, folder):
            if (home / version.names).is_file():
                return home, version
    raise not_found(folder, layout, [f"{item.folder}/{item.names}" for item in versions])


def _names(path: Path) -> tuple[str, ...]:
    if path.suffix == ".txt":
        names = path.read_text(encoding="utf-8").split()
    else:
        found = read_pickled(path)
        listed = found.get("label_names") or found.get("fine_label_names") or []
        names = [name.decode() for name in listed]
    if not names:
        raise ArgumentError(f"'{path}' names no class; unpack the published archive again.")
    return tuple(names)


def _binary(path: Path, version: _Version, n_classes: int) -> Labelled:
    values = np.fromfile(path, dtype=np.uint8)
    size = version.n_labels + _PIXELS
    if len(values) % size:
        raise ArgumentError(
            f"'{path}' has {len(values)} bytes, no multiple of the {size} of an image; it is "
            "truncated, unpack the published archive again."
        )
    records = values.reshape(-1, size)
    codes = checked(path, records[:, version.n_labels - 1], n_classes)
    return Labelled(records[:, version.n_labels :].reshape(-1, *_SHAPE), codes)


def _python(path: Path, version: _Version, n_classes: int) -> Labelled:
    found = read_pickled(path)
    pixels, labels = found.get("data"), found.get(version.labels)
    if not isinstance(pixels, np.ndarray) or not isinstance(labels, list):
        raise ArgumentError(
            f"'{path}' has no 'data' and '{version.labels}' but {', '.join(found)}; unpack the "
            "published archive again."
        )
    if pixels.shape != (len(labels), _PIXELS):
        raise ArgumentError(
            f"'{path}' has data of shape {pixels.shape}, expected {(len(labels), _PIXELS)}; "
            "unpack the published archive again."
        )
    return Labelled(pixels.reshape(-1, *_SHAPE), checked(path, labels, n_classes))
