"""The health report and its warnings: each where it belongs, none on good votes."""

import json
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from jury import jury, soft_form

from deem import DEEM
from deem.core.reading import read_votes
from deem.estimators.examination import Outcome, examine
from deem.estimators.facts import (
    VoteSummary,
    class_separation,
    disagreement,
    exact_copies,
    influence,
    vote_against_consensus,
)
from deem.estimators.health import warn_about_consensus
from deem.math.vote import one_hot
from deem.utils import exception as e

GOOD = jury(n=300, d=6, seed=1)


def outcome_of(votes, codes=None, k=3, **changes):
    """What a fit would be if it gave these classes; by default those of the good jury."""
    votes = read_votes(votes, n_classes=k)
    codes = GOOD.truth if codes is None else codes
    probas = one_hot(np.asarray(codes), k)
    d = votes.n_classifiers
    counts = (votes.matrix().T @ probas).reshape(d, k, k).transpose(0, 2, 1) + 0.5
    confusion = counts / counts.sum(2, keepdims=True)
    prior = probas.mean(0)
    skills = np.einsum("k,dkk->d", prior, confusion)
    found = Outcome(votes, probas, prior, confusion, skills, np.full(d, 0.01))
    return replace(found, **changes)


def raised(outcome, **settings):
    """Categories of the warnings of an outcome, and its report."""
    health = examine(outcome)
    assert json.loads(json.dumps(health)) == health
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_about_consensus(outcome.votes, health, **settings)
    return [warning.category for warning in caught], health


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "settings", [{}, {"missing": 0.3}, {"k": 2}, {"k": 8, "n": 800}, {"prior": [0.8, 0.1, 0.1]}]
)
def test_good_votes_raise_nothing(settings, seed):
    crowd = jury(**{"n": 300, "d": 6, "seed": seed, **settings})
    health = DEEM().fit(crowd.votes).health_
    assert health["warnings"] == []
    assert json.loads(json.dumps(health)) == health
    assert health["finite"]
    assert not health["constant"]
    assert health["vote_agreement"] > 0.8 > health["chance_agreement"]


def test_no_warning_of_an_outcome_that_is_right():
    categories, health = raised(outcome_of(GOOD.votes))
    assert categories == []
    lists = ("unused_classes", "swallowed_classes", "merged_classes", "copies", "below_chance")
    assert [health[name] for name in lists] == [[]] * 5


def test_one_class_for_all():
    categories, health = raised(outcome_of(GOOD.votes, np.zeros(300, int)))
    assert categories == [e.CollapsedConsensusWarning]
    assert health["constant"]
    assert health["unused_classes"] == [1, 2]


def test_probabilities_that_are_no_numbers():
    probas = one_hot(GOOD.truth, 3)
    probas[4] = np.nan
    categories, health = raised(outcome_of(GOOD.votes, probas=probas))
    assert categories == [e.CollapsedConsensusWarning]
    assert not health["finite"]


def test_swapped_classes():
    categories, health = raised(outcome_of(GOOD.votes, (GOOD.truth + 1) % 3))
    assert e.FlippedConsensusWarning in categories
    assert health["vote_agreement"] < health["chance_agreement"]
    assert len(health["below_chance"]) > 3
    swapped, _ = raised(outcome_of(GOOD.votes, class_map=np.array([1, 0, 2])))
    assert swapped == [e.FlippedConsensusWarning]
    # who names the classes by himself may contradict the vote
    told, _ = raised(outcome_of(GOOD.votes, (GOOD.truth + 1) % 3), informed=True)
    assert told == []


def test_a_class_that_another_swallows():
    codes = np.where(GOOD.truth == 2, 1, GOOD.truth)
    categories, health = raised(outcome_of(GOOD.votes, codes))
    assert e.DeadClassWarning in categories
    assert health["unused_classes"] == [2]
    (gone,) = health["swallowed_classes"]
    assert (gone["class"], gone["into"], gone["kept"]) == (2, 1, 0)
    assert gone["lost"] > 60


