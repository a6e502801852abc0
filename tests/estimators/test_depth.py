"""Deep models and gradient-informed samplers in `DEEM`: parameters, forms of votes, files."""

import functools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from jury import jury, soft_form
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from deem import DEEM, load
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence, ExactEM, ExactGradient
from deem.estimators import building
from deem.math.activation import ACTIVATIONS
from deem.models import BinaryIRBM, MultinomialIRBM, SoftIRBM, deep_start
from deem.models.initialization import initialise
from deem.models.multinomial_layer import LAYER_STARTS
from deem.samplers import DiscreteLangevin, Gibbs, GibbsWithGradients, ParallelTempering
from deem.utils.exception import (
    ArgumentError,
    IntractableError,
    UnusedParameterWarning,
)

CROWD = jury(n=200, d=6, k=3, seed=2)
VOTES, TRUTH = CROWD.votes, CROWD.truth
GAPS = jury(n=200, d=6, k=3, seed=2, missing=0.3)
DEEP = {"use_preprocessing": True, "epochs": 2, "random_state": 0}


@pytest.fixture(autouse=True)
def short_starts(monkeypatch):
    """Starts of narrow layers that come less near; how near is asked where they are tested."""
    monkeypatch.setattr(deep_start, "_STEPS", 60)


def fit(votes=VOTES, **settings):
    return DEEM(**DEEP | settings).fit(votes)


@pytest.fixture(scope="module")
def exact():
    return DEEM(selection=None).fit(VOTES)


def changed(model):
    """How far layers have gone from an identity without noise."""
    layer = model.layers[0]
    start = torch.einsum("ij,lm->iljm", layer.carriers, torch.eye(layer.n_categories))
    return float((layer.weight.detach() - start).abs().max())


# ---- what every parameter does


def test_layers_by_default():
    fitted = fit(epochs=None, learning_rate=0.01)
    model, settings = fitted.model_, fitted.history_.settings
    assert type(model) is MultinomialIRBM
    found = model.widths, model.activation, model.start, model.one_hot, model.rank, model.jitter
    assert found == ([6], "sparsemax", "identity", False, None, 0.005)
    assert model.dtype == torch.float32
    expected = {"solver": "ContrastiveDivergence", "sampler": "DiscreteLangevin", "steps": 5}
    expected |= {"scheduler": "cosine", "persistent": False, "init_method": "shares"}
    expected |= {"momentum": 0.9, "batch_size": 128, "restarts": 0, "abandoned": ""}
    assert {name: settings[name] for name in expected} == expected
    assert settings["epochs"] == fitted.history_.n_epochs
    series = {"acceptance", "stuck", "log_likelihood", "class_entropy", "posterior_entropy"}
    assert series <= set(fitted.history_)
    assert 0 < fitted.history_["acceptance"][-1] < 1
    assert changed(model) > 0.03
    assert fitted.probas_.dtype == np.float64
    assert fitted.score(VOTES, TRUTH) > CROWD.shares_right - 0.02


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"preprocessing_layers": 3}, {"widths": [6, 6, 6]}),
        ({"preprocessing_layer_widths": [8, 5, 3]}, {"widths": [8, 5, 3]}),
        ({"preprocessing_layer_widths": np.array([4, 2])}, {"widths": [4, 2]}),
        ({"preprocessing_layer_widths": 4}, {"widths": [4]}),
        ({"preprocessing_layer_widths": [4, 2], "preprocessing_layers": 2}, {"widths": [4, 2]}),
        *(({"preprocessing_activation": name}, {"activation": name}) for name in ACTIVATIONS),
        ({"preprocessing_use_softmax": False}, {"activation": None}),
        *(({"preprocessing_init": name}, {"start": name}) for name in LAYER_STARTS),
        ({"preprocessing_one_hot": True}, {"one_hot": True}),
        ({"preprocessing_jitter": 0.2}, {"jitter": 0.2}),
        ({"hidden_dim": 2}, {"hidden_dim": 2}),
    ],
    ids=str,
)
def test_preprocessing_parameters_reach_the_model(settings, expected):
    before = DEEM(**DEEP | settings).get_params()
    estimator = DEEM(**DEEP | settings).fit(VOTES)
    model = estimator.model_
    found = {name: getattr(model, name) for name in expected}
    assert found == expected
    assert len(model.layers) == len(model.widths)
    assert estimator.score(VOTES, TRUTH) > 0.6
    # The constructor parameters are as they were given.
    assert repr(estimator.get_params()) == repr(before)
    json.dumps(estimator.history_.to_dict())


