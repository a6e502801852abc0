"""Independent against joint training of several architectures."""

import csv

import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.utils.data import TensorDataset

from deem.core.dataset import Dataset
from deem.core.splits import Splits
from deem.datasets import load_task
from deem.ensembles import (
    BetaSweep,
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    LearnerBank,
    SweepResult,
    _seed_cells,
    independent_vs_joint,
)
from deem.ensembles.table import _folder_name
from deem.utils.exception import ArgumentError

SMALL = DeepEnsembleClassifier(3, epochs=3, batch_size=20, learning_rate=0.02, device="cpu")
COLUMNS = [
    "learner",
    "n_parameters",
    "n_learners",
    "n_seeds",
    "single",
    "independent",
    "joint",
    "delta",
    "sem",
    "n_below",
]
PARTS = {
    seed: load_task("generated", seed, n_train=60, n_validation=40, n_test=100) for seed in (0, 1)
}


def tiny(shape, n_outputs, width=4):
    return nn.Sequential(nn.Linear(*shape, width), nn.Tanh(), nn.Linear(width, n_outputs))


def table(architectures, data=PARTS.__getitem__, seeds=2, **settings):
    settings.setdefault("estimator", SMALL)
    return independent_vs_joint(architectures, data, seeds=seeds, **settings)


def test_rows_are_those_of_sweeps(tmp_path):
    own = clone(SMALL).set_params(n_learners=2, learner=tiny, aggregate="prob", epochs=1)
    learners = {
        "a name": "mlp",
        "a pair": (tiny, {"width": 6}),
        "unlike": ["mlp", tiny, tiny],
        "own/settings ü": own,
    }
    found = table(learners, folder=tmp_path)
    assert [row["learner"] for row in found.rows] == list(learners)
    assert all(list(row) == COLUMNS for row in found.rows)
    assert [row["n_learners"] for row in found.rows] == [3, 3, 3, 2]
    pair = (20 + 1) * 6 + (6 + 1) * 4
    assert [row["n_parameters"] for row in found.rows[1::2]] == [pair, 21 * 4 + 5 * 4]
    estimator = clone(SMALL).set_params(learner=tiny, learner_params={"width": 6})
    alone = BetaSweep(estimator, (0.0, 1.0), 2).run(PARTS.__getitem__)
    assert found.sweeps["a pair"].rows == alone.rows
    row, (independent, joint) = found.rows[1], alone.values("accuracy").T
    assert row["n_seeds"] == 2
    assert row["independent"] == pytest.approx(independent.mean())
    assert row["joint"] == pytest.approx(joint.mean())
    assert row["delta"] == pytest.approx(row["joint"] - row["independent"])
    change = joint - independent
    assert row["sem"] == pytest.approx(abs(change[0] - change[1]) / 2)
    assert row["n_below"] == (change < 0).sum()
    assert SMALL.learner == "mlp"
    names = {"a name", "a pair", "unlike", "own%2Fsettings ü"}
    assert {path.name for path in tmp_path.iterdir()} == {*names, "table.csv"}
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert [float(row["joint"]) for row in read] == [row["joint"] for row in found.rows]
    found.save(tmp_path / "saved")
    again = SweepResult.load(tmp_path / "saved" / "own%2Fsettings ü")
    assert again.rows == found.sweeps["own/settings ü"].rows


def trained_alone(network, data, epochs, rate):
    """A network in a plain loop over whole batches."""
    step = torch.optim.Adam(network.parameters(), rate)
    for _ in range(epochs):
        step.zero_grad()
        nn.functional.cross_entropy(network(data.train.data), data.train.targets).backward()
        step.step()
    with torch.no_grad():
        return network(data.test.data)


def test_a_single_learner_is_one_that_was_trained_alone():
    whole = clone(SMALL).set_params(batch_size=60, epochs=12)
    (row,) = table({"tiny": tiny}, seeds=[1], estimator=whole).rows
    data = PARTS[1]
    networks = LearnerBank(lambda: tiny((20,), 4), 3, seeds=[1]).members()
    scores = torch.stack([trained_alone(net, data, 12, 0.02) for net in networks], 1)
    right = scores.argmax(-1) == data.test.targets.unsqueeze(1)
    assert row["single"] == pytest.approx(float(right.double().mean()))
    together = scores.mean(1).argmax(-1) == data.test.targets
    assert row["independent"] == pytest.approx(float(together.double().mean()))
    # Other first parameters give another accuracy.
    other = table({"tiny": tiny}, seeds=[0], estimator=whole, data=data)
    assert other.rows[0]["single"] != pytest.approx(row["single"])


