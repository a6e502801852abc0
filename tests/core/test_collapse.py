"""The guard against a class that no longer follows the votes, on models that play a script."""

import copy

import numpy as np
import pytest
import torch
from jury import jury, soft_form
from torch import nn
from torch.distributions import Independent, OneHotCategorical

from deem.core.collapse import CollapseGuard, class_information
from deem.core.dataset import Dataset
from deem.core.model import LatentModel
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence, Solver
from deem.models import MultinomialIRBM, SoftIRBM
from deem.models.initialization import initialise
from deem.samplers import DiscreteLangevin

CROWD = jury(n=300, d=6, k=3, seed=4)
VOTES = read_votes(CROWD.votes, n_classes=3)


class Counting(LatentModel):
    """Posterior that follows the counts of the votes by a factor, beside a bias for one class."""

    def __init__(self, factor=1.0, bias=0.0):
        super().__init__()
        self.factor, self.bias = (
            nn.Parameter(torch.tensor(factor)),
            nn.Parameter(torch.tensor(bias)),
        )

    def _logits(self, v):
        return self.factor * v.sum(1, keepdim=True) + self.bias * torch.eye(v.shape[2])[:1]

    def free_energy(self, v):
        return -self._logits(v).logsumexp(-1).squeeze(1)

    def energy(self, v, h):
        return -(self._logits(v) * h).sum((1, 2))

    def p_h(self, v):
        return Independent(OneHotCategorical(logits=self._logits(v), validate_args=False), 1)


class Script(Solver):
    """Gives the model the parameters of one epoch after the other."""

    def __init__(self, scenes):
        self.scenes = scenes

    def prepare(self, model, data, epochs, generator):
        self._next = iter(self.scenes)

    def step(self, model, batch, generator):
        factor, bias = next(self._next)
        with torch.no_grad():
            model.factor.fill_(factor)
            model.bias.fill_(bias)
        return {"free_energy": model.free_energy(torch.zeros(1, 6, 3)).mean().detach()}


def play(scenes, votes=VOTES, model=None):
    model, guard = Counting() if model is None else model, CollapseGuard(votes)
    data = Dataset(votes)
    model.fit(data, epochs=len(scenes), batch_size=None, solver=Script(scenes), callbacks=[guard])
    return model, guard


def scene(model):
    return float(model.factor.detach()), float(model.bias.detach())


def test_a_healthy_training_runs_through():
    scenes = [(1.1, 0.1), (1.2, -0.1), (0.9, 0.0), (3.0, 0.2)]
    model, guard = play(scenes)
    assert guard.collapsed == ""
    assert scene(model) == pytest.approx(scenes[-1])
    assert model.history.n_epochs == 4
    # The posterior of many votes a class is sharp, and the classes are used.
    assert model.history["posterior_entropy"][-1] < model.history["posterior_entropy"][0]
    assert model.history["class_entropy"][-1] == pytest.approx(np.log(3), abs=0.1)


def test_one_class_for_all_stops_and_the_last_good_state_comes_back():
    model, guard = play([(1.1, 0.1), (1.2, 0.2), (1.0, 50.0), (1.0, 0.0)])
    assert guard.collapsed == "all samples got one class"
    assert scene(model) == pytest.approx((1.2, 0.2))
    assert model.history.n_epochs == 3
    assert model.history["class_entropy"][-1] == pytest.approx(0, abs=1e-6)
    assert model.history["class_entropy"][-2] > 1


def test_equal_probabilities_stop_too():
    model, guard = play([(1.1, 0.1), (0.01, 0.0), (1.0, 0.0)])
    assert "the posterior tells" in guard.collapsed
    assert scene(model) == pytest.approx((1.1, 0.1))
    assert model.history.n_epochs == 2
    assert model.history["posterior_entropy"][-1] == pytest.approx(np.log(3), abs=1e-3)


def test_nan_counts_as_a_collapse():
    posterior = torch.full((3, 2), float("nan"))
    guard = CollapseGuard(VOTES)
    guard._first = 0.8, torch.tensor([0, 1, 0]), None
    entropy, mean_entropy = class_information(posterior)
    assert "nan nats" in guard._cause(entropy - mean_entropy, torch.tensor([0, 1, 0]), None)


