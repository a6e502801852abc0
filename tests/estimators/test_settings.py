"""What every parameter does: solvers, samplers, optimizers, starts, models."""

import functools
import json

import numpy as np
import pytest
import torch
from jury import jury
from torch import nn
from torch.distributions import Bernoulli, Independent, OneHotCategorical

from deem import DEEM
from deem.core.model import BipartiteModel
from deem.core.solvers import ContrastiveDivergence, ExactEM, ExactGradient
from deem.models import BinaryIRBM, SoftIRBM
from deem.samplers import Gibbs
from deem.utils.exception import IntractableError, ShapeError, UnusedParameterWarning

CROWD = jury(n=400, d=7, skill=(0.4, 0.9), seed=2)
VOTES = CROWD.votes
CD = {"solver": "cd", "epochs": 2, "random_state": 0}
SHORT = {"learning_rate": 0.05, "epochs": 30, "cd_k": 3}


def fit(votes=VOTES, **settings):
    return DEEM(**{"random_state": 0} | settings).fit(votes)


@pytest.mark.parametrize(
    ("settings", "seed"),
    [
        *(({}, seed) for seed in (0, 1, 2)),
        ({"hidden_dim": 2}, 0),
        ({"solver": "cd", **SHORT}, 0),
        ({"solver": "cd", **SHORT, "deterministic": False}, 1),
        ({"solver": "pcd", **SHORT}, 2),
    ],
    ids=["exact", "exact 1", "exact 2", "two units", "cd", "cd with draws", "pcd"],
)
@pytest.mark.parametrize("k", [2, 4])
def test_beats_the_vote_and_recovers_the_classifiers(settings, k, seed):
    crowd = jury(n=800, d=8, k=k, seed=seed, skill=(0.45 if k == 4 else 0.55, 0.92))
    fitted = DEEM(random_state=seed, **settings).fit(crowd.votes)
    assert fitted.score(crowd.votes, crowd.truth) > crowd.shares_right + 0.005
    assert np.abs(fitted.skills_ - crowd.skills).max() < (0.15 if settings else 0.1)
    assert np.corrcoef(fitted.skills_, crowd.skills)[0, 1] > 0.9
    assert np.abs(fitted.confusion_ - crowd.confusion).mean() < (0.08 if settings else 0.06)


def test_skills_and_confusions_of_many_votes():
    crowd = jury(n=5000, d=8, k=3, prior=[0.5, 0.3, 0.2])
    fitted = DEEM().fit(crowd.votes)
    np.testing.assert_allclose(fitted.skills_, crowd.skills, atol=0.03)
    np.testing.assert_allclose(fitted.confusion_, crowd.confusion, atol=0.07)
    np.testing.assert_allclose(fitted.health_["class_use"], crowd.prior, atol=0.03)


def test_shapes_of_attributes():
    fitted = fit()
    n, d, k = 400, 7, 3
    shapes = {
        "classes_": (k,),
        "classifiers_": (d,),
        "labels_": (n,),
        "probas_": (n, k),
        "skills_": (d,),
        "confusion_": (d, k, k),
        "class_map_": (k,),
    }
    assert {name: getattr(fitted, name).shape for name in shapes} == shapes
    assert (fitted.n_classes_, fitted.n_classifiers_, fitted.n_features_in_) == (k, d, d)
    for name in ("probas_", "skills_", "confusion_"):
        assert getattr(fitted, name).dtype == np.float64
    np.testing.assert_allclose(fitted.confusion_.sum(2), 1)
    np.testing.assert_allclose(fitted.probas_.sum(1), 1)
    prior = fitted.model_.class_tables()[0].numpy()
    np.testing.assert_allclose(fitted.skills_, np.einsum("k,dkk->d", prior, fitted.confusion_))


@pytest.mark.parametrize("settings", [{}, CD, CD | {"hidden_dim": 8}])
def test_health(settings):
    fitted = fit(**settings)
    health = fitted.health_
    assert set(health) >= {
        "converged",
        "n_iter",
        "empty_samples",
        "votes_per_classifier",
        "class_use",
        "warnings",
    }
    assert json.loads(json.dumps(health)) == health
    assert health["converged"] is True
    assert health["n_iter"] == fitted.history_.n_epochs
    assert health["empty_samples"] == health["warnings"] == []
    assert health["votes_per_classifier"] == [400] * 7
    np.testing.assert_allclose(health["class_use"], np.bincount(fitted.labels_) / 400)