@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_the_jitter_is_on_the_start(jitter):
    assert changed(fit(epochs=0, preprocessing_jitter=jitter).model_) == pytest.approx(
        4 * jitter, rel=0.4
    )


def test_without_epochs_it_is_the_exact_model(exact):
    fitted = fit(epochs=0, preprocessing_jitter=0.0)
    np.testing.assert_allclose(
        fitted.probas_, exact.model_.predict_classes(read_votes(VOTES)), atol=1e-3
    )
    assert np.array_equal(fitted.labels_, exact.labels_)


@pytest.mark.parametrize("init_method", ["mv", "mv_rand", "mv_lo"])
def test_other_starts(init_method):
    fitted = fit(init_method=init_method)
    assert fitted.history_.settings["init_method"] == init_method
    assert fitted.score(VOTES, TRUTH) > 0.85


@pytest.mark.filterwarnings("ignore")
def test_a_start_from_noise_knows_nothing():
    fitted = fit(init_method="rand")
    assert "MergedClassesWarning" in " ".join(fitted.health_["warnings"])
    assert fitted.history_.settings["abandoned"] == ""
    assert np.abs(fitted.probas_ - 1 / 3).max() < 0.1


def test_layers_that_are_too_large_are_factorised(monkeypatch):
    monkeypatch.setattr(building, "LARGEST_WEIGHT", 9 * 6 * 6)
    assert fit(epochs=0).model_.rank is None
    monkeypatch.setattr(building, "LARGEST_WEIGHT", 9 * 6 * 6 - 1)
    fitted = fit()
    assert fitted.model_.rank == 8
    assert fitted.model_.layers[0].left.shape == (3 * 6, 8)
    assert fitted.score(VOTES, TRUTH) > 0.85


@pytest.mark.parametrize("widths", [[20, 15, 10], [10]])
def test_the_script_of_the_paper_runs(widths):
    estimator = DEEM(use_preprocessing=True, preprocessing_layer_widths=widths)
    estimator.set_params(random_state=0, epochs=2)
    assert estimator.fit(VOTES).model_.widths == widths
    assert estimator.score(VOTES, TRUTH) > 0.8


def test_restarts_differ_and_the_likeliest_stays():
    fitted = fit(n_restarts=3, learning_rate=0.01)
    assert type(fitted.model_) is MultinomialIRBM
    assert fitted.score(VOTES, TRUTH) > 0.85
    assert np.array_equal(fitted.probas_, fit(n_restarts=3, learning_rate=0.01).probas_)


# ---- samplers


KERNELS = {"gwg": GibbsWithGradients, "dlp": DiscreteLangevin}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("layers", [False, True])
@pytest.mark.parametrize("solver", ["auto", "cd", "pcd"])
def test_samplers_by_name(name, layers, solver):
    fitted = fit(sampler=name, sampler_steps=3, use_preprocessing=layers, solver=solver)
    settings = fitted.history_.settings
    assert settings["sampler"] == KERNELS[name].__name__
    assert settings["steps"] == 3
    assert settings["persistent"] == (solver == "pcd" or (solver == "auto" and not layers))
    assert type(fitted.model_) is (MultinomialIRBM if layers else SoftIRBM)
    acceptance = np.array(fitted.history_["acceptance"])
    assert ((acceptance > 0) & (acceptance < 1)).all()
    assert fitted.score(VOTES, TRUTH) > 0.85


