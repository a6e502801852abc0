"""Tasks have the promised parts, and their noise is the promised one."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from deem.datasets.tasks import TASKS, flip_labels, load_task
from deem.utils.exception import ArgumentError, LabelError, ShapeError

SHAPES = {
    "digits": ((64,), 10, (600, 300, 897)),
    "digits_images": ((1, 8, 8), 10, (600, 300, 897)),
    "breast_cancer": ((30,), 2, (341, 113, 115)),
    "wine": ((13,), 3, (106, 35, 37)),
    "generated": ((20,), 4, (1500, 500, 500)),
    "diabetes": ((10,), None, (220, 111, 111)),
    "friedman": ((10,), None, (600, 200, 200)),
}


@pytest.mark.parametrize("name", TASKS)
def test_shapes_classes_and_sizes(name):
    shape, n_classes, sizes = SHAPES[name]
    task = load_task(name)
    parts = (task.train, task.validation, task.test)
    assert (task.name, tuple(len(part) for part in parts)) == (name, sizes)
    for part in parts:
        assert part.data.shape[1:] == shape
        assert part.data.dtype == torch.float32
        if n_classes is None:
            assert (part.targets.shape[1:], part.targets.dtype) == ((1,), torch.float32)
        else:
            assert set(part.targets.tolist()) == set(range(n_classes))
    assert (task.classes is None) if n_classes is None else (len(task.classes) == n_classes)


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"digits", "digits_images"}))
def test_tables_are_standardised_by_the_training_part_alone(name):
    task = load_task(name)
    for values in [task.train.data] + [task.train.targets] * (task.classes is None):
        assert values.mean(0).abs().max() < 1e-5
        assert (values.std(0, correction=0) - 1).abs().max() < 1e-5
    assert task.test.data.mean(0).abs().max() > 0.01


def test_digits_are_those_of_scikit_learn_each_once():
    task, source = load_task("digits", random_state=3), load_digits()
    parts = (task.train, task.validation, task.test)
    found = np.concatenate(
        [np.column_stack([part.data * 16, part.targets]) for part in parts]
    ).astype(int)
    expected = np.column_stack([source.data, source.target]).astype(int)
    np.testing.assert_array_equal(*(rows[np.lexsort(rows.T)] for rows in (found, expected)))
    images = load_task("digits_images", random_state=3)
    assert torch.equal(images.test.data.flatten(1), task.test.data)


@pytest.mark.parametrize("name", ["wine", "friedman"])
def test_seeds_repeat_and_differ(name):
    first, again, other = load_task(name, 1), load_task(name, 1), load_task(name, 2)
    assert torch.equal(first.train.data, again.train.data)
    assert not torch.equal(first.train.data, other.train.data)


def test_sizes_can_be_chosen():
    task = load_task("wine", n_train=30, n_validation=0, n_test=0.1)
    assert (len(task.train), task.validation, len(task.test)) == (30, None, 17)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_changes_the_expected_share_of_labels_to_all_others_alike(seed):
    y = np.tile(np.arange(4), 5000)
    noisy = flip_labels(y, 0.3, 4, seed)
    n = len(y)
    wrong = noisy != y
    assert abs(wrong.mean() - 0.3) < 4 * (0.3 * 0.7 / n) ** 0.5
    shifts = np.bincount((noisy - y)[wrong] % 4, minlength=4)
    assert shifts[0] == 0
    # Chi-squared with two degrees of freedom; 18.4 is exceeded once in 10 000 times.
    assert ((shifts[1:] - wrong.sum() / 3) ** 2 / (wrong.sum() / 3)).sum() < 18.4


def test_more_noise_flips_what_less_noise_flips():
    y = np.zeros(1000, int)
    less, more = flip_labels(y, 0.1, 3, 0), flip_labels(y, 0.4, 3, 0)
    assert (more[less != y] == less[less != y]).all()
    assert (more != y).sum() > (less != y).sum() > 0
    np.testing.assert_array_equal(flip_labels(y, 0.0, 3, 0), y)


def test_noise_is_of_the_training_part_alone_and_leaves_the_split():
    clean, noisy = load_task("digits"), load_task("digits", label_noise=0.3)
    both = load_task("digits", label_noise=0.3, noisy_validation=True)
    for part in ("train", "validation", "test"):
        assert torch.equal(getattr(clean, part).data, getattr(noisy, part).data)
        assert torch.equal(getattr(clean, part).data, getattr(both, part).data)
    share = (clean.train.targets != noisy.train.targets).double().mean()
    # Four standard errors of 600 labels.
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 600) ** 0.5
    assert torch.equal(clean.validation.targets, noisy.validation.targets)
    assert torch.equal(noisy.train.targets, both.train.targets)
    assert 0.15 < (clean.validation.targets != both.validation.targets).double().mean() < 0.45
    assert torch.equal(clean.test.targets, both.test.targets)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": "mnist"}, ArgumentError, "name='mnist' is unknown; choose one of: digits"),
        ({"label_noise": 1.0}, ArgumentError, r"label_noise=1.0; expected a share in \[0, 1\)"),
        ({"label_noise": -0.1}, ArgumentError, "label_noise=-0.1"),
        ({"label_noise": "much"}, ArgumentError, "label_noise='much'; expected a finite number"),
        ({"name": "diabetes", "label_noise": 0.1}, ArgumentError, "diabetes is a regression"),
        ({"n_train": 170}, ArgumentError, "n_train=170, n_validation=0.2 ask for 205 samples"),
        ({"random_state": None}, ArgumentError, "random_state=None"),
    ],
)
def test_errors_name_argument_value_and_cure(change, error, message):
    with pytest.raises(error, match=message):
        load_task(**{"name": "wine", **change})


@pytest.mark.parametrize(
    ("y", "n_classes", "error", "message"),
    [
        ([0, 3], 3, LabelError, "y has labels from 0 to 3; expected codes from 0 to 2"),
        ([0.0, 1.0], 2, ShapeError, r"y is float64 of shape \(2,\)"),
        ([0, 0], 1, ArgumentError, "n_classes=1; expected a whole number of at least 2"),
    ],
)
def test_labels_that_cannot_be_flipped_are_named(y, n_classes, error, message):
    with pytest.raises(error, match=message):
        flip_labels(y, 0.1, n_classes, 0)
