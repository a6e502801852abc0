"""The one door through which votes of any form come in."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from deem.core import frames
from deem.core.coding import Factor, factorize, to_array
from deem.core.frames import match_labels
from deem.core.hard import read_hard
from deem.core.labels import Known, label_codes, listed, pair_count
from deem.core.outputs import read_estimators
from deem.core.soft import read_soft
from deem.core.votes import Votes
from deem.core.wrapping import wrap_labels, wrap_probabilities
from deem.utils.constants import MISSING
from deem.utils.exception import (
    ArgumentError,
    DuplicateVotesWarning,
    ShapeError,
    UnknownWorkerWarning,
)
from deem.utils.warning import warn

__all__ = [
    "match_labels",
    "read_estimators",
    "read_votes",
    "wrap_labels",
    "wrap_probabilities",
]

_BLOCK = 1 << 15
"""Rows handled at a time: temporaries stay in the cache and off the peak memory."""


def read_votes(
    data: Any,  # noqa: ANN401
    *,
    n_classes: int | None = None,
    classes: Sequence[Any] | NDArray[Any] | None = None,
    classifiers: Sequence[Any] | NDArray[Any] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Votes:
    """Votes from any form, validated once.

    Parameters
    ----------
    data : Votes, array-like, tensor, sparse matrix or data frame
        - (n_samples, n_classifiers) labels: integers, truth values, whole floats or objects such
          as strings; -1, NaN, None and NA mean "no vote".
        - (n_samples, n_classes, n_classifiers) probabilities, soft votes: axis 1 sums to 1; a
          column of zeros or NaN means "no vote".
        - a scipy sparse (n_samples, n_classifiers) matrix of label + 1; absent means "no vote".
        - a pandas or polars frame, wide (one classifier a column; a column named task is no
          classifier but names the tasks, and without it the pandas index does) or long (one vote
          a row, in the columns task, worker and label). Null means "no vote". In long form tasks
          and workers come out sorted, and each of several votes of one worker on one task
          counts. A dict of columns reads like a frame.
    n_classes : int, optional
        Integer labels are then codes 0..n_classes - 1; other labels must be this many.
    classes : (n_classes,), optional
        Label names known beforehand, as in predicting; no others may occur.
    classifiers : (n_classifiers,), optional
        Classifiers known beforehand. Workers of a long frame are matched by name and unknown
        ones ignored; any other form must have this many columns.
    columns : mapping, optional
        Names of the columns of a long frame, for instance
        ``{"task": "item", "worker": "annotator", "label": "value"}``, or of the tasks of a wide
        one, ``{"task": "item"}``.

    Returns
    -------
    Votes

    Raises
    ------
    ShapeError
        If the data have the wrong number of axes, no rows, no columns, or the wrong layout.
    LabelError
        If there is no vote at all, or a label does not fit `n_classes` or `classes`.
    ArgumentError
        If entries are infinite, fractional or complex where labels are expected.

    Examples
    --------
    >>> votes = read_votes([["cat", "dog", None], ["dog", "dog", "dog"]])
    >>> votes.classes
    array(['cat', 'dog'], dtype=object)
    >>> votes.to_dense()
    array([[ 0,  1, -1],
           [ 1,  1,  1]])
    """
    known = Known.check(n_classes, classes, classifiers)
    if isinstance(data, Votes):
        return _check_votes(data, known)
    frame = frames.open_frame(data)
    if frame is not None:
        _check_shape((len(frame), len(frame.columns)))
        if frames.is_long(frame, columns):
            return _read_long(frame, columns, known)
        return _read_wide(frame, columns, known)
    if columns is not None:
        raise ArgumentError(
            f"columns={columns!r} names the columns of a data frame, but the votes are a "
            f"{type(data).__name__}; leave it out."
        )
    if sparse.issparse(data):
        return _read_sparse(data, known)
    array = to_array(data)
    _check_shape(array.shape)
    if array.dtype.kind == "c":
        raise ArgumentError("Complex data not supported: votes are labels or probabilities.")
    if array.ndim == 3:
        return read_soft(array, known)
    return read_hard(factorize(array), known)


def _check_shape(shape: tuple[int, ...]) -> None:
    """Raise `ShapeError` in scikit-learn's words, which its estimator checks look for."""
    if len(shape) not in (2, 3):
        kind = "scalar array" if not shape else f"{len(shape)}D array"
        raise ShapeError(
            f"Expected 2D array, got {kind} instead: the votes have shape {shape}, expected "
            "(n_samples, n_classifiers) labels or (n_samples, n_classes, n_classifiers) "
            "probabilities. Reshape your data using array.reshape(-1, 1) if there is one "
            "classifier, or array.reshape(1, -1) if there is one sample."
        )
    for size, what in zip(shape, ("sample(s)", "feature(s)", "feature(s)"), strict=False):
        if size == 0:
            raise ShapeError(
                f"Found array with 0 {what} (shape={shape}) while a minimum of 1 is required."
            )


