"""Unusual but legal votes: the answer, and the named warning that comes with it."""

import contextlib
import re
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
from jury import jury, long_form, soft_form

from deem import DEEM
from deem.core.reading import read_votes
from deem.utils.exception import (
    CollapsedConsensusWarning,
    ConstantClassifierWarning,
    DeemWarning,
    DuplicateVotesWarning,
    EmptySampleWarning,
    FewClassifiersWarning,
    FewSamplesWarning,
    MinusOneWarning,
    NonFiniteError,
    NotConvergedWarning,
    SilentClassifierWarning,
    SingleClassifierWarning,
    SingleClassWarning,
    SoftVotesWarning,
)

VOTES = jury().votes
CD = {"solver": "cd", "epochs": 2, "random_state": 0}


@contextlib.contextmanager
def expected(*texts):
    """Exactly these warnings of the library, by category and start of the text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    found = sorted((w.category.__name__, str(w.message)) for w in caught)
    wanted = sorted((category.__name__, text) for category, text in texts)
    assert [name for name, _ in found] == [name for name, _ in wanted]
    for (_, message), (_, text) in zip(found, wanted, strict=True):
        assert re.match(text, message), message


every_solver = pytest.mark.parametrize("settings", [{}, CD], ids=["exact", "cd"])


@every_solver
def test_one_classifier_is_the_consensus(settings):
    one = VOTES[:, [4]]
    with expected((SingleClassifierWarning, "there is one classifier, so its votes are")):
        fitted = DEEM(**settings).fit(one)
    np.testing.assert_array_equal(fitted.labels_, one[:, 0])
    assert fitted.health_["warnings"] == [
        "SingleClassifierWarning: there is one classifier, so its votes are the consensus."
    ]


@every_solver
@pytest.mark.parametrize(("label", "n_classes"), [(0, None), (7, None), (2, 4), ("x", None)])
def test_one_class_present(settings, label, n_classes):
    with expected((SingleClassWarning, f"every vote is for class {label}; there is nothing")):
        fitted = DEEM(n_classes=n_classes, **settings).fit(np.full((30, 3), label))
    assert set(fitted.labels_) == {label}
    assert fitted.probas_.max(1) == pytest.approx(1, abs=0.35 if settings else 0.05)
    assert np.isfinite(fitted.confusion_).all()
    assert fitted.n_classes_ == (n_classes or 1)


@every_solver
def test_a_classifier_without_votes_has_no_influence(settings):
    padded = np.insert(VOTES, 2, -1, axis=1)
    with expected((SilentClassifierWarning, "classifiers 2 cast no vote")):
        fitted = DEEM(**settings).fit(padded)
    assert (fitted.labels_ == DEEM(**settings).fit(VOTES).labels_).mean() > 0.97
    assert fitted.health_["votes_per_classifier"] == [120, 120, 0, 120, 120, 120]
    np.testing.assert_allclose(fitted.confusion_.sum(2), 1)


def test_names_of_silent_classifiers():
    frame = pd.DataFrame(VOTES, columns=list("abcde")).assign(b=None, d=None)
    with expected((SilentClassifierWarning, "classifiers b, d cast no vote")):
        DEEM().fit(frame)


def test_a_soft_column_of_zeros_is_missing():
    gaps = VOTES.copy()
    gaps[:7, 0] = -1
    with expected((SoftVotesWarning, "7 soft votes are all 0 or NaN and count as missing")):
        soft = DEEM().fit(soft_form(gaps, 3, 1.0))
    np.testing.assert_allclose(soft.probas_, DEEM().fit(gaps).probas_, atol=1e-12)
    assert soft.health_["votes_per_classifier"] == [113, 120, 120, 120, 120]


def test_unnormalised_soft_votes():
    soft = soft_form(VOTES, 3)
    with expected((SoftVotesWarning, "600 soft votes did not sum to one along axis 1")):
        fitted = DEEM().fit(3 * soft)
    np.testing.assert_allclose(fitted.probas_, DEEM().fit(soft).probas_, atol=1e-12)


@every_solver
def test_a_sample_without_votes_gets_the_class_prior(settings):
    gaps = VOTES.copy()
    gaps[[5, 70]] = -1
    with expected((EmptySampleWarning, r"2 of 120 samples have no vote and get the class prior")):
        fitted = DEEM(**settings).fit(gaps)
    assert fitted.health_["empty_samples"] == [5, 70]
    prior = fitted.model_.class_tables()[0].numpy()
    order = np.argsort(fitted.class_map_)
    np.testing.assert_allclose(fitted.probas_[[5, 70]], [prior[order]] * 2, atol=1e-12)
    # asking is no fit: nothing to warn of
    np.testing.assert_allclose(fitted.predict_proba(gaps[[5]]), [prior[order]], atol=1e-12)


def test_names_of_empty_samples():
    frame = pd.DataFrame(VOTES, index=[f"q{i}" for i in range(120)], dtype=object)
    frame.loc["q3"] = None
    with expected((EmptySampleWarning, "1 of 120")):
        assert DEEM().fit(frame).health_["empty_samples"] == ["q3"]


def test_votes_on_a_single_sample():
    with expected((FewSamplesWarning, "1 samples with votes are few for 2 classes")):
        fitted = DEEM().fit([[1, 1, 0]])
    assert fitted.labels_.tolist() == [1]
    assert 0.5 < fitted.probas_[0, 1] < 1


def test_votes_on_one_of_many_samples():
    lone = np.full((20, 3), -1)
    lone[4] = [1, 1, 0]
    with expected((EmptySampleWarning, "19 of 20"), (FewSamplesWarning, "1 samples with votes")):
        fitted = DEEM().fit(lone)
    assert fitted.labels_[4] == 1
    assert (fitted.probas_[0, 1] > 0.5) == (fitted.labels_[0] == 1)


def test_a_single_vote():
    with expected(
        (SingleClassifierWarning, "there is one"), (SingleClassWarning, "every vote is for")
    ):
        fitted = DEEM().fit([["x"]])
    assert fitted.labels_.tolist() == ["x"]
    assert fitted.probas_.tolist() == [[1.0]]


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_each_of_repeated_votes_counts(library):
    columns = long_form(VOTES)
    thrice = {name: np.concatenate([c, c[:1], c[:1]]) for name, c in columns.items()}
    with expected((DuplicateVotesWarning, r"2 votes repeat a \(task, worker\) pair")):
        fitted = DEEM().fit(library.DataFrame(thrice))
    assert fitted.health_["votes_per_classifier"] == [122, 120, 120, 120, 120]
    plain = DEEM().fit(library.DataFrame(columns))
    with expected((DuplicateVotesWarning, "2 votes repeat")):
        found = plain.predict_proba(library.DataFrame(thrice))
    worker, label = columns["worker"][0], columns["label"][0]
    joint = plain.probas_[0] * plain.confusion_[worker, :, label] ** 2
    found = found.to_numpy()[:, -3:]
    np.testing.assert_allclose(found[0], joint / joint.sum(), rtol=1e-9)
    np.testing.assert_allclose(found[1:], plain.probas_[1:], rtol=1e-9)


@every_solver
def test_a_constant_classifier_carries_nothing(settings):
    padded = np.column_stack([VOTES, np.zeros(120, dtype=int)])
    with expected((ConstantClassifierWarning, "classifiers 5 always cast the same vote")):
        fitted = DEEM(**settings).fit(padded)
    assert (fitted.labels_ == DEEM(**settings).fit(VOTES).labels_).mean() > 0.93
    assert fitted.score(padded, jury().truth) > 0.88


def test_all_classifiers_constant():
    constant = np.tile([0, 1, 1], (40, 1))
    with expected((ConstantClassifierWarning, "classifiers 0, 1, 2 always")):
        fitted = DEEM().fit(constant)
    assert set(fitted.labels_) == {1}


@pytest.mark.parametrize("solver", ["cd", "pcd"])
@pytest.mark.parametrize("batch_size", [1, 2, 7, 17, 119, 120, 500])
def test_a_last_batch_of_any_size(solver, batch_size):
    # 120 = 17 * 7 + 1, so one batch has a single row
    fitted = DEEM(solver=solver, epochs=1, cd_k=1, batch_size=batch_size, random_state=0)
    assert fitted.fit(VOTES).score(VOTES, jury().truth) > 0.85


def test_minus_one_and_one_is_read_as_missing():
    signs = np.where(jury(k=2).votes == 0, -1, 1)
    with expected(
        (MinusOneWarning, r"the labels are exactly -1 and \+1"),
        (EmptySampleWarning, ""),
        (SingleClassWarning, "every vote is for class 1"),
    ):
        fitted = DEEM().fit(signs)
    assert fitted.classes_.tolist() == [1]


def test_many_classes_with_few_samples_each():
    k = 300
    crowd = jury(n=200, d=3, k=k, skill=(0.5, 0.8))
    with expected((FewSamplesWarning, "200 samples with votes are few for 300 classes")):
        fitted = DEEM(n_classes=k).fit(crowd.votes)
    assert fitted.probas_.shape == (200, k)
    np.testing.assert_allclose(fitted.probas_.sum(1), 1)
    assert fitted.score(crowd.votes, crowd.truth) >= crowd.shares_right - 0.01
    assert fitted.class_map_.tolist() == list(range(k))


def test_equal_votes_of_two_stay_tied():
    # nothing says which of two classifiers is right
    tied = np.array([[0, 1], [1, 0]] * 20)
    with expected(
        (CollapsedConsensusWarning, "the consensus is one class for all samples"),
        (FewClassifiersWarning, "where two classifiers differ, nothing"),
    ):
        fitted = DEEM().fit(tied)
    np.testing.assert_allclose(fitted.probas_, 0.5, atol=1e-9)


def test_unanimous_votes_are_not_overruled():
    unanimous = np.repeat(np.arange(3), 20)[:, None] * np.ones((1, 4), dtype=int)
    fitted = DEEM().fit(unanimous)
    np.testing.assert_array_equal(fitted.labels_, unanimous[:, 0])
    assert fitted.probas_.max(1).min() > 0.99


def test_an_exact_training_that_stops_at_its_limit(monkeypatch):
    monkeypatch.setattr("deem.core.solvers.ExactEM.default_epochs", 1)
    with expected((NotConvergedWarning, "training stopped after 1 passes before its stopping")):
        fitted = DEEM().fit(VOTES)
    assert fitted.health_["converged"] is False
    assert fitted.health_["n_iter"] == 1


def test_warnings_can_be_silenced_but_stay_in_the_report():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeemWarning)
        fitted = DEEM().fit(VOTES[:, [0]])
    assert fitted.health_["warnings"][0].startswith("SingleClassifierWarning: ")


ONE = VOTES[:, [0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda: DEEM().fit(ONE),
        lambda: DEEM().fit_predict(ONE),
        lambda: DEEM().set_output(transform="pandas").fit_transform(ONE),
        lambda: DEEM().fit(VOTES, gold=VOTES[:, 0], epochs=2),
        lambda: DEEM(**CD).fit(VOTES, gold=VOTES[:, 0]),
        lambda: read_votes(np.where(VOTES == 0, -1, 1)),
        lambda: read_votes(2 * soft_form(VOTES, 3)),
        lambda: DEEM().fit(VOTES).score(VOTES, np.full(len(VOTES), 9)),
    ],
)
def test_warnings_point_at_the_call(call):
    with pytest.warns(DeemWarning) as caught:
        call()
    assert {warning.filename for warning in caught} == {__file__}


def test_a_warning_made_an_error_leaves_the_estimator_as_it_was():
    fitted = DEEM().fit(VOTES)
    before = dict(vars(fitted))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeemWarning)
        with pytest.raises(SingleClassifierWarning):
            fitted.fit(ONE)
    assert all(vars(fitted)[name] is value for name, value in before.items())


def test_warnings_are_shown_though_the_training_fails():
    with pytest.warns(SingleClassifierWarning), pytest.raises(NonFiniteError):
        DEEM(solver="cd", learning_rate=1e160, epochs=9, random_state=0).fit(ONE, VOTES[:, 1])


@pytest.fixture
def busy_threads():
    """Threads that take turns much more often than they do otherwise."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("busy_threads")
def test_fits_in_threads_leave_the_warnings_of_the_process_alone():
    def of_the_process():
        return list(warnings.filters), warnings._showwarnmsg_impl, warnings.showwarning

    with ThreadPoolExecutor(6) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeemWarning)
        before = of_the_process()
        fitted = list(pool.map(lambda _: DEEM().fit(ONE), range(30)))
        assert of_the_process() == before
    assert all(len(x.health_["warnings"]) == 1 for x in fitted)
    with pytest.warns(UserWarning, match="still shown"):
        warnings.warn("still shown", stacklevel=1)


def test_each_thread_reports_its_own_warnings():
    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeemWarning)
        found = list(
            pool.map(lambda votes: DEEM().fit(votes).health_["warnings"], [ONE, VOTES] * 4)
        )
    assert [len(texts) for texts in found] == [1, 0] * 4
