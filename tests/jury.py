"""Seeded votes that are conditionally independent given a known truth."""

from typing import NamedTuple

import numpy as np


class Jury(NamedTuple):
    """Votes (n, D) with -1 for missing, truth (n,), confusion (D, class, vote), prior (K,)."""

    votes: np.ndarray
    truth: np.ndarray
    confusion: np.ndarray
    prior: np.ndarray

    @property
    def skills(self):
        return np.einsum("k,dkk->d", self.prior, self.confusion)

    @property
    def shares_right(self):
        """Expected accuracy of the majority vote, ties broken evenly."""
        k = self.confusion.shape[1]
        counts = (self.votes[:, :, None] == np.arange(k)).sum(1)
        winners = counts == counts.max(1, keepdims=True)
        return (winners / winners.sum(1, keepdims=True))[np.arange(len(counts)), self.truth].mean()


def jury(n=120, d=5, k=3, seed=0, *, skill=(0.55, 0.9), missing=0.0, prior=None):
    """Classifiers of evenly spaced skills, whose errors follow a Dirichlet draw each."""
    rng = np.random.default_rng(seed)
    prior = np.full(k, 1 / k) if prior is None else np.asarray(prior)
    skills = np.linspace(*skill, d)
    confusion = np.zeros((d, k, k))
    for i in range(d):
        for h in range(k):
            others = np.delete(np.arange(k), h)
            confusion[i, h, others] = (1 - skills[i]) * rng.dirichlet(np.ones(k - 1))
            confusion[i, h, h] = skills[i]
    truth = rng.choice(k, n, p=prior)
    uniform = rng.random((n, d, 1))
    cumulative = confusion[:, truth].transpose(1, 0, 2).cumsum(2)
    votes = np.minimum((uniform > cumulative).sum(2), k - 1)
    votes[rng.random((n, d)) < missing] = -1
    return Jury(votes, truth, confusion, prior)


def long_form(votes, tasks=None, workers=None):
    """Columns task, worker and label of the votes that are not missing."""
    row, column = np.nonzero(votes >= 0)
    tasks = np.arange(len(votes)) if tasks is None else np.asarray(tasks)
    workers = np.arange(votes.shape[1]) if workers is None else np.asarray(workers)
    return {"task": tasks[row], "worker": workers[column], "label": votes[row, column]}


def soft_form(votes, k, sharpness=0.8):
    """Soft votes (n, K, D) that lean towards the hard ones; missing votes are columns of 0."""
    lean = np.where(
        votes[:, None, :] == np.arange(k)[:, None], sharpness, (1 - sharpness) / (k - 1)
    )
    return np.where(votes[:, None, :] < 0, 0.0, lean)
