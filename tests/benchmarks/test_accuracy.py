"""The parts of the accuracy benchmark that measure, keep and collect."""

import numpy as np
import pytest
from accuracy import Store, collect, family_of, figures, measure, measure_here
from common import VoteFile, _reason
from made import vote_file
from methods import MANY_CLASSES, vote
from summary import MODELS


def test_figures_are_those_that_can_be_had(tmp_path):
    file = VoteFile(vote_file(tmp_path))
    shares = vote(file.votes, 0).probas
    by_labels = figures(file, shares.argmax(1), None)
    assert by_labels.keys() == {"accuracy"}
    whole = figures(file, None, shares, np.full(6, 0.5))
    assert whole.keys() - by_labels.keys() == {
        "brier",
        "log_loss",
        "calibration_error",
        "skill_error",
    }
    assert whole["skill_error"] == pytest.approx(0.6 + 0.4 / 3 - 0.5, abs=0.05)


def test_cells_are_kept_by_set_and_version(tmp_path):
    store, key = Store(tmp_path / "cells"), {"file": 1, "version": "x 1"}
    assert not store.holds("mace", "a", key)
    store.write("mace", "a", {**key, "accuracy": 50.0})
    store.write("mace", "b", {**key, "failed": "time"})
    assert store.holds("mace", "a", key)
    assert store.holds("mace", "b", key)
    assert not store.holds("mace", "a", {**key, "version": "x 2"})
    assert not store.holds("mace", "a", {**key, "file": 2})
    assert not store.holds("glad", "a", key)


@pytest.mark.filterwarnings("ignore::deem.utils.exception.EmptySampleWarning")
def test_a_file_is_measured_and_collected(tmp_path):
    store = Store(tmp_path / "cells")
    methods = ["vote", "dawid_skene", "deem"]
    facts = measure(vote_file(tmp_path), methods, store, refresh=False)
    assert facts["family"] == "crowd"
    assert (facts["items"], facts["classifiers"], facts["known"]) == (300, 6, 299)
    unmeasured = {**facts, "reference": False}
    results = collect({"crowd-made": facts, "other": unmeasured}, store)
    assert results["sets"].keys() == {"crowd-made"}
    assert list(results["cells"]) == methods
    cell = results["cells"]["deem"]["crowd-made"]
    assert len(cell["seeds"]) == 3
    assert cell["chosen"] in (*MODELS, "inverse_rbm")
    assert "chosen" not in results["cells"]["vote"]["crowd-made"]
    assert results["limits"]["many_classes"] == MANY_CLASSES
    assert cell["accuracy"] > 90
    assert "file" not in cell


@pytest.mark.filterwarnings("ignore::deem.utils.exception.EmptySampleWarning")
def test_what_takes_minutes_is_not_run(tmp_path):
    file = VoteFile(vote_file(tmp_path))
    assert "accuracy" in measure_here(file, "context")
    file.n_classes = MANY_CLASSES + 1
    assert measure_here(file, "context") == {"failed": "not run"}
    assert "accuracy" in measure_here(file, "one_coin")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("crowd-web", "crowd"),
        ("paper-dataset_isolet_rf", "random forests"),
        ("tabrepo-volcanoes-b5", "volcanoes"),
        ("tabrepo-splice", "tabular models"),
        ("rbm-hs3_test", "simulated"),
        ("paper-condInd3K_old", "simulated"),
        ("paper-cardinality_exp3", "simulated"),
        ("paper-csgo", "experts"),
    ],
)
def test_the_first_pattern_gives_the_family(name, family):
    assert family_of(name) == family


@pytest.mark.parametrize(
    ("code", "stderr", "reason"),
    [
        (-24, "", "time"),
        (1, "Traceback\nnumpy.exceptions._ArrayMemoryError: Unable to allocate 1 GiB", "memory"),
        (1, "Traceback\nValueError: bad", "ValueError: bad"),
        (-9, "FutureWarning: a habit", "SIGKILL"),
        (3, "", "exit code 3"),
    ],
)
def test_why_a_process_failed(code, stderr, reason):
    assert _reason(code, stderr) == reason
