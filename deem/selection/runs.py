"""The table of measured trainings: plain CSV that is checked when it is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.optimizers import SCHEDULERS
from deem.models.initialization import STARTS
from deem.selection.meta_features import META_FEATURES
from deem.utils.exception import ModelFileError

__all__ = [
    "CHOICES",
    "COLUMNS",
    "SETTINGS",
    "SOLVERS",
    "TABLE",
    "Runs",
    "read_runs",
    "shipped_runs",
]

SOLVERS = ("exact", "cd", "pcd", "deep")
"""What trains, as a table names it: the solvers of shallow models, and "deep" for contrastive
divergence of models with layers."""
CHOICES: dict[str, tuple[str, ...]] = {
    "init_method": STARTS,
    "scheduler": SCHEDULERS,
    "preprocessing_activation": (
        *("none", "sparsemax", "entmax", "ultramax"),
        *("softmax", "relu", "gelu", "silu"),
    ),
}
"""Hyperparameters that are names, with what they may be."""
_WHOLE = {"batch_size": 1, "epochs": 1, "preprocessing_layers": 0}
_BELOW = {"learning_rate": np.inf, "momentum": 1.0}
SETTINGS = (
    *("batch_size", "epochs", "learning_rate", "momentum", "init_method", "scheduler"),
    *("preprocessing_layers", "preprocessing_activation"),
)
"""Hyperparameters that a table may hold; an empty cell is one not in use."""
COLUMNS = ("set", "solver", *META_FEATURES, *SETTINGS, "score", "seconds")
"""Columns of a table, in order."""
TABLE = "runs.csv"
"""Name of the table in its folder."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Measured trainings, one entry each.

    Parameters
    ----------
    sets : (n,)
        Name of the votes.
    solvers : (n,)
        One of `SOLVERS`.
    features : (n, len(META_FEATURES))
        What `meta_features` says of the votes.
    settings : tuple of n dict
        The hyperparameters of `SETTINGS` in use.
    scores : (n,)
        Accuracy minus the expected accuracy of the majority vote, in percentage points.
    seconds : (n,)
        Of the training.
    """

    sets: NDArray[np.str_]
    solvers: NDArray[np.str_]
    features: NDArray[np.float64]
    settings: tuple[dict[str, Any], ...]
    scores: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.settings)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], source: str = "runs") -> Runs:
        """Check rows and put them into arrays.

        Parameters
        ----------
        rows : iterable of mapping
            One value, number or text, for each of `COLUMNS`.
        source : str
            What errors call the table.

        Raises
        ------
        ModelFileError
            If there is no row, a column is missing or unknown, or a value is not of its type.
        """
        rows = list(rows)
        if not rows:
            raise ModelFileError(
                f"{source} holds no runs; write at least one row below the header, or take the "
                "table that comes with the library."
            )
        for i, row in enumerate(rows, 1):
            if None in row:
                raise ModelFileError(
                    f"{source}, row {i} has more cells than the header; drop them."
                )
            _check_columns(row, source)
        checked = [_checked(row, f"{source}, row {i}") for i, row in enumerate(rows, 1)]
        return cls(
            np.array([row["set"] for row in checked]),
            np.array([row["solver"] for row in checked]),
            np.array([[row[name] for name in META_FEATURES] for row in checked]),
            tuple({n: row[n] for n in SETTINGS if row[n] is not None} for row in checked),
            np.array([row["score"] for row in checked]),
            np.array([row["seconds"] for row in checked]),
        )

    def take(self, chosen: NDArray[Any]) -> Runs:
        """Some of the runs: (n,) bool or (r,) int."""
        rows = np.arange(len(self))[chosen]
        return Runs(
            self.sets[rows],
            self.solvers[rows],
            self.features[rows],
            tuple(self.settings[i] for i in rows),
            self.scores[rows],
            self.seconds[rows],
        )

    def to_csv(self) -> str:
        """The table as text, from which the same numbers are read again."""
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for i in range(len(self)):
            writer.writerow(
                {
                    "set": self.sets[i],
                    "solver": self.solvers[i],
                    **dict(zip(META_FEATURES, self.features[i].tolist(), strict=True)),
                    **self.settings[i],
                    "score": float(self.scores[i]),
                    "seconds": float(self.seconds[i]),
                }
            )
        return out.getvalue()


def read_runs(path: str | Path) -> Runs:
    """Read a table from a file.

    Raises
    ------
    ModelFileError
        If it is no table of runs; the text names the file, what was found and the cure.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path} is no text ({error}); expected a CSV of runs.") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    _check_columns(reader.fieldnames or (), str(path))
    return Runs.from_rows(reader, str(path))


def shipped_runs() -> Runs:
    """Read the table that comes with the library."""
    return read_runs(Path(str(files("deem.selection") / TABLE)))


def _check_columns(found: Iterable[Any], source: str) -> None:
    names = list(found)
    absent = [name for name in COLUMNS if name not in names]
    foreign = [str(name) for name in names if name not in COLUMNS]
    if absent or foreign:
        raise ModelFileError(
            f"{source} is no table of runs: it has {len(names)} columns, of which {_few(foreign)} "
            f"{'is' if len(foreign) == 1 else 'are'} unknown, and lacks {_few(absent)}; expected "
            "those of deem.selection.runs.COLUMNS. Write it with HyperparameterPredictor.save."
        )


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:4]) or "none"
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _checked(row: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Values of a row in their types, None for settings that are not in use."""
    found: dict[str, Any] = {"set": str(row["set"]), "solver": row["solver"]}
    if found["solver"] not in SOLVERS:
        raise ModelFileError(
            f"{source}: solver={found['solver']!r}, expected one of {', '.join(SOLVERS)}."
        )
    for name in (*META_FEATURES, "score", "seconds"):
        found[name] = _number(row[name], name, source)
    for name in SETTINGS:
        found[name] = None if row[name] in (None, "") else _setting(row[name], name, source)
    layers = [found[name] for name in ("preprocessing_layers", "preprocessing_activation")]
    if found["solver"] == "deep" and (0 in layers or "none" in layers):
        raise ModelFileError(
            f"{source}: solver='deep' with preprocessing_layers={layers[0]}, "
            f"preprocessing_activation={layers[1]!r}; expected at least one layer and its "
            "activation, or solver='cd'."
        )
    return found


def _setting(value: Any, name: str, source: str) -> Any:
    """Value of a hyperparameter in its type."""
    if name in CHOICES:
        if value not in CHOICES[name]:
            expected = f"one of {', '.join(CHOICES[name])}"
            raise ModelFileError(f"{source}: {name}={value!r}, expected {expected}.")
        return str(value)
    number = _number(value, name, source)
    if name in _WHOLE:
        if number != int(number) or number < _WHOLE[name]:
            raise ModelFileError(
                f"{source}: {name}={value!r}, expected a whole number of at least {_WHOLE[name]}."
            )
        return int(number)
    if not 0 <= number < _BELOW[name]:
        raise ModelFileError(
            f"{source}: {name}={value!r}, expected at least 0 and below {_BELOW[name]}."
        )
    return number


def _number(value: Any, name: str, source: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise ModelFileError(
            f"{source}: {name}={value!r}, expected a finite number; correct it or drop the row."
        )
    return number
