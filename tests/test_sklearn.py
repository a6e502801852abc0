"""What scikit-learn asks of an estimator: its own checks, and how its tools are used."""

import inspect
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from deem import DEEM
from deem.estimators import GLAD, DawidSkene, MajorityVote, OneCoin
from deem.models import SoftIRBM
from deem.utils.exception import DeemWarning

FRACTIONS = "feeds fractions as votes"
EXPECTED_FAILURES = {
    "check_positive_only_tag_during_fit": "feeds negative fractions as votes",
    "check_sample_weight_equivalence_on_dense_data": FRACTIONS,
    "check_sample_weight_equivalence_on_sparse_data": FRACTIONS,
    "check_estimator_sparse_array": "feeds fractions as sparse votes, which store label + 1",
    "check_estimator_sparse_matrix": "feeds fractions as sparse votes, which store label + 1",
}


ESTIMATORS = [DEEM, MajorityVote, DawidSkene, OneCoin, GLAD]
every = pytest.mark.parametrize("cls", ESTIMATORS)


def estimator_checks():
    """Checks of `parametrize_with_checks`, those that cannot hold marked strictly."""
    # OneCoin and GLAD take and refuse votes by the code of DawidSkene.
    for cls in (DEEM, MajorityVote, DawidSkene):
        for estimator, check in estimator_checks_generator(cls()):
            name = check.func.__name__
            reason = EXPECTED_FAILURES.get(name)
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            yield pytest.param(estimator, check, id=f"{cls.__name__}-{name}", marks=marks)


@pytest.mark.global_random
@pytest.mark.parametrize(("estimator", "check"), list(estimator_checks()))
def test_estimator_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeemWarning)
        check(estimator)


def plain(params):
    """Parameters in a form that compares by value."""
    return {name: repr(value) for name, value in params.items()}


def test_clone_keeps_every_parameter():
    changed = {
        "n_classes": 3,
        "hidden_dim": 2,
        "cd_k": 3,
        "deterministic": False,
        "learning_rate": 0.02,
        "momentum": 0.5,
        "epochs": 7,
        "batch_size": 16,
        "device": "cpu",
        "random_state": 3,
        "init_method": "mv_lo",
        "use_weighted": False,
        "solver": "pcd",
        "sampler": "gibbs",
        "optimizer": "adam",
        "scheduler": "cosine",
        "weight_decay": 0.1,
        "class_prior": [0.2, 0.3, 0.5],
        "n_restarts": 2,
        "n_jobs": 2,
        "model": "SoftIRBM",
        "model_params": {"hidden_dim": 2},
        "verbose": True,
    }
    copy = clone(DEEM(**changed))
    assert {name: copy.get_params()[name] for name in changed} == changed


def test_clone_copies_a_model_instance(votes):
    model = SoftIRBM(5, 3)
    copy = clone(DEEM(model=model))
    assert copy.model is not model
    np.testing.assert_array_equal(copy.fit(votes).labels_, DEEM(model=model).fit(votes).labels_)


def test_set_params_and_repr():
    estimator = DEEM().set_params(n_classes=3, solver="cd")
    assert repr(estimator) == "DEEM(n_classes=3, solver='cd')"
    with pytest.raises(ValueError, match="Invalid parameter 'n_class'"):
        estimator.set_params(n_class=3)


@pytest.mark.parametrize("settings", [{}, {"solver": "cd", "epochs": 2}, {"n_restarts": 2}])
def test_fit_never_writes_a_parameter(votes, settings):
    estimator = DEEM(random_state=0, **settings)
    before = plain(estimator.get_params())
    estimator.fit(votes, verbose=False)
    assert plain(estimator.get_params()) == before


@every
def test_fit_adds_only_names_that_end_in_an_underscore(votes, cls):
    estimator = cls()
    before = set(vars(estimator))
    added = set(vars(estimator.fit(votes))) - before
    assert {name for name in added if not name.endswith("_")} == {"_fit_class_map"}


@pytest.mark.parametrize("settings", [{}, {"solver": "cd", "epochs": 3}])
def test_refit_equals_the_first_fit(votes, settings):
    fresh = DEEM(random_state=0, **settings).fit(votes)
    again = DEEM(random_state=0, **settings).fit(votes[::-1, ::-1][:60]).fit(votes)
    np.testing.assert_array_equal(again.probas_, fresh.probas_)
    assert set(vars(again)) == set(vars(fresh))


@every
def test_a_refit_equals_the_first_fit_of_a_clone(votes, cls):
    estimator = cls().fit(votes)
    before = plain(estimator.get_params())
    again = clone(estimator).fit(votes[:60]).fit(votes)
    np.testing.assert_array_equal(again.probas_, estimator.probas_)
    assert plain(again.get_params()) == before


def test_a_refit_forgets_the_names_of_columns(votes):
    estimator = DEEM().fit(pd.DataFrame(votes, columns=list("abcde")))
    assert estimator.feature_names_in_.tolist() == list("abcde")
    assert not hasattr(estimator.fit(votes), "feature_names_in_")


