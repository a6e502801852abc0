"""Hard and soft votes as arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deem.math.vote import break_ties, hard_to_soft, one_hot, soft_to_hard, vote_shares
from deem.utils.exception import LabelError, ShapeError

hard_votes = st.integers(1, 5).flatmap(
    lambda k: st.tuples(
        st.just(k),
        hnp.arrays(np.int64, st.tuples(*[st.integers(1, 6)] * 2), elements=st.integers(-1, k - 1)),
    )
)


@given(hard_votes)
def test_soft_form_and_back(case):
    k, votes = case
    soft = hard_to_soft(votes, k)
    assert soft.shape == (len(votes), k, votes.shape[1])
    assert np.array_equal(soft_to_hard(soft), votes)
    assert np.array_equal(soft.sum(1), votes >= 0)


@given(hard_votes)
def test_one_hot_and_back(case):
    k, votes = case
    rows = one_hot(votes, k)
    assert rows.dtype == np.float64
    assert np.array_equal(np.where(rows.any(-1), rows.argmax(-1), -1), votes)


@given(hard_votes, st.randoms(use_true_random=False))
def test_the_vote_ignores_missing_votes_and_the_order_of_classifiers(case, random):
    k, votes = case
    shares = vote_shares(hard_to_soft(votes, k).sum(2))
    order = random.sample(range(votes.shape[1]), votes.shape[1])
    more = np.column_stack([votes[:, order], np.full(len(votes), -1)])
    assert np.array_equal(shares, vote_shares(hard_to_soft(more, k).sum(2)))
    assert shares.sum(1) == pytest.approx((votes >= 0).any(1).astype(float))


def test_shares_by_hand():
    counts = np.array([[3, 3, 0, 3], [0, 1, 2, 1], [0, 0, 0, 0], [0.5, 0.25, 0.5, 0]])
    expected = [[1 / 3, 1 / 3, 0, 1 / 3], [0, 0, 1, 0], [0, 0, 0, 0], [0.5, 0, 0.5, 0]]
    assert vote_shares(counts) == pytest.approx(np.array(expected))


@pytest.mark.parametrize(("labels", "low", "high"), [([0, 3], 0, 3), ([-2, 1], -2, 1)])
def test_labels_outside_are_refused(labels, low, high):
    with pytest.raises(LabelError, match=rf"labels lie in {low}..{high}, but n_classes=3 allows"):
        one_hot(np.array(labels), 3)


def test_no_labels_give_no_rows():
    assert one_hot(np.zeros((0, 4), int), 3).shape == (0, 4, 3)


@pytest.mark.parametrize(("function", "shape"), [(hard_to_soft, (3,)), (soft_to_hard, (3, 2))])
def test_wrong_axes_are_refused(function, shape):
    arguments = (np.zeros(shape, int), 2) if function is hard_to_soft else (np.zeros(shape),)
    with pytest.raises(ShapeError, match="votes has shape"):
        function(*arguments)


def test_soft_votes_by_hand():
    soft = np.array([[[0.2, 0.5, 0.0, np.nan], [0.8, 0.5, 0.0, np.nan]]])
    assert soft_to_hard(soft).tolist() == [[1, 0, -1, -1]]


def test_ties_fall_evenly_and_by_position():
    shares = np.tile([[0.5, 0, 0.5]], (20_000, 1))
    labels = break_ties(shares, seed=3)
    assert set(labels) == {0, 2}
    assert abs((labels == 0).mean() - 0.5) < 5 * 0.5 / 20_000**0.5
    assert np.array_equal(labels[:100], break_ties(shares[:100], seed=3))
    assert not np.array_equal(labels, break_ties(shares, seed=4))


def test_a_draw_belongs_to_its_row_tied_or_not():
    shares = np.tile([[0.5, 0.5]], (50, 1))
    some_clear = shares.copy()
    some_clear[::2] = [0, 1]
    assert np.array_equal(break_ties(shares)[1::2], break_ties(some_clear)[1::2])
    assert (break_ties(some_clear)[::2] == 1).all()


def test_a_row_of_zeros_stays_missing():
    assert break_ties(np.array([[0.0, 0.0], [0.0, 1.0]])).tolist() == [-1, 1]
