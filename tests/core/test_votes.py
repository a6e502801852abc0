"""Votes: counts, shares, draws, merging and batches."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deem.core import rows as rows_module
from deem.core.reading import read_votes
from deem.core.votes import Votes
from deem.utils.exception import ArgumentError, ShapeError

DENSE = np.array([[0, 1, 1], [2, -1, 2], [-1, -1, -1], [1, 1, 0], [0, 1, 2]])

matrices = hnp.arrays(
    np.int64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.integers(-1, 2)
)


def hard(matrix):
    return read_votes(matrix, n_classes=3)


def soft(matrix):
    """Soft votes 0.75 on the label and 0.25 on the next one."""
    votes = hard(matrix)
    labels = votes.columns % 3
    columns = np.stack([votes.columns, votes.columns - labels + (labels + 1) % 3], axis=1)
    values = np.where(columns == votes.columns[:, None], 0.75, 0.25)
    order = np.argsort(columns, axis=1)
    columns, values = (np.take_along_axis(a, order, 1).reshape(-1) for a in (columns, values))
    return Votes(2 * votes.indptr, columns, values, votes.n_classifiers, votes.classes)


def doubled():
    """Two votes of classifier 0 for classes 0 and 1, one vote of classifier 1 for class 1."""
    return Votes(np.array([0, 3]), np.array([0, 1, 3], dtype=np.int32), None, 2, np.arange(2))


def rows_of(votes):
    values = np.ones(len(votes.columns)) if votes.values is None else votes.values
    pairs = list(zip(votes.columns.tolist(), values.tolist(), strict=True))
    return [pairs[a:b] for a, b in zip(votes.indptr[:-1], votes.indptr[1:], strict=True)]


def test_sizes():
    votes = hard(DENSE)
    assert (votes.n_samples, votes.n_classes, votes.n_votes) == (5, 3, 11)
    assert not votes.is_soft
    assert soft(DENSE).is_soft
    assert soft(DENSE).n_votes == 11
    assert doubled().n_votes == 3


@pytest.mark.parametrize("make", [hard, soft])
def test_who_voted(make):
    votes = make(DENSE)
    assert votes.votes_per_classifier().tolist() == [4, 3, 4]
    assert votes.empty_rows().tolist() == [False, False, True, False, False]


def test_counts_and_shares():
    votes = hard(DENSE)
    assert votes.vote_counts().tolist() == [[1, 2, 0], [0, 0, 2], [0, 0, 0], [1, 2, 0], [1, 1, 1]]
    third = 1 / 3
    assert votes.vote_shares().tolist() == [[0, 1, 0], [0, 0, 1], [0] * 3, [0, 1, 0], [third] * 3]
    assert votes.vote_counts().dtype == np.float64


def test_soft_counts():
    votes = soft(np.array([[0, 1], [2, 2]]))
    assert votes.vote_counts().tolist() == [[0.75, 1, 0.25], [0.5, 0, 1.5]]
    assert votes.vote_shares().tolist() == [[0, 1, 0], [0, 0, 1]]


def test_soft_ties_survive_rounding():
    first = np.array([0.1, 0.2, 0.3, 0.9, 0.7])
    votes = read_votes(np.stack([np.append(first, 1 - first), np.append(1 - first, first)])[None])
    assert votes.vote_counts()[0, 0] != votes.vote_counts()[0, 1]
    assert votes.vote_shares().tolist() == [[0.5, 0.5]]


def test_agreement():
    votes = hard(np.array([[0, 0, 1, -1], [1, 1, 1, -1], [0, 1, -1, -1]]))
    np.testing.assert_array_equal(votes.agreement(), [2.5 / 3, 2.5 / 3, 0.5, np.nan])
    weighted = votes.with_weights([0, 3, 1]).agreement()
    np.testing.assert_array_equal(weighted, [3.5 / 4, 3.5 / 4, 1, np.nan])


def test_soft_agreement():
    votes = soft(np.array([[0, 0], [1, 2]]))
    assert votes.vote_shares().tolist() == [[1, 0, 0], [0, 0, 1]]
    assert votes.agreement().tolist() == [0.5, 0.75]


def test_majority_draws_ties_evenly_and_by_seed():
    votes = hard(np.tile([[0, 2]], (4000, 1)))
    codes = votes.majority(random_state=3)
    assert set(codes) == {0, 2}
    assert abs(np.mean(codes == 0) - 0.5) < 0.05
    assert (codes == votes.majority(random_state=3)).all()
    assert (codes != votes.majority(random_state=4)).any()


def test_majority_leaves_global_generators_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    hard(DENSE).majority()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@given(matrices, st.randoms(use_true_random=False))
def test_majority_ignores_missing_and_classifier_order(matrix, random):
    order = random.sample(range(matrix.shape[1]), matrix.shape[1])
    padded = np.concatenate([matrix[:, order], np.full((len(matrix), 2), -1)], axis=1)
    codes = hard(matrix).majority()
    assert (codes == hard(padded).majority()).all()
    for row, code in zip(matrix, codes, strict=True):
        counts = np.bincount(row[row >= 0], minlength=3)
        assert code == -1 if not counts.any() else counts[code] == counts.max()


@given(matrices, st.data())
@pytest.mark.parametrize("make", [hard, soft])
def test_take(make, matrix, data):
    n = len(matrix)
    index = hnp.arrays(np.int64, st.integers(0, 20), elements=st.integers(-n, n - 1))
    rows = data.draw(index | hnp.arrays(bool, n) | st.slices(n))
    votes = make(matrix).with_weights(np.arange(n))
    taken = votes.take(rows)
    chosen = np.arange(n)[rows]
    assert rows_of(taken) == [rows_of(votes)[row] for row in chosen]
    assert taken.weights.tolist() == chosen.tolist()


def test_take_keeps_names():
    votes = read_votes([["a", "b"], ["b", "b"]], classifiers=["u", "v"])
    taken = votes.take([1])
    assert taken.classes.tolist() == ["a", "b"]
    assert taken.classifiers.tolist() == ["u", "v"]
    assert taken.to_dense().tolist() == [[1, 1]]


@given(matrices)
@pytest.mark.parametrize("make", [hard, soft])
def test_merged_round_trip(make, matrix):
    votes = make(matrix).with_weights(np.arange(len(matrix)))
    merged, inverse = votes.merged()
    assert rows_of(merged.take(inverse)) == rows_of(votes)
    assert merged.n_samples == len(np.unique(matrix, axis=0))
    expected = np.bincount(inverse, weights=np.arange(len(matrix)))
    assert merged.weights.tolist() == expected.tolist()


@pytest.mark.parametrize("make", [hard, soft])
@pytest.mark.parametrize("block", [1, 2, 1 << 18])
def test_merged_survives_hash_collisions(make, block, monkeypatch):
    collide = lambda indptr, *_: np.zeros(len(indptr) - 1, dtype=np.uint64)  # noqa: E731
    monkeypatch.setattr(rows_module, "_row_hashes", collide)
    monkeypatch.setattr(rows_module, "_BLOCK", block)
    for matrix in (np.tile(DENSE, (2, 1)), np.array([[0, 1], [1, 0], [0, 1]])):
        votes = make(matrix)
        merged, inverse = votes.merged()
        assert rows_of(merged.take(inverse)) == rows_of(votes)
        assert merged.n_samples == len(np.unique(matrix, axis=0))


def test_merged_counts_rows_without_weights():
    merged, inverse = hard(np.array([[0, 1], [2, 2], [0, 1]])).merged()
    assert sorted(merged.weights) == [1, 2]
    assert inverse[0] == inverse[2] != inverse[1]


def test_statistics_are_those_of_the_merged_rows():
    rng = np.random.default_rng(0)
    votes = hard(rng.integers(-1, 3, (500, 3)))
    merged, inverse = votes.merged()
    assert merged.n_samples <= 64
    np.testing.assert_allclose(merged.agreement(), votes.agreement(), rtol=1e-12)
    np.testing.assert_array_equal(merged.vote_shares()[inverse], votes.vote_shares())


def test_one_hot():
    batch = hard(DENSE).one_hot([1, 2], dtype=torch.float64, device="cpu")
    assert batch.dtype == torch.float64
    assert batch.tolist() == [[[0, 0, 1], [0, 0, 0], [0, 0, 1]], [[0, 0, 0]] * 3]
    assert hard(DENSE).one_hot().shape == (5, 3, 3)
    assert soft(DENSE).one_hot([4])[0, 2].tolist() == [0.25, 0, 0.75]
    assert doubled().one_hot()[0].tolist() == [[0.5, 0.5], [0, 1]]


@given(matrices)
def test_dense_round_trip(matrix):
    votes = hard(matrix)
    assert (votes.to_dense() == matrix).all()
    batch = votes.one_hot()
    labels = torch.where(batch.sum(-1) > 0, batch.argmax(-1), -1)
    assert labels.tolist() == matrix.tolist()
    assert (votes.matrix().toarray() == batch.reshape(len(matrix), -1).numpy()).all()


def test_to_dense_refuses():
    with pytest.raises(ArgumentError, match=r"the votes are soft.*one_hot"):
        soft(DENSE).to_dense()
    with pytest.raises(ArgumentError, match="more than once"):
        doubled().to_dense()


@pytest.mark.parametrize(
    ("weights", "error", "match"),
    [
        ([1, 1], ShapeError, r"shape \(2,\), but there are 5 samples"),
        ([1, 1, -2, 1, 1], ArgumentError, r"sample_weight\[2\]=-2.0"),
        ([1, 1, 1, np.nan, 1], ArgumentError, r"sample_weight\[3\]=nan"),
        ([np.inf, 1, 1, 1, 1], ArgumentError, "finite"),
    ],
)
def test_bad_weights(weights, error, match):
    with pytest.raises(error, match=match):
        hard(DENSE).with_weights(weights)


def test_weights_can_be_removed_and_votes_pickled():
    votes = hard(DENSE).with_weights([1, 2, 3, 4, 5])
    assert votes.with_weights(None).weights is None
    copy = pickle.loads(pickle.dumps(votes))
    assert copy.columns.tolist() == votes.columns.tolist()
    assert copy.weights.tolist() == [1, 2, 3, 4, 5]
