"""Standard deviations of skills and confusions: closed forms, and coverage of a known truth."""

import numpy as np
import pytest
from jury import jury

from deem import DEEM
from deem.core.reading import read_votes
from deem.datasets import conditionally_independent, copying_groups
from deem.estimators import uncertainty
from deem.estimators.uncertainty import expected_accuracy, standard_deviations
from deem.math.vote import one_hot

JURY = jury(n=400, d=3)
VOTES = read_votes(JURY.votes, n_classes=3)


def known_classes(counts):
    """Posterior, confusion and prior where the classes are known."""
    probas = one_hot(JURY.truth, 3)
    theta = counts / counts.sum(2, keepdims=True)
    return probas, theta, probas.mean(0)


def counts_of(votes, truth):
    matrix = votes.matrix().T @ one_hot(truth, 3)
    return matrix.reshape(votes.n_classifiers, 3, 3).transpose(0, 2, 1)


both_forms = pytest.mark.parametrize("largest", [160, 0], ids=["joint", "rows"])


@pytest.mark.parametrize(("largest", "tolerance"), [(160, 0.05), (0, 1e-6)], ids=["joint", "rows"])
def test_known_classes_give_the_dirichlet_distribution(largest, tolerance, monkeypatch):
    monkeypatch.setattr(uncertainty, "_LARGEST_SYSTEM", largest)
    imagined = np.full((3, 3, 3), 0.5)
    counts = counts_of(VOTES, JURY.truth) + imagined
    probas, theta, prior = known_classes(counts)
    skills, deviations = standard_deviations(VOTES, probas, theta, prior, imagined)
    expected = np.sqrt(theta * (1 - theta) / counts.sum(2, keepdims=True))
    np.testing.assert_allclose(deviations, expected, rtol=tolerance)
    diagonal = np.einsum("dkk->dk", theta)
    spread = prior @ (diagonal.T**2) - (diagonal @ prior) ** 2
    variance = np.einsum("dkk->dk", expected) ** 2 @ prior**2 + spread / 401
    np.testing.assert_allclose(skills, np.sqrt(variance), rtol=max(tolerance, 0.01))


def exact_deviations(votes, prior, confusion):
    """From the negative Hessian of the log-likelihood in softmax coordinates, by differences."""
    shape = confusion.shape
    n_free = confusion.size + len(prior)

    def tables(x):
        log = np.concatenate([np.log(confusion).ravel(), np.log(prior)]) + x
        theta = np.exp(log[: confusion.size]).reshape(shape)
        share = np.exp(log[confusion.size :])
        return theta / theta.sum(2, keepdims=True), share / share.sum()

    def score(x):
        theta, share = tables(x)
        joint = share * np.prod(theta[np.arange(shape[0]), :, votes], axis=1)
        posterior = joint / joint.sum(1, keepdims=True)
        counts = np.stack([posterior.T @ one_hot(v, shape[1]) for v in votes.T])
        total = posterior.sum(0)
        parts = counts - counts.sum(2, keepdims=True) * theta, total - total.sum() * share
        return np.concatenate([part.ravel() for part in parts])

    steps = 1e-5 * np.eye(n_free)
    hessian = np.array([score(s) - score(-s) for s in steps]) / 2e-5
    covariance = np.linalg.pinv(-hessian, rcond=1e-7)
    jacobian = np.array([np.einsum("k,dkk->d", *tables(s)[::-1]) for s in steps])
    jacobian -= np.array([np.einsum("k,dkk->d", *tables(-s)[::-1]) for s in steps])
    jacobian = jacobian.T / 2e-5
    return np.sqrt(np.einsum("dp,pq,dq->d", jacobian, covariance, jacobian))


