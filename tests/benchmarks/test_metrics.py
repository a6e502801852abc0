"""Figures of merit against closed forms, scikit-learn and published tables."""

import numpy as np
import pytest
import sklearn.metrics
from metrics import (
    CLIP,
    brier_score,
    calibration_error,
    cliques,
    critical_difference,
    expected_accuracy,
    friedman,
    log_loss,
    mean_ranks,
    skill_error,
    true_skills,
    wins_ties_losses,
    worst_loss,
)
from scipy import stats


@pytest.fixture
def drawn():
    """Random probabilities and a truth drawn from them."""
    rng = np.random.default_rng(0)
    probas = rng.dirichlet(np.ones(3), 20_000)
    gold = (rng.random((len(probas), 1)) > probas.cumsum(1)).sum(1)
    return probas, gold


def test_ties_are_shared():
    shares = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0], [0.2, 0.1, 0.7], [1.0, 0.0, 0.0]])
    gold = np.array([1, 2, 2, -1])
    assert expected_accuracy(shares, gold) == pytest.approx(100 * (1 / 2 + 1 / 3 + 1) / 3)


def test_scores_are_those_of_scikit_learn(drawn):
    probas, gold = drawn
    assert log_loss(probas, gold) == pytest.approx(sklearn.metrics.log_loss(gold, probas))
    squares = (probas - np.eye(3)[gold]) ** 2
    assert brier_score(probas, gold) == pytest.approx(squares.sum(1).mean())
    two = np.column_stack([1 - probas[:, 0], probas[:, 0]])
    binary = sklearn.metrics.brier_score_loss(gold == 0, two[:, 1])
    assert brier_score(two, (gold == 0).astype(int)) == pytest.approx(2 * binary)


def test_unknown_truth_does_not_count(drawn):
    probas, gold = drawn
    kept = np.arange(len(gold)) % 2 == 0
    hidden = np.where(kept, gold, -1)
    for score in (brier_score, log_loss, calibration_error, expected_accuracy):
        assert score(probas, hidden) == pytest.approx(score(probas[kept], gold[kept]))


def test_a_sure_error_costs_the_clip():
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(CLIP))


def test_calibration_error_tells_honest_from_bold(drawn):
    probas, gold = drawn
    bold = probas**3 / (probas**3).sum(1, keepdims=True)
    assert calibration_error(probas, gold) < 0.015
    assert calibration_error(bold, gold) > 0.1


def test_calibration_error_by_hand():
    # Bins (0.6, 0.667] and (0.933, 1]: half right at 0.65, all right at 1.
    probas = np.array([[0.65, 0.35], [0.65, 0.35], [1.0, 0.0], [1.0, 0.0]])
    assert calibration_error(probas, np.array([0, 1, 0, 0])) == pytest.approx(0.5 * 0.15)


def test_skills_need_enough_votes_on_known_items():
    gold = np.array([0, 1, 1, -1])
    item, worker = np.array([0, 1, 2, 3, 0, 3]), np.array([0, 0, 0, 0, 1, 1])
    label = np.array([0, 1, 0, 1, 0, 0])
    truth = true_skills(item, worker, label, gold, 3, at_least=2)
    np.testing.assert_allclose(truth, [2 / 3, np.nan, np.nan])
    assert skill_error(np.array([0.5, 0.0, 0.0]), truth) == pytest.approx(1 / 6)
    assert skill_error(np.zeros(3), np.full(3, np.nan)) is None


def test_ranks_share_ties():
    table = np.array([[0.9, 0.8, 0.8], [0.7, 0.7, 0.9]])
    np.testing.assert_allclose(mean_ranks(table), [1.75, 2.5, 1.75])


def test_friedman_is_the_formula_of_iman_and_davenport():
    table = np.random.default_rng(0).random((14, 4)) + np.arange(4) / 5
    ranks, n, k = mean_ranks(table), 14, 4
    chi2 = 12 * n / (k * (k + 1)) * ((ranks**2).sum() - k * (k + 1) ** 2 / 4)
    statistic = (n - 1) * chi2 / (n * (k - 1) - chi2)
    assert friedman(table) == pytest.approx(stats.f.sf(statistic, k - 1, (k - 1) * (n - 1)))


def test_the_distance_of_a_published_example():
    # Demsar (2006), section 3.2.2: four classifiers on 14 sets.
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize(
    ("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)]
)
def test_critical_values_are_those_of_the_table(k, q):
    # Table 5 of Demsar (2006), of which q_0.05 is the first row.
    assert critical_difference(k, 1) / np.sqrt(k * (k + 1) / 6) == pytest.approx(q, abs=1e-3)


def test_friedman_is_level_where_methods_are_alike():
    rng = np.random.default_rng(0)
    alike = np.mean([friedman(rng.random((20, 5))) < 0.05 for _ in range(400)])
    other = np.mean([friedman(rng.random((20, 5)) + np.arange(5) / 5) < 0.05 for _ in range(50)])
    assert 0.02 < alike < 0.09
    assert other == 1


def test_cliques_are_the_largest_groups():
    ranks = np.array([1.0, 3.1, 1.8, 2.6, 5.0])
    assert cliques(ranks, 1.0) == [(1.0, 1.8), (1.8, 2.6), (2.6, 3.1)]
    assert cliques(ranks, 0.1) == []
    assert cliques(ranks, 9.0) == [(1.0, 5.0)]


def test_wins_and_losses():
    assert wins_ties_losses([90, 80.01, 70, 60], [80, 80.0, 71, 60]) == (1, 2, 1)
    ours, theirs = {"a": 90.0, "b": 70.0, "c": 1.0}, {"a": 91.0, "b": 75.0, "d": 99.0}
    assert worst_loss(ours, theirs) == (5.0, "b")
    assert worst_loss(theirs, ours) == (0.0, None)
    assert worst_loss({}, ours) == (0.0, None)
