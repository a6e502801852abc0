"""Truth and parameters come back as frequencies, within five standard errors."""

import numpy as np
import pytest

from deem.datasets import (
    class_experts,
    conditionally_independent,
    copying_groups,
    sparse_annotators,
)
from deem.utils.exception import ArgumentError, ShapeError

SMALL = {
    "independent": lambda **kw: conditionally_independent(300, 5, 3, **kw),
    "copies": lambda **kw: copying_groups(300, 3, groups=(3, 1), **kw),
    "experts": lambda **kw: class_experts(300, 3, **kw),
    "sparse": lambda **kw: sparse_annotators(300, 20, 3, 3, **kw),
}


def assert_frequencies(data, errors=5.0):
    """Compare the votes with `confusion` wherever a classifier voted."""
    n_classifiers, n_classes, _ = data.confusion.shape
    for d in range(n_classifiers):
        for k in range(n_classes):
            votes = data.votes[(data.truth == k) & (data.votes[:, d] >= 0), d]
            if len(votes) == 0:
                continue
            expected = data.confusion[d, k]
            found = np.bincount(votes, minlength=n_classes) / len(votes)
            # one vote in addition, since rare events are not normal
            allowed = errors * np.sqrt(expected * (1 - expected) / len(votes)) + 1 / len(votes)
            assert (np.abs(found - expected) <= allowed).all()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_votes_follow_the_confusions(name, seed):
    big = {
        "independent": lambda: conditionally_independent(20000, 5, 4, random_state=seed),
        "copies": lambda: copying_groups(20000, 3, copy_rate=0.5, random_state=seed),
        "experts": lambda: class_experts(20000, 4, random_state=seed),
        "sparse": lambda: sparse_annotators(20000, 30, 4, 3, random_state=seed),
    }
    assert_frequencies(big[name]())


@pytest.mark.parametrize("name", SMALL)
def test_shapes_and_ranges(name):
    data = SMALL[name](random_state=0)
    n_classifiers = data.votes.shape[1]
    assert data.votes.dtype == np.int64
    assert data.truth.shape == (300,)
    assert data.confusion.shape == (n_classifiers, 3, 3)
    np.testing.assert_allclose(data.confusion.sum(axis=2), 1)
    np.testing.assert_allclose(data.prior, 1 / 3)
    assert data.votes.min() >= -1
    assert data.votes.max() == 2


