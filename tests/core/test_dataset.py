"""Batches of tensors and votes."""

import numpy as np
import pytest
import torch

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.math.random import as_generator
from deem.utils.exception import ArgumentError, ShapeError

VOTES = read_votes([[0, 1], [1, -1], [1, 1], [0, 0], [-1, 0]])


def whole(kind):
    data = VOTES if kind == "votes" else torch.arange(5.0)
    return Dataset(data, targets=np.arange(5), weights=torch.arange(5) / 10)


def rows_of(batch):
    return batch.targets.tolist()


@pytest.mark.parametrize("kind", ["tensor", "votes"])
@pytest.mark.parametrize(
    ("size", "lengths"), [(None, [5]), (1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (9, [5])]
)
@pytest.mark.parametrize("shuffled", [False, True])
def test_every_row_comes_once_with_its_target_and_weight(kind, size, lengths, shuffled):
    generator = as_generator(0) if shuffled else None
    batches = list(whole(kind).batches(size, generator))
    assert [len(batch) for batch in batches] == lengths
    rows = [row for batch in batches for row in rows_of(batch)]
    assert sorted(rows) == list(range(5))
    assert rows == list(range(5)) or (shuffled and size is not None)
    for batch in batches:
        assert batch.weights.tolist() == pytest.approx([row / 10 for row in rows_of(batch)])
        if kind == "tensor":
            assert batch.data.tolist() == rows_of(batch)
        else:
            assert np.array_equal(batch.data.to_dense(), VOTES.to_dense()[rows_of(batch)])


def test_a_generator_shuffles_anew_each_epoch_and_repeats_with_its_seed():
    data = Dataset(torch.arange(50.0))

    def epochs(seed):
        generator = as_generator(seed)
        return [
            [x for batch in data.batches(7, generator) for x in batch.data.tolist()]
            for _ in range(2)
        ]

    first, second = epochs(0)
    assert first != second
    assert [first, second] == epochs(0)
    assert [first, second] != epochs(1)


def test_votes_bring_their_weights_unless_others_are_given():
    weighted = VOTES.with_weights([1, 2, 3, 4, 5])
    assert Dataset(weighted).weights.tolist() == [1, 2, 3, 4, 5]
    assert Dataset(weighted, weights=np.ones(5)).weights.tolist() == [1] * 5
    assert Dataset(VOTES).weights is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_arrays_keep_their_precision(dtype):
    array = np.arange(4, dtype=dtype)
    assert Dataset(array).data.numpy().dtype == dtype


@pytest.mark.parametrize("name", ["targets", "weights"])
def test_rows_must_match(name):
    with pytest.raises(ShapeError, match=f"{name} has 3 rows, but data has 5"):
        Dataset(torch.zeros(5, 2), **{name: torch.zeros(3)})


def test_wrap_keeps_a_dataset():
    data = Dataset(torch.zeros(3))
    assert Dataset.wrap(data) is data
    assert len(Dataset.wrap(np.zeros((4, 2)))) == 4


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_at_least_one_row(size):
    with pytest.raises(ArgumentError, match=f"batch_size={size}; it must be at least 1"):
        list(Dataset(torch.zeros(3)).batches(size))


def test_the_total_weight_is_the_sum_of_the_weights_or_the_number_of_rows():
    assert Dataset(torch.zeros(3, 2)).total_weight == 3
    assert Dataset(torch.zeros(3, 2), weights=torch.tensor([0.5, 0, 2])).total_weight == 2.5
    votes = read_votes([[0, 1], [1, 1]]).with_weights([2, 5])
    assert Dataset(votes).total_weight == 7
