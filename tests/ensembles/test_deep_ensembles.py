"""Ensembles as scikit-learn's estimators."""

import functools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from deem import DEEM
from deem.ensembles import (
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    register_learner,
)
from deem.ensembles.learners import LEARNERS
from deem.utils.exception import ArgumentError, DeviceError, LabelError, ModelFileError, ShapeError

SMALL = {"n_learners": 2, "epochs": 20, "learning_rate": 0.01, "learner_params": {"hidden": (16,)}}
QUICK = {**SMALL, "learning_rate": 0.03, "batch_size": 200}


@pytest.mark.global_random
@parametrize_with_checks([DeepEnsembleClassifier(**QUICK), DeepEnsembleRegressor(**QUICK)])
def test_estimator_checks(estimator, check):
    check(estimator)


def classifier(**settings):
    quick = {"epochs": 3, "learner_params": {"hidden": (8,)}, "random_state": 0}
    return DeepEnsembleClassifier(**{**SMALL, **quick, **settings})


def regressor(**settings):
    return DeepEnsembleRegressor(**{**SMALL, "random_state": 0, **settings})


def task(n=60, n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, X[:, :n_classes].argmax(1)


X, Y = task()
X3, Y3 = task(n_classes=3)


def linear(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), n_outputs))


def test_learns_what_can_be_learned():
    X, y = task(300, 3)
    ensemble = classifier(epochs=20).fit(X[:200], y[:200])
    assert ensemble.score(X[200:], y[200:]) > 0.85
    assert ensemble.fit(X[:200], np.roll(y[:200], 7)).score(X[200:], y[200:]) < 0.6


@pytest.mark.parametrize(
    "names",
    [
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([5, -2]),
        np.array([0.0, 1.0]),
        np.array([True, False]),
    ],
)
def test_labels_of_all_kinds(names):
    y = names[Y]
    ensemble = classifier().fit(X, y)
    assert ensemble.classes_.tolist() == sorted(names.tolist())
    assert ensemble.predict(X).dtype == y.dtype
    assert set(ensemble.predict(X)) == set(ensemble.predict_learners(X).ravel()) == set(y)
    assert ensemble.score(X, y) > 0.5


@pytest.mark.parametrize("how", ["score", "prob"])
@pytest.mark.parametrize(("X", "y"), [(X, Y), (X3, Y3)])
def test_outputs_hang_together(X, y, how):
    ensemble = classifier(aggregate=how, n_learners=3).fit(X, y)
    proba, decision = ensemble.predict_proba(X), ensemble.decision_function(X)
    scores = ensemble.predict_learners(X, "score")
    each = ensemble.predict_learners(X, "proba")
    assert scores.shape == each.shape == (60, len(np.unique(y)), 3)
    np.testing.assert_allclose(each, np.exp(scores) / np.exp(scores).sum(1, keepdims=True))
    mean = np.exp(scores.mean(2))
    mean = mean / mean.sum(1, keepdims=True) if how == "score" else each.mean(2)
    np.testing.assert_allclose(proba, mean)
    expected = np.log(proba[:, 1] / proba[:, 0]) if len(mean.T) == 2 else np.log(proba)
    np.testing.assert_allclose(decision, expected)
    np.testing.assert_array_equal(ensemble.predict(X), proba.argmax(1))
    np.testing.assert_array_equal(ensemble.predict_learners(X), each.argmax(1))
    with torch.no_grad():
        x = torch.as_tensor(X, dtype=torch.float32)
        alone = torch.stack([learner(x) for learner in ensemble.learners_], 2)
    np.testing.assert_allclose(alone, scores, atol=1e-5)


def test_one_learner_is_its_own_aggregate():
    for settings in ({}, {"beta": 1.0}, {"bootstrap": True}, {"aggregate": "prob"}):
        ensemble = classifier(n_learners=1, **settings).fit(X, Y)
        each = ensemble.predict_learners(X, "proba")
        np.testing.assert_allclose(ensemble.predict_proba(X), each[:, :, 0])
        np.testing.assert_allclose(ensemble.history_["train_diversity"], 0, atol=1e-6)