@pytest.mark.parametrize("sampler", ["auto", "gibbs"])
def test_gibbs_needs_no_kernel(sampler):
    fitted = fit(use_preprocessing=False, solver="cd", sampler=sampler, cd_k=4)
    assert fitted.history_.settings["steps"] == 4
    assert fitted.history_.settings["sampler"] is None
    assert "acceptance" not in fitted.history_


@pytest.mark.parametrize(
    ("sampler", "steps"),
    [
        (Gibbs(), 4),
        (GibbsWithGradients(), 7),
        (DiscreteLangevin(0.3), 7),
        (ParallelTempering(GibbsWithGradients(), (1.0, 2.0)), 7),
    ],
    ids=lambda x: type(x).__name__,
)
def test_cd_k_counts_sweeps_and_sampler_steps_the_others(sampler, steps):
    other = {"cd_k": 4} if steps == 4 else {"sampler_steps": 7}
    fitted = fit(use_preprocessing=False, solver="cd", sampler=sampler, **other)
    assert fitted.history_.settings["steps"] == steps
    assert fitted.sampler is sampler


def test_a_sampler_object_stays_as_it_was():
    sampler = DiscreteLangevin(0.05)
    first, second = (fit(sampler=sampler, epochs=4) for _ in range(2))
    assert sampler.step_size == 0.05
    assert sampler.state() == DiscreteLangevin(0.05).state()
    assert np.array_equal(first.probas_, second.probas_)


def test_a_solver_object_trains_layers():
    solver = ContrastiveDivergence(2, 0.002, sampler=GibbsWithGradients(), persistent=True)
    fitted = fit(solver=solver, epochs=None)
    assert fitted.history_.settings["sampler"] == "GibbsWithGradients"
    assert fitted.history_.settings["learning_rate"] == 0.002


# ---- forms of votes


def test_missing_votes():
    fitted = fit(GAPS.votes, epochs=10, learning_rate=0.01)
    assert fitted.score(GAPS.votes, GAPS.truth) > GAPS.shares_right - 0.01
    empty = np.full((2, 6), -1)
    prior = fitted.model_.hidden_bias.detach().softmax(-1)[0].double().numpy()
    np.testing.assert_allclose(fitted.predict_proba(empty), [prior, prior], atol=1e-6)


def test_string_labels_and_frames():
    names = np.array(["cat", "dog", "eel"])
    frame = pd.DataFrame(names[VOTES], columns=list("abcdef"))
    frame[GAPS.votes < 0] = None
    fitted = fit(frame)
    plain = fit(np.where(GAPS.votes < 0, -1, VOTES), n_classes=3)
    assert fitted.classes_.tolist() == names.tolist()
    assert np.array_equal(fitted.predict(frame), names[plain.labels_])
    np.testing.assert_allclose(fitted.probas_, plain.probas_)


@pytest.mark.parametrize("oh_mode", [False, True])
@pytest.mark.parametrize("sharpness", [0.75, 0.95])
def test_soft_votes(sharpness, oh_mode):
    votes = soft_form(VOTES, 3, sharpness)
    fitted = fit(votes, epochs=10, sampler_oh_mode=oh_mode)
    assert fitted.history_.settings["abandoned"] == ""
    assert fitted.score(votes, TRUTH) > CROWD.shares_right - 0.03


def test_soft_votes_without_doubt_are_hard_votes():
    hard = fit(soft_form(VOTES, 3, 1.0))
    np.testing.assert_allclose(hard.probas_, fit(VOTES).probas_, atol=1e-6)


def test_weights_count_samples():
    weights = np.ones(200)
    weights[50:] = 0
    fitted = DEEM(**DEEP).fit(VOTES, sample_weight=weights)
    assert fitted.labels_.shape == (200,)
    assert fitted.score(VOTES, TRUTH) > 0.8


