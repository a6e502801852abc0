"""Choosing thresholds on some families of sets for another one."""

from itertools import product

import numpy as np
import pytest
from common import VoteFile
from families import (
    GRID,
    NEAR,
    Evidence,
    gather,
    grid,
    leave_one_family_out,
    middle_of_best,
    outcomes,
    rows,
)
from made import vote_file

from deem import DEEM
from deem.selection.rule import Score, Thresholds


def scored(name, family, loss, plain, simple):
    """A set on which one weight a classifier loses so many nats a vote, and what it gives."""
    common = {"meaning": "", "information": 0.0, "information_error": 0.0, "same": 1.0}
    scores = {
        "inverse_rbm": Score("inverse_rbm", agreement=0.7, log_score=0.0, **common),
        "one_coin": Score("one_coin", agreement=0.7, log_score=-loss, held_out=0.0, **common),
    }
    return Evidence(name, family, scores, 0.7, {"inverse_rbm": plain, "one_coin": simple})


@pytest.fixture
def sets():
    """Two families for which a loss of 0.012 nats is little, and one for which it is much."""
    return [
        scored("a1", "a", 0.012, 80.0, 90.0),
        scored("a2", "a", 0.05, 80.0, 70.0),
        scored("b1", "b", 0.012, 60.0, 62.0),
        scored("c1", "c", 0.012, 75.0, 70.0),
        Evidence("c2", "c", {}, np.nan, {"inverse_rbm": 50.0}),
    ]


def test_the_grid_is_whole_and_has_the_thresholds_of_the_library():
    assert len(grid()) == np.prod([len(values) for values in GRID.values()])
    assert Thresholds() in grid()


def test_outcomes_are_those_of_the_rule(sets):
    table = outcomes(sets)
    for setting, row in zip(grid(), table, strict=True):
        takes_one_weight = setting.loss >= 0.012
        assert row.tolist() == (
            [90.0, 80.0, 62.0, 70.0, 50.0] if takes_one_weight else [80.0, 80.0, 60.0, 75.0, 50.0]
        )


def test_the_middle_of_a_plateau_is_taken():
    # Best where loss is 0.015 to 0.025 and agreement at most 0.001, within `NEAR`.
    settings = grid()
    on_it = [0.015 <= s.loss <= 0.025 and s.agreement <= 0.001 for s in settings]
    means = np.where(on_it, 80.0, 79.0)
    means[np.flatnonzero(on_it)[0]] += NEAR / 2
    middle = settings[middle_of_best(means)]
    assert middle == Thresholds(agreement=0.0005, loss=0.02)
    # One that is better by more than `NEAR` stands alone.
    means[7] = 80.0 + 2 * NEAR
    assert middle_of_best(means) == 7


def test_a_family_is_decided_by_the_others_alone(sets):
    found = leave_one_family_out(sets)
    accuracies = {name: values.tolist() for name, values in found["accuracies"].items()}
    assert accuracies["full"] == [90.0, 80.0, 62.0, 70.0, 50.0]
    assert accuracies["refit"] == accuracies["full"]
    # Without a, the 5 points of c outweigh the 2 of b; without b or c, the 10 of a decide.
    assert accuracies["left_out"] == [80.0, 80.0, 62.0, 70.0, 50.0]
    assert accuracies["plain"] == [80.0, 80.0, 60.0, 75.0, 50.0]
    assert accuracies["best"] == [90.0, 80.0, 62.0, 75.0, 50.0]
    assert found["thresholds"]["a"].loss < 0.012 <= found["thresholds"]["c"].loss


def test_the_left_out_family_has_no_influence_on_its_own_thresholds(sets):
    before = leave_one_family_out(sets)["thresholds"]
    for values in product((10.0, 99.0), repeat=2):
        sets[0].accuracies = dict(zip(("inverse_rbm", "one_coin"), values, strict=True))
        assert leave_one_family_out(sets)["thresholds"]["a"] == before["a"]


def test_rows_are_means_by_family_and_over_all(sets):
    found = rows(sets, leave_one_family_out(sets), {"a1", "c1"})
    assert list(found) == ["a", "b", "c", "the 2 sets", "all sets"]
    assert found["a"]["full"] == pytest.approx(85)
    assert found["the 2 sets"] == pytest.approx(
        {"full": 80, "refit": 80, "left_out": 75, "plain": 77.5, "best": 82.5, "sets": 2}
    )
    assert found["all sets"]["sets"] == 5


@pytest.mark.filterwarnings("ignore::deem.utils.exception.EmptySampleWarning")
def test_evidence_is_that_of_the_library(tmp_path):
    file = VoteFile(vote_file(tmp_path))
    found = gather(file)
    model = DEEM(n_classes=3, random_state=0).fit(file.votes)
    candidates = {row["name"]: row for row in model.selection_["candidates"]}
    assert found.scores.keys() == candidates.keys() == found.accuracies.keys()
    assert found.scores["one_coin"].log_score == candidates["one_coin"]["log_score"]
    assert found.vote_agreement == model.selection_["vote_agreement"]
    assert found.accuracy(Thresholds()) == file.accuracy(model.labels_)
