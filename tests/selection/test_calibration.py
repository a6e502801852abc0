"""Calibrated probabilities are less sure where classifiers err together, and never reordered."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from deem import DEEM
from deem.core.reading import read_votes
from deem.datasets import breast_cancer_votes, conditionally_independent, digits_votes
from deem.selection.calibration import Calibration
from deem.selection.candidates import candidate
from deem.selection.choice import Choice
from deem.selection.rule import Score

VOTES = read_votes([[0, 0, 1], [1, 1, 1], [2, 0, -1], [-1, -1, -1]], n_classes=3)
POSTERIOR = np.array([[0.9, 0.08, 0.02], [0.0, 1.0, 0.0], [0.3, 0.3, 0.4], [0.5, 0.3, 0.2]])


def score(name, gain=0.0, error=1.0):
    return Score(name, "", 0.9, 0.0, 0.0, 0.0, 0.9, held_out=gain, held_out_error=error)


def test_nothing_to_doubt_changes_nothing():
    np.testing.assert_array_equal(Calibration().apply(POSTERIOR, VOTES), POSTERIOR)


def test_two_copies_of_every_classifier_count_once():
    twice = POSTERIOR**2 / (POSTERIOR**2).sum(1, keepdims=True)
    np.testing.assert_allclose(Calibration(temperature=2).apply(twice, VOTES), POSTERIOR)


def test_doubt_goes_half_way_to_the_fraction_of_the_votes():
    found = Calibration(doubt=0.5).apply(POSTERIOR, VOTES)
    np.testing.assert_allclose(found.max(1)[:2], [(0.9 + 2 / 3) / 2, 1])
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_array_equal(found[3], POSTERIOR[3])


@pytest.mark.parametrize("doubt", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_order_of_the_classes_stays(doubt, temperature):
    generator = np.random.default_rng(0)
    votes = read_votes(generator.integers(-1, 4, (200, 5)), n_classes=4)
    posterior = generator.dirichlet(np.full(4, 0.3), 200)
    found = Calibration(temperature, doubt).apply(posterior, votes)
    np.testing.assert_array_equal(found.argsort(1), posterior.argsort(1))
    np.testing.assert_allclose(found.sum(1), 1)


@pytest.mark.parametrize(
    ("name", "gain", "doubt"),
    [("inverse_rbm", 3.0, 0.5), ("inverse_rbm", 1.0, 0.0), ("tempered", 3.0, 0.0)],
)
def test_doubt_needs_evidence(name, gain, doubt):
    scores = {"inverse_rbm": score("inverse_rbm"), "context": score("context", gain)}
    choice = Choice(candidate(name, 3), "", scores)
    assert choice.calibration == Calibration(1.0, doubt)


def hard_for_all(seed):
    """Independent classifiers, but on three samples of ten everybody guesses."""
    data = conditionally_independent(2000, 8, 3, random_state=seed)
    generator = np.random.default_rng(seed)
    votes = data.votes.copy()
    hard = generator.random(len(votes)) < 0.3
    guesses = generator.integers(0, 3, votes.shape)
    votes[hard] = guesses[hard]
    return votes, data.truth


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hard_samples_are_evidence(seed):
    votes, _ = hard_for_all(seed)
    assert DEEM(n_classes=3).fit(votes).calibration_["doubt"] == 0.5


@pytest.mark.parametrize("make", [digits_votes, breast_cancer_votes])
def test_real_classifiers_err_together(make):
    data = make(random_state=0)
    fitted, plain = DEEM().fit(data.votes), DEEM(selection=None).fit(data.votes)
    assert log_loss(data.truth, fitted.probas_) < 0.8 * log_loss(data.truth, plain.probas_)
    np.testing.assert_array_equal(fitted.labels_, fitted.classes_[fitted.probas_.argmax(1)])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_independent_classifiers_are_believed(seed):
    data = conditionally_independent(2000, 8, 3, random_state=seed)
    fitted = DEEM(n_classes=3).fit(data.votes)
    assert fitted.calibration_ == {"temperature": 1.0, "doubt": 0.0}


def test_predictions_are_calibrated_as_in_fit_and_in_files(tmp_path):
    votes, _ = hard_for_all(0)
    fitted = DEEM(n_classes=3).fit(votes)
    fitted.save(tmp_path / "file")
    again = DEEM().load(tmp_path / "file")
    assert again.calibration_ == fitted.calibration_
    np.testing.assert_array_equal(again.predict_proba(votes), fitted.probas_)


def test_gold_stays_certain():
    votes, truth = hard_for_all(0)
    gold = np.where(np.arange(len(truth)) < 20, truth, -1)
    fitted = DEEM(n_classes=3).fit(votes, gold=gold)
    np.testing.assert_array_equal(fitted.probas_[:20].max(1), 1)