def test_two_classes():
    crowd = jury(n=200, d=6, k=2, seed=3)
    fitted = fit(crowd.votes, learning_rate=0.01)
    assert type(fitted.model_) is MultinomialIRBM
    assert fitted.score(crowd.votes, crowd.truth) > crowd.shares_right - 0.03


def test_the_truth_only_watches():
    watched = DEEM(**DEEP).fit(VOTES, TRUTH)
    assert watched.history_["accuracy"][-1] == watched.score(VOTES, TRUTH)
    assert np.array_equal(watched.probas_, fit().probas_)


# ---- the estimator


ARCHITECTURES = {
    "default": {},
    "deep": {"preprocessing_layer_widths": [8, 4], "preprocessing_activation": "entmax"},
    "one-hot": {"preprocessing_one_hot": True},
    "rectified": {"preprocessing_activation": "gelu", "preprocessing_init": "rand"},
    "two units": {"hidden_dim": 2, "solver": "pcd"},
    "linear": {"preprocessing_use_softmax": False, "sampler": "gwg"},
    "rank": {"model": "MultinomialIRBM", "model_params": {"rank": 2}, "use_preprocessing": False},
}


@functools.cache
def fitted_to_gaps(name):
    """An estimator that no test changes."""
    return fit(GAPS.votes, **ARCHITECTURES[name])


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("votes", [VOTES, GAPS.votes], ids=["complete", "gaps"])
def test_rows_by_themselves_are_rows_together(name, votes):
    fitted = fitted_to_gaps(name)
    together = fitted.predict_proba(votes)
    alone = np.concatenate([fitted.predict_proba(row[None]) for row in votes[:10]])
    np.testing.assert_allclose(together[:10], alone, atol=1e-5)
    assert np.array_equal(fitted.predict(votes[::-1])[::-1], together.argmax(1))
    if votes is GAPS.votes:
        np.testing.assert_allclose(fitted.probas_, together, atol=1e-6)
        assert np.array_equal(fitted.labels_, together.argmax(1))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_seed_gives_a_result(name):
    first = fitted_to_gaps(name)
    again = clone(first).fit(GAPS.votes)
    np.testing.assert_equal(again.history_.to_dict(), first.history_.to_dict())
    assert np.array_equal(again.probas_, first.probas_)
    other = clone(first).set_params(random_state=1).fit(GAPS.votes)
    assert not np.array_equal(other.probas_, first.probas_)


def test_a_refit_gives_the_result_of_the_first_fit():
    estimator = DEEM(**DEEP).fit(VOTES)
    first, history = estimator.probas_, estimator.history_.to_dict()
    np.testing.assert_equal(estimator.fit(VOTES).history_.to_dict(), history)
    assert np.array_equal(estimator.probas_, first)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_files_bring_every_estimator_back(name, tmp_path):
    fitted = fitted_to_gaps(name)
    fitted.save(tmp_path / "file")
    for loaded in (load(tmp_path / "file"), DEEM().load(tmp_path / "file")):
        assert repr(loaded.get_params()) == repr(fitted.get_params())
        assert type(loaded.model_) is MultinomialIRBM
        assert loaded.model_.dtype == torch.float32
        assert loaded.model_.config() == fitted.model_.config()
        assert np.array_equal(loaded.predict_proba(GAPS.votes), fitted.predict_proba(GAPS.votes))
        np.testing.assert_equal(loaded.history_.to_dict(), fitted.history_.to_dict())


def test_a_grid_search_over_activations():
    grid = {"preprocessing_activation": ["sparsemax", "softmax"], "preprocessing_layers": [1, 2]}
    search = GridSearchCV(DEEM(**DEEP), grid, cv=2, error_score="raise").fit(VOTES, TRUTH)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.85


