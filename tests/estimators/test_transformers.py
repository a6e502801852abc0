"""RBMs as transformers: scikit-learn's checks, pipelines, any model, clear errors."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from deem.core.solvers import ContrastiveDivergence
from deem.estimators import RBMTransformer
from deem.models import RBM
from deem.utils.exception import ArgumentError, OutsideUnitIntervalWarning, ShapeError

CHECKS = [
    pytest.param(estimator, check, id=check.func.__name__)
    for estimator, check in estimator_checks_generator(RBMTransformer(n_components=4, epochs=1))
]


@pytest.mark.global_random
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_estimator_checks(estimator, check):
    with warnings.catch_warnings():
        # The checks feed any real numbers to binary units.
        warnings.simplefilter("ignore", OutsideUnitIntervalWarning)
        check(estimator)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:600] / 16, y[:600]


def small(**arguments):
    return RBMTransformer(**{"n_components": 8, "epochs": 2, "random_state": 0, **arguments})


def test_features_are_the_means_of_the_hidden_units(digits):
    x, _ = digits
    fitted = small().fit(x)
    with torch.no_grad():
        expected = fitted.model_(torch.tensor(x).float())
    found = fitted.transform(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == x.dtype
    assert fitted.get_feature_names_out()[0] == "rbmtransformer0"
    assert fitted.history_.n_epochs == 2


def test_it_sits_in_a_pipeline_and_a_grid_search(digits):
    x, y = digits
    pipe = make_pipeline(small(), LogisticRegression(max_iter=500))
    grid = {"rbmtransformer__n_components": [2, 32]}
    search = GridSearchCV(pipe, grid, cv=2).fit(x, y)
    assert search.best_params_ == {"rbmtransformer__n_components": 32}


def test_training_raises_the_score_of_the_data(digits):
    x, _ = digits
    fitted = small(epochs=5).fit(x)
    noise = np.random.default_rng(0).permuted(x, axis=1)
    assert fitted.score_samples(x).mean() > fitted.score_samples(noise).mean() + 5
    error = np.square(fitted.reconstruct(x) - x).mean()
    assert error < x.var(0).mean()


def test_same_seed_same_features(digits):
    x, _ = digits
    first = small().fit(x)
    assert np.array_equal(first.transform(x), clone(first).fit(x).transform(x))
    assert not np.array_equal(
        first.transform(x), clone(first).set_params(random_state=1).fit(x).transform(x)
    )


def test_an_instance_is_copied(digits):
    x, _ = digits
    model = RBM(64, 5)
    kept = model.weight.clone()
    fitted = small(model=model, solver=ContrastiveDivergence(learning_rate=0.05)).fit(x)
    assert fitted.transform(x).shape == (600, 5)
    assert torch.equal(model.weight, kept)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"model": "Nope"}, ArgumentError, "model='Nope' is unknown; choose one of: .*RBM"),
        ({"model": 3}, ArgumentError, "model=3; pass a name"),
        ({"n_components": 0}, ArgumentError, "n_hidden=0"),
        ({"model": RBM(3, 2)}, (ArgumentError, ShapeError), r"X has 64 features.*\(3,\)"),
        ({"model": RBM(64, 2), "model_params": {}}, ArgumentError, "model_params was given"),
    ],
)
def test_bad_arguments_are_named(arguments, error, text, digits):
    with pytest.raises(error, match=text):
        small(**arguments).fit(digits[0])
