"""Automatic hyperparameters of models with layers: what is free, what is kept."""

import numpy as np
import pytest
import torch
from jury import jury

from deem import DEEM
from deem.core.reading import read_votes
from deem.math.activation import ACTIVATIONS
from deem.models import MultinomialIRBM, SoftIRBM, StackedIRBM
from deem.models.initialization import initialise
from deem.selection.hyperparameters import HyperparameterPredictor, shipped_predictor
from deem.selection.meta_features import meta_features
from deem.selection.runs import shipped_runs
from deem.utils.exception import ArgumentError

VOTES = jury(n=60, d=5).votes
FEATURES = meta_features(read_votes(VOTES))
AUTOMATIC = {"auto_hyperparameters": True, "random_state": 0}
DEEP = AUTOMATIC | {"use_preprocessing": True}
NUMBERS = ("batch_size", "epochs", "learning_rate", "momentum", "init_method", "scheduler")
DEFAULT = {"batch_size": 128, "epochs": 30, "learning_rate": 0.001, "momentum": 0.9}
DEFAULT |= {"init_method": "shares", "scheduler": "cosine"}
DEFAULT |= {"preprocessing_layers": 1, "preprocessing_activation": "sparsemax"}
GOOD = {"batch_size": 32, "epochs": 3, "learning_rate": 0.02, "momentum": 0.5}
GOOD |= {"init_method": "mv", "scheduler": "step"}
GOOD |= {"preprocessing_layers": 2, "preprocessing_activation": "entmax"}


def row(name, score, settings, solver="deep"):
    return {"set": name, "solver": solver, **FEATURES, "score": score, "seconds": 1.0, **settings}


def table(gain):
    """Rows of a table where `GOOD` lies above the defaults."""
    pairs = ((0.0, DEFAULT), (gain, GOOD))
    return [row(f"s{i}", score, settings) for i in range(9) for score, settings in pairs]


@pytest.fixture
def folder(tmp_path):
    HyperparameterPredictor().fit(table(5.0)).save(tmp_path)
    return tmp_path


def layers(model):
    return {
        "preprocessing_layers": len(model.layers),
        "preprocessing_activation": model.activation,
    }


def used(fitted):
    """The hyperparameters of a training."""
    settings = fitted.history_.settings
    return {name: settings[name] for name in NUMBERS} | layers(fitted.model_)


def test_predicted_values_of_the_shipped_table_are_used():
    crowd = jury(n=150, d=7, skill=(0.5, 0.9))
    model = DEEM(epochs=2, **DEEP)
    before = model.get_params()
    model.fit(crowd.votes)
    assert model.get_params() == before
    assert used(model) == shipped_predictor().predict(
        read_votes(crowd.votes), "deep", {"epochs": 2}
    )
    assert model.model_.activation in ACTIVATIONS
    assert model.score(crowd.votes, crowd.truth) > 0.75


def test_a_table_of_ones_own_is_used(folder):
    fitted = DEEM(model_dir=folder, **DEEP).fit(VOTES)
    assert used(fitted) == GOOD
    assert fitted.history_.n_epochs == 3


def test_without_a_gain_worth_it_the_defaults_stay(tmp_path):
    HyperparameterPredictor().fit(table(0.2)).save(tmp_path)
    fitted = DEEM(model_dir=tmp_path, **DEEP).fit(VOTES)
    plain = DEEM(use_preprocessing=True, random_state=0).fit(VOTES)
    assert used(fitted) == used(plain) == DEFAULT
    np.testing.assert_array_equal(fitted.probas_, plain.probas_)


SET = {
    "batch_size": 64,
    "learning_rate": 0.001,
    "momentum": 0.9,
    "init_method": "mv_lo",
    "scheduler": "none",
    "preprocessing_layers": 1,
    "preprocessing_activation": "relu",
}


@pytest.mark.parametrize("name", SET)
def test_what_the_user_sets_wins_also_when_it_is_the_default(name, folder):
    fitted = DEEM(model_dir=folder, epochs=1, **{name: SET[name]}, **DEEP).fit(VOTES)
    assert used(fitted) == GOOD | {"epochs": 1, name: SET[name]}


