"""Votes with one classifier left out: the ground of explanations and of label-free evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes

__all__ = ["leave_one_out", "vote_pairs"]

_BLOCK = 1 << 20
"""Votes and scores held at a time, each sample once without each of its voters."""


def vote_pairs(votes: Votes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Who voted on what: sample, classifier and label of each such pair.

    The label of a soft vote, or of several votes, is the one with most weight.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> vote_pairs(read_votes([[0, -1], [1, 1]], n_classes=2))
    (array([0, 1, 1]), array([0, 0, 1]), array([0, 1, 1]))
    """
    k = votes.n_classes
    entries = votes.matrix().tocoo()
    entries.sum_duplicates()
    pair = entries.row.astype(np.int64) * votes.n_classifiers + entries.col // k
    # Last of each pair comes its largest value, and of equal ones the lowest label.
    order = np.lexsort((-entries.col, entries.data, pair))
    last = order[np.flatnonzero(np.diff(pair[order], append=-1))]
    found = pair[last]
    labels = (entries.col[last] % k).astype(np.int64)
    return found // votes.n_classifiers, found % votes.n_classifiers, labels


def leave_one_out(
    votes: Votes, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Iterator[tuple[slice, Votes]]:
    """The sample of each pair without the votes of its classifier, block by block.

    Parameters
    ----------
    votes : Votes
        Of any samples.
    rows, columns : (m,)
        Sample and classifier of each pair.

    Yields
    ------
    slice, Votes
        Some of the pairs, and the votes that are left.
    """
    ends = np.cumsum(np.diff(votes.indptr)[rows] + votes.n_classes)
    start = 0
    while start < len(rows):
        reached = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, reached + _BLOCK)))
        copies = votes.take(rows[start:stop])
        lengths = np.diff(copies.indptr)
        kept = copies.columns // votes.n_classes != np.repeat(columns[start:stop], lengths)
        indptr = np.append(0, kept.cumsum())[copies.indptr]
        values = None if copies.values is None else copies.values[kept]
        yield (
            slice(start, stop),
            replace(copies, indptr=indptr, columns=copies.columns[kept], values=values),
        )
        start = stop
