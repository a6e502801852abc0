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
from deem.estimators import DBNTransformer, RBMClassifier, RBMTransformer
from deem.models import RBM
from deem.utils.exception import ArgumentError, OutsideUnitIntervalWarning, ShapeError

ESTIMATORS = [
    RBMTransformer(n_components=4, epochs=1),
    DBNTransformer(n_hidden=(4, 3), epochs=1),
    RBMClassifier("DiscriminativeRBM", n_components=10, learning_rate=0.05),
]
CHECKS = [
    pytest.param(estimator, check, id=f"{type(made).__name__}-{check.func.__name__}")
    for made in ESTIMATORS
    for estimator, check in estimator_checks_generator(made)
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


def test_a_network_hands_on_the_means_of_its_top(digits):
    x, _ = digits
    fitted = DBNTransformer(n_hidden=(12, 6), epochs=(2, 1), random_state=0).fit(x)
    expected = fitted.model_.transform(torch.tensor(x).float())
    np.testing.assert_allclose(fitted.transform(x), expected, rtol=1e-6)
    assert fitted.transform(x).shape == (600, 6)
    assert fitted.history_.n_epochs == 3


def test_images_are_handed_on_as_pooled_maps(digits):
    x, _ = digits
    params = {"visible_shape": (8, 8), "filter_shape": (3, 3), "pooling": 2}
    fitted = small(model="ConvRBM", n_components=4, epochs=1, model_params=params).fit(x)
    assert fitted.transform(x).shape == (600, 4 * 3 * 3)
    assert fitted.reconstruct(x).shape == x.shape


@pytest.mark.parametrize("model", ["DiscriminativeRBM", "HybridDiscriminativeRBM"])
def test_a_classifier_gives_back_labels_of_any_type(model, digits):
    x, y = digits
    names = np.array(list("abcdefghij"))[y]
    fitted = RBMClassifier(model, n_components=40, epochs=10, random_state=0).fit(x, names)
    assert list(fitted.classes_) == list("abcdefghij")
    assert fitted.score(x, names) > 0.9
    np.testing.assert_allclose(fitted.predict_proba(x).sum(1), 1, rtol=1e-5)


def test_a_classifier_names_what_it_cannot_use(digits):
    x, y = digits
    with pytest.raises(ArgumentError, match="y has one class"):
        RBMClassifier().fit(x, np.zeros(len(x)))
    with pytest.raises(ArgumentError, match="model='RBM' is unknown; choose one of: Disc"):
        RBMClassifier("RBM").fit(x, y)
