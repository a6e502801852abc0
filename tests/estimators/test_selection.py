"""Model selection inside `DEEM`: when it acts, what it is given, and what becomes of its model."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from jury import jury, long_form, soft_form
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import deem
from deem import DEEM
from deem.core.reading import read_votes
from deem.datasets import copying_groups
from deem.selection.candidates import candidate
from deem.selection.report import table
from deem.utils.exception import (
    ArgumentError,
    ConstantClassifierWarning,
    CopiedClassifierWarning,
    EmptySampleWarning,
    FewClassifiersWarning,
    FewSamplesWarning,
    LabelError,
    ModelFileError,
    RestartsDisagreeWarning,
    ShapeError,
    SilentClassifierWarning,
    SingleClassifierWarning,
    SingleClassWarning,
    SoftVotesWarning,
)

JURY = jury()
VOTES = JURY.votes
COPIES = copying_groups(300, 3, groups=(3, 2, 1, 1, 1), random_state=0)
NAMES = ["inverse_rbm", "context", "tempered", "one_coin", "weighted_vote"]


@pytest.fixture
def choosing(monkeypatch):
    """Make the rule choose the candidate of a name, whatever the evidence."""

    def choose(name):
        monkeypatch.setattr("deem.selection.choice.decide", lambda *_, soft: (name, "because."))

    return choose


def same_fit(one, other):
    np.testing.assert_array_equal(one.probas_, other.probas_)
    assert one.history_.to_dict() == other.history_.to_dict()
    assert type(one.model_) is type(other.model_)


@pytest.mark.parametrize(("k", "model"), [(2, "BinaryIRBM"), (3, "SoftIRBM")])
def test_without_selection_it_is_the_inverse_rbm(k, model):
    votes = jury(k=k).votes
    plain = DEEM(selection=None).fit(votes)
    assert plain.selection_ is None
    same_fit(plain, DEEM(model=model).fit(votes))


def test_an_inverse_rbm_is_the_same_chosen_or_not():
    chosen = DEEM().fit(VOTES)
    assert (chosen.selection_["chosen"], chosen.selection_["model"]) == ("inverse_rbm", "SoftIRBM")
    plain = DEEM(selection=None).fit(VOTES)
    assert chosen.history_.to_dict() == plain.history_.to_dict()
    pairs = zip(chosen.model_.parameters(), plain.model_.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "SoftIRBM"},
        {"model_params": {}},
        {"hidden_dim": 2},
        {"solver": "cd", "epochs": 1},
        {"init_method": "shares"},
        {"n_restarts": 3},
    ],
)
def test_what_settles_the_model_leaves_nothing_to_choose(settings):
    assert DEEM(random_state=0, **settings).fit(VOTES[:40]).selection_ is None


@pytest.mark.parametrize("settings", [{"solver": "exact"}, {"n_restarts": 1}, {"hidden_dim": 1}])
def test_what_settles_no_model(settings):
    assert DEEM(**settings).fit(VOTES).selection_ == DEEM().fit(VOTES).selection_


@pytest.mark.filterwarnings("ignore::deem.utils.exception.CopiedClassifierWarning")
def test_neither_seed_nor_threads_nor_order_have_influence():
    turned = np.random.default_rng(0).permutation(COPIES.votes)
    found = [
        DEEM(random_state=0).fit(COPIES.votes),
        DEEM(random_state=1, n_jobs=2).fit(COPIES.votes),
        DEEM().fit(turned),
    ]
    texts = [table(fitted.selection_) for fitted in found]
    assert texts[0] == texts[1] == texts[2]
    assert "tempered" in texts[0]
    same_fit(*found[:2])


FRAME = pd.DataFrame(long_form(VOTES))
FORMS = {
    "long frame": (FRAME, VOTES),
    "wide frame": (pd.DataFrame(VOTES), VOTES),
    "sparse": (sparse.csr_array(VOTES + 1), VOTES),
    "Votes": (read_votes(VOTES), VOTES),
    "strings": (np.array(["a", "b", "c"])[VOTES], VOTES),
    "soft votes": (soft_form(VOTES, 3), None),
}


@pytest.mark.parametrize(("form", "codes"), FORMS.values(), ids=FORMS)
def test_votes_of_every_form(form, codes):
    found = DEEM().fit(form).selection_
    assert found["chosen"] in [row["name"] for row in found["candidates"]]
    if codes is not None:
        assert table(found) == table(DEEM().fit(codes).selection_)


@pytest.mark.parametrize("name", NAMES)
def test_the_chosen_model_is_trained_saved_and_loaded(choosing, name, tmp_path):
    choosing(name)
    fitted = DEEM(random_state=0).fit(COPIES.votes)
    assert type(fitted.model_) is candidate(name, 3).model_class
    assert fitted.selection_["chosen"] == name
    assert fitted.selection_["reason"] == "because."
    assert (fitted.labels_ == COPIES.truth).mean() > 0.8
    assert np.isfinite(fitted.score(COPIES.votes))
    fitted.save(tmp_path / "model")
    loaded = deem.load(tmp_path / "model")
    assert loaded.selection_ == fitted.selection_
    assert type(loaded.model_) is type(fitted.model_)
    np.testing.assert_array_equal(loaded.predict_proba(COPIES.votes), fitted.probas_)


def test_a_tempered_rule_is_scored_by_the_inverse_rbm_of_its_tables(choosing):
    choosing("tempered")
    fitted = DEEM().fit(COPIES.votes)
    votes = read_votes(COPIES.votes, n_classes=3)
    expected = fitted.model_.inverse_rbm().score_samples(votes).mean().item()
    assert fitted.score(COPIES.votes) == pytest.approx(expected)
    assert fitted.health_["candidate_disagreement"] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "weighted_vote"])
def test_what_the_user_knows_reaches_the_chosen_model(choosing, name):
    choosing(name)
    gold = np.full(300, -1)
    gold[:20] = (COPIES.truth[:20] + 1) % 3
    prior, known = [0.5, 0.3, 0.2], np.full((8, 3, 3), 2.0)
    fitted = DEEM(class_prior=prior).fit(COPIES.votes, gold=gold, confusion_prior=known)
    np.testing.assert_array_equal(fitted.labels_[:20], gold[:20])
    np.testing.assert_allclose(fitted.model_.class_tables()[0], prior)
    np.testing.assert_array_equal(fitted.model_.pseudo_counts.confusion_votes, known)
    assert "weighted_vote" not in [row["name"] for row in fitted.selection_["candidates"]]


@pytest.mark.filterwarnings("ignore::deem.utils.exception.CopiedClassifierWarning")
def test_weights_count_as_repeated_samples():
    times = np.random.default_rng(0).integers(0, 4, 300)
    weighted = DEEM().fit(COPIES.votes, sample_weight=times)
    repeated = DEEM().fit(np.repeat(COPIES.votes, times, axis=0))
    assert table(weighted.selection_) == table(repeated.selection_)
    found = weighted.predict_proba(COPIES.votes)
    np.testing.assert_allclose(found, repeated.predict_proba(COPIES.votes), atol=1e-4)


@pytest.mark.parametrize("weights", [[1, 0], [1e-5, 0], [1, 1], [0.4, 5]])
def test_few_weights_above_zero(weights):
    given = np.zeros(120)
    given[[3, 8]] = weights
    fitted = DEEM().fit(VOTES, sample_weight=given)
    assert "too few" in fitted.selection_["reason"]
    assert np.isfinite(fitted.probas_).all()


def test_within_scikit_learn():
    search = GridSearchCV(DEEM(), {"selection": [None, "auto"]}, cv=2).fit(VOTES)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    scores = cross_val_score(DEEM(), VOTES, JURY.truth, cv=2)
    assert scores.min() > 0.8
    fitted = DEEM().fit(VOTES)
    again = clone(fitted)
    assert not hasattr(again, "selection_")
    assert again.get_params() == fitted.get_params()
    same_fit(fitted, again.fit(VOTES))


def test_verbose_prints_the_table(capsys):
    fitted = DEEM(verbose=True).fit(VOTES)
    shown = capsys.readouterr()
    assert table(fitted.selection_) in shown.err
    assert shown.out == ""
    DEEM().fit(VOTES)
    assert capsys.readouterr() == ("", "")


def two_juries(seed, copies):
    """Two groups of classifiers who vote on different things, or the same."""
    rng = np.random.default_rng(seed)
    truths = rng.integers(2, size=(2, 300, 1))
    right = [truths[0], truths[0] if copies else truths[1]]
    return np.hstack([np.where(rng.random((300, 3)) < 0.1, 1 - x, x) for x in right])


@pytest.mark.parametrize("seed", [1, 3])
def test_restarts_that_disagree_are_reported(seed):
    settings = {"n_restarts": 3, "init_method": "rand", "random_state": 1}
    with pytest.warns(RestartsDisagreeWarning, match="disagree on up to [45][0-9] % of the sam"):
        fitted = DEEM(**settings).fit(two_juries(seed, False))
    assert len(fitted.health_["candidate_disagreement"]) == 2
    assert max(fitted.health_["candidate_disagreement"]) > 0.4
    # Negative control: one answer explains all votes.
    clear = DEEM(**settings).fit(two_juries(seed, True))
    assert clear.health_["candidate_disagreement"] == [0, 0]


def padded(votes, columns):
    return np.hstack([votes, np.full((len(votes), columns), -1)])


MISSING = np.full((20, 5), -1)
SPREAD = np.full((30, 4), -1)
SPREAD[np.arange(30), np.arange(30) % 4] = np.arange(30) % 3
UNUSUAL = {
    "one classifier": (VOTES[:, :1], {}, [SingleClassifierWarning], "too few"),
    "two classifiers": (VOTES[:, :2], {}, [FewClassifiersWarning], "too few"),
    "nine samples": (VOTES[:9], {}, [], "too few"),
    "ten samples": (VOTES[:10], {}, [], ""),
    "one sample": (VOTES[:1], {}, [FewSamplesWarning], "too few"),
    "one class": (np.zeros((30, 4), int), {}, [SingleClassWarning], "too few"),
    "one of three classes": (np.ones((30, 4), int), {"n_classes": 3}, [SingleClassWarning], ""),
    "two classes never voted": (VOTES, {"n_classes": 5}, [], ""),
    "classifiers without votes": (padded(VOTES, 2), {}, [SilentClassifierWarning], ""),
    "samples without votes": (np.vstack([VOTES, MISSING]), {}, [EmptySampleWarning], ""),
    "nearly nothing": (
        np.vstack([VOTES[:3], MISSING]),
        {"n_classes": 3},
        [EmptySampleWarning, FewSamplesWarning],
        "too few",
    ),
    "nothing": (
        MISSING,
        {"n_classes": 3},
        [SilentClassifierWarning, EmptySampleWarning, FewSamplesWarning],
        "too few",
    ),
    "one vote a sample": (SPREAD, {}, [], ""),
    "one row again and again": (np.tile([0, 1, 1], (30, 1)), {}, [ConstantClassifierWarning], ""),
    "unanimous": (np.repeat(VOTES[:, :1], 4, axis=1), {}, [], ""),
    "a class that cannot be": (VOTES, {"class_prior": [0.5, 0.5, 0]}, [], ""),
}


@pytest.mark.parametrize(("votes", "settings", "named", "reason"), UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_votes(votes, settings, named, reason):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = DEEM(**settings).fit(votes)
    assert [warning.category for warning in caught] == named
    assert [text.partition(":")[0] for text in fitted.health_["warnings"]] == [
        category.__name__ for category in named
    ]
    assert reason in fitted.selection_["reason"]
    assert (fitted.selection_["candidates"] == []) is bool(reason)
    np.testing.assert_allclose(fitted.probas_.sum(1), 1)
    if "class_prior" not in settings:
        shares = read_votes(votes, n_classes=int(max(votes.max(), 0)) + 1).vote_shares()
        told = shares.max(1) == 1
        assert (fitted.labels_[told] == shares[told].argmax(1)).sum() >= 0.9 * told.sum()


def test_gaps_in_soft_votes():
    gaps = VOTES.copy()
    gaps[:9, 0] = -1
    with pytest.warns(SoftVotesWarning, match="9 soft votes are all 0 or NaN"):
        fitted = DEEM().fit(soft_form(gaps, 3))
    assert fitted.selection_["candidates"]


TASKS = [f"t{i:03d}" for i in range(120)]
BY_TASK = pd.DataFrame(long_form(VOTES, TASKS))
GOLD = pd.Series([0, *[None] * 119], index=TASKS, dtype=object)
BAD = {
    "contradictory gold": (
        {},
        {"gold": pd.concat([GOLD, pd.Series([1], index=["t000"])])},
        ArgumentError,
        r"gold has repeated tasks in its index; keep one label a task",
    ),
    "gold as dict": (
        {},
        {"gold": {"t000": 0}},
        ArgumentError,
        r"gold is a dict; pass an array with one entry a sample, or a pandas Series",
    ),
    "gold of an unknown class": (
        {},
        {"gold": GOLD.replace({0: 7})},
        LabelError,
        r"gold contains label 7, which is not among the classes \[0, 1, 2\]; use -1, NaN or None",
    ),
    "gold of some tasks": (
        {},
        {"gold": GOLD[:9]},
        ArgumentError,
        r"gold lacks 111 of the 120 tasks in its index, such as 't009', .*; add them",
    ),
    "class_prior above one": (
        {"class_prior": [0.5, 0.5, 0.5]},
        {},
        ArgumentError,
        r"class_prior=\[0\.5, 0\.5, 0\.5\]; its entries must be at least 0 and sum to one",
    ),
    "class_prior of two classes": (
        {"class_prior": [0.5, 0.5]},
        {},
        ShapeError,
        r"class_prior has shape \(2,\); expected \(3,\)",
    ),
    "confusion_prior of one classifier": (
        {},
        {"confusion_prior": np.ones((3, 3))},
        ShapeError,
        r"confusion_prior has shape \(3, 3\); expected .* = \(5, 3, 3\)",
    ),
    "negative confusion_prior": (
        {},
        {"confusion_prior": -np.ones((5, 3, 3))},
        ArgumentError,
        r"confusion_prior has a negative or non-finite entry; it counts votes, so pass",
    ),
    "negative weights": (
        {},
        {"sample_weight": -np.ones(120)},
        ArgumentError,
        r"sample_weight\[0\]=-1\.0, but weights must be finite and non-negative; use 0",
    ),
    "unknown selection": (
        {"selection": "best"},
        {},
        ArgumentError,
        r"selection='best' is unknown; choose one of: auto",
    ),
}


def assert_refused(settings, known, error, text):
    fitted = DEEM().fit(BY_TASK).set_params(**settings)
    before, tables = dict(vars(fitted)), [p.tolist() for p in fitted.model_.parameters()]
    with pytest.raises(error, match=text):
        fitted.fit(BY_TASK, **known)
    assert all(vars(fitted)[name] is value for name, value in before.items())
    assert len(vars(fitted)) == len(before)
    assert [p.tolist() for p in fitted.model_.parameters()] == tables


@pytest.mark.parametrize(("settings", "known", "error", "text"), BAD.values(), ids=BAD)
def test_bad_input(settings, known, error, text):
    assert_refused(settings, known, error, text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, r"holds no runs\.csv, .*; pass a folder that HyperparameterPredictor\.save wrote"),
        ("a,b\n1,2\n", r"runs\.csv is no table of runs: it has 2 columns, of which a, b are unk"),
        ("", r"runs\.csv is no table of runs: it has 0 columns"),
    ],
)
def test_bad_model_dir(tmp_path, content, text):
    if content is not None:
        (tmp_path / "runs.csv").write_text(content)
    settings = {"auto_hyperparameters": True, "model_dir": str(tmp_path)}
    assert_refused(settings, {}, ModelFileError, text)


def test_copies_are_named():
    data = copying_groups(2000, 3, groups=(3, 3, 1, 1), random_state=3)
    with pytest.warns(CopiedClassifierWarning, match="counts once: 0, 1, 2; 3, 4, 5; see depend"):
        fitted = DEEM(n_classes=3).fit(data.votes)
    assert fitted.health_["clusters"] == [[0, 1, 2], [3, 4, 5]]
