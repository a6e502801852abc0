"""Likelihoods followed through a training, against enumeration."""

import copy

import numpy as np
import pytest
import torch
from exact import one_hot_states
from jury import jury, soft_form
from layered import log_z

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence, ExactEM
from deem.core.training import EarlyStopping
from deem.math.random import as_generator
from deem.models import MultinomialIRBM, SoftIRBM
from deem.models.initialization import initialise
from deem.samplers import DiscreteLangevin
from deem.samplers.monitor import LikelihoodMonitor

COMPLETE = read_votes(jury(n=200, d=4, k=3, seed=1).votes, n_classes=3)
GAPS = read_votes(jury(n=200, d=4, k=3, seed=1, missing=0.3).votes, n_classes=3)
both = pytest.mark.parametrize("votes", [COMPLETE, GAPS], ids=["complete", "gaps"])


def exact_of(votes):
    model = SoftIRBM(votes.n_classifiers, votes.n_classes).double()
    return initialise(model, votes, "shares").fit(Dataset(votes), solver=ExactEM())


def deep(votes, dtype=torch.float64, **arguments):
    model = MultinomialIRBM(votes.n_classifiers, votes.n_classes, **arguments).to(dtype)
    return initialise(model, votes, "shares", random_state=0)


def moved(model, scale=0.1):
    """The model a few steps from its start, where the base is only near it."""
    twin, generator = copy.deepcopy(model), as_generator(1)
    with torch.no_grad():
        for p in twin.parameters():
            p.add_(scale * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return twin


@torch.no_grad()
def enumerated(model, votes):
    """Mean log-probability of every sample among those of its missing pattern."""
    v = votes.one_hot(dtype=torch.float64)
    present = v.sum(-1) > 0
    z = {
        row: log_z(model, *v.shape[1:], torch.tensor(row)) for row in map(tuple, present.tolist())
    }
    total = torch.tensor([z[row] for row in map(tuple, present.tolist())])
    return float((-model.free_energy(v) - total).mean())


def monitor_of(votes, seed=0):
    return LikelihoodMonitor(votes, exact_of(votes), as_generator(seed))


@both
@pytest.mark.parametrize(("scale", "error"), [(0.0, 0.002), (0.1, 0.02), (0.2, 0.06)])
def test_the_estimate_is_near_the_enumerated_likelihood(votes, scale, error):
    model = moved(deep(votes), scale)
    expected = enumerated(model, votes)
    found = [float(monitor_of(votes, seed).estimate(model)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(expected, abs=error)
    assert np.std(found) < error


@both
def test_the_exact_model_is_estimated_exactly(votes):
    model = deep(votes, jitter=0.0)
    assert float(monitor_of(votes).estimate(model)) == pytest.approx(
        enumerated(model, votes), abs=1e-4
    )
    expected = float(exact_of(votes).score_samples(votes).detach().mean())
    assert float(monitor_of(votes).estimate(model)) == pytest.approx(expected, abs=1e-4)


def test_few_draws_estimate_too_high():
    # Jensen: the logarithm of a mean of few weights lies below that of the partition.
    model = moved(deep(GAPS), 0.4)
    found = np.mean([float(monitor_of(GAPS, seed).estimate(model)) for seed in range(10)])
    assert found > enumerated(model, GAPS)


@both
def test_common_draws_make_differences_sharper_than_levels(votes):
    first = moved(deep(votes), 0.1)
    second = copy.deepcopy(first)
    with torch.no_grad():
        second.weight.mul_(1.02)
    expected = enumerated(second, votes) - enumerated(first, votes)
    monitors = [monitor_of(votes, seed) for seed in range(12)]
    values = np.array([[float(m.estimate(x)) for x in (first, second)] for m in monitors])
    together = (values[:, 1] - values[:, 0]).std()
    # Negative control: every estimate with draws of its own.
    apart = (np.roll(values[:, 1], 1) - values[:, 0]).std()
    assert together < 0.3 * apart
    assert (values[:, 1] - values[:, 0]).mean() == pytest.approx(expected, abs=3 * together)


@both
def test_nothing_of_the_model_is_touched(votes):
    model, monitor = deep(votes), monitor_of(votes)
    before = copy.deepcopy(model.state_dict())
    first, again = monitor.estimate(model), monitor.estimate(model)
    assert torch.equal(first, again)
    assert all(torch.equal(before[name], x) for name, x in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert model.training


@both
def test_draws_keep_the_missing_votes(votes):
    monitor = monitor_of(votes)
    v = votes.one_hot(dtype=torch.float64)
    there = monitor.draws.sum(-1)
    if votes is COMPLETE:
        assert there.shape == (2000, 4)
        assert (there == 1).all()
    else:
        assert torch.equal(there, v.sum(-1).repeat_interleave(4, 0))
    assert torch.equal(monitor.v, v)


def test_draws_are_those_of_the_base():
    base, monitor = exact_of(COMPLETE), monitor_of(COMPLETE)
    states = one_hot_states(4, 3)
    index = (monitor.draws.flatten(1) @ states.flatten(1).T).argmax(1)
    found = torch.bincount(index, minlength=81) / 2000
    expected = base.score_samples(states).detach().exp()
    error = (expected * (1 - expected) / 2000).sqrt()
    assert ((found - expected) / error).abs().max() < 5
    torch.testing.assert_close(monitor.base_energy, -base.score_samples(monitor.draws).detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_training_records_it(dtype):
    model = deep(COMPLETE, dtype)
    at_start = enumerated(copy.deepcopy(model).double(), COMPLETE)
    solver = ContrastiveDivergence(3, 0.01, sampler=DiscreteLangevin())
    quiet = copy.deepcopy(model).fit(COMPLETE, epochs=3, solver=solver, random_state=0)
    model.fit(COMPLETE, epochs=3, solver=solver, random_state=0, callbacks=[monitor_of(COMPLETE)])
    assert model.history.settings["log_likelihood_at_start"] == pytest.approx(at_start, abs=0.01)
    assert len(model.history["log_likelihood"]) == 3
    found = enumerated(copy.deepcopy(model).double(), COMPLETE)
    assert model.history["log_likelihood"][-1] == pytest.approx(found, abs=0.02)
    # Watching changes nothing.
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), quiet.parameters(), strict=True)
    )


def test_early_stopping_reads_it():
    model = deep(COMPLETE)
    solver = ContrastiveDivergence(1, 1e-300, sampler=DiscreteLangevin())
    stop = EarlyStopping("log_likelihood", 2, 1e-3, True)
    model.fit(
        COMPLETE, epochs=9, solver=solver, random_state=0, callbacks=[monitor_of(COMPLETE), stop]
    )
    assert model.history.n_epochs == 3


def test_soft_votes_are_drawn_once():
    votes = read_votes(soft_form(jury(n=50, d=4, k=3).votes, 3, 0.7))
    monitor = monitor_of(votes)
    assert ((monitor.v == 0) | (monitor.v == 1)).all()
    assert (monitor.v.sum(-1) == 1).all()
    assert torch.isfinite(monitor.estimate(deep(votes)))
