"""Data frames of any library.

Only narwhals touches the frames, and it is imported when a frame arrives.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from deem.core.coding import Factor, factorize, object_array, to_array, union
from deem.core.votes import Votes
from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError, ShapeError

__all__ = [
    "frame_kind",
    "is_long",
    "long_columns",
    "long_factors",
    "match_labels",
    "open_frame",
    "task_column",
    "wide_factor",
    "wide_tasks",
]

_ROLES = ("task", "worker", "label")


class Columns:
    """A dict of columns, which reads like a frame of narwhals and needs no library.

    Parameters
    ----------
    data : mapping of str to (n_rows,) array-like
        The columns.

    Raises
    ------
    ShapeError
        If the columns are not equally long.
    """

    def __init__(self, data: Mapping[str, Any]):
        self._arrays = {name: to_array(column) for name, column in data.items()}
        shapes = {name: array.shape for name, array in self._arrays.items()}
        if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) > 1:
            raise ShapeError(
                f"the columns of the votes have the shapes {shapes}, expected one length for all; "
                "pass one entry a row in each column."
            )

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._arrays)

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values()), ()))

    def get_column(self, name: str) -> NDArray[Any]:
        """Entries of a column, (n_rows,)."""
        return self._arrays[name]

    def to_native(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return self._arrays


def open_frame(data: Any) -> Any:  # noqa: ANN401
    """Narwhals frame of a data frame of any library, `Columns` of a dict, None for the rest."""
    # one of scipy's sparse formats is a dict
    if isinstance(data, Mapping) and not issparse(data):
        return Columns(data)
    # asked of the type, as a lazy frame would have to resolve its columns first
    if not hasattr(type(data), "columns"):
        return None
    import narwhals.stable.v1 as nw

    _check_unique(data)
    frame = nw.from_native(data, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    return frame if isinstance(frame, nw.DataFrame) else None


def _check_unique(data: Any) -> None:  # noqa: ANN401
    """Raise `ShapeError` if a pandas frame has columns of one name, which no other one allows."""
    if not hasattr(data, "iloc"):
        return
    repeated = data.columns[data.columns.duplicated()].unique().tolist()
    if repeated:
        raise ShapeError(
            f"several columns are named {', '.join(map(repr, repeated))}, expected one of each "
            "name; rename them, as each classifier needs a name of its own."
        )


def frame_kind(frame: Any) -> str | None:  # noqa: ANN401
    """Return what results are wrapped into: "pandas", "polars", or None for arrays."""
    if isinstance(frame, Columns):
        return None
    kind = frame.implementation.value
    return kind if kind in ("pandas", "polars") else None


def is_long(frame: Any, columns: Mapping[str, str] | None) -> bool:  # noqa: ANN401
    """Whether a frame has one vote a row: it has tasks, and workers or labels beside them."""
    found, given = set(frame.columns), set(columns or ())
    if given - {"task"}:
        return True
    return "task" in given | found and not found.isdisjoint(_ROLES[1:])


def task_column(frame: Any, columns: Mapping[str, str] | None) -> str | None:  # noqa: ANN401
    """Name of the column that names the tasks of a frame with one classifier a column.

    Raises
    ------
    ArgumentError
        If the user named a column that is not there.
    """
    name = dict(columns or {}).get("task")
    if name is None:
        return "task" if "task" in set(frame.columns) else None
    if name not in frame.columns:
        raise ArgumentError(
            f"columns names the tasks {name!r}, not found among the columns "
            f"{', '.join(map(repr, frame.columns))}; name the right one, or leave columns out."
        )
    return name


def long_factors(frame: Any, columns: Mapping[str, str] | None) -> list[Factor]:  # noqa: ANN401
    """Tasks, workers and labels of a frame with one vote a row.

    Raises
    ------
    ArgumentError
        If a column is missing, or a task or a worker is null.
    """
    names = long_columns(frame, columns)
    tasks, workers = (
        _factorize_names(frame, name, role) for name, role in zip(names, _ROLES[:2], strict=False)
    )
    return [tasks, workers, _factorize_series(frame.get_column(names[2]))]


def _factorize_names(frame: Any, name: str, role: str) -> Factor:  # noqa: ANN401
    """Code a column that names tasks or workers."""
    factor = _factorize_series(frame.get_column(name))
    nulls = int(np.count_nonzero(factor.codes < 0))
    if nulls:
        raise ArgumentError(
            f"column {name!r} ({role}) has {nulls} nulls, but every vote needs a {role}; "
            "drop these rows or name them."
        )
    return factor


def long_columns(frame: Any, columns: Mapping[str, str] | None) -> list[str]:  # noqa: ANN401
    """Names of the columns of tasks, workers and labels."""
    mapping = dict(zip(_ROLES, _ROLES, strict=True)) | dict(columns or {})
    unknown = [role for role in mapping if role not in _ROLES]
    if unknown:
        raise ArgumentError(
            f"columns has the key {unknown[0]!r}, expected some of {', '.join(_ROLES)}; pass "
            'for instance columns={"task": "item", "worker": "annotator", "label": "value"}.'
        )
    names = [mapping[role] for role in _ROLES]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ArgumentError(
            f"columns: {', '.join(map(repr, missing))} not found among the columns "
            f"{', '.join(map(repr, frame.columns))}; name the three columns by "
            'columns={"task": ..., "worker": ..., "label": ...}.'
        )
    return names


def wide_tasks(frame: Any, name: str) -> NDArray[Any]:  # noqa: ANN401
    """Tasks of a frame with one classifier a column, from the column of this name.

    Raises
    ------
    ArgumentError
        If a task is null.
    """
    codes, distinct = _factorize_names(frame, name, "task")
    return distinct[codes]


def wide_factor(frame: Any, names: Sequence[str]) -> Factor:  # noqa: ANN401
    """Labels in the columns of these names, codes (n_samples, n_classifiers)."""
    parts = [_factorize_series(frame.get_column(name)) for name in names]
    code_of, distinct = union([part.distinct for part in parts])
    codes = np.empty((len(frame), len(parts)), dtype=np.int32)
    offset = 0
    for column, part in enumerate(parts):
        size = len(part.distinct)
        table = np.append(code_of[offset : offset + size], np.int32(MISSING))
        codes[:, column] = table[part.codes]
        offset += size
    return Factor(codes, distinct)


def _factorize_series(series: Any) -> Factor:  # noqa: ANN401
    """Code a column of a frame; strings by the frame library's own hashing."""
    if isinstance(series, np.ndarray):
        return factorize(series)
    import narwhals.stable.v1 as nw

    has_null = series.null_count() > 0
    dtype = series.dtype
    if dtype.is_integer() and has_null:
        return _factorize_nullable(series)
    if dtype.is_integer() or dtype.is_float() or (dtype == nw.Boolean and not has_null):
        return factorize(series.to_numpy())
    native = series.to_native()
    if hasattr(native, "factorize"):
        codes, found = _hash_pandas(series)
    elif hasattr(native, "to_physical") and dtype in (nw.String, nw.Categorical, nw.Enum):
        codes, found = _hash_polars(series)
    else:
        codes, found = _hash(series)
    code_of, distinct = factorize(found)
    return Factor(np.append(code_of, np.int32(MISSING))[codes], distinct)