@pytest.mark.parametrize(
    ("labels", "likelihood", "cause"),
    [
        ([0, 1, 0, 1, 0], -5.9, ""),
        ([0, 1, 0, 1, 1], -5.9, ""),
        ([0, 1, 0, 0, 1], -5.0, "40 % of the samples changed their class"),
        ([0, 1, 0, 1, 0], -6.5, "the log-likelihood fell by 1.5 nats"),
        ([0, 1, 0, 1, 0], float("nan"), "the log-likelihood fell by nan nats"),
    ],
)
def test_classes_that_wander_off_and_a_falling_likelihood_are_collapses(labels, likelihood, cause):
    guard = CollapseGuard(VOTES)
    guard._first = 0.8, torch.tensor([0, 1, 0, 1, 0]), -5.0
    found = guard._cause(0.8, torch.tensor(labels), likelihood)
    assert found.startswith(cause)
    assert bool(found) == bool(cause)


def test_a_collapse_at_once_brings_the_start_back():
    model, guard = play([(1.0, 50.0)], model=Counting(2.0, 0.25))
    assert guard.collapsed
    assert scene(model) == (2.0, 0.25)


def test_a_quarter_of_the_information_is_enough():
    told = {}
    for factor in (1.0, 0.5, 0.4, 0.35, 0.3, 0.2):
        model, guard = play([(factor, 0.0)])
        first, second = class_information(Counting(factor).predict_classes(VOTES))
        told[factor] = (first - second, guard.collapsed)
        assert model.history["class_entropy"] == [pytest.approx(first)]
        assert model.history["posterior_entropy"] == [pytest.approx(second)]
    at_start = told[1.0][0]
    for left, collapsed in told.values():
        assert bool(collapsed) == (left < 0.25 * at_start)
    assert 1 < sum(bool(collapsed) for _, collapsed in told.values()) < 6


def test_one_class_from_the_start_is_no_collapse():
    votes = read_votes(np.zeros((20, 6), int), n_classes=3)
    model, guard = play([(1.2, 0.0), (1.0, 1.0)], votes)
    assert guard.collapsed == ""
    assert model.history.n_epochs == 2


def test_nothing_known_at_the_start_is_no_collapse():
    model, guard = play([(0.0, 0.0), (0.0, 1e-9), (1.0, 0.0)], model=Counting(0.0))
    assert guard.collapsed == ""
    assert scene(model) == (1.0, 0.0)


def test_the_guard_serves_one_training_after_the_other():
    guard, model = CollapseGuard(VOTES), Counting()
    for scenes, collapses in (([(1.0, 50.0)], True), ([(1.1, 0.0)], False)):
        model.fit(Dataset(VOTES), epochs=1, solver=Script(scenes * 9), callbacks=[guard])
        assert bool(guard.collapsed) == collapses


def test_the_guard_only_looks():
    model = Counting()
    before = copy.deepcopy(model.state_dict())
    guard = CollapseGuard(VOTES)
    model.fit(Dataset(VOTES), epochs=0, solver=Script([]), callbacks=[guard])
    assert all(torch.equal(before[name], x) for name, x in model.state_dict().items())


def test_information_by_hand():
    sure = torch.eye(4).repeat(5, 1)
    assert class_information(sure) == pytest.approx((np.log(4), 0))
    assert class_information(torch.full((7, 4), 0.25)) == pytest.approx((np.log(4), np.log(4)))
    assert class_information(torch.eye(4)[:1].repeat(7, 1)) == pytest.approx((0, 0))
    half = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    first = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert class_information(half) == pytest.approx((first, np.log(2) / 2))


@pytest.mark.parametrize(("seed", "smoothing"), [(0, 0.6), (1, 0.75), (2, 0.9)])
def test_smoothed_labels_do_not_collapse(seed, smoothing):
    crowd = jury(n=300, d=6, k=3, seed=seed)
    votes = read_votes(soft_form(crowd.votes, 3, smoothing))
    model = initialise(MultinomialIRBM(6, 3), votes, "shares", random_state=seed)
    guard = CollapseGuard(votes)
    solver = ContrastiveDivergence(
        5, 0.01, momentum=0.9, sampler=DiscreteLangevin(), scheduler="cosine"
    )
    model.fit(
        Dataset(votes),
        epochs=15,
        batch_size=100,
        solver=solver,
        random_state=seed,
        callbacks=[guard],
    )
    assert guard.collapsed == ""
    assert model.history.n_epochs == 15
    exact = initialise(SoftIRBM(6, 3).double(), votes, "shares").fit(votes)
    right = [
        (x.predict_classes(votes).argmax(1).numpy() == crowd.truth).mean() for x in (model, exact)
    ]
    assert right[0] > right[1] - 0.03
