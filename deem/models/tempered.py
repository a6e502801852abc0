"""Inverse RBM whose posterior counts each vote by a weight, for classifiers that err together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.votes import Votes
from deem.math.latent import SparseRows
from deem.models.irbm import SoftIRBM
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

__all__ = ["TemperedIRBM"]


class TemperedIRBM(SoftIRBM):
    r"""Inverse RBM with one hidden unit and a tempered posterior rule.

    .. math:: p(h | v) \propto \pi_h \prod_i \theta_i[v_i | h]^{w_i}

    With :math:`w_i = 1 / \sum_j \max(\rho_{ij}, 0)` from the residual correlations of the
    classifiers, m copies count as one witness. EM uses the rule in its E-step; the M-step counts
    every vote once, so that confusions are not affected by the weights themselves.

    The rule is no energy model: it belongs to no distribution of the votes, so there is no
    likelihood. ``energy``, ``free_energy``, ``p_h`` and ``p_v`` are those of the inverse RBM that
    holds :math:`\pi` and :math:`\theta`; ``class_logits`` and ``predict_classes`` are the rule.
    The "log_likelihood" in the history is the sum of the tempered evidence,
    :math:`\log \sum_h \pi_h \prod_i \theta_i^{w_i}`, which EM raises together with the prior.

    Parameters
    ----------
    n_classifiers, n_classes : int
        As in `SoftIRBM`.
    vote_weight : (n_classifiers,), optional
        Above 0, finite; what `deem.selection.dependence.DependenceMap.vote_weights` gives. None
        is 1 for all, the inverse RBM itself.
    hidden_dim : int
        1.
    pseudo_counts : PseudoCounts, optional
        Prior of the confusions.
    class_prior : (n_classes,), optional
        Known class frequencies, summing to one.

    Examples
    --------
    Two copies against one classifier of the same accuracy: each copy counts half.

    >>> from deem.core.reading import read_votes
    >>> model = TemperedIRBM(3, 2, vote_weight=[0.5, 0.5, 1.0]).double()
    >>> confusion = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).double().expand(3, 2, 2)
    >>> model.set_tables(torch.zeros(2).double(), confusion.log())
    >>> model.predict_classes(read_votes([[0, 0, 1], [0, 0, 0]], n_classes=2))
    tensor([[0.5000, 0.5000],
            [0.9878, 0.0122]], dtype=torch.float64)
    """

    exponent: Tensor

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        vote_weight: Sequence[float] | None = None,
        hidden_dim: int = 1,
        pseudo_counts: Sequence | None = None,
        class_prior: Sequence[float] | None = None,
    ):
        if hidden_dim != 1:
            raise ArgumentError(f"hidden_dim={hidden_dim}; TemperedIRBM has 1, use SoftIRBM.")
        super().__init__(n_classifiers, n_classes, 1, pseudo_counts, class_prior)
        self.vote_weight = _checked_weight(vote_weight, n_classifiers)
        exponent = torch.tensor(self.vote_weight or [1.0] * n_classifiers)
        self.register_buffer("exponent", exponent, persistent=False)

    def class_logits(self, votes: Votes | Tensor) -> Tensor:
        """Logarithm of the right side of the rule, (batch, n_classes), in nats."""
        if isinstance(votes, Votes):
            return super().class_logits(votes)
        self.check_shape(votes)
        log_prior, table = self.log_tables()
        return log_prior + (votes * self.exponent[:, None]).flatten(1) @ table.flatten(0, 1)

    def sparse_rows(self, votes: Votes, weights: Tensor | None = None) -> SparseRows:
        """Votes as index tensors; each has its weight for a value, which tempers all sums."""
        rows = super().sparse_rows(votes, weights)
        tempered = self.exponent[rows.columns.long() // self.n_classes]
        return replace(rows, values=tempered if rows.values is None else tempered * rows.values)

    def prepare(self, data: Dataset) -> None:
        super().prepare(data)
        # The M-step has each count times the weight of its classifier, and so it cancels.
        self.pseudo_votes = self.pseudo_votes * self.exponent[:, None, None]

    def inverse_rbm(self) -> SoftIRBM:
        """The inverse RBM that holds the same tables, which has a likelihood."""
        model = SoftIRBM(self.n_classifiers, self.n_classes).to(self.device, self.dtype)
        model.load_state_dict(self.state_dict())
        return model

    def log_partition(self) -> Tensor:
        self._refuse("log_partition()")

    def score_samples(self, v: Votes | Tensor) -> Tensor:
        self._refuse("score_samples()")

    def log_likelihood(self, batch: Dataset) -> Tensor:
        self._refuse("log_likelihood()")

    def _refuse(self, name: str) -> NoReturn:
        raise IntractableError(
            f"TemperedIRBM has no {name}, since its posterior rule belongs to no distribution of "
            "the votes; train by ExactEM(), and compare likelihoods by SoftIRBM or GroupIRBM."
        )


def _checked_weight(
    vote_weight: Sequence[float] | None, n_classifiers: int
) -> tuple[float, ...] | None:
    if vote_weight is None:
        return None
    weight = np.asarray(vote_weight, dtype=np.float64)
    if weight.shape != (n_classifiers,):
        raise ShapeError(
            f"vote_weight has shape {weight.shape}; expected (n_classifiers,) = "
            f"({n_classifiers},)."
        )
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ArgumentError(
            f"vote_weight={weight.tolist()}; its entries must be finite and above 0, leave out "
            "the votes of a classifier that should not count."
        )
    return tuple(weight.tolist())
