"""Batches of tensors and votes."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from torch.utils.data import DataLoader, TensorDataset

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


GRID = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "data",
    [
        GRID.tolist(),
        list(GRID),
        list(torch.tensor(GRID)),
        pd.DataFrame(GRID),
        GRID[::-1][::-1, ::-1][:, ::-1],
        np.broadcast_to(GRID, (1, 2, 3))[0],
    ],
    ids=["numbers", "rows", "tensors", "frame", "strides", "read-only"],
)
def test_whatever_holds_numbers_is_data(data):
    assert Dataset(data).data.tolist() == GRID.tolist()


@pytest.mark.parametrize(
    "data",
    [
        None,
        "digits",
        DataLoader(TensorDataset(torch.tensor(GRID))),
        csr_matrix(GRID),
        [[1.0, 2.0], [1.0]],
        [torch.zeros(2), torch.zeros(3)],
        np.array([["a", "b"]]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_what_holds_no_numbers_is_refused_by_name(data):
    with pytest.raises(ArgumentError, match=f"data is a {type(data).__name__} .* pass a tensor"):
        Dataset(data)


def test_labels_in_words_are_refused_with_the_cure():
    with pytest.raises(ArgumentError, match="targets is a ndarray .* number the classes from 0"):
        Dataset(GRID, np.array(["cat", "dog"]))


@pytest.mark.parametrize("data", [1.0, torch.tensor(2), GRID.astype(complex)])
def test_data_are_rows_of_real_numbers(data):
    with pytest.raises(ShapeError, match=r"expected real numbers \(n_samples, ...\)"):
        Dataset(data)


def test_tensors_of_a_torch_dataset_are_data_and_targets():
    data, targets = torch.tensor(GRID), torch.tensor([1, 0])
    found = Dataset.wrap(TensorDataset(data, targets))
    assert found.data is data
    assert found.targets is targets
    assert found.weights is None


def test_wrap_keeps_a_dataset():
    data = Dataset(torch.zeros(3))
    assert Dataset.wrap(data) is data
    assert len(Dataset.wrap(np.zeros((4, 2)))) == 4


@pytest.mark.parametrize("size", [0, -1, 2.5, "20"])
def test_a_batch_has_at_least_one_row(size):
    text = f"batch_size={size!r}; expected a whole number of at least 1"
    with pytest.raises(ArgumentError, match=text):
        list(Dataset(torch.zeros(3)).batches(size))


def test_the_total_weight_is_the_sum_of_the_weights_or_the_number_of_rows():
    assert Dataset(torch.zeros(3, 2)).total_weight == 3
    assert Dataset(torch.zeros(3, 2), weights=torch.tensor([0.5, 0, 2])).total_weight == 2.5
    votes = read_votes([[0, 1], [1, 1]]).with_weights([2, 5])
    assert Dataset(votes).total_weight == 7