def test_the_best_classes_are_counted(tmp_path):
    found = table(["mlp"], top_k=2, selection="best")
    row, cells = found.rows[0], found.sweeps["mlp"].cells
    assert row["k"] == 2
    for beta, name in ((0.0, "independent_top_k"), (1.0, "joint_top_k")):
        shares = []
        for cell in cells:
            if cell.beta == beta:
                mean = cell.scores["best"].mean(1)
                true = mean.gather(1, cell.targets.unsqueeze(1))
                shares.append(float(((mean > true).sum(1) < 2).double().mean()))
        assert row[name] == pytest.approx(sum(shares) / 2)
        assert row[name] > row[name.replace("_top_k", "")]
    assert table(["mlp"], top_k=4).rows[0]["joint_top_k"] == 1
    with pytest.raises(ArgumentError, match="top_k=5, but there are 4 classes"):
        table(["mlp"], top_k=5)


def test_an_interrupted_table_goes_on_where_it_was(tmp_path, monkeypatch):
    trained, real = [], _seed_cells.train_cells

    def failing(factory, *args, **settings):
        trained.append(settings["seeds"][0])
        if len(trained) == 3:
            raise KeyboardInterrupt
        return real(factory, *args, **settings)

    monkeypatch.setattr(_seed_cells, "train_cells", failing)
    with pytest.raises(KeyboardInterrupt):
        table({"a": tiny, "b": "mlp"}, folder=tmp_path)
    found = table({"a": tiny, "b": "mlp"}, folder=tmp_path)
    assert trained == [0, 1, 0, 0, 1]
    assert found.rows == table({"a": tiny, "b": "mlp"}).rows
    with pytest.raises(ArgumentError, match="other learner, network"):
        table({"a": "mlp"}, folder=tmp_path)


def test_data_that_are_read_as_they_are_needed():
    data = PARTS[0]
    parts = [TensorDataset(part.data, part.targets) for part in (data.train, data.test)]
    streams = Splits(parts[0], None, parts[1], data.classes)
    memory = Splits(data.train, None, data.test, data.classes)
    found, expected = (table(["mlp"], x, 1).rows[0] for x in (streams, memory))
    assert {**found, "sem": 0} == {**expected, "sem": 0}


def test_folders_have_names_that_all_systems_allow():
    names = ["mlp", "a/b", "a\\b", "a%2Fb", "..", ".", "c:", "netz ü", "a. ", "a", "a\n", "../a"]
    found = [_folder_name(name) for name in names]
    assert len(set(found)) == len(found)
    assert found[:4] == ["mlp", "a%2Fb", "a%5Cb", "a%252Fb"]
    assert found[4:9] == ["%2E%2E", "%2E", "c%3A", "netz ü", "a%2E%20"]
    assert not [name for name in found if set(name) & set('<>:"/\\|?*\n') or name[-1] in ". "]


@pytest.mark.parametrize(
    ("architectures", "settings", "message"),
    [
        ("mlp", {}, "architectures='mlp'; pass a sequence"),
        ([], {}, r"architectures=\[\]"),
        (None, {}, "architectures=None"),
        ([tiny], {}, "pass names, or a dict"),
        ({"": "mlp"}, {}, "not empty"),
        ({1: "mlp"}, {}, "not empty"),
        ({"a": ("mlp", {}, 3)}, {}, r"architectures\['a'\] has 3 entries"),
        ({"a": DeepEnsembleRegressor()}, {}, "is a DeepEnsembleRegressor, which has no accuracy"),
        (["mlp"], {"estimator": DeepEnsembleRegressor()}, "has no accuracy"),
        (["mlp", "nothing"], {}, "learner='nothing' is unknown"),
        (["mlp"], {"top_k": 0}, "top_k=0"),
        (["mlp"], {"top_k": 9, "data": PARTS[0]}, "top_k=9, but there are 4 classes"),
        (["mlp"], {"selection": "first"}, "selection='first' is unknown"),
        (
            ["mlp"],
            {"selection": "best", "data": load_task("wine", n_validation=0)},
            "splits has no validation part",
        ),
    ],
)
def test_arguments_that_make_no_table(monkeypatch, architectures, settings, message):
    if message.startswith("learner="):
        architectures = architectures[1:]
    monkeypatch.setattr(_seed_cells, "train_cells", None)
    with pytest.raises(ArgumentError, match=message):
        table(architectures, **settings)


def test_a_file_in_place_of_the_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(ArgumentError, match="is a file; choose a folder"):
        table(["mlp"], folder=path)
    assert path.read_text() == "mine"


def test_names_may_come_one_by_one():
    data = Dataset(torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), [0, 1] * 6)
    splits = Splits(data, None, data, (0, 1))
    found = table((name for name in ["mlp", "mlp"]), splits, 1)
    assert [row["learner"] for row in found.rows] == ["mlp"]
