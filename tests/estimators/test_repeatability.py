"""The same votes and seed give the same result, in whatever order or multiplicity they come."""

import numpy as np
import pytest
import torch
from jury import jury

from deem import DEEM
from deem.core.reading import read_votes
from deem.models import SoftIRBM
from deem.models.initialization import initialise
from deem.utils.exception import ArgumentError

CD = {"solver": "cd", "epochs": 3, "batch_size": 32}
TRAININGS = {
    "exact": {},
    "exact from noise": {"init_method": "rand"},
    "two hidden units": {"hidden_dim": 2},
    "cd": CD,
    "cd with draws": {**CD, "deterministic": False},
    "pcd": {**CD, "solver": "pcd"},
    "adam": {**CD, "optimizer": "adam"},
    "restarts": {"n_restarts": 3, "n_jobs": 2},
    "cd restarts": {**CD, "n_restarts": 2, "n_jobs": 2},
}
every_training = pytest.mark.parametrize("settings", TRAININGS.values(), ids=TRAININGS)
untrained = pytest.mark.filterwarnings("ignore::deem.utils.exception.DeemWarning")
"""Few steps from noise leave a consensus that deserves its warnings."""


@every_training
def test_a_seed_gives_one_result_whatever_ran_before(votes, settings):
    # Both are built before either is fitted.
    first, again = (DEEM(random_state=5, **settings) for _ in range(2))
    first.fit(votes)
    DEEM(random_state=None, **settings).fit(votes[:50])
    torch.rand(3, generator=torch.Generator().manual_seed(1))
    again.fit(votes)
    np.testing.assert_array_equal(again.probas_, first.probas_)
    assert again.history_.to_dict() == first.history_.to_dict()


@every_training
@untrained
def test_the_model_in_use_is_never_changed(votes, settings):
    model = SoftIRBM(5, 3, settings.get("hidden_dim", 1))
    rest = {k: v for k, v in settings.items() if k not in ("hidden_dim", "init_method")}
    if "n_restarts" in rest:
        rest["init_method"] = "rand"
    before = {name: p.clone() for name, p in model.state_dict().items()}
    DEEM(model=model, random_state=0, **rest).fit(votes)
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())


@pytest.mark.parametrize("settings", [{"init_method": "rand", "solver": "cd", "epochs": 1}, CD])
@untrained
def test_another_seed_gives_another_result(votes, settings):
    one, other = (DEEM(random_state=seed, **settings).fit(votes) for seed in (0, 1))
    assert np.abs(one.probas_ - other.probas_).max() > 1e-6


@pytest.mark.parametrize(
    "make",
    [
        lambda: 3,
        lambda: np.int64(3),
        lambda: np.random.RandomState(3),
        lambda: np.random.default_rng(3),
        lambda: torch.Generator().manual_seed(3),
    ],
    ids=["int", "numpy int", "RandomState", "Generator", "torch"],
)
def test_kinds_of_random_state(votes, make):
    one, other = (DEEM(random_state=make(), **CD).fit(votes) for _ in range(2))
    np.testing.assert_array_equal(one.probas_, other.probas_)


@pytest.mark.parametrize("hidden_dim", [1, 2])
def test_weights_are_repeated_rows(votes, hidden_dim):
    times = np.random.default_rng(0).integers(0, 4, len(votes))
    settings = {"hidden_dim": hidden_dim, "random_state": 0}
    weighted = DEEM(**settings).fit(votes, sample_weight=times)
    repeated = DEEM(**settings).fit(np.repeat(votes, times, axis=0))
    np.testing.assert_allclose(
        weighted.predict_proba(votes), repeated.predict_proba(votes), atol=1e-6
    )
    np.testing.assert_allclose(weighted.confusion_, repeated.confusion_, atol=1e-6)
    np.testing.assert_allclose(weighted.skills_, repeated.skills_, atol=1e-6)
    use = [fitted.health_["class_use"] for fitted in (weighted, repeated)]
    np.testing.assert_allclose(*use)


@pytest.mark.parametrize("start", ["mv_rand", "shares"])
def test_weights_are_repeated_rows_in_contrastive_divergence(votes, start):
    times = np.random.default_rng(0).integers(0, 4, len(votes))
    settings = {"solver": "cd", "epochs": 5, "learning_rate": 0.1, "batch_size": 1000}
    settings |= {"random_state": 0, "init_method": start}
    weighted = DEEM(**settings).fit(votes, sample_weight=times)
    repeated = DEEM(**settings).fit(np.repeat(votes, times, axis=0))
    np.testing.assert_allclose(
        weighted.predict_proba(votes), repeated.predict_proba(votes), atol=1e-9
    )


