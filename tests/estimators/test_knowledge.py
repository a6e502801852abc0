"""What the user knows beside the votes: true labels, gold, class and confusion priors."""

import numpy as np
import pandas as pd
import pytest
import torch
from jury import jury

from deem import DEEM
from deem.utils.exception import (
    ArgumentError,
    LabelError,
    MonitorLabelWarning,
    ShapeError,
    UnusedParameterWarning,
)

CD = {"solver": "cd", "epochs": 3}
WEAK = jury(n=400, d=5, skill=(0.35, 0.6), seed=3)


@pytest.mark.parametrize("settings", [{}, {"hidden_dim": 2}, CD, {"n_restarts": 2}])
def test_labels_only_monitor(votes, truth, settings):
    blind = DEEM(random_state=0, **settings).fit(votes)
    watched = DEEM(random_state=0, **settings).fit(votes, labels=truth)
    pairs = zip(watched.model_.parameters(), blind.model_.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    np.testing.assert_array_equal(watched.probas_, blind.probas_)
    accuracy = watched.history_["accuracy"]
    assert len(accuracy) == watched.history_.n_epochs
    assert accuracy[-1] == watched.score(votes, truth) > 0.85
    assert "accuracy" not in blind.history_


def test_y_is_labels(votes, truth):
    one, other = DEEM().fit(votes, truth), DEEM().fit(votes, labels=truth)
    assert one.history_.to_dict() == other.history_.to_dict()


def test_labels_in_the_users_names(votes, truth):
    names = np.array(["x", "y", "z"])
    found = DEEM().fit(names[votes], labels=names[truth].tolist()).history_["accuracy"]
    assert found == DEEM().fit(votes, labels=truth).history_["accuracy"]


@pytest.mark.parametrize("foreign", [7, -1])
def test_foreign_labels_count_as_wrong(votes, truth, foreign):
    odd = truth.copy()
    odd[:30] = foreign
    with pytest.warns(MonitorLabelWarning, match="^30 of 120 true labels are not among the cl"):
        fitted = DEEM().fit(votes, labels=odd)
    right = (fitted.labels_ == truth)[30:].sum() / 120
    assert fitted.history_["accuracy"][-1] == pytest.approx(right)
    with pytest.warns(MonitorLabelWarning, match="count as wrong"):
        assert fitted.score(votes, odd) == pytest.approx(right)


def test_null_labels_count_as_wrong(votes, truth):
    odd = pd.array([None, pd.NA, *truth[2:].tolist()], dtype=object)
    with pytest.warns(MonitorLabelWarning, match="^2 of 120"):
        DEEM().fit(votes, labels=odd)


@pytest.fixture
def gold():
    some = np.full(400, -1)
    some[:150] = WEAK.truth[:150]
    return some


@pytest.mark.filterwarnings("ignore::deem.utils.exception.DeadClassWarning")
@pytest.mark.parametrize("hidden_dim", [1, 2])
def test_gold_settles_its_samples_and_helps_the_others(gold, hidden_dim):
    settings = {"hidden_dim": hidden_dim, "random_state": 0}
    blind = DEEM(**settings).fit(WEAK.votes)
    taught = DEEM(**settings).fit(WEAK.votes, gold=gold)
    np.testing.assert_array_equal(taught.labels_[:150], WEAK.truth[:150])
    np.testing.assert_array_equal(taught.probas_[:150], np.eye(3)[WEAK.truth[:150]])
    right = [(fitted.labels_ == WEAK.truth)[150:].mean() for fitted in (blind, taught)]
    assert right[1] >= right[0] + 0.05
    errors = [np.abs(f.confusion_ - WEAK.confusion).mean() for f in (blind, taught)]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("unknown", [-1, None, np.nan, pd.NA], ids=["-1", "None", "NaN", "NA"])
def test_unknown_gold(gold, unknown):
    some = np.array([unknown if x < 0 else x for x in gold.tolist()], dtype=object)
    expected = DEEM().fit(WEAK.votes, gold=gold)
    found = DEEM().fit(WEAK.votes, gold=some)
    np.testing.assert_array_equal(found.probas_, expected.probas_)


def test_gold_against_all_votes_wins(votes):
    claimed = (votes + 1) % 3
    gold = claimed[:, 4]
    fitted = DEEM().fit(votes, gold=gold)
    np.testing.assert_array_equal(fitted.labels_, gold)
    # votes say k where the class is k + 1, and the model has learned so
    assert fitted.class_map_.tolist() == [0, 1, 2]
    assert (fitted.confusion_[4].argmax(1) == [2, 0, 1]).all()
    assert (fitted.predict(votes) == gold).mean() > 0.9
    assert fitted.skills_[4] < 0.1


def test_fit_predict_returns_the_gold_labels(votes, truth):
    gold = np.full(120, -1)
    gold[:3] = (truth[:3] + 1) % 3
    assert DEEM().fit_predict(votes, gold=gold)[:3].tolist() == gold[:3].tolist()


def test_gold_in_the_users_names_and_by_task(long_frame, truth):
    names = np.array(["x", "y", "z"])
    frame = long_frame.assign(label=names[long_frame["label"]])
    tasks = [f"t{i:03d}" for i in range(120)]
    gold = pd.Series([None] * 119 + ["x"], index=tasks).sample(frac=1, random_state=0)
    assert DEEM().fit(frame, gold=gold).labels_[119] == "x"


@pytest.mark.parametrize("label", [7, 0.5, "cat"])
def test_gold_outside_the_classes(votes, label):
    gold = np.array([label] + [None] * 119, dtype=object)
    with pytest.raises(LabelError, match=f"gold contains label {label!r}, which is not among"):
        DEEM().fit(votes, gold=gold)


def test_gold_is_not_used_by_contrastive_divergence(votes, truth):
    with pytest.warns(UnusedParameterWarning, match='gold is used by .*solver="exact"'):
        fitted = DEEM(random_state=0, **CD).fit(votes, gold=truth)
    np.testing.assert_array_equal(fitted.probas_, DEEM(random_state=0, **CD).fit(votes).probas_)


def test_class_prior_is_fixed(votes):
    prior = [0.6, 0.3, 0.1]
    fitted = DEEM(class_prior=prior).fit(votes)
    found, _ = fitted.model_.class_tables()
    np.testing.assert_allclose(found.numpy(), prior, atol=1e-9)
    free = DEEM().fit(votes).model_.class_tables()[0].numpy()
    assert np.abs(free - prior).max() > 0.1


def test_class_prior_of_a_sample_without_votes(votes):
    fitted = DEEM(class_prior=[0.6, 0.3, 0.1]).fit(votes)
    found = fitted.predict_proba(np.full((1, 5), -1))
    np.testing.assert_allclose(found, [[0.6, 0.3, 0.1]], atol=1e-9)


def test_a_class_that_cannot_be(votes):
    fitted = DEEM(class_prior=[0.5, 0.5, 0.0]).fit(votes)
    assert set(fitted.labels_) <= {0, 1}
    assert np.isfinite(fitted.confusion_).all()


@pytest.mark.parametrize(
    ("prior", "error", "text"),
    [
        ([0.5, 0.5], ShapeError, r"class_prior has shape \(2,\); expected \(3,\)"),
        ([0.5, 0.4, 0.3], ArgumentError, r"class_prior=.*at least 0 and sum to one"),
        ([1.5, -0.5, 0.0], ArgumentError, r"class_prior=.*at least 0 and sum to one"),
        ([np.nan, 0.5, 0.5], ArgumentError, r"class_prior=.*at least 0 and sum to one"),
    ],
)
def test_bad_class_prior(votes, prior, error, text):
    with pytest.raises(error, match=text):
        DEEM(class_prior=prior).fit(votes)


@pytest.mark.parametrize("hidden_dim", [1, 2])
def test_confusion_prior_shifts_confusions(votes, hidden_dim):
    prior = np.zeros((5, 3, 3))
    prior[4] = 1000 / 3
    settings = {"hidden_dim": hidden_dim, "random_state": 0}
    plain = DEEM(**settings).fit(votes)
    shifted = DEEM(**settings).fit(votes, confusion_prior=prior)
    assert shifted.skills_[4] < 0.45 < 0.8 < plain.skills_[4]
    np.testing.assert_allclose(shifted.skills_[:4], plain.skills_[:4], atol=0.15)


def test_confusion_prior_names_the_classes(votes):
    # it is known that every classifier votes k where the class is k + 1
    prior = 500 * np.tile(np.roll(np.eye(3), 1, axis=0), (5, 1, 1))
    fitted = DEEM().fit(votes, confusion_prior=prior)
    plain = DEEM().fit(votes)
    assert (fitted.labels_ == (plain.labels_ + 1) % 3).mean() > 0.9
    assert fitted.skills_.max() < 0.1
    assert fitted.class_map_.tolist() == [0, 1, 2]


def test_confusion_prior_joins_other_pseudo_counts(votes):
    prior = np.full((5, 3, 3), 30.0)
    settings = {"model_params": {"pseudo_counts": [9.0, 0.1]}}
    fitted = DEEM(**settings).fit(votes, confusion_prior=prior)
    counts = fitted.model_.pseudo_counts
    assert counts[:2] == (9.0, 0.1)
    np.testing.assert_array_equal(counts.confusion_votes, prior)


def test_confusion_prior_of_an_earlier_fit():
    crowd = jury(n=2000, d=6, skill=(0.35, 0.9), seed=1)
    earlier = DEEM().fit(crowd.votes[:1950])
    few, right = crowd.votes[1950:], crowd.truth[1950:]
    alone = DEEM().fit(few).score(few, right)
    taught = DEEM().fit(few, confusion_prior=200 * earlier.confusion_)
    assert taught.score(few, right) >= alone
    np.testing.assert_allclose(taught.confusion_, earlier.confusion_, atol=0.1)


@pytest.mark.parametrize(
    ("prior", "error", "text"),
    [
        (np.ones((5, 3)), ShapeError, r"confusion_prior has shape \(5, 3\); expected .*\(5, 3, 3"),
        (np.ones((4, 3, 3)), ShapeError, r"confusion_prior has shape \(4, 3, 3\)"),
        (-np.ones((5, 3, 3)), ArgumentError, r"confusion_prior has a negative"),
        (np.full((5, 3, 3), np.inf), ArgumentError, r"confusion_prior has a .*non-finite"),
    ],
)
def test_bad_confusion_prior(votes, prior, error, text):
    with pytest.raises(error, match=text):
        DEEM().fit(votes, confusion_prior=prior)
