"""The subclass model by variational inference, against enumeration and plain loops."""

from itertools import product

import numpy as np
import pytest
from ebcc import DIAGONAL, EBCC, OTHER, PI, TAU, _pass, _Prior
from metrics import expected_accuracy
from scipy.special import digamma, gammaln


def long_votes(votes):
    item, worker = np.nonzero(votes >= 0)
    return item, worker, votes[item, worker]


def fitted(votes, k, **params):
    return EBCC(**params).fit(*long_votes(votes), *votes.shape, k)


def log_beta(counts):
    return gammaln(counts).sum() - gammaln(counts.sum())


def log_joint(votes, state, k, m):
    """Log-probability of the votes and of the subclass of every item, ``class * m + subclass``."""
    prior = np.where(np.eye(k, dtype=bool), DIAGONAL, OTHER)
    tau = np.bincount(state // m, minlength=k)
    total = log_beta(TAU + tau) - log_beta(np.full(k, TAU))
    for c in range(k):
        pi = np.bincount(state[state // m == c] % m, minlength=m)
        total += log_beta(PI / m + pi) - log_beta(np.full(m, PI / m))
    for j, s in product(range(votes.shape[1]), range(k * m)):
        cast = votes[(state == s) & (votes[:, j] >= 0), j]
        counts = np.bincount(cast, minlength=k)
        total += log_beta(prior[s // m] + counts) - log_beta(prior[s // m])
    return total


def dense_pass(votes, joint):
    """One update written out over all workers, classes, subclasses and labels."""
    n, k, m = joint.shape
    one_hot = (votes[:, :, None] == np.arange(k)).astype(float)
    prior = np.where(np.eye(k, dtype=bool), DIAGONAL, OTHER)
    cells = prior[:, None] + np.einsum("ijl,ikm->jkml", one_hot, joint)
    pi, tau = PI / m + joint.sum(0), TAU + joint.sum((0, 2))
    log_votes = digamma(cells) - digamma(cells.sum(-1, keepdims=True))
    logits = np.einsum("ijl,jkml->ikm", one_hot, log_votes)
    logits += digamma(pi) - digamma(pi.sum(1, keepdims=True))
    logits += (digamma(tau) - digamma(tau.sum()))[:, None]
    weights = np.exp(logits)
    return weights / weights.sum((1, 2), keepdims=True)


@pytest.fixture
def gappy():
    """Few votes with gaps, a label that nobody gives and an item without votes."""
    votes = np.random.default_rng(0).integers(-1, 3, (40, 5))
    votes[7] = -1
    return votes


def test_passes_are_those_of_the_dense_form(gappy):
    k, m = 4, 3
    model = EBCC(m, random_state=1, max_iter=5, tolerance=0)
    item, _, label = long_votes(gappy)
    _, joint = model._start(item, label, len(gappy), k)
    for _ in range(5):
        joint = dense_pass(gappy, joint)
    model.fit(*long_votes(gappy), *gappy.shape, k)
    np.testing.assert_allclose(model.probas_, joint.sum(2), atol=1e-10)


def test_the_bound_never_falls(gappy):
    bounds = fitted(gappy, 4, tolerance=1e-6).bounds_
    assert len(bounds) > 5
    assert np.diff(bounds).min() > -1e-8
    assert bounds[-1] - bounds[0] > 1


def test_the_bound_is_below_the_evidence():
    votes = np.array([[0, 0, 1], [1, 1, -1], [0, 1, 0]])
    bound = fitted(votes, 2, n_subclasses=2, tolerance=1e-9).bounds_[-1]
    states = map(np.array, product(range(4), repeat=3))
    evidence = np.logaddexp.reduce([log_joint(votes, state, 2, 2) for state in states])
    assert evidence - 2.5 < bound < evidence


def test_the_bound_of_known_states_is_their_probability(gappy):
    k, m = 3, 2
    state = np.random.default_rng(1).integers(0, k * m, len(gappy))
    joint = np.eye(k * m)[state].reshape(-1, k, m)
    item, worker, label = long_votes(gappy)
    columns = np.arange(gappy.shape[1] * k)
    one_hot = np.zeros((len(gappy), len(columns)))
    one_hot[item, worker * k + label] = 1
    prior = _Prior(columns // k, columns % k, gappy.shape[1], k)
    bound = _pass(one_hot, joint, prior)[1]
    assert bound == pytest.approx(log_joint(gappy, state, k, m))


def crowd(fooled, n=2000, seed=0):
    """Eight workers on three classes; on a share `fooled` of the items three err together."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    told = np.repeat(truth[:, None], 8, 1)
    odd = rng.random(n) < fooled
    told[odd, 5:] = (truth[odd, None] + 1) % 3
    guesses = rng.integers(0, 3, told.shape)
    return np.where(rng.random(told.shape) < 0.7, told, guesses), truth


def test_it_recovers_the_truth_of_dependent_votes():
    votes, truth = crowd(0.5)
    shares = (votes[:, :, None] == np.arange(3)).sum(1)
    accuracy = 100 * (fitted(votes, 3).probas_.argmax(1) == truth).mean()
    assert accuracy > expected_accuracy(shares, truth) + 5


def test_subclasses_pay_where_workers_err_together_only():
    def gain(votes):
        one, two = (fitted(votes, 3, n_subclasses=m).bounds_[-1] for m in (1, 2))
        return two - one

    assert gain(crowd(0.5)[0]) > 100
    assert gain(crowd(0.0)[0]) < 0


def test_an_item_without_votes_gets_the_prior():
    votes = crowd(0.0)[0]
    votes[7] = -1
    probas = fitted(votes, 3).probas_
    np.testing.assert_allclose(probas.sum(1), 1)
    np.testing.assert_allclose(probas[7], probas.mean(0), atol=0.01)
