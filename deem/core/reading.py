"""The one door through which votes of any form come in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes

__all__ = ["read_votes"]


def read_votes(data: Any, *, n_classes: int | None = None, classes: Any = None) -> Votes:  # noqa: ANN401
    """Votes from a dense matrix of integers, (n_samples, n_classifiers), missing = -1."""
    dense = np.asarray(data)
    if classes is None:
        classes = np.unique(dense[dense >= 0]) if n_classes is None else np.arange(n_classes)
    classes = np.asarray(classes)
    codes = np.searchsorted(classes, dense)
    mask = dense >= 0
    offsets = np.arange(dense.shape[1]) * len(classes)
    columns: NDArray[np.int32] = (codes + offsets)[mask].astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return Votes(indptr, columns, None, dense.shape[1], classes)