def test_classes_that_the_votes_do_not_tell_apart():
    crowd = jury(n=3000, d=6, k=2)
    rng = np.random.default_rng(0)
    blurred = np.where(crowd.votes > 0, rng.integers(1, 3, crowd.votes.shape), 0)
    codes = np.where(crowd.truth > 0, rng.integers(1, 3, 3000), 0)
    categories, health = raised(outcome_of(blurred, codes), informed=True)
    assert categories == [e.MergedClassesWarning]
    (pair,) = health["merged_classes"]
    assert pair["classes"] == [1, 2]
    assert 0 <= pair["nats"] < 0.1


def test_unanimous_votes_that_are_overruled():
    votes = np.repeat(GOOD.truth[:, None], 4, axis=1)
    votes[:40, 2:] = -1
    codes = GOOD.truth.copy()
    codes[[3, 50, 60, 70]] = (codes[[3, 50, 60, 70]] + 1) % 3
    categories, health = raised(outcome_of(votes, codes))
    assert e.OverruledVotesWarning in categories
    assert (health["n_unanimous"], health["n_overruled"], health["n_overruled_pairs"]) == (
        260,
        3,
        1,
    )
    assert health["overruled_samples"] == [3, 50, 60, 70]
    # what is known for certain is not overruled
    gold = np.where(codes == GOOD.truth, -1, codes)
    health = examine(outcome_of(votes, codes, gold=gold))
    assert (health["n_unanimous"], health["n_overruled"]) == (257, 0)


def test_classifiers_that_tell_nothing():
    noise = np.random.default_rng(0).integers(0, 3, (2000, 8))
    crowd = jury(n=2000, d=5, seed=1)
    votes = np.concatenate([crowd.votes, noise], axis=1)
    categories, health = raised(outcome_of(votes, crowd.truth))
    assert categories == [e.IgnoredClassifierWarning]
    assert health["ignored_classifiers"] == list(range(5, 13))
    assert health["ignored_votes"] == pytest.approx(8 / 13)
    few, _ = raised(outcome_of(votes[:, :8], crowd.truth))
    assert few == []


def test_copies():
    votes = np.insert(GOOD.votes, 6, GOOD.votes[:, 1], axis=1)
    with pytest.warns(e.CopiedClassifierWarning, match="errors included: 1, 6; keep one"):
        fitted = DEEM().fit(votes)
    assert fitted.health_["copies"] == [[1, 6]]
    # classifiers that are alike since they are right copy nobody
    right = np.repeat(GOOD.truth[:, None], 2, axis=1)
    fitted = DEEM().fit(np.concatenate([GOOD.votes, right], axis=1))
    assert fitted.health_["copies"] == fitted.health_["warnings"] == []


@pytest.mark.filterwarnings("ignore::deem.utils.exception.SoftVotesWarning")
def test_copies_of_soft_and_missing_votes():
    votes = jury(n=200, d=3, missing=0.4).votes
    codes = np.full(200, -1)
    assert exact_copies(read_votes(votes, n_classes=3), codes, 1) == []
    soft = soft_form(votes[:, [0, 1, 0]], 3, 0.7)
    groups = exact_copies(read_votes(soft), codes, 1)
    assert [group.tolist() for group in groups] == [[0, 2]]
    soft[:, :, 2] = soft_form(votes[:, [0]], 3, 0.8)[:, :, 0]
    assert exact_copies(read_votes(soft), codes, 1) == []


def test_clusters_of_a_dependence_map_are_named():
    found = SimpleNamespace(clusters=((0, 2), (1, 3)))
    health = examine(outcome_of(GOOD.votes, clusters=found.clusters))
    assert health["clusters"] == [[0, 2], [1, 3]]


