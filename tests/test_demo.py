"""The demonstration: what it shows and what it leaves behind."""

import io

import numpy as np
import pytest
from rich.console import Console

import deem
from deem.cli.inputs import read_truth_file, read_votes_file
from deem.cli.tables import read_table
from deem.datasets import digits_votes
from deem.demo import run_demo

FILES = {
    *("votes.csv", "truth.csv", "labels.csv", "probabilities.csv", "skills.csv"),
    *("model.deem", "history.json", "report.json"),
    *("convergence.png", "confusions.png", "skills.png", "dependence.png"),
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    console = Console(file=io.StringIO(), width=80)
    model = run_demo(folder, 0, console)
    return folder, model, console.file.getvalue()


def test_it_beats_the_vote_and_the_best_classifier(shown):
    _, model, text = shown
    truth = digits_votes(0).truth
    assert np.mean(model.labels_ == truth) > 0.92
    lines = [line for line in text.splitlines() if " % " in line and line.startswith("  ")]
    table = {line.split("  ")[1]: line.split() for line in lines}
    accuracy = {name: float(cells[cells.index("%") - 1]) for name, cells in table.items()}
    assert accuracy["DEEM"] == pytest.approx(100 * np.mean(model.labels_ == truth), abs=0.06)
    assert accuracy["DEEM"] > accuracy["best classifier: SVM, 80 samples"]
    assert accuracy["DEEM"] > accuracy["majority vote"] + 5


def test_it_tells_the_model_and_the_dependence(shown):
    _, model, text = shown
    assert f"Model: {model.selection_['chosen']} (" in text
    assert "12 classifiers count as" in text
    assert f"{100 * model.skills_.max():.1f} ± " in text


def test_the_text_fits_80_columns(shown):
    assert max(map(len, shown[2].splitlines())) <= 80


def test_it_writes_what_it_lists(shown):
    folder, _, text = shown
    assert {path.name for path in folder.iterdir()} == FILES
    assert all(name in text for name in FILES)
    for name in (name for name in FILES if name.endswith(".png")):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_its_files_are_inputs_of_the_other_commands(shown):
    folder, model, _ = shown
    data, votes = digits_votes(0), read_votes_file(folder / "votes.csv")
    assert votes.classifiers.tolist() == list(data.classifiers)
    np.testing.assert_array_equal(votes.to_dense(), data.votes)
    rows, truth = read_truth_file(folder / "truth.csv", votes)
    np.testing.assert_array_equal(rows, np.arange(len(data.truth)))
    np.testing.assert_array_equal(truth, data.truth)
    loaded = deem.load(folder / "model.deem")
    np.testing.assert_array_equal(loaded.predict(votes), model.labels_)
    table = read_table(folder / "labels.csv")
    assert table["label"].tolist() == [str(label) for label in model.labels_]
    confidence = table["confidence"].astype(float)
    np.testing.assert_array_equal(confidence, model.probas_.max(axis=1))