@pytest.mark.parametrize(
    ("settings", "model", "solver", "series"),
    [
        ({}, "SoftIRBM", "ExactEM", ["objective", "log_likelihood"]),
        ({"solver": "exact"}, "SoftIRBM", "ExactEM", ["objective", "log_likelihood"]),
        ({"hidden_dim": 2}, "SoftIRBM", "ExactGradient", ["objective", "log_likelihood"]),
        (CD, "SoftIRBM", "ContrastiveDivergence", ["free_energy_gap", "free_energy"]),
        (
            {"hidden_dim": 8, "epochs": 1},
            "SoftIRBM",
            "ContrastiveDivergence",
            ["free_energy_gap", "free_energy"],
        ),
    ],
)
def test_history(settings, model, solver, series):
    fitted = fit(**settings, selection=None)
    assert type(fitted.model_).__name__ == model
    assert list(fitted.history_) == series
    assert fitted.history_.settings["solver"] == solver
    assert fitted.history_.settings["epochs"] == settings.get("epochs", 500)
    assert all(len(values) == fitted.history_.n_epochs for values in fitted.history_.values())


def test_the_objective_rises():
    objective = fit().history_["objective"]
    assert len(objective) >= 3
    assert np.all(np.diff(objective) > 0)


def test_two_classes_take_the_binary_model():
    crowd = jury(k=2)
    binary = fit(crowd.votes, selection=None)
    soft = fit(crowd.votes, model="SoftIRBM")
    assert type(binary.model_) is BinaryIRBM
    np.testing.assert_allclose(binary.probas_, soft.probas_, atol=1e-8)


@functools.cache
def few_steps(solver, **settings):
    return fit(solver=solver, epochs=6, cd_k=1, learning_rate=0.01, **settings)


@pytest.mark.parametrize("solver", ["cd", "pcd"])
@pytest.mark.parametrize(
    ("optimizer", "scheduler"),
    [
        *(("sgd", s) for s in (None, "none", "cosine", "step", "onecycle", "lookahead")),
        *((optimizer, None) for optimizer in ("adam", "adamw", "rmsprop")),
        *(("adam", scheduler) for scheduler in ("onecycle", "lookahead")),
    ],
)
def test_optimizers_and_schedulers(solver, optimizer, scheduler):
    fitted = few_steps(solver, optimizer=optimizer, scheduler=scheduler)
    assert fitted.score(VOTES, CROWD.truth) > 0.8
    is_plain = optimizer == "sgd" and scheduler in (None, "none")
    assert np.array_equal(fitted.probas_, few_steps(solver).probas_) == is_plain


def test_callables_make_optimizers_and_schedules():
    def cosine(optimizer):
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2)

    named = fit(**CD, optimizer="adam", scheduler="cosine", learning_rate=0.01)
    made = fit(**CD, optimizer=lambda p: torch.optim.Adam(p, lr=0.01), scheduler=cosine)
    np.testing.assert_array_equal(made.probas_, named.probas_)


@functools.cache
def two_epochs():
    return fit(**CD | {"learning_rate": 0.02})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_decay", 0.5),
        ("momentum", 0.0),
        ("cd_k", 1),
        ("batch_size", 17),
        ("epochs", 5),
        ("learning_rate", 0.1),
        ("deterministic", False),
        ("init_method", "mv"),
        ("init_method", "mv_lo"),
        ("init_method", "rand"),
        ("init_method", "shares"),
        ("use_weighted", False),
        ("sampler", Gibbs()),
    ],
)
@pytest.mark.filterwarnings("ignore::deem.utils.exception.DeemWarning")
def test_each_parameter_acts(name, value):
    plain = two_epochs()
    other = fit(**CD | {"learning_rate": 0.02, name: value})
    assert np.abs(other.probas_ - plain.probas_).max() > 1e-6


def test_weight_decay_shrinks():
    norms = [
        fit(**CD | {"epochs": 10, "cd_k": 1}, weight_decay=decay).model_.weight.norm().item()
        for decay in (0.0, 0.5)
    ]
    assert norms[1] < norms[0] - 0.5


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate"])
def test_fit_overrides_parameters_for_one_call(name):
    value = {"epochs": 3, "batch_size": 50, "learning_rate": 0.05}[name]
    built = fit(**CD | {name: value})
    passed = DEEM(**CD)
    passed.fit(VOTES, **{name: value})
    np.testing.assert_array_equal(passed.probas_, built.probas_)
    assert passed.get_params()[name] == CD.get(name)


def test_cd_named_gibbs_is_the_default():
    np.testing.assert_array_equal(fit(**CD, sampler="gibbs").probas_, fit(**CD).probas_)


def test_persistent_chains_draw_whatever_deterministic_says():
    one, other = (fit(**CD | {"solver": "pcd"}, deterministic=d) for d in (True, False))
    np.testing.assert_array_equal(one.probas_, other.probas_)


def test_solver_objects_stand_for_their_names():
    cd = ContrastiveDivergence(steps=10, learning_rate=0.001, momentum=0.9, deterministic=True)
    found = fit(solver=cd, epochs=2)
    np.testing.assert_array_equal(found.probas_, fit(**CD).probas_)
    np.testing.assert_array_equal(fit(solver=ExactEM()).probas_, fit(selection=None).probas_)
    assert not hasattr(cd, "_optimizer")


