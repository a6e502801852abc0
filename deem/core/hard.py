"""Votes that are labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.coding import Factor
from deem.core.labels import Known, label_codes, pair_count
from deem.core.votes import Votes
from deem.utils.constants import MISSING

__all__ = ["code_votes", "read_hard"]

_BLOCK = 1 << 15
"""Rows handled at a time: temporaries stay in the cache and off the peak memory."""


def read_hard(factor: Factor, known: Known, **names: Any) -> Votes:  # noqa: ANN401
    """Votes from codes (n_samples, n_classifiers) into distinct labels, of which -1 is none."""
    classes, table = label_codes(factor.distinct, known)
    known.check_width(factor.codes.shape[1])
    names = {"classifiers": known.classifiers} | names
    return code_votes(factor.codes, np.append(table, np.int32(MISSING)), classes, **names)


def code_votes(
    codes: NDArray[np.int32],
    table: NDArray[np.int32],
    classes: NDArray[Any],
    **names: Any,  # noqa: ANN401
) -> Votes:
    """Votes from codes by a table of classes.

    Parameters
    ----------
    codes : (n_samples, n_classifiers)
        Positions in `table`.
    table : (u,)
        Position in `classes` of each code, -1 for no vote.
    classes : (n_classes,)
        Label names.
    **names
        Further fields of the votes.
    """
    n_samples, n_classifiers = codes.shape
    pair_count(n_classifiers, len(classes))
    offsets = np.arange(n_classifiers, dtype=np.int32) * np.int32(len(classes))
    indptr = np.zeros(n_samples + 1, dtype=np.int64)
    pieces = []
    for start in range(0, n_samples, _BLOCK):
        part = table[codes[start : start + _BLOCK]]
        cast = part >= 0
        indptr[start + 1 : start + 1 + len(cast)] = cast.sum(axis=1)
        pieces.append((part + offsets)[cast])
    np.cumsum(indptr, out=indptr)
    return Votes(indptr, np.concatenate(pieces), None, n_classifiers, classes, **names)
