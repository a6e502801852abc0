"""Sweeps from independent to joint training against ensembles that are fitted one by one."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import TensorDataset

from deem.core.dataset import Dataset
from deem.core.splits import Splits
from deem.datasets import load_images, load_task
from deem.ensembles import BetaSweep, DeepEnsembleClassifier, DeepEnsembleRegressor, _seed_cells
from deem.utils.exception import ArgumentError, NonFiniteError

BETAS = (0.0, 0.5, 1.0)
SEEDS = (4, 1)
COLUMNS = ["seed", "beta", "split", "selection", "epoch", "metric", "value"]
LOSSES = {"loss", "individual_loss", "ensemble_loss", "diversity"}
DROPS = {f"drop_{share}" for share in ("quarter", "half", "three_quarters")}


def wine(seed, n_validation=30):
    return load_task("wine", seed, n_train=60, n_validation=n_validation, n_test=40)


def small(**settings):
    given = {"learner_params": {"hidden": (8,)}, "epochs": 3, "batch_size": 20, **settings}
    return DeepEnsembleClassifier(3, device="cpu", **{"learning_rate": 0.02, **given})


@pytest.fixture(scope="module")
def result():
    return BetaSweep(small(), BETAS, SEEDS).run(wine)


@pytest.fixture
def trained(monkeypatch):
    """Betas of each training."""
    found, real = [], _seed_cells.train_cells

    def counting(*args, **settings):
        found.append(settings["beta"])
        return real(*args, **settings)

    monkeypatch.setattr(_seed_cells, "train_cells", counting)
    return found


def numbers(result):
    return np.array([row["value"] for row in result.rows])


def same(found, expected, **tolerance):
    """Rows are those of another result, values up to rounding."""
    keys = [{k: v for k, v in row.items() if k != "value"} for row in found.rows]
    assert keys == [{k: v for k, v in row.items() if k != "value"} for row in expected.rows]
    tolerance = tolerance or {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(numbers(found), numbers(expected), **tolerance)


def test_rows_are_complete_and_tidy(result):
    assert [(cell.seed, cell.beta) for cell in result.cells] == list(product(SEEDS, BETAS))
    assert all(list(row) == COLUMNS for row in result.rows)
    keys = [tuple(row.values())[:-1] for row in result.rows]
    assert len(set(keys)) == len(keys)
    assert np.isfinite(numbers(result)).all()
    everywhere = LOSSES | {"accuracy", "individual_accuracy"}
    of_test = everywhere | {
        *_seed_cells._DIAGNOSED,
        *(f"{d}_{x}" for d in DROPS for x in _CHANGED),
    }
    for split, selection in product(("train", "validation", "test"), ("last", "best")):
        expected = of_test if split == "test" else everywhere
        assert set(result.metrics(split, selection)) == expected
    assert len(keys) == 6 * 2 * (2 * len(everywhere) + len(of_test))
    assert {row["epoch"] for row in result.rows if row["selection"] == "last"} == {3}


_CHANGED = ("loss", "accuracy")


@pytest.mark.parametrize("selection", ["last", "best"])
def test_cells_are_the_ensembles_that_an_estimator_fits(result, selection):
    seed, beta, data = 4, 0.5, wine(4)
    stops = {"early_stopping": selection == "best", "patience": 9}
    alone = small(beta=beta, random_state=seed, **stops)
    held_out = (data.validation.data.numpy(), data.validation.targets.numpy())
    alone.fit(data.train.data.numpy(), data.train.targets.numpy(), eval_set=held_out)
    X, y = data.test.data.numpy(), data.test.targets.numpy()
    cell = result[seed, beta]
    assert torch.equal(cell.targets, data.test.targets)
    expected = alone.predict_learners(X, "score").transpose(0, 2, 1)
    np.testing.assert_allclose(cell.scores[selection], expected, rtol=1e-4, atol=1e-5)
    report = alone.diagnose(X, y).to_dict()
    found = {
        row["metric"]: row["value"]
        for row in cell.rows
        if (row["split"], row["selection"]) == ("test", selection)
    }
    for name in (
        "accuracy",
        "diversity",
        "ensemble_loss",
        "individual_loss",
        *_seed_cells._DIAGNOSED,
    ):
        assert found[name] == pytest.approx(report[name], rel=1e-4, abs=1e-5), name
    assert found["drop_half_loss"] == pytest.approx(report["drop_curve"][1]["loss_increase"], 1e-3)
    assert found["loss"] == pytest.approx(
        3 * (report["individual_loss"] - beta * report["diversity"]), rel=1e-4
    )
    np.testing.assert_allclose(cell.history["train_loss"], alone.history_["train_loss"], 1e-4)
    epochs = {row["epoch"] for row in cell.rows if row["selection"] == selection}
    assert epochs == {alone.best_epoch_ if selection == "best" else 3}


def test_a_cell_does_not_depend_on_the_list_it_is_in(result):
    alone = BetaSweep(small(), [1], [1]).run(wine)
    expected = type(result)([result[1, 1.0]])
    same(alone, expected)
    other = BetaSweep(small(), [0.9], [1]).run(wine)
    assert abs(numbers(other) - numbers(expected)).max() > 0.01


def test_betas_and_seeds_of_all_kinds(tmp_path):
    betas = (beta for beta in [np.float32(0.5), -0.0, 1, np.int64(1), 0])
    found = BetaSweep(small(epochs=1), betas, np.array([3, 3, 2]))
    assert (found.betas, found.seeds) == ([0.0, 0.5, 1.0], [3, 2])
    assert str(found.betas[0]) == "0.0"
    assert BetaSweep(seeds=np.int64(2)).seeds == [0, 1]
    BetaSweep(small(epochs=1), [0], [np.int64(2)]).run(wine, tmp_path / "a").save(tmp_path / "b")


def test_without_validation_there_is_no_best(result):
    found = BetaSweep(small(early_stopping=True), [0.5], [4])
    found = found.run(partial(wine, n_validation=0))
    assert {row["selection"] for row in found.rows} == {"last"}
    assert {row["split"] for row in found.rows} == {"train", "test"}
    with pytest.raises(ArgumentError, match="selection='best' is unknown; choose one of: last"):
        found.values(selection="best")


def test_early_stopping_stops_every_cell_by_itself():
    estimator = small(early_stopping=True, patience=1, epochs=30, learning_rate=0.3)
    found = BetaSweep(estimator, (0.0, 1.0), [1]).run(wine)
    for cell in found.cells:
        alone = BetaSweep(estimator, [cell.beta], [1]).run(wine).cells[0]
        assert cell.history.n_epochs == alone.history.n_epochs < 30
        best = {row["epoch"] for row in cell.rows if row["selection"] == "best"}
        assert best == {cell.history.n_epochs - 1}


def test_regressions_are_measured_by_squared_errors(close):
    data = load_task("friedman", 0, n_train=80, n_validation=20, n_test=50)
    estimator = DeepEnsembleRegressor(3, learner_params={"hidden": (8,)}, epochs=2, device="cpu")
    found = BetaSweep(estimator, (0.0, 1.0), 1).run(data)
    drops = {f"{drop}_loss" for drop in DROPS}
    explained = {"debiased_drop", "collusion_index", "error_correlation"}
    assert set(found.metrics()) == LOSSES | drops | explained
    for cell in found.cells:
        scores, y = cell.scores["last"].double(), data.test.targets
        mean = scores.mean(1)
        ensemble = (mean - y).square().sum(-1).mean()
        diversity = (scores - mean.unsqueeze(1)).square().sum(-1).mean()
        row = {m: found.values(m)[0, int(cell.beta)] for m in found.metrics()}
        close(row["ensemble_loss"], ensemble)
        close(row["diversity"], diversity)
        close(row["individual_loss"], ensemble + diversity)
        close(row["loss"], 3 * (ensemble + (1 - cell.beta) * diversity))
        # Two of three learners stay: DIV (M - K) / (K (M - 1)).
        close(row["drop_quarter_loss"], diversity / 4)
    assert BetaSweep(betas=[0], seeds=1)._estimator(data).__class__ is DeepEnsembleRegressor
    assert BetaSweep(betas=[0], seeds=1)._estimator(wine(0)).__class__ is DeepEnsembleClassifier


class Drawing(nn.Module):
    """Drops units where no layer shows it."""

    def __init__(self, shape, n_outputs):
        super().__init__()
        self.first, self.last = nn.Linear(*shape, 8), nn.Linear(8, n_outputs)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return self.last(nn.functional.dropout(x, 0.5, self.training))


class Quiet(Drawing):
    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


def plateau(optimizer):
    # What knows Adam alone must not meet another optimizer.
    assert optimizer.param_groups[0]["betas"]
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)


@pytest.mark.parametrize(
    ("settings", "is_apart"),
    [
        ({"learner_params": {"hidden": (8,), "dropout": 0.5}}, True),
        ({"learner": ["mlp"] * 3}, True),
        ({"learner": Drawing, "learner_params": None}, True),
        ({"scheduler": plateau}, True),
        ({"optimizer": torch.optim.RMSprop}, True),
        ({"learner": Quiet, "learner_params": None}, False),
        ({"scheduler": partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)}, False),
        ({"learner_dropout": 0.5, "bootstrap": True, "scheduler": "lookahead"}, False),
    ],
)
def test_what_acts_on_cells_beside_it_is_trained_apart(trained, settings, is_apart):
    estimator = small(**{"epochs": 2, **settings})
    both = BetaSweep(estimator, (0.0, 1.0), [1]).run(wine)
    assert trained == ([[0.0], [1.0]] if is_apart else [[0.0, 1.0]])
    alone = BetaSweep(estimator, [1.0], [1]).run(wine)
    same(alone, type(both)([both[1, 1.0]]))


def streamed(seed):
    data = wine(seed)
    parts = {
        name: TensorDataset(part.data, part.targets)
        for name, part in vars(data).items()
        if isinstance(part, Dataset)
    }
    return Splits(classes=data.classes, name="wine", **parts)


def test_data_read_in_batches_give_what_those_in_memory_give(trained):
    found = BetaSweep(small(), (0.0, 1.0), [4]).run(streamed)
    assert trained == [[0.0], [1.0]]
    same(found, BetaSweep(small(), (0.0, 1.0), [4]).run(wine))


def test_folders_of_images_end_to_end(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, kind in product(("train", "val", "test"), (0, 1)):
        folder = tmp_path / part / f"kind{kind}"
        folder.mkdir(parents=True)
        for number in range(6):
            pixels = (rng.integers(0, 60, (16, 16, 3)) + 190 * kind).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    data = load_images("folder", tmp_path, size=8, random_crop=True)
    estimator = DeepEnsembleClassifier(2, "cnn", epochs=6, batch_size=6, device="cpu")
    estimator.set_params(learning_rate=0.02, learner_params={"channels": (4,)})
    found = BetaSweep(estimator, (0.0, 1.0), [0]).run(data, tmp_path / "out")
    assert found.values().tolist() == [[1.0, 1.0]]
    again = BetaSweep(estimator, (0.0, 1.0), [0]).run(data, tmp_path / "out")
    assert again.rows == found.rows


def test_seeds_may_have_parts_of_other_sizes_and_lack_classes():
    def uneven(seed):
        data = wine(seed)
        keep = data.train.targets != 2 if seed else torch.arange(60) < 50
        train = Dataset(data.train.data[keep], data.train.targets[keep])
        return Splits(train, data.validation, data.test, data.classes)

    found = BetaSweep(small(), [0.5], 2).run(uneven)
    for seed in (0, 1):
        alone = BetaSweep(small(), [0.5], [seed]).run(uneven(seed))
        assert found[seed, 0.5].rows == alone.cells[0].rows
        assert found[seed, 0.5].scores["last"].shape == (40, 3, 3)


def test_classes_weigh_by_their_codes():
    found = BetaSweep(small(class_weight={0: 1.0, 1: 1.0, 2: 0.0}), [0.0], [1]).run(wine)
    labels = found[1, 0.0].scores["last"].mean(1).argmax(-1)
    assert not (labels == 2).any()


def test_training_that_diverges_names_seed_and_beta():
    estimator = small(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(NonFiniteError, match="seed=4, beta=0: "):
        BetaSweep(estimator, (0.0, 1.0), [4]).run(wine)


def test_a_beta_that_diverges_does_not_end_the_others(monkeypatch, tmp_path, result):
    real = _seed_cells.train_cells

    def diverging(*args, **settings):
        if 1.0 in settings["beta"]:
            raise NonFiniteError("NaN appeared.")
        return real(*args, **settings)

    monkeypatch.setattr(_seed_cells, "train_cells", diverging)
    seed, others = SEEDS[0], [beta for beta in BETAS if beta != 1.0]
    with pytest.raises(NonFiniteError, match=f"seed={seed}, beta=1: NaN appeared"):
        BetaSweep(small(), BETAS, [seed]).run(wine, tmp_path)
    found = sorted(path.name for path in tmp_path.glob("*seed=*"))
    assert found == sorted(f"seed={seed},beta={beta!r}.cell" for beta in others)
    assert _seed_cells.Cell.load(tmp_path / found[0]).rows[0]["value"] == pytest.approx(
        result.rows[0]["value"]
    )


class Endless(TorchDataset):
    def __getitem__(self, index):
        raise AssertionError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"betas": 0.5}, r"betas=0\.5; expected numbers"),
        ({"betas": ["half"]}, "betas=.*half"),
        ({"betas": [0, float("nan")]}, r"nan.*in \[0, 1\]"),
        ({"betas": [1.1]}, r"betas=\[1\.1\]"),
        ({"betas": []}, "at least one number"),
        ({"seeds": 0}, "at least one"),
        ({"seeds": 2.5}, r"seeds=2\.5; expected a number of seeds"),
        ({"seeds": [0, -1]}, "seed=-1"),
        ({"seeds": [0, 1.0]}, r"seed=1\.0"),
        ({"estimator": DeepEnsembleClassifier}, "estimator=<class"),
    ],
)
def test_arguments_that_make_no_sweep(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        BetaSweep(**arguments)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ((1, 2), "splits gives a tuple"),
        (lambda seed: None, "splits gives a NoneType"),
        (
            lambda seed: Splits(wine(0).train, None, Endless(), (0, 1, 2), "x"),
            "no samples in test",
        ),
        (lambda seed: Splits(Dataset([[0.0]]).take(torch.arange(0)), None, None), "train has no"),
        (load_task("friedman"), "has no classes"),
    ],
)
def test_data_that_make_no_sweep(splits, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        BetaSweep(small(), [0], 1).run(splits, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_checkpoints_are_at_least_an_epoch_apart(tmp_path):
    with pytest.raises(ArgumentError, match="checkpoint_every=0"):
        BetaSweep(small(), [0], 1).run(wine, tmp_path / "new", checkpoint_every=0)
    assert not (tmp_path / "new").exists()


def test_data_of_a_seed_are_read_once(tmp_path):
    read = []

    def counted(seed):
        read.append(seed)
        return wine(seed)

    sweep = BetaSweep(small(), (0.0, 1.0), [4, 1])
    sweep.run(counted, tmp_path)
    assert read == [4, 1]
    sweep.run(counted, tmp_path)
    assert read == [4, 1, 4, 1]