def test_class_weights_move_the_decision():
    X, y = task(200)
    y = np.where(np.arange(200) < 150, 0, y)
    shares = {
        name: np.mean(classifier(class_weight=weight, epochs=10).fit(X, y).predict(X))
        for name, weight in (("none", None), ("balanced", "balanced"), ("one", {0: 0, 1: 1}))
    }
    assert shares["none"] < shares["balanced"] < shares["one"] == 1


@pytest.mark.parametrize(
    ("learner", "params"),
    [("cnn", {"channels": (2,), "hidden": 4}), ("mlp", {"hidden": (4,)}), (linear, None)],
)
def test_images(learner, params):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 40)
    images = rng.normal(size=(40, 1, 8, 8)) + y[:, None, None, None]
    ensemble = classifier(learner=learner, learner_params=params).fit(images, y)
    assert ensemble.predict_learners(images).shape == (40, 2)
    with pytest.raises(
        ShapeError, match=r"shape \(1, 4, 8\), but the ensemble was fitted to \(1, 8"
    ):
        ensemble.predict(images[:, :, :4])


def test_learners_of_ones_own():
    calls = []

    def counted(shape, n_outputs):
        calls.append((shape, n_outputs))
        return linear(shape, n_outputs)

    ensemble = classifier(learner=counted, learner_params=None).fit(X3, Y3)
    assert set(calls) == {((4,), 3)}
    assert ensemble.bank_.backend == "bmm"
    mixed = classifier(learner=["mlp", counted], learner_params={}, beta=1.0).fit(X3, Y3)
    assert mixed.bank_.backend == "loop"
    assert [len(list(network.parameters())) for network in mixed.learners_] == [6, 2]


@pytest.mark.parametrize(
    "convert",
    [
        functools.partial(pd.DataFrame, columns=list("abcd")),
        lambda X: X.astype("f4"),
        np.asfortranarray,
        lambda X: X.astype(object),
        lambda X: X.tolist(),
        lambda X: np.broadcast_to(X, X.shape),
        torch.as_tensor,
    ],
)
def test_samples_in_all_forms(convert):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = classifier().fit(convert(X), Y.tolist()).predict_proba(convert(X))
    np.testing.assert_allclose(found, classifier().fit(X, Y).predict_proba(X), atol=1e-5)


def test_held_out_samples_say_when_to_stop():
    settings = {"epochs": 60, "learning_rate": 0.2, "patience": 2}
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(60) < 0.3, 1 - Y, Y)
    for monitor in ("val_ensemble_loss", "val_accuracy"):
        ensemble = classifier(early_stopping=True, monitor=monitor, **settings).fit(X, noisy)
        series = np.array(ensemble.history_[monitor]) * (-1 if "accuracy" in monitor else 1)
        assert ensemble.best_epoch_ == 1 + series.argmin() == len(series) - 2 < 58
    # The parameters are those of the best epoch.
    fewer = classifier(**settings | {"epochs": ensemble.best_epoch_})
    held = classifier(early_stopping=True, **settings).fit(X, noisy, eval_set=(X3, X3[:, 0] < 0))
    fewer = classifier(**settings | {"epochs": held.best_epoch_}).fit(X, noisy)
    np.testing.assert_array_equal(held.predict_proba(X), fewer.predict_proba(X))


def test_an_eval_set_is_measured_only():
    frame, series = pd.DataFrame(X[:20]), pd.Series(Y[:20].astype(float))
    for eval_set in ((X[:20], Y[:20]), [X[:20], Y[:20, None]], (frame, series)):
        ensemble = classifier().fit(X, Y, eval_set=eval_set)
        assert ensemble.history_["val_accuracy"][-1] == ensemble.score(X[:20], Y[:20])
        np.testing.assert_array_equal(ensemble.predict(X), classifier().fit(X, Y).predict(X))
    assert 1 <= ensemble.best_epoch_ <= 3
    assert classifier().fit(X, Y).best_epoch_ is None


