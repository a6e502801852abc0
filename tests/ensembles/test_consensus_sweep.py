"""Consensus of learners whose votes are made by hand."""

import csv
import math

import numpy as np
import pytest
import torch

from deem.core.history import History
from deem.ensembles import Cell, ConsensusSweep, SweepResult
from deem.ensembles.consensus import AGGREGATORS
from deem.utils.exception import ArgumentError

# The estimators warn of classifiers as few and as odd as these.
pytestmark = pytest.mark.filterwarnings("ignore::deem.utils.exception.DeemWarning")

Y = [0, 0, 0, 1, 1, 1]
VOTES = [[0, 0, 0, 1, 1, 0], [1, 0, 0, 1, 0, 0], [1, 0, 1, 1, 0, 1]]
"""Labels by learner: right on 5, 3 and 3 of the samples, their vote on 3."""


def cell(labels, y, seed=0, beta=0.0, how="score", sharp=None, n_classes=2):
    """Scores that give labels (n_learners, n_samples), of certainty `sharp` for each learner."""
    labels = torch.as_tensor(np.stack(labels))
    scores = torch.nn.functional.one_hot(labels.T, n_classes).float()
    scores = scores * torch.tensor(sharp or [1.0] * len(labels))[:, None]
    selections = {"last": scores, "best": -scores}
    return Cell(seed, beta, [], History(), selections, torch.as_tensor(y), how)


def fused(*cells, **settings):
    settings.setdefault("aggregators", ["majority vote", "probability mean", "score mean"])
    return ConsensusSweep(**settings).run(SweepResult(list(cells)))


def accuracies(result):
    return {row["method"]: row["accuracy"] for row in result.rows}


def test_methods_against_numbers_by_hand():
    found = accuracies(fused(cell(VOTES, Y, sharp=[5.0, 2.0, 2.0])))
    assert list(found) == [
        *("mean individual", "best individual"),
        *("majority vote", "probability mean", "score mean"),
        *("any learner right", "error correlation"),
    ]
    assert found["mean individual"] == pytest.approx((5 + 3 + 3) / 18)
    assert found["best individual"] == pytest.approx(5 / 6)
    # The vote is 1 0 0 1 0 0.
    assert found["majority vote"] == pytest.approx(3 / 6)
    # The score of the first learner is more than that of both others together.
    assert found["score mean"] == pytest.approx(5 / 6)
    # Two probabilities of 1 / (1 + exp(-2)) = .88 are more than one of .99 and two of .12.
    assert found["probability mean"] == pytest.approx(3 / 6)
    assert found["any learner right"] == 1
    errors = np.array([[v != t for v, t in zip(row, Y, strict=True)] for row in VOTES], float)
    correlations = np.corrcoef(errors)
    assert found["error correlation"] == pytest.approx(
        (correlations[0, 1] + correlations[0, 2] + correlations[1, 2]) / 3
    )
    opposite = accuracies(fused(cell(VOTES, Y), selection="best"))
    assert opposite["majority vote"] == pytest.approx(3 / 6)
    assert opposite["best individual"] == pytest.approx(3 / 6)


def test_a_model_of_confusions_undoes_what_misleads_the_vote():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)

    def mostly(labels, share):
        return np.where(rng.random(600) < share, rng.integers(0, 3, 600), labels)

    # Three learners call the last class by the name of the one before it, which a vote believes.
    apart = [mostly(y, 0.2), mostly(y, 0.2)]
    merging = [mostly(np.minimum(y, 1), 0.2) for _ in range(3)]
    votes = cell(apart + merging, y, sharp=[9.0] * 5, n_classes=3)
    found = accuracies(fused(votes, aggregators=None))
    assert found["majority vote"] < 0.8
    for method in ("Dawid-Skene", "DEEM hard", "DEEM soft"):
        assert found[method] > found["majority vote"] + 0.08, method


def test_all_aggregators_agree_where_all_learners_are_right():
    y = np.arange(60) % 3
    found = accuracies(fused(cell([y] * 3, y, sharp=[9.0] * 3, n_classes=3), aggregators=None))
    assert found.pop("error correlation") == 0
    assert set(found) > set(AGGREGATORS)
    assert set(found.values()) == {1.0}


def test_aggregators_of_ones_own():
    seen = []

    def first(scores, seed):
        seen.append((tuple(scores.shape), scores.dtype, seed))
        return scores[:, 0].argmax(-1)

    found = fused(cell(VOTES, Y, seed=7), aggregators={"first": first, "zeros": _zeros})
    assert seen == [((6, 3, 2), torch.float64, 7)]
    assert accuracies(found)["first"] == pytest.approx(5 / 6)
    assert accuracies(found)["zeros"] == pytest.approx(3 / 6)


