"""Meta-features against hand-computed values, and what they must not depend on."""

from contextlib import nullcontext

import numpy as np
import pytest
from jury import jury, soft_form

from deem.core.reading import read_votes
from deem.selection import meta_features as module
from deem.selection.meta_features import META_FEATURES, meta_features

LOG2 = np.log(2)


def test_four_samples_by_hand():
    # Rows 0 0 1 | 0 0 1 | 1 1 - | - - -: the vote says 0, 0, 1 and nothing.
    found = meta_features(read_votes([[0, 0, 1], [0, 0, 1], [1, 1, -1], [-1, -1, -1]]))
    third = -(np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3) / LOG2
    expected = {
        "log_samples": np.log(5),
        "log_classifiers": np.log(3),
        "log_classes": LOG2,
        "log_votes_per_sample": np.log(3),
        "density": 2 / 3,
        "repetition": 1 / 3,
        "vote_entropy": 2 / 3 * third,
        "label_entropy": 1.0,
        # Two vote 0 0 1, the third always votes 1.
        "classifier_entropy": 2 / 3 * third,
        # They agree with the vote always, always and never: 6 of 8 votes.
        "agreement": 6 / 8,
        "agreement_spread": np.sqrt(6 / 8 * 2 / 8),
        "best_agreement": 1.0,
        "pair_agreement": (1 / 3 + 1 / 3 + 1) / 3,
        "kappa": (5 / 9 - 1 / 2) / (1 - 1 / 2),
        "margin": (1 / 3 + 1 / 3 + 1) / 3,
        "ties": 0.0,
        "unanimity": 1 / 3,
        "largest_class": 2 / 3,
        "smallest_class": 2 / 3,
        "effective_rank": 1.0,
    }
    assert tuple(found) == META_FEATURES == tuple(expected)
    assert found == pytest.approx(expected)


def test_ties_are_shared():
    found = meta_features(read_votes([[0, 1], [0, 0]], n_classes=3))
    assert (found["ties"], found["margin"], found["unanimity"]) == (0.5, 0.5, 0.5)
    assert found["largest_class"] == pytest.approx(0.75)
    assert found["smallest_class"] == 0
    assert found["agreement"] == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)


def test_effective_rank_counts_independent_classifiers():
    one = jury(n=4000, d=4, skill=(0.6, 0.7)).votes
    free = meta_features(read_votes(one))["effective_rank"]
    # A copy of a classifier brings one more column and hardly more rank.
    copied = meta_features(read_votes(np.hstack([one, one])))["effective_rank"]
    assert copied == pytest.approx(free / 2, abs=0.02)


def test_kappa_is_about_zero_for_votes_by_chance():
    rng = np.random.default_rng(0)
    random = meta_features(read_votes(rng.choice(3, (5000, 6), p=[0.6, 0.3, 0.1])))
    assert abs(random["kappa"]) < 0.02
    assert random["pair_agreement"] == pytest.approx(0.46, abs=0.02)
    assert meta_features(read_votes(jury(n=5000).votes))["kappa"] > 0.2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_order_of_samples_and_classifiers_does_not_matter(seed):
    votes = jury(n=200, d=6, missing=0.2, seed=seed).votes
    rng = np.random.default_rng(seed)
    moved = votes[rng.permutation(200)][:, rng.permutation(6)]
    assert meta_features(read_votes(moved)) == pytest.approx(meta_features(read_votes(votes)))


@pytest.mark.parametrize("soft", [False, True])
def test_merged_rows_and_weights_are_repeated_rows(soft):
    votes = jury(n=80, d=4, missing=0.1).votes
    given = soft_form(votes, 3) if soft else votes
    with pytest.warns(match="missing") if soft else nullcontext():
        read = read_votes(given)
    times = np.random.default_rng(0).integers(0, 4, 80)
    repeated = meta_features(read.take(np.repeat(np.arange(80), times)))
    weighted = read.with_weights(times)
    assert meta_features(weighted) == pytest.approx(repeated)
    assert meta_features(weighted.merged()[0]) == pytest.approx(repeated)


def test_names_of_classes_do_not_matter():
    votes = jury().votes
    swapped = np.array([2, 0, 1])[votes]
    assert meta_features(read_votes(swapped)) == pytest.approx(meta_features(read_votes(votes)))


@pytest.mark.parametrize(
    "given",
    [
        [[0]],
        [[0], [1], [0]],
        [[0, 0], [0, 0]],
        [[0, 1, 0, 1]],
        [[0, -1], [-1, 1]],
        jury(n=10).votes,
    ],
    ids=["one vote", "one classifier", "one class", "one sample", "no overlap", "ten samples"],
)
def test_small_votes_give_finite_numbers(given):
    found = meta_features(read_votes(given))
    assert np.isfinite(list(found.values())).all()
    shares = [name for name in META_FEATURES if not name.startswith("log_") and name != "kappa"]
    assert all(-1e-9 <= found[name] <= 1 + 1e-9 for name in shares)


def test_weight_on_empty_samples_alone_leaves_the_sizes():
    votes = read_votes([[0, 1], [-1, -1]]).with_weights([0, 1])
    found = meta_features(votes)
    assert found["log_samples"] == pytest.approx(LOG2)
    assert found["agreement"] == 0


def test_many_votes_are_described_by_a_fixed_draw(monkeypatch):
    votes = read_votes(jury(n=4000, d=6).votes)
    exact = meta_features(votes)
    monkeypatch.setattr(module, "_MOST_VOTES", 6_000)
    drawn = meta_features(votes)
    assert drawn == meta_features(votes)
    assert drawn["log_samples"] == exact["log_samples"]
    assert drawn["agreement"] != exact["agreement"]
    assert drawn["agreement"] == pytest.approx(exact["agreement"], abs=0.03)
    assert drawn["effective_rank"] == pytest.approx(exact["effective_rank"], abs=0.03)