def test_a_rare_class_does_not_stop_the_stopping():
    y = np.where(np.arange(60) == 7, 2, Y)
    assert classifier(early_stopping=True).fit(X, y).predict_proba(X).shape == (60, 3)


@pytest.mark.parametrize("kind", ["label", "proba"])
def test_predictions_of_learners_are_votes(kind):
    X, y = task(200, 3)
    names = np.array(["a", "b", "c"])[y]
    ensemble = classifier(n_learners=5, epochs=20, bootstrap=True).fit(X, names)
    votes = ensemble.predict_learners(X, kind)
    consensus = DEEM(n_classes=3, random_state=0)
    found = consensus.fit(votes, verbose=False).predict(votes)
    found = found if kind == "label" else np.array(["a", "b", "c"])[found]
    assert np.mean(found == names) > 0.85


def saved(ensemble, path):
    ensemble.save(path)
    return type(ensemble).load(path)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learner": "mlp", "learner_params": {"norm": "batch"}, "early_stopping": True},
        {"learner": ["mlp", "mlp"], "class_weight": {"no": np.float64(2), "yes": 1}},
        {"random_state": np.random.RandomState(3), "device": torch.device("cpu")},  # noqa: NPY002
    ],
)
@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_a_file_gives_back_every_bit(tmp_path, settings, default):
    frame, names = pd.DataFrame(X, columns=list("abcd")), np.array(["no", "yes"])[Y]
    ensemble = classifier(**settings).fit(frame, names)
    ensemble.save(tmp_path / "file")
    torch.set_default_dtype(default)
    try:
        found = DeepEnsembleClassifier.load(tmp_path / "file")
    finally:
        torch.set_default_dtype(torch.float32)
    for name in ("predict", "predict_proba", "predict_learners"):
        expected = getattr(ensemble, name)(frame)
        np.testing.assert_array_equal(getattr(found, name)(frame), expected)
    assert found.history_.to_dict() == ensemble.history_.to_dict()
    assert found.feature_names_in_.tolist() == list("abcd")
    assert found.best_epoch_ == ensemble.best_epoch_
    np.testing.assert_array_equal(
        clone(found).fit(frame, names).predict_proba(frame), found.predict_proba(frame)
    )


def test_files_of_regressors_and_of_registered_learners(tmp_path):
    ensemble = regressor(epochs=2).fit(X, X[:, :2])
    found = saved(ensemble, tmp_path / "file")
    np.testing.assert_array_equal(found.predict(X), ensemble.predict(X))
    weights = {np.int64(0): 1.0, np.int64(1): 2.0}
    assert (
        saved(classifier(class_weight=weights).fit(X, Y), tmp_path / "w").class_weight == weights
    )
    register_learner("own", linear)
    own = classifier(learner="own", learner_params=None).fit(X, Y)
    np.testing.assert_array_equal(saved(own, tmp_path / "own").predict(X), own.predict(X))
    LEARNERS.pop("own")
    with pytest.raises(ArgumentError, match="learner='own' is unknown; choose one of: mlp"):
        DeepEnsembleClassifier.load(tmp_path / "own")


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "file"
    for settings, message in (
        (
            {"learner": linear, "learner_params": None},
            "is not a name; register the factory by reg",
        ),
        ({"optimizer": torch.optim.SGD}, "params.optimizer is a type, which a model file cannot"),
    ):
        with pytest.raises(ArgumentError, match=message):
            classifier(**settings).fit(X, Y).save(path)
        assert not path.exists()
    classifier().fit(X, Y).save(path)
    with pytest.raises(
        ModelFileError, match="holds a DeepEnsembleClassifier, expected a DeepEnsembleR"
    ):
        DeepEnsembleRegressor.load(path)
    data = bytearray(path.read_bytes())
    for broken in (data[:-9], data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]):
        path.write_bytes(broken)
        with pytest.raises(ModelFileError, match="truncated|altered"):
            DeepEnsembleClassifier.load(path)


