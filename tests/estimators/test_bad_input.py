"""Bad input: a named error that says what to do, and an estimator that stays as it was."""

import copy
import dataclasses
import functools
import re

import numpy as np
import pandas as pd
import pytest
import torch
from jury import jury, long_form, soft_form
from scipy import sparse
from sklearn.exceptions import NotFittedError

from deem import DEEM
from deem.core.reading import read_votes
from deem.models import BinaryIRBM, SoftIRBM
from deem.utils.exception import (
    ArgumentError,
    DeviceError,
    IntractableError,
    LabelError,
    NonFiniteError,
    ShapeError,
)

VOTES = jury(n=60).votes
SOFT = soft_form(VOTES, 3)
OTHER = jury(n=40, seed=1).votes


def changed(array, value, dtype=float):
    other = np.array(array, dtype=dtype)
    other.flat[0] = value
    return other


BAD_VOTES = {
    "no rows": (VOTES[:0], ShapeError, r"0 sample\(s\) \(shape=\(0, 5\)\)"),
    "no columns": (VOTES[:, :0], ShapeError, r"0 feature\(s\) \(shape=\(60, 0\)\)"),
    "no soft rows": (SOFT[:0], ShapeError, r"0 sample\(s\)"),
    "empty frame": (pd.DataFrame(), ShapeError, r"0 sample\(s\)"),
    "one axis": (VOTES[0], ShapeError, r"Expected 2D array, got 1D array"),
    "four axes": (SOFT[None], ShapeError, r"Expected 2D array, got 4D array"),
    "a number": (3, ShapeError, r"Expected 2D array, got scalar array"),
    "ragged": ([[0, 1], [1]], ShapeError, r"the votes are ragged"),
    "nothing but gaps": (np.full((9, 3), -1), LabelError, r"contain no vote at all"),
    "negative label": (VOTES - 3, LabelError, r"the label -3, but labels must be non-negative"),
    "fraction": (changed(VOTES, 0.5), ArgumentError, r"contain 0\.5 \(finite whole numbers"),
    "infinite label": (changed(VOTES, np.inf), ArgumentError, r"contain inf"),
    "complex": (VOTES + 1j, ArgumentError, r"Complex data not supported"),
    "a list as label": ([[[0], 1], [1, 0]], (ShapeError, TypeError), r"ragged|string or a numb"),
    "infinite soft": (changed(SOFT, np.inf), ArgumentError, r"soft votes contain inf"),
    "negative soft": (changed(SOFT, -0.1), ArgumentError, r"soft votes contain -0\.1"),
    "one NaN in soft": (changed(SOFT, np.nan), ArgumentError, r"soft votes contain nan"),
    "soft layout": (
        SOFT.transpose(0, 2, 1),
        ShapeError,
        r"\(60, 5, 3\) and sum to one along axis 2, .*; pass votes\.transpose\(0, 2, 1\)",
    ),
    "sparse zero": (sparse.csr_array(VOTES - 1.0), ArgumentError, r"sparse votes store -1"),
    "null task": (
        pd.DataFrame({"task": [None, "a"], "worker": ["x", "y"], "label": [0, 1]}),
        ArgumentError,
        r"column 'task' \(task\) has 1 nulls",
    ),
}
BAD_SETTINGS = {
    "label above n_classes": (
        {"n_classes": 2},
        LabelError,
        r"n_classes=2, but the votes contain label 2; pass n_classes=3\.",
    ),
    "n_classes": ({"n_classes": 0}, ArgumentError, r"n_classes=0, expected a positive integer"),
    "n_classes half": ({"n_classes": 2.5}, ArgumentError, r"n_classes=2\.5, expected a positive"),
    "hidden_dim": ({"hidden_dim": 0}, ArgumentError, r"hidden_dim=0; .* integer of at least 1"),
    "no hidden_dim": ({"hidden_dim": None}, ArgumentError, r"hidden_dim=None; .* integer of at"),
    "no weight_decay": ({"weight_decay": None}, ArgumentError, r"weight_decay=None; .* at least"),
    "cd_k": ({"cd_k": 0, "solver": "cd"}, ArgumentError, r"cd_k=0; it must be an integer"),
    "cd_k half": ({"cd_k": 1.5, "solver": "cd"}, ArgumentError, r"cd_k=1\.5; .* integer"),
    "n_restarts": ({"n_restarts": 0}, ArgumentError, r"n_restarts=0; .* at least 1"),
    "epochs": ({"epochs": -1}, ArgumentError, r"epochs=-1; it must be an integer of at least 0"),
    "batch_size": ({"batch_size": 0, "solver": "cd"}, ArgumentError, r"batch_size=0; .* least 1"),
    "rate": ({"learning_rate": -1.0}, ArgumentError, r"learning_rate=-1\.0; .* at least 0"),
    "rate nan": ({"learning_rate": np.nan}, ArgumentError, r"learning_rate=nan; .* at least 0"),
    "rate text": ({"learning_rate": "fast"}, ArgumentError, r"learning_rate='fast'; "),
    "rate zero": (
        {"learning_rate": 0, "solver": "cd"},
        ArgumentError,
        r"learning_rate=0; .*above",
    ),
    "momentum": ({"momentum": 1.0, "solver": "cd"}, ArgumentError, r"momentum=1\.0; .* below 1"),
    "decay": ({"weight_decay": -0.1}, ArgumentError, r"weight_decay=-0\.1; .* at least 0"),
    "seed": ({"random_state": "x"}, ArgumentError, r"random_state='x' is no seed; pass None"),
    "negative seed": ({"random_state": -1}, ArgumentError, r"random_state=-1 is no seed"),
    "device": ({"device": "cuda:99"}, DeviceError, r"device='cuda:99' is not there .*cpu"),
    "device name": ({"device": "abacus"}, DeviceError, r"device='abacus' is not there .*cpu"),
    "no device": ({"device": None}, DeviceError, r'device=None .*; .* Pass device="auto"'),
    "meta device": ({"device": "meta"}, DeviceError, r"device='meta' .*Pass device=\"auto\""),
    "model": (
        {"model": "RBM"},
        ArgumentError,
        r"model='RBM' is unknown; choose one of: .*BinaryIRBM, .*SoftIRBM",
    ),
    "model class": ({"model": dict}, ArgumentError, r"model=<class 'dict'>; pass a name"),
    "model params": (
        {"model": SoftIRBM(5, 3), "model_params": {}},
        ArgumentError,
        r"model_params was given with a model instance",
    ),
    "model params no dict": ({"model_params": 3}, ArgumentError, r"model_params=3; pass a dict"),
    "foreign model params": (
        {"model_params": {"depth": 3}},
        ArgumentError,
        r"model_params has the key 'depth', but SoftIRBM takes: hidden_dim, pseudo_counts, cl",
    ),
    "counts in model params": (
        {"model_params": {"pseudo_counts": 3}},
        ArgumentError,
        r"model_params\['pseudo_counts'\]=3; pass PseudoCounts or its numbers in order: one_coin,",
    ),
    "text counts in model params": (
        {"model_params": {"pseudo_counts": ("a",)}},
        ArgumentError,
        r"model_params\['pseudo_counts'\]=\('a',\); pass",
    ),
    "units in model params": (
        {"model_params": {"hidden_dim": "a"}},
        ArgumentError,
        r"model_params\['hidden_dim'\]='a'; it must be an integer of at least 1",
    ),
    "prior in model params": (
        {"model_params": {"class_prior": "a"}},
        ArgumentError,
        r"model_params\['class_prior'\] is no array of numbers",
    ),
    "class_prior": ({"class_prior": "a"}, ArgumentError, r"class_prior is no array of numbers"),
    "ragged class_prior": (
        {"class_prior": [[1], [0, 0]]},
        ArgumentError,
        r"class_prior is no array of numbers \(",
    ),
    "n_jobs": ({"n_jobs": 0}, ArgumentError, r"n_jobs=0; it must be an integer other than 0"),
    "n_jobs text": ({"n_jobs": "all"}, ArgumentError, r"n_jobs='all'; it must be an integer"),
    "model of another size": (
        {"model": SoftIRBM(4, 3)},
        ShapeError,
        r"votes have 5 classifiers and 3 classes, the model has 4 and 3",
    ),
    "binary model": ({"model": BinaryIRBM}, ArgumentError, r"n_classes=3; BinaryIRBM has 2"),
    "exact without sums": (
        {"solver": "exact", "hidden_dim": 8},
        IntractableError,
        r"hidden_dim=8 with 3 classes has too many joint states",
    ),
    "NaN in training": (
        {"solver": "cd", "learning_rate": 1e160, "epochs": 9, "random_state": 0},
        NonFiniteError,
        r"NaN or infinity appeared in epoch \d; .*Lower the learning rate",
    ),
}
CHOICES = {
    "init_method": "shares, mv_rand, mv_lo, mv, rand",
    "solver": "auto, exact, cd, pcd",
    "sampler": "auto, gibbs, gwg, dlp",
    "optimizer": "sgd, adam, adamw, rmsprop",
    "scheduler": "none, cosine, step, onecycle, lookahead",
    "selection": "auto, deep",
    "preprocessing_activation": "sparsemax, entmax, ultramax, softmax, relu, gelu, silu",
    "preprocessing_init": "identity, rand, mv, default",
}
BAD_SETTINGS |= {
    f"unknown {name}": (
        {name: value},
        ArgumentError,
        f"^{name}='{value}' is unknown; choose one of: {listed}\\.$",
    )
    for name, listed in CHOICES.items()
    for value in ("magic", "")
}
BAD_SETTINGS |= {
    f"{name} of a wrong type": ({name: 3, "solver": "cd"} | {name: 3}, ArgumentError, f"{name}=3")
    for name in (
        "init_method",
        "solver",
        "sampler",
        "optimizer",
        "scheduler",
        "selection",
        "model",
    )
}
BAD_COMPANY = {
    "y and labels": (
        {"y": [0] * 60, "labels": [0] * 60},
        ArgumentError,
        r"y and labels are two n",
    ),
    "short y": ({"y": [0] * 59}, ShapeError, r"y has shape \(59,\), .* 60 samples"),
    "short gold": ({"gold": [0] * 3}, ShapeError, r"gold has shape \(3,\), .* 60 samples"),
    "short weights": ({"sample_weight": [1] * 59}, ShapeError, r"sample_weight has shape \(59,\)"),
    "flat weights": ({"sample_weight": 1.0}, ShapeError, r"sample_weight has shape \(\)"),
    "negative weights": (
        {"sample_weight": changed(np.ones(60), -2)},
        ArgumentError,
        r"sample_weight\[0\]=-2\.0, but weights must be finite and non-negative",
    ),
    "infinite weights": (
        {"sample_weight": changed(np.ones(60), np.inf)},
        ArgumentError,
        r"sample_weight\[0\]=inf",
    ),
    "zero weights": (
        {"sample_weight": np.zeros(60)},
        ArgumentError,
        r"sample_weight is zero for every sample; give at least one a weight above 0",
    ),
    "text weights": (
        {"sample_weight": ["a"] * 60},
        ArgumentError,
        r"sample_weight is no array of numbers \(.*\); pass numbers",
    ),
    "text prior": (
        {"confusion_prior": "x"},
        ArgumentError,
        r"confusion_prior is no array of numbers",
    ),
    "epochs": ({"epochs": -3}, ArgumentError, r"epochs=-3; it must be an integer"),
    "batch_size": ({"batch_size": 0}, ArgumentError, r"batch_size=0; it must be an integer"),
    "rate": ({"learning_rate": -3}, ArgumentError, r"learning_rate=-3; it must be"),
}
AT_PREDICT = {
    "unseen label": (VOTES + 1, LabelError, r"labels that are not among the classes: 3; expected"),
    "unseen strings": (np.full((4, 5), "cat"), LabelError, r"not among the classes: 'cat'"),
    "fewer classifiers": (VOTES[:, :4], ValueError, r"X has 4 features, but DEEM is expecting 5"),
    "fewer in a list": (VOTES[:, :4].tolist(), ShapeError, r"4 classifiers, but 5 are expected"),
    "fewer soft": (SOFT[:, :, :4], ShapeError, r"4 classifiers, but 5 are expected"),
    "soft of other K": (soft_form(VOTES, 4), ShapeError, r"so 4 classes, but 3 are expected"),
    "sparse": (sparse.csr_array(VOTES[:, :4] + 1), ValueError, r"X has 4 features, but DEEM"),
    "no rows": (VOTES[:0], ShapeError, r"0 sample\(s\)"),
}


