"""Votes of every form come in, and answers go out in the form and the names they came in."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from jury import jury, long_form, soft_form
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from deem import DEEM
from deem.core.reading import read_votes
from deem.core.votes import Votes
from deem.utils.exception import ArgumentError, UnknownWorkerWarning

GAPS = jury(n=150, missing=0.25, seed=3)
VOTES = GAPS.votes[(GAPS.votes >= 0).any(1)]
ROWS = [f"q{i:03d}" for i in range(len(VOTES))]
WORKERS = list("abcde")
WITH_NAN = np.where(VOTES < 0, np.nan, VOTES)
NAMES = np.array(["cat", "dog", "owl", None], dtype=object)

FORMS = {
    "int8": VOTES.astype(np.int8),
    "float with NaN": WITH_NAN,
    "lists with None": [[None if x < 0 else int(x) for x in row] for row in VOTES],
    "tensor": torch.from_numpy(VOTES),
    "csr": sparse.csr_array(VOTES + 1),
    "coo matrix": sparse.coo_matrix(VOTES + 1),
    "Votes": read_votes(VOTES),
}


@pytest.fixture(scope="module")
def expected():
    return DEEM().fit(VOTES)


@pytest.mark.parametrize("form", FORMS)
def test_one_answer_for_every_form(expected, form):
    fitted = DEEM().fit(FORMS[form])
    np.testing.assert_array_equal(fitted.probas_, expected.probas_)
    found = fitted.predict(FORMS[form])
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, expected.labels_)
    np.testing.assert_array_equal(expected.predict_proba(FORMS[form]), expected.probas_)
    np.testing.assert_array_equal(fitted.fit_predict(FORMS[form]), found)
    assert fitted.n_features_in_ == 5


@pytest.mark.parametrize("names", [NAMES, np.array([False, True])], ids=["strings", "bools"])
def test_labels_come_back_as_they_went_in(names):
    k = len(set(names.tolist()) - {None})
    votes = VOTES if k == 3 else jury(k=2).votes
    fitted = DEEM().fit(names[votes])
    assert fitted.classes_.tolist() == names[:k].tolist()
    assert type(fitted.predict(names[votes]).tolist()[0]) is type(names.tolist()[0])
    np.testing.assert_array_equal(fitted.labels_, names[DEEM().fit(votes).labels_])


def test_float_labels_come_back_as_floats(expected):
    fitted = DEEM().fit(WITH_NAN + 4.0)
    assert fitted.classes_.tolist() == [4.0, 5.0, 6.0]
    assert fitted.labels_.dtype == np.float64
    np.testing.assert_array_equal(fitted.labels_, expected.labels_ + 4)


def test_given_number_of_classes_keeps_unused_codes():
    fitted = DEEM(n_classes=5).fit(VOTES)
    assert fitted.classes_.tolist() == [0, 1, 2, 3, 4]
    assert fitted.probas_.shape == (len(VOTES), 5)
    assert set(fitted.labels_) == {0, 1, 2}
    assert fitted.class_map_.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_soft_votes(kind):
    soft = kind(soft_form(jury().votes, 3))
    fitted = DEEM().fit(soft)
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.n_features_in_ == 5
    assert fitted.score(soft, jury().truth) > 0.85
    assert fitted.probas_.shape == (120, 3)


def test_certain_soft_votes_are_hard_votes():
    soft, plain = DEEM().fit(soft_form(jury().votes, 3, 1.0)), DEEM().fit(jury().votes)
    np.testing.assert_allclose(soft.probas_, plain.probas_, atol=1e-12)
    np.testing.assert_allclose(soft.predict_proba(jury().votes), plain.probas_, atol=1e-12)


def test_wide_pandas(expected):
    index = pd.Index(ROWS, name="question")
    frame = pd.DataFrame(NAMES[VOTES], index=index, columns=WORKERS)
    fitted = DEEM().fit(frame)
    labels, probas = fitted.predict(frame), fitted.predict_proba(frame)
    assert isinstance(labels, pd.Series)
    assert labels.index.equals(index)
    assert labels.index.name == "question"
    assert labels.tolist() == NAMES[expected.labels_].tolist()
    assert probas.columns.tolist() == ["cat", "dog", "owl"]
    np.testing.assert_array_equal(probas.to_numpy(), expected.probas_)
    assert fitted.classifiers_.tolist() == fitted.feature_names_in_.tolist() == WORKERS
    pd.testing.assert_series_equal(DEEM().fit_predict(frame), labels)


def test_wide_pandas_with_numbered_columns(expected):
    fitted = DEEM().fit(pd.DataFrame(VOTES))
    np.testing.assert_array_equal(fitted.predict(pd.DataFrame(VOTES)), expected.labels_)
    assert not hasattr(fitted, "feature_names_in_")


def test_wide_polars(expected):
    frame = pl.DataFrame({w: NAMES[VOTES[:, i]].tolist() for i, w in enumerate(WORKERS)})
    fitted = DEEM().fit(frame)
    labels, probas = fitted.predict(frame), fitted.predict_proba(frame)
    assert labels.columns == ["task", "label"]
    assert labels["label"].to_list() == NAMES[expected.labels_].tolist()
    assert probas.columns == ["task", "cat", "dog", "owl"]
    np.testing.assert_array_equal(probas.drop("task").to_numpy(), expected.probas_)
    # columns are matched by name, in whatever order they stand
    swapped = fitted.predict_proba(frame.select(WORKERS[::-1]))
    np.testing.assert_array_equal(swapped.drop("task").to_numpy(), expected.probas_)
    with pytest.raises(ArgumentError, match="the votes lack the classifiers 'a'"):
        fitted.predict(frame.rename({"a": "z"}))
    # in a pipeline a column of tasks would be taken for a feature
    np.testing.assert_array_equal(fitted.transform(frame), expected.probas_)


@pytest.mark.parametrize("long", [False, True], ids=["wide", "long"])
def test_lazy_frames(expected, long):
    wide = pl.DataFrame({w: VOTES[:, i] for i, w in enumerate(WORKERS)})
    wide = wide.with_columns(pl.all().replace(-1, None))
    frame = long_frame(pl) if long else wide
    fitted = DEEM().fit(frame.lazy())
    np.testing.assert_array_equal(fitted.probas_, expected.probas_)
    assert fitted.predict(frame.lazy())["label"].to_list() == expected.labels_.tolist()
    np.testing.assert_array_equal(fitted.transform(frame), expected.probas_)


def long_frame(library, labels=VOTES, rows=ROWS, workers=WORKERS):
    frame = library.DataFrame(long_form(labels, rows, workers))
    order = np.random.default_rng(0).permutation(len(frame))
    return frame.iloc[order] if library is pd else frame[order]


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_long_frames(expected, library):
    frame = long_frame(library)
    fitted = DEEM().fit(frame)
    assert fitted.classifiers_.tolist() == WORKERS
    assert fitted.n_features_in_ == fitted.n_classifiers_ == 5
    np.testing.assert_array_equal(fitted.probas_, expected.probas_)
    labels, probas = fitted.predict(frame), fitted.predict_proba(frame)
    if library is pd:
        assert labels.index.tolist() == probas.index.tolist() == ROWS
        assert labels.index.name == "task"
        assert fitted.transform(frame).index.tolist() == ROWS
    else:
        assert labels["task"].to_list() == probas["task"].to_list() == ROWS
        labels, probas = labels["label"], probas.drop("task")
    assert list(labels) == expected.labels_.tolist()
    np.testing.assert_array_equal(probas.to_numpy(), expected.probas_)


def test_true_labels_are_matched_by_task():
    frame, truth = long_frame(pd), GAPS.truth[(GAPS.votes >= 0).any(1)]
    by_task = pd.Series(truth, index=ROWS).sample(frac=1, random_state=0)
    fitted = DEEM().fit(frame, labels=by_task)
    accuracy = (fitted.labels_ == truth).mean()
    assert fitted.history_["accuracy"][-1] == pytest.approx(accuracy)
    assert fitted.score(frame, by_task) == pytest.approx(accuracy)


def test_unknown_workers_are_ignored_and_named():
    fitted = DEEM().fit(long_frame(pd))
    stranger = pd.DataFrame({"task": ["q000"], "worker": ["zoe"], "label": [2]})
    frame = pd.concat([long_frame(pd), stranger])
    with pytest.warns(UnknownWorkerWarning, match=r"1 workers unseen in fit \('zoe'\) were ign"):
        found = fitted.predict_proba(frame)
    np.testing.assert_array_equal(found.to_numpy(), fitted.probas_)


def test_votes_of_some_workers_are_enough_in_long_form(expected):
    fitted = DEEM().fit(long_frame(pd))
    frame = long_frame(pd).query("worker == 'd'")
    only = np.where(np.arange(5) == 3, VOTES, -1)
    rows = (only >= 0).any(1)
    np.testing.assert_allclose(
        fitted.predict_proba(frame).to_numpy(), expected.predict_proba(only[rows]), atol=1e-12
    )


def test_a_wide_frame_after_a_long_one(expected):
    fitted = DEEM().fit(long_frame(pd))
    wide = pd.DataFrame(VOTES, index=ROWS, columns=WORKERS)
    np.testing.assert_array_equal(fitted.predict_proba(wide), expected.probas_)
    # columns are matched by name, in whatever order they stand
    np.testing.assert_array_equal(fitted.predict_proba(wide[WORKERS[::-1]]), expected.probas_)
    np.testing.assert_array_equal(fitted.predict_proba(VOTES), expected.probas_)


def test_fitted_classifiers_vote():
    rng = np.random.default_rng(0)
    y = np.array(["no", "yes"])[rng.integers(0, 2, 200)]
    X = rng.normal(size=(200, 4)) + 1.5 * (y == "yes")[:, None]
    fits = [
        ("tree", DecisionTreeClassifier(max_depth=2, random_state=0)),
        ("bayes", GaussianNB()),
        ("chance", DummyClassifier(strategy="uniform", random_state=0)),
        ("stump", DecisionTreeClassifier(max_depth=1, random_state=0)),
    ]
    fits = [(name, estimator.fit(X[:100], y[:100])) for name, estimator in fits]
    votes = Votes.from_estimators(fits, X[100:])
    fitted = DEEM().fit(votes)
    assert fitted.classifiers_.tolist() == ["tree", "bayes", "chance", "stump"]
    assert fitted.score(votes, y[100:]) > 0.9
    assert fitted.skills_.argmin() == 2
    soft = Votes.from_estimators(fits, X[100:], method="predict_proba")
    assert DEEM().fit(soft).score(soft, y[100:]) > 0.9


def test_missing_votes_are_no_votes(expected):
    # a classifier that never votes changes nothing about the others
    padded = np.column_stack([VOTES, np.full(len(VOTES), -1)])
    with pytest.warns(match="classifiers 5 cast no vote"):
        fitted = DEEM().fit(padded)
    np.testing.assert_allclose(fitted.probas_, expected.probas_, atol=0.01)


def test_one_row_at_predict(expected):
    np.testing.assert_allclose(expected.predict_proba(VOTES[:1]), expected.probas_[:1])
    assert expected.predict(VOTES[:1]).shape == (1,)


@pytest.mark.parametrize(
    "make", [pd.DataFrame, pl.DataFrame, lambda x: pl.DataFrame(x).to_arrow()]
)
@pytest.mark.parametrize("named", [False, True])
def test_wide_frames_of_every_library(make, named):
    columns = dict(zip("abc", jury().votes[:, :3].T, strict=True))
    tasks = {"task": [f"t{i}" for i in range(len(jury().votes))]} if named else {}
    frame = make(columns | tasks)
    fitted = DEEM().fit(frame)
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(fitted.transform(frame), fitted.probas_)
    if make is pd.DataFrame and named:
        assert fitted.predict(frame).index.tolist() == tasks["task"]


def test_repeated_columns_are_refused_in_predict_as_in_fit():
    frame = pd.DataFrame(jury().votes[:, :3], columns=list("abc"))
    fitted = DEEM().fit(frame)
    frame.columns = list("aba")
    for method in (fitted.predict, DEEM().fit):
        with pytest.raises(ArgumentError, match="several columns are named 'a'"):
            method(frame)


def test_accuracy_of_labels_in_a_frame_of_one_column():
    frame = pd.DataFrame(jury().votes)
    fitted = DEEM().fit(frame)
    truth = pd.DataFrame({"label": jury().truth})
    assert fitted.score(frame, truth) == fitted.score(frame, jury().truth)