def test_two_classifiers():
    two = GOOD.votes[:, [4, 5]]
    with pytest.warns(e.FewClassifiersWarning, match="nothing in the votes says who is right"):
        fitted = DEEM().fit(two)
    same = two[:, 0] == two[:, 1]
    np.testing.assert_array_equal(fitted.labels_[same], two[same, 0])


def test_too_few_votes_a_classifier():
    rng = np.random.default_rng(0)
    votes = np.full((300, 240), -1)
    for row, truth in enumerate(GOOD.truth):
        asked = (3 * row + np.arange(3)) % 240
        votes[row, asked] = np.where(rng.random(3) < 0.8, truth, rng.integers(0, 3, 3))
    with pytest.warns(e.FewVotesWarning, match="fewer than two votes a class"):
        assert DEEM().fit(votes).health_["few_votes"] > 0.5
    assert DEEM().fit(GOOD.votes).health_["few_votes"] == 0


def test_restarts_that_disagree():
    other = one_hot(np.where(np.arange(300) < 60, (GOOD.truth + 1) % 3, GOOD.truth), 3)
    near = one_hot(np.where(np.arange(300) < 6, (GOOD.truth + 1) % 3, GOOD.truth), 3)
    categories, health = raised(outcome_of(GOOD.votes, candidates=[near, other]))
    assert categories == [e.RestartsDisagreeWarning]
    assert health["candidate_disagreement"] == pytest.approx([0.02, 0.2])
    assert raised(outcome_of(GOOD.votes, candidates=[near]))[0] == []


def test_long_lists_are_cut_but_counts_are_not():
    votes = np.concatenate([GOOD.votes, np.full((150, 6), -1)])
    with pytest.warns(e.EmptySampleWarning):
        health = DEEM().fit(votes).health_
    assert health["n_empty_samples"] == 150
    assert health["empty_samples"] == list(range(300, 400))


def test_ten_samples_of_any_kind_are_answered():
    ten = GOOD.votes[:10]
    fitted = DEEM().fit(ten)
    assert fitted.probas_.shape == (10, 3)
    with pytest.warns(e.FewSamplesWarning):
        DEEM().fit(ten[:5])


def test_summary_of_hard_and_soft_votes():
    votes = [[0, 0, 0], [1, 1, -1], [0, 1, 1], [-1, -1, -1]]
    found = VoteSummary.of(read_votes(votes, n_classes=2))
    assert found.unanimous.tolist() == [0, 1, -1, -1]
    assert found.n_votes.tolist() == [3, 2, 3, 0]
    soft = soft_form(np.array(votes), 2, 0.6)
    with pytest.warns(e.SoftVotesWarning):
        read = read_votes(soft)
    again = VoteSummary.of(read)
    assert again.unanimous.tolist() == [0, 1, -1, -1]
    assert again.n_votes.tolist() == [3, 2, 3, 0]


def test_vote_against_consensus_is_the_contingency_table():
    shares = np.array([[1, 0], [0.5, 0.5], [0, 1.0]])
    table = vote_against_consensus(shares, np.array([0, 0, 0]), np.array([1, 2, 3.0]))
    assert table.tolist() == [[2, 0], [4, 0]]


def test_separation_and_influence_of_a_coin():
    a = 0.8
    coin = np.array([[[a, 1 - a], [1 - a, a]]])
    expected = (2 * a - 1) * np.log(a / (1 - a))
    found = class_separation(coin, np.array([1.0]))
    np.testing.assert_allclose(found, [[0, expected], [expected, 0]], atol=1e-12)
    noise = -(a * np.log(a) + (1 - a) * np.log(1 - a))
    np.testing.assert_allclose(influence(coin, np.array([0.5, 0.5])), np.log(2) - noise)
    assert influence(np.full((1, 2, 2), 0.5), np.array([0.3, 0.7])) == pytest.approx(0)


def test_disagreement_is_weighted():
    candidates = [one_hot(np.array([0, 1]), 2)]
    assert disagreement(candidates, np.array([0, 0]), np.array([3.0, 1.0])) == [0.25]
