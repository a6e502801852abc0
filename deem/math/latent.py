"""Latent class models on sparse votes: state logits, posteriors and the sums one EM pass needs.

On the CPU the sparse products are scipy's, which take a tenth of the time of `embedding_bag` and
`index_add_` in float64, and big passes go to a fused numba loop where numba is installed. On
other devices they are torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array, sparray
from torch import Tensor
from torch.nn.functional import embedding_bag

from deem.utils.exception import ShapeError

__all__ = ["EMStatistics", "SparseRows", "em_statistics", "posterior", "state_logits"]

_HOST_CHUNK = 32_767
"""Logits worked on at a time on the CPU; up to here torch shares no sum among threads."""

_DEVICE_CHUNK = 4_194_304
"""The same elsewhere, where few large operations are fast and memory is the limit."""

_FUSED_WORK = 100_000_000
"""Votes times states from which loading numba, about 0.4 s, pays within some 50 passes."""


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Votes of n samples in compressed rows, with what is derived from them.

    Build it once per fit: derived tensors are kept. The four share a device and must not change.

    Parameters
    ----------
    indptr : (n + 1,) int64
        The votes of sample r are `indptr[r]` to `indptr[r + 1]`.
    columns : (m,) int32 or int64
        Row of the table that each vote adds, ``classifier * n_classes + label``.
    values : (m,) float, optional
        Probability of each (soft) vote, above 0; None means hard votes, all 1.
    weights : (n,) float, optional
        How often each sample counts, at least 0; None means once.

    Examples
    --------
    Two classifiers, two classes; the second sample has only a vote of the first classifier.

    >>> rows = SparseRows(torch.tensor([0, 2, 3]), torch.tensor([0, 2, 1]))
    >>> table = torch.tensor([[0.9, 0.1], [0.1, 0.9]] * 2).log()
    >>> posterior(rows, table, torch.zeros(2))[0]
    tensor([[0.9878, 0.0122],
            [0.1000, 0.9000]])
    """

    indptr: Tensor
    columns: Tensor
    values: Tensor | None = None
    weights: Tensor | None = None
    _kept: dict[tuple[str, int], Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return self.indptr.numel() - 1

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
        """The four as numpy arrays, without a copy where int64, int32, float and float fit."""
        return (
            self.indptr.to(torch.int64).contiguous().numpy(),
            self.columns.to(torch.int32).contiguous().numpy(),
            None if self.values is None else self.values.contiguous().numpy(),
            None if self.weights is None else self.weights.contiguous().numpy(),
        )

    @cached_property
    def rows(self) -> Tensor:
        """Sample of each vote, (m,) int64."""
        samples = torch.arange(len(self), device=self.indptr.device)
        return samples.repeat_interleave(self.indptr.diff())

    @cached_property
    def column_range(self) -> tuple[int, int]:
        """Smallest and largest column; (0, -1) without votes."""
        if not self.columns.numel():
            return 0, -1
        return int(self.columns.min()), int(self.columns.max())

    def chunks(self, size: int) -> tuple[SparseRows, ...]:
        """Consecutive samples, `size` in each but the last; views where possible."""
        if size >= len(self):
            return (self,)
        if ("chunks", size) not in self._kept:
            starts = range(0, len(self), size)
            self._kept["chunks", size] = tuple(self._from(start, size) for start in starts)
        return self._kept["chunks", size]

    def _from(self, start: int, size: int) -> SparseRows:
        stop = min(start + size, len(self))
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        return SparseRows(
            self.indptr[start : stop + 1] - first,
            self.columns[first:last],
            None if self.values is None else self.values[first:last],
            None if self.weights is None else self.weights[start:stop],
        )

    def products(self, n_columns: int) -> _HostProducts | _DeviceProducts:
        """Products of the (n, n_columns) sparse matrix of the votes with dense ones."""
        if ("products", n_columns) not in self._kept:
            self.check_columns(n_columns)
            kind = _HostProducts if self.indptr.device.type == "cpu" else _DeviceProducts
            self._kept["products", n_columns] = kind(self, n_columns)
        return self._kept["products", n_columns]

    def check_columns(self, n_columns: int) -> None:
        """Raise `ShapeError` unless every vote is on a row of a table of `n_columns` rows."""
        low, high = self.column_range
        if low < 0 or high >= n_columns:
            raise ShapeError(
                f"columns run from {low} to {high}, but table has {n_columns} rows; "
                "pass classifier * n_classes + label."
            )


class EMStatistics(NamedTuple):
    """Sums over all samples that the M-step of a latent class model needs.

    Attributes
    ----------
    log_likelihood : ()
        Weighted sum of the log evidence of the samples, in nats.
    counts : (C, S)
        Expected number of votes on each row of the table from each state.
    state_counts : (S,)
        Expected number of samples in each state.
    """

    log_likelihood: Tensor
    counts: Tensor
    state_counts: Tensor


def state_logits(rows: SparseRows, table: Tensor, bias: Tensor) -> Tensor:
    r"""Unnormalised log-probability of every hidden state, differentiable.

    .. math:: \ell_{rs} = b_s + \sum_{i \in r} x_i T_{c_i s}

    Parameters
    ----------
    rows : SparseRows
        Votes of n samples.
    table : (C, S)
        What a vote on each column adds to each state, in nats; -inf excludes the state. A sample
        whose votes exclude all states has an evidence of -inf and a posterior of NaN.
    bias : (S,)
        Log prior of the states, in nats.

    Returns
    -------
    (n, S)
        In the type of `table`; a sample without votes gets `bias`.

    Raises
    ------
    ShapeError
        If a vote lies outside the table.
    """
    return rows.products(len(table)).spread(table) + bias


@torch.no_grad()
def posterior(rows: SparseRows, table: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior of the hidden state and evidence of every sample.

    Parameters
    ----------
    rows : SparseRows
        Votes of n samples.
    table : (C, S)
        As in `state_logits`.
    bias : (S,)
        As in `state_logits`.

    Returns
    -------
    probabilities : (n, S)
        Rows sum to 1.
    log_evidence : (n,)
        Log-sum-exp of the logits, in nats.
    """
    probabilities = table.new_empty(len(rows), table.shape[1])
    evidence = table.new_empty(len(rows))
    start = 0
    for chunk in rows.chunks(_chunk_size(table)):
        stop = start + len(chunk)
        probabilities[start:stop], evidence[start:stop] = _posterior(chunk, table, bias)
        start = stop
    return probabilities, evidence


@torch.no_grad()
def em_statistics(rows: SparseRows, table: Tensor, bias: Tensor) -> EMStatistics:
    """Run the E-step and return only its sums.

    Parameters
    ----------
    rows : SparseRows
        Votes of n samples, weighted by ``rows.weights``.
    table : (C, S)
        As in `state_logits`.
    bias : (S,)
        As in `state_logits`.

    Returns
    -------
    EMStatistics
        In the type of `table`.
    """
    big = rows.columns.numel() * table.shape[1] >= _FUSED_WORK
    fused = _fused_sums() if big and table.device.type == "cpu" else None
    if fused is not None:
        rows.check_columns(len(table))
        host = (x.detach().double().contiguous().numpy() for x in (table, bias))
        fused_sums = fused(rows.arrays, *host, torch.get_num_threads())
        return EMStatistics(*(torch.as_tensor(x, dtype=table.dtype) for x in fused_sums))
    first, *rest = rows.chunks(_chunk_size(table))
    sums = _chunk_sums(first, table, bias)
    for chunk in rest:
        sums = EMStatistics(*map(torch.add, sums, _chunk_sums(chunk, table, bias)))
    return sums


def _chunk_sums(rows: SparseRows, table: Tensor, bias: Tensor) -> EMStatistics:
    states, evidence = _posterior(rows, table, bias)
    if rows.weights is not None:
        weights = rows.weights.to(table.dtype)
        states *= weights[:, None]
        evidence *= weights
    counts = rows.products(len(table)).gather(states)
    return EMStatistics(evidence.sum(), counts, states.sum(0))


def _posterior(rows: SparseRows, table: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    products = rows.products(len(table))
    return products.normalise(products.spread(table).add_(bias))


def _chunk_size(table: Tensor) -> int:
    logits = _HOST_CHUNK if table.device.type == "cpu" else _DEVICE_CHUNK
    # Every chunk fills a table of counts, so the samples in it should not be fewer than its rows.
    return max(1, len(table), logits // table.shape[1])


@cache
def _fused_sums() -> Callable[..., tuple[float, np.ndarray, np.ndarray]] | None:
    try:
        from deem.math._latent_numba import em_sums
    except ImportError:
        return None
    return em_sums


class _HostProducts:
    """The votes as a scipy matrix in float64; scipy adds in float64 whatever the table's type."""

    def __init__(self, rows: SparseRows, n_columns: int) -> None:
        indptr, columns, values, _ = rows.arrays
        data = np.ones(len(columns)) if values is None else values.astype(np.float64, copy=False)
        if len(columns) < np.iinfo(np.int32).max:
            # One type for both spares scipy a copy of the columns.
            indptr = indptr.astype(np.int32)
        self.matrix = csr_array((data, columns, indptr), shape=(len(rows), n_columns))
        self.transposed = self.matrix.T

    def spread(self, table: Tensor) -> Tensor:
        """Sum over the votes of each sample of their rows of the table: (n, S)."""
        return _SparseProduct.apply(self.matrix, self.transposed, table)

    def gather(self, states: Tensor) -> Tensor:
        """Sum over the votes on each column of their samples' rows: (C, S)."""
        return _SparseProduct.apply(self.transposed, self.matrix, states)

    def normalise(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Turn logits (n, S) into posteriors in place; the evidence (n,) comes with them."""
        # Torch shares even short exponentials and logarithms among threads, which takes up to a
        # hundred times as long where others use the processor too; numpy's are single.
        top = logits.amax(1, keepdim=True).clamp_(min=torch.finfo(logits.dtype).min)
        logits -= top
        np.exp(logits.numpy(), out=logits.numpy())
        scale = logits.sum(1, keepdim=True)
        with np.errstate(divide="ignore"):
            top += torch.from_numpy(np.log(scale.numpy()))
        return logits.div_(scale), top.squeeze(1)


class _DeviceProducts:
    """The same by torch's own operations, on any device."""

    def __init__(self, rows: SparseRows, n_columns: int) -> None:
        self.rows, self.n_columns = rows, n_columns
        self.columns = rows.columns.to(torch.int64)

    def spread(self, table: Tensor) -> Tensor:
        """As `_HostProducts.spread`."""
        values = None if self.rows.values is None else self.rows.values.to(table.dtype)
        return embedding_bag(
            self.columns,
            table,
            self.rows.indptr,
            mode="sum",
            per_sample_weights=values,
            include_last_offset=True,
        )

    def gather(self, states: Tensor) -> Tensor:
        """As `_HostProducts.gather`."""
        votes = states[self.rows.rows]
        if self.rows.values is not None:
            votes *= self.rows.values.to(states.dtype)[:, None]
        counts = states.new_zeros(self.n_columns, states.shape[1])
        return counts.index_add_(0, self.columns, votes)

    def normalise(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """As `_HostProducts.normalise`."""
        evidence = logits.logsumexp(1)
        return logits.sub_(evidence[:, None]).exp_(), evidence


class _SparseProduct(torch.autograd.Function):
    """Constant scipy matrix times dense tensor; the gradient is the transposed product."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        matrix: sparray,
        transposed: sparray,
        dense: Tensor,
    ) -> Tensor:
        ctx.matrices = transposed, matrix
        return torch.from_numpy(matrix @ dense.detach().numpy()).to(dense.dtype)

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[None, None, Tensor]:
        return None, None, _SparseProduct.apply(*ctx.matrices, gradient)