def test_em_and_gradients_find_the_same_optimum():
    em, gradient = (fit(solver=solver(tolerance=1e-9)) for solver in (ExactEM, ExactGradient))
    np.testing.assert_allclose(gradient.probas_, em.probas_, atol=2e-3)
    np.testing.assert_allclose(
        gradient.history_["objective"][-1], em.history_["objective"][-1], atol=1e-6
    )


@pytest.mark.parametrize("settings", [{}, CD])
def test_device_cpu_is_auto_without_accelerator(settings):
    on_cpu = fit(**settings, device="cpu")
    assert on_cpu.model_.device.type == "cpu"
    if not torch.cuda.is_available():
        np.testing.assert_array_equal(on_cpu.probas_, fit(**settings).probas_)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("settings", [{}, {"hidden_dim": 2}, CD, CD | {"solver": "pcd"}])
def test_device_cuda(settings):
    on_gpu, on_cpu = (fit(**settings, device=device) for device in ("cuda", "cpu"))
    assert on_gpu.model_.device.type == "cuda"
    assert on_gpu.probas_.dtype == np.float64
    if settings.get("solver") != "pcd":
        np.testing.assert_allclose(on_gpu.probas_, on_cpu.probas_, atol=1e-3)
    assert on_gpu.score(VOTES, CROWD.truth) > 0.8


@pytest.mark.parametrize("k", [2, 3])
def test_more_states_than_can_be_listed(k):
    crowd = jury(n=300, k=k)
    units = 13 if k == 2 else 8
    assert k**units > 4096
    fitted = fit(crowd.votes, hidden_dim=units, epochs=20, learning_rate=0.01)
    assert fitted.history_.settings["solver"] == "ContrastiveDivergence"
    assert fitted.score(crowd.votes, crowd.truth) > crowd.shares_right - 0.03
    np.testing.assert_allclose(fitted.confusion_.sum(2), 1)


def own_sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


UNUSED = {
    "epochs": ({"epochs": 50}, "epochs set, .* exact solver .*; pass solver=.cd"),
    "several": ({"cd_k": 3, "momentum": 0.9}, "momentum, cd_k set, .*solver=.cd"),
    "the value of the default": ({"learning_rate": 0.001}, "learning_rate set, .*solver=.cd"),
    "sampler": ({"sampler": "gibbs"}, "sampler set, .*solver=.cd"),
    "optimizer": ({"optimizer": "adam", "scheduler": "none"}, "^optimizer set, "),
    "exact object": ({"solver": ExactEM(), "weight_decay": 0.1}, "weight_decay set, "),
    "cd object": (
        {"solver": ContrastiveDivergence(), "cd_k": 3, "epochs": 1},
        "^cd_k set, but a solver object has its own; set it there",
    ),
    "momentum of adam": (
        CD | {"optimizer": "adam", "momentum": 0.9},
        'momentum set, but adam has none; pass optimizer="sgd" or "rmsprop"',
    ),
    "optimizer of one's own": (
        CD | {"optimizer": own_sgd, "learning_rate": 0.1, "weight_decay": 0.1},
        "^learning_rate, weight_decay set, but an optimizer that is a callable has its own; set",
    ),
    "n_jobs": (
        {"n_jobs": 2, "selection": None},
        "n_jobs set, but there are no restarts; pass n_restarts as well",
    ),
    "restarts of an instance": (
        {"model": SoftIRBM(7, 3), "n_restarts": 2},
        'n_restarts set, but every restart starts from .*init_method="mv_rand"',
    ),
    "use_weighted": ({"use_weighted": False}, 'use_weighted set, .*init_method="mv_rand"'),
    "prior in cd": (CD | {"class_prior": [0.2, 0.3, 0.5]}, 'class_prior set, .*solver="exact"'),
    "prior with two units": (
        {"hidden_dim": 2, "class_prior": [0.2, 0.3, 0.5]},
        'class_prior set, .*solver="exact" with hidden_dim=1',
    ),
    "prior with an instance": (
        {"model": SoftIRBM(7, 3), "class_prior": [0.2, 0.3, 0.5]},
        "class_prior set, ",
    ),
    "units of an instance": (
        {"model": SoftIRBM(7, 3), "hidden_dim": 2},
        "hidden_dim set, but a model instance has its own; pass the class",
    ),
}


@pytest.mark.parametrize(("settings", "text"), UNUSED.values(), ids=UNUSED)
def test_parameters_without_effect_are_named(settings, text):
    with pytest.warns(UnusedParameterWarning, match=text) as caught:
        fitted = fit(**settings)
    assert len(caught) == 1
    assert fitted.health_["warnings"] == [f"UnusedParameterWarning: {caught[0].message}"]


