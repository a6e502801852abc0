"""Deep trainings that collapse: smaller steps, and in the end the exact model."""

import warnings

import numpy as np
import pytest
import torch
from jury import jury, soft_form

from deem import DEEM, load
from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence, ExactEM, Solver
from deem.core.training import Callback
from deem.estimators.rescue import fit_guarded
from deem.models import BinaryIRBM, MultinomialIRBM, SoftIRBM
from deem.models.initialization import initialise
from deem.samplers import DiscreteLangevin
from deem.utils.exception import DepthAbandonedWarning, SmallerStepsWarning

CROWD = jury(n=200, d=6, k=3, seed=2)
VOTES, TRUTH = CROWD.votes, CROWD.truth
READ = read_votes(VOTES, n_classes=3)
DEEP = {"use_preprocessing": True, "epochs": 8, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::deem.utils.exception.StuckChainsWarning")


def rescued(votes=VOTES, **settings):
    """Estimator, and the categories of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = DEEM(**DEEP | settings).fit(votes)
    return fitted, [x.category for x in caught]


def check(fitted, caught, votes, exact_class):
    """A model after a rescue is healthy, or the exact one; and it says which."""
    settings = fitted.history_.settings
    restarts = settings["restarts"]
    assert caught.count(SmallerStepsWarning) == restarts
    exact = DEEM(selection=None).fit(votes)
    assert fitted.score(votes, TRUTH) > exact.score(votes, TRUTH) - 0.04
    if settings["abandoned"]:
        assert restarts == 2
        assert DepthAbandonedWarning in caught
        assert type(fitted.model_) is exact_class
        assert np.array_equal(fitted.labels_, exact.labels_)
        np.testing.assert_allclose(fitted.probas_, exact.probas_, atol=1e-9)
    else:
        assert DepthAbandonedWarning not in caught
        assert type(fitted.model_) is MultinomialIRBM
    return restarts


@pytest.mark.parametrize("learning_rate", [1.0, 10.0, 1e3, 1e30])
@pytest.mark.parametrize(
    ("activation", "gaps"),
    [("sparsemax", True), ("relu", False)],
    ids=["sparsemax-gaps", "relu-complete"],
)
def test_absurd_learning_rates_end_well(learning_rate, activation, gaps):
    votes = VOTES.copy()
    if gaps:
        votes[jury(n=200, d=6, k=3, seed=2, missing=0.2).votes < 0] = -1
    settings = {"learning_rate": learning_rate, "preprocessing_activation": activation}
    fitted, caught = rescued(votes, **settings)
    restarts = check(fitted, caught, votes, SoftIRBM)
    assert learning_rate < 1e6 or restarts > 0
    text = " ".join(fitted.health_["warnings"])
    assert ("SmallerStepsWarning" in text) == (restarts > 0)
    if fitted.history_.settings["abandoned"]:
        assert "DepthAbandonedWarning" in text


def test_reasonable_learning_rates_need_no_rescue():
    for learning_rate in (0.001, 0.01):
        fitted, caught = rescued(learning_rate=learning_rate)
        assert check(fitted, caught, VOTES, SoftIRBM) == 0
        assert caught == []
        assert fitted.history_.settings["abandoned"] == ""


def test_two_classes_fall_back_to_the_binary_model():
    crowd = jury(n=200, d=6, k=2, seed=3)
    fitted, caught = rescued(crowd.votes, learning_rate=1e30, preprocessing_activation="relu")
    assert type(fitted.model_) is BinaryIRBM
    assert fitted.history_.settings["abandoned"]
    assert np.array_equal(fitted.labels_, DEEM(selection=None).fit(crowd.votes).labels_)
    assert caught.count(DepthAbandonedWarning) == 1


def test_a_file_of_an_abandoned_model(tmp_path):
    fitted, _ = rescued(learning_rate=1e30, preprocessing_activation="relu")
    fitted.save(tmp_path / "file")
    twin = load(tmp_path / "file")
    assert type(twin.model_) is SoftIRBM
    assert twin.history_.settings["abandoned"] == fitted.history_.settings["abandoned"]
    np.testing.assert_array_equal(twin.predict_proba(VOTES), fitted.predict_proba(VOTES))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("solver", ["cd", "pcd"])
def test_smoothed_labels_do_not_collapse(seed, solver):
    crowd = jury(n=200, d=6, k=3, seed=seed)
    votes = soft_form(crowd.votes, 3, 0.8)
    fitted = DEEM(**DEEP | {"random_state": seed, "solver": solver}).fit(votes)
    assert fitted.history_.settings["restarts"] == 0
    assert type(fitted.model_) is MultinomialIRBM
    assert fitted.score(votes, crowd.truth) > crowd.shares_right - 0.03


# ---- the pieces


class Failing(ContrastiveDivergence):
    """Contrastive divergence that breaks the model in the second epoch while steps are large."""

    harm = torch.nan

    def prepare(self, model, data, epochs, generator):
        super().prepare(model, data, epochs, generator)
        self._done = 0

    def step(self, model, batch, generator):
        metrics = super().step(model, batch, generator)
        self._done += 1
        if self._done == 2 and self.learning_rate > 2e-4:
            with torch.no_grad():
                model.hidden_bias[:, 0] += self.harm
        return metrics


class Overruling(Failing):
    harm = 500.0


class Trace(Callback):
    def __init__(self):
        self.rates, self.epochs = [], []

    def on_start(self, training):
        self.rates.append(training.solver.learning_rate)
        self.epochs.append(training.epochs)


def guarded(solver, **settings):
    model = initialise(MultinomialIRBM(6, 3), READ, "shares", random_state=0)
    trace = Trace()
    settings = {"epochs": 6, "seed": 0, "batch_size": None, "callbacks": [trace]} | settings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = fit_guarded(model, Dataset(READ), solver, READ, **settings)
    return model, fitted, trace, [str(x.message) for x in caught]


@pytest.mark.parametrize(
    ("kind", "cause"),
    [(Failing, "the training met NaN or infinity"), (Overruling, "all samples got one class")],
)
@pytest.mark.parametrize(("rate", "restarts"), [(1e-4, 0), (1e-3, 1), (1e-2, 2)])
def test_steps_shrink_until_the_class_holds(kind, cause, rate, restarts):
    solver = kind(2, rate, sampler=DiscreteLangevin())
    model, fitted, trace, texts = guarded(solver)
    assert fitted is model
    assert solver.learning_rate == rate
    assert fitted.history.settings["restarts"] == restarts
    assert fitted.history.settings["abandoned"] == ""
    np.testing.assert_allclose(trace.rates, [rate * 0.1**i for i in range(restarts + 1)])
    # The epochs that went well are not run again.
    assert trace.epochs == [6 - i for i in range(restarts + 1)]
    assert len(texts) == restarts
    for i, text in enumerate(texts):
        assert text.startswith(f"{cause}; training goes on from the last good state with")
        assert f"learning rate {rate * 0.1 ** (i + 1):g}. Pass a smaller learning_rate" in text
    assert fitted.predict_classes(READ).isfinite().all()
    assert all(p.isfinite().all() for p in fitted.parameters())


def test_depth_is_abandoned_in_the_end():
    solver = Failing(2, 1.0, sampler=DiscreteLangevin())
    model, fitted, trace, texts = guarded(solver)
    assert type(fitted) is SoftIRBM
    assert len(trace.rates) == 3
    assert fitted.history.settings["restarts"] == 2
    assert fitted.history.settings["abandoned"] == "the training met NaN or infinity"
    assert texts[-1].startswith("the training met NaN or infinity, also with smaller steps; the e")
    expected = initialise(SoftIRBM(6, 3).double(), READ, "shares")
    expected.fit(Dataset(READ), solver=ExactEM())
    assert torch.equal(fitted.predict_classes(READ), expected.predict_classes(READ))


class OneStep(Solver):
    """A solver of one's own, without a learning rate, that breaks the class at once."""

    default_epochs = 3

    def __init__(self):
        self.harm = 500.0

    def step(self, model, batch, generator):
        with torch.no_grad():
            model.hidden_bias[:, 0] += self.harm
        return {"free_energy": torch.tensor(0.0)}


def test_a_solver_without_learning_rate_gets_no_second_try():
    model = initialise(MultinomialIRBM(6, 3), READ, "shares", random_state=0)
    with pytest.warns(DepthAbandonedWarning, match="all samples got one class") as caught:
        fitted = fit_guarded(model, Dataset(READ), OneStep(), READ, epochs=None, seed=0)
    assert len(caught) == 1
    assert type(fitted) is SoftIRBM
    assert fitted.history.settings["restarts"] == 0


def test_the_last_good_state_is_gone_on_from():
    calm = ContrastiveDivergence(2, 1e-4, sampler=DiscreteLangevin())
    start = guarded(calm, epochs=0)[1]
    _, broken, _, _ = guarded(Overruling(2, 1e-3, sampler=DiscreteLangevin()), epochs=6)
    distance = [
        float((a - b).detach().abs().max())
        for a, b in zip(start.parameters(), broken.parameters(), strict=True)
    ]
    # Far less than the harm.
    assert 0 < max(distance) < 0.5
