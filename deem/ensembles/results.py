"""What a sweep found: tidy rows, histories and scores, in memory and in a folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deem.core.history import History
from deem.core.persistence import read_file, write_bytes, write_file
from deem.utils.exception import ArgumentError, ModelFileError, check_choice

__all__ = [
    "Cell",
    "SweepResult",
    "cell_path",
    "load_cells",
    "pivoted",
    "read_settings",
    "summary",
    "write_rows",
]

_KIND = "SweepCell"
_COLUMNS = ("seed", "beta", "split", "selection", "epoch", "metric", "value")


@dataclass(frozen=True, eq=False)
class Cell:
    """An ensemble of a sweep.

    Parameters
    ----------
    seed : int
        Of its parameters, draws and data.
    beta : float
        Degree of joint training.
    rows : list of dict
        As in `SweepResult.rows`.
    history : History
        Every epoch of the training.
    scores : dict of (n_test, n_learners, n_outputs) Tensor
        Of the test samples, by selection.
    targets : (n_test, ...) Tensor
        Of the test samples.
    how : {"score", "prob"}
        What the ensemble averages.
    n_parameters : int
        Of a learner.
    data : str
        Digest of the data it was trained on.
    """

    seed: int
    beta: float
    rows: list[dict[str, Any]]
    history: History
    scores: dict[str, Tensor]
    targets: Tensor
    how: str = "score"
    n_parameters: int = 0
    data: str = ""

    def save(self, folder: Path) -> None:
        """Write the cell to its file in a folder."""
        content = {**vars(self), "history": self.history.to_dict()}
        write_file(cell_path(folder, self.seed, self.beta), _KIND, content)

    @classmethod
    def load(cls, path: Path) -> Cell:
        """Read what `save` wrote.

        Raises
        ------
        ModelFileError
            If the file is damaged or foreign.
        """
        try:
            content = read_file(path, _KIND)[1]
            return cls(**{**content, "history": History.from_dict(content["history"])})
        except (ModelFileError, LookupError, TypeError) as error:
            raise ModelFileError(
                f"'{path}' holds no cell of a sweep ({error}); restore it from a copy, or delete "
                "it and run the sweep again."
            ) from error


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Ensembles of several seeds and degrees of joint training.

    Parameters
    ----------
    cells : list of Cell
        In the order of seeds, then betas.
    settings : dict
        What all of them have in common.
    """

    cells: list[Cell]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Tidy table: a dict with seed, beta, split, selection, epoch, metric, value a number.

        ``split`` is "train", "validation" or "test"; ``selection`` "last" for the parameters
        after the last epoch, or "best" for those where the validation samples were best;
        ``epoch`` says which epoch that was, from 1.
        """
        return [row for cell in self.cells for row in cell.rows]

    @property
    def seeds(self) -> list[int]:
        """Seeds, sorted."""
        return sorted({cell.seed for cell in self.cells})

    @property
    def betas(self) -> list[float]:
        """Degrees of joint training, sorted."""
        return sorted({cell.beta for cell in self.cells})

    def __getitem__(self, key: tuple[int, float]) -> Cell:
        for cell in self.cells:
            if (cell.seed, cell.beta) == key:
                return cell
        raise KeyError(f"there is no cell of seed {key[0]} and beta {key[1]}")

    def metrics(self, split: str = "test", selection: str = "last") -> list[str]:
        """Names of what was measured."""
        found = (
            row["metric"]
            for row in self.rows
            if (row["split"], row["selection"]) == (split, selection)
        )
        return list(dict.fromkeys(found))

    def values(
        self, metric: str = "accuracy", split: str = "test", selection: str = "last"
    ) -> NDArray[np.float64]:
        """Values (n_seeds, n_betas) of a metric; NaN where a cell is not there.

        Raises
        ------
        ArgumentError
            If it was not measured.
        """
        check_choice("split", split, {row["split"] for row in self.rows})
        check_choice("selection", selection, {row["selection"] for row in self.rows})
        check_choice("metric", metric, self.metrics(split, selection))
        return pivoted(self.rows, "value", split=split, selection=selection, metric=metric)

    def table(
        self,
        metrics: Sequence[str] | None = None,
        split: str = "test",
        selection: str = "last",
    ) -> list[dict[str, Any]]:
        """Mean, standard deviation and standard error over seeds of every metric and beta.

        Parameters
        ----------
        metrics : sequence of str, optional
            By default all that were measured.
        split, selection : str
            As in `rows`.

        Returns
        -------
        list of dict
            With metric, beta, mean, std, sem and n_seeds; std and sem of one seed are NaN.
        """
        found = []
        for metric in self.metrics(split, selection) if metrics is None else metrics:
            values = self.values(metric, split, selection)
            for place, beta in enumerate(self.betas):
                found.append({"metric": metric, "beta": beta, **summary(values[:, place])})
        return found

    def paired(
        self,
        metric: str = "accuracy",
        split: str = "test",
        selection: str = "last",
        baseline: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Differences to a baseline within the same seed, for every other beta.

        Parameters
        ----------
        metric, split, selection : str
            As in `values`.
        baseline : float
            The beta that is subtracted.

        Returns
        -------
        list of dict
            With beta, mean, std and sem of the differences, n_seeds, and in how many of them the
            difference is below (n_below) and above 0 (n_above).
        """
        values = self.values(metric, split, selection)
        check_choice("baseline", baseline, self.betas)
        base = values[:, self.betas.index(baseline)]
        found = []
        for place, beta in enumerate(self.betas):
            if beta != baseline:
                difference = values[:, place] - base
                counts = {
                    "n_below": int((difference < 0).sum()),
                    "n_above": int((difference > 0).sum()),
                }
                found.append({"beta": beta, **summary(difference), **counts})
        return found

    def save(self, folder: str | Path) -> None:
        """Write everything to a new or empty folder; see `load`.

        ``rows.csv`` has the tidy table, ``sweep.json`` settings and histories, and a file a cell
        its scores.

        Raises
        ------
        ArgumentError
            If the folder holds other things.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ArgumentError(f"folder='{folder}' exists and is not empty; choose a new one.")
        folder.mkdir(parents=True, exist_ok=True)
        for cell in self.cells:
            cell.save(folder)
        self.write_tables(folder)

    def write_tables(self, folder: Path) -> None:
        """Write ``rows.csv`` and ``sweep.json``, in place of those that are there."""
        histories = [
            {
                "seed": cell.seed,
                "beta": cell.beta,
                "history": json.loads(cell.history.to_json()),
            }
            for cell in self.cells
        ]
        content = {"settings": self.settings, "cells": histories}
        text = json.dumps(content, indent=1, allow_nan=False)
        # First what a folder of a sweep is known by.
        write_bytes(folder / "sweep.json", text.encode())
        write_rows(folder / "rows.csv", self.rows, _COLUMNS)

    @classmethod
    def load(cls, folder: str | Path) -> SweepResult:
        """Read a folder that `save` or `BetaSweep.run` wrote.

        Raises
        ------
        ArgumentError
            If it holds no sweep.
        """
        folder = Path(folder)
        cells = list(load_cells(folder))
        settings = read_settings(folder)
        if not cells or settings is None:
            raise ArgumentError(f"folder='{folder}' holds no sweep; pass one that a sweep wrote.")
        return cls(sorted(cells, key=lambda c: (c.seed, c.beta)), settings)


def cell_path(folder: Path, seed: int, beta: float) -> Path:
    """File of a cell in a folder of results."""
    return folder / f"seed={seed},beta={beta!r}.cell"


def read_settings(folder: Path) -> dict[str, Any] | None:
    """Settings of the sweep that a folder holds, None without one.

    Raises
    ------
    ModelFileError
        If they cannot be read.
    """
    path = folder / "sweep.json"
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["settings"])
    except (LookupError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"'{path}' holds no settings of a sweep ({error}); restore it from a copy, or choose "
            "another folder."
        ) from error


def load_cells(folder: Path) -> Iterator[Cell]:
    """All cells in a folder."""
    for path in sorted(folder.glob("*.cell")):
        yield Cell.load(path)


def write_rows(path: Path, rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV; numbers with all their digits."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


def pivoted(rows: Sequence[dict[str, Any]], value: str, **where: Any) -> NDArray[np.float64]:
    """Values (n_seeds, n_betas) of the rows that have the given entries; NaN where there is none.

    Seeds and betas are those of all rows, sorted.
    """
    seeds = sorted({row["seed"] for row in rows})
    betas = sorted({row["beta"] for row in rows})
    found = np.full((len(seeds), len(betas)), np.nan)
    for row in rows:
        if all(row[name] == wanted for name, wanted in where.items()):
            found[seeds.index(row["seed"]), betas.index(row["beta"])] = row[value]
    return found


def summary(values: NDArray[np.float64]) -> dict[str, Any]:
    """Mean, standard deviation and standard error of the values that are there."""
    values = values[np.isfinite(values)]
    n = len(values)
    std = float(values.std(ddof=1)) if n > 1 else float("nan")
    mean = float(values.mean()) if n else float("nan")
    return {"mean": mean, "std": std, "sem": std / max(n, 1) ** 0.5, "n_seeds": n}
