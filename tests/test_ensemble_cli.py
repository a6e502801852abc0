"""The commands on ensembles: folders that can be gone on with, and one line for every failure."""

import csv
import inspect
import json

import numpy as np
import pytest
import torch
from scipy.io import savemat
from typer.testing import CliRunner

from deem.cli import ensemble_work
from deem.cli.commands import app
from deem.cli.ensemble_data import Source, augmentation, check_data
from deem.core.optimizers import OPTIMIZERS, SCHEDULERS
from deem.datasets import load_images, load_task
from deem.datasets.images.layouts import IMAGE_LAYOUTS
from deem.datasets.tasks import TASKS
from deem.ensembles import DeepEnsembleClassifier
from deem.ensembles.config import EnsembleConfig
from deem.ensembles.consensus import AGGREGATORS
from deem.ensembles.joint import MONITORS
from deem.ensembles.learners import LEARNERS
from deem.ensembles.results import Cell, SweepResult
from deem.ensembles.schedules import SCHEDULES
from deem.ensembles.sweep import BetaSweep
from deem.utils.exception import ArgumentError, UnusedParameterWarning

TINY = "data=wine n_train=60 n_learners=3 epochs=3 betas=[0,1] seeds=2 learner_params.hidden=[8]"


def run(*args):
    """Exit code, standard output and standard error of a command on ensembles."""
    mixes = "mix_stderr" in inspect.signature(CliRunner.__init__).parameters
    runner = CliRunner(**({"mix_stderr": False} if mixes else {}), env={"COLUMNS": "80"})
    result = runner.invoke(app, ["ensemble", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def sets(words):
    return [part for word in words.split() for part in ("--set", word)]


def written(folder):
    """When each cell of a folder was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.cell")}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Folder of a tiny sweep, and what was shown."""
    out = tmp_path_factory.mktemp("out")
    code, shown, errors = run("sweep", *sets(TINY), "--out", out)
    assert (code, errors) == (0, "")
    return out / "sweep_wine_mlp", shown


@pytest.fixture
def no_pictures(monkeypatch):
    """Sweeps are not drawn, which takes longer than to train them."""
    monkeypatch.setattr(ensemble_work, "draw_sweep", lambda result, folder: [])


def test_a_sweep_is_that_of_the_library(swept):
    folder, shown = swept
    names = {path.name for path in folder.iterdir() if path.suffix != ".cell"}
    assert names == {
        *("config.json", "rows.csv", "sweep.json"),
        *("accuracy.png", "diversity.png", "collusion.png", "training.png"),
    }
    estimator = DeepEnsembleClassifier(3, epochs=3, learner_params={"hidden": [8]})
    expected = BetaSweep(estimator, betas=[0, 1], seeds=2).run(
        lambda seed: load_task("wine", seed, n_train=60)
    )
    found = SweepResult.load(folder)
    np.testing.assert_array_equal(found.values(), expected.values())
    np.testing.assert_allclose(found.values("diversity"), expected.values("diversity"))
    (difference,) = expected.paired()
    mean, sem = 100 * difference["mean"], 100 * difference["sem"]
    assert f"{mean:+.2f} ± {sem:.2f}" in shown
    assert f"{100 * expected.values()[:, 1].mean():.1f} %" in shown
    assert "60 training, 35 validation, 83 test samples" in " ".join(shown.split())


def test_a_rerun_trains_what_is_left_and_the_folder_repeats_it(swept, tmp_path, no_pictures):
    folder, shown = swept
    before = written(folder)
    words = [*sets(TINY), "--out", folder.parent]
    code, again, _ = run("sweep", *words)
    assert (code, again.partition("Written")[0]) == (0, shown.partition("Written")[0])
    assert written(folder) == before
    code, _, errors = run("sweep", *words, *sets("betas=[0.5] seeds=[1]"))
    assert (code, errors) == (0, "")
    after = written(folder)
    assert set(after) - set(before) == {"seed=1,beta=0.5.cell"}
    assert {name: after[name] for name in before} == before
    config = EnsembleConfig.load(folder / "config.json")
    assert (config.betas, config.seed_list, config.n_train) == ((0.0, 0.5, 1.0), [0, 1], 60)
    code, _, _ = run("sweep", "--config", folder / "config.json", "--tag", "b", "--out", tmp_path)
    again = SweepResult.load(tmp_path / "b")
    assert (code, again.betas) == (0, [0, 0.5, 1])
    values = SweepResult.load(folder).values()
    np.testing.assert_array_equal(again.values()[np.isfinite(values)], values[np.isfinite(values)])


def test_an_interrupted_sweep_goes_on(swept, tmp_path, monkeypatch, no_pictures):
    save = Cell.save

    def interrupted(self, folder):
        if self.seed == 1:
            raise KeyboardInterrupt
        save(self, folder)

    words = ["sweep", *sets(TINY), "--tag", "mine", "--out", tmp_path]
    with monkeypatch.context() as patched:
        patched.setattr(Cell, "save", interrupted)
        assert run(*words)[0] == 130
    assert EnsembleConfig.load(tmp_path / "mine" / "config.json").seeds == 2
    first = written(tmp_path)
    assert set(first) == {"seed=0,beta=0.0.cell", "seed=0,beta=1.0.cell"}
    assert run(*words)[0] == 0
    assert first.items() <= written(tmp_path).items()
    found = SweepResult.load(tmp_path / "mine").values("diversity", split="train")
    expected = SweepResult.load(swept[0]).values("diversity", split="train")
    np.testing.assert_allclose(found, expected[:, [0, -1]])


def test_consensus_takes_the_sweep_that_is_there(swept):
    folder, _ = swept
    before = written(folder)
    extra = ["aggregators=[majority vote,score mean,DEEM soft]", "n_dropped=[0,1]"]
    words = [part for setting in extra for part in ("--set", setting)]
    code, shown, _ = run("consensus", *sets(TINY), *words, "--out", folder.parent)
    assert (code, written(folder)) == (0, before)
    with (folder / "consensus.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["n_learners"] == "3"]
    found = {
        (int(r["seed"]), float(r["beta"])): float(r["accuracy"])
        for r in rows
        if r["method"] == "score mean"
    }
    result = SweepResult.load(folder)
    for (seed, beta), accuracy in found.items():
        place = result.seeds.index(seed), result.betas.index(beta)
        assert accuracy == pytest.approx(result.values()[place])
    assert len(found) == 4
    assert all(word in shown for word in ("DEEM soft", "with 3 learners", "with 2 learners"))
    assert "Dawid-Skene" not in shown
    assert (folder / "consensus.png").is_file()


def test_diagnose_reports_on_independent_and_joint_learners(tmp_path):
    words = sets(TINY.replace("betas=[0,1] seeds=2", "beta=0.9"))
    code, shown, errors = run("diagnose", *words, "--out", tmp_path, "--tag", "d")
    assert (code, errors) == (0, "")
    reports = json.loads((tmp_path / "d" / "report.json").read_text())
    assert list(reports) == ["seed 0, β = 0", "seed 0, β = 0.9"]
    result = SweepResult.load(tmp_path / "d")
    for report, accuracy in zip(reports.values(), result.values()[0], strict=True):
        assert report["accuracy"] == pytest.approx(accuracy)
        assert f"{100 * accuracy:.1f} % of the samples" in " ".join(shown.split())
    pictures = {path.name for path in (tmp_path / "d").glob("*.png")}
    assert pictures == {"training.png", "dropped.png", "scores.png"}


def test_a_table_has_a_row_an_architecture(tmp_path):
    words = "n_train=60 n_test=100 n_learners=2 epochs=1 seeds=2 learners=[mlp,cnn] top_k=3"
    command = ["table", *sets(words), "--set", "label_noise=0", "--out", tmp_path]
    code, shown, errors = run(*command)
    assert (code, errors) == (0, "")
    folder = tmp_path / "table_digits_images"
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["learner"] for row in rows] == ["mlp", "cnn"]
    for row in rows:
        values = SweepResult.load(folder / row["learner"]).values()
        assert float(row["joint"]) == pytest.approx(values[:, 1].mean())
        assert f"{int(row['n_parameters']):,}" in shown
    before = written(tmp_path)
    assert run(*command)[:2] == (0, shown)
    assert written(tmp_path) == before


def test_a_regression_is_told_by_its_losses(tmp_path):
    words = "data=diabetes n_learners=2 epochs=2 seeds=1 betas=[0,1] class_weight=balanced"
    code, shown, errors = run("sweep", *sets(words), "--out", tmp_path)
    assert code == 0
    assert errors.startswith("deem: warning: class_weight set, but it is for classes")
    assert "loss" in shown
    assert "accuracy" not in shown
    assert (tmp_path / "sweep_diabetes_mlp" / "ensemble_loss.png").is_file()


def test_a_single_learner_is_no_ensemble_but_can_be_swept(tmp_path):
    words = "data=wine n_learners=1 epochs=1 seeds=1 betas=[0.5] n_validation=0"
    code, shown, errors = run("sweep", *sets(words), "--out", tmp_path, "--verbose")
    assert (code, "1 learners" in shown) == (0, True)
    assert "1/1" in errors
    assert not list(tmp_path.glob("*/collusion.png"))


def test_list_names_everything():
    code, shown, errors = run("list")
    assert (code, errors) == (0, "")
    names = [*TASKS, *IMAGE_LAYOUTS, *LEARNERS, *OPTIMIZERS, *SCHEDULERS, *SCHEDULES]
    words = shown.split()
    assert all(name in words for name in [*names, *MONITORS])
    assert all(name in shown for name in AGGREGATORS)


BAD = {
    "setting": ("sweep --set num_learners=3", "'num_learners' is unknown; use n_learners."),
    "value": ("sweep --set epochs=many", "epochs='many'; expected a whole number"),
    "assignment": ("sweep --set epochs", "write key=value"),
    "learner": ("sweep --set learner=magic", "learner='magic' is unknown; choose one of: mlp"),
    "shape": ("sweep --set learner=cnn", "cnn' takes images, but samples have shape (64,)"),
    "parameter": ("sweep --set learner_params.magic=3", "magic"),
    "learners": ("table --set learners=[mlp,magic]", "learners='magic'"),
    "optimizer": ("sweep --set optimizer=magic", "optimizer='magic' is unknown"),
    "scheduler": ("sweep --set scheduler=magic", "scheduler='magic' is unknown"),
    "data": ("sweep --set data=magic", "data='magic' is unknown; choose one of: digits"),
    "no folder": ("sweep --set data=cifar10", "pass data_dir, the folder of them"),
    "no layout": ("sweep --set data=cifar10 --set data_dir=.", "cifar"),
    "no images": ("sweep --set data=folder --set data_dir=nothere", "nothere"),
    "sizes": ("sweep --set data=folder --set data_dir=. --set n_train=3", "n_train is set, but"),
    "samples": ("sweep --set n_train=5000", "there are 1797"),
    "noise": ("sweep --set data=diabetes --set label_noise=0.1", "pass --set label_noise=0."),
    "augment": ("sweep --set augment=true", "augmentation is for images"),
    "device": ("sweep --set device=magic", "Pass --set device=auto."),
    "config": ("sweep --config no.toml", "no.toml: No such file"),
    "bad config": ("sweep --config bad.toml", "'bad.toml' is not TOML"),
    "tag": ("sweep --tag a/b", "tag='a/b'; expected a name"),
    "colon": ("sweep --tag a:b", "tag='a:b'"),
    "no tag": ("sweep --tag=", "tag=''"),
    "no out": ("sweep --out=", "'--out': it is empty"),
    "out is a file": ("sweep --out bad.toml", "Not a directory"),
    "other folder": ("sweep --out . --tag foreign", "exists and holds no sweep"),
    "no table": ("table --out . --tag foreign", "holds no table"),
    "regression": ("consensus --set data=diabetes", "is a regression; choose data with classes"),
    "table of values": ("table --set data=friedman", "is a regression"),
    "dropped": ("consensus --set n_dropped=[0,7]", "n_dropped=7 of 8 learners leaves less than"),
    "top_k": ("table --set top_k=11", "top_k=11, but there are 10 classes"),
    "validation": ("sweep --set n_validation=0 --set early_stopping=true", "needs validation"),
    "command": ("frobnicate", "No such command 'frobnicate'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_line_and_exit_code_2(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("epochs =")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "x").touch()
    words, message = BAD[case]
    code, shown, errors = run(*words.split())
    assert (code, shown, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("deem: error: ")
    assert message in errors
    # no failure leaves results behind
    assert {path.name for path in tmp_path.iterdir()} == {"bad.toml", "foreign"}


def test_a_folder_of_other_settings_is_named(swept):
    folder, _ = swept
    before = (folder / "config.json").read_text()
    words = [*sets(TINY.replace("epochs=3", "epochs=4")), "--out", folder.parent]
    code, _, errors = run("sweep", *words)
    assert (code, errors.count("\n")) == (2, 1)
    assert "holds results of other epochs (3); set what it has, or choose another --tag" in errors
    # without the settings, the sweep itself tells
    (folder / "config.json").unlink()
    code, _, errors = run("sweep", *words)
    assert (code, "epochs" in errors) == (2, True)
    (folder / "config.json").write_text(before)
    code, _, errors = run("table", *words, "--tag", folder.name, *sets("epochs=3 learners=[mlp]"))
    assert (code, "holds no table" in errors) == (2, True)


def test_settings_that_do_nothing_give_a_warning(swept, no_pictures):
    folder, _ = swept
    words = sets(TINY + " beta=0.5 top_k=2 momentum=0.5 data_dir=x")
    code, _, errors = run("sweep", *words, "--tag", "new", "--out", folder.parent)
    assert (code, errors.count("\n")) == (0, 3)
    for text in (
        "momentum set, but adam has none; choose sgd or rmsprop.",
        "beta, top_k set, but this command does not use it; leave it out.",
        "data_dir set, but not for data='wine'; leave it out.",
    ):
        assert f"deem: warning: {text}\n" in errors


@pytest.fixture(scope="module")
def svhn(tmp_path_factory):
    """Folder of a few images in the layout of SVHN."""
    folder, rng = tmp_path_factory.mktemp("svhn"), np.random.default_rng(0)
    for name, n in (("train", 200), ("test", 20)):
        pixels = rng.integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
        labels = np.tile(np.arange(1, 11), n // 10)[:, None]
        savemat(folder / f"{name}_32x32.mat", {"X": pixels, "y": labels})
    return folder


def test_images_in_memory_get_noise_and_shifts_but_no_mirror(svhn):
    config = EnsembleConfig("svhn", str(svhn), label_noise=0.4, augment=True, n_validation=50)
    check_data(config)
    splits, clean = Source(config)(1), load_images("svhn", svhn, random_state=1, n_validation=50)
    assert torch.equal(splits.train.data, clean.train.data)
    assert torch.equal(splits.test.targets, clean.test.targets)
    wrong = (splits.train.targets != clean.train.targets).double().mean()
    assert 0.25 < wrong < 0.55
    change = augmentation(config, splits)
    assert change.keywords == {"padding": 4, "flip": False}
    assert change(splits.train.data[:2], torch.Generator()).shape == (2, 3, 32, 32)
    plain = EnsembleConfig("svhn", str(svhn), n_validation=50)
    assert augmentation(plain, splits) is None
    assert torch.equal(Source(plain)(1).train.targets, clean.train.targets)


def test_settings_that_are_not_for_images_are_named(svhn):
    with pytest.warns(UnusedParameterWarning, match="standardise, n_workers set, but not for"):
        check_data(EnsembleConfig("svhn", str(svhn), standardise=False, n_workers=2))
    with pytest.raises(ArgumentError, match="label_noise is set, but not for data='folder'"):
        check_data(EnsembleConfig("folder", str(svhn), label_noise=0.1))


def test_standardise_is_a_choice():
    raw = Source(EnsembleConfig(standardise=False))(0).train.data
    assert (raw.min(), raw.max()) == (0, 1)
    assert Source(EnsembleConfig())(0).train.data.mean() == pytest.approx(0, abs=1e-3)
