"""Every name, order, default and script line that `users.md` promises."""

import inspect
import re

import numpy as np
import pytest

import deem
from deem import DEEM
from deem.utils.exception import UnusedParameterWarning

SIGNATURE = {
    "n_classes": None,
    "hidden_dim": 1,
    "cd_k": 10,
    "deterministic": True,
    "learning_rate": None,
    "momentum": None,
    "epochs": None,
    "batch_size": None,
    "device": "auto",
    "random_state": None,
    "init_method": None,
    "use_weighted": True,
    "auto_hyperparameters": False,
    "model_dir": None,
    "use_preprocessing": False,
    "preprocessing_layers": None,
    "preprocessing_layer_widths": None,
    "preprocessing_activation": None,
    "preprocessing_init": "identity",
    "preprocessing_one_hot": False,
    "preprocessing_use_softmax": True,
    "preprocessing_jitter": 0.005,
    "sampler_steps": 5,
    "sampler_oh_mode": False,
    "solver": "auto",
    "sampler": "auto",
    "optimizer": "sgd",
    "scheduler": None,
    "weight_decay": 0.0,
    "class_prior": None,
    "selection": "auto",
    "n_restarts": None,
    "n_jobs": None,
    "model": None,
    "model_params": None,
    "verbose": False,
}
REQUIRED = inspect.Parameter.empty
CALLS = {
    "fit": {"predictions": REQUIRED, "y": None},
    "predict": {"predictions": REQUIRED, "return_probs": False, "align_to": None},
    "predict_proba": {"predictions": REQUIRED},
    "transform": {"predictions": REQUIRED},
    "fit_predict": {"predictions": REQUIRED, "y": None},
    "score": {"predictions": REQUIRED, "y": None},
    "get_class_mapping": {},
    "reset_class_mapping": {},
    "save": {"path": REQUIRED},
    "load": {"path": REQUIRED},
}
KEYWORDS = {
    "fit": {
        "labels": None,
        "sample_weight": None,
        "gold": None,
        "confusion_prior": None,
        "epochs": None,
        "learning_rate": None,
        "batch_size": None,
        "verbose": None,
    },
    "score": {"true_labels": None},
}
ATTRIBUTES = {
    "model_",
    "class_map_",
    "n_classes_",
    "n_classifiers_",
    "classes_",
    "history_",
    "labels_",
    "probas_",
    "skills_",
    "confusion_",
    "health_",
    "selection_",
    "skills_std_",
    "confusion_std_",
    "expected_accuracy_",
    "n_features_in_",
}


def defaults(function, kind):
    found = inspect.signature(function).parameters.items()
    return {name: p.default for name, p in found if p.kind is kind and name != "self"}


def test_constructor_signature():
    found = defaults(DEEM, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    assert list(found.items()) == list(SIGNATURE.items())
    assert len(inspect.signature(DEEM).parameters) == len(SIGNATURE)


@pytest.mark.parametrize("name", CALLS)
def test_method_signature(name):
    positional = defaults(getattr(DEEM, name), inspect.Parameter.POSITIONAL_OR_KEYWORD)
    keywords = defaults(getattr(DEEM, name), inspect.Parameter.KEYWORD_ONLY)
    assert list(positional.items()) == list(CALLS[name].items())
    assert list(keywords.items()) == list(KEYWORDS.get(name, {}).items())


def test_front_door():
    assert deem.__all__ == ["DEEM", "__version__", "load"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", deem.__version__)


def test_attributes(votes):
    estimator = DEEM()
    assert not estimator.is_fitted_
    assert not ATTRIBUTES & set(vars(estimator))
    assert set(vars(estimator.fit(votes))) >= ATTRIBUTES
    assert estimator.is_fitted_
    assert estimator.selection_["chosen"]
    assert DEEM(selection=None).fit(votes).selection_ is None


def test_every_parameter_is_documented_once():
    section = inspect.getdoc(DEEM).split("Parameters\n---")[1].split("Attributes\n---")[0]
    section = section.replace("\\\n", "")
    heads = re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", section, re.MULTILINE)
    named = [name for head in heads for name in head.split(", ")]
    assert named == list(SIGNATURE)


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 0.001), ("momentum", 0.9), ("epochs", 100), ("batch_size", 128)],
)
def test_none_means_the_documented_value(votes, name, value):
    quick = {"epochs": 2} if name != "epochs" else {}
    settings = {"solver": "cd", "cd_k": 1, "random_state": 0, **quick}
    implied = DEEM(**settings).fit(votes[:40])
    explicit = DEEM(**settings, **{name: value}).fit(votes[:40])
    np.testing.assert_array_equal(implied.probas_, explicit.probas_)
    assert implied.history_.n_epochs == (2 if quick else 100)
    assert str(value) in re.search(r"Of contrastive divergence: (.*)", DEEM.__doc__)[1]