@pytest.mark.parametrize("settings", [{}, {"bootstrap": True, "learner_dropout": 0.3}])
def test_refits_clones_and_copies_are_alike(settings):
    ensemble = classifier(beta=0.5, **settings).fit(X, Y)
    expected = ensemble.predict_proba(X)
    copied = pickle.loads(pickle.dumps(ensemble))
    again = clone(ensemble).fit(X3[:30], Y3[:30]).fit(X, Y)
    for other in (copied, again, ensemble.fit(X, Y)):
        np.testing.assert_array_equal(other.predict_proba(X), expected)
    assert vars(again).keys() == vars(ensemble).keys()
    other = ensemble.set_params(random_state=1).fit(X, Y)
    assert not np.array_equal(other.predict_proba(X), expected)


@pytest.mark.parametrize(
    ("settings", "X2"), [({"beta": 2}, X[:, :3]), ({"optimizer": "a"}, X), ({"learner": "cnn"}, X)]
)
def test_a_fit_that_fails_changes_nothing(settings, X2):
    ensemble = classifier().fit(X, Y)
    expected, before = ensemble.predict_proba(X), dict(vars(ensemble))
    fresh = classifier(**settings)
    for failing in (ensemble.set_params(**settings), fresh):
        with pytest.raises(ValueError, match="beta|optimizer|learner"):
            failing.fit(X2, Y3)
    assert vars(ensemble) == before | settings
    np.testing.assert_array_equal(ensemble.predict_proba(X), expected)
    assert not hasattr(fresh, "n_features_in_")


def test_beta_can_be_searched():
    search = GridSearchCV(classifier(epochs=2), {"beta": [0.0, 1.0]}, cv=2).fit(X, Y)
    assert search.best_params_["beta"] in (0, 1)
    assert len(search.cv_results_["mean_test_score"]) == 2


@pytest.mark.parametrize(("shape", "beta"), [((), 0), ((1,), 0.5), ((2,), 1)])
def test_regression_is_in_the_units_of_its_targets(shape, beta):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = (1000 + 50 * X[:, : int(np.prod(shape))]).reshape(200, *shape)
    ensemble = regressor(beta=beta, n_learners=3).fit(X, y)
    found, each = ensemble.predict(X), ensemble.predict_learners(X)
    assert found.shape == y.shape
    assert each.shape == (*y.shape, 3)
    np.testing.assert_allclose(each.mean(-1), found)
    assert ensemble.score(X, y) > 0.9
    # Another unit changes nothing but the unit.
    other = regressor(beta=beta, n_learners=3).fit(X, 3 * y - 7)
    np.testing.assert_allclose(other.predict(X), 3 * found - 7, rtol=1e-4)


