"""The baselines: what each must find, and that they keep the contract of DEEM."""

import numpy as np
import pandas as pd
import pytest
from jury import jury, long_form, soft_form
from sklearn.base import clone

from deem import DEEM
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM
from deem.estimators import GLAD, DawidSkene, MajorityVote, OneCoin
from deem.models.pseudo_counts import PseudoCounts
from deem.utils.exception import (
    ArgumentError,
    EmptySampleWarning,
    LabelError,
    ModelFileError,
    NotConvergedWarning,
)

BASELINES = [MajorityVote(random_state=0), DawidSkene(), OneCoin(), GLAD()]
TRAINED = BASELINES[1:]
GAPPY = jury(n=200, d=6, missing=0.3, seed=4)
FITTED = ("labels_", "probas_", "skills_", "confusion_", "class_map_")


def named(estimator):
    return type(estimator).__name__


every = pytest.mark.parametrize("baseline", BASELINES, ids=named)
trained = pytest.mark.parametrize("baseline", TRAINED, ids=named)


@every
def test_fit_leaves_what_deem_leaves(baseline, votes, truth):
    fitted = clone(baseline).fit(votes, truth)
    reference = DEEM().fit(votes)
    assert set(vars(fitted)) - set(fitted.get_params()) == (
        set(vars(reference)) - set(reference.get_params())
    )
    for name in FITTED:
        assert np.shape(getattr(fitted, name)) == np.shape(getattr(reference, name)), name
    assert fitted.probas_.sum(1) == pytest.approx(1)
    assert fitted.confusion_.sum(2) == pytest.approx(1)
    assert fitted.health_["converged"]
    assert len(fitted.history_["accuracy"]) == fitted.health_["n_iter"]
    assert fitted.history_["accuracy"][-1] == pytest.approx((fitted.labels_ == truth).mean())
    assert fitted.score(votes, truth) > 0.8


@every
def test_predict_is_pure_and_one_row_is_like_many(baseline, votes):
    fitted = clone(baseline).fit(votes)
    probas = fitted.predict_proba(votes)
    np.testing.assert_allclose(probas, fitted.probas_, atol=1e-12)
    alone = np.concatenate([fitted.predict_proba(row[None]) for row in votes[:20]])
    np.testing.assert_allclose(alone, probas[:20], atol=1e-12)
    np.testing.assert_array_equal(fitted.transform(votes), probas)
    np.testing.assert_array_equal(fitted.predict(votes), probas.argmax(1))


@every
def test_every_form_of_the_votes_gives_the_same(baseline):
    codes = GAPPY.votes
    expected = clone(baseline).fit(codes, gold=None).probas_
    names = np.array(["x", "y", "z"], dtype=object)
    strings = np.where(codes < 0, None, names[codes])
    frame = pd.DataFrame(long_form(codes))
    forms = [np.where(codes < 0, np.nan, codes), strings, frame, pd.DataFrame(codes)]
    forms += [read_votes(codes), soft_form(codes, 3, sharpness=1.0)]
    for form in forms:
        np.testing.assert_allclose(_fit_quietly(baseline, form).probas_, expected, atol=1e-9)
    assert set(clone(baseline).fit(strings).labels_) <= set(names)


def _fit_quietly(baseline, form):
    if isinstance(form, np.ndarray) and form.ndim == 3:
        with pytest.warns(match="all 0 or NaN"):
            return clone(baseline).fit(form)
    return clone(baseline).fit(form)


@every
def test_a_weight_of_two_is_a_row_twice(baseline):
    codes = GAPPY.votes
    weights = np.random.default_rng(0).integers(0, 3, len(codes))
    weighted = clone(baseline).fit(codes, sample_weight=weights)
    repeated = clone(baseline).fit(codes.repeat(weights, axis=0))
    np.testing.assert_allclose(
        weighted.predict_proba(codes), repeated.predict_proba(codes), atol=1e-7
    )
    np.testing.assert_allclose(weighted.skills_, repeated.skills_, atol=1e-7)


@every
def test_gold_settles_its_samples(baseline, votes, truth):
    gold = np.where(np.arange(len(truth)) < 30, truth, -1)
    fitted = clone(baseline).fit(votes, gold=gold)
    np.testing.assert_array_equal(fitted.labels_[:30], truth[:30])
    assert fitted.probas_[np.arange(30), truth[:30]] == pytest.approx(1)
    with pytest.raises(LabelError, match="gold contains label 9"):
        clone(baseline).fit(votes, gold=np.full(len(truth), 9))


