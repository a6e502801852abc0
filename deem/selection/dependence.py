"""Who copies whom: correlations between classifiers that the class does not explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import average, fcluster, leaves_list
from scipy.spatial.distance import squareform

from deem.core.votes import Votes
from deem.selection._residuals import ResidualSums, residual_sums

__all__ = ["DependenceMap", "dependence_map", "residual_correlation"]

_PSEUDO_VOTES = 10.0
"""Imagined common votes without correlation, of the variance of an average vote."""

_LEVEL = 0.01
"""Probability that any pair of independent classifiers is taken for a dependent one."""

_LARGEST_TERM = 2.0
"""Bound of the inner product of two residuals, each of a squared length of at most 2."""

_SAME = 0.3
"""Mean correlation from which classifiers form a cluster."""

_FEW = 5
"""Names that a sentence spells out."""


@dataclass(frozen=True, eq=False)
class DependenceMap:
    r"""Which classifiers vote as one.

    A correlation counts only above its `bound`, which no pair of independent classifiers passes,
    but with a probability of 1 %; below it is taken for 0. The distance of two classifiers is 1
    minus what counts, and clusters are merged by their mean distance.

    Attributes
    ----------
    correlation : (n_classifiers, n_classifiers)
        As from `residual_correlation`.
    bound : (n_classifiers, n_classifiers)
        What chance can reach; infinite for a pair without common samples.
    linkage : (n_classifiers - 1, 4)
        The merges, as scipy has them.
    order : (n_classifiers,)
        Classifiers so that clusters stand together.
    clusters : tuple of tuples of int
        Classifiers that vote as one, two or more each, the largest cluster first.
    names : (n_classifiers,)
        Of the classifiers, for the sentences.
    """

    correlation: NDArray[np.float64]
    bound: NDArray[np.float64]
    linkage: NDArray[np.float64]
    order: NDArray[np.int64]
    clusters: tuple[tuple[int, ...], ...]
    names: tuple[Any, ...]

    @property
    def vote_weights(self) -> NDArray[np.float64]:
        r"""What each classifier counts, (n_classifiers,), in (0, 1].

        .. math:: w_i = 1 / \sum_j \max(\rho_{ij}, 0)

        The sum has the classifier itself with 1, and the correlations that count. Each of m
        copies gets 1/m.
        """
        return 1 / _counting(self.correlation, self.bound).sum(1)

    @property
    def effective_voters(self) -> float:
        """Number of independent classifiers that would know as much: the sum of the weights."""
        return float(self.vote_weights.sum())

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; an infinite bound becomes None."""
        bound = self.bound.astype(object)
        bound[~np.isfinite(self.bound)] = None
        return {
            "names": list(self.names),
            "correlation": self.correlation.tolist(),
            "bound": bound.tolist(),
            "linkage": self.linkage.tolist(),
            "order": self.order.tolist(),
            "clusters": [list(cluster) for cluster in self.clusters],
            "vote_weights": self.vote_weights.tolist(),
            "effective_voters": self.effective_voters,
        }

    def describe(self) -> list[str]:
        """One sentence a cluster, and one that sums up."""
        sentences = []
        for cluster in self.clusters:
            block = self.correlation[np.ix_(cluster, cluster)]
            mean = block[np.triu_indices(len(cluster), 1)].mean()
            sentences.append(
                f"classifiers {self._listed(cluster)} vote as one "
                f"(residual correlation {mean:.2f})"
            )
        n_classifiers = len(self.names)
        if not sentences:
            sentences.append("no classifiers vote as one")
        plural = "s" if n_classifiers > 1 else ""
        count = f"{self.effective_voters:.1f} independent"
        return [*sentences, f"{n_classifiers} classifier{plural} count as {count}"]

    def _listed(self, cluster: tuple[int, ...]) -> str:
        names = [str(self.names[i]) for i in cluster]
        if len(names) > _FEW + 1:
            return f"{', '.join(names[:_FEW])} and {len(names) - _FEW} more"
        return f"{', '.join(names[:-1])} and {names[-1]}"