def _zeros(scores, seed):
    return np.zeros(len(scores), dtype=int)


def test_the_same_learners_are_left_out_for_every_beta():
    labels = np.random.default_rng(0).integers(0, 2, (6, 40))
    kept = {}

    def remember(scores, seed):
        kept.setdefault((seed, scores.shape[1]), []).append(scores.argmax(-1).T.tolist())
        return _zeros(scores, seed)

    y = labels[0]
    cells = [cell(labels, y, seed, beta) for seed in (0, 1) for beta in (0.0, 1.0)]
    found = fused(*cells, aggregators={"x": remember}, n_dropped=(n for n in (0, 2, 3, 2)))
    assert {size for _, size in kept} == {6, 4, 3}
    assert all(len(rows) == 2 and rows[0] == rows[1] for rows in kept.values())
    for seed in (0, 1):
        few, more = kept[seed, 3][0], kept[seed, 4][0]
        assert [row for row in more if row in few] == few
        # In their old order.
        assert [row for row in labels.tolist() if row in more] == more
    assert kept[0, 3] != kept[1, 3]
    assert len(found.rows) == 4 * 3 * 5


def test_values_and_tables(tmp_path):
    right = [Y, Y, Y]
    found = fused(
        cell(VOTES, Y, 0, 0.0), cell(VOTES, Y, 0, 1.0), cell(right, Y, 1, 1.0), n_dropped=[0, 1]
    )
    assert found.betas == [0.0, 1.0]
    expected = [[0.5, 0.5], [np.nan, 1.0]]
    np.testing.assert_allclose(found.values("majority vote"), expected)
    np.testing.assert_allclose(found.values("majority vote", 3), expected)
    assert found.values("best individual", 2)[1, 1] == 1
    rows = {(row["method"], row["beta"]): row for row in found.table()}
    last = rows["majority vote", 1.0]
    assert (last["mean"], last["n_seeds"]) == (0.75, 2)
    assert last["std"] == pytest.approx(0.5 / math.sqrt(2))
    assert len(rows) == 2 * len(found.methods)
    found.save(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in read] == [row["accuracy"] for row in found.rows]
    for arguments, message in ((("f1",), "method='f1'"), (("majority vote", 4), "n_learners=4")):
        with pytest.raises(ArgumentError, match=message):
            found.values(*arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"aggregators": ["vote"]}, "aggregators='vote' is unknown; choose one of: majority"),
        ({"aggregators": "DEEM"}, "aggregators='DEEM' is unknown"),
        ({"aggregators": {"mean individual": _zeros}}, "looks at the labels"),
        ({"n_dropped": -1}, "n_dropped=-1"),
        ({"n_dropped": [0.5]}, r"n_dropped=0\.5"),
        ({"selection": "first"}, "selection='first' is unknown"),
        ({"n_dropped": 2}, "n_dropped=2 leaves 1 of 3 learners"),
        ({"n_dropped": 4}, "n_dropped=4 leaves 0 of 3 learners"),
        (
            {"aggregators": {"x": lambda s, seed: s.argmax(-1)[:, :1]}},
            r"aggregators\['x'\] gives int64 of shape \(6, 1\)",
        ),
        ({"aggregators": {"x": lambda s, seed: ["a"] * len(s)}}, "gives <U1 of shape"),
    ],
)
def test_what_makes_no_consensus(settings, message):
    with pytest.raises(ArgumentError, match=message):
        fused(cell(VOTES, Y), **settings)


def test_one_name_and_one_number_are_enough():
    found = fused(cell(VOTES, Y), aggregators="score mean", n_dropped=1)
    assert {row["n_learners"] for row in found.rows} == {2}
    assert "score mean" in found.methods


@pytest.mark.parametrize("y", [torch.zeros(6, 1), torch.zeros(6, dtype=torch.int64)])
def test_values_have_no_consensus(y):
    values = Cell(0, 0.0, [], History(), {"last": torch.zeros(6, 3, 1)}, y)
    with pytest.raises(ArgumentError, match="result is of regressors"):
        fused(values)


def test_a_selection_that_is_not_there():
    only = Cell(0, 0.0, [], History(), {"last": torch.zeros(6, 3, 2)}, torch.tensor(Y))
    with pytest.raises(ArgumentError, match="selection='best' is unknown; choose one of: last"):
        fused(only, selection="best")
