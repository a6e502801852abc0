"""The same votes in every form, and every bad input."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from deem.core.labels import pair_count
from deem.core.reading import (
    match_labels,
    read_estimators,
    read_votes,
    wrap_labels,
    wrap_probabilities,
)
from deem.core.votes import Votes
from deem.utils.exception import (
    ArgumentError,
    DuplicateVotesWarning,
    LabelError,
    MinusOneWarning,
    ShapeError,
    SoftVotesWarning,
    UnknownWorkerWarning,
)

DENSE = np.array([[0, 1, 1], [2, -1, 2], [-1, -1, -1], [1, 1, 0]])
WITH_NAN = np.where(DENSE < 0, np.nan, DENSE.astype(float))
LONG = [(t, w, DENSE[t, w]) for t in (3, 0, 2, 1) for w in (1, 0, 2)]
TASKS, WORKERS, LABELS = (np.array(column) for column in zip(*LONG, strict=True))


def nested(matrix):
    return [[None if entry < 0 else int(entry) for entry in row] for row in matrix]


def with_na(matrix):
    objects = matrix.astype(object)
    objects[matrix < 0] = pd.NA
    return objects


def long_pandas(**changes):
    return pd.DataFrame({"task": TASKS, "worker": WORKERS, "label": LABELS} | changes)


FORMS = {
    "int64": DENSE,
    "int8": DENSE.astype(np.int8),
    "fortran": np.asfortranarray(DENSE),
    "float with NaN": WITH_NAN,
    "float with -1": DENSE.astype(float),
    "float32": WITH_NAN.astype(np.float32),
    "float16": WITH_NAN.astype(np.float16),
    "lists": nested(DENSE),
    "objects": np.array(nested(DENSE), dtype=object),
    "objects with NA": with_na(DENSE),
    "masked": np.ma.MaskedArray(np.abs(DENSE), DENSE < 0),
    "torch": torch.from_numpy(DENSE),
    "torch half": torch.from_numpy(WITH_NAN).bfloat16(),
    "csr": sparse.csr_matrix(DENSE + 1),
    "csc array": sparse.csc_array((DENSE + 1).astype(float)),
    "coo": sparse.coo_array(DENSE + 1),
    "bsr": sparse.bsr_array(DENSE + 1),
    "dia": sparse.dia_array(DENSE + 1),
    "dok": sparse.dok_array(DENSE + 1),
    "pandas": pd.DataFrame(WITH_NAN),
    "pandas Int64": pd.DataFrame(with_na(DENSE)).astype("Int64"),
    "pandas object": pd.DataFrame(with_na(DENSE)),
    "polars": pl.DataFrame(nested(DENSE), schema=["a", "b", "c"], orient="row"),
    "polars NaN": pl.DataFrame(WITH_NAN),
    "long pandas": long_pandas(),
    "long NaN": long_pandas(label=np.where(LABELS < 0, np.nan, LABELS)),
    "long Int64": long_pandas(label=pd.Series(LABELS).astype("Int64").mask(LABELS < 0)),
    "long names": long_pandas(worker=WORKERS.astype(str), task=[f"t{task}" for task in TASKS]),
    "long categories": long_pandas(worker=pd.Categorical(WORKERS.astype(str))),
    "long far apart": long_pandas(task=TASKS * 10**12),
    "long fractions": long_pandas(task=TASKS / 2),
    "long polars": pl.from_pandas(long_pandas()),
    "long polars null": pl.from_pandas(long_pandas()).with_columns(
        pl.when(pl.col("label") >= 0).then(pl.col("label")).alias("label")
    ),
    "long polars names": pl.from_pandas(long_pandas(worker=WORKERS.astype(str))),
    "long arrow names": pl.from_pandas(long_pandas(worker=WORKERS.astype(str))).to_arrow(),
    "long lazy": pl.from_pandas(long_pandas()).lazy(),
}


def assert_same(votes, expected):
    assert votes.indptr.dtype == np.int64
    assert votes.columns.dtype == np.int32
    assert votes.indptr.tolist() == expected.indptr.tolist()
    assert votes.columns.tolist() == expected.columns.tolist()
    assert votes.classes.tolist() == expected.classes.tolist()
    assert votes.n_classifiers == expected.n_classifiers


@pytest.fixture
def expected():
    columns = np.array([0, 4, 7, 2, 8, 1, 4, 6], dtype=np.int32)
    return Votes(np.array([0, 3, 5, 5, 8]), columns, None, 3, np.arange(3))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("known", [{}, {"n_classes": 3}, {"classes": [0, 1, 2]}])
def test_same_votes_from_every_form(form, known, expected):
    assert_same(read_votes(FORMS[form], **known), expected)


def test_same_votes_from_one_hot_soft_votes(expected):
    soft = (DENSE[:, None, :] == np.arange(3)[:, None]).astype(float)
    with pytest.warns(SoftVotesWarning, match="4 soft votes"):
        votes = read_votes(soft)
    assert_same(votes, expected)
    assert votes.values.tolist() == [1] * 8
    assert votes.n_votes == 8


STRINGS = np.array(["cat", "dog", "eel"])
NAMED = np.where(DENSE < 0, None, STRINGS.astype(object)[DENSE])


@pytest.mark.parametrize(
    "data",
    [
        NAMED,
        NAMED.tolist(),
        pd.DataFrame(NAMED),
        pd.DataFrame(NAMED).astype("category"),
        pl.DataFrame(NAMED.tolist(), schema=["a", "b", "c"], orient="row"),
        long_pandas(label=NAMED[TASKS, WORKERS]),
        pl.from_pandas(long_pandas(label=NAMED[TASKS, WORKERS])),
        pl.from_pandas(long_pandas(label=NAMED[TASKS, WORKERS])).cast({"label": pl.Categorical}),
        pl.from_pandas(long_pandas(label=NAMED[TASKS, WORKERS])).cast({"label": pl.Enum(STRINGS)}),
    ],
    ids=[
        "objects",
        "lists",
        "pandas",
        "category",
        "polars",
        "long",
        "long-polars",
        "long-categories",
        "long-enum",
    ],
)
def test_strings(data, expected):
    votes = read_votes(data)
    assert votes.classes.tolist() == STRINGS.tolist()
    assert votes.columns.tolist() == expected.columns.tolist()
    assert read_votes(data, n_classes=3).columns.tolist() == expected.columns.tolist()
    assert read_votes(data, classes=STRINGS).columns.tolist() == expected.columns.tolist()


@pytest.mark.parametrize(
    ("data", "classes", "kind"),
    [
        (np.array([["b", "a"]]), ["a", "b"], "U"),
        ([["b", "a"]], ["a", "b"], "U"),
        ([["b", None]], ["b"], "O"),
        ([[7, 3]], [3, 7], "i"),
        (np.array([[7, 3]], dtype=np.uint8), [3, 7], "u"),
        ([[7.0, np.nan]], [7.0], "f"),
        (np.array([[7, None, 3.0]], dtype=object), [3.0, 7.0], "f"),
        ([[True, False]], [False, True], "b"),
        (np.array([[True, None]], dtype=object), [True], "b"),
        (pl.DataFrame({"a": [True], "b": [False]}), [False, True], "b"),
        (pl.DataFrame({"a": [None], "b": [1]}, schema={"a": pl.String, "b": pl.UInt8}), [1], "u"),
        (pl.DataFrame({"a": [True, None], "b": [False, True]}), [False, True], "b"),
        ([["a", 2, -1]], [2, "a"], "O"),
        (np.array([[2**70, 1]], dtype=object), [1, 2**70], "O"),
        (pd.DataFrame({"a": ["x"], "b": [2]}), [2, "x"], "O"),
    ],
)
def test_classes_come_back_as_they_went_in(data, classes, kind):
    found = read_votes(data).classes
    assert found.tolist() == classes
    assert found.dtype.kind == kind


@pytest.mark.parametrize("unit", ["D", "s", "us", "ns"])
def test_dates_come_back_as_dates(unit):
    days = np.array([["2020-01-02", "NaT"], ["2020-01-02", "2019-05-06"]], dtype=f"M8[{unit}]")
    votes = read_votes(days)
    kind = date if unit == "D" else datetime
    assert votes.classes.tolist() == [kind(2019, 5, 6), kind(2020, 1, 2)]
    assert votes.to_dense().tolist() == [[1, -1], [1, 0]]
    if unit == "ns":
        framed = read_votes(pd.DataFrame(days), classes=votes.classes)
        assert framed.to_dense().tolist() == [[1, -1], [1, 0]]


def test_n_classes():
    assert read_votes([[0, 1]], n_classes=4).classes.tolist() == [0, 1, 2, 3]
    assert read_votes([[True, True]], n_classes=2).classes.tolist() == [False, True]
    assert read_votes([[None, -1]], n_classes=2).n_votes == 0


def test_given_classes_keep_their_order():
    votes = read_votes([["low", "high"]], classes=["low", "mid", "high"])
    assert votes.to_dense().tolist() == [[0, 2]]


@pytest.mark.parametrize(
    ("data", "known", "error", "match"),
    [
        ([0, 1], {}, ShapeError, "Reshape your data"),
        (3, {}, ShapeError, "got scalar array"),
        (np.zeros((1, 1, 1, 1)), {}, ShapeError, "got 4D array"),
        (pd.Series([0, 1]), {}, ShapeError, "Reshape your data"),
        (np.empty((0, 3)), {}, ShapeError, r"0 sample\(s\) \(shape=\(0, 3\)\)"),
        (np.empty((12, 0)), {}, ShapeError, r"0 feature\(s\) \(shape=\(12, 0\)\) while a minimum"),
        (pd.DataFrame({"a": []}), {}, ShapeError, r"0 sample\(s\)"),
        (sparse.csr_array((0, 3)), {}, ShapeError, r"0 sample\(s\)"),
        ([[0, 1], [1]], {}, ShapeError, "ragged"),
        (np.array([[1j]]), {}, ArgumentError, "Complex data not supported"),
        ([[0.5, 1.0]], {}, ArgumentError, "contain 0.5"),
        ([[np.inf, 1.0]], {}, ArgumentError, "contain inf"),
        (np.array([[{}, 1]], dtype=object), {}, TypeError, "argument must be .* string.* number"),
        (pd.DataFrame({"a": [[1], 2]}), {}, TypeError, "argument must be .* string.* number"),
        ([[0, -2]], {}, LabelError, "label -2"),
        ([[-1, -1]], {}, LabelError, "no vote at all"),
        ([[None, None]], {}, LabelError, "no vote at all"),
        ([[0, 4]], {"n_classes": 3}, LabelError, "n_classes=3, but .* label 4; pass n_classes=5"),
        ([["a", "b"]], {"n_classes": 3}, LabelError, "2 distinct labels .*'a', 'b'"),
        ([["a", "c"]], {"classes": ["a", "b"]}, LabelError, "not among the classes: 'c'"),
        ([[0, 1]], {"classes": [0, 0]}, LabelError, "repeats"),
        ([[-1, 1]], {"classes": [-1, 1]}, LabelError, "contains -1, which means no vote"),
        (sparse.csr_array([[1]]), {"classes": [0, -1.0]}, LabelError, "contains -1"),
        ([[0, 1]], {"classes": [0, 1], "n_classes": 3}, ArgumentError, "leave n_classes out"),
        ([[0, 1]], {"n_classes": 2.0}, ArgumentError, "n_classes=2.0"),
        ([[0, 1]], {"n_classes": 0}, ArgumentError, "n_classes=0"),
        ([[0, 1]], {"classifiers": ["a"]}, ShapeError, "2 classifiers, but 1 are expected"),
        ([[0, 1]], {"columns": {"task": "a"}}, ArgumentError, "leave it out"),
        (sparse.csr_array([[0.5]]), {}, ArgumentError, "store 0.5"),
        (sparse.csr_array([[-1]]), {}, ArgumentError, "store -1"),
        (sparse.coo_array(([1, 1], ([0, 0], [0, 0]))), {}, ArgumentError, "repeat 1"),
        (sparse.csr_array(([1, 2], [0, 0], [0, 2])), {}, ArgumentError, "repeat 1"),
        (sparse.csc_array(([1, 2], [0, 0], [0, 2])), {}, ArgumentError, "repeat 1"),
        ([["cat", -2]], {}, LabelError, "label -2"),
        ([["cat", 0.5]], {}, ArgumentError, "contain 0.5"),
        ([["cat", np.inf]], {}, ArgumentError, "contain inf"),
        (np.array([[np.inf, 1]], dtype=object), {}, ArgumentError, "contain inf"),
        (np.array([[2**70, -np.inf]], dtype=object), {}, ArgumentError, "contain -inf"),
        (np.array([["cat", np.float64(np.inf)]], dtype=object), {}, ArgumentError, "contain inf"),
        (np.array([[2**70, -3]], dtype=object), {}, LabelError, "label -3"),
        (pd.DataFrame({"a": ["cat"], "b": [-2]}), {}, LabelError, "label -2"),
        (pd.DataFrame([[0, 1, 1]], columns=list("aba")), {}, ShapeError, "columns are named 'a',"),
        (torch.eye(2).to_sparse(), {}, ArgumentError, r"sparse_coo, .* pass votes.to_dense\(\)"),
        (long_pandas(), {"columns": {"item": "a"}}, ArgumentError, "key 'item'"),
        (long_pandas(), {"columns": {"task": "a"}}, ArgumentError, "'a' not found .* 'worker'"),
        (long_pandas(task=[None] * 12), {}, ArgumentError, r"'task' \(task\) has 12 nulls"),
        (long_pandas(worker=[np.nan] + [1] * 11), {}, ArgumentError, "'worker' .* 1 nulls"),
    ],
)
def test_bad_input(data, known, error, match):
    with pytest.raises(error, match=match):
        read_votes(data, **known)


def test_columns_fit_32_bits():
    assert pair_count(2**15, 2**15) == 2**30
    with pytest.raises(ShapeError, match="exceed"):
        pair_count(2**16, 2**15)


@pytest.mark.parametrize(
    ("soft", "known", "error", "match"),
    [
        (np.full((2, 2, 3), np.inf), {}, ArgumentError, "inf"),
        (np.full((2, 2, 3), -0.5), {}, ArgumentError, "contain -0.5"),
        (np.array([[[0.5], [np.nan]]]), {}, ArgumentError, "NaN beside numbers"),
        (np.full((4, 5, 2), 0.5), {}, ShapeError, r"transpose\(0, 2, 1\)"),
        (np.full((4, 2, 5), 0.5), {"n_classes": 3}, ShapeError, "3 are expected"),
        (np.full((4, 2, 5), 0.5), {"classes": list("abc")}, ShapeError, "3 are expected"),
        (np.full((4, 2, 5), 0.5), {"classifiers": range(4)}, ShapeError, "5 classifiers"),
        (np.empty((4, 0, 5)), {}, ShapeError, "0 feature"),
    ],
)
def test_bad_soft_votes(soft, known, error, match):
    with pytest.raises(error, match=match):
        read_votes(soft, **known)


def test_soft_votes_are_normalised_with_a_warning():
    soft = np.array([[[1.0, 0.2], [3.0, 0.8]]])
    with pytest.warns(SoftVotesWarning, match="1 soft votes did not sum to one"):
        votes = read_votes(torch.from_numpy(soft), classes=["no", "yes"])
    assert votes.values.tolist() == [0.25, 0.75, 0.2, 0.8]
    assert votes.columns.tolist() == [0, 1, 2, 3]
    assert votes.classes.tolist() == ["no", "yes"]


def test_nan_column_of_soft_votes_is_missing():
    soft = np.array([[[np.nan, 0.2], [np.nan, 0.8]]])
    with pytest.warns(SoftVotesWarning, match="1 soft votes are all 0 or NaN"):
        votes = read_votes(soft)
    assert votes.votes_per_classifier().tolist() == [0, 1]
    assert votes.n_votes == 1


@pytest.mark.parametrize("data", [[[-1, 1], [1, -1]], [[-1.0, 1.0]], pd.DataFrame([[-1, 1]])])
def test_minus_one_and_one(data):
    with pytest.warns(MinusOneWarning, match="recode them as 0 and 1"):
        read_votes(data)


def test_duplicates_all_count():
    frame = pd.DataFrame({"task": [5, 5, 5], "worker": ["a", "a", "b"], "label": [1, 1, 0]})
    with pytest.warns(DuplicateVotesWarning, match="1 votes repeat"):
        votes = read_votes(frame)
    assert votes.columns.tolist() == [1, 1, 2]
    assert votes.vote_counts().tolist() == [[1, 2]]
    assert votes.n_votes == 3


def test_long_names_and_order():
    frame = pd.DataFrame({"item": ["b", "a", "b"], "judge": [9, 9, 2], "verdict": [0, 1, -1]})
    mapping = {"task": "item", "worker": "judge", "label": "verdict"}
    votes = read_votes(frame, columns=mapping)
    assert votes.tasks.tolist() == ["a", "b"]
    assert votes.classifiers.tolist() == [2, 9]
    assert votes.to_dense().tolist() == [[-1, 1], [-1, 0]]
    assert (votes.frame, votes.task_name) == ("pandas", "item")


def test_long_matches_known_workers_by_name():
    frame = pd.DataFrame({"task": [1, 1, 2], "worker": ["b", "x", "x"], "label": [1, 7, 0]})
    with pytest.warns(UnknownWorkerWarning, match=r"1 workers unseen in fit \('x'\)"):
        votes = read_votes(frame, classes=[0, 1], classifiers=["b", "a"])
    assert votes.to_dense().tolist() == [[1, -1], [-1, -1]]
    assert votes.classifiers.tolist() == ["b", "a"]
    known = read_votes(frame[:1], classes=[0, 1], classifiers=["a", "b"])
    assert known.to_dense().tolist() == [[-1, 1]]


def test_wide_matches_named_classifiers():
    frame = pd.DataFrame({"a": [0], "b": [1]}, index=pd.Index(["row"], name="key"))
    votes = read_votes(frame)
    assert (votes.classifiers.tolist(), votes.tasks.tolist()) == (["a", "b"], ["row"])
    assert votes.task_name == "key"
    assert read_votes(frame, classifiers=["b", "a"]).to_dense().tolist() == [[1, 0]]
    assert read_votes(frame, classifiers=[0, 1]).to_dense().tolist() == [[0, 1]]
    with pytest.raises(ArgumentError, match="lack the classifiers 'c'"):
        read_votes(frame, classifiers=["a", "c"])


WIDE = {"a": [0, 1, 1], "task": ["t3", "t1", "t2"], "b": [1, 1, -1]}


@pytest.mark.parametrize(
    "make", [dict, pd.DataFrame, pl.DataFrame, lambda x: pl.DataFrame(x).lazy()]
)
@pytest.mark.parametrize(("name", "columns"), [("task", None), ("item", {"task": "item"})])
def test_a_task_column_of_a_wide_frame_is_no_classifier(make, name, columns):
    data = make({name if key == "task" else key: column for key, column in WIDE.items()})
    votes = read_votes(data, columns=columns)
    assert votes.tasks.tolist() == WIDE["task"]
    assert (votes.task_name, votes.form) == (name, "wide")
    assert votes.classifiers.tolist() == ["a", "b"]
    assert votes.to_dense().tolist() == [[0, 1], [1, 1], [1, -1]]
    known = read_votes(data, columns=columns, classes=[0, 1], classifiers=["b", "a"])
    assert known.to_dense().tolist() == [[1, 0], [1, 1], [-1, 1]]


def test_results_of_a_wide_frame_go_by_its_task_column():
    votes = read_votes(pl.DataFrame(WIDE))
    rows = [("t3", 5), ("t1", 6), ("t2", 7)]
    assert wrap_labels(votes, np.array([5, 6, 7])).rows() == rows
    votes = read_votes(pd.DataFrame(WIDE, index=[7, 8, 9]))
    assert list(wrap_labels(votes, np.array([5, 6, 7])).items()) == rows
    assert match_labels(votes, pd.Series([1, 2, 3], ["t1", "t2", "t3"])).tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("data", "columns", "error", "match"),
    [
        (
            WIDE,
            {"task": "item"},
            ArgumentError,
            "the tasks 'item', not found among .* 'a', 'task'",
        ),
        (WIDE | {"label": [1, 1, 1]}, None, ArgumentError, "'worker' not found"),
        (WIDE | {"task": [1, None, 2]}, None, ArgumentError, r"'task' \(task\) has 1 nulls"),
        ({"task": [1, 2]}, None, ShapeError, r"0 feature\(s\)"),
    ],
)
def test_bad_task_columns(data, columns, error, match):
    with pytest.raises(error, match=match):
        read_votes(data, columns=columns)


def test_votes_know_the_form_they_came_in():
    assert read_votes(DENSE).form == "array"
    assert read_votes(FORMS["pandas"]).take([0]).form == "wide"
    assert read_votes(FORMS["long pandas"]).form == "long"


def test_votes_pass_unchanged(expected):
    assert read_votes(expected) is expected
    assert read_votes(expected, classes=[0, 1, 2], classifiers=list("abc")) is expected
    with pytest.raises(ArgumentError, match=r"expected 0, 1; read them anew"):
        read_votes(expected, classes=[0, 1])
    with pytest.raises(ArgumentError, match="n_classes=2"):
        read_votes(expected, n_classes=2)
    with pytest.raises(ShapeError, match="3 classifiers, but 2"):
        read_votes(expected, classifiers=["a", "b"])


def test_input_is_left_alone():
    matrix = sparse.csr_array(DENSE + 1)
    matrix.data[0] = 0
    before = matrix.copy()
    read_votes(matrix)
    assert (matrix.data == before.data).all()
    assert matrix.nnz == before.nnz


def test_estimators():
    X = np.arange(4.0)[:, None]
    tree = DecisionTreeClassifier(random_state=0).fit(X, ["a", "b", "b", "d"])
    dummy = DummyClassifier(strategy="prior").fit(X, ["b", "b", "c", "c"])
    votes = Votes.from_estimators([("tree", tree), ("dummy", dummy)], X)
    assert votes.classes.tolist() == ["a", "b", "c", "d"]
    assert votes.classifiers.tolist() == ["tree", "dummy"]
    assert votes.to_dense().tolist() == [[0, 1], [1, 1], [1, 1], [3, 1]]
    soft = read_estimators([tree, dummy], X, method="predict_proba")
    assert soft.one_hot([3])[0].tolist() == [[0, 0, 0, 1], [0, 0.5, 0.5, 0]]
    assert soft.classifiers is None


@pytest.mark.parametrize("labels", [[-1, 0, 1, 1], [-1.0, 2.0, -1.0, 2.0]])
def test_minus_one_of_an_estimator_is_a_class(labels):
    X = np.arange(4.0)[:, None]
    tree = DecisionTreeClassifier(random_state=0).fit(X, labels)
    votes = read_estimators([tree, tree], X)
    assert votes.classes.tolist() == sorted(set(labels))
    assert votes.n_votes == 8
    assert votes.classes[votes.to_dense()[:, 1]].tolist() == labels
    soft = read_estimators([tree], X, method="predict_proba")
    assert soft.classes[soft.majority()].tolist() == labels


class Fake:
    """Fitted classifier of two classes that predicts what it was told."""

    classes_ = np.array([0, 1])

    def __init__(self, output):
        self.output = np.array(output)

    def predict(self, X):
        return self.output


def test_estimators_may_predict_a_column_or_nothing():
    votes = read_estimators([Fake([[0], [1]]), Fake([np.nan, 0.0])], [[0], [0]])
    assert votes.to_dense().tolist() == [[0, -1], [1, 0]]


SAMPLES = np.arange(4.0)[:, None]
SEVERAL = DecisionTreeClassifier().fit(SAMPLES, [[0, 1], [1, 0], [0, 2], [1, 1]])
SINGLE = DummyClassifier().fit(SAMPLES, [0, 1, 0, 1])
HARD, SOFT = "predict", "predict_proba"


@pytest.mark.parametrize(
    ("estimators", "method", "error", "match"),
    [
        (
            [DummyClassifier()],
            HARD,
            ArgumentError,
            r"estimators\[0\] \(DummyClassifier\) has no cl",
        ),
        ([], HARD, ShapeError, "estimators is empty"),
        ([SINGLE], "transform", ArgumentError, "method='transform'"),
        (SINGLE, HARD, ArgumentError, r"a DummyClassifier, .* pass \[estimator\]"),
        (3, HARD, ArgumentError, "estimators is a int, expected a list"),
        ([SINGLE, SEVERAL], HARD, ShapeError, r"estimators\[1\] .* several outputs"),
        ([SEVERAL], SOFT, ShapeError, r"estimators\[0\] .* several outputs"),
        (
            [SINGLE, Fake([0] * 4)],
            SOFT,
            ArgumentError,
            r"\[1\] \(Fake\) has no predict_proba; pass",
        ),
        ([SINGLE, Fake([0] * 5)], HARD, ShapeError, r"\[1\] .* shape \(5,\), expected \(4,\)"),
        ([Fake([[0, 1]] * 4)], HARD, ShapeError, r"\[0\] .* shape \(4, 2\), expected \(4,\)"),
        ([SINGLE, Fake([0, 1, 2, 0])], HARD, LabelError, r"\[1\] \(Fake\) predicts 2, which"),
    ],
)
def test_bad_estimators(estimators, method, error, match):
    with pytest.raises(error, match=match):
        read_estimators(estimators, SAMPLES, method)


PROBABILITIES = np.array([[0.75, 0.25], [0.5, 0.5]])


def test_wrapping_into_arrays():
    votes = read_votes([["x", "y"], ["y", "y"]])
    assert wrap_labels(votes, votes.classes) is votes.classes
    assert wrap_probabilities(votes, PROBABILITIES) is PROBABILITIES


def test_wrapping_into_pandas():
    frame = pd.DataFrame({"task": ["b", "a"], "worker": [0, 0], "label": [3, 8]})
    votes = read_votes(frame)
    index = pd.Index(["a", "b"], name="task")
    labels = wrap_labels(votes, votes.classes[[1, 0]])
    pd.testing.assert_series_equal(labels, pd.Series([8, 3], index=index, name="label"))
    table = wrap_probabilities(votes, PROBABILITIES)
    pd.testing.assert_frame_equal(table, pd.DataFrame(PROBABILITIES, index, [3, 8]))


def test_wrapping_keeps_a_pandas_index():
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    votes = read_votes(pd.DataFrame({"u": [0, 1], "v": [0, 1]}, index=index))
    assert wrap_labels(votes, np.array([0, 1])).loc[("b", 2)] == 1


@pytest.mark.parametrize("task", [["a", "b"], [4, 7], [date(2020, 1, 1), date(2021, 1, 1)]])
def test_wrapping_into_polars(task):
    votes = read_votes(pl.DataFrame({"task": task, "worker": [0, 0], "label": ["u", "v"]}))
    labels = wrap_labels(votes, votes.classes)
    assert labels.to_dict(as_series=False) == {"task": task, "label": ["u", "v"]}
    table = wrap_probabilities(votes, PROBABILITIES)
    assert table.columns == ["task", "u", "v"]
    assert table["u"].to_list() == [0.75, 0.5]


def test_wrapping_wide_polars_numbers_the_rows():
    votes = read_votes(pl.DataFrame({"a": [0, 1], "b": [0, 1]}))
    assert wrap_labels(votes, np.array([5, 6])).rows() == [(0, 5), (1, 6)]


def test_matching_labels():
    frame = pd.DataFrame({"task": ["b", "a"], "worker": [0, 0], "label": [3, 8]})
    votes = read_votes(frame)
    truth = pd.Series([1, 2, 3], index=["b", "a", "c"])
    assert match_labels(votes, truth).tolist() == [2, 1]
    assert match_labels(votes, [5, 6]).tolist() == [5, 6]
    assert match_labels(read_votes([[0], [1]]), truth[:2]).tolist() == [1, 2]
    with pytest.raises(ArgumentError, match="labels lacks 1 of the 2 tasks .* 'a'"):
        match_labels(votes, truth.drop("a"), name="labels")
    with pytest.raises(ArgumentError, match="repeated tasks"):
        match_labels(votes, pd.Series([1, 2, 3], index=["a", "b", "b"]))
    with pytest.raises(ShapeError, match=r"y has shape \(3,\), but .* 2 samples"):
        match_labels(votes, [1, 2, 3])


def test_labels_in_a_frame_of_one_column():
    votes = read_votes(pd.DataFrame({"u": [0, 1], "v": [0, 1]}, index=["a", "b"]))
    truth = pd.DataFrame({"label": [5, 6]}, index=["b", "a"])
    assert match_labels(votes, truth).tolist() == [6, 5]
    assert match_labels(votes, pl.DataFrame({"label": [5, 6]})).tolist() == [5, 6]
    assert match_labels(votes, {"label": [5, 6]}).tolist() == [5, 6]
    with pytest.raises(ShapeError, match="gold is a frame with 2 columns"):
        match_labels(votes, truth.assign(other=1), "gold")
    with pytest.raises(ShapeError, match=r"y has shape \(2, 1\), but .* 2 samples"):
        match_labels(votes, truth.to_numpy())


def test_a_dict_of_columns_reads_like_a_frame():
    long = {"task": [7, 3, 3], "worker": ["ann", "bob", "ann"], "label": ["x", None, "y"]}
    votes, framed = read_votes(long), read_votes(pd.DataFrame(long))
    assert votes.frame is None
    for name in ("tasks", "classifiers", "classes", "indptr", "columns"):
        np.testing.assert_array_equal(getattr(votes, name), getattr(framed, name))
    renamed = {"item": long["task"], "judge": long["worker"], "label": long["label"]}
    columns = {"task": "item", "worker": "judge"}
    assert read_votes(renamed, columns=columns).classifiers.tolist() == ["ann", "bob"]


def test_a_wide_dict_names_its_classifiers():
    votes = read_votes({"bob": [0, 1, None], "ann": np.array([2, 1, -1])})
    assert votes.classifiers.tolist() == ["bob", "ann"]
    assert votes.to_dense().tolist() == [[0, 2], [1, 1], [-1, -1]]
    swapped = read_votes({"ann": [2], "bob": [0]}, classes=[0, 1, 2], classifiers=["bob", "ann"])
    assert swapped.to_dense().tolist() == [[0, 2]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"ann": [0, 1], "bob": [0]}, r"shapes .*\(2,\).*\(1,\).*one length"),
        ({"ann": [[0, 1], [1, 1]]}, "one entry a row"),
        ({}, "0 sample"),
    ],
)
def test_a_dict_must_hold_columns_of_one_length(data, message):
    with pytest.raises(ShapeError, match=message):
        read_votes(data)
