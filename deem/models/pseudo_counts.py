"""The prior of a consensus model, in imagined votes and samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["PseudoCounts", "checked_class_prior"]


class PseudoCounts(NamedTuple):
    r"""Votes that every classifier is imagined to have cast before the first real one.

    Column h of the confusion of every classifier, the distribution of its vote when the class is
    h, gets

    .. math:: \alpha_{lh} = d\,[l = h] + o / K + p\,P_{lh}

    where P is the confusion pooled over all classifiers. Few votes then shrink a classifier
    towards the pool, and rare classes do not merge.

    Parameters
    ----------
    diagonal : float
        d, on the right answer, in votes.
    off_diagonal : float
        o, spread evenly over all answers, in votes.
    pooled : float
        p, spread as the pooled confusion, in votes.
    prior : float
        On every class of the class prior, in samples.
    confusion_votes : (n_classifiers, n_classes, n_classes), optional
        Further votes of each classifier known beforehand: classifier, class, vote.
    """

    diagonal: float = 2.0
    off_diagonal: float = 0.5
    pooled: float = 2.0
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
        for name, value in zip(self._fields[:4], self[:4], strict=True):
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

    def confusion(self, counts: Tensor) -> Tensor:
        """Pseudo-counts of the confusion of every classifier.

        Parameters
        ----------
        counts : (n_classifiers, n_classes, n_classes)
            Expected votes: classifier, vote, class.

        Returns
        -------
        (1 or n_classifiers, n_classes, n_classes)
            Vote by class.
        """
        k = counts.shape[-1]
        fixed = torch.full_like(counts[:1], self.off_diagonal / k)
        fixed.diagonal(dim1=1, dim2=2).add_(self.diagonal)
        pool = counts.sum(0, keepdim=True) + fixed
        pool = pool / pool.sum(1, keepdim=True).clamp(min=EPSILON)
        votes = fixed + self.pooled * pool
        if self.confusion_votes is not None:
            votes = votes + torch.from_numpy(self.confusion_votes).to(votes).transpose(1, 2)
        return votes


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
