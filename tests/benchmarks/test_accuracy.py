"""The parts of the accuracy benchmark that measure, keep and collect."""

from fnmatch import fnmatch

import numpy as np
import pytest
from accuracy import FAMILIES, Store, collect, dawid_skene, figures, measure, vote
from common import VoteFile, _reason
from plain_em import make_votes, plain_em

from deem.core.reading import read_votes


@pytest.fixture
def path(tmp_path):
    """A vote file of 300 items, of which the last has no votes and the first no known truth."""
    votes, truth = make_votes(300, 6, 3)
    votes[-1], truth[0] = -1, -1
    item, worker = np.nonzero(votes >= 0)
    label = votes[item, worker]
    sizes = {"n_items": 300, "n_workers": 6, "n_classes": 3}
    target = tmp_path / "crowd-made.npz"
    np.savez(target, item=item, worker=worker, label=label, gold=truth, **sizes)
    return target


def test_dawid_skene_is_the_yardstick():
    votes, _ = make_votes(500, 6, 3)
    # It starts from the shares of all votes and we from the majority; both end in one place.
    expected, _ = plain_em(votes, 3, 200)
    probas, skills = dawid_skene(read_votes(votes), 0, n_passes=200)
    np.testing.assert_allclose(probas, expected, atol=1e-3)
    # Right with 0.6, and with a third of the guesses.
    np.testing.assert_allclose(skills, 0.6 + 0.4 / 3, atol=0.06)


def test_the_vote_shares_what_is_tied():
    votes = read_votes([[0, 0, 1], [2, 1, -1], [-1, -1, -1]], n_classes=3)
    expected = [[2 / 3, 1 / 3, 0], [0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(vote(votes, 0), expected)


def test_figures_are_those_that_can_be_had(path):
    file = VoteFile(path)
    shares = vote(file.votes, 0)
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
def test_a_file_is_measured_and_collected(path, tmp_path):
    store = Store(tmp_path / "cells")
    methods = ["vote", "dawid_skene", "deem"]
    facts = measure(path, methods, store, refresh=False)
    assert facts["family"] == "crowd"
    assert (facts["items"], facts["classifiers"], facts["known"]) == (300, 6, 299)
    unmeasured = {**facts, "reference": False}
    results = collect({"crowd-made": facts, "other": unmeasured}, store)
    assert results["sets"].keys() == {"crowd-made"}
    assert list(results["cells"]) == methods
    cell = results["cells"]["deem"]["crowd-made"]
    assert len(cell["seeds"]) == 3
    assert cell["accuracy"] > 90
    assert "file" not in cell


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("crowd-web", "crowd"),
        ("paper-dataset_isolet_rf", "rf"),
        ("tabrepo-volcanoes-b5", "volcanoes"),
        ("tabrepo-splice", "tabrepo"),
        ("rbm-hs3_test", "rbm"),
        ("paper-csgo", "other"),
    ],
)
def test_the_first_pattern_gives_the_family(name, family):
    assert next(f for pattern, f in FAMILIES.items() if fnmatch(name, pattern)) == family


@pytest.mark.parametrize(
    ("code", "stderr", "reason"),
    [
        (-24, "", "time"),
        (1, "Traceback\nnumpy.exceptions._ArrayMemoryError: Unable to allocate 1 GiB", "memory"),
        (1, "Traceback\nValueError: bad", "ValueError: bad"),
        (-9, "", "exit code -9"),
    ],
)
def test_why_a_process_failed(code, stderr, reason):
    assert _reason(code, stderr) == reason
