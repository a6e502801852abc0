"""Sweeps that are interrupted, go on, and grow in a folder."""

import json
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from deem.core.dataset import Dataset
from deem.core.splits import Splits
from deem.core.training import Callback
from deem.datasets import load_task
from deem.ensembles import BetaSweep, DeepEnsembleClassifier, SweepResult, _seed_cells
from deem.ensembles._described import digest_of_data, plain
from deem.utils.exception import ArgumentError, ModelFileError


def wine(seed, **sizes):
    return load_task("wine", seed, **{"n_train": 60, "n_validation": 30, "n_test": 40, **sizes})


DATA = {seed: wine(seed) for seed in range(4)}


def small(**settings):
    given = {"learner_params": {"hidden": (8,)}, "epochs": 4, "batch_size": 30, **settings}
    return DeepEnsembleClassifier(2, device="cpu", **{"learning_rate": 0.02, **given})


def run(folder, betas=(0.0, 1.0), seeds=2, data=DATA.__getitem__, augment=None, **settings):
    callbacks = settings.pop("callbacks", ())
    training = BetaSweep(small(**settings), betas, seeds, augment=augment)
    return training.run(data, folder, checkpoint_every=1, callbacks=callbacks)


def content(folder):
    """Bytes and times of all files."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.fixture
def trained(monkeypatch):
    """Seed, betas and whether it goes on, of each training."""
    found, real = [], _seed_cells.train_cells

    def counting(*args, **settings):
        goes_on = settings["resume"] is not None
        found.append((settings["seeds"][0], settings["beta"], goes_on))
        return real(*args, **settings)

    monkeypatch.setattr(_seed_cells, "train_cells", counting)
    return found


class Stop(Callback):
    """Interrupts the training of a seed, after some epochs and before they are written."""

    def __init__(self, seed, after, error=KeyboardInterrupt):
        self.seed, self.after, self.error = seed, after, error
        self.epochs = []

    def on_epoch_end(self, training):
        if training.model.seeds == (self.seed,):
            self.epochs.append(training.epoch)
            if training.epoch == self.after:
                raise self.error


@pytest.mark.parametrize("learner_params", [{"hidden": (8,)}, {"hidden": (8,), "dropout": 0.4}])
def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path, trained, learner_params):
    settings = {"learner_params": learner_params, "early_stopping": True}
    whole = run(tmp_path / "whole", **settings)
    expected = trained.copy()
    trained.clear()
    folder = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        run(folder, callbacks=[Stop(1, after=3)], **settings)
    before = content(folder)
    done = {name for name in before if name.endswith(".cell")}
    assert done == {"seed=0,beta=0.0.cell", "seed=0,beta=1.0.cell"}
    assert SweepResult.load(folder).seeds == [0]
    trained.clear()
    watching = Stop(1, after=99)
    found = run(folder, callbacks=[watching], **settings)
    # The third epoch was interrupted before its state was written.
    assert watching.epochs[:2] == [3, 4]
    assert [t[0] for t in trained] == [1] * (len(expected) // 2)
    assert [t[2] for t in trained] == [True, False][: len(trained)]
    after = content(folder)
    assert {name: after[name] for name in done} == {name: before[name] for name in done}
    assert not [name for name in after if name.startswith(".")]
    assert found.rows == whole.rows
    for name in ("rows.csv", "sweep.json"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_sweep_grows_by_betas_and_seeds(tmp_path, trained):
    run(tmp_path, [0.0], 1)
    run(tmp_path, [0.0, 1.0, 0.5], 1)
    run(tmp_path, [0.0], 1)
    run(tmp_path, [0.5], [2])
    assert trained == [(0, [0.0], False), (0, [0.5, 1.0], False), (2, [0.5], False)]
    every = SweepResult.load(tmp_path)
    assert [(c.seed, c.beta) for c in every.cells] == [(0, 0.0), (0, 0.5), (0, 1.0), (2, 0.5)]
    assert np.isnan(every.values()[1, [0, 2]]).all()
    alone = run(None, [0.5], [2])
    assert alone.rows == every[2, 0.5].rows
    before = content(tmp_path)
    found = run(tmp_path, [0.0, 1.0], 1)
    assert found.betas == [0.0, 1.0]
    assert found[0, 1.0].rows == every[0, 1.0].rows
    cells = {name for name in before if name.endswith(".cell")}
    after = content(tmp_path)
    assert {name: after[name] for name in cells} == {name: before[name] for name in cells}


def test_an_interruption_while_cells_are_written_loses_none(tmp_path, monkeypatch):
    real, written = _seed_cells.Cell.save, []

    def failing(cell, folder):
        written.append(cell.beta)
        if len(written) == 2:
            raise KeyboardInterrupt
        real(cell, folder)

    monkeypatch.setattr(_seed_cells.Cell, "save", failing)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, seeds=1)
    monkeypatch.setattr(_seed_cells.Cell, "save", real)
    found = run(tmp_path, seeds=1)
    expected = run(None, seeds=1)
    for beta in (0.0, 1.0):
        values = [[row["value"] for row in result[0, beta].rows] for result in (found, expected)]
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-5)


def wide(shape, n_outputs):
    return nn.Sequential(nn.Linear(*shape, 5), nn.ReLU(), nn.Linear(5, n_outputs))


def double(shape, n_outputs):
    return nn.Sequential(nn.Linear(*shape, 7), nn.ReLU(), nn.Linear(7, n_outputs))


double.__name__, double.__qualname__ = wide.__name__, wide.__qualname__


def of_forward(function):
    """Classes of one name and with one set of layers."""

    class Network(nn.Linear):
        def __init__(self, shape, n_outputs):
            super().__init__(*shape, n_outputs)

        forward = function

    return lambda shape, n_outputs: Network(shape, n_outputs)


def shift(x, generator, by=1.0):
    return x + by


SGD = torch.optim.SGD
MLP = {"learner_params": None}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"epochs": 4}, {"epochs": 5}, "other epochs;"),
        ({"epochs": np.int64(4)}, {"epochs": np.int64(5)}, "other epochs;"),
        ({"learning_rate": np.float32(0.1)}, {"learning_rate": np.float32(0.2)}, "learning_rate"),
        ({}, {"learner_params": {"hidden": (9,)}}, "learner_params, network"),
        ({"learner": wide, **MLP}, {"learner": double, **MLP}, "other learner, network"),
        (
            {"learner": of_forward(lambda s, x: nn.Linear.forward(s, x).relu()), **MLP},
            {"learner": of_forward(lambda s, x: nn.Linear.forward(s, x).tanh()), **MLP},
            "other network;",
        ),
        ({"optimizer": partial(SGD, lr=0.1)}, {"optimizer": partial(SGD, lr=0.2)}, "optimizer"),
        (
            {"optimizer": lambda p: SGD(p, lr=0.1)},
            {"optimizer": lambda p: SGD(p, lr=0.2)},
            "other optimizer;",
        ),
        ({"augment": shift}, {}, "other augment;"),
        ({"augment": shift}, {"augment": partial(shift, by=2.0)}, "other augment;"),
        ({}, {"data": lambda seed: load_task("generated", seed, n_train=60)}, "data, network"),
    ],
)
def test_other_settings_are_refused(tmp_path, first, second, message):
    run(tmp_path, seeds=1, **first)
    before = content(tmp_path)
    with pytest.raises(ArgumentError, match=f"holds a sweep of .*{message}"):
        run(tmp_path, seeds=1, **second)
    assert content(tmp_path) == before
    run(tmp_path, seeds=1, **first)


def test_a_name_that_stands_for_another_network_is_noticed(tmp_path, monkeypatch):
    from deem.ensembles.learners import LEARNERS

    monkeypatch.setitem(LEARNERS, "mine", wide)
    run(tmp_path, seeds=1, learner="mine", **MLP)
    monkeypatch.setitem(LEARNERS, "mine", double)
    with pytest.raises(ArgumentError, match="holds a sweep of other network;"):
        run(tmp_path, seeds=1, learner="mine", **MLP)


def noisy(seed):
    return wine(seed, label_noise=0.3)


@pytest.mark.parametrize("seeds", [[0], [3], [3, 0]])
def test_other_data_of_one_name_are_refused(tmp_path, seeds):
    run(tmp_path, seeds=[0])
    before = content(tmp_path)
    with pytest.raises(ArgumentError, match="holds seed 0, beta .* of other data"):
        run(tmp_path, seeds=seeds, data=noisy)
    assert content(tmp_path) == before


def test_new_seeds_may_be_all_that_the_data_have(tmp_path):
    run(tmp_path, [0.0], [0])
    found = run(tmp_path, [0.0], [3], data={3: DATA[3]}.__getitem__)
    assert SweepResult.load(tmp_path).seeds == [0, 3]
    assert found.seeds == [3]


def test_a_training_does_not_go_on_with_other_data(tmp_path, trained):
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, seeds=1, callbacks=[Stop(0, 3, ZeroDivisionError)])
    found = run(tmp_path, seeds=1, data=noisy)
    assert not any(goes_on for *_, goes_on in trained)
    assert found.rows == run(None, seeds=1, data=noisy).rows


def test_folders_of_other_things_stay_as_they_are(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ArgumentError, match="holds no sweep; choose a new or empty one"):
        run(tmp_path)
    for folder in (path, path / "sweep"):
        with pytest.raises(ArgumentError, match=r"notes\.txt' is a file"):
            run(folder)
    assert list(content(tmp_path)) == ["notes.txt"]
    assert path.read_text() == "mine"
    (tmp_path / "sweep.json").write_text("[1]")
    with pytest.raises(ModelFileError, match="holds no settings of a sweep"):
        run(tmp_path)


def test_damaged_files_say_what_to_delete(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, seeds=1, callbacks=[Stop(0, 3, ZeroDivisionError)])
    (state,) = tmp_path.glob(".running*")
    whole = state.read_bytes()
    for cut in (b"", whole[:-9]):
        state.write_bytes(cut)
        with pytest.raises(ModelFileError, match="was interrupted; delete it to train from"):
            run(tmp_path, seeds=1)
    state.unlink()
    expected = run(tmp_path, seeds=1)
    assert expected.rows == run(None, seeds=1).rows
    path = tmp_path / "seed=0,beta=1.0.cell"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelFileError, match="delete it and run the sweep again"):
        run(tmp_path, seeds=1)
    path.unlink()
    found = run(tmp_path, seeds=1)
    np.testing.assert_allclose(found.values("loss"), expected.values("loss"), rtol=1e-4)


def test_a_state_of_another_layout_is_named(tmp_path):
    from deem.core.persistence import read_file, write_file

    with pytest.raises(ZeroDivisionError):
        run(tmp_path, seeds=1, callbacks=[Stop(0, 3, ZeroDivisionError)])
    (state,) = tmp_path.glob(".running*")
    kept = read_file(state)[1]
    for changed in ({"model": {}}, {"solver": {}}):
        write_file(state, "Checkpoint", {**kept, **changed})
        with pytest.raises(ArgumentError, match="was interrupted; delete it to train from"):
            run(tmp_path, seeds=1)


def test_settings_are_described_by_what_they_do():
    def scaled(by):
        return lambda x: by * x

    class Way:
        def __init__(self, by):
            self.by, self.me = by, self

        def __call__(self, x):
            return x * self.by

    assert plain(scaled(1)) == plain(scaled(1)) != plain(scaled(2))
    assert plain(Way(1)) == plain(Way(1)) != plain(Way(2))
    assert plain(Way(1).__call__) != plain(Way(2).__call__)
    assert plain(lambda x, by=1: x) != plain(lambda x, by=2: x)
    assert plain(torch.float32) != plain(torch.float64)
    found = plain(OrderedDict(a=(1, np.float32(0.5)), b={2, 1}, c=float("inf"), d=torch.ones(2)))
    assert found == {"a": [1, 0.5], "b": ["1", "2"], "c": "inf", "d": [1.0, 1.0]}
    json.dumps([plain(Way(scaled(np.ones(2)))), plain(torch.relu), plain(nn.ReLU())])


def test_data_are_told_apart_by_all_that_matters():
    x, y = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1] * 3)

    def splits(x=x, y=y, cut=4, classes=(0, 1), held_out=None):
        train, test = Dataset(x[:cut], y[:cut]), Dataset(x[cut:], y[cut:])
        return digest_of_data(Splits(train, held_out, test, classes))

    found = [
        splits(),
        splits(x + 1),
        splits(x.reshape(6, 1, 2)),
        splits(y=1 - y),
        splits(cut=3),
        splits(classes=(0, 1, 2)),
        splits(held_out=Dataset(x, y)),
    ]
    assert len(set(found)) == len(found)
    assert splits(x.clone(), classes=("a", "b")) == found[0]