def test_a_refit_keeps_attributes_of_the_user(votes):
    estimator = DEEM()
    estimator.note_ = "mine"
    assert estimator.fit(votes).fit(votes).note_ == "mine"


@every
def test_pipeline_feeds_probabilities_to_the_next_step(votes, truth, cls):
    pipeline = make_pipeline(cls(), GaussianNB()).fit(votes, truth)
    assert pipeline.score(votes, truth) >= cls().fit(votes).score(votes, truth) - 0.02


def test_pipeline_ends_in_deem(votes):
    pipeline = make_pipeline("passthrough", DEEM()).fit(votes)
    np.testing.assert_array_equal(pipeline.predict(votes), DEEM().fit(votes).labels_)
    assert pipeline.score(votes) == DEEM().fit(votes).score(votes)


def test_grid_search_without_labels_takes_the_better_likelihood(votes):
    priors = [[1 / 3, 1 / 3, 1 / 3], [0.8, 0.1, 0.1]]
    search = GridSearchCV(DEEM(n_classes=3), {"class_prior": priors}, cv=3).fit(votes)
    assert search.best_params_ == {"class_prior": priors[0]}
    held_out = cross_val_score(DEEM(n_classes=3, class_prior=priors[0]), votes, cv=3)
    np.testing.assert_allclose(search.best_score_, held_out.mean())
    # at chance every vote would cost log 3
    assert -5 * np.log(3) < search.best_score_ < 0


def test_grid_search_with_labels_takes_the_better_accuracy(votes, truth):
    grid = {"init_method": ["rand", "shares"], "solver": ["exact"]}
    search = GridSearchCV(DEEM(n_classes=3, random_state=0), grid, cv=3).fit(votes, truth)
    assert 0.8 < search.best_score_ <= 1
    assert search.best_estimator_.history_["accuracy"][-1] > 0.8


@pytest.mark.parametrize("through", [pickle, joblib], ids=["pickle", "joblib"])
@every
def test_pickles(votes, tmp_path, through, cls):
    settings = {} if cls is MajorityVote else {"class_prior": [0.2, 0.3, 0.5]}
    estimator = cls(**settings).fit(votes)
    with open(tmp_path / "file", "wb") as file:
        through.dump(estimator, file)
    with open(tmp_path / "file", "rb") as file:
        again = through.load(file)
    np.testing.assert_array_equal(again.predict_proba(votes), estimator.predict_proba(votes))
    assert plain(again.get_params()) == plain(estimator.get_params())
    assert again.history_.to_dict() == estimator.history_.to_dict()


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_set_output(votes, kind):
    estimator = DEEM().set_output(transform=kind)
    frame = pd.DataFrame(votes, index=[f"s{i}" for i in range(len(votes))], columns=list("abcde"))
    found = estimator.fit(frame if kind == "pandas" else votes)
    found = estimator.transform(frame if kind == "pandas" else votes)
    assert type(found).__module__.startswith(kind)
    assert list(found.columns) == ["0", "1", "2"]
    np.testing.assert_array_equal(found.to_numpy(), estimator.probas_)
    if kind == "pandas":
        assert found.index.tolist() == frame.index.tolist()


def test_set_output_of_a_long_frame_is_indexed_by_task(long_frame):
    estimator = DEEM().set_output(transform="pandas").fit(long_frame)
    found = estimator.transform(long_frame)
    assert found.index.tolist() == sorted(set(long_frame["task"]))
    assert found.columns.tolist() == estimator.get_feature_names_out().tolist()


def test_feature_names_out_are_the_labels(votes):
    estimator = DEEM().fit(np.array(["x", "y", "z"])[votes])
    assert estimator.get_feature_names_out().tolist() == ["x", "y", "z"]


@every
def test_input_tags(cls):
    tags = cls().__sklearn_tags__()
    inputs = tags.input_tags
    assert (inputs.categorical, inputs.allow_nan, inputs.string) == (True, True, True)
    assert (inputs.sparse, inputs.three_d_array) == (True, True)
    assert tags.estimator_type is None


@every
def test_constructor_only_stores(cls):
    names = inspect.signature(cls).parameters
    marks = {name: object() for name in names}
    assert vars(cls(**marks)) == marks


def test_a_search_compares_estimators(votes, truth):
    """Without labels by the likelihood of held-out votes, with labels by the accuracy."""
    pipeline = Pipeline([("consensus", DEEM())])
    grid = {"consensus": [cls(n_classes=3) for cls in ESTIMATORS]}
    for y in (None, truth):
        search = GridSearchCV(pipeline, grid, cv=2).fit(votes, y)
        found = search.cv_results_["mean_test_score"]
        assert np.isfinite(found).all()
        assert type(search.best_estimator_["consensus"]) is ESTIMATORS[found.argmax()]
