"""Real classifiers really voted, on samples they have not seen."""

import numpy as np
import pytest

from deem.core.reading import read_votes
from deem.datasets import breast_cancer_votes, classifiers, digits_votes, wine_votes
from deem.datasets._panels import breast_cancer_panel, digits_panel, wine_panel
from deem.utils.exception import ArgumentError

SETS = {
    "digits": (digits_votes, digits_panel, (1258, 64, 10)),
    "breast cancer": (breast_cancer_votes, breast_cancer_panel, (399, 30, 2)),
    "wine": (wine_votes, wine_panel, (125, 13, 3)),
}


def accuracies(data):
    right = data.votes == data.truth[:, None]
    return np.array(
        [column[cast].mean() for column, cast in zip(right.T, (data.votes >= 0).T, strict=True)]
    )


def expected_vote_accuracy(data):
    shares = read_votes(data.votes, n_classes=len(data.classes)).vote_shares()
    return shares[np.arange(len(data.truth)), data.truth].mean()


@pytest.mark.parametrize("name", SETS)
def test_shapes_names_and_ranges(name):
    make, _, (n_samples, n_features, n_classes) = SETS[name]
    data = make()
    assert data.votes.shape == (n_samples, 12)
    assert data.X.shape == (n_samples, n_features)
    assert data.classes.shape == (n_classes,)
    assert data.votes.dtype == data.truth.dtype == np.int64
    assert set(np.unique(data.truth)) == set(range(n_classes))
    assert data.votes.min() == -1
    assert data.votes.max() == n_classes - 1
    assert len(set(data.classifiers)) == len(data.estimators) == 12


@pytest.mark.parametrize("name", SETS)
def test_votes_are_the_estimators_predictions_where_they_do_not_abstain(name):
    data = SETS[name][0]()
    for column, estimator in zip(data.votes.T, data.estimators, strict=True):
        cast = column >= 0
        np.testing.assert_array_equal(column[cast], estimator.predict(data.X)[cast])


@pytest.mark.parametrize("name", SETS)
def test_restrictions_hold(name):
    make, panel, (n_samples, n_features, n_classes) = SETS[name]
    data = make()
    voters = panel(np.random.default_rng(0))
    for place, voter in enumerate(voters):
        estimator, votes = data.estimators[place], data.votes[:, place]
        known = range(n_classes) if voter.classes is None else voter.classes
        assert estimator.classes_.tolist() == list(known)
        assert set(votes) <= {-1, *known}
        abstains = voter.silent + voter.unsure
        allowed = 5 * (voter.silent * (1 - voter.silent) / n_samples) ** 0.5 + 0.01
        assert abs((votes < 0).mean() - abstains) <= allowed
        seen = range(n_features) if voter.features is None else voter.features
        blurred = data.X.copy()
        blurred[:, np.setdiff1d(np.arange(n_features), list(seen))] = 0
        np.testing.assert_array_equal(estimator.predict(blurred), estimator.predict(data.X))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_on_digits_the_vote_falls_behind_the_best_classifier(seed):
    data = digits_votes(seed)
    single = accuracies(data)
    assert 0.2 < single.min() < 0.35
    assert 0.85 < single.max() < 0.95
    assert 0.8 < expected_vote_accuracy(data) < single.max() - 0.01


def test_the_voted_samples_are_unseen():
    data = digits_votes()
    nearest = data.estimators[data.classifiers.index("neighbour, only 4 6 8 9")]
    fitted = nearest.named_steps["classify"]
    distance, _ = fitted.kneighbors(data.X, n_neighbors=1)
    assert distance.min() > 0


def test_equal_calls_share_one_read_only_result():
    first = wine_votes(1)
    assert wine_votes(random_state=1) is first
    assert wine_votes(np.int64(1)) is first
    for array in (first.votes, first.truth, first.classes, first.X):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_seeds_repeat_and_differ():
    first, other = wine_votes(0), wine_votes(7)
    classifiers._votes_on.cache_clear()
    again = wine_votes(0)
    assert again is not first
    np.testing.assert_array_equal(again.votes, first.votes)
    np.testing.assert_array_equal(again.X, first.X)
    assert (first.votes != other.votes).any()


@pytest.mark.parametrize("seed", [None, -1, 1.5, 2**32])
def test_bad_seeds_are_named(seed):
    with pytest.raises(ArgumentError, match=f"random_state={seed} cannot name a set of votes"):
        digits_votes(seed)