@every
def test_gold_teaches(baseline):
    """Skills come nearer to the truth with it."""
    weak = jury(n=300, d=5, skill=(0.4, 0.6), seed=3)
    blind = clone(baseline).fit(weak.votes)
    taught = clone(baseline).fit(weak.votes, gold=weak.truth)
    exact = (weak.votes == weak.truth[:, None]).mean(0)
    assert taught.skills_ == pytest.approx(exact, abs=0.06)
    assert abs(taught.skills_ - exact).max() < abs(blind.skills_ - exact).max()


@every
def test_a_sample_without_votes_gets_the_frequencies_of_the_classes(baseline):
    codes = jury(n=300, prior=[0.6, 0.3, 0.1], seed=2).votes
    codes[7] = -1
    with pytest.warns(EmptySampleWarning, match="1 of 300"):
        fitted = clone(baseline).fit(codes)
    prior = fitted.model_.class_tables()[0].numpy()
    assert fitted.probas_[7] == pytest.approx(prior)
    assert fitted.health_["empty_samples"] == [7]


@every
def test_a_file_brings_everything_back(baseline, votes, tmp_path):
    saved = clone(baseline).fit(votes)
    saved.save(tmp_path / "file")
    loaded = type(baseline)().load(tmp_path / "file")
    assert loaded.get_params() == saved.get_params()
    for name in ("labels_", "probas_", "skills_", "confusion_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name))
    np.testing.assert_array_equal(loaded.predict_proba(votes), saved.predict_proba(votes))
    assert loaded.history_.to_dict() == saved.history_.to_dict()
    assert loaded.score(votes) == saved.score(votes)
    with pytest.raises(ModelFileError, match=f"holds a {named(baseline)}, expected a DEEM"):
        DEEM().load(tmp_path / "file")


@every
def test_a_bad_call_leaves_the_estimator_as_it_was(baseline, votes):
    fitted = clone(baseline).fit(votes)
    before = fitted.probas_
    with pytest.raises(ArgumentError, match="two names of one argument"):
        fitted.fit(votes, votes[:, 0], labels=votes[:, 0])
    with pytest.raises(ArgumentError, match="zero for every sample"):
        fitted.fit(votes, sample_weight=np.zeros(len(votes)))
    assert fitted.probas_ is before
    with pytest.raises(TypeError, match="unexpected keyword argument 'epochs'"):
        fitted.fit_predict(votes, epochs=3)


@every
def test_align_to_keeps_the_names(baseline, votes):
    fitted = clone(baseline).fit(votes)
    aligned = fitted.predict(votes, align_to=votes)
    np.testing.assert_array_equal(aligned, fitted.predict(votes))
    assert fitted.get_class_mapping() == {0: 0, 1: 1, 2: 2}


def test_a_comparison_is_one_loop(crowd):
    """Each baseline is right about as often as its assumptions hold; all beat the worst voter."""
    found = {
        named(method): clone(method).fit(crowd.votes).score(crowd.votes, crowd.truth)
        for method in (*BASELINES, DEEM())
    }
    assert min(found.values()) > (crowd.votes == crowd.truth[:, None]).mean(0).min() + 0.1


def test_majority_probabilities_are_fractions():
    codes = [[0, 0, 1, 2], [1, 1, -1, 1], [2, -1, -1, 0], [2, 2, 2, 2], [0, 0, 0, 0], [1] * 4]
    fitted = MajorityVote(n_classes=3, random_state=0).fit(codes)
    expected = [[1 / 2, 1 / 4, 1 / 4], [0, 1, 0], [1 / 2, 0, 1 / 2]]
    assert fitted.probas_[:3] == pytest.approx(np.array(expected))
    soft = soft_form(jury(k=2).votes, 2)
    assert MajorityVote().fit(soft).probas_ == pytest.approx(soft.mean(2))


def test_majority_draws_ties_by_its_seed_and_predicts_the_first():
    codes = np.tile([[0, 1, -1], [1, -1, 2], [2, 2, 2], [1, 1, 1]], (500, 1))
    votes = read_votes(codes)
    fitted = MajorityVote(random_state=3).fit(codes)
    np.testing.assert_array_equal(fitted.labels_, votes.majority(3))
    assert np.bincount(fitted.labels_) == pytest.approx([250, 1000, 750], abs=60)
    np.testing.assert_array_equal(fitted.predict(codes[:2]), [0, 1])
    other = MajorityVote(random_state=4).fit(codes)
    assert (other.labels_ != fitted.labels_).any()
    np.testing.assert_array_equal(other.predict_proba(codes), fitted.predict_proba(codes))


def test_majority_skills_are_the_agreement_with_the_vote(votes):
    fitted = MajorityVote().fit(votes)
    assert fitted.skills_ == pytest.approx(read_votes(votes).agreement(), abs=1e-3)


def em_by_loops(codes, k, passes, smoothing=0.01):
    """Posterior by Dawid and Skene (1979), equations 2.3 to 2.5, from the fractions."""
    cast = codes[:, :, None] == np.arange(k)
    posterior = cast.sum(1) / cast.sum((1, 2))[:, None]
    for _ in range(passes):
        confusion = np.einsum("ndl,nk->dkl", cast, posterior) + smoothing
        confusion /= confusion.sum(2, keepdims=True)
        score = np.log(posterior.mean(0)) + np.einsum("ndl,dkl->nk", cast, np.log(confusion))
        posterior = np.exp(score - score.max(1, keepdims=True))
        posterior /= posterior.sum(1, keepdims=True)
    return posterior


def test_dawid_skene_is_the_textbook_method():
    codes = GAPPY.votes
    fitted = DawidSkene(tolerance=0, max_passes=12)
    with pytest.warns(NotConvergedWarning, match="12 passes"):
        fitted.fit(codes)
    # one pass of the loop is the start
    np.testing.assert_allclose(fitted.probas_, em_by_loops(codes, 3, 13), atol=1e-6)


def test_dawid_skene_is_deem_without_a_prior():
    plain = DEEM(
        solver=ExactEM(1e-4), model_params={"pseudo_counts": PseudoCounts(0, 0.03, 0, 0, 0)}
    )
    found = DawidSkene().fit(GAPPY.votes).probas_
    np.testing.assert_allclose(found, plain.fit(GAPPY.votes).probas_, atol=1e-9)


def test_a_class_prior_is_free_uniform_or_given():
    skewed = jury(n=600, d=4, prior=[0.7, 0.2, 0.1], skill=(0.5, 0.8), seed=5)
    accuracy, prior = {}, {}
    for given in (None, "uniform", (0.7, 0.2, 0.1)):
        fitted = OneCoin(class_prior=given).fit(skewed.votes)
        accuracy[given] = fitted.score(skewed.votes, skewed.truth)
        prior[given] = fitted.model_.class_tables()[0].numpy()
    assert prior["uniform"] == pytest.approx([1 / 3] * 3)
    assert prior[0.7, 0.2, 0.1] == pytest.approx([0.7, 0.2, 0.1])
    assert accuracy[0.7, 0.2, 0.1] > accuracy["uniform"] + 0.02


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"class_prior": "equal"}, "class_prior='equal' is unknown; choose one of: uniform"),
        ({"class_prior": [0.5, 0.5]}, r"class_prior has shape \(2,\); expected \(3,\)"),
        ({"class_prior": ["a", "b", "c"]}, "class_prior is no array of numbers"),
        ({"tolerance": -1}, "tolerance=-1; it must be at least 0"),
        ({"max_passes": 0}, "max_passes=0; it must be an integer of at least 1"),
        ({"max_passes": 2.5}, r"max_passes=2\.5; it must be an integer"),
    ],
)
@trained
def test_wrong_parameters_are_refused(baseline, settings, text, votes):
    with pytest.raises(ArgumentError, match=text):
        clone(baseline).set_params(**settings).fit(votes)


def test_wrong_levels_are_refused(votes):
    with pytest.raises(ArgumentError, match="n_levels=0"):
        GLAD(n_levels=0).fit(votes)


def test_glad_knows_which_samples_are_hard():
    rng = np.random.default_rng(0)
    truth, hard = rng.integers(0, 3, 600), rng.random(600) < 0.3
    right = rng.random((600, 8)) < np.where(hard, 0.4, 0.9)[:, None]
    codes = np.where(right, truth[:, None], (truth[:, None] + rng.integers(1, 3, (600, 8))) % 3)
    fitted = GLAD().fit(codes)
    found = fitted.difficulty(codes)
    assert found[hard].mean() > found[~hard].mean() + 0.5
    frame = pd.DataFrame(codes, index=[f"s{i}" for i in range(600)])
    np.testing.assert_allclose(GLAD().fit(frame).difficulty(frame), found)
