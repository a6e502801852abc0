"""Results of sweeps against numbers made by hand, and on the disk."""

import csv
import json
import math

import numpy as np
import pytest
import torch

from deem.core.history import History
from deem.datasets import load_task
from deem.ensembles import BetaSweep, Cell, DeepEnsembleClassifier, SweepResult
from deem.ensembles.results import read_settings
from deem.utils.exception import ArgumentError, ModelFileError

VALUES = {
    (0, 0.0): 0.9,
    (0, 1.0): 0.8,
    (2, 0.0): 0.7,
    (2, 1.0): 0.75,
    (5, 0.0): 0.8,
    (5, 0.5): 0.6,
    (5, 1.0): 0.65,
}
"""Accuracies by seed and beta; only the last seed has a beta of one half."""


def row(seed, beta, metric, value, split="test"):
    key = {"seed": seed, "beta": beta, "split": split, "selection": "last", "epoch": 2}
    return {**key, "metric": metric, "value": value}


def cell(seed, beta, value):
    rows = [row(seed, beta, "accuracy", value), row(seed, beta, "loss", 1 - value)]
    rows.append(row(seed, beta, "accuracy", 1.0, "train"))
    history = History({"seed": seed, "beta": beta})
    history.append(train_loss=float("nan"))
    history.append(train_loss=0.1 + 0.2)
    scores = {"last": torch.arange(12.0).reshape(2, 3, 2) / 7}
    return Cell(seed, beta, rows, history, scores, torch.tensor([0, 1]), "score", 5, "abc")


@pytest.fixture
def result():
    cells = [cell(*key, value) for key, value in VALUES.items()]
    return SweepResult(cells, {"estimator": "any", "params": {"epochs": 2, "name": "ü"}})


def test_values_lie_by_seed_and_beta_with_gaps(result):
    expected = [[0.9, np.nan, 0.8], [0.7, np.nan, 0.75], [0.8, 0.6, 0.65]]
    np.testing.assert_array_equal(result.values(), expected)
    np.testing.assert_array_equal(result.values(split="train")[:, 0], [1, 1, 1])
    assert (result.seeds, result.betas) == ([0, 2, 5], [0.0, 0.5, 1.0])
    assert result.metrics() == ["accuracy", "loss"]
    assert result.metrics("train") == ["accuracy"]
    assert result[5, 0.5].rows[0]["value"] == 0.6
    with pytest.raises(KeyError, match=r"no cell of seed 0 and beta 0\.5"):
        result[0, 0.5]


def test_tables_are_means_over_the_seeds_that_are_there(result):
    table = result.table(["accuracy"])
    assert [entry["beta"] for entry in table] == [0.0, 0.5, 1.0]
    first, middle, last = table
    # Deviations of .1, -.1 and 0 from .8.
    assert first["mean"] == pytest.approx(0.8)
    assert first["std"] == pytest.approx(0.1)
    assert first["sem"] == pytest.approx(0.1 / math.sqrt(3))
    assert first["n_seeds"] == last["n_seeds"] == 3
    assert (middle["mean"], middle["n_seeds"]) == (0.6, 1)
    assert math.isnan(middle["std"])
    assert math.isnan(middle["sem"])
    assert [entry["metric"] for entry in result.table()] == ["accuracy"] * 3 + ["loss"] * 3


def test_differences_are_within_seeds(result):
    half, whole = result.paired()
    # -.1, .05 and -.15 of the same seeds.
    assert whole["mean"] == pytest.approx(-0.2 / 3)
    assert whole["std"] == pytest.approx(math.sqrt(0.0325 / 3))
    assert whole["sem"] == pytest.approx(math.sqrt(0.0325) / 3)
    assert (whole["n_seeds"], whole["n_below"], whole["n_above"]) == (3, 2, 1)
    assert half["mean"] == pytest.approx(-0.2)
    assert (half["n_seeds"], half["n_below"], half["n_above"]) == (1, 1, 0)
    zero, whole = result.paired("loss", baseline=0.5)
    assert (zero["beta"], whole["beta"]) == (0.0, 1.0)
    assert zero["mean"] == pytest.approx(-0.2)
    assert zero["n_seeds"] == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.values("f1"), "metric='f1' is unknown; choose one of: accuracy, loss"),
        (lambda r: r.values(split="dev"), "split='dev'"),
        (lambda r: r.values(selection="best"), "selection='best'"),
        (lambda r: r.values("loss", split="train"), "metric='loss'.*: accuracy"),
        (lambda r: r.paired(baseline=0.1), r"baseline=0\.1 is unknown.*0\.0, 0\.5, 1\.0"),
        (lambda r: r.table(["accuracy", "f1"]), "metric='f1'"),
    ],
)
def test_what_was_not_measured_is_named(result, call, message):
    with pytest.raises(ArgumentError, match=message):
        call(result)