def state_of(estimator):
    """Everything an estimator holds: the objects, and what is inside of arrays and models."""
    inside = {name: repr(value) for name, value in vars(estimator).items()}
    if "model_" in inside:
        inside["model_"] = [p.tolist() for p in estimator.model_.parameters()]
        inside["history_"] = estimator.history_.to_dict()
    return dict(vars(estimator)), inside


def same(before, after):
    names = list(before[0]) == list(after[0])
    return names and all(after[0][k] is v for k, v in before[0].items()) and before[1] == after[1]


@functools.cache
def fitted_to(name):
    return DEEM().fit({"VOTES": VOTES, "OTHER": OTHER}[name])


@pytest.fixture(params=["new", "fitted"])
def estimator(request):
    return DEEM() if request.param == "new" else copy.deepcopy(fitted_to("OTHER"))


def assert_refused(estimator, call, error, text):
    before = state_of(estimator)
    with pytest.raises(error, match=text):
        call()
    assert same(before, state_of(estimator))


@pytest.mark.parametrize(("votes", "error", "text"), BAD_VOTES.values(), ids=BAD_VOTES)
def test_bad_votes(estimator, votes, error, text):
    assert_refused(estimator, lambda: estimator.fit(votes), error, text)


@pytest.mark.parametrize(("settings", "error", "text"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings(estimator, settings, error, text):
    estimator.set_params(**settings)
    assert_refused(estimator, lambda: estimator.fit(VOTES), error, text)


@pytest.mark.parametrize(("company", "error", "text"), BAD_COMPANY.values(), ids=BAD_COMPANY)
def test_bad_company_of_the_votes(estimator, company, error, text):
    assert_refused(estimator, lambda: estimator.fit(VOTES, **company), error, text)


class Fussy(SoftIRBM):
    """A model whose constructor fails on text."""

    def __init__(self, scale, **rest):
        super().__init__(**rest)
        self.scale = scale + 1


def test_model_params_that_fail_within_the_model():
    text = r"model_params=\{'scale': 'a'\} has a value that Fussy cannot use \(.*\); pass"
    with pytest.raises(ArgumentError, match=text):
        DEEM(model=Fussy, model_params={"scale": "a"}).fit(VOTES)
    with pytest.raises(TypeError, match="missing 1 required"):
        DEEM(model=Fussy).fit(VOTES)
    assert DEEM(model=Fussy, model_params={"scale": 1}).fit(VOTES).model_.scale == 2


def test_votes_without_any_weight(estimator):
    votes = dataclasses.replace(read_votes(VOTES), weights=np.zeros(60))
    text = "the weight of the votes is zero for every sample; give at least one a weight above"
    assert_refused(estimator, lambda: estimator.fit(votes), ArgumentError, text)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_soft_votes_unlike_n_classes(estimator, n_classes):
    estimator.set_params(n_classes=n_classes)
    text = re.escape(f"the soft votes have shape (60, 3, 5), so 3 classes, but {n_classes} are")
    assert_refused(estimator, lambda: estimator.fit(SOFT), ShapeError, text)


@pytest.mark.parametrize(("votes", "error", "text"), AT_PREDICT.values(), ids=AT_PREDICT)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform", "score"])
def test_bad_votes_at_predict(method, votes, error, text):
    fitted = copy.deepcopy(fitted_to("VOTES"))
    assert_refused(fitted, lambda: getattr(fitted, method)(votes), error, text)


def test_other_columns_at_predict():
    frame = pd.DataFrame(VOTES, columns=list("abcde"))
    fitted = DEEM().fit(frame)
    other = frame.rename(columns={"a": "z"})
    with pytest.raises(ValueError, match=r"(?s)feature names should match.*unseen.*\n- z"):
        fitted.predict(other)


@pytest.mark.parametrize(
    "call",
    [
        lambda e: e.predict(VOTES),
        lambda e: e.predict(VOTES, align_to=VOTES),
        lambda e: e.predict_proba(VOTES),
        lambda e: e.transform(VOTES),
        lambda e: e.score(VOTES),
        lambda e: e.get_class_mapping(),
        lambda e: e.reset_class_mapping(),
        lambda e: e.get_feature_names_out(),
        lambda e: e.save("never_written"),
    ],
)
def test_unfitted(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFittedError, match="This DEEM instance is not fitted yet"):
        call(DEEM())
    assert not list(tmp_path.iterdir())


def test_bad_labels_at_score():
    fitted = DEEM().fit(VOTES)
    with pytest.raises(ArgumentError, match="y and true_labels are two names"):
        fitted.score(VOTES, [0] * 60, true_labels=[0] * 60)
    with pytest.raises(ShapeError, match=r"y has shape \(59,\)"):
        fitted.score(VOTES, [0] * 59)


def test_a_failed_fit_keeps_the_last_good_one():
    fitted = DEEM(solver="cd", epochs=2, random_state=0).fit(VOTES)
    good = fitted.predict_proba(VOTES)
    with pytest.raises(NonFiniteError, match="were kept"):
        fitted.fit(VOTES, learning_rate=1e160, epochs=9)
    np.testing.assert_array_equal(fitted.predict_proba(VOTES), good)
    assert all(torch.isfinite(p).all() for p in fitted.model_.parameters())


def test_missing_votes_with_too_many_states():
    gaps = changed(VOTES, -1, int)
    settings = {"hidden_dim": 8, "epochs": 1, "random_state": 0}
    with pytest.raises(IntractableError, match="v has missing votes, which couple the 8 hidden"):
        DEEM(**settings).fit(gaps)
    fitted = DEEM(**settings).fit(VOTES)
    with pytest.raises(IntractableError, match="v has missing votes"):
        fitted.predict(gaps)
    with pytest.raises(IntractableError, match="too many joint states to sum over"):
        fitted.score(VOTES)


def test_repeated_tasks_of_labels():
    frame = pd.DataFrame(long_form(VOTES))
    twice = pd.Series([0] * 61, index=[*range(60), 0])
    with pytest.raises(ArgumentError, match="y has repeated tasks in its index"):
        DEEM().fit(frame, twice)
    with pytest.raises(ArgumentError, match="sample_weight lacks 59 of the 60 tasks"):
        DEEM().fit(frame, sample_weight=pd.Series([1.0], index=[0]))
