"""Sums over samples of what the votes of two classifiers hold beyond the class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from deem.core.votes import Votes
from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["ResidualSums", "residual_sums"]

_NEGLIGIBLE = 1e-6
"""Posterior below which a class is left out of the sums over a sample."""

_MANY = 5000
"""Classifiers of which all pairs still fit into the memory."""

_BLOCK = 1 << 22
"""Numbers of a dense table that is worked on at a time."""


class ResidualSums(NamedTuple):
    """Over the common samples of each pair, (n_classifiers, n_classifiers) each.

    Attributes
    ----------
    product : inner products of the residuals
    scale : geometric mean of the two sums of squared residuals
    variance : of `product` where the two are independent given the class
    unit : sum of the squared residuals that a vote of average accuracy has, scalar
    """

    product: NDArray[np.float64]
    scale: NDArray[np.float64]
    variance: NDArray[np.float64]
    unit: float


def residual_sums(
    votes: Votes, probas: NDArray[np.float64], confusion: NDArray[np.float64]
) -> ResidualSums:
    """Sums of products of residuals; arguments and errors as of `residual_correlation`."""
    probas, confusion = _checked(votes, probas, confusion)
    cast = _Cast.of(votes)
    weights = np.ones(votes.n_samples) if votes.weights is None else votes.weights
    probas = np.where(probas > _NEGLIGIBLE, probas, 0)
    product, own = _answer_sums(cast, weights, csr_array(probas), confusion)
    variance = np.zeros_like(product)
    for h, theta in enumerate(confusion.transpose(1, 0, 2)):
        rows = np.flatnonzero(probas[:, h])
        here = cast.voted[rows]
        common = (here.T @ (diags_array(weights[rows] * probas[rows, h]) @ here)).toarray()
        product += common * (theta @ theta.T)
        own += common * (theta**2).sum(1)[:, None]
        variance += common * _independent_variance(theta)
    own = np.maximum(own, 0)
    n_votes = float(weights @ cast.voted.sum(1))
    unit = float(np.trace(own)) / n_votes if n_votes > 0 else 0.0
    return ResidualSums(product, np.sqrt(own * own.T), variance, unit)


class _Cast(NamedTuple):
    """Votes in the forms that the sums read; several of one classifier on a sample averaged.

    Attributes
    ----------
    answers : (n_answers, n_classifiers)
        One row for every sample and label that was voted there; who voted it.
    sample, label : (n_answers,)
        Of each answer.
    voted : (n_samples, n_classifiers)
        Ones where there is a vote.
    """

    answers: csr_array
    sample: NDArray[np.int64]
    label: NDArray[np.int64]
    voted: csr_array

    @classmethod
    def of(cls, votes: Votes) -> _Cast:
        d, k = votes.n_classifiers, votes.n_classes
        row = np.repeat(np.arange(votes.n_samples), np.diff(votes.indptr))
        voter, label = np.divmod(votes.columns.astype(np.int64), k)
        value = np.ones(len(row)) if votes.values is None else votes.values
        voted = csr_array((value, (row, voter)), shape=(votes.n_samples, d))
        keys, answer = np.unique(row * k + label, return_inverse=True)
        value = value / _entries(voted, row, voter)
        answers = csr_array((value, (answer.reshape(-1), voter)), shape=(len(keys), d))
        voted.data[:] = 1
        return cls(answers, *np.divmod(keys, k), voted)


def _entries(
    matrix: csr_array, row: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Stored entries of a matrix in canonical form at places that it has."""
    stored = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * matrix.shape[1]
    return matrix.data[np.searchsorted(stored + matrix.indices, row * matrix.shape[1] + column)]


def _answer_sums(
    cast: _Cast,
    weights: NDArray[np.float64],
    probas: csr_array,
    confusion: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What of products and squares comes from the answers, (n_classifiers, n_classifiers) each.

    The square of one classifier is counted on the samples of the other.
    """
    d, k, _ = confusion.shape
    # Row label * K + class: the probability that each classifier votes the label.
    table = np.ascontiguousarray(confusion.transpose(2, 1, 0).reshape(k * k, d))
    product, own = np.zeros((2, d, d))
    step = max(1, _BLOCK // d)
    for start in range(0, len(cast.sample), step):
        sample, label = (x[start : start + step] for x in (cast.sample, cast.label))
        answers = cast.answers[start : start + step]
        chosen = probas[sample]
        shift = np.repeat(label * k, np.diff(chosen.indptr))
        parts = (chosen.data, chosen.indices + shift, chosen.indptr)
        expected = csr_array(parts, shape=(len(sample), k * k)) @ table
        on_sample = cast.voted[sample].toarray() * weights[sample, None]
        row = np.repeat(np.arange(len(sample)), np.diff(answers.indptr))
        squares = answers.copy()
        squares.data *= answers.data - 2 * expected[row, answers.indices]
        own += squares.T @ on_sample
        expected *= on_sample
        cross = answers.T @ expected
        product += (answers.T @ (diags_array(weights[sample]) @ answers)).toarray()
        product -= cross + cross.T
    return product, own


def _independent_variance(theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the product of two independent residuals of a class, from its (D, K) table.

    It is the trace of the product of the two covariances ``diag(p) - p p^T``.
    """
    cross = theta @ theta.T
    skew = theta @ (theta**2).T
    return np.maximum(cross - skew - skew.T + cross**2, 0)


def _checked(
    votes: Votes, probas: NDArray[np.float64], confusion: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, d, k = votes.n_samples, votes.n_classifiers, votes.n_classes
    if d > _MANY:
        raise ArgumentError(
            f"the votes have {d} classifiers, and the pairs of at most {_MANY} fit into memory; "
            "leave out classifiers with few votes, which show no dependence."
        )
    checked = []
    for name, value, shape, words in (
        ("probas", probas, (n, k), "(n_samples, n_classes)"),
        ("confusion", confusion, (d, k, k), "(n_classifiers, n_classes, n_classes)"),
    ):
        array = np.asarray(value, dtype=np.float64)
        if array.shape != shape:
            raise ShapeError(
                f"{name} has shape {array.shape}, expected {words} = {shape}; pass those of a "
                "model fitted to these votes."
            )
        if not np.isfinite(array).all():
            raise ArgumentError(f"{name} has an entry that is not finite; fit the model anew.")
        checked.append(array)
    return checked[0], checked[1]
