"""Cells of seed and beta side by side, and data read in different ways."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import TensorDataset

from deem.core.dataset import Dataset
from deem.core.training import Callback
from deem.ensembles import train_cells
from deem.ensembles.measures import scores_of
from deem.ensembles.rows import Stream, as_rows
from deem.utils.exception import ArgumentError, DeviceError, ShapeError


def perceptron():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def normalised():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))


def tensors(n=24, seed=0):
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=draws, dtype=torch.float64)
    return x, torch.where(torch.rand(n, generator=draws) < 0.3, 0, x[:, :3].argmax(1))


def part(n=24, seed=0):
    return Dataset(*tensors(n, seed))


def cells(seeds, beta=0.0, factory=perceptron, make=part, **settings):
    """Banks of data that depend on the seed."""
    settings = {"n_learners": 3, "epochs": 5, "batch_size": 8, "learning_rate": 0.02} | settings
    settings.setdefault("dtype", torch.float64)
    if settings.pop("held_out", False):
        settings["validation_parts"] = [make(15, seed + 100) for seed in seeds]
    parts = [make(24, seed) for seed in seeds]
    return train_cells(factory, parts, seeds=seeds, beta=beta, **settings)


def assert_group(bank, group, other, tolerance=1e-9):
    """A group has the parameters of the only group of another bank."""
    state = other.state_dict()
    for name, value in bank.state_dict().items():
        torch.testing.assert_close(value[group], state[name][0], rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("factory", "settings"),
    [
        (perceptron, {"learner_dropout": 0.4, "held_out": True}),
        (perceptron, {"bootstrap": True, "optimizer": "sgd", "scheduler": "cosine"}),
        (normalised, {"held_out": True, "patience": 2, "epochs": 12, "aggregate": "prob"}),
    ],
)
def test_a_cell_does_not_depend_on_those_beside_it(factory, settings):
    seeds, betas = (5, 0), (0.0, 0.3, 1.0)
    bank, solver = cells(seeds, betas, factory, **settings)
    assert bank.groups == 6
    for group in (1, 5):
        seed, beta = seeds[group // 3], betas[group % 3]
        alone, lonely = cells((seed,), beta, factory, **settings)
        assert_group(bank, group, alone)
        history, expected = solver.histories[group], lonely.histories[0]
        assert history.settings == expected.settings == {"seed": seed, "beta": beta}
        for name, series in expected.items():
            np.testing.assert_allclose(history[name], series, rtol=0, atol=1e-9)
    different = bank.state_dict()["/0/weight"].flatten(1)
    assert len(different.unique(dim=0)) == 6


def test_learners_do_not_depend_on_their_number_when_independent():
    few, many = cells((2,), n_learners=2)[0], cells((2,), n_learners=5)[0]
    for name, value in few.state_dict().items():
        torch.testing.assert_close(value, many.state_dict()[name][:, :2], rtol=0, atol=1e-9)


class Seen(Callback):
    def on_start(self, training):
        self.data = training.data


def test_a_bootstrap_draws_as_many_samples_as_there_are():
    seen = Seen()
    cells((0, 3), n_learners=50, bootstrap=True, epochs=1, callbacks=[seen])
    counts = seen.data.counts
    assert counts.shape == (24, 2, 50)
    assert (counts.sum(0) == 24).all()
    # Each sample is left out with probability (1 - 1/24)^24 = 0.36, here 2400 times.
    assert float((counts == 0).double().mean()) == pytest.approx((23 / 24) ** 24, abs=0.03)
    assert not torch.equal(counts[:, 0], counts[:, 1])
    one, _ = cells((0,), n_learners=1, bootstrap=True)
    plain, _ = cells((0,), n_learners=1)
    assert not torch.equal(one.state_dict()["/0/weight"], plain.state_dict()["/0/weight"])


def test_each_seed_reads_in_an_order_of_its_own():
    seen = Seen()
    cells((0, 1), make=lambda n, seed: part(n, 0), callbacks=[seen])
    first, second = seen.data.data[:, 0], seen.data.data[:, 1]
    assert not torch.equal(first, second)
    assert torch.equal(first.sort(0).values, second.sort(0).values)


class Rereading(TorchDataset):
    """Files that change by epoch, as random crops do."""

    def __init__(self, n, seed):
        self.x, self.y = tensors(n, seed)
        self.epoch, self.epochs = 0, set()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        self.epochs.add(self.epoch)
        return self.x[i], int(self.y[i])


@pytest.mark.parametrize("factory", [perceptron, normalised])
@pytest.mark.parametrize("make", [lambda *a: TensorDataset(*tensors(*a)), Rereading])
def test_data_read_in_batches_train_as_those_in_memory(factory, make):
    # The last batch of 23 is one sample, which joins the others for batch normalisation.
    settings = {"batch_size": 23, "held_out": True, "patience": 3}
    expected, remembered = cells((3,), 0.5, factory, **settings)
    bank, solver = cells((3,), 0.5, factory, make, **settings)
    assert_group(bank, 0, expected, 1e-12)
    for name, series in remembered.histories[0].items():
        np.testing.assert_allclose(solver.histories[0][name], series, rtol=0, atol=1e-12)
    other, _ = cells(
        (4,), 0.5, factory, lambda n, seed: make(n, 3 + seed // 100 * 100), **settings
    )
    assert not torch.equal(other.state_dict()["/0/weight"], bank.state_dict()["/0/weight"])


def test_epochs_of_files_are_new_and_come_again():
    files = [Rereading(6, 0), Rereading(6, 0)]
    for source in files:
        rows, draws = Stream(source), torch.Generator().manual_seed(0)
        for _ in range(3):
            list(rows.batches(4, draws))
    assert files[0].epochs == files[1].epochs
    assert len(files[0].epochs) == 3
    list(Stream(files[0]).batches(4))
    assert len(files[0].epochs) == 3


def test_scores_come_in_the_order_of_the_samples():
    bank, _ = cells((0, 1), (0.0, 1.0))
    data = part(7, 3)
    scores, y = scores_of(bank.train(), as_rows([data, data]))
    assert scores.shape == (4, 7, 3, 3)
    torch.testing.assert_close(scores, bank(data.data.double()))
    assert torch.equal(y, data.targets.expand(4, 7))
    assert bank.training


def test_no_epochs_leave_the_first_parameters():
    bank, solver = cells((0,), epochs=0)
    other, _ = cells((0,), epochs=0, n_learners=3, learning_rate=1.0)
    assert_group(bank, 0, other, 0.0)
    assert solver.histories[0].n_epochs == 0
    assert not bank.training


def test_numbers_of_32_bits_are_close_to_those_of_64():
    single, _ = cells((0,), 0.5, dtype=torch.float32)
    double, _ = cells((0,), 0.5)
    assert single.dtype == torch.float32
    for name, value in single.state_dict().items():
        torch.testing.assert_close(value.double(), double.state_dict()[name], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"train_parts": []}, ArgumentError, "train_parts has 0 entries, but there are 1 seeds"),
        ({"seeds": (0, 1)}, ArgumentError, "train_parts has 1 entries, but there are 2 seeds"),
        (
            {"validation_parts": [part(), part()]},
            ArgumentError,
            "validation_parts has 2 entries, but there are 1 seeds; pass one each",
        ),
        (
            {"train_parts": [part(20), part(24)], "seeds": (0, 1)},
            ShapeError,
            r"data of the seeds has the shapes \[\(20, 4\), \(24, 4\)\]; make them alike, or",
        ),
        (
            {"train_parts": [TensorDataset(*tensors())] * 2, "seeds": (0, 1)},
            ArgumentError,
            "2 torch data sets were given; they are read for one seed at a time",
        ),
        ({"train_parts": [np.ones((3, 4))]}, ArgumentError, r"data is a ndarray; expected a Data"),
        ({"train_parts": [Dataset(torch.ones(3, 4))]}, ArgumentError, "data has no targets; pass"),
        (
            {"train_parts": [Dataset(*tensors(), torch.ones(24))]},
            ArgumentError,
            "data has weights, which ensembles do not use",
        ),
        ({"train_parts": [part(0)]}, ArgumentError, "data has no rows; pass at least one sample"),
        (
            {"train_parts": [TensorDataset(*tensors())], "bootstrap": True},
            ArgumentError,
            "bootstrap=True needs data in memory; pass a Dataset",
        ),
        ({"beta": []}, ArgumentError, r"beta=\[\]; expected one number in \[0, 1\] or more"),
        ({"beta": [0, 2]}, ArgumentError, r"beta=\[0, 2\]; expected a number in \[0, 1\]"),
        ({"batch_size": 0}, ArgumentError, "batch_size=0; expected a whole number of at least 1"),
        ({"epochs": 1.5}, ArgumentError, "epochs=1.5; expected a whole number of at least 0"),
        ({"device": "tpu"}, DeviceError, "device='tpu' is not there"),
        (
            {"factory": normalised, "batch_size": 1},
            ArgumentError,
            "batch_size=1 with 24 samples gives batches of one, .* pass larger batches",
        ),
        ({"factory": normalised, "train_parts": [part(1)]}, ArgumentError, "with 1 samples gives"),
    ],
)
def test_what_cannot_be_trained(arguments, error, message):
    arguments = {"factory": perceptron, "train_parts": [part()], "seeds": (0,)} | arguments
    with pytest.raises(error, match=message):
        train_cells(**arguments)
