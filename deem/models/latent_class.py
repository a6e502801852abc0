"""What consensus models with listable hidden states share: exact sums, on sparse votes."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.model import BipartiteModel
from deem.core.solvers import ExactEM, ExactGradient, Solver, as_visible
from deem.core.votes import Votes
from deem.math.latent import SparseRows, em_statistics, posterior, state_logits
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

__all__ = ["LatentClassModel"]


class LatentClassModel(BipartiteModel):
    r"""Votes that are independent given one of S joint hidden states.

    .. math:: E(v, s) = -b_s - \sum_i T_i[v_i, s]

    You write ``state_terms``, which gives b and T, the conditionals ``p_h`` and ``p_v``, and, for
    EM, ``m_step``. You inherit the free energy, the exact ``log_partition``, missing votes, and
    training and prediction with work proportional to the number of votes. A missing vote is
    marginalised: its site contributes ``logsumexp_l T_i[l, s]``.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    state_class : (S,) int64 Tensor
        Class that each joint state stands for; empty if there are too many states to list.
    """

    supports_missing = True
    supports_em = False
    state_class: Tensor

    def __init__(self, n_classifiers: int, n_classes: int, state_class: Tensor):
        super().__init__()
        for name, value in (("n_classifiers", n_classifiers), ("n_classes", n_classes)):
            if value < 1:
                raise ArgumentError(f"{name}={value}; it must be at least 1.")
        self.n_classifiers = n_classifiers
        self.n_classes = n_classes
        self.register_buffer("state_class", state_class, persistent=False)

    @abstractmethod
    def state_terms(self) -> tuple[Tensor, Tensor]:
        """Bias (S,) of every joint state and site terms (n_classifiers, n_classes, S), in nats."""

    def m_step(self, counts: Tensor, state_counts: Tensor) -> None:
        """Set the parameters that maximise the expected penalised log-likelihood.

        Parameters
        ----------
        counts : (n_classifiers, n_classes, S)
            Expected votes of each classifier for each label in each state.
        state_counts : (S,)
            Expected samples in each state.
        """
        raise IntractableError(f"{type(self).__name__} has no closed M-step; use ExactGradient().")

    def log_tables(self) -> tuple[Tensor, Tensor]:
        """Log-prior (S,) of the states and log-probability of every vote given the state.

        The second has shape (n_classifiers, n_classes, S); both are normalised, in nats.
        """
        bias, site = self.state_terms()
        normaliser = site.logsumexp(1)
        return (bias + normaliser.sum(0)).log_softmax(0), site - normaliser.unsqueeze(1)

    def log_partition(self) -> Tensor:
        bias, site = self.state_terms()
        return (bias + site.logsumexp(1).sum(0)).logsumexp(0)

    def state_logits(self, v: Tensor, missing: Tensor | None = None) -> Tensor:
        """Negative energy of every joint state with the missing sites summed out, (batch, S).

        Parameters
        ----------
        v : (batch, n_classifiers, n_classes)
            One-hot or soft votes.
        missing : (batch, n_classifiers) bool, optional
            Which votes are missing, whose rows of `v` are zero; by default all rows of zeros.
        """
        self.check_shape(v)
        bias, site = self.state_terms()
        missing = v.sum(-1) == 0 if missing is None else missing
        return bias + v.flatten(1) @ site.flatten(0, 1) + missing.to(v) @ site.logsumexp(1)

    def free_energy(self, v: Tensor) -> Tensor:
        return -self.state_logits(v).logsumexp(-1)

    def class_logits(self, votes: Votes | Tensor) -> Tensor:
        """Log of the joint probability of class and votes.

        Parameters
        ----------
        votes : Votes, or (batch, n_classifiers, n_classes) Tensor
            Work and memory are proportional to the number of votes.

        Returns
        -------
        (batch, n_classes)
            In nats; its log-sum-exp is the log-probability of the votes.
        """
        if isinstance(votes, Votes):
            log_prior, table = self.log_tables()
            logits = state_logits(self.sparse_rows(votes), table.flatten(0, 1), log_prior)
        else:
            logits = self.state_logits(votes) - self.log_partition()
        if logits.shape[1] == self.n_classes:
            return logits
        per_class = [logits[:, self.state_class == k] for k in range(self.n_classes)]
        return torch.stack([part.logsumexp(1) for part in per_class], 1)

    @torch.no_grad()
    def predict_classes(self, votes: Votes) -> Tensor:
        """Posterior of the class given the votes, (n_samples, n_classes)."""
        log_prior, table = self.log_tables()
        states, _ = posterior(self.sparse_rows(votes), table.flatten(0, 1), log_prior)
        if states.shape[1] == self.n_classes:
            return states
        classes = states.new_zeros(len(states), self.n_classes)
        return classes.index_add_(1, self.state_class, states)

    @torch.no_grad()
    def class_tables(self) -> tuple[Tensor, Tensor]:
        """Class prior (n_classes,) and confusions (n_classifiers, class, vote)."""
        log_prior, table = self.log_tables()
        own = self.state_class[:, None] == torch.arange(self.n_classes, device=log_prior.device)
        log_class = log_prior[:, None].where(own, -torch.inf).logsumexp(0)
        # Share of each state in its class; in logs, as the prior of a class may underflow.
        share = (log_prior - log_class[self.state_class]).exp()
        shape = (self.n_classifiers, self.n_classes, self.n_classes)
        confusion = share.new_zeros(shape)
        confusion.index_add_(1, self.state_class, (table.exp() * share).transpose(1, 2))
        return log_class.exp(), confusion

    @property
    def is_listed(self) -> bool:
        """Whether the joint hidden states are summed over exactly."""
        return len(self.state_class) > 0

    def score_samples(self, v: Votes | Tensor) -> Tensor:
        if isinstance(v, Votes):
            return self.class_logits(v).logsumexp(-1)
        return super().score_samples(v)

    def log_likelihood(self, batch: Dataset) -> Tensor:
        """Log-probability of the votes, (batch,), and of the class where the target is known.

        Targets are class codes, -1 for unknown.
        """
        votes = batch.data if isinstance(batch.data, Votes) else as_visible(batch.data, self)
        logits = self.class_logits(votes)
        if batch.targets is None:
            return logits.logsumexp(-1)
        targets = batch.targets.to(logits.device)
        chosen = logits.gather(1, targets.clamp(min=0).unsqueeze(1)).squeeze(1)
        return torch.where(targets >= 0, chosen, logits.logsumexp(-1))

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """The exact solver: EM where it is closed, else gradients."""
        if learning_rate is not None:
            raise ArgumentError(
                f"learning_rate={learning_rate}, but the exact solver uses none; "
                "pass solver=ContrastiveDivergence(learning_rate=...)."
            )
        return ExactEM() if self.supports_em else ExactGradient()

    def em_data(self, data: Dataset) -> SparseRows:
        """Votes as sparse rows, with a known class as one more vote that excludes the others."""
        weights = None if data.weights is None else data.weights.to(self.device, self.dtype)
        rows = self.sparse_rows(self.as_votes(data), weights)
        if data.targets is None:
            return rows
        first = self.n_classifiers * self.n_classes
        return _append_votes(rows, data.targets.to(self.device), first)

    def log_prior_of(self, log_state: Tensor, table: Tensor) -> Tensor:
        """Log-prior of the parameters, a scalar, from what ``log_tables`` returns."""
        return table.new_zeros(())

    def log_prior(self) -> Tensor:
        return self.log_prior_of(*self.log_tables())

    @torch.no_grad()
    def em_step(self, rows: SparseRows) -> tuple[Tensor, Tensor]:
        """One E-step and M-step.

        Parameters
        ----------
        rows : SparseRows
            From ``em_data``.

        Returns
        -------
        log_likelihood, log_prior : scalar tensors
            In nats, over all samples, at the parameters before the step.
        """
        log_state, table = self.log_tables()
        votes = table.flatten(0, 1)
        with_known = votes
        if rows.column_range[1] >= len(votes):
            known = torch.full((self.n_classes, len(log_state)), -torch.inf).to(table)
            known[self.state_class, torch.arange(len(log_state), device=known.device)] = 0
            with_known = torch.cat([votes, known])
        statistics = em_statistics(rows, with_known, log_state)
        log_prior = self.log_prior_of(log_state, table)
        counts = statistics.counts[: len(votes)].reshape(table.shape)
        self.m_step(counts, statistics.state_counts)
        return statistics.log_likelihood, log_prior

    def as_votes(self, data: Dataset) -> Votes:
        """The votes of a data set, from their one-hot or soft tensor if need be."""
        if isinstance(data.data, Votes):
            return data.data
        self.check_shape(data.data)
        flat = data.data.double().cpu().flatten(1).numpy()
        row, column = flat.nonzero()
        return Votes(
            np.concatenate([[0], np.bincount(row, minlength=len(flat)).cumsum()]),
            column.astype(np.int32),
            flat[row, column],
            self.n_classifiers,
            np.arange(self.n_classes),
            weights=None if data.weights is None else data.weights.double().cpu().numpy(),
        )

    def sparse_rows(self, votes: Votes, weights: Tensor | None = None) -> SparseRows:
        """Votes as index tensors on the model's device."""
        found = (votes.n_classifiers, votes.n_classes)
        if found != (self.n_classifiers, self.n_classes):
            raise ShapeError(
                f"votes have {found[0]} classifiers and {found[1]} classes, "
                f"the model has {self.n_classifiers} and {self.n_classes}."
            )
        if self.dtype not in (torch.float32, torch.float64):
            raise ArgumentError(
                f"the model has dtype {self.dtype}, but exact sums over votes need float32 or "
                "float64; call model.float()."
            )
        values = (
            None
            if votes.values is None
            else torch.from_numpy(votes.values).to(self.device, self.dtype)
        )
        indptr = torch.from_numpy(votes.indptr).to(self.device)
        return SparseRows(indptr, torch.from_numpy(votes.columns).to(self.device), values, weights)

    def check_shape(self, v: Tensor) -> None:
        """Raise `ShapeError` unless `v` has shape (batch, n_classifiers, n_classes)."""
        if v.dim() != 3 or v.shape[1:] != (self.n_classifiers, self.n_classes):
            raise ShapeError(
                f"v has shape {tuple(v.shape)}; expected (batch, n_classifiers, n_classes) = "
                f"(batch, {self.n_classifiers}, {self.n_classes})."
            )


def _append_votes(rows: SparseRows, labels: Tensor, first: int) -> SparseRows:
    """One more vote, column ``first + label``, at the end of each row whose label is known."""
    known = labels >= 0
    lengths = rows.indptr.diff()
    indptr = torch.cat([rows.indptr[:1], (lengths + known).cumsum(0)])
    place = torch.arange(len(rows.columns), device=labels.device)
    place = place + (indptr[:-1] - rows.indptr[:-1]).repeat_interleave(lengths)
    columns = rows.columns.new_empty(int(indptr[-1]))
    columns[place] = rows.columns
    columns[indptr[1:][known] - 1] = (first + labels[known]).to(columns.dtype)
    values = None
    if rows.values is not None:
        values = rows.values.new_ones(len(columns))
        values[place] = rows.values
    return SparseRows(indptr, columns, values, rows.weights)
