"""Inverse RBM whose classes consist of subclasses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deem.core.votes import Votes
from deem.math.latent import SparseRows
from deem.math.random import normal_like
from deem.models.consensus import START_NOISE
from deem.models.irbm import CategoricalIRBM
from deem.utils.constants import EPSILON

__all__ = ["SubclassIRBM"]

_CHUNK = 1 << 18
"""Numbers worked on at a time."""


class SubclassIRBM(CategoricalIRBM):
    r"""Inverse RBM in which every class has several states, each with confusions of its own.

    .. math:: E(v, s) = -b_s - \sum_i \big(a_i[v_i] + W_i[v_i, s]\big), \qquad
        p(h \mid v) = \sum_{s \in S_h} p(s \mid v)

    Samples of one class on which the classifiers err alike form a subclass, so that classifiers
    may depend on each other given the class. The hidden unit has M states for each class. Each has
    all pseudo-votes of the class: with less, classifiers of few votes would tell states apart that
    nothing else does. The pseudo-samples of a class are shared.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    n_subclasses : int
        M, at least 1; one subclass is `SoftIRBM`.
    pseudo_counts : PseudoCounts, optional
        Prior of the confusions of a class, for the exact solvers.
    class_prior : (n_classes,), optional
        As in `SoftIRBM`.

    References
    ----------
    .. [1] Li, Rubinstein, Cohn (2019), Exploiting worker correlation for label aggregation in
       crowdsourcing, ICML.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> from deem.models.initialization import initialise
    >>> votes = read_votes([[0, 0, 1], [1, 1, 1], [2, 2, 0]])
    >>> model = initialise(SubclassIRBM(3, 3, 2), votes, "mv", random_state=0)
    >>> model.state_class
    tensor([0, 0, 1, 1, 2, 2])
    >>> model.predict_classes(votes).argmax(1)
    tensor([0, 1, 2])
    """

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        n_subclasses: int = 2,
        pseudo_counts: Sequence | None = None,
        class_prior: Sequence[float] | None = None,
    ):
        super().__init__(n_classifiers, n_classes, 1, pseudo_counts, class_prior, n_subclasses)
        self.splits_at_random = n_subclasses > 1

    def start_from_energy(
        self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor, generator: torch.Generator
    ) -> None:
        weight = weight[..., self.state_class]
        noise = normal_like(weight, generator)
        weight = weight + (START_NOISE * noise).to(weight)
        self.set_parameters(visible_bias, weight, hidden_bias[:, self.state_class])

    def state_pseudo_votes(self, n_states: int) -> Tensor:
        """Pseudo-counts of the confusions, (n_classifiers, n_classes, n_states)."""
        return self.pseudo_votes[..., self.state_class]

    def share_statistics(self, votes: Votes, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Votes against the fractions of the vote, each class split at random.

        The split is a random projection of the votes of a sample, so that equal rows are split
        alike, in any order, and similar rows similarly.

        Returns
        -------
        counts : (n_classifiers, n_classes, n_states)
            Classifier, vote, state.
        state_counts : (n_states,)
            Sum over the samples; one without votes counts as the average one.
        """
        d, k = self.n_classifiers, self.n_classes
        direction = torch.randn(d * k, self.n_states, generator=generator, dtype=torch.float64)
        direction = direction.to(self.pseudo_votes)
        weights = None if votes.weights is None else torch.from_numpy(votes.weights).to(direction)
        chunks = self.sparse_rows(votes, weights).chunks(_CHUNK // self.n_states + 1)
        mean, deviation = self._moments(chunks, direction)
        counts, state_counts = torch.zeros_like(direction), direction.new_zeros(self.n_states)
        for rows in chunks:
            fractions, projected = self._projected(rows, direction)
            split = ((projected - mean) / deviation).softmax(2)
            states = (fractions * split).flatten(1)
            counts += rows.products(d * k).gather(states)
            state_counts += states.sum(0)
        silent = (votes.n_samples if weights is None else weights.sum()) - state_counts.sum()
        overall = counts.sum(0)
        state_counts += silent * overall / overall.sum().clamp(min=EPSILON)
        return counts.reshape(d, k, -1), state_counts

    def _moments(self, chunks: Sequence[SparseRows], direction: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the projections in each class, both (K, M).

        What the samples of a class have in common must not decide how it is split.
        """
        sums = direction.new_zeros(3, self.n_classes, self.n_subclasses)
        for rows in chunks:
            fractions, projected = self._projected(rows, direction)
            powers = torch.stack([torch.ones_like(projected), projected, projected.square()])
            sums += (fractions * powers).sum(1)
        mean, square = sums[1:] / sums[0].clamp(min=EPSILON)
        return mean, (square - mean.square()).clamp(min=EPSILON).sqrt()

    def _projected(self, rows: SparseRows, direction: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted fractions of the vote (n, K, 1), and projections (n, K, M) of the votes."""
        products = rows.products(len(direction))
        label = torch.eye(self.n_classes).to(direction).repeat(self.n_classifiers, 1)
        classes = products.spread(label)
        total = classes.sum(1, keepdim=True).clamp(min=EPSILON)
        fractions = classes / total
        if rows.weights is not None:
            fractions *= rows.weights.unsqueeze(1)
        projected = products.spread(direction) / total.sqrt()
        return fractions.unsqueeze(2), projected.reshape(len(rows), self.n_classes, -1)
