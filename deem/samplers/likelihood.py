"""Likelihoods under models whose log-partitions are estimated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.model import evaluating
from deem.core.sampler import MetropolisSampler
from deem.core.solvers import as_visible
from deem.core.votes import Votes
from deem.math.random import as_generator
from deem.samplers.ais import Bracket, bracket
from deem.samplers.annealing import Annealing, check_count, error_of_log_mean, log_mean
from deem.samplers.gibbs_path import IndependentUnits
from deem.samplers.path import Base, as_base, present_sites
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = [
    "LikelihoodEstimate",
    "LikelihoodOfUnits",
    "estimate_log_likelihood",
    "log_likelihood_of",
]

_ROWS = 4096
"""Whose free energies are computed at a time."""


@dataclass(frozen=True)
class LikelihoodEstimate:
    """Log-probabilities of votes whose log-partitions are estimated.

    Attributes
    ----------
    values : (n_samples,) float64
        Log-probability of each sample among all with the same votes missing, in nats.
    pattern : (n_samples,) int64
        Which pattern of missing votes a sample has.
    log_partition, standard_error_of_partition : (n_patterns,) float64
        In nats; 0 error where nothing was drawn, since nothing is missing there to draw.
    """

    values: Tensor
    pattern: Tensor
    log_partition: Tensor
    standard_error_of_partition: Tensor

    @property
    def mean(self) -> float:
        """Mean log-probability of a sample, in nats."""
        return float(self.values.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean, in nats: what the chains leave open, not how far samples differ."""
        return float((self._shares * self.standard_error_of_partition).square().sum().sqrt())

    @property
    def bias(self) -> float:
        """By how much the mean is too high, to first order, in nats: half the squared errors."""
        return float((self._shares * self.standard_error_of_partition.square()).sum() / 2)

    @property
    def _shares(self) -> Tensor:
        counts = torch.bincount(self.pattern, minlength=len(self.log_partition))
        return counts.double() / len(self.pattern)


@torch.no_grad()
def estimate_log_likelihood(
    model: Model,
    votes: Votes | Tensor,
    base: Base | Model,
    *,
    generator: torch.Generator,
    n_steps: int | Sequence[float] = 1000,
    n_chains: int = 64,
    sampler: MetropolisSampler | None = None,
) -> LikelihoodEstimate:
    r"""Estimate log-probabilities of votes under a model, one log-partition a missing pattern.

    .. math:: \log p_S(v) \approx -F(v) - \log \hat Z_S

    Samples with votes of the same classifiers share their log-partition. Estimated from below, it
    makes the probabilities too high in expectation, see ``bias`` of the result.

    Parameters
    ----------
    model, base, generator, n_steps, sampler
        As in `annealed_importance`.
    votes : Votes, or (n_samples, D, K) Tensor
        One-hot; rows of zeros are missing.
    n_chains : int
        Chains a pattern, at least 1. With one, the standard errors are infinite.

    Raises
    ------
    ArgumentError
        Also if votes are soft.
    """
    annealing, base = Annealing(n_steps, sampler), as_base(base, model)
    check_count("n_chains", n_chains, 1)
    seen = [
        (model.free_energy(v).double(), present_sites(v))
        for v in _hard_batches(votes, model, base.shape)
    ]
    if not seen:
        raise ArgumentError("votes has no samples; pass at least one.")
    free_energy, present = (torch.cat(found) for found in zip(*seen, strict=True))
    patterns, pattern = present.unique(dim=0, return_inverse=True)
    sites = patterns.repeat_interleave(n_chains, 0)
    log_weights, _ = annealing.from_base(model, base, sites, generator)
    log_weights = log_weights.reshape(-1, n_chains)
    log_partition, error = log_mean(log_weights), error_of_log_mean(log_weights)
    return LikelihoodEstimate(-free_energy - log_partition[pattern], pattern, log_partition, error)


def _hard_batches(votes: Votes | Tensor, model: Model, shape: tuple[int, ...]) -> Iterator[Tensor]:
    """One-hot votes, some rows at a time."""
    n = votes.n_samples if isinstance(votes, Votes) else len(votes)
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        v = as_visible(votes.take(rows) if isinstance(votes, Votes) else votes[rows], model)
        if v.shape[1:] != shape:
            raise ShapeError(f"votes have shape {tuple(v.shape[1:])}; expected {shape}.")
        if ((v != 0) & (v != 1)).any() or (len(shape) == 2 and (v.sum(-1) > 1).any()):
            raise ArgumentError(
                "votes are soft, but probabilities are those of hard votes; pass their argmax, "
                "or draw from them."
            )
        yield v


@dataclass(frozen=True)
class LikelihoodOfUnits:
    """Log-probabilities of samples under a model of units, exact or enclosed.

    Attributes
    ----------
    free_energy : (n_samples,) float64
        In nats.
    log_partition : float
        Exact, or the middle of both estimates, in nats.
    partition : Bracket or None
        The estimates, None where the log-partition is exact.
    """

    free_energy: Tensor
    log_partition: float
    partition: Bracket | None

    @property
    def values(self) -> Tensor:
        """Log-probability, or its density, of each sample (n_samples,), in nats."""
        return -self.free_energy - self.log_partition

    @property
    def mean(self) -> float:
        """Mean log-probability of a sample, in nats."""
        return float(self.values.mean())

    @property
    def lower(self) -> float:
        """Of the mean, with the upper end of the log-partition; the mean itself where exact."""
        return self.mean if self.partition is None else self._mean_with(self.partition.upper)

    @property
    def upper(self) -> float:
        """Of the mean, with the lower end of the log-partition; the mean itself where exact."""
        return self.mean if self.partition is None else self._mean_with(self.partition.lower)

    def _mean_with(self, log_partition: float) -> float:
        return -float(self.free_energy.mean()) - log_partition


@torch.no_grad()
def log_likelihood_of(
    model: Model,
    v: Tensor,
    *,
    base: Base | None = None,
    n_steps: int | Sequence[float] = 1000,
    n_chains: int = 256,
    random_state: object = None,
) -> LikelihoodOfUnits:
    """Log-probabilities of samples under a harmonium such as `RBM`, in evaluation mode.

    They are exact where ``model.log_partition()`` is. Elsewhere the log-partition is enclosed by
    annealed importance sampling from both sides, see `bracket`; without exact draws of the model
    the lower end of the likelihood is an estimate and no bound.

    Parameters
    ----------
    model : Harmonium
        Left untouched.
    v : (n_samples, ...)
        Visible configurations.
    base : Base, optional
        By default `IndependentUnits` with the means of `v`.
    n_steps, n_chains
        As in `annealed_importance`.
    random_state : None, int, numpy or torch generator
        Source of the draws; not used where nothing has to be drawn.

    Raises
    ------
    ArgumentError
        If there are no samples, or values that are NaN or infinite.
    ShapeError
        If samples have the wrong shape.
    """
    if len(v) == 0:
        raise ArgumentError("v has no samples; pass at least one.")
    model.check_data(Dataset(v))
    with evaluating(model):
        v = as_visible(v, model)
        free_energy = torch.cat([model.free_energy(part).double() for part in v.split(_ROWS)])
        try:
            return LikelihoodOfUnits(free_energy, float(model.log_partition()), None)
        except IntractableError:
            base = IndependentUnits.of(model, v) if base is None else base
        generator = as_generator(random_state, model.device)
        found = bracket(model, base, generator=generator, n_steps=n_steps, n_chains=n_chains)
    middle = (found.forward.log_partition + found.reverse.log_partition) / 2
    return LikelihoodOfUnits(free_energy, middle, found)
