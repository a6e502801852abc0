"""Entries of any type as integer codes."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["Factor", "factorize", "family", "object_array", "to_array", "union"]

_BLOCK = 1 << 18
"""Entries handled at a time: temporaries stay in the cache and off the peak memory."""

_NULL_TYPES = ("NoneType", "NAType", "NaTType")


class Factor(NamedTuple):
    """A column as codes.

    Attributes
    ----------
    codes : int array
        Position of each entry in `distinct`, -1 for null; the shape of the column.
    distinct : (u,)
        Sorted distinct entries.
    """

    codes: NDArray[np.int32]
    distinct: NDArray[Any]


def factorize(values: NDArray[Any]) -> Factor:
    """Code the entries of an array; None, NaN, NaT and pandas' NA are null.

    Parameters
    ----------
    values : array of any shape and dtype
        Integers of a bounded range are counted instead of sorted.

    Examples
    --------
    >>> factorize(np.array([7.0, 3.0, np.nan, 7.0]))
    Factor(codes=array([ 1,  0, -1,  1], dtype=int32), distinct=array([3., 7.]))
    """
    kind = values.dtype.kind
    if not values.size:
        return Factor(np.empty(values.shape, dtype=np.int32), values.reshape(-1))
    if kind == "b":
        codes, distinct = _factorize_integers(values.view(np.uint8))
        return Factor(codes, distinct.astype(bool))
    if kind in "iu":
        return _factorize_integers(values)
    if kind == "f":
        return _factorize_floats(values)
    if kind in "mM" and np.datetime_data(values.dtype)[0] == "ns":
        # Python has no nanoseconds, so that numpy would make bare integers of them
        values = values.astype(f"{kind}8[us]")
    codes, distinct = _factorize_objects(values)
    return Factor(codes, distinct.astype(values.dtype) if kind in "US" else distinct)


def _factorize_integers(values: NDArray[Any]) -> Factor:
    low, high = int(values.min()), int(values.max())
    if high - low > max(4 * values.size, 1 << 16):
        distinct, inverse = np.unique(values, return_inverse=True)
        return Factor(inverse.reshape(values.shape).astype(np.int32), distinct)
    flat = values.reshape(-1)
    codes = np.empty(flat.shape, dtype=np.int32)
    present = np.zeros(high - low + 1, dtype=bool)
    for part in _blocks(flat.size):
        # in 64 bits, as the difference may overflow the type of the column
        codes[part] = flat[part].astype(np.int64, copy=False) - low
        present[codes[part]] = True
    distinct = (np.flatnonzero(present) + low).astype(values.dtype)
    if not present.all():
        table = np.cumsum(present, dtype=np.int32) - np.int32(1)
        for part in _blocks(flat.size):
            codes[part] = table[codes[part]]
    return Factor(codes.reshape(values.shape), distinct)


def _factorize_floats(values: NDArray[Any]) -> Factor:
    null = np.isnan(values)
    if null.all():
        return Factor(np.full(values.shape, MISSING, dtype=np.int32), values[:0].reshape(-1))
    # in 64 bits, as the bound overflows half precision
    filled = np.where(null, values[~null][0], values).astype(np.float64, copy=False)
    if (np.abs(filled) < 2**53).all() and (filled == np.floor(filled)).all():
        codes, distinct = _factorize_integers(filled.astype(np.int64))
    else:
        distinct, inverse = np.unique(filled, return_inverse=True)
        codes = inverse.reshape(values.shape).astype(np.int32)
    codes[null] = MISSING
    return Factor(codes, distinct.astype(values.dtype))


def _factorize_objects(values: NDArray[Any]) -> Factor:
    entries = values.reshape(-1).tolist()
    try:
        found = set(entries)
    except TypeError:
        odd = next((entry for entry in entries if type(entry).__hash__ is None), entries[0])
        raise TypeError(
            f"each entry of the votes argument must be a string or a number, found a "
            f"{type(odd).__name__}; pass one label a cell."
        ) from None
    order = _sort_objects(_without_nulls(found))
    table = dict.fromkeys(found, MISSING)
    table.update(zip(order, range(len(order)), strict=True))
    codes = np.fromiter(map(table.__getitem__, entries), dtype=np.int32, count=len(entries))
    return Factor(codes.reshape(values.shape), object_array(order))


def _without_nulls(found: set[Any]) -> set[Any]:
    """Entries that are not None, NaN, NA or NaT; the latter two are known by name."""
    if set(map(type, found)) <= {str, int, bool}:
        return found
    named = {entry for entry in found if type(entry).__name__ not in _NULL_TYPES}
    return {entry for entry in named if family(type(entry)) != "f" or not np.isnan(entry)}


def _sort_objects(entries: set[Any]) -> list[Any]:
    """Sort, by type and text where the entries cannot be compared."""
    try:
        return sorted(entries)
    except TypeError:
        return sorted(entries, key=lambda entry: (type(entry).__name__, str(entry)))


def object_array(entries: Sequence[Any]) -> NDArray[Any]:
    """Array of numbers or truth values where all entries are such, else of objects."""
    families = frozenset(map(family, set(map(type, entries))))
    dtypes = {frozenset("b"): np.bool_, frozenset("i"): np.int64}
    dtypes |= {frozenset("f"): np.float64, frozenset("if"): np.float64}
    dtype = dtypes.get(families, np.object_)
    if dtype is np.int64 and max(map(abs, entries)) >= 2**63:
        dtype = np.object_
    array: NDArray[Any] = np.empty(len(entries), dtype=dtype)
    array[:] = entries
    return array


def family(kind: type) -> str:
    """Family of a type: "b" truth value, "i" integer, "f" float, "o" anything else."""
    if issubclass(kind, (bool, np.bool_)):
        return "b"
    if issubclass(kind, (int, np.integer)):
        return "i"
    return "f" if issubclass(kind, (float, np.floating)) else "o"


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))


def union(arrays: Sequence[NDArray[Any]]) -> Factor:
    """Code the entries of several arrays, one after the other, as one column.

    Examples
    --------
    >>> union([np.array([3, 1]), np.array(["a"])])
    Factor(codes=array([1, 0, 2], dtype=int32), distinct=array([1, 3, 'a'], dtype=object))
    """
    kinds = {array.dtype.kind for array in arrays if array.size}
    if len(kinds) > 1 and not kinds <= set("iuf"):
        # numpy would turn numbers beside strings into strings
        arrays = [array.astype(object) for array in arrays]
    return factorize(np.concatenate([array for array in arrays if array.size] or arrays[:1]))


def to_array(data: Any) -> NDArray[Any]:
    """Array of the entries of an array-like or tensor, with their types kept.

    Raises
    ------
    ShapeError
        If nested lists are ragged.
    ArgumentError
        If a tensor is sparse.
    """
    if isinstance(data, torch.Tensor):
        if data.layout != torch.strided:
            raise ArgumentError(
                f"the votes are a tensor of layout {data.layout}, expected a dense one; pass "
                "votes.to_dense(), where an absent entry is the label 0, or a scipy sparse matrix "
                "of label + 1, where it is no vote."
            )
        tensor = data.detach().cpu()
        return (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    if isinstance(data, np.ma.MaskedArray):
        entries = data.data.astype(object)
        entries[np.ma.getmaskarray(data)] = None
        return entries
    try:
        array = np.asarray(data)
        if array.dtype.kind in "US" and not hasattr(data, "dtype"):
            # numpy turns numbers and NaN beside strings into strings
            entries = np.asarray(data, dtype=object)
            pure = all(isinstance(entry, (str, bytes)) for entry in entries.flat)
            array = array if pure else entries
    except ValueError as error:
        raise ShapeError(
            f"the votes are ragged ({error}); give each sample one entry a classifier, with -1 "
            "or None where a classifier did not vote."
        ) from None
    return array
