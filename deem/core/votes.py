"""The one sparse form of votes that everything else is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from deem.core.rows import group_rows, positions, row_blocks
from deem.math.vote import break_ties, vote_shares
from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["Votes"]

_BLOCK = 1 << 20
"""Votes or cells handled at a time, to keep temporaries off the peak memory."""


@dataclass(frozen=True, eq=False)
class Votes:
    r"""Votes of classifiers on samples, in compressed rows.

    Row `i` holds the votes ``columns[indptr[i]:indptr[i + 1]]``. The memory is proportional to
    the number of votes; a missing vote takes none. Build it with `deem.core.reading.read_votes`.

    Parameters
    ----------
    indptr : (n_samples + 1,)
        Where each row starts, int64.
    columns : (m,)
        ``classifier * n_classes + label``, int32, ascending within a row. A classifier may vote
        more than once on a sample, and each vote counts.
    values : (m,) or None
        Probabilities in (0, 1] of soft votes; None for hard votes, which count 1 each.
    n_classifiers : int
        Number of classifiers, those without votes included.
    classes : (n_classes,)
        The user's label names; code ``k`` stands for ``classes[k]``.
    tasks : (n_samples,) or None
        The user's names of the samples.
    classifiers : (n_classifiers,) or None
        The user's names of the classifiers.
    weights : (n_samples,) or None
        Non-negative weight of each sample; None means 1 each.
    frame : None, "pandas" or "polars"
        The kind of data frame that results are wrapped into.
    task_name : str or None
        Name of the task column or index in such results.
    form : "array", "wide" or "long"
        What the votes were read from: a frame with one classifier a column is "wide", one with
        one vote a row "long", anything else an "array".

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> votes = read_votes([[0, 1, 1], [2, -1, 2]])
    >>> votes.n_samples, votes.n_classes, votes.n_votes
    (2, 3, 5)
    >>> votes.vote_shares()
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """

    indptr: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64] | None
    n_classifiers: int
    classes: NDArray[Any]
    tasks: NDArray[Any] | None = None
    classifiers: NDArray[Any] | None = None
    weights: NDArray[np.float64] | None = None
    frame: str | None = None
    task_name: str | None = None
    form: str = "array"

    @classmethod
    def from_estimators(
        cls,
        estimators: Sequence[Any],
        X: Any,  # noqa: ANN401
        method: str = "predict",
    ) -> "Votes":
        """Votes of fitted classifiers; see `deem.core.outputs.read_estimators`."""
        # imported late, as that module builds on this one
        from deem.core.outputs import read_estimators

        return read_estimators(estimators, X, method)

    @property
    def n_samples(self) -> int:
        """Number of samples, those without votes included."""
        return len(self.indptr) - 1

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def is_soft(self) -> bool:
        """Whether the votes are probabilities."""
        return self.values is not None

    @cached_property
    def n_votes(self) -> int:
        """Number of votes cast; the probabilities of one soft vote count once."""
        return int(self.votes_per_classifier().sum())

    def take(self, rows: slice | NDArray[Any] | list[int]) -> "Votes":
        """Votes on some of the samples, in the order asked for.

        Parameters
        ----------
        rows : slice, (n_samples,) bool or (r,) int
            Which samples; indices may repeat and may be negative.

        Returns
        -------
        Votes
            With the tasks and weights of these samples.
        """
        chosen = np.arange(self.n_samples)[rows]
        starts, lengths = self.indptr[chosen], np.diff(self.indptr)[chosen]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        where = positions(starts, lengths, indptr)
        return replace(
            self,
            indptr=indptr,
            columns=self.columns[where],
            values=None if self.values is None else self.values[where],
            tasks=None if self.tasks is None else self.tasks[chosen],
            weights=None if self.weights is None else self.weights[chosen],
        )

    def with_weights(self, weights: NDArray[Any] | list[float] | None) -> "Votes":
        """Return the same votes with other sample weights.

        Parameters
        ----------
        weights : (n_samples,) or None
            Non-negative and finite; None means 1 each.

        Raises
        ------
        ShapeError
            If there is not one weight a sample.
        ArgumentError
            If a weight is negative, NaN or infinite.
        """
        if weights is None:
            return replace(self, weights=None)
        checked = np.asarray(weights, dtype=np.float64)
        if checked.shape != (self.n_samples,):
            raise ShapeError(
                f"sample_weight has shape {checked.shape}, but there are {self.n_samples} "
                f"samples; pass one weight a sample, shape ({self.n_samples},)."
            )
        wrong = ~(np.isfinite(checked) & (checked >= 0))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ArgumentError(
                f"sample_weight[{at}]={checked[at]}, but weights must be finite and "
                "non-negative; use 0 to leave a sample out."
            )
        return replace(self, weights=checked)

    def merged(self) -> tuple["Votes", NDArray[np.int64]]:
        """Equal rows once, with their weights summed.

        Returns
        -------
        Votes
            The distinct rows, without tasks, in arbitrary but repeatable order.
        (n_samples,)
            The merged row of every sample: ``merged.take(inverse)`` has the original votes.
        """
        first, inverse = group_rows(self.indptr, self.columns, self.values)
        total = np.bincount(inverse, weights=self.weights, minlength=len(first))
        distinct = replace(self, tasks=None, weights=None).take(first)
        return replace(distinct, weights=total.astype(np.float64)), inverse

    def matrix(self) -> sparse.csr_array:
        """Votes as a scipy matrix, (n_samples, n_classifiers * n_classes), float64.

        Times a dense (n_classifiers * n_classes, K) table of logarithms this is an E-step; its
        transpose times (n_samples, K) posteriors is an M-step.
        """
        values = np.ones(len(self.columns)) if self.values is None else self.values
        shape = (self.n_samples, self.n_classifiers * self.n_classes)
        # scipy wants both index arrays of one type, and int32 whenever it suffices
        small = len(self.columns) <= np.iinfo(np.int32).max
        indptr = self.indptr.astype(np.int32) if small else self.indptr
        return sparse.csr_array((values, self.columns, indptr), shape=shape)

    def vote_counts(self) -> NDArray[np.float64]:
        """Sum of the votes for each class, (n_samples, n_classes)."""
        k = self.n_classes
        counts = np.empty((self.n_samples, k))
        for rows, part in row_blocks(self.indptr, _BLOCK // k + 1):
            lengths = np.diff(self.indptr[rows.start : rows.stop + 1])
            cell = np.repeat(np.arange(len(lengths)) * k, lengths) + self.columns[part] % k
            values = None if self.values is None else self.values[part]
            counts[rows] = np.bincount(cell, values, len(lengths) * k).reshape(-1, k)
        return counts

    def label_counts(self) -> NDArray[np.int64]:
        """Number of stored votes of each classifier for each label, (n_classifiers, n_classes)."""
        counts = np.zeros(self.n_classifiers * self.n_classes, dtype=np.int64)
        for start in range(0, len(self.columns), _BLOCK):
            counts += np.bincount(self.columns[start : start + _BLOCK], minlength=len(counts))
        return counts.reshape(self.n_classifiers, self.n_classes)

    def vote_shares(self) -> NDArray[np.float64]:
        """Majority vote with ties shared evenly.

        Returns
        -------
        (n_samples, n_classes)
            Rows sum to 1, rows without votes are all 0.
        """
        return vote_shares(self.vote_counts())

    @cached_property
    def share_statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Votes of each classifier against the fractions of the vote.

        Returns
        -------
        counts : (n_classifiers, n_classes, n_classes)
            Classifier, vote, class: every vote spread over the classes as all votes on its
            sample are, times the weight of the sample.
        class_counts : (n_classes,)
            Sum of the fractions over the samples; one without votes counts as the average one.
        """
        fractions = self.vote_counts()
        total = fractions.sum(1, keepdims=True)
        weights = np.ones(self.n_samples) if self.weights is None else self.weights
        overall = weights @ fractions
        fractions /= np.where(total > 0, total, 1)
        fractions[total[:, 0] == 0] = overall / (overall.sum() or 1)
        fractions *= weights[:, None]
        k = self.n_classes
        counts = (self.matrix().T @ fractions).reshape(self.n_classifiers, k, k)
        return counts, fractions.sum(0)

    def majority(self, random_state: int = 0) -> NDArray[np.int64]:
        """Code of the most voted class of each sample.

        Parameters
        ----------
        random_state : int
            Seed of the tie breaks. Sample `i` uses the `i`-th draw whether or not it is tied, so
            the draw depends on the seed and the position only.

        Returns
        -------
        (n_samples,)
            In 0..n_classes - 1, or -1 for samples without votes.
        """
        return break_ties(self.vote_shares(), random_state)

    def agreement(self) -> NDArray[np.float64]:
        """Mean agreement of each classifier with `vote_shares`.

        Returns
        -------
        (n_classifiers,)
            In [0, 1], weighted by sample weights and soft values; NaN for classifiers without
            votes.
        """
        weights = np.ones(self.n_samples) if self.weights is None else self.weights
        transposed = self.matrix().T
        shape = (self.n_classifiers, self.n_classes)
        joint = transposed @ (self.vote_shares() * weights[:, None])
        agreed = np.einsum("dkk->d", joint.reshape(*shape, self.n_classes))
        cast = (transposed @ weights).reshape(shape).sum(axis=1)
        return np.divide(agreed, cast, out=np.full(len(cast), np.nan), where=cast > 0)

    def votes_per_classifier(self) -> NDArray[np.int64]:
        """Count of votes that each classifier cast, (n_classifiers,)."""
        if not self.is_soft:
            return self.label_counts().sum(1)
        voters = self.columns // self.n_classes
        return np.bincount(voters[_starts_pair(self, voters)], minlength=self.n_classifiers)

    def empty_rows(self) -> NDArray[np.bool_]:
        """Which samples carry no vote, (n_samples,)."""
        return np.diff(self.indptr) == 0

    def one_hot(
        self,
        rows: slice | NDArray[Any] | list[int] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> torch.Tensor:
        """Dense votes of a batch of samples.

        Parameters
        ----------
        rows : slice, (n_samples,) bool or (batch,) int, optional
            Which samples; all of them by default.
        dtype, device
            Of the result.

        Returns
        -------
        (batch, n_classifiers, n_classes)
            Each vote sums to 1; a missing vote is all zero, and several votes of one classifier
            on one sample are averaged.
        """
        part = self if rows is None else self.take(rows)
        width = part.n_classifiers * part.n_classes
        place = _row_of_vote(part) * width + part.columns
        values = torch.ones(len(place)) if part.values is None else torch.from_numpy(part.values)
        flat = torch.zeros(part.n_samples * width, dtype=dtype)
        flat.index_add_(0, torch.from_numpy(place), values.to(dtype))
        dense = flat.reshape(part.n_samples, part.n_classifiers, part.n_classes)
        total = dense.sum(dim=-1, keepdim=True)
        return (dense / total.where(total > 0, 1)).to(device)

    def to_dense(self) -> NDArray[np.int64]:
        """Hard votes as a matrix of codes.

        Returns
        -------
        (n_samples, n_classifiers)
            In 0..n_classes - 1, missing votes -1.

        Raises
        ------
        ArgumentError
            If the votes are soft, or a classifier voted twice on a sample.
        """
        if self.is_soft:
            raise ArgumentError("the votes are soft, to_dense needs hard ones; use one_hot().")
        voters = self.columns // self.n_classes
        if not _starts_pair(self, voters).all():
            raise ArgumentError(
                "a classifier voted more than once on a sample, which a matrix of codes cannot "
                "hold; use one_hot()."
            )
        dense = np.full((self.n_samples, self.n_classifiers), MISSING)
        dense[_row_of_vote(self), voters] = self.columns % self.n_classes
        return dense


def _row_of_vote(votes: Votes) -> NDArray[np.int64]:
    """Row of each vote, (m,)."""
    return np.repeat(np.arange(votes.n_samples), np.diff(votes.indptr))


def _starts_pair(votes: Votes, voters: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each vote is the first of its (row, classifier) pair, (m,)."""
    first = np.ones(len(voters) + 1, dtype=bool)
    first[1:-1] = voters[1:] != voters[:-1]
    first[votes.indptr] = True
    return first[:-1]