def test_everything_comes_back_from_a_folder(result, tmp_path):
    folder = tmp_path / "new" / "sweep ü"
    result.save(folder)
    found = SweepResult.load(folder)
    assert found.rows == result.rows
    assert found.settings == result.settings
    for a, b in zip(found.cells, result.cells, strict=True):
        assert (a.seed, a.beta, a.how, a.n_parameters, a.data) == (
            b.seed,
            b.beta,
            "score",
            5,
            "abc",
        )
        assert torch.equal(a.scores["last"], b.scores["last"])
        assert torch.equal(a.targets, b.targets)
        assert str(a.history.to_dict()) == str(b.history.to_dict())


def test_tables_on_the_disk_can_be_read_by_others(result, tmp_path):
    result.save(tmp_path)
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds = {"seed": int, "beta": float, "epoch": int, "value": float}
    assert [{k: kinds.get(k, str)(v) for k, v in row.items()} for row in rows] == result.rows

    def refuse(name):
        raise AssertionError(name)

    text = (tmp_path / "sweep.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=refuse)
    first = content["cells"][0]
    assert (first["seed"], first["beta"]) == (0, 0.0)
    assert first["history"]["series"] == {"train_loss": [None, 0.1 + 0.2]}


def test_only_new_or_empty_folders_are_written_to(result, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArgumentError, match="not empty; choose a new one"):
        result.save(tmp_path)
    with pytest.raises(ArgumentError, match=r"notes\.txt' exists"):
        result.save(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_folders_that_hold_no_sweep(result, tmp_path):
    with pytest.raises(ArgumentError, match="holds no sweep"):
        SweepResult.load(tmp_path / "missing")
    result.save(tmp_path)
    path = tmp_path / "seed=5,beta=0.5.cell"
    whole = path.read_bytes()
    for content in (whole[:-3], whole.replace(b"accuracy", b"accuracz"), b""):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"beta=0\.5\.cell'.*delete it and run the sweep"):
            SweepResult.load(tmp_path)
    path.write_bytes(whole)
    for text in ("{", "[]", '{"cells": []}', '{"settings": 3}'):
        (tmp_path / "sweep.json").write_text(text)
        with pytest.raises(ModelFileError, match=r"sweep\.json' holds no settings"):
            SweepResult.load(tmp_path)
    (tmp_path / "sweep.json").unlink()
    assert read_settings(tmp_path) is None
    with pytest.raises(ArgumentError, match="holds no sweep"):
        SweepResult.load(tmp_path)


def test_a_cell_of_another_layout_is_refused(result, tmp_path, monkeypatch):
    from deem.core.persistence import write_file

    path = tmp_path / "old.cell"
    kept = {**vars(result.cells[0]), "history": result.cells[0].history.to_dict()}
    for content in ({**kept, "device": "cpu"}, {"seed": 0}):
        write_file(path, "SweepCell", content)
        with pytest.raises(ModelFileError, match="holds no cell of a sweep"):
            Cell.load(path)
    write_file(path, "Checkpoint", kept)
    with pytest.raises(ModelFileError, match="holds a Checkpoint, expected a SweepCell"):
        Cell.load(path)


def test_what_a_run_wrote_is_what_it_gave(tmp_path):
    estimator = DeepEnsembleClassifier(2, learner_params={"hidden": (4,)}, epochs=1, device="cpu")
    data = load_task("wine", 0, n_train=60)
    result = BetaSweep(estimator, (1.0, 0.0), [3, 1]).run(data, tmp_path / "run")
    found = SweepResult.load(tmp_path / "run")
    assert found.settings == result.settings
    assert found.settings["params"]["learner_params"] == {"hidden": [4]}
    assert (found.seeds, [c.seed for c in result.cells]) == ([1, 3], [3, 3, 1, 1])
    key = ("seed", "beta")
    assert found.rows == sorted(result.rows, key=lambda row: [row[k] for k in key])
    result.save(tmp_path / "saved")
    names = {path.name for path in (tmp_path / "saved").iterdir()}
    assert names == {path.name for path in (tmp_path / "run").iterdir()}
    assert SweepResult.load(tmp_path / "saved").rows == found.rows
