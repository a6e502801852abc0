"""Our own methods as the accuracy benchmark runs them."""

import numpy as np
import pytest
from methods import MANY_CLASSIFIERS, OURS, SLOW, dawid_skene, vote
from plain_em import make_votes, plain_em

from deem.core.reading import read_votes
from deem.datasets import conditionally_independent, copying_groups


@pytest.fixture(scope="module")
def independent():
    """Votes of classifiers that do not copy, and the truth."""
    data = conditionally_independent(400, 5, 3, accuracy=(0.65, 0.8), random_state=0)
    return read_votes(np.array(data.votes), n_classes=3), np.array(data.truth)


@pytest.fixture(scope="module")
def copied():
    """Votes of two groups of copies and three classifiers."""
    data = copying_groups(1500, 3, groups=(3, 3, 1, 1, 1), copy_rate=0.9, random_state=0)
    return read_votes(np.array(data.votes), n_classes=3)


def test_dawid_skene_is_the_yardstick():
    votes, _ = make_votes(500, 6, 3)
    # It starts from the shares of all votes and we from the majority; both end in one place.
    expected, _ = plain_em(votes, 3, 200)
    found = dawid_skene(read_votes(votes), 0, n_passes=200)
    np.testing.assert_allclose(found.probas, expected, atol=1e-3)
    # Right with 0.6, and with a third of the guesses.
    np.testing.assert_allclose(found.skills, 0.6 + 0.4 / 3, atol=0.06)


def test_the_vote_shares_what_is_tied():
    votes = read_votes([[0, 0, 1], [2, 1, -1], [-1, -1, -1]], n_classes=3)
    expected = [[2 / 3, 1 / 3, 0], [0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    found = vote(votes, 0)
    np.testing.assert_allclose(found.probas, expected)
    assert found.labels is None


@pytest.mark.parametrize("name", OURS)
def test_every_method_labels_most_items_right(name, independent):
    votes, truth = independent
    found = OURS[name](votes, 0)
    assert found.probas.shape == (400, 3)
    np.testing.assert_allclose(found.probas.sum(1), 1)
    codes = found.probas.argmax(1) if found.labels is None else found.labels
    assert (codes == truth).mean() > 0.78
    assert (found.chosen is not None) == (name == "deem")


def test_copies_change_the_result_and_nothing_else_does(independent, copied):
    for name in ("tempered", "group"):
        for votes, is_same in ((independent[0], True), (copied, False)):
            plain, found = OURS["deem_plain"](votes, 0), OURS[name](votes, 0)
            assert np.array_equal(plain.probas, found.probas) == is_same


@pytest.mark.filterwarnings("ignore::deem.utils.exception.SilentClassifierWarning")
def test_copies_are_not_looked_for_among_too_many(independent):
    wide = np.full((400, MANY_CLASSIFIERS + 1), -1)
    # The copies of one classifier would be found if they were looked for.
    wide[:, :5] = np.array(independent[0].to_dense())
    wide[:, 5] = wide[:, 0]
    votes = read_votes(wide, n_classes=3)
    plain, found = OURS["deem_plain"](votes, 0), OURS["tempered"](votes, 0)
    np.testing.assert_array_equal(plain.probas, found.probas)


def test_slow_methods_are_methods():
    assert set(SLOW) <= OURS.keys()