@pytest.mark.parametrize("name", SMALL)
def test_seeds_repeat_and_generators_move_on(name):
    first, again, other = (SMALL[name](random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.votes, again.votes)
    np.testing.assert_array_equal(first.confusion, again.confusion)
    assert (first.votes != other.votes).any()
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(SMALL[name](random_state=rng).votes, first.votes)
    assert (SMALL[name](random_state=rng).votes != first.votes).any()
    assert (SMALL[name]().votes != SMALL[name]().votes).any()


@pytest.mark.parametrize("name", SMALL)
def test_prior_is_recovered(name):
    prior = [0.7, 0.2, 0.1]
    data = SMALL[name](prior=prior, random_state=0)
    np.testing.assert_allclose(np.bincount(data.truth) / 300, prior, atol=5 * 0.5 / 300**0.5)
    np.testing.assert_allclose(data.prior, prior)


def test_accuracy_is_in_its_range_and_the_same_in_every_class():
    data = conditionally_independent(10, 50, 4, accuracy=(0.3, 0.6), random_state=0)
    diagonal = np.einsum("dkk->dk", data.confusion)
    np.testing.assert_allclose(diagonal, diagonal[:, :1] * np.ones(4))
    assert 0.3 <= diagonal.min() < 0.35
    assert 0.55 < diagonal.max() <= 0.6


@pytest.mark.parametrize("name", ["independent", "copies", "experts"])
def test_missing_votes_hide_the_same_votes(name):
    full = SMALL[name](random_state=0)
    holed = SMALL[name](missing=0.3, random_state=0)
    cast = holed.votes >= 0
    np.testing.assert_array_equal(holed.votes[cast], full.votes[cast])
    assert abs((~cast).mean() - 0.3) < 5 * (0.3 * 0.7 / cast.size) ** 0.5
    assert (SMALL[name](missing=1.0, random_state=0).votes == -1).all()


def test_members_agree_with_the_first_of_their_group_at_the_copy_rate():
    rate = 0.6
    data = copying_groups(20000, 3, groups=(3, 2, 1), copy_rate=rate, random_state=0)
    assert data.groups.tolist() == [0, 0, 0, 1, 1, 2]
    for first, member in ((0, 1), (0, 2), (3, 4)):
        leader = data.confusion[first]
        # marginal = rate * leader + (1 - rate) * own, solved for the member's own confusion
        own = (data.confusion[member] - rate * leader) / (1 - rate)
        by_chance = (data.prior[:, None] * leader * own).sum()
        expected = rate + (1 - rate) * by_chance
        agreed = (data.votes[:, first] == data.votes[:, member]).mean()
        assert abs(agreed - expected) < 5 * (expected * (1 - expected) / 20000) ** 0.5


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_copy_rates_at_the_ends(rate):
    data = copying_groups(5000, 3, groups=(2, 2), copy_rate=rate, random_state=0)
    one, two = data.votes[:, 2], data.votes[:, 3]
    assert (one == two).all() == (rate == 1.0)
    assert_frequencies(data)


def test_experts_are_best_in_their_own_class():
    data = class_experts(10, 5, experts_per_class=3, random_state=0)
    assert data.expertise.tolist() == np.repeat(range(5), 3).tolist()
    diagonal = np.einsum("dkk->dk", data.confusion)
    known = np.zeros((15, 5), dtype=bool)
    known[np.arange(15), data.expertise] = True
    assert ((diagonal[known] >= 0.9) & (diagonal[known] <= 0.99)).all()
    assert ((diagonal[~known] >= 0.3) & (diagonal[~known] <= 0.6)).all()


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_every_sample_asks_the_same_number_of_annotators(spread):
    data = sparse_annotators(3000, 60, 5, 4, spread=spread, random_state=0)
    assert ((data.votes >= 0).sum(axis=1) == 5).all()
    answered = (data.votes >= 0).sum(axis=0)
    # the busiest sixth does about a sixth of the work, or much more
    share = np.sort(answered)[-10:].sum() / answered.sum()
    assert (share < 0.2) if spread == 0 else (share > 0.3)


def test_all_annotators_may_answer():
    assert (sparse_annotators(20, 3, 3, 2, random_state=0).votes >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n_samples": 0}, "n_samples=0; it must be an int of at least 1"),
        ({"n_classifiers": 2.5}, "n_classifiers=2.5; it must be an int"),
        ({"n_classes": 1}, "n_classes=1; it must be an int of at least 2"),
        ({"accuracy": (0.9, 0.5)}, r"accuracy=\(0.9, 0.5\); it must be a range"),
        ({"accuracy": 0.9}, "accuracy=0.9; it must be a range"),
        ({"missing": 1.5}, "missing=1.5; it must be a fraction"),
        ({"missing": float("nan")}, "missing=nan; it must be a fraction"),
        ({"prior": [0.5, 0.6, 0.1]}, "is no distribution; pass non-negative numbers"),
        ({"prior": [1.5, -0.5, 0.0]}, "is no distribution"),
        ({"random_state": -1}, "random_state=-1 is no seed"),
        ({"random_state": "a"}, "random_state='a' is no seed"),
    ],
)
def test_bad_arguments_are_named(arguments, text):
    good = {"n_samples": 10, "n_classifiers": 4, "n_classes": 3}
    with pytest.raises(ArgumentError, match=text):
        conditionally_independent(**(good | arguments))


def test_a_prior_of_the_wrong_length_is_named():
    with pytest.raises(ShapeError, match=r"prior has shape \(2,\), expected \(3,\)"):
        conditionally_independent(10, 4, 3, prior=[0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: copying_groups(10, 2, groups=()), r"len\(groups\)=0"),
        (lambda: copying_groups(10, 2, groups=(2, 0)), r"groups\[1\]=0; it must be an int"),
        (lambda: copying_groups(10, 2, copy_rate=-0.1), "copy_rate=-0.1; it must be a fraction"),
        (lambda: class_experts(10, 2, experts_per_class=0), "experts_per_class=0"),
        (lambda: class_experts(10, 2, elsewhere=(0, 2)), r"elsewhere=\(0, 2\)"),
        (lambda: sparse_annotators(10, 3, 4, 2), "votes_per_sample=4, but n_annotators=3"),
        (lambda: sparse_annotators(10, 3, 2, 2, spread=-1), "spread=-1; it must be finite"),
    ],
)
def test_bad_structures_are_named(make, text):
    with pytest.raises(ArgumentError, match=text):
        make()
