"""EBCC: a mixture of subclasses within each class, by variational inference, on sparse votes.

An item has a class k with prior tau, and within it one of M subclasses with weights pi_k; given
both, each worker votes by itself with probabilities v_jkm. The subclasses are what makes the
workers of one class depend on each other. All parameters have Dirichlet priors; the posterior is
approximated by a product of one factor an item and one a parameter vector.

References
----------
.. [1] Li, Rubinstein, Cohn (2019), Exploiting worker correlation for label aggregation in
   crowdsourcing, ICML, PMLR 97:3886-3895. Its values are the defaults here.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import digamma, gammaln

N_SUBCLASSES = 10
TAU, PI, DIAGONAL, OTHER = 1.0, 0.1, 4.0, 1.0
"""Dirichlet pseudo-counts: of each class, of all subclasses of a class, of right, wrong votes."""


class EBCC:
    """Subclass model of votes.

    Parameters
    ----------
    n_subclasses : int
        Subclasses a class.
    random_state : int
        Of the start: the votes on an item are spread over the subclasses at random.
    max_iter : int
        Passes at most.
    tolerance : float
        Stop when no class probability changes by more.

    Attributes
    ----------
    probas_ : (n_items, n_classes)
        Posterior of the classes; uniform for an item without votes at the start.
    bounds_ : list of float
        Evidence lower bound in each pass, in nats; it never falls.
    """

    def __init__(
        self,
        n_subclasses: int = N_SUBCLASSES,
        random_state: int = 0,
        max_iter: int = 500,
        tolerance: float = 1e-3,
    ):
        self.n_subclasses, self.random_state = n_subclasses, random_state
        self.max_iter, self.tolerance = max_iter, tolerance

    def fit(self, item, worker, label, n_items: int, n_workers: int, n_classes: int) -> EBCC:
        """Learn from votes in long form, each an item, a worker and a label from 0."""
        shape = (n_items, n_workers * n_classes)
        votes = sparse.csr_array((np.ones(len(item)), (item, worker * n_classes + label)), shape)
        # A worker uses few of many labels; the others enter sums as their pseudo-count only.
        used = np.unique(votes.indices)
        votes = votes[:, used]
        prior = _Prior(used // n_classes, used % n_classes, n_workers, n_classes)
        self.probas_, joint = self._start(item, label, n_items, n_classes)
        self.bounds_: list[float] = []
        for _ in range(self.max_iter):
            before = self.probas_
            joint, bound = _pass(votes, joint, prior)
            self.probas_ = joint.sum(2)
            self.bounds_.append(bound)
            if np.abs(self.probas_ - before).max() <= self.tolerance:
                break
        return self

    def _start(self, item, label, n_items: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Shares of the vote, and the same spread over subclasses by flat Dirichlet draws."""
        rng = np.random.default_rng(self.random_state)
        shares = np.bincount(item * k + label, minlength=n_items * k).reshape(n_items, k)
        shares = np.where(shares.any(1, keepdims=True), shares, 1).astype(float)
        shares /= shares.sum(1, keepdims=True)
        spread = rng.dirichlet(np.ones(self.n_subclasses), shares.shape)
        return shares, spread * shares[:, :, None]


class _Prior:
    """Pseudo-counts of the (worker, label) cells that hold votes."""

    def __init__(self, worker: np.ndarray, label: np.ndarray, n_workers: int, k: int):
        self.worker, self.k = worker, k
        self.cells = np.where(label[:, None] == np.arange(k), DIAGONAL, OTHER)
        self.total = DIAGONAL + (k - 1) * OTHER
        shape = (n_workers, len(worker))
        ones = np.ones(len(worker))
        self.by_worker = sparse.csr_array((ones, (worker, np.arange(len(worker)))), shape)


def _pass(votes, joint: np.ndarray, prior: _Prior) -> tuple[np.ndarray, float]:
    """Update the parameters, then the items; the bound is that between the two."""
    n, k, m = joint.shape
    counts = (votes.T @ joint.reshape(n, k * m)).reshape(-1, k, m)
    pi = PI / m + joint.sum(0)
    tau = TAU + joint.sum((0, 2))
    cells = prior.cells[:, :, None] + counts
    totals = prior.total + (prior.by_worker @ counts.reshape(-1, k * m)).reshape(-1, k, m)
    log_votes = digamma(cells) - digamma(totals)[prior.worker]
    log_pi = digamma(pi) - digamma(pi.sum(1, keepdims=True))
    log_tau = digamma(tau) - digamma(tau.sum())
    bound = _bound(joint, pi, tau, cells, totals, prior)
    logits = (votes @ log_votes.reshape(-1, k * m)).reshape(n, k, m)
    logits += log_pi + log_tau[:, None]
    logits -= logits.max((1, 2), keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum((1, 2), keepdims=True)
    return logits, bound


def _bound(joint, pi, tau, cells, totals, prior: _Prior) -> float:
    """Evidence lower bound, where every parameter is at its best for `joint`.

    There it is the log-evidence of the expected counts, a ratio of Dirichlet normalisers for each
    parameter vector, plus the entropy of `joint`.
    """
    k, m = pi.shape
    entropy = -float((joint * np.log(np.where(joint > 0, joint, 1))).sum())
    of_tau = _log_beta(tau) - _log_beta(np.full(k, TAU))
    of_pi = (_log_beta(pi) - _log_beta(np.full(m, PI / m))).sum()
    of_votes = (gammaln(cells) - gammaln(prior.cells)[:, :, None]).sum()
    of_votes -= (gammaln(totals) - gammaln(prior.total)).sum()
    return float(entropy + of_tau + of_pi + of_votes)


def _log_beta(counts: np.ndarray) -> np.ndarray:
    """Logarithm of the multivariate beta function, along the last axis."""
    return gammaln(counts).sum(-1) - gammaln(counts.sum(-1))