def test_batches_without_any_weight_do_no_harm(votes):
    weight = np.zeros(len(votes))
    weight[:9] = 1
    fitted = DEEM(solver="cd", epochs=2, batch_size=4, random_state=0)
    fitted.fit(votes, sample_weight=weight)
    assert np.isfinite(fitted.probas_).all()


@pytest.mark.parametrize("settings", [{}, {"hidden_dim": 2}, {"init_method": "rand"}])
def test_the_order_of_rows_does_not_matter(votes, settings):
    order = np.random.default_rng(1).permutation(len(votes))
    straight = DEEM(random_state=0, **settings).fit(votes)
    shuffled = DEEM(random_state=0, **settings).fit(votes[order])
    np.testing.assert_allclose(shuffled.probas_, straight.probas_[order], atol=1e-6)


def test_the_order_of_classifiers_does_not_matter(votes):
    straight, reversed_ = DEEM().fit(votes), DEEM().fit(votes[:, ::-1])
    np.testing.assert_allclose(reversed_.probas_, straight.probas_, atol=1e-9)
    np.testing.assert_allclose(reversed_.skills_[::-1], straight.skills_, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_merged_rows_do_not_matter(monkeypatch, weighted):
    crowd = jury(n=3000, d=4)
    weights = np.random.default_rng(0).integers(0, 3, 3000) if weighted else None
    merged = DEEM().fit(crowd.votes, sample_weight=weights)
    monkeypatch.setattr("deem.estimators.fitting._MERGE_FROM", 10**9)
    single = DEEM().fit(crowd.votes, sample_weight=weights)
    np.testing.assert_allclose(merged.probas_, single.probas_, atol=1e-9)
    np.testing.assert_allclose(
        merged.history_["objective"], single.history_["objective"], rtol=1e-9
    )


def test_rows_that_seldom_repeat_are_left_alone():
    crowd = jury(n=2500, d=12)
    fitted = DEEM().fit(crowd.votes)
    doubled = DEEM().fit(np.repeat(crowd.votes, 2, axis=0))
    # twice the votes weigh more against the prior, so nearly the same
    np.testing.assert_allclose(doubled.skills_, fitted.skills_, atol=0.01)


def test_weights_of_votes_act_in_fit_and_score(votes):
    weights = np.arange(120) % 3
    weighted = read_votes(votes).with_weights(weights)
    fitted = DEEM().fit(weighted)
    np.testing.assert_array_equal(fitted.probas_, DEEM().fit(votes, sample_weight=weights).probas_)
    repeated = np.repeat(votes, weights, axis=0)
    assert fitted.score(weighted) == pytest.approx(fitted.score(repeated), rel=1e-12)


def test_restarts_keep_the_best_likelihood(votes):
    settings = {"init_method": "rand", "hidden_dim": 2, "random_state": 4}
    one = DEEM(**settings).fit(votes).history_["objective"][-1]
    best = DEEM(n_restarts=4, **settings).fit(votes).history_["objective"][-1]
    assert best >= one


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("shares", ["shares", "mv_rand", "mv_rand"]),
        ("mv", ["mv", "mv_rand", "mv_rand"]),
        ("mv_lo", ["mv_lo", "mv_lo", "mv_lo"]),
    ],
)
def test_restarts_begin_at_different_places(votes, monkeypatch, method, expected):
    starts, methods = [], []

    def watched(model, votes, method, **settings):
        initialise(model, votes, method, **settings)
        methods.append(method)
        starts.append(torch.cat([p.detach().flatten() for p in model.parameters()]))

    monkeypatch.setattr("deem.estimators.fitting.initialise", watched)
    DEEM(n_restarts=3, init_method=method, random_state=0).fit(votes)
    assert methods == expected
    assert len({tuple(start.tolist()) for start in starts}) == 3


@pytest.mark.parametrize("settings", [{}, {"solver": "cd", "epochs": 2}])
def test_threads_do_not_change_restarts(votes, truth, settings):
    fits = [
        DEEM(n_restarts=3, n_jobs=n_jobs, random_state=0, **settings).fit(votes, truth)
        for n_jobs in (None, 1, 2)
    ]
    for fitted in fits:
        np.testing.assert_array_equal(fitted.probas_, fits[0].probas_)
        assert len(fitted.history_["accuracy"]) == fitted.history_.n_epochs


def test_restarts_need_a_likelihood(votes):
    with pytest.raises(ArgumentError, match="n_restarts compares .* exact likelihood.*use n_rest"):
        DEEM(n_restarts=2, hidden_dim=8, epochs=1).fit(votes)