@pytest.mark.parametrize(
    ("settings", "widths", "activation"),
    [
        ({"preprocessing_layer_widths": [7, 4]}, [7, 4], "entmax"),
        ({"preprocessing_use_softmax": False}, [5, 5], None),
        ({"model_params": {"widths": [4]}}, [4], "entmax"),
        ({"model_params": {"activation": "silu"}}, [5, 5], "silu"),
        ({"use_preprocessing": False, "model": "MultinomialIRBM"}, [5, 5], "entmax"),
        ({"use_preprocessing": False, "model": StackedIRBM}, [3], "softmax"),
    ],
    ids=str,
)
def test_what_is_predicted_of_layers(settings, widths, activation, folder):
    fitted = DEEM(**DEEP | {"model_dir": folder, "epochs": 1} | settings).fit(VOTES)
    assert (fitted.model_.widths, fitted.model_.activation) == (widths, activation)
    assert fitted.history_.settings["learning_rate"] == GOOD["learning_rate"]


def test_given_widths_count_as_layers(monkeypatch):
    seen = []

    def predict(self, votes, solver, fixed, default):
        seen.append((solver, fixed, default))
        return default

    monkeypatch.setattr(HyperparameterPredictor, "predict", predict)
    DEEM(preprocessing_layer_widths=[7, 4], epochs=1, **DEEP).fit(VOTES)
    ((solver, fixed, default),) = seen
    assert solver == "deep"
    assert fixed == {"epochs": 1, "preprocessing_layers": 2}
    assert default == DEFAULT | fixed


def test_a_model_instance_keeps_its_layers_and_its_start(folder):
    model = initialise(MultinomialIRBM(5, 3, widths=[4]), read_votes(VOTES), "mv")
    fitted = DEEM(model=model, model_dir=folder, **AUTOMATIC).fit(VOTES)
    assert layers(fitted.model_) == layers(model)
    assert fitted.history_.settings["init_method"] is None
    assert fitted.history_.settings["batch_size"] == GOOD["batch_size"]


def test_persistent_chains_of_layers_are_deep(folder):
    fitted = DEEM(solver="pcd", model_dir=folder, **DEEP).fit(VOTES)
    assert fitted.history_.settings["persistent"]
    assert used(fitted) == GOOD


def test_rates_of_another_optimizer_stay(folder):
    fitted = DEEM(optimizer="adam", model_dir=folder, **DEEP).fit(VOTES)
    assert used(fitted) == GOOD | {"learning_rate": 0.001, "momentum": 0.9}


def test_a_table_without_deep_runs(tmp_path):
    runs = shipped_runs()
    HyperparameterPredictor().fit(runs.take(runs.solvers != "deep")).save(tmp_path)
    with pytest.raises(ArgumentError, match="solver='deep', but the table holds runs of cd,"):
        DEEM(model_dir=tmp_path, **DEEP).fit(VOTES)


@pytest.mark.parametrize("solver", ["exact", "cd"])
def test_deep_runs_say_nothing_of_other_models(solver, tmp_path):
    runs = shipped_runs()
    shallow = HyperparameterPredictor().fit(runs.take(runs.solvers != "deep"))
    shallow.save(tmp_path)
    settings = AUTOMATIC | {"solver": solver} | ({} if solver == "exact" else {"epochs": 2})
    fitted, without = (DEEM(model_dir=path, **settings).fit(VOTES) for path in (None, tmp_path))
    assert type(fitted.model_) is SoftIRBM
    np.testing.assert_array_equal(fitted.probas_, without.probas_)


def test_equal_fits_are_equal_and_draw_nothing_elsewhere():
    state = torch.get_rng_state()
    first, second = (DEEM(epochs=2, **DEEP).fit(VOTES) for _ in range(2))
    np.testing.assert_array_equal(first.probas_, second.probas_)
    assert torch.equal(torch.get_rng_state(), state)


def test_verbose_says_what_was_chosen(capsys):
    DEEM(epochs=2, preprocessing_activation="relu", verbose=True, **DEEP).fit(VOTES)
    shown = capsys.readouterr().err
    assert "automatic hyperparameters: batch_size=" in shown
    assert "preprocessing_layers=" in shown
    assert "preprocessing_activation=" not in shown
