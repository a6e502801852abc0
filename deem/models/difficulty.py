"""Inverse RBM in which samples differ in difficulty and classifiers in one weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from torch.distributions import Distribution, Independent, OneHotCategorical
from torch.nn.functional import one_hot

from deem.core.dataset import Dataset
from deem.core.votes import Votes
from deem.math.distributions import JointStates
from deem.math.latent import posterior
from deem.models.one_coin import TiedIRBM, log_others
from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError

__all__ = ["DifficultyIRBM"]

Array = NDArray[np.float64]

_NEWTON_STEPS = 2
_LONGEST_STEP = 1.0
"""In nats; where all votes are certain the curvature says nothing."""


class DifficultyIRBM(TiedIRBM):
    r"""Inverse RBM with a class and a level of difficulty as hidden units.

    .. math:: E(v, h, m) = -b_h - c_m - \sum_i w_i \beta_m [v_i = h], \qquad
        p(v_i = h \mid h, m) = \frac{e^{w_i \beta_m}}{e^{w_i \beta_m} + K - 1}

    Wrong votes are spread evenly. A sample of small :math:`\beta_m` is hard: everyone guesses on
    it. The levels are the nodes of the Gauss-Hermite rule for
    :math:`\log \beta \sim N(0, s^2)`, and :math:`c_m` keeps their probabilities at the weights of
    that rule, so that all sums over the difficulty are exact.

    For two classes it is the model of GLAD [1]_, in which w is the ability of a classifier.
    There the difficulty of every sample is a parameter, found by gradient ascent in each M-step;
    here it is summed out, and only the weights are parameters. With more classes GLAD has
    :math:`p(v_i = h \mid h, m) = \sigma(w_i \beta_m)`, which gives a classifier of ability 0 one
    half; here it guesses among all K.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    n_levels : int
        Number of levels of difficulty, at least 1; one level is `OneCoinIRBM`.
    spread : float
        s, at least 0, in nats.
    pseudo_counts : PseudoCounts, optional
        Prior of the weights, for the exact solvers: imagined votes on samples whose difficulty
        follows the levels; only those on and off the diagonal count.
    class_prior : (n_classes,), optional
        As in `SoftIRBM`.

    Attributes
    ----------
    log_ease : (n_levels,) Tensor
        Logarithm of beta of each level, ascending.
    level_weight : (n_levels,) Tensor
        Probability of each level.

    References
    ----------
    .. [1] Whitehill, Ruvolo, Wu, Bergsma, Movellan (2009), Whose vote should count more: optimal
       integration of labels from labelers of unknown expertise, NIPS.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> votes = read_votes([[0, 0, 0], [1, 1, 1], [2, 1, 0]])
    >>> hard = DifficultyIRBM(3, 3).difficulty(votes)
    >>> hard.argmax()
    tensor(2)
    """

    log_ease: Tensor
    level_weight: Tensor

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        n_levels: int = 5,
        spread: float = 1.0,
        pseudo_counts: Sequence | None = None,
        class_prior: Sequence[float] | None = None,
    ):
        if n_levels < 1:
            raise ArgumentError(f"n_levels={n_levels}; it must be at least 1.")
        if not 0 <= spread < float("inf"):
            raise ArgumentError(f"spread={spread}; it must be finite and at least 0.")
        states = torch.arange(max(n_classes, 0)).repeat_interleave(n_levels)
        super().__init__(n_classifiers, n_classes, states, pseudo_counts, class_prior)
        self.n_levels = n_levels
        self.spread = spread
        nodes, weights = np.polynomial.hermite_e.hermegauss(n_levels)
        log_ease = torch.tensor(spread * nodes, dtype=torch.get_default_dtype())
        level_weight = torch.tensor(weights / weights.sum(), dtype=torch.get_default_dtype())
        self.register_buffer("log_ease", log_ease, persistent=False)
        self.register_buffer("level_weight", level_weight, persistent=False)

    def level_terms(self) -> tuple[Tensor, Tensor]:
        """Weights (n_classifiers, n_levels) and biases c (n_levels,) of the levels, in nats."""
        weight = self.weight[:, None] * self.log_ease.exp()
        return weight, self.level_weight.log() - _log_total(weight, self.n_classes).sum(0)

    def state_terms(self) -> tuple[Tensor, Tensor]:
        weight, level_bias = self.level_terms()
        same = torch.eye(self.n_classes, dtype=self.dtype, device=self.device)
        bias = self.hidden_bias[:, None] + level_bias
        return bias.flatten(), (weight[:, None, None] * same[:, :, None]).flatten(2)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """Energy of complete votes (batch, n_classifiers, n_classes) and hidden units.

        ``h`` (batch, n_classes + n_levels) is the class and then the level, both one-hot; the
        result (batch,) is in nats.
        """
        classes, levels = h.split([self.n_classes, self.n_levels], 1)
        weight, level_bias = self.level_terms()
        right = torch.einsum("ndk,nk->nd", v, classes)
        votes = (right * (levels @ weight.T)).sum(1)
        return -votes - classes @ self.hidden_bias - levels @ level_bias

    def p_h(self, v: Tensor) -> Distribution:
        """Conditional distribution of class and level, (batch, n_classes + n_levels)."""
        classes = one_hot(self.state_class, self.n_classes)
        levels = torch.eye(self.n_levels).to(classes).repeat(self.n_classes, 1)
        return JointStates(self.state_logits(v), torch.cat([classes, levels], 1).to(self.dtype))

    def p_v(self, h: Tensor) -> Distribution:
        classes, levels = h.split([self.n_classes, self.n_levels], 1)
        weight = levels @ self.level_terms()[0].T
        logits = weight[:, :, None] * classes[:, None]
        return Independent(OneHotCategorical(logits=logits, validate_args=False), 1)

    @torch.no_grad()
    def difficulty(self, votes: Votes) -> Tensor:
        """Posterior mean of the difficulty ``-log(beta)`` of samples.

        Parameters
        ----------
        votes : Votes
            By the classifiers of the model.

        Returns
        -------
        (n_samples,)
            In nats; 0 is usual, and that of a sample without votes, above it is harder.
        """
        log_prior, table = self.log_tables()
        states, _ = posterior(self.sparse_rows(votes), table.flatten(0, 1), log_prior)
        return -states @ self.log_ease.repeat(self.n_classes)

    def start_from_shares(self, votes: Votes, generator: torch.Generator) -> None:
        # The weights are those of one level of difficulty; the first E-step tells levels apart.
        self.prepare(Dataset(votes))
        counts, class_counts = self.share_statistics(votes, generator)
        with torch.no_grad():
            self.weight.copy_(self.one_coin_weight(counts + self.pseudo_votes))
        spread = class_counts[:, None] * self.level_weight
        self.set_log_prior(self.best_log_state(spread.flatten())[:: self.n_levels])

    def state_pseudo_votes(self, n_states: int) -> Tensor:
        return (self.pseudo_votes[..., None] * self.level_weight).flatten(2)

    def best_log_state(self, state_counts: Tensor) -> Tensor:
        classes = super().best_log_state(state_counts.reshape(self.n_classes, -1).sum(1))
        return (classes[:, None] + self.level_weight.log()).flatten()

    @torch.no_grad()
    def m_step(self, counts: Tensor, state_counts: Tensor) -> None:
        votes = counts + self.state_pseudo_votes(len(self.state_class))
        votes = votes.unflatten(2, (self.n_classes, self.n_levels))
        right = votes.diagonal(dim1=1, dim2=2).sum(2)
        # Some hundred numbers, on which numpy is several times as fast as torch.
        weight, right, cast, ease = (
            x.cpu().double().numpy()
            for x in (self.weight, right, votes.sum((1, 2)), self.log_ease.exp())
        )
        weight = _better_weight(weight, right, cast, ease, self.n_classes)
        self.weight.copy_(torch.from_numpy(weight))
        self.set_log_prior(self.best_log_state(state_counts)[:: self.n_levels])


def _better_weight(weight: Array, right: Array, cast: Array, ease: Array, n_classes: int) -> Array:
    """Raise the expected log-likelihood of each weight, which is concave in it, or keep it.

    Parameters
    ----------
    weight : (n_classifiers,)
        The present weights.
    right, cast : (n_classifiers, n_levels)
        Expected right votes, and all votes, on samples of each level.
    ease : (n_levels,)
        Of the levels, above 0.
    """
    others = np.log(max(n_classes - 1, EPSILON))
    # The variance of a vote is at most 1/4, so this step can only go up.
    bound = np.maximum(cast @ ease**2 / 4, EPSILON)

    def value(weight: Array) -> Array:
        drive = weight[:, None] * ease
        return (right * drive - cast * np.logaddexp(drive, others)).sum(1)

    best = value(weight)
    for _ in range(_NEWTON_STEPS):
        p = expit(weight[:, None] * ease - others)
        slope = (right - cast * p) @ ease
        step = slope / np.maximum((cast * p * (1 - p)) @ ease**2, EPSILON)
        newton = weight + step.clip(-_LONGEST_STEP, _LONGEST_STEP)
        found = value(newton)
        rises = found >= best
        weight = np.where(rises, newton, weight + slope / bound)
        best = found if rises.all() else value(weight)
    return weight


def _log_total(weight: Tensor, n_classes: int) -> Tensor:
    """Log of ``exp(weight) + n_classes - 1``, the normaliser of a vote."""
    return torch.logaddexp(weight, log_others(weight, n_classes))
