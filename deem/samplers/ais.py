"""Annealed importance sampling: log-partitions of models without exact sums, from both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deem.core.sampler import MetropolisSampler
from deem.core.solvers import as_visible
from deem.samplers.annealing import Annealing, check_count, error_of_log_mean, log_mean
from deem.samplers.path import Base, as_base, exact_draws
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = [
    "Bracket",
    "PartitionEstimate",
    "annealed_importance",
    "bracket",
    "reverse_annealed_importance",
]


@dataclass(frozen=True)
class PartitionEstimate:
    r"""An estimate of a log-partition from the log-weights of independent chains.

    Forward, from the base to the model, :math:`\log \frac1m \sum_c w_c`; in reverse
    :math:`-\log \frac1m \sum_c w_c^{-1}`.

    Attributes
    ----------
    log_weights : (n_chains,) float64
        In nats; the log-weight of one chain is by itself an estimate.
    chains : (n_chains, ...)
        Where the chains ended. Forward, those drawn by their weights stand for the model.
    reverse : bool
        Whether the chains went from the model to the base.
    is_bound : bool
        Whether the expectation is a bound: a lower one forward, an upper one in reverse.
    """

    log_weights: Tensor
    chains: Tensor
    reverse: bool
    is_bound: bool

    @property
    def _sign(self) -> int:
        return -1 if self.reverse else 1

    @property
    def log_partition(self) -> float:
        """In nats."""
        return self._sign * float(log_mean(self._sign * self.log_weights))

    @property
    def standard_error(self) -> float:
        """Of ``log_partition``, in nats, by the delta method; infinite for a single chain."""
        return float(error_of_log_mean(self._sign * self.log_weights))

    @property
    def effective_share(self) -> float:
        """Effective number of chains over their number, in (0, 1]; 1 if all weigh the same."""
        log = self._sign * self.log_weights
        return float((2 * log.logsumexp(0) - (2 * log).logsumexp(0)).exp()) / len(log)

    def draws(self, n: int, generator: torch.Generator) -> Tensor:
        """Chains (n, ...) of a forward estimate, drawn by their weights."""
        weights = self.log_weights.softmax(0)
        return self.chains[torch.multinomial(weights, n, replacement=True, generator=generator)]


@dataclass(frozen=True)
class Bracket:
    """A log-partition from both sides: all that lies within two standard errors, or between.

    One side alone misses by two standard errors once in 44 times. Here both have to miss on the
    same side, against the bias of one of them.

    Attributes
    ----------
    forward, reverse : PartitionEstimate
        From the base to the model, and back.
    """

    forward: PartitionEstimate
    reverse: PartitionEstimate

    @property
    def lower(self) -> float:
        """The lower of both estimates less two standard errors, in nats."""
        return min(x.log_partition - 2 * x.standard_error for x in (self.forward, self.reverse))

    @property
    def upper(self) -> float:
        """The upper of both estimates and two standard errors, in nats."""
        return max(x.log_partition + 2 * x.standard_error for x in (self.forward, self.reverse))

    @property
    def is_bound(self) -> bool:
        """Whether both estimates are bounds in expectation."""
        return self.forward.is_bound and self.reverse.is_bound


def annealed_importance(
    model: Model,
    base: Base | Model,
    *,
    generator: torch.Generator,
    n_steps: int | Sequence[float] = 1000,
    n_chains: int = 256,
    sampler: MetropolisSampler | None = None,
    present: Tensor | None = None,
) -> PartitionEstimate:
    r"""Estimate the log-partition of a model from below, by chains from a base.

    .. math:: \log w = \sum_t (\beta_{t+1} - \beta_t) (F_0(v_t) - F_1(v_t)), \qquad
        \mathbb{E}[w] = Z

    A chain starts at a draw of the base and is moved once at every inverse temperature between 0
    and 1. The mean of the weights is unbiased, so its logarithm is too low in expectation, by
    about half of its squared standard error.

    Parameters
    ----------
    model : Model
        Left untouched, in the mode it is in; its free energy must be finite.
    base : Base or Model
        Where chains start, the nearer to the model the better. A model with ``log_tables``, such
        as a trained `SoftIRBM`, stands for its `SiteMixture`. For a harmonium such as `RBM`
        `IndependentUnits`, from which chains go by block Gibbs sweeps.
    generator : torch.Generator
        On the model's device.
    n_steps : int or sequence of float
        Number of inverse temperatures between 0 and 1, evenly spaced, at least 0, which is plain
        importance sampling; or all of them, from 0 to 1, in ascending order.
    n_chains : int
        At least 1.
    sampler : MetropolisSampler, optional
        Exact, at temperature 1; `GibbsWithGradients` by default. None for `IndependentUnits`.
    present : (D,) bool, optional
        Which sites have a vote, by default all. A model with layers has a log-partition of its
        own for every pattern.

    Raises
    ------
    ArgumentError
        If an argument lies outside its range, or the kernel is not exact.
    NonFiniteError
        If the free energy of a chain is NaN or infinite.

    References
    ----------
    .. [1] Neal (2001), Annealed importance sampling.
    .. [2] Salakhutdinov, Murray (2008), On the quantitative analysis of deep belief networks.
    """
    annealing, base = Annealing(n_steps, sampler), as_base(base, model)
    sites = _every(base, n_chains, present, model)
    found = annealing.from_base(model, base, sites, generator)
    return PartitionEstimate(*found, reverse=False, is_bound=True)


def reverse_annealed_importance(
    model: Model,
    base: Base | Model,
    starts: Tensor,
    *,
    exact_starts: bool,
    generator: torch.Generator,
    n_steps: int | Sequence[float] = 1000,
    sampler: MetropolisSampler | None = None,
) -> PartitionEstimate:
    r"""Estimate the log-partition of a model from above, by chains back to a base.

    The chains of `annealed_importance` run backwards from draws of the model, and
    :math:`\mathbb{E}[w^{-1}] = Z^{-1}`: the estimate is too high in expectation. Chains that start
    at what merely resembles draws of the model give an estimate, but no bound.

    Parameters
    ----------
    model, base, generator, n_steps, sampler
        As in `annealed_importance`; the same inverse temperatures, in ascending order.
    starts : (n_chains, ...)
        One draw of the model a chain, all with the same sites missing.
    exact_starts : bool
        Whether they are exact, independent draws, such as `exact_draws` gives.

    References
    ----------
    .. [1] Burda, Grosse, Salakhutdinov (2015), Accurate and conservative estimates of MRF
       log-likelihood using reverse annealing.
    .. [2] Grosse, Ghahramani, Adams (2015), Sandwiching the marginal likelihood using
       bidirectional Monte Carlo.
    """
    annealing, base = Annealing(n_steps, sampler), as_base(base, model)
    found = annealing.to_base(model, base, _checked_starts(starts, base, model), generator)
    return PartitionEstimate(*found, reverse=True, is_bound=exact_starts)


def bracket(
    model: Model,
    base: Base | Model,
    *,
    generator: torch.Generator,
    starts: Tensor | None = None,
    n_steps: int | Sequence[float] = 1000,
    n_chains: int = 256,
    sampler: MetropolisSampler | None = None,
    present: Tensor | None = None,
) -> Bracket:
    """Enclose the log-partition of a model by `annealed_importance` and its reverse.

    Parameters
    ----------
    model, base, generator, n_steps, n_chains, sampler, present
        As in `annealed_importance`.
    starts : (n_chains, ...), optional
        Exact draws of the model. By default `exact_draws`; where there are none, the ends of the
        forward chains are drawn by their weights and moved on for as many steps, and the upper
        end is an estimate, ``is_bound=False``.
    """
    annealing, base = Annealing(n_steps, sampler), as_base(base, model)
    sites = _every(base, n_chains, present, model)
    forward = PartitionEstimate(
        *annealing.from_base(model, base, sites, generator), reverse=False, is_bound=True
    )
    exact = True
    if starts is None:
        try:
            starts = exact_draws(model, n_chains, base.shape, generator, present)
        except IntractableError:
            steps = max(len(annealing.betas) - 2, 1)
            starts = forward.draws(n_chains, generator)
            starts = annealing.settle(model, base, starts, steps, generator)
            exact = False
    starts = _checked_starts(starts, base, model)
    back = annealing.to_base(model, base, starts, generator)
    return Bracket(forward, PartitionEstimate(*back, reverse=True, is_bound=exact))


def _every(base: Base, n_chains: int, present: Tensor | None, model: Model) -> Tensor:
    """The same pattern (n_chains, D) for every chain."""
    check_count("n_chains", n_chains, 1)
    n_sites = base.shape[0]
    if present is None:
        present = torch.ones(n_sites, dtype=torch.bool)
    if present.shape != (n_sites,):
        raise ShapeError(f"present has shape {tuple(present.shape)}; expected ({n_sites},).")
    return present.to(model.device).expand(n_chains, -1)


def _checked_starts(starts: Tensor, base: Base, model: Model) -> Tensor:
    starts, shape = as_visible(starts, model), base.shape
    if len(starts) == 0 or starts.shape[1:] != shape:
        raise ShapeError(
            f"starts has shape {tuple(starts.shape)}; expected (n_chains, *{shape}), at least one."
        )
    present = base.present(starts)
    if (present != present[0]).any():
        raise ArgumentError(
            "starts have different sites missing, and so different log-partitions; pass starts "
            "of one pattern at a time."
        )
    return starts
