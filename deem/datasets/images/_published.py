"""What a reader of published images hands over, and how it says that files are not there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError

__all__ = ["Labelled", "Published", "checked", "not_found"]

_MOST_NAMES = 8
"""Files that an error lists at most."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images and their class codes.

    Parameters
    ----------
    images : (n, 3, height, width) uint8, or n str
        Pixels, or the paths of files.
    codes : (n,) int64
        Classes.
    """

    images: Any
    codes: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> "Labelled":
        """The chosen images."""
        if isinstance(self.images, np.ndarray):
            return Labelled(self.images[rows], self.codes[rows])
        return Labelled([self.images[row] for row in rows], self.codes[rows])


@dataclass(frozen=True, eq=False)
class Published:
    """Images as they were published; `validation` is None where only two parts were."""

    train: Labelled
    test: Labelled
    classes: tuple[str, ...]
    validation: Labelled | None = None


def not_found(folder: Path, layout: str, wanted: Iterable[str]) -> ArgumentError:
    """Error that says what was looked for in a folder, and what is there."""
    if not folder.is_dir():
        return ArgumentError(f"folder='{folder}' is no folder; check the path.")
    names = sorted(path.name for path in folder.iterdir())
    found = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return ArgumentError(
        f"folder='{folder}' does not hold {layout}: looked for {' or '.join(wanted)}, found "
        f"{found or 'nothing'}; unpack the published archive there, nothing is downloaded."
    )


def checked(path: Path, codes: Sequence[int] | NDArray[Any], n_classes: int) -> NDArray[np.int64]:
    """Class codes of a file, (n,) int64, all of them in [0, n_classes)."""
    found = np.asarray(codes).astype(np.int64).ravel()
    if not len(found):
        raise ArgumentError(f"'{path}' holds no image; replace the file.")
    if not 0 <= found.min() <= found.max() < n_classes:
        raise ArgumentError(
            f"'{path}' has labels from {found.min()} to {found.max()}, expected 0 to "
            f"{n_classes - 1}; the file is damaged or of another data set."
        )
    return found
