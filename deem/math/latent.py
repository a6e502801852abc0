"""Latent class models on sparse votes: state logits, posteriors and the sums one EM pass needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

_CHUNK_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Votes of `n` samples in compressed rows, with the index tensors derived from them.

    Build it once per fit: what is derived from the four tensors is kept.

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
    """

    indptr: Tensor
    columns: Tensor
    values: Tensor | None = None
    weights: Tensor | None = None

    def __len__(self) -> int:
        return self.indptr.numel() - 1

    @cached_property
    def rows(self) -> Tensor:
        """Sample of each vote, (m,) int64."""
        samples = torch.arange(len(self), device=self.indptr.device)
        return samples.repeat_interleave(self.indptr.diff())

    @cached_property
    def chunks(self) -> tuple[SparseRows, ...]:
        """The same rows in pieces that stay in the processor's cache."""
        return tuple(self._between(start) for start in range(0, len(self), _CHUNK_ROWS))

    def _between(self, start: int) -> SparseRows:
        stop = min(start + _CHUNK_ROWS, len(self))
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        return SparseRows(
            self.indptr[start : stop + 1] - first,
            self.columns[first:last],
            None if self.values is None else self.values[first:last],
            None if self.weights is None else self.weights[start:stop],
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
        What a vote on each column adds to each state, in nats; -inf excludes the state.
    bias : (S,)
        Log prior of the states, in nats.

    Returns
    -------
    (n, S)
        In the type of `table`; a sample without votes gets `bias`.
    """
    values = None if rows.values is None else rows.values.to(table.dtype)
    columns = rows.columns.to(rows.indptr.dtype)
    sums = embedding_bag(
        columns,
        table,
        rows.indptr,
        mode="sum",
        per_sample_weights=values,
        include_last_offset=True,
    )
    return sums + bias


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
    for chunk, logits in _logit_chunks(rows, table, bias):
        stop = start + len(chunk)
        torch.logsumexp(logits, 1, out=evidence[start:stop])
        probabilities[start:stop] = logits.sub_(evidence[start:stop, None]).exp_()
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
    counts = torch.zeros_like(table)
    state_counts = torch.zeros_like(bias)
    likelihood = table.new_zeros(())
    for chunk, logits in _logit_chunks(rows, table, bias):
        evidence = torch.logsumexp(logits, 1)
        states = logits.sub_(evidence[:, None]).exp_()
        if chunk.weights is not None:
            weights = chunk.weights.to(table.dtype)
            states *= weights[:, None]
            evidence *= weights
        likelihood += evidence.sum()
        state_counts += states.sum(0)
        votes = states[chunk.rows]
        if chunk.values is not None:
            votes *= chunk.values.to(table.dtype)[:, None]
        counts.index_add_(0, chunk.columns, votes)
    return EMStatistics(likelihood, counts, state_counts)


def _logit_chunks(
    rows: SparseRows, table: Tensor, bias: Tensor
) -> Iterator[tuple[SparseRows, Tensor]]:
    for chunk in rows.chunks:
        yield chunk, state_logits(chunk, table, bias)