def test_the_model_by_name_and_as_an_instance():
    by_name = fit(use_preprocessing=False, model="MultinomialIRBM")
    assert np.array_equal(by_name.probas_, fit().probas_)
    params = {"widths": [4], "activation": "softmax"}
    by_params = fit(use_preprocessing=False, model=MultinomialIRBM, model_params=params)
    assert by_params.model_.widths == [4]
    assert by_params.model_.activation == "softmax"
    instance = MultinomialIRBM(6, 3, [5])
    kept = {name: value.clone() for name, value in instance.state_dict().items()}
    fitted = fit(use_preprocessing=False, model=instance, init_method="shares")
    assert fitted.model_.widths == [5]
    assert fitted.model_ is not instance
    assert all(torch.equal(kept[name], x) for name, x in instance.state_dict().items())


# ---- errors and warnings


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"preprocessing_activation": "tanh"},
            "preprocessing_activation='tanh' is unknown; .*ultr",
        ),
        ({"preprocessing_init": "zeros"}, "preprocessing_init='zeros' is unknown; choose.*identi"),
        ({"sampler": "nuts"}, "sampler='nuts' is unknown; choose one of: auto, gibbs, gwg, dlp"),
        ({"sampler": 3}, "sampler=3; pass one of"),
        ({"scheduler": "linear"}, "scheduler='linear' is unknown; choose one of: none, cosine"),
        ({"optimizer": "lbfgs"}, "optimizer='lbfgs' is unknown; choose one of: sgd, adam"),
        ({"sampler_steps": 0}, "sampler_steps=0; it must be an integer of at least 1"),
        ({"sampler_steps": 2.5}, "sampler_steps=2.5; it must be an integer of at least 1"),
        ({"cd_k": 0}, "cd_k=0; it must be an integer of at least 1"),
        ({"momentum": 1.0}, "momentum=1.0; it must be at least 0 and below 1"),
        ({"momentum": -0.1}, "momentum=-0.1; it must be at least 0 and below 1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0; it must be above 0"),
        ({"preprocessing_jitter": -1.0}, "preprocessing_jitter=-1.0; it must be at least 0"),
        ({"preprocessing_layers": 0}, "preprocessing_layers=0; it must be an integer of at least"),
        ({"preprocessing_layer_widths": []}, "widths is empty; pass a width for each layer"),
        ({"preprocessing_layer_widths": [4, 0]}, "widths=0; it must be an integer of at least 1"),
        ({"preprocessing_layer_widths": [2.5]}, "widths=2.5; it must be an integer of at least 1"),
        ({"preprocessing_layer_widths": "4"}, "preprocessing_layer_widths='4'; it must be"),
        (
            {"preprocessing_layer_widths": [4, 2], "preprocessing_layers": 3},
            r"preprocessing_layers=3, but preprocessing_layer_widths=\[4, 2\] has 2 entries",
        ),
        (
            {"sampler": "gibbs"},
            'sampler="gibbs" needs p.v given h., .* pass sampler="dlp" or "gwg"',
        ),
        (
            {"solver": "exact"},
            'solver="exact" needs sums that MultinomialIRBM does not have; pass',
        ),
        (
            {"model": "MultinomialIRBM", "model_params": {"width": [3]}},
            "model_params has the key 'width', but MultinomialIRBM takes: widths, activation",
        ),
        (
            {"model": "MultinomialIRBM", "model_params": {"rank": 2, "start": "mv"}},
            "start='mv' has no factorised form",
        ),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(settings, text):
    estimator = DEEM(**DEEP | settings)
    with pytest.raises(ArgumentError, match=text):
        estimator.fit(VOTES)
    assert not estimator.is_fitted_


@pytest.mark.parametrize(
    ("solver", "text"),
    [
        (ExactEM(), "MultinomialIRBM has no closed M-step"),
        (
            ExactGradient(),
            r"MultinomialIRBM has no exact log_partition\(\); use a sampling solver",
        ),
    ],
)
def test_exact_solver_objects_do_not_fit_layers(solver, text):
    with pytest.raises(IntractableError, match=text):
        fit(solver=solver, epochs=None)


