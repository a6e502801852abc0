"""How sure the estimated confusions and skills are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes

__all__ = ["expected_accuracy", "standard_deviations"]

Array = NDArray[np.float64]

_LARGEST_SYSTEM = 160
"""Free numbers up to which the coupling between all of them is solved for."""

_PRODUCTS = 100_000_000
"""Products in the sum over samples, which take some 10 ms; more samples are thinned out."""

_BLOCK = 1 << 22
"""Cells of a temporary array."""

_SMALLEST = 1e-6
"""Probabilities below it are told from it by no number of votes in sight."""


def standard_deviations(
    votes: Votes,
    probas: Array,
    confusion: Array,
    prior: Array,
    pseudo_votes: Array | None = None,
) -> tuple[Array, Array]:
    r"""Posterior standard deviations of skills and confusions.

    They are those of the normal distribution at the estimate. Were the classes known, this is the
    Dirichlet distribution of the counts. As they are not, the information is that of the votes
    alone [1]_: a sample adds :math:`s s^\top` with the score
    :math:`s_{ihl} = r_h [v_i = l] / \theta_{ihl}`, where r is the posterior of its class. Up to
    160 free numbers all of them are solved for together; beyond, a confusion row is taken alone,
    with the effective counts :math:`\sum r_h^2` in place of :math:`\sum r_h`, and the
    deviations are a little too small where samples have few votes.

    Parameters
    ----------
    votes : Votes
        The training votes.
    probas : (n_samples, n_classes)
        Posterior of the classes.
    confusion : (n_classifiers, n_classes, n_classes)
        Classifier, class, vote.
    prior : (n_classes,)
        Class frequencies.
    pseudo_votes : (n_classifiers, n_classes, n_classes), optional
        Pseudo-counts behind the confusions: classifier, class, vote. None stands for one imagined
        vote a row.

    Returns
    -------
    skills : (n_classifiers,)
        Of ``sum_h prior[h] confusion[:, h, h]``, in [0, 0.5].
    confusion : (n_classifiers, n_classes, n_classes)
        Of every probability, in [0, 0.5].

    Notes
    -----
    The votes must be independent given the class. Classifiers that copy each other look surer
    than they are, and their skills better.

    References
    ----------
    .. [1] Louis (1982), Finding the observed information matrix when using the EM algorithm.
       In place of the negative Hessian stands the sum of the outer products of the scores, which
       has the same mean and is never negative.
    """
    theta = np.maximum(confusion, _SMALLEST)
    theta /= theta.sum(2, keepdims=True)
    imagined = np.ones_like(theta) if pseudo_votes is None else pseudo_votes / theta
    prior = np.maximum(prior, _SMALLEST) / np.maximum(prior, _SMALLEST).sum()
    d, k = theta.shape[:2]
    if 0 < (d * k + 1) * (k - 1) <= _LARGEST_SYSTEM:
        covariance = _joint_covariance(votes, probas, theta, imagined, prior)
        return _from_covariance(covariance, theta, prior)
    variance = _row_variance(_squared_counts(votes, probas) / theta + imagined, theta)
    return _skill_deviation(votes, variance, theta, prior), _deviation(variance)


def expected_accuracy(probas: Array, weights: Array | None = None) -> float:
    """Share of right labels that the probabilities themselves promise, in [0, 1].

    Parameters
    ----------
    probas : (n_samples, n_classes)
        Posterior of the classes.
    weights : (n_samples,), optional
        How often each sample counts.
    """
    return float(np.average(probas.max(1), weights=weights))


def _joint_covariance(
    votes: Votes, probas: Array, theta: Array, imagined: Array, prior: Array
) -> Array:
    """Covariance of all of ``theta / sqrt(theta)`` and then of the prior in the same scale.

    In this scale a row of known classes has n times the identity as its information, however
    small its probabilities.
    """
    scale = np.sqrt(np.concatenate([theta.ravel(), prior]))
    mass = (probas**2).sum(0) if votes.weights is None else votes.weights @ probas**2
    exact = np.concatenate([_squared_counts(votes, probas).ravel(), mass]) / scale**2
    information = _score_products(votes, probas, scale)
    # Thinned samples give the correlations; the diagonal is known from all of them.
    sampled = np.diag(information)
    ratio = np.sqrt(np.divide(exact, sampled, out=np.zeros_like(exact), where=sampled > 0))
    information = ratio[:, None] * information * ratio
    np.fill_diagonal(information, exact + np.append(imagined.ravel(), np.ones(len(prior))))
    free = _free_directions(scale.reshape(-1, len(prior)))
    return free @ np.linalg.inv(free.T @ information @ free) @ free.T


def _score_products(votes: Votes, probas: Array, scale: Array) -> Array:
    """Sum over evenly spaced samples of the outer products of their scaled scores."""
    n, k = probas.shape
    chosen = np.linspace(0, n - 1, min(n, _PRODUCTS // len(scale) ** 2)).astype(np.int64)
    cast = votes.take(chosen).matrix().toarray().reshape(len(chosen), -1, 1, k)
    scores = (cast * probas[chosen, None, :, None]).reshape(len(chosen), -1)
    scores = np.concatenate([scores, probas[chosen]], axis=1) / scale
    if votes.weights is not None:
        scores *= np.sqrt(votes.weights[chosen])[:, None]
    return scores.T @ scores


def _free_directions(scale: Array) -> Array:
    """Orthonormal directions that keep every row of probabilities normalised.

    Parameters
    ----------
    scale : (rows, n_classes)
        Square roots of the probabilities, of length 1.

    Returns
    -------
    (rows * n_classes, rows * (n_classes - 1))
    """
    rows, k = scale.shape
    # A reflection takes the first axis to the row, and so the other axes to its orthogonal ones.
    sign = np.where(scale[:, :1] < 0, 1.0, -1.0)
    axis = scale - sign * np.eye(k)[0]
    length = (axis**2).sum(1)[:, None, None]
    reflection = np.eye(k) - 2 * axis[:, :, None] * axis[:, None] / length
    free = np.zeros((rows, k, rows, k - 1))
    free[np.arange(rows), :, np.arange(rows)] = reflection[:, :, 1:]
    return free.reshape(rows * k, -1)


def _from_covariance(covariance: Array, theta: Array, prior: Array) -> tuple[Array, Array]:
    d, k = theta.shape[:2]
    variance = np.diag(covariance)[: theta.size].reshape(theta.shape) * theta
    gradient = np.zeros((d, d + 1, k, k))
    diagonal = np.einsum("dkk->dk", theta)
    own = np.arange(d)
    # of a skill in its own diagonal, and in the prior, each in the scale of the covariance
    gradient[own[:, None], own[:, None], np.arange(k), np.arange(k)] = prior * np.sqrt(diagonal)
    flat = gradient[:, :d].reshape(d, -1)
    flat = np.concatenate([flat, diagonal * np.sqrt(prior)], axis=1)
    return _deviation(np.einsum("dp,dp->d", flat @ covariance, flat)), _deviation(variance)


def _squared_counts(votes: Votes, probas: Array) -> Array:
    """Votes weighed by the squared posterior, (n_classifiers, class, vote)."""
    n, k = probas.shape
    total = np.zeros((votes.n_classifiers * k, k))
    rows = max(1, _BLOCK // k)
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        squares = probas[part] ** 2
        if votes.weights is not None:
            squares *= votes.weights[part, None]
        total += votes.take(part).matrix().T @ squares
    return total.reshape(votes.n_classifiers, k, k).transpose(0, 2, 1)


def _row_variance(information: Array, theta: Array) -> Array:
    """Variance of each probability, from the information of each cell in the scaled form."""
    spread = theta / information
    return spread - spread**2 / spread.sum(2, keepdims=True)


def _skill_deviation(votes: Votes, variance: Array, theta: Array, prior: Array) -> Array:
    diagonal = np.einsum("dkk->dk", theta)
    total = votes.n_samples if votes.weights is None else votes.weights.sum()
    of_prior = (diagonal - diagonal @ prior[:, None]) ** 2 @ prior / (total + 1)
    return _deviation(np.einsum("dkk->dk", variance) @ prior**2 + of_prior)


def _deviation(variance: Array) -> Array:
    # nothing within [0, 1] deviates by more
    return np.sqrt(np.clip(variance, 0, 0.25))
