"""Probabilities that are as sure as the evidence allows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes

__all__ = ["Calibration"]

_LEAST = 0.05
"""Part of a posterior that is always kept, so that its order of the classes stays."""


class Calibration(NamedTuple):
    r"""How far to trust a posterior that counts every classifier as an independent witness.

    .. math:: p \propto p(h | v)^{1 / T}, \qquad
        c = (1 - d) \max_h p_h + d f_{h^*}

    T is the number of classifiers over that of independent ones, so that copies count once. Where
    samples differ in what makes all classifiers err, no number of them is proof, nor is any where
    the confusions have more cells than there are votes. The probability of the most probable
    class h* is then drawn to c, towards the fraction f of the votes that it has, by mixing p with
    the uniform distribution. The order of the classes stays as it is. This is experience with real
    votes, not a theorem: where contexts are all that the classifiers have in common, their
    posterior needs no doubt.

    Attributes
    ----------
    temperature : float
        T, at least 1.
    doubt : float
        d, in [0, 1].

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> votes = read_votes([[0, 0, 1], [1, 1, 1]])
    >>> sure = np.array([[0.98, 0.02], [0.0, 1.0]])
    >>> Calibration(temperature=1.0, doubt=0.5).apply(sure, votes).round(2)
    array([[0.82, 0.18],
           [0.  , 1.  ]])
    """

    temperature: float = 1.0
    doubt: float = 0.0

    def apply(self, posterior: NDArray[np.float64], votes: Votes) -> NDArray[np.float64]:
        """Calibrated probabilities, (n_samples, n_classes).

        Parameters
        ----------
        posterior : (n_samples, n_classes)
            Of the classes, in the order of ``votes.classes``.
        votes : Votes
            Of the same samples; one without votes keeps what its posterior says.
        """
        if self.temperature != 1:
            posterior = posterior ** (1 / self.temperature)
            posterior = posterior / posterior.sum(1, keepdims=True)
        if self.doubt == 0 or votes.n_classes == 1:
            return posterior
        top = posterior.argmax(1)[:, None]
        sure = np.take_along_axis(posterior, top, 1)
        counts = votes.vote_counts()
        cast = counts.sum(1, keepdims=True)
        held = np.take_along_axis(counts, top, 1)
        fraction = np.divide(held, cast, out=sure.copy(), where=cast > 0)
        chance = 1 / votes.n_classes
        target = (1 - self.doubt) * sure + self.doubt * fraction
        room = np.maximum(sure - chance, np.finfo(np.float64).tiny)
        kept = np.clip((target - chance) / room, _LEAST, 1)
        return kept * posterior + (1 - kept) * chance