def test_constant_targets_and_held_out_values():
    ensemble = regressor(epochs=60).fit(X, np.full(60, 7.0))
    np.testing.assert_allclose(ensemble.predict(X), 7, atol=0.5)
    ensemble = regressor(early_stopping=True).fit(X, X[:, 0], eval_set=(X[:9], X[:9, 0]))
    assert "val_accuracy" not in ensemble.history_
    loss = np.mean((ensemble.predict(X[:9]) - X[:9, 0]) ** 2) / X[:, 0].var()
    assert min(ensemble.history_["val_ensemble_loss"]) == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"beta": 1.5}, ArgumentError, r"beta=1.5; expected a number in \[0, 1\]"),
        ({"beta": [0, 1]}, ArgumentError, r"beta=\[0, 1\]; expected a finite number"),
        ({"n_learners": 0}, ArgumentError, "n_learners=0; expected a whole number of at least 1"),
        ({"learner": "mpl"}, ArgumentError, "learner='mpl' is unknown; choose one of: mlp, cnn"),
        ({"learner": 3}, ArgumentError, r"learner=3; pass a name \(mlp, .*, or a list"),
        ({"learner": nn.Linear(4, 2)}, ArgumentError, "learner is a Linear that is built already"),
        ({"learner": ["mlp"]}, ArgumentError, r"learner\) has 1 entries, but n_learners=2"),
        ({"learner": "cnn"}, ArgumentError, "takes images, but samples have shape .* reshape X"),
        ({"learner_params": 3}, ArgumentError, "learner_params=3; expected a dict such as"),
        ({"learner_params": {"n": 3}}, ArgumentError, "unexpected keyword argument 'n'.* takes"),
        ({"optimizer": "adm"}, ArgumentError, "optimizer='adm' is unknown; choose one of: sgd"),
        ({"scheduler": "cos"}, ArgumentError, "scheduler='cos' is unknown; choose one of: none"),
        ({"backend": "gpu"}, ArgumentError, "backend='gpu' is unknown; choose one of: auto"),
        ({"monitor": "loss"}, ArgumentError, "monitor='loss' is unknown; choose one of: val_loss"),
        ({"aggregate": "vote"}, ArgumentError, "aggregate='vote' is unknown; choose one of: sc"),
        ({"device": "tpu"}, DeviceError, "device='tpu' is not there .* Pass device=\"auto\""),
        ({"random_state": -1}, ArgumentError, "random_state=-1; expected a whole number of at le"),
        (
            {"class_weight": "even"},
            ArgumentError,
            "class_weight='even'; expected None, 'balanced'",
        ),
        ({"class_weight": {5: 1}}, ArgumentError, r"does not fit the classes \[0, 1\]"),
        ({"class_weight": {0: -1}}, ArgumentError, "weights are at least 0"),
        (
            {"early_stopping": True, "validation_fraction": 0.001},
            ArgumentError,
            "of 60 samples puts 0 aside; .* Pass eval_set, or",
        ),
        (
            {"early_stopping": True, "validation_fraction": "a"},
            ArgumentError,
            "validation_fraction='a'; expected a finite number",
        ),
    ],
)
def test_settings_that_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        classifier(**settings).fit(X, Y)


@pytest.mark.parametrize(
    ("eval_set", "message"),
    [
        (X, r"eval_set is a ndarray; expected a pair \(X, y\)"),
        ((X, Y, Y), r"eval_set is a tuple; expected a pair"),
        (
            (X, Y + 1),
            r"holds labels \[2\] that are not among the classes of fit \(\[0, 1\]\); leave",
        ),
        ((X, np.array(["a", "b"])[Y]), r"holds labels \['a', 'b'\] that are not among"),
        ((X, Y[:5]), r"eval_set has 60 samples, but targets of shape \(5,\); pass one each"),
        ((X, None), r"targets of shape \(\)"),
        ((X, np.eye(2)[Y]), r"eval_set has labels of shape \(60, 2\); expected \(n_samples,\)"),
        ((X.reshape(60, 4, 1, 1), Y), r"shape \(4, 1, 1\), but X has \(4,\); pass samples of one"),
        ((X[:, :3], Y), "X has 3 features, but DeepEnsembleClassifier is expecting 4"),
    ],
)
def test_held_out_samples_that_do_not_fit(eval_set, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, Y, eval_set=eval_set)


def test_targets_that_are_refused():
    with pytest.raises(LabelError, match="y has one class, 'a'; a classifier needs at least two"):
        classifier().fit(X, ["a"] * 60)
    with pytest.raises(ArgumentError, match="X holds numbers up to .*e.300, .* scale X"):
        classifier().fit(X * 1e300, Y)
    with pytest.raises(ArgumentError, match="y holds numbers up to .*e.300, .* scale y"):
        regressor().fit(X, X[:, 0] * 1e300)
    with pytest.raises(ArgumentError, match="eval_set holds NaN or infinite values; leave"):
        regressor().fit(X, X[:, 0], eval_set=(X, X[:, 0] * np.nan))
    with pytest.raises(
        ShapeError, match="eval_set has 1 values a sample, but y has 2; pass as many"
    ):
        regressor().fit(X, X[:, :2], eval_set=(X, X[:, 0]))
    with pytest.raises(ArgumentError, match="kind='soft' is unknown; choose one of: label, proba"):
        classifier().fit(X, Y).predict_learners(X, "soft")
