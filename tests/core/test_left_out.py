"""Votes with one classifier left out, by hand."""

import numpy as np
import pytest

from deem.core import left_out
from deem.core.left_out import leave_one_out, vote_pairs
from deem.core.reading import read_votes
from deem.core.votes import Votes

CODES = np.array([[0, 1, 2], [-1, 1, 1], [-1, -1, -1], [2, -1, -1]])


def test_the_pairs_are_the_votes_that_were_cast():
    rows, classifier, label = vote_pairs(read_votes(CODES, n_classes=3))
    assert rows.tolist() == [0, 0, 0, 1, 1, 3]
    assert classifier.tolist() == [0, 1, 2, 1, 2, 0]
    assert label.tolist() == [0, 1, 2, 1, 1, 2]


def test_the_label_of_a_soft_vote_is_its_heaviest():
    soft = np.array([[[0.2, 0.4], [0.5, 0.2], [0.3, 0.4]]])
    rows, classifier, label = vote_pairs(read_votes(soft))
    assert (rows.tolist(), classifier.tolist()) == ([0, 0], [0, 1])
    assert label.tolist() == [1, 0]  # of equal ones the lowest


def test_the_label_of_several_votes_is_the_most_frequent():
    columns = np.array([0, 1, 1, 3], np.int32)
    votes = Votes(np.array([0, 4]), columns, None, 2, np.arange(2))
    rows, classifier, label = vote_pairs(votes)
    assert (rows.tolist(), classifier.tolist(), label.tolist()) == ([0, 0], [0, 1], [1, 1])


def left(votes):
    rows, classifier, _ = vote_pairs(votes)
    return list(leave_one_out(votes, rows, classifier))


def test_what_is_left_of_each_sample():
    ((where, rest),) = left(read_votes(CODES, n_classes=3))
    assert where == slice(0, 6)
    expected = [[-1, 1, 2], [0, -1, 2], [0, 1, -1], [-1, -1, 1], [-1, 1, -1], [-1, -1, -1]]
    assert rest.to_dense().tolist() == expected


def test_a_soft_vote_goes_with_all_its_probabilities():
    soft = np.array([[[0.2, 0.4], [0.8, 0.6]]])
    ((_, rest),) = left(read_votes(soft))
    expected = [[[0, 0], [0.4, 0.6]], [[0.2, 0.8], [0, 0]]]
    assert rest.one_hot().numpy() == pytest.approx(np.array(expected))


def test_all_votes_of_the_classifier_go_and_the_weights_stay():
    columns = np.array([0, 0, 3], np.int32)
    votes = Votes(np.array([0, 3]), columns, None, 2, np.arange(2)).with_weights([2.5])
    ((_, rest),) = left(votes)
    assert rest.label_counts().tolist() == [[2, 0], [0, 1]]
    assert rest.vote_counts().tolist() == [[0, 1], [2, 0]]
    assert rest.weights.tolist() == [2.5, 2.5]


@pytest.mark.parametrize("block", [1, 7, 15])
def test_blocks_are_parts_of_the_whole(monkeypatch, block):
    votes = read_votes(CODES, n_classes=3)
    ((_, whole),) = left(votes)
    monkeypatch.setattr(left_out, "_BLOCK", block)
    parts = left(votes)
    assert len(parts) > 1
    assert [where.start for where, _ in parts[1:]] == [where.stop for where, _ in parts[:-1]]
    joined = np.vstack([rest.to_dense() for _, rest in parts])
    np.testing.assert_array_equal(joined, whole.to_dense())


def test_no_pairs_leave_nothing():
    votes = read_votes(np.full((3, 2), -1), n_classes=2)
    assert left(votes) == []