def _check_votes(votes: Votes, known: Known) -> Votes:
    """Return votes that are read already, if they are coded as expected."""
    for name, found in (("classes", votes.classes), ("classifiers", votes.classifiers)):
        expected = getattr(known, name)
        if expected is None or found is None:
            continue
        if found.tolist() != expected.tolist():
            raise ArgumentError(
                f"the votes have the {name} {listed(found)}, expected {listed(expected)}; "
                f"read them anew by read_votes(data, {name}=...)."
            )
    if known.n_classes not in (None, votes.n_classes):
        raise ArgumentError(
            f"n_classes={known.n_classes}, but the votes were read with {votes.n_classes} "
            f"classes; pass n_classes={votes.n_classes}."
        )
    known.check_width(votes.n_classifiers)
    return votes


def _read_wide(frame: Any, columns: Mapping[str, str] | None, known: Known) -> Votes:  # noqa: ANN401
    """Votes from a frame with one classifier a column."""
    task = frames.task_column(frame, columns)
    voters = [name for name in frame.columns if name != task]
    _check_shape((len(frame), len(voters)))
    codes, distinct = frames.wide_factor(frame, voters)
    known.check_width(codes.shape[1])
    names = to_array(voters)
    if known.classifiers is not None:
        codes = codes[:, _column_order(voters, known.classifiers.tolist())]
        names = known.classifiers
    index = getattr(frame.to_native(), "index", None)
    tasks = None if index is None else index.to_numpy()
    return read_hard(
        Factor(codes, distinct),
        known,
        classifiers=names,
        tasks=tasks if task is None else frames.wide_tasks(frame, task),
        task_name=getattr(index, "name", None) if task is None else task,
        frame=frames.frame_kind(frame),
        form="wide",
    )


def _column_order(found: list[Any], expected: list[Any]) -> list[int]:
    """Place of each expected classifier: by name where both are named, else as they stand."""
    if set(found) == set(expected):
        return [found.index(name) for name in expected]
    if all(isinstance(name, str) for name in found + expected):
        lost = [name for name in expected if name not in found]
        raise ArgumentError(
            f"the votes lack the classifiers {listed(lost)}, found {listed(found)}; rename the "
            "columns, or pass an array to match them by position."
        )
    return list(range(len(found)))


def _read_long(frame: Any, columns: Mapping[str, str] | None, known: Known) -> Votes:  # noqa: ANN401
    """Votes from a frame with one vote a row."""
    tasks, workers, labels = frames.long_factors(frame, columns)
    if known.classifiers is not None:
        workers, labels = _match_workers(workers, labels, known.classifiers)
    classes, table = label_codes(labels.distinct, known)
    width = pair_count(len(workers.distinct), len(classes))
    keys = _vote_keys(tasks, workers, labels, np.append(table, np.int32(MISSING)), len(classes))
    task_names, worker_names = tasks.distinct, workers.distinct
    # the codes are as large as the votes and no longer needed
    del tasks, workers, labels
    # sorting one 64-bit key beats every counting sort measured, and needs no permutation
    keys.sort()
    _warn_duplicates(keys, len(classes))
    indptr = np.searchsorted(keys, np.arange(len(task_names) + 1) * width)
    keys %= width
    return Votes(
        indptr,
        keys.astype(np.int32),
        None,
        len(worker_names),
        classes,
        tasks=task_names,
        classifiers=worker_names,
        frame=frames.frame_kind(frame),
        task_name=frames.long_columns(frame, columns)[0],
        form="long",
    )


