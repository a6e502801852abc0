"""Image files in one folder a class, and ImageNet as Kaggle hands it out."""

import csv
import os
from pathlib import Path

import numpy as np

from deem.datasets.images._published import Labelled, Published, not_found
from deem.utils.exception import ArgumentError

__all__ = ["read_folder", "read_imagenet"]

_ENDINGS = (".jpg", ".jpeg", ".png")
_KAGGLE = Path("ILSVRC", "Data", "CLS-LOC")
_SOLUTION = "LOC_val_solution.csv"
_NAMES = "LOC_synset_mapping.txt"


def read_folder(folder: Path) -> Published:
    """List ``train/<class>/*`` and ``test/<class>/*``, JPEG or PNG.

    With ``test`` there, ``val/<class>/*`` are the validation images; without, they are the test
    images.

    Parameters
    ----------
    folder : Path
        Folder of these folders.

    Returns
    -------
    Published
        Paths; the classes are the names of the folders below ``train``, sorted.

    Raises
    ------
    ArgumentError
        If a folder is missing or empty, or a class is not among those of ``train``.
    """
    return _read(folder, "folder", ("test", "val"))


def read_imagenet(folder: Path) -> Published:
    """List ImageNet in one folder a class, or as Kaggle hands it out.

    The first has ``train/<class>/*`` and ``val/<class>/*``; the second has
    ``ILSVRC/Data/CLS-LOC/train/<class>/*`` and ``.../val/*``, with ``LOC_val_solution.csv`` and
    ``LOC_synset_mapping.txt`` beside ``ILSVRC``. The published validation images are the test
    part, since the labels of the published test images are secret.

    See `read_folder` for the parameters and the result.
    """
    if not (folder / _KAGGLE).is_dir():
        return _read(folder, "imagenet", ("val",), (str(_KAGGLE),))
    missing = [name for name in (_SOLUTION, _NAMES) if not (folder / name).is_file()]
    if missing:
        raise ArgumentError(f"folder='{folder}' lacks {', '.join(missing)}; put it there.")
    named = _kaggle_names(folder / _NAMES)
    train, codes = _listed(folder / _KAGGLE / "train")
    unknown = sorted(set(codes) - set(named))
    if unknown:
        raise ArgumentError(f"'{folder / _NAMES}' does not name {unknown[0]}; replace the file.")
    classes = tuple(f"{name} {named[name]}" for name in codes)
    return Published(train, _kaggle_val(folder, codes), classes)


def _read(
    folder: Path, layout: str, tests: tuple[str, ...], others: tuple[str, ...] = ()
) -> Published:
    """Parts of folders: the first of `tests` that is there, and the second for validation."""
    held = [name for name in tests if (folder / name).is_dir()]
    if not held or not (folder / "train").is_dir():
        wanted = [f"train/<class> and {name}/<class>" for name in tests]
        raise not_found(folder, layout, [*wanted, *others])
    train, codes = _listed(folder / "train")
    parts = [_listed(folder / name, codes)[0] for name in held]
    return Published(train, parts[0], tuple(codes), parts[1] if len(parts) > 1 else None)


def _listed(home: Path, codes: dict[str, int] | None = None) -> tuple[Labelled, dict[str, int]]:
    """Files of each class; the classes are numbered here unless they are given."""
    if not home.is_dir():
        raise not_found(home.parent, "images", [home.name])
    names = sorted(
        entry.name for entry in os.scandir(home) if entry.is_dir() and entry.name[0] != "."
    )
    if not names:
        raise ArgumentError(f"'{home}' has no folder of a class; put the images into one each.")
    if codes is None:
        codes = {name: code for code, name in enumerate(names)}
    unknown = sorted(set(names) - set(codes))
    if unknown:
        raise ArgumentError(
            f"'{home / unknown[0]}' is of no class that the training images have; rename or "
            "remove it."
        )
    # Paths stay texts: more than a million of them are copied into every worker.
    files = {name: _images(home / name) for name in names}
    labels = np.repeat([codes[name] for name in names], [len(files[name]) for name in names])
    return Labelled([path for name in names for path in files[name]], labels), codes


def _images(folder: Path) -> list[str]:
    found = sorted(e.path for e in os.scandir(folder) if e.name.lower().endswith(_ENDINGS))
    if not found:
        raise ArgumentError(
            f"'{folder}' holds no image ({', '.join(_ENDINGS)}); fill or remove it."
        )
    return found


def _kaggle_names(path: Path) -> dict[str, str]:
    """Description of each class."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.strip().partition(" ")[::2] for line in lines if line.strip())


def _kaggle_val(folder: Path, codes: dict[str, int]) -> Labelled:
    path = folder / _SOLUTION
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"ImageId", "PredictionString"} <= set(rows[0]):
        raise ArgumentError(f"'{path}' has no rows of ImageId and PredictionString; replace it.")
    home = folder / _KAGGLE / "val"
    held = {Path(path).stem: path for path in _images(home)} if home.is_dir() else {}
    labels = {row["ImageId"]: (row["PredictionString"] or "").partition(" ")[0] for row in rows}
    unlike = sorted({name for name in labels.values() if name not in codes})
    if unlike:
        raise ArgumentError(
            f"'{path}' has the class {unlike[0]!r}, of which '{home.parent}/train' "
            "has no folder; unpack it whole."
        )
    missing = sorted(set(labels) - set(held))
    if missing:
        raise ArgumentError(
            f"'{home}' lacks {len(missing)} of {len(labels)} images, the first is {missing[0]}; "
            "unpack the published archive again."
        )
    names = sorted(labels)
    return Labelled([held[name] for name in names], np.array([codes[labels[n]] for n in names]))