def unused(*names):
    return pytest.warns(UnusedParameterWarning, match=f"^{', '.join(names)} set, .*solver=.cd")


def test_script_shortest(votes):
    p = votes
    np.testing.assert_array_equal(DEEM().fit(p).predict(p), DEEM().fit(p).labels_)


def test_script_epochs(votes, truth):
    train = p = votes
    y = truth
    with unused("epochs"):
        model = DEEM(n_classes=3, epochs=50).fit(train)
    assert model.history_.n_epochs < 50
    with unused("epochs"):
        assert DEEM(n_classes=3).fit(p, y, epochs=50).history_["accuracy"][-1] > 0.8


def test_script_labels_and_progress(votes, truth, capsys):
    p, y = votes, truth
    model = DEEM(n_classes=3).fit(p, labels=y, verbose=True)
    assert len(model.history_["accuracy"]) == model.history_.n_epochs
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch" in shown.err


def test_silent_unless_asked(votes, capsys):
    DEEM(solver="cd", epochs=2, random_state=0).fit(votes).predict(votes)
    assert capsys.readouterr() == ("", "")


def test_script_align_to(votes, truth):
    train, test, y = votes[:80], votes[80:], truth[80:]
    model = DEEM(n_classes=3).fit(train)
    aligned = model.predict(test, align_to=train)
    np.testing.assert_array_equal(model.predict(test), aligned)
    assert model.score(test, y) == (aligned == y).mean()


def test_script_every_hyperparameter(votes):
    model = DEEM(
        n_classes=5,
        hidden_dim=1,
        learning_rate=0.01,
        epochs=100,
        batch_size=64,
        cd_k=10,
        deterministic=True,
        use_weighted=True,
        device="cpu",
    )
    with unused("learning_rate", "epochs", "batch_size"):
        model.fit(votes)
    assert model.predict_proba(votes).shape == (len(votes), 5)


def test_script_automatic(votes):
    with unused("epochs", "batch_size"):
        DEEM(auto_hyperparameters=True, epochs=100, batch_size=512).fit(votes)
    model = DEEM(auto_hyperparameters=True, epochs=100, batch_size=512, solver="cd", cd_k=1)
    settings = model.fit(votes).history_.settings
    assert (settings["epochs"], settings["batch_size"]) == (100, 512)


def test_script_load(votes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new = votes
    saved = DEEM().fit(votes)
    saved.save("my_ensemble.pt")
    model = DEEM()
    model.load("my_ensemble.pt")
    np.testing.assert_array_equal(model.predict(new), saved.predict(new))


def test_script_layers(votes):
    model = DEEM(use_preprocessing=True, preprocessing_layer_widths=[20, 15, 10], epochs=2)
    assert model.fit(votes).model_.widths == [20, 15, 10]
    assert model.predict_proba(votes).shape == (len(votes), 3)


@pytest.mark.parametrize(
    ("settings", "cure"),
    [
        ({"preprocessing_layer_widths": np.array([20, 15])}, "use_preprocessing=True"),
        ({"preprocessing_layers": 2}, "use_preprocessing=True"),
        ({"preprocessing_activation": "entmax"}, "use_preprocessing=True"),
        ({"preprocessing_init": "mv"}, "use_preprocessing=True"),
        ({"preprocessing_one_hot": True}, "use_preprocessing=True"),
        ({"preprocessing_use_softmax": False}, "use_preprocessing=True"),
        ({"preprocessing_jitter": 0.1}, "use_preprocessing=True"),
        ({"sampler_steps": 7}, 'solver="cd"'),
        ({"sampler_oh_mode": True}, 'solver="cd"'),
    ],
)
def test_what_acts_on_deep_models_alone_is_named(votes, settings, cure):
    (name,) = settings
    with pytest.warns(UnusedParameterWarning, match=f"{name} set, but .*{cure}"):
        DEEM(**settings).fit(votes)
