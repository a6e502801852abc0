"""The assignment of hidden states to classes against brute force."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deem.math.hungarian import assign_states, contingency
from deem.utils.exception import ShapeError

tables = st.integers(1, 5).flatmap(
    lambda k: hnp.arrays(np.int64, (k, k), elements=st.integers(0, 8))
)


def total(table, classes):
    return table[np.arange(len(table)), list(classes)].sum()


def brute_force(table):
    """Best total, and among the best the most states that stay in place."""
    return max(
        (total(table, p), sum(i == c for i, c in enumerate(p)))
        for p in permutations(range(len(table)))
    )


@given(tables)
def test_as_good_as_brute_force_with_ties_to_the_identity(table):
    found = assign_states(table)
    assert sorted(found) == list(range(len(table)))
    stays = int((found == np.arange(len(table))).sum())
    assert (total(table, found), stays) == brute_force(table)


@given(tables, st.randoms(use_true_random=False))
def test_relabelled_states_keep_their_total(table, random):
    order = random.sample(range(len(table)), len(table))
    assert total(table[order], assign_states(table[order])) == total(table, assign_states(table))


def test_a_unique_assignment_follows_the_relabelling():
    table = np.array([[9, 1, 0], [0, 7, 2], [1, 0, 8]])
    for order in map(list, permutations(range(3))):
        assert assign_states(table[order]).tolist() == order
        assert assign_states(table[:, order]).tolist() == np.argsort(order).tolist()


@pytest.mark.parametrize("value", [0, 1, 5.5])
@pytest.mark.parametrize("k", [1, 2, 7, 40])
def test_equal_counts_stay_in_place(k, value):
    assert assign_states(np.full((k, k), value)).tolist() == list(range(k))


def test_the_tie_break_never_beats_a_count():
    table = np.full((3, 3), 10**6)
    table[0, 1] += 1
    assert assign_states(table)[0] == 1
    table = table.astype(float)
    table[0, 1] -= 1 - 1e-2
    assert assign_states(table)[0] == 1


def test_the_table_is_left_alone():
    table = np.zeros((2, 2))
    assign_states(table)
    assert table.sum() == 0


@pytest.mark.parametrize("shape", [(2, 3), (4,)])
def test_only_square_tables(shape):
    with pytest.raises(ShapeError, match=r"table has shape .* expected \(n_classes, n_classes\)"):
        assign_states(np.zeros(shape))


def test_contingency_by_hand():
    states = np.array([0, 1, 1, 2, 0])
    shares = np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]])
    assert contingency(states, shares).tolist() == [[1, 0, 1], [0.5, 1.5, 0], [0, 0, 0]]
    weighted = contingency(states, shares, np.array([2.0, 2.0, 1.0, 9.0, 0.0]))
    assert weighted.tolist() == [[2, 0, 0], [1, 2, 0], [0, 0, 0]]


def test_contingency_of_nothing():
    assert contingency(np.zeros(0, int), np.zeros((0, 3))).tolist() == np.zeros((3, 3)).tolist()