def _vote_keys(
    tasks: Factor, workers: Factor, labels: Factor, table: NDArray[np.int32], n_classes: int
) -> NDArray[np.int64]:
    """Place of each vote in the (task, worker, class) grid, without the rows that cast none."""
    keys = tasks.codes.astype(np.int64)
    keys *= len(workers.distinct) * n_classes
    complete = True
    for start in range(0, len(keys), _BLOCK):
        part = slice(start, start + _BLOCK)
        codes = table[labels.codes[part]]
        keys[part] += workers.codes[part] * np.int64(n_classes) + codes
        if codes.min() < 0:
            keys[part][codes < 0] = MISSING
            complete = False
    return keys if complete else keys[keys >= 0]


def _match_workers(
    workers: Factor, labels: Factor, expected: NDArray[Any]
) -> tuple[Factor, Factor]:
    """Workers coded by their place among the expected ones; labels of the others dropped."""
    place = {name: code for code, name in enumerate(expected.tolist())}
    names = workers.distinct.tolist()
    table = np.array([place.get(name, MISSING) for name in names], dtype=np.int32)
    codes = table[workers.codes]
    unknown = [name for name in names if name not in place]
    if unknown:
        warn(
            f"{len(unknown)} workers unseen in fit ({listed(unknown)}) were ignored; fit again "
            "with their votes to use them.",
            UnknownWorkerWarning,
        )
        left = np.where(codes < 0, MISSING, labels.codes)
        seen, recoded = np.unique(left[left >= 0], return_inverse=True)
        left[left >= 0] = recoded
        labels = Factor(left, labels.distinct[seen])
    return Factor(codes, expected), labels


def _warn_duplicates(keys: NDArray[np.int64], n_classes: int) -> None:
    """Warn if sorted (task, worker, class) keys repeat a (task, worker) pair."""
    repeated = 0
    for start in range(0, len(keys), _BLOCK):
        pairs = keys[start : start + _BLOCK + 1] // n_classes
        repeated += int(np.count_nonzero(pairs[1:] == pairs[:-1]))
    if repeated:
        warn(
            f"{repeated} votes repeat a (task, worker) pair, and each counts as a vote; drop "
            "them beforehand if they are copies.",
            DuplicateVotesWarning,
        )


def _read_sparse(data: Any, known: Known) -> Votes:  # noqa: ANN401
    """Votes from a sparse matrix of label + 1."""
    _check_shape(data.shape)
    matrix = sparse.csr_array(data, copy=True)
    # of coordinates scipy has added up repeated entries by now, of compressed rows it has not
    stored = data.nnz if data.format == "coo" else matrix.nnz
    matrix.sum_duplicates()
    if matrix.nnz < stored:
        raise ArgumentError(
            f"the sparse votes repeat {stored - matrix.nnz} (row, column) entries, which scipy "
            "would add up; pass a long frame, where several votes of one worker are allowed."
        )
    matrix.eliminate_zeros()
    matrix.sort_indices()
    _check_stored(matrix.data)
    factor = factorize(matrix.data.astype(np.int64) - 1)
    classes, table = label_codes(factor.distinct, known)
    n_classifiers = data.shape[1]
    known.check_width(n_classifiers)
    pair_count(n_classifiers, len(classes))
    columns = matrix.indices.astype(np.int32) * np.int32(len(classes)) + table[factor.codes]
    indptr = matrix.indptr.astype(np.int64)
    return Votes(indptr, columns, None, n_classifiers, classes, classifiers=known.classifiers)


def _check_stored(stored: NDArray[Any]) -> None:
    whole = np.isfinite(stored) & (stored == np.floor(stored)) & (stored > 0)
    if not whole.all():
        raise ArgumentError(
            f"the sparse votes store {stored[~whole][0]}, but stored values are label + 1, whole "
            "and positive; store 1 for label 0, and nothing for a missing vote."
        )
