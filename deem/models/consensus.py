"""What consensus models share: a prior in imagined votes, and starts from the vote."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.model import LatentModel
from deem.core.votes import Votes
from deem.models.latent_class import LatentClassModel
from deem.models.pseudo_counts import PseudoCounts, checked_class_prior
from deem.utils.constants import EPSILON

__all__ = ["START_NOISE", "ConsensusModel", "StartsFromVotes"]

START_NOISE = 0.01
"""Standard deviation of what tells states apart that would stay equal, in nats."""


class StartsFromVotes(LatentModel):
    """A model that `deem.models.initialization.initialise` and the estimator can start.

    Attributes
    ----------
    hidden_dim : int
        Hidden units; the class is the first.
    splits_at_random : bool
        Whether starts from the shares of the vote differ by their seed.
    """

    n_classifiers: int
    n_classes: int
    hidden_dim: int = 1
    splits_at_random: bool = False

    @abstractmethod
    def start_from_energy(
        self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor, generator: torch.Generator
    ) -> None:
        """Take over the energy of an inverse RBM, up to what breaks symmetries.

        Parameters
        ----------
        visible_bias : (n_classifiers, n_classes)
            Bias of each vote.
        weight : (n_classifiers, n_classes, hidden_dim, n_classes)
            Classifier, vote, hidden unit, class.
        hidden_bias : (hidden_dim, n_classes)
            Bias of each class.
        generator : torch.Generator
            On the CPU; what it gives must depend on shapes alone, never on the order of samples.
        """

    @abstractmethod
    def start_from_shares(self, votes: Votes, generator: torch.Generator) -> None:
        """Start as if the class of a sample were distributed as its votes are.

        Parameters
        ----------
        votes : Votes
            The training votes; pseudo-counts are taken from them as well.
        generator : torch.Generator
            As in ``start_from_energy``.
        """


class ConsensusModel(LatentClassModel, StartsFromVotes):
    """A latent class model with pseudo-counts, a class prior and starts from the vote.

    You write, beside what `LatentClassModel` asks for, ``start_from_energy``, ``rename_classes``
    and, where one M-step from the shares of the vote is no good start, ``start_from_shares``.
    `deem.models.initialization.initialise` and the estimator need no more.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    state_class : (S,) int64 Tensor
        Class that each joint state stands for, in ascending order, each class equally often;
        empty if there are too many states to list.
    pseudo_counts : PseudoCounts, optional
        Prior of the confusions, for the exact solvers.
    class_prior : (n_classes,), optional
        Known class frequencies, summing to one; EM keeps them fixed.

    Attributes
    ----------
    pseudo_votes : (n_classifiers, n_classes, n_classes) Tensor
        Pseudo-counts of the confusions, vote by class, in votes. ``prepare`` takes them from the
        data; they are 0 before, and in a loaded model, as model files do not hold them.
    pseudo_samples : scalar Tensor
        Pseudo-count of every class, in samples; set like ``pseudo_votes``.
    """

    pseudo_votes: Tensor
    pseudo_samples: Tensor

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        state_class: Tensor,
        pseudo_counts: Sequence | None,
        class_prior: Sequence[float] | None,
    ):
        super().__init__(n_classifiers, n_classes, state_class)
        self.pseudo_counts = PseudoCounts(*(pseudo_counts or ())).checked(n_classifiers, n_classes)
        self.class_prior = checked_class_prior(class_prior, n_classes)
        self.register_buffer("pseudo_votes", torch.zeros(1, n_classes, n_classes), False)
        self.register_buffer("pseudo_samples", torch.zeros(()), False)

    @abstractmethod
    def rename_classes(self, order: Tensor) -> None:
        """Give class k the states of class ``order[k]``; p(v) stays as it is."""

    def start_from_shares(self, votes: Votes, generator: torch.Generator) -> None:
        self.prepare(Dataset(votes))
        self.m_step(*self.share_statistics(votes, generator))

    def share_statistics(self, votes: Votes, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """``Votes.share_statistics`` as tensors: (n_classifiers, vote, class) and (class,)."""
        counts, class_counts = votes.share_statistics
        like = self.pseudo_votes
        return torch.from_numpy(counts).to(like), torch.from_numpy(class_counts).to(like)

    def prepare(self, data: Dataset) -> None:
        counts, _ = self.as_votes(data).share_statistics
        votes, samples = self.pseudo_counts.tables(counts, data.total_weight)
        self.pseudo_votes = torch.from_numpy(votes).to(self.device, self.dtype)
        self.pseudo_samples = torch.tensor(samples, dtype=self.dtype, device=self.device)

    def state_pseudo_votes(self, n_states: int) -> Tensor:
        """Pseudo-counts of the confusions, (n_classifiers, n_classes, n_states).

        The states of a class share its pseudo-counts, so that many start no stronger than one.
        """
        share = n_states // self.n_classes
        if share == 1:
            return self.pseudo_votes
        return self.pseudo_votes.repeat_interleave(share, -1) / share

    def log_prior_of(self, log_state: Tensor, table: Tensor) -> Tensor:
        prior = (self.state_pseudo_votes(len(log_state)) * table).sum()
        if self.class_prior is not None:
            return prior
        return prior + self.n_classes / len(log_state) * self.pseudo_samples * log_state.sum()

    def best_log_state(self, state_counts: Tensor) -> Tensor:
        """Log-prior of the states that maximises the expected penalised log-likelihood.

        Parameters
        ----------
        state_counts : (S,)
            Expected samples in each state, the states of a class in a row.
        """
        prior = state_counts
        if self.class_prior is None:
            prior = prior + self.n_classes / len(prior) * self.pseudo_samples
            prior = prior / prior.sum()
        else:
            # The states of a class share its known frequency, also where it has no sample.
            share = prior.clamp(min=EPSILON).reshape(self.n_classes, -1)
            known = torch.tensor(self.class_prior).to(share)[:, None]
            prior = (known * share / share.sum(1, keepdim=True)).flatten()
        return prior.clamp(min=EPSILON).log()
