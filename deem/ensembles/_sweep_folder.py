"""The folder of a sweep: whether it fits, and which cells it holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deem.core.splits import Splits
from deem.ensembles._described import digest_of_data
from deem.ensembles.results import Cell, SweepResult, cell_path, read_settings
from deem.utils.exception import ArgumentError

__all__ = ["check_data", "done_cells", "opened"]


def opened(folder: Path, settings: dict[str, Any]) -> Path:
    """The folder of a sweep of these settings, made if it is not there.

    Raises
    ------
    ArgumentError
        If it holds something else, or a sweep of other settings.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise ArgumentError(f"folder='{folder}', but '{nearest}' is a file; choose a folder.")
    before = read_settings(folder)
    if before is not None:
        unlike = sorted(_different(before, json.loads(json.dumps(settings))))
        if unlike:
            raise ArgumentError(
                f"folder='{folder}' holds a sweep of other {', '.join(unlike)}; pass the settings "
                "that it has, or a new folder."
            )
        return folder
    if folder.is_dir() and any(folder.iterdir()):
        raise ArgumentError(
            f"folder='{folder}' exists and holds no sweep; choose a new or empty one."
        )
    folder.mkdir(parents=True, exist_ok=True)
    SweepResult([], settings).write_tables(folder)
    return folder


def _different(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    """Names of the settings that differ, parameters of the estimator by their own."""
    a, b = ({**x, "params": None, **x.get("params", {})} for x in (a, b))
    return {name for name in a.keys() | b.keys() if a.get(name, "none") != b.get(name, "none")}


def check_data(place: Path, seeds: list[int], of_seed: Callable[[int], Splits]) -> None:
    """Compare the data with those of a cell that is there already.

    Cells of one sweep are of one source of data, also those of seeds that are added later.

    Raises
    ------
    ArgumentError
        If they differ.
    """
    held = _held_seeds(place)
    common = [seed for seed in seeds if seed in held]
    for seed in (common or sorted(held))[:1]:
        try:
            splits = of_seed(seed)
        except LookupError:
            # A function may know the new seeds only.
            return
        _check(Cell.load(held[seed]), digest_of_data(splits), place)


def _held_seeds(place: Path) -> dict[int, Path]:
    """A file of each seed that has one."""
    named = ((re.match(r"seed=(\d+),beta=", path.name), path) for path in place.glob("*.cell"))
    return {int(match[1]): path for match, path in named if match}


def done_cells(place: Path, seed: int, betas: list[float], digest: str) -> dict[float, Cell]:
    """Cells of a seed that a folder holds, by beta.

    Raises
    ------
    ArgumentError
        If they are of other data.
    """
    paths = {beta: cell_path(place, seed, beta) for beta in betas}
    found = {beta: Cell.load(path) for beta, path in paths.items() if path.is_file()}
    for cell in found.values():
        _check(cell, digest, place)
    return found


def _check(cell: Cell, digest: str, place: Path) -> None:
    if cell.data != digest:
        raise ArgumentError(
            f"folder='{place}' holds seed {cell.seed}, beta {cell.beta:g} of other data; pass the "
            "data that it has, or a new folder."
        )
