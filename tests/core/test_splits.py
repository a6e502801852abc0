"""Parts share no sample, have the asked sizes and classes, and leak nothing into training."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from deem.core.dataset import Dataset
from deem.core.splits import Splits, split, split_rows
from deem.utils.exception import ArgumentError, LabelError, ShapeError

NAMES = ("n_train", "n_validation", "n_test")


def numbered(n):
    """Samples that carry their own number."""
    return np.arange(n, dtype=float)[:, None]


def parts(splits):
    return [part for part in (splits.train, splits.validation, splits.test) if part is not None]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((6, 3, None), (6, 3, 11)),
        ((0.5, 0.25, None), (10, 5, 5)),
        ((0.29, 2, 0.1), (5, 2, 2)),
        ((np.int64(4), np.float64(0.5), 6), (4, 10, 6)),
        ((6, 0, 3), (6, 3)),
    ],
)
@pytest.mark.parametrize("stratify", [True, False])
def test_parts_are_disjoint_and_have_the_asked_sizes(sizes, expected, stratify):
    asked = dict(zip(NAMES, sizes, strict=True))
    found = split(numbered(20), np.arange(20) % 2, stratify=stratify, **asked)
    assert tuple(len(part) for part in parts(found)) == expected
    assert (found.validation is None) == (sizes[1] == 0)
    rows = torch.cat([part.data.flatten() for part in parts(found)]).tolist()
    assert len(set(rows)) == len(rows) == sum(expected)
    for part in parts(found):
        assert (part.data.dtype, part.targets.dtype) == (torch.float32, torch.int64)
        torch.testing.assert_close(part.targets, part.data.flatten().long() % 2)


def test_a_fraction_that_rounding_puts_below_a_whole_number_counts_as_it():
    assert 0.29 * 100 < 29
    assert len(split_rows(100, {"n_train": 0.29})["n_train"]) == 29


def test_seeds_repeat_and_differ():
    def rows(seed):
        return split(
            numbered(50), np.zeros(50, int), n_train=20, n_validation=10, random_state=seed
        )

    assert torch.equal(rows(1).train.data, rows(1).train.data)
    assert not torch.equal(rows(1).train.data, rows(2).train.data)


def spread(stratify):
    """Largest distance of a class count from its exact proportion, over seeds and parts."""
    labels = np.repeat([0, 1, 2], [10, 25, 65])
    worst = 0
    for seed in range(5):
        found = split(
            labels[:, None],
            labels,
            n_train=31,
            n_validation=23,
            stratify=stratify,
            random_state=seed,
        )
        for part in parts(found):
            counts = np.bincount(part.targets, minlength=3)
            worst = max(worst, abs(counts - len(part) * np.array([0.1, 0.25, 0.65])).max())
    return worst


def test_stratified_parts_keep_the_proportions_and_others_do_not():
    assert spread(stratify=True) <= 1
    assert spread(stratify=False) > 2


def test_stratified_parts_are_no_fixed_choice():
    rows = [
        set(split_rows(40, {"n_train": 20}, labels=np.arange(40) % 2, random_state=s)["n_train"])
        for s in range(40)
    ]
    chosen = np.array([[row in found for row in range(40)] for found in rows]).mean(axis=0)
    # Five standard errors of a fair coin thrown 40 times.
    assert abs(chosen - 0.5).max() < 5 * 0.5 / 40**0.5


def test_labels_become_codes_and_numbers_columns():
    found = split(numbered(6), list("bababa"), n_train=3, n_validation=1)
    assert found.classes == ("a", "b")
    assert torch.equal(found.test.targets, (found.test.data.flatten() % 2 == 0).long())
    found = split(numbered(6), np.arange(6) / 2, n_train=3, n_validation=1)
    assert found.classes is None
    assert found.train.targets.dtype == torch.float32
    torch.testing.assert_close(found.train.targets, found.train.data / 2)
    two = split(numbered(6), np.ones((6, 2))[::-1], n_train=3, n_validation=1)
    assert two.train.targets.shape == (3, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_train": 8}, "n_train=8, n_validation=3 ask for 11 samples, but there are 10"),
        ({"n_train": 0.9}, "n_train=0.9, n_validation=3 ask for 12"),
        ({"n_train": 1.5}, r"n_train=1.5; expected a count, or a fraction in \[0, 1\)"),
        ({"n_train": -1}, "n_train=-1; expected a whole number of at least 0"),
        ({"n_train": True}, "n_train=True"),
        ({"n_train": 7}, "n_test comes to no sample of 10"),
        ({"n_train": 0}, "n_train comes to no sample"),
        ({"random_state": -1}, "random_state=-1"),
        ({"y": np.arange(9)}, "y has 9 rows, but X has 10"),
        ({"y": np.arange(10.0), "stratify": True}, "stratify=True, but y holds real numbers"),
        ({"y": np.full(10, np.nan)}, "y has values that are not finite"),
        ({"y": np.array(["a", None] * 5, dtype=object)}, "y mixes labels"),
        ({"y": np.ones((10, 2), int)}, r"y is int64 of shape \(10, 2\)"),
        ({"X": np.arange(10.0)}, r"X has shape \(10,\)"),
        ({"X": [[1.0], [np.inf]] * 5}, "X has values that are not finite, first in row 1"),
        ({"y": [0] * 8 + [1] * 2, "stratify": True}, "n_.* none of them of class 1, .* are 2"),
    ],
)
def test_errors_name_argument_value_and_cure(change, message):
    arguments = {"X": numbered(10), "y": np.arange(10) % 2, "n_train": 5, "n_validation": 3}
    arguments |= change
    with pytest.raises(ArgumentError, match=message):
        split(arguments.pop("X"), arguments.pop("y"), **arguments)


def test_parts_that_do_not_fit_together_are_refused():
    part = Dataset(torch.zeros(3, 2), torch.tensor([0, 1, 2]))
    with pytest.raises(LabelError, match="train has class codes from 0 to 2, but classes has 2"):
        Splits(part, None, part, classes=("a", "b"))
    with pytest.raises(ShapeError, match="test has no targets"):
        Splits(part, None, Dataset(torch.zeros(3, 2)))
    with pytest.raises(ShapeError, match=r"'train': \(2,\), 'test': \(4,\)"):
        Splits(part, None, Dataset(torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64)))


def test_standardised_uses_the_training_part_alone():
    train = Dataset(
        torch.tensor([[1.0, 0.1], [3.0, 0.1], [5.0, 0.1]]), torch.tensor([[2.0], [4.0], [6.0]])
    )
    test = Dataset(torch.tensor([[3.0, 0.1], [103.0, 2.1]]), torch.tensor([[4.0], [8.0]]))
    before = Splits(train, None, test, name="hand")
    after = before.standardised()
    scale = (8 / 3) ** 0.5
    torch.testing.assert_close(
        after.train.data, torch.tensor([[-2 / scale, 0.0], [0.0, 0.0], [2 / scale, 0.0]])
    )
    assert (after.train.data[:, 1] == 0).all()
    torch.testing.assert_close(after.test.data, torch.tensor([[0.0, 0.0], [100 / scale, 2.0]]))
    torch.testing.assert_close(after.test.targets, torch.tensor([[0.0], [4 / scale]]))
    assert (after.name, after.validation) == ("hand", None)
    assert train.data[0, 0] == 1


def test_images_are_standardised_channel_by_channel_and_codes_stay(seed):
    images = 5 + 3 * torch.randn(20, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
    codes = torch.arange(20) % 2
    part = Dataset(images, codes)
    after = Splits(part, part, part, classes=(0, 1)).standardised()
    for channel in after.validation.data.transpose(0, 1):
        assert abs(channel.mean()) < 1e-6
        assert abs(channel.std(correction=0) - 1) < 1e-6
    # A pixel of its own is not standardised, only all pixels of a channel.
    assert abs(after.train.data[:, 0, 0, 0].std(correction=0) - 1) > 1e-3
    assert torch.equal(after.train.targets, codes)


def test_what_is_not_in_memory_is_kept_but_not_standardised():
    part = TensorDataset(torch.zeros(3, 2), torch.zeros(3))
    kept = Splits(part, None, part, classes=("a",))
    assert kept.train is part
    with pytest.raises(ArgumentError, match="one is a map-style dataset"):
        kept.standardised()


def test_shapes_of_samples_and_targets_in_memory_and_elsewhere():
    x, y = torch.zeros(3, 1, 8, 8), torch.zeros(3, 2)
    elsewhere = TensorDataset(x, y)
    for part in (Dataset(x, y), elsewhere):
        found = Splits(part, None, part)
        assert (found.sample_shape, found.target_size) == ((1, 8, 8), 2)
    codes = Dataset(x, torch.zeros(3, dtype=torch.int64))
    assert Splits(codes, None, codes, classes=("a", "b")).target_size == 1