def residual_correlation(
    votes: Votes, probas: NDArray[np.float64], confusion: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Correlation of what the votes of two classifiers hold beyond the class.

    The residual of a one-hot vote is :math:`r_i(h) = v_i - \theta_i[\cdot | h]`, and

    .. math:: \rho_{ij} = \frac{\sum_n E_h [r_i(h) \cdot r_j(h)]}
        {\sqrt{\sum_n E_h |r_i(h)|^2 \; \sum_n E_h |r_j(h)|^2} + m s}

    over the samples that both voted on, with the class h from its posterior. Whole votes are
    compared, not whether they are right: two classifiers that are wrong on the same sample add
    more with the same wrong label than with different ones. The m s in the denominator stands for
    10 imagined common votes without correlation, s the mean of :math:`|r|^2` over all votes, so
    that a pair with few common samples, or few common errors, does not look copied.

    The posterior knows the votes themselves. Under the model this does no harm: votes and a class
    drawn from its posterior are a draw from the model, so the expectation of every product is 0.
    A posterior without the two votes would not have this property where the class is uncertain.
    Harm comes from the model being wrong: a large group of copies draws the posterior to its
    side, looks less dependent than it is, and makes the others look more so. Computing the
    correlations anew with the posterior of a model of the groups cures this.

    Parameters
    ----------
    votes : Votes
        Hard or soft; a sample of weight w counts as w equal ones.
    probas : (n_samples, n_classes)
        Posterior of the class given the votes; rows sum to 1.
    confusion : (n_classifiers, n_classes, n_classes)
        Classifier, class, vote, as in ``DEEM.confusion_``.

    Returns
    -------
    (n_classifiers, n_classifiers)
        Symmetric, in [-1, 1], with 1 on the diagonal; 0 for pairs without common samples.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    ArgumentError
        If `probas` or `confusion` is not finite, or there are more than 5000 classifiers.

    Notes
    -----
    Work is proportional to the number of votes times the number of classifiers, or to the pairs
    of votes on the same sample where they are more; memory to the number of votes and the square
    of the number of classifiers.

    Examples
    --------
    >>> from deem import DEEM
    >>> from deem.core.reading import read_votes
    >>> from deem.datasets import copying_groups
    >>> data = copying_groups(2000, 3, groups=(2, 1, 1, 1, 1, 1, 1), random_state=0)
    >>> model = DEEM(n_classes=3).fit(data.votes)
    >>> votes = read_votes(data.votes, n_classes=3)
    >>> residual_correlation(votes, model.probas_, model.confusion_)[0, 1].round(1)
    np.float64(0.6)
    """
    return _correlation(residual_sums(votes, probas, confusion))


def dependence_map(
    votes: Votes, probas: NDArray[np.float64], confusion: NDArray[np.float64]
) -> DependenceMap:
    r"""Find the classifiers that vote as one.

    The bound of a correlation comes from Bernstein's inequality: the sum of products of two
    independent classifiers has expectation 0, a variance V that follows from their confusions,
    and terms of at most 2, so it exceeds
    :math:`t = 2L/3 + \sqrt{(2L/3)^2 + 2 V L}` with probability :math:`e^{-L}` at most. L is taken
    so large that of all pairs together one exceeds it with a probability of 1 %.

    Parameters
    ----------
    votes, probas, confusion
        As in `residual_correlation`.

    Examples
    --------
    >>> from deem import DEEM
    >>> from deem.core.reading import read_votes
    >>> from deem.datasets import copying_groups
    >>> data = copying_groups(2000, 3, groups=(2, 2, 1, 1), random_state=0)
    >>> model = DEEM(n_classes=3).fit(data.votes)
    >>> found = dependence_map(
    ...     read_votes(data.votes, n_classes=3), model.probas_, model.confusion_
    ... )
    >>> found.clusters
    ((0, 1), (2, 3))
    """
    sums = residual_sums(votes, probas, confusion)
    correlation, bound = _correlation(sums), _bound(sums)
    linkage = _linkage(_counting(correlation, bound))
    order = leaves_list(linkage).astype(np.int64) if len(linkage) else np.arange(len(bound))
    given = votes.classifiers
    names = range(votes.n_classifiers) if given is None else given.tolist()
    clusters = _clusters(linkage, len(bound))
    return DependenceMap(correlation, bound, linkage, order, clusters, tuple(names))


def _correlation(sums: ResidualSums) -> NDArray[np.float64]:
    rho = _ratio(sums.product, sums, otherwise=0.0)
    np.fill_diagonal(rho, 1)
    return np.clip((rho + rho.T) / 2, -1, 1)


def _bound(sums: ResidualSums) -> NDArray[np.float64]:
    d = len(sums.variance)
    nats = np.log(max(d * (d - 1) / 2, 1) / _LEVEL)
    linear = _LARGEST_TERM * nats / 3
    reach = linear + np.sqrt(linear**2 + 2 * nats * sums.variance)
    bound = np.where(sums.scale > 0, _ratio(reach, sums, otherwise=np.inf), np.inf)
    np.fill_diagonal(bound, 0)
    return bound


def _ratio(
    values: NDArray[np.float64], sums: ResidualSums, otherwise: float
) -> NDArray[np.float64]:
    scale = sums.scale + _PSEUDO_VOTES * sums.unit
    return np.divide(values, scale, out=np.full(scale.shape, otherwise), where=scale > 0)


def _counting(correlation: NDArray[np.float64], bound: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(correlation > bound, correlation, 0)


def _linkage(counting: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(counting) < 2:
        return np.empty((0, 4))
    return average(squareform(1 - counting, checks=False))


def _clusters(linkage: NDArray[np.float64], n_classifiers: int) -> tuple[tuple[int, ...], ...]:
    if n_classifiers < 2:
        return ()
    labels = fcluster(linkage, 1 - _SAME, "distance")
    members = [tuple(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)]
    return tuple(sorted((m for m in members if len(m) > 1), key=lambda m: (-len(m), m)))
