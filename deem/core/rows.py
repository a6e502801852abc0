"""Rows of compressed votes: where they lie, and which of them are equal."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_rows", "positions", "row_blocks"]

_BLOCK = 1 << 16
"""Rows worked on at a time, to bound the memory."""

Values = NDArray[np.float64] | None


def positions(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], indptr: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Positions of the votes of rows that begin at `starts`, one row after the other.

    Parameters
    ----------
    starts, lengths : (r,)
        Where each row begins and how many votes it has.
    indptr : (r + 1,)
        Where each row begins in the result.
    """
    return np.repeat(starts - indptr[:-1], lengths) + np.arange(indptr[-1])


def row_blocks(indptr: NDArray[np.int64], size: int) -> Iterator[tuple[slice, slice]]:
    """Cut rows into blocks: each time a slice of rows, and the slice of their votes.

    Parameters
    ----------
    indptr : (n_samples + 1,)
        Where each row begins.
    size : int
        Rows a block.
    """
    for start in range(0, len(indptr) - 1, size):
        stop = min(start + size, len(indptr) - 1)
        yield slice(start, stop), slice(int(indptr[start]), int(indptr[stop]))


def group_rows(
    indptr: NDArray[np.int64], columns: NDArray[np.int32], values: Values
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group equal rows.

    Parameters
    ----------
    indptr, columns, values
        As in `deem.core.votes.Votes`.

    Returns
    -------
    first : (n_groups,)
        A row of each group.
    inverse : (n_samples,)
        The group of each row.
    """
    hashes = _row_hashes(indptr, columns, values)
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    if _same_rows(indptr, columns, values, first[inverse]):
        return first, inverse
    return _group_exactly(indptr, columns, values)


def _row_hashes(
    indptr: NDArray[np.int64], columns: NDArray[np.int32], values: Values
) -> NDArray[np.uint64]:
    """64-bit hash of each row: the sum, modulo 2**64, of a hash of each of its votes."""
    width = int(columns.max(initial=0)) + 1
    table = np.random.default_rng(0).integers(2**64, size=width, dtype=np.uint64)
    total = np.empty(len(indptr) - 1, dtype=np.uint64)
    for rows, part in row_blocks(indptr, _BLOCK):
        hashes = table[columns[part]]
        if values is not None:
            hashes += values[part].view(np.uint64)
            # splitmix64 finaliser: sums of raw float bits would collide systematically
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                hashes ^= hashes >> np.uint64(shift)
                hashes *= np.uint64(factor)
        running = np.append(np.uint64(0), np.cumsum(hashes, dtype=np.uint64))
        bounds = indptr[rows.start : rows.stop + 1] - part.start
        total[rows] = running[bounds[1:]] - running[bounds[:-1]]
    return total


def _same_rows(
    indptr: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: Values,
    twin: NDArray[np.int64],
) -> bool:
    """Whether each row equals the row `twin` names for it, compared vote by vote."""
    lengths = np.diff(indptr)
    if not np.array_equal(lengths, lengths[twin]):
        return False
    for rows, ours in row_blocks(indptr, _BLOCK):
        block = indptr[rows.start : rows.stop + 1] - ours.start
        theirs = positions(indptr[twin[rows]], lengths[rows], block)
        for array in (columns, values):
            if array is not None and not np.array_equal(array[ours], array[theirs]):
                return False
    return True


def _group_exactly(
    indptr: NDArray[np.int64], columns: NDArray[np.int32], values: Values
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group equal rows by their bytes; slow, for the rare hash collision."""
    group: dict[tuple[bytes, bytes], int] = {}
    first: list[int] = []
    inverse = np.empty(len(indptr) - 1, dtype=np.int64)
    for row, (start, stop) in enumerate(zip(indptr[:-1], indptr[1:], strict=True)):
        part = b"" if values is None else values[start:stop].tobytes()
        inverse[row] = group.setdefault((columns[start:stop].tobytes(), part), len(group))
        if len(group) > len(first):
            first.append(row)
    return np.array(first, dtype=np.int64), inverse
