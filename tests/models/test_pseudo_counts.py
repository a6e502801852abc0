"""Imagined votes, by hand."""

import numpy as np
import pytest

from deem.models.pseudo_counts import PseudoCounts, checked_class_prior
from deem.utils.exception import ArgumentError, ShapeError

# Two classifiers, three classes; classifier, vote, class.
COUNTS = np.array([[[6, 1, 1], [1, 4, 0], [0, 2, 5]], [[2, 0, 3], [2, 1, 0], [1, 1, 0]]], float)


def by_hand(counts, o, u, m, s, p, n):
    """The formula of the docstring, entry by entry."""
    d, k, _ = counts.shape
    r = s * k * k / n
    agreed = [sum(counts[i, label, label] for label in range(k)) for i in range(d)]
    cast = [counts[i].sum() for i in range(d)]
    mean = (sum(agreed) + 1) / (sum(cast) + 2)
    popularity = [counts[:, label].sum() + 1 + r for label in range(k)]
    votes = np.zeros_like(counts)
    for i, label, h in np.ndindex(d, k, k):
        skill = (agreed[i] + m * mean) / (cast[i] + m)
        others = sum(popularity[x] for x in range(k) if x != h)
        wrong = 0 if label == h else popularity[label] / others
        votes[i, label, h] = (o + r) * (skill * (label == h) + (1 - skill) * wrong) + u / k
    return votes, p + r


@pytest.mark.parametrize("counts", [(4.0, 0.5, 2.0, 20.0, 1.0), (1.0, 0.0, 0.0, 0.0, 0.0)])
@pytest.mark.parametrize("n", [12.0, 1000.0])
def test_tables_follow_the_formula(counts, n):
    votes, samples = PseudoCounts(*counts).tables(COUNTS, n)
    expected, expected_samples = by_hand(COUNTS, *counts, n)
    assert votes == pytest.approx(expected)
    assert samples == pytest.approx(expected_samples)


def test_every_confusion_column_gets_the_same_number_of_votes():
    votes, _ = PseudoCounts(one_coin=3, uniform=0.6, sparsity=2).tables(COUNTS, 9.0)
    assert votes.sum(1) == pytest.approx(np.full((2, 3), 3 + 2 + 0.6))
    assert (votes > 0).all()


def test_a_better_classifier_gets_a_heavier_diagonal():
    votes, _ = PseudoCounts().tables(COUNTS, 30.0)
    assert (np.einsum("ll->l", votes[0]) > np.einsum("ll->l", votes[1])).all()


def test_no_counts_mean_no_prior():
    votes, samples = PseudoCounts(0, 0, 0, 0, 0).tables(COUNTS, 5.0)
    assert (votes == 0).all()
    assert samples == 0


def test_a_silent_classifier_gets_the_mean_skill():
    counts = np.concatenate([COUNTS, np.zeros((1, 3, 3))])
    votes, _ = PseudoCounts(shrinkage=0).tables(counts, 30.0)
    assert np.isfinite(votes).all()
    diagonal = np.einsum("dll->d", votes)
    assert diagonal[1] < diagonal[2] < diagonal[0]


def test_one_class():
    votes, samples = PseudoCounts().tables(np.ones((2, 1, 1)), 2.0)
    assert np.isfinite(votes).all()
    assert samples > 0


@pytest.mark.parametrize("n", [0.0, 1e-300])
def test_no_weight_leaves_finite_counts(n):
    votes, samples = PseudoCounts().tables(np.zeros((2, 3, 3)), n)
    assert np.isfinite(votes).all()
    assert np.isfinite(samples)
    shares = votes / votes.sum(1, keepdims=True)
    assert shares == pytest.approx(np.tile((1 + np.eye(3)) / 4, (2, 1, 1)))


def test_known_votes_are_added_class_by_vote():
    known = np.arange(18.0).reshape(2, 3, 3)
    plain, _ = PseudoCounts().tables(COUNTS, 30.0)
    votes, _ = PseudoCounts(confusion_votes=known).checked(2, 3).tables(COUNTS, 30.0)
    assert votes[1, 0, 2] - plain[1, 0, 2] == pytest.approx(known[1, 2, 0])
    assert votes - plain == pytest.approx(known.transpose(0, 2, 1))


@pytest.mark.parametrize("name", ["one_coin", "uniform", "shrinkage", "sparsity", "prior"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_counts_are_finite_and_at_least_zero(name, value):
    with pytest.raises(ArgumentError, match=rf"pseudo_counts\.{name}={value}; it must be finite"):
        PseudoCounts(**{name: value}).checked(2, 3)


def test_known_votes_are_checked():
    with pytest.raises(ShapeError, match=r"confusion_prior has shape \(2, 3\); expected"):
        PseudoCounts(confusion_votes=np.ones((2, 3))).checked(2, 3)
    with pytest.raises(ArgumentError, match="negative or non-finite entry"):
        PseudoCounts(confusion_votes=-np.ones((2, 3, 3))).checked(2, 3)


def test_class_prior_becomes_plain_floats():
    assert checked_class_prior(np.array([0.25, 0.75]), 2) == (0.25, 0.75)
    assert checked_class_prior(None, 2) is None


@pytest.mark.parametrize(
    ("prior", "error"),
    [
        ([0.5], ShapeError),
        ([[0.5, 0.5]], ShapeError),
        ([0.5, 0.6], ArgumentError),
        ([1.5, -0.5], ArgumentError),
        ([float("nan"), 1.0], ArgumentError),
    ],
)
def test_class_prior_is_checked(prior, error):
    with pytest.raises(error, match="class_prior"):
        checked_class_prior(prior, 2)