def test_confusion_prior_without_effect_is_named():
    with pytest.warns(UnusedParameterWarning, match='confusion_prior set, .*solver="exact"'):
        DEEM(**CD).fit(VOTES, confusion_prior=np.ones((7, 3, 3)))


class TinyRBM(BipartiteModel):
    """A plain restricted Boltzmann machine on binary votes; its first unit is the class."""

    def __init__(self, n_classifiers, n_classes=2, n_hidden=1, scale=1.0):
        super().__init__()
        self.n_classifiers, self.n_classes = n_classifiers, n_classes
        self.n_hidden, self.scale = n_hidden, scale
        self.weight = nn.Parameter(
            scale * torch.eye(n_hidden)[:1].expand(n_classifiers, -1).clone()
        )
        self.hidden_bias = nn.Parameter(torch.zeros(n_hidden))

    def _drive(self, v):
        return (v[..., 1] - v[..., 0]) @ self.weight + self.hidden_bias

    def energy(self, v, h):
        return -(h * self._drive(v)).sum(1)

    def free_energy(self, v):
        return -nn.functional.softplus(self._drive(v)).sum(1)

    def p_h(self, v):
        return Independent(Bernoulli(logits=self._drive(v)), 1)

    def p_v(self, h):
        logits = h @ self.weight.T
        return Independent(OneHotCategorical(logits=torch.stack([-logits, logits], -1)), 1)


BINARY = jury(n=200, d=6, k=2, seed=3)


@pytest.mark.parametrize("model", [TinyRBM, TinyRBM(6), TinyRBM(6, scale=-1.0)])
@pytest.mark.parametrize("solver", ["auto", "cd", "pcd"])
def test_a_model_of_ones_own(model, solver):
    fitted = fit(BINARY.votes, model=model, solver=solver, epochs=3, batch_size=64)
    assert fitted.history_.settings["solver"] == "ContrastiveDivergence"
    assert fitted.score(BINARY.votes, BINARY.truth) > 0.8
    assert fitted.confusion_.shape == (6, 2, 2)
    flipped = isinstance(model, TinyRBM) and model.scale < 0
    assert fitted.get_class_mapping() == ({0: 1, 1: 0} if flipped else {0: 0, 1: 1})


def test_params_of_a_model_of_ones_own():
    settings = {"model": TinyRBM, "model_params": {"n_hidden": 3, "scale": 0.5}, "epochs": 1}
    fitted = fit(BINARY.votes, **settings)
    assert fitted.model_.n_hidden == 3
    assert fitted.model_.scale == 0.5


def test_a_model_of_ones_own_has_no_likelihood_without_partition():
    fitted = fit(BINARY.votes, model=TinyRBM, epochs=1)
    with pytest.raises(IntractableError, match=r"TinyRBM has no exact log_partition\(\)"):
        fitted.score(BINARY.votes)


def test_a_model_of_ones_own_refuses_gaps():
    gaps = BINARY.votes.copy()
    gaps[0, 0] = -1
    with pytest.raises(IntractableError, match="have gaps, which TinyRBM cannot sum over"):
        fit(gaps, model=TinyRBM, epochs=1)
    with pytest.raises(IntractableError, match="have gaps, which TinyRBM cannot sum over"):
        fit(BINARY.votes, model=TinyRBM, epochs=1).predict(gaps)


def test_a_model_of_ones_own_needs_a_state_a_class():
    text = r"TinyRBM made chains of shape .* from data of shape \(.*, 3\); build the model"
    with pytest.raises(ShapeError, match=text):
        fit(VOTES, model=TinyRBM, epochs=1)


@pytest.mark.parametrize("name", ["init_method", "use_weighted", "hidden_dim"])
def test_what_a_model_of_ones_own_does_not_use_is_named(name):
    value = {"init_method": "mv", "use_weighted": False, "hidden_dim": 2}[name]
    with pytest.warns(UnusedParameterWarning, match=f"{name} set, but TinyRBM does not use it"):
        fit(BINARY.votes, model=TinyRBM, epochs=1, **{name: value})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"solver": "ExactEM", "epochs": 500, "batch_size": None, "init_method": "shares"}),
        (
            {"solver": "pcd", "epochs": 2, "init_method": "mv"},
            {"solver": "ContrastiveDivergence", "epochs": 2, "batch_size": 128, "steps": 10}
            | {"learning_rate": 0.001, "momentum": 0.9, "persistent": True, "init_method": "mv"},
        ),
    ],
)
def test_the_history_says_what_the_training_ran_with(settings, expected, crowd):
    found = DEEM(random_state=0, **settings).fit(crowd.votes).history_.settings
    assert {name: found[name] for name in expected} == expected
