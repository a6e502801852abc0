"""Pixels, numbers and texts out of a pickle, and nothing else."""

import pickle
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError

__all__ = ["read_pickled"]

_DAMAGES = (
    *(pickle.UnpicklingError, EOFError, OSError, ValueError, TypeError, KeyError, IndexError),
    *(AttributeError, OverflowError),
)
"""What a damaged pickle may raise."""


def read_pickled(path: Path) -> dict[str, Any]:
    """Dictionary of a pickle of Python 2 that holds texts, numbers and arrays of bytes.

    Parameters
    ----------
    path : Path
        File of the Python version of CIFAR.

    Returns
    -------
    dict of str
        Arrays are uint8; texts are bytes.

    Raises
    ------
    ArgumentError
        If the file is damaged or holds anything else.
    """
    try:
        with path.open("rb") as file:
            found = _Reader(file, encoding="bytes").load()
        return {key.decode(): _plain(value) for key, value in found.items()}
    except _DAMAGES as error:
        raise ArgumentError(
            f"'{path}' is truncated, or no file of images as published ({error}); replace it, or "
            "use the binary version."
        ) from error


class _Bytes:
    """Stands for an array in a pickle; takes its bytes, and only if they are uint8."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, raw = state
        if not isinstance(kind, _Kind) or kind.code not in (b"u1", "u1"):
            raise pickle.UnpicklingError("an array is not uint8")
        if len(raw) != prod(shape):
            raise pickle.UnpicklingError(f"an array {shape} has {len(raw)} bytes")
        order: Any = "F" if is_fortran else "C"
        # What is read from bytes is read-only, which torch does not take.
        self.values = np.frombuffer(raw, dtype=np.uint8).reshape(shape, order=order).copy()


class _Kind:
    """Stands for the type of an array."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Byte order and the like, which single bytes do not have."""


def _new(*_: object) -> _Bytes:
    return _Bytes()


class _Reader(pickle.Unpickler):
    # A pickle can call whatever it may name. This one may name the three things that an array
    # consists of, and gets harmless stand-ins: not even numpy's own, which trust their state.
    _known = {
        ("numpy.core.multiarray", "_reconstruct"): _new,
        ("numpy._core.multiarray", "_reconstruct"): _new,
        ("numpy", "ndarray"): _Bytes,
        ("numpy", "dtype"): _Kind,
    }

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return self._known[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}") from None


def _plain(value: object) -> NDArray[np.uint8] | Any:
    return value.values if isinstance(value, _Bytes) else value