PLAIN = {"use_preprocessing": False, "epochs": None, "selection": None}
CD = {"use_preprocessing": False, "solver": "cd"}
STARTED = initialise(MultinomialIRBM(6, 3), read_votes(VOTES), "mv", random_state=0)
INSTANCE = {"use_preprocessing": False, "model": STARTED}
UNUSED = {
    "layers that are not asked for": (
        PLAIN | {"preprocessing_layers": 2, "preprocessing_one_hot": True},
        "preprocessing_layers, preprocessing_one_hot set, but SoftIRBM has no layers; pass use_p",
    ),
    "jitter": (
        PLAIN | {"preprocessing_jitter": 0.1},
        "jitter set, .*use_preprocessing=True as we",
    ),
    "layers of another model": (
        {"epochs": None, "model": "OneCoinIRBM"},
        'use_preprocessing set, but OneCoinIRBM has no layers; leave out model, or pass model="M',
    ),
    "layers of an instance": (
        INSTANCE | {"preprocessing_layer_widths": [3]},
        "preprocessing_layer_widths set, but a model instance has its own; pass the class",
    ),
    "activation that is left out": (
        {"preprocessing_activation": "softmax", "preprocessing_use_softmax": False},
        "preprocessing_activation set, but the layers have no activation; pass preprocessing_use",
    ),
    "sampler steps of an exact solver": (
        PLAIN | {"sampler_steps": 7},
        'sampler_steps set, but the exact solver does not use it; pass solver="cd"',
    ),
    "sampler steps of Gibbs sweeps": (
        CD | {"sampler_steps": 7, "sampler_oh_mode": True},
        "sampler_steps, sampler_oh_mode set, but Gibbs sweeps do not use it; pass cd_k, or samp",
    ),
    "sweeps of a kernel": (
        {"cd_k": 3},
        "cd_k set, but it counts Gibbs sweeps; pass sampler_steps",
    ),
    "use_weighted": ({"use_weighted": False}, "use_weighted set, but this start does not use it"),
    "class prior": ({"class_prior": [0.2, 0.3, 0.5]}, "class_prior set, but only exact training"),
    "momentum": ({"momentum": 0.5, "optimizer": "adam"}, "momentum set, but adam has none"),
    "n_jobs": ({"n_jobs": 2}, "n_jobs set, but there are no restarts"),
}


@pytest.mark.parametrize(("settings", "text"), UNUSED.values(), ids=UNUSED)
def test_parameters_without_effect_are_named(settings, text):
    with pytest.warns(UnusedParameterWarning, match=text) as caught:
        fitted = fit(**settings)
    assert len(caught) == 1
    assert fitted.health_["warnings"] == [f"UnusedParameterWarning: {caught[0].message}"]


@pytest.mark.parametrize(
    "settings",
    [
        {"preprocessing_layers": 1, "preprocessing_activation": "sparsemax"},
        {"sampler": "dlp", "sampler_steps": 3, "sampler_oh_mode": True},
        {"solver": "pcd", "momentum": 0.5, "scheduler": "none", "weight_decay": 0.1},
        {"preprocessing_one_hot": True, "preprocessing_jitter": 0.0, "hidden_dim": 2},
        {"use_preprocessing": False, "sampler": "dlp", "sampler_steps": 2},
    ],
    ids=str,
)
def test_parameters_that_act_are_not_named(settings):
    # Warnings are errors here.
    assert fit(**settings).health_["warnings"] == []


def test_gold_needs_exact_sums():
    gold = np.full(200, -1)
    gold[:20] = TRUTH[:20]
    with pytest.warns(UnusedParameterWarning, match="gold is used by the exact solvers"):
        DEEM(**DEEP).fit(VOTES, gold=gold)


def test_two_classes_without_layers_stay_binary():
    crowd = jury(n=100, d=5, k=2)
    fitted = fit(crowd.votes, use_preprocessing=False, sampler="dlp")
    assert type(fitted.model_) is BinaryIRBM