def test_unknown_classes_give_the_observed_information():
    data = conditionally_independent(4000, 4, 2, accuracy=(0.65, 0.85), random_state=0)
    fitted = DEEM(n_classes=2, model_params={"pseudo_counts": [0.0] * 5}).fit(data.votes)
    exact = exact_deviations(data.votes, fitted.probas_.mean(0), fitted.confusion_)
    np.testing.assert_allclose(fitted.skills_std_, exact, rtol=0.1)
    # those of known classes are far smaller
    known = np.sqrt(fitted.skills_ * (1 - fitted.skills_) / 4000)
    assert (fitted.skills_std_ > 1.3 * known).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_deviations_hold_the_truth(seed):
    skills, cells, narrow = [], [], []
    for repeat in range(12):
        data = conditionally_independent(400, 5, 3, random_state=100 * seed + repeat)
        fitted = DEEM(n_classes=3, selection=None).fit(data.votes)
        wrong = np.abs(fitted.skills_ - np.einsum("k,dkk->d", data.prior, data.confusion))
        skills.append(wrong <= 2 * fitted.skills_std_)
        narrow.append(wrong <= fitted.skills_std_)
        cells.append(np.abs(fitted.confusion_ - data.confusion) <= 2 * fitted.confusion_std_)
    assert 0.88 <= np.mean(skills) <= 1
    assert 0.92 <= np.mean(cells) <= 0.99
    # one deviation holds about two thirds: the bars are not merely wide
    assert 0.5 <= np.mean(narrow) <= 0.85


def test_copied_votes_break_what_the_deviations_assume():
    data = copying_groups(1000, 3, random_state=0)
    fitted = DEEM(n_classes=3, selection=None).fit(data.votes)
    wrong = np.abs(fitted.skills_ - np.einsum("k,dkk->d", data.prior, data.confusion))
    assert np.mean(wrong <= 2 * fitted.skills_std_) < 0.5


@both_forms
def test_weights_count_samples(largest, monkeypatch):
    monkeypatch.setattr(uncertainty, "_LARGEST_SYSTEM", largest)
    twice = DEEM().fit(np.repeat(JURY.votes, 2, axis=0))
    weighed = DEEM().fit(JURY.votes, sample_weight=np.full(400, 2))
    np.testing.assert_allclose(weighed.skills_std_, twice.skills_std_, rtol=1e-5)
    np.testing.assert_allclose(weighed.confusion_std_, twice.confusion_std_, rtol=1e-4)
    assert weighed.expected_accuracy_ == pytest.approx(twice.expected_accuracy_)


def test_thinned_samples_keep_the_size_of_the_deviations(monkeypatch):
    data = conditionally_independent(6000, 5, 3, random_state=0)
    whole = DEEM().fit(data.votes).skills_std_
    monkeypatch.setattr(uncertainty, "_PRODUCTS", 1000 * 48**2)
    np.testing.assert_allclose(DEEM().fit(data.votes).skills_std_, whole, rtol=0.1)


def test_more_votes_make_it_surer():
    few, many = (DEEM().fit(jury(n=n).votes) for n in (200, 3200))
    ratio = few.skills_std_ / many.skills_std_
    assert ratio == pytest.approx([4] * 5, rel=0.35)


@pytest.mark.filterwarnings("ignore::deem.utils.exception.DeemWarning")
@pytest.mark.parametrize("settings", [{}, {"solver": "cd", "epochs": 2, "random_state": 0}])
@pytest.mark.parametrize(
    "votes", [np.zeros((9, 3), int), JURY.votes[:, :1], np.insert(JURY.votes, 1, -1, axis=1)]
)
def test_unusual_votes_have_finite_deviations(votes, settings):
    fitted = DEEM(**settings).fit(votes)
    for found in (fitted.skills_std_, fitted.confusion_std_):
        assert ((found >= 0) & (found <= 0.5)).all()


def test_expected_accuracy_is_the_mean_of_the_top_probability():
    probas = np.array([[0.9, 0.1], [0.4, 0.6]])
    assert expected_accuracy(probas) == pytest.approx(0.75)
    assert expected_accuracy(probas, np.array([3.0, 1.0])) == pytest.approx(0.825)


def test_expected_accuracy_is_the_accuracy_of_independent_classifiers():
    data = conditionally_independent(4000, 5, 3, random_state=1)
    fitted = DEEM().fit(data.votes)
    assert fitted.expected_accuracy_ == pytest.approx(
        np.mean(fitted.labels_ == data.truth), abs=0.02
    )