def _factorize_nullable(series: Any) -> Factor:  # noqa: ANN401
    """Code integers with nulls without a detour over floats, which would round large ids."""
    valid, distinct = factorize(series.drop_nulls().to_numpy())
    codes = np.full(len(series), MISSING, dtype=np.int32)
    codes[~series.is_null().to_numpy()] = valid
    return Factor(codes, distinct)


def _hash_pandas(series: Any) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401
    """Codes and unsorted distinct entries; three times as fast as `_hash` on pandas."""
    try:
        codes, found = series.to_native().factorize()
    except TypeError:
        return factorize(series.to_numpy())
    return codes, np.asarray(found, dtype=object)


def _hash_polars(series: Any) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401
    """Codes and unsorted distinct strings; three times as fast as `_hash`, in less memory."""
    import narwhals.stable.v1 as nw

    valid = series.drop_nulls().cast(nw.String).cast(nw.Categorical)
    # physical codes are positions in a pool that other columns share, hence coded again
    codes, pool = factorize(valid.to_native().to_physical().to_numpy())
    place = np.empty(len(pool), dtype=np.int64)
    place[codes] = np.arange(len(codes))
    full = np.full(len(series), MISSING, dtype=np.int32)
    full[~series.is_null().to_numpy()] = codes
    return full, object_array(valid[place].cast(nw.String).to_list())


def _hash(series: Any) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401
    """Codes and unsorted distinct entries of a column of any library."""
    import narwhals.stable.v1 as nw

    found = series.drop_nulls().unique().to_list()
    codes = series.replace_strict(found, list(range(len(found))), return_dtype=nw.Int32)
    return codes.fill_null(MISSING).to_numpy(), object_array(found)


def match_labels(votes: Votes, y: Any, name: str = "y") -> NDArray[Any]:  # noqa: ANN401
    """Labels of the samples in the order of the votes.

    Parameters
    ----------
    votes : Votes
        Known by its `tasks`.
    y : (n_samples,) array-like, pandas Series or data frame of one column
        What has a pandas index is matched by it when the tasks are known, anything else by
        position.
    name : str
        Of the argument, for the errors.

    Returns
    -------
    (n_samples,)

    Raises
    ------
    ShapeError
        If there is not one label a sample.
    ArgumentError
        If the index of `y` repeats a task or lacks some.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> match_labels(read_votes([[0, 1], [1, 1]]), ["no", "yes"])
    array(['no', 'yes'], dtype='<U3')
    """
    y = _only_column(y, name)
    if votes.tasks is not None and hasattr(getattr(y, "index", None), "get_indexer"):
        return _match_by_task(votes.tasks, y, name)
    labels = to_array(y)
    if labels.shape != (votes.n_samples,):
        raise ShapeError(
            f"{name} has shape {labels.shape}, but the votes are on {votes.n_samples} samples; "
            f"pass one label a sample, shape ({votes.n_samples},), in the order of the tasks."
        )
    return labels


def _only_column(y: Any, name: str) -> Any:  # noqa: ANN401
    """Column of a data frame that has but one; anything that is no frame as it stands."""
    frame = open_frame(y)
    if frame is None:
        return y
    if len(frame.columns) != 1:
        raise ShapeError(
            f"{name} is a frame with {len(frame.columns)} columns, but one label a sample is "
            "expected; pass one of its columns."
        )
    column = frame.get_column(frame.columns[0])
    return column if isinstance(column, np.ndarray) else column.to_native()


def _match_by_task(tasks: NDArray[Any], y: Any, name: str) -> NDArray[Any]:  # noqa: ANN401
    if not y.index.is_unique:
        raise ArgumentError(
            f"{name} has repeated tasks in its index; keep one label a task, for instance "
            f"{name}[~{name}.index.duplicated()]."
        )
    where = y.index.get_indexer(tasks)
    lost = tasks[where < 0]
    if len(lost):
        raise ArgumentError(
            f"{name} lacks {len(lost)} of the {len(tasks)} tasks in its index, such as "
            f"{', '.join(map(repr, lost[:3].tolist()))}; add them, or pass an array in the "
            "order of the votes."
        )
    return np.asarray(y)[where]
