"""The prior of a consensus model, in imagined votes and samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["PseudoCounts", "checked_class_prior"]


class PseudoCounts(NamedTuple):
    r"""Votes that every classifier is imagined to have cast before the first real one.

    They follow a one-coin classifier of the same skill, so that few votes, rare classes and many
    classes shrink a confusion table towards its single best-determined number. With N samples, K
    classes and :math:`r = s K^2 / N` the label l of classifier i given class h gets

    .. math:: \alpha_{ilh} = (o + r) \big( a_i [l = h] + (1 - a_i) f_{l|h} \big) + u / K

    votes, where :math:`a_i` is the mean share of the vote that backs the classifier's answers,
    drawn towards the mean over all votes by m votes, and :math:`f_{l|h}` is how often l is voted
    among all labels but h. Every class gets :math:`p + r` imagined samples.

    Parameters
    ----------
    one_coin : float
        o, in votes.
    uniform : float
        u, in votes, spread evenly over all labels.
    shrinkage : float
        m, in votes.
    sparsity : float
        s, in samples a cell of a confusion table; it matters only where cells outnumber samples.
    prior : float
        p, in samples.
    confusion_votes : (n_classifiers, n_classes, n_classes), optional
        Further votes known beforehand: classifier, class, vote.
    """

    one_coin: float = 4.0
    uniform: float = 0.5
    shrinkage: float = 2.0
    sparsity: float = 20.0
    prior: float = 1.0
    confusion_votes: NDArray[np.float64] | None = None

    def checked(self, n_classifiers: int, n_classes: int) -> PseudoCounts:
        """The same counts.

        Raises
        ------
        ArgumentError
            If a count is negative or not finite.
        ShapeError
            If `confusion_votes` has another shape.
        """
        for name, value in zip(self._fields[:5], self[:5], strict=True):
            if not 0 <= value < float("inf"):
                raise ArgumentError(
                    f"pseudo_counts.{name}={value}; it must be finite and at least 0."
                )
        if self.confusion_votes is None:
            return self
        votes = np.asarray(self.confusion_votes, dtype=np.float64)
        expected = (n_classifiers, n_classes, n_classes)
        if votes.shape != expected:
            raise ShapeError(
                f"confusion_prior has shape {votes.shape}; expected (n_classifiers, n_classes, "
                f"n_classes) = {expected}."
            )
        if not (np.isfinite(votes).all() and (votes >= 0).all()):
            raise ArgumentError(
                "confusion_prior has a negative or non-finite entry; it counts votes, so pass "
                "for example 10 * confusion_ of an earlier fit."
            )
        return self._replace(confusion_votes=votes)

    def tables(
        self, counts: NDArray[np.float64], n_samples: float
    ) -> tuple[NDArray[np.float64], float]:
        """Pseudo-counts of the confusions and of the class prior.

        Parameters
        ----------
        counts : (n_classifiers, n_classes, n_classes)
            Votes against shares of the vote, ``Votes.share_statistics``: classifier, vote, class.
        n_samples : float
            Total weight of the samples, those without votes included.

        Returns
        -------
        votes : (n_classifiers, n_classes, n_classes)
            Vote by class.
        samples : float
            For every class.
        """
        k = counts.shape[-1]
        r = self.sparsity * k**2 / max(n_samples, EPSILON)
        skill = self._skill(counts)[:, None, None]
        popularity = counts.sum((0, 2)) + 1 + r
        wrong = np.tile(popularity[:, None], (1, k))
        np.fill_diagonal(wrong, 0)
        wrong /= np.maximum(wrong.sum(0), 1)
        votes = (self.one_coin + r) * (skill * np.eye(k) + (1 - skill) * wrong) + self.uniform / k
        if self.confusion_votes is not None:
            votes += self.confusion_votes.transpose(0, 2, 1)
        return votes, self.prior + r

    def _skill(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        agreed, cast = np.einsum("dkk->d", counts), counts.sum((1, 2))
        mean = (agreed.sum() + 1) / (cast.sum() + 2)
        drawn = cast + self.shrinkage
        return np.divide(
            agreed + self.shrinkage * mean, drawn, out=np.full(len(cast), mean), where=drawn > 0
        )


def checked_class_prior(
    class_prior: Sequence[float] | None, n_classes: int
) -> tuple[float, ...] | None:
    """Class frequencies as plain floats.

    Raises
    ------
    ShapeError
        If there is not one frequency a class.
    ArgumentError
        If one is negative or not finite, or they do not sum to one.
    """
    if class_prior is None:
        return None
    prior = np.asarray(class_prior, dtype=np.float64)
    if prior.shape != (n_classes,):
        raise ShapeError(f"class_prior has shape {prior.shape}; expected ({n_classes},).")
    if not (prior >= 0).all() or not np.isclose(prior.sum(), 1):
        raise ArgumentError(
            f"class_prior={class_prior}; its entries must be at least 0 and sum to one."
        )
    return tuple(prior.tolist())
