"""Tables in CSV and Parquet files, as dicts of columns."""

import csv
from collections.abc import Mapping, MutableMapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["Table", "check_format", "is_parquet", "read_table", "write_table"]

Table = MutableMapping[str, NDArray[Any]]
"""Columns of a table by name, in their order."""

_MISSING = {"": None, "NA": None, "<NA>": None, "NaN": None, "nan": None}
"""Cells of a CSV file that hold no value, as numpy, pandas and R write them."""

_PARQUET = (".parquet", ".pq")


def is_parquet(path: Path) -> bool:
    """Whether the name of a file says that it is Parquet; everything else is CSV."""
    return path.suffix.lower() in _PARQUET


def check_format(path: Path) -> None:
    """Raise if the name of a file to be written says neither CSV nor Parquet.

    Raises
    ------
    ArgumentError
        If the suffix is another one.
    """
    if not is_parquet(path) and path.suffix.lower() != ".csv":
        raise ArgumentError(
            f"{path} is neither CSV nor Parquet by its name; choose one that ends in .csv or "
            ".parquet."
        )


def read_table(path: Path) -> Table:
    """Columns of a file.

    Parameters
    ----------
    path : Path
        A Parquet file, or UTF-8 text of a header and rows, separated by commas, semicolons or
        tabs. An empty line is no row, unless there is but one column: then it is an empty cell.

    Returns
    -------
    dict of (n_rows,) arrays
        Cells of text are strings without the spaces around them, missing cells None. Columns of
        Parquet keep their types.

    Raises
    ------
    ArgumentError
        If the file is damaged, of another kind, or has no rows, or no library reads Parquet.
    OSError
        If it cannot be opened.
    """
    table = _read_parquet(path) if is_parquet(path) else _read_csv(path)
    if not table or not len(next(iter(table.values()))):
        raise ShapeError(f"{path} has no rows; pass a file with a header and at least one row.")
    return table


def write_table(path: Path, table: Mapping[str, NDArray[Any]]) -> None:
    """Write columns to a file, in the format that its name says; inverse of `read_table`.

    Raises
    ------
    ArgumentError
        If no library writes Parquet.
    OSError
        If the file cannot be written.
    """
    columns = {name: column.tolist() for name, column in table.items()}
    if is_parquet(path):
        _write_parquet(path, columns)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _read_csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            delimiter = _delimiter(file)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            header = _stripped(next(reader, []))
            blank = [] if len(header) == 1 else [[], [""]]
            rows = [
                _checked_row(path, reader.line_num, row, header)
                for row in map(_stripped, reader)
                if row not in blank
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArgumentError(
            f"{path} is not a CSV file in UTF-8 ({error}); save it again as one."
        ) from error
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise ArgumentError(
            f"{path} has several columns named {repeated[0]!r}; give each a name of its own."
        )
    cells = np.array(rows, dtype=object).reshape(len(rows), len(header))
    return dict(zip(header, cells.T, strict=True))


def _delimiter(file: TextIO) -> str:
    """What cuts the header of a file into most cells; the file is at its start again."""

    def n_cells(delimiter: str) -> int:
        file.seek(0)
        return len(next(csv.reader(file, delimiter=delimiter, skipinitialspace=True), []))

    delimiter = max(",;\t", key=n_cells)
    file.seek(0)
    return delimiter


def _stripped(row: list[str]) -> list[str]:
    return [cell.strip() for cell in row]


def _checked_row(path: Path, line: int, row: list[str], header: list[str]) -> list[str | None]:
    row = row or [""]
    if len(row) != len(header):
        raise ShapeError(
            f"{path} has {len(row)} cells in line {line}, but the header has {len(header)}; "
            "mend this line, an empty cell is a missing vote."
        )
    return [_MISSING.get(cell, cell) for cell in row]


def _parquet_library(path: Path) -> str:
    """Name of the library that reads and writes Parquet here."""
    for name in ("pyarrow", "polars"):
        if find_spec(name) is not None:
            return name
    raise ArgumentError(
        f"{path} is Parquet, for which no library is installed; run pip install 'deem[parquet]', "
        "or use CSV."
    )


def _read_parquet(path: Path) -> Table:
    import narwhals.stable.v1 as nw

    library: Any = _parquet_library(path)
    with path.open("rb"):
        pass
    try:
        frame = nw.read_parquet(str(path), backend=library)
    except Exception as error:  # noqa: BLE001 - pyarrow and polars each have errors of their own
        reason = str(error).splitlines()[0]
        raise ArgumentError(
            f"{path} is not a Parquet file ({reason}); restore it from a copy."
        ) from error
    return {name: _values(frame.get_column(name)) for name in frame.columns}


def _values(series: Any) -> NDArray[Any]:  # noqa: ANN401
    """Entries of a column with None for null; numpy would turn such integers into floats."""
    if series.null_count() == 0 and series.dtype.is_numeric():
        return series.to_numpy()
    entries = series.to_list()
    column = np.empty(len(entries), dtype=object)
    column[:] = entries
    return column


def _write_parquet(path: Path, columns: Mapping[str, list[Any]]) -> None:
    import narwhals.stable.v1 as nw

    library: Any = _parquet_library(path)
    # a column of Parquet has one type
    columns = {name: _of_one_type(entries) for name, entries in columns.items()}
    with path.open("wb"):
        pass
    nw.from_dict(columns, backend=library).write_parquet(str(path))


def _of_one_type(entries: list[Any]) -> list[Any]:
    kinds = {type(entry) for entry in entries if entry is not None}
    if len(kinds) < 2:
        return entries
    return [None if entry is None else str(entry) for entry in entries]
