"""The discrete Langevin kernel: formulas, tuning, and what it does unadjusted."""

import pytest
import torch
from exact import one_hot_states, total_variation
from tiny import TINY_MODELS

from deem.core.model import Model
from deem.math.random import as_generator
from deem.models import SoftIRBM
from deem.samplers import DiscreteLangevin
from deem.utils.exception import ArgumentError

SOFT = TINY_MODELS[1]


class Quadratic(Model):
    """Free energies whose first-order change, averaged over both directions, is exact."""

    def __init__(self, n_sites=2, n_categories=3, seed=0):
        super().__init__()
        size = n_sites * n_categories
        coupling = torch.randn(size, size, generator=as_generator(seed), dtype=torch.float64)
        self.coupling = torch.nn.Parameter(coupling + coupling.T)

    def free_energy(self, v):
        flat = v.flatten(1)
        return torch.einsum("na,ab,nb->n", flat, self.coupling, flat) / 2


def transitions(sampler, model, states):
    """Probability of every state to be proposed from every other, (V, V)."""
    table = sampler.init(model, states).log_moves
    return torch.einsum("adk,bdk->ab", table, states).exp()


def stationary(matrix):
    """Distribution that a transition matrix leaves invariant."""
    system = torch.cat([matrix.T - torch.eye(len(matrix)), torch.ones(1, len(matrix))])
    target = torch.zeros(len(matrix) + 1, 1, dtype=matrix.dtype)
    target[-1] = 1
    return torch.linalg.lstsq(system, target, driver="gelsd").solution[:, 0]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("step_size", [0.2, 1.0])
def test_log_proposal_is_the_published_one(temperature, step_size):
    model, states = Quadratic(), one_hot_states(2, 3)
    sampler = DiscreteLangevin(step_size, temperature)
    found = transitions(sampler, model, states)
    gradient = -torch.einsum("ab,nb->na", model.coupling.detach(), states.flatten(1))
    logits = gradient.reshape(9, 2, 3) / temperature / 2
    # |e_k - e_a|^2 = 2 in the published -|.|^2 / (2 alpha).
    distance = (states[:, :, None] - torch.eye(3)).square().sum(-1)
    table = (logits - distance / (2 * step_size)).log_softmax(-1)
    torch.testing.assert_close(found, torch.einsum("adk,bdk->ab", table, states).exp())
    torch.testing.assert_close(found.sum(1), torch.ones(9).double())


def test_the_unadjusted_kernel_approaches_the_target_as_steps_shrink():
    model, states = Quadratic(), one_hot_states(2, 3)
    target = (-model.free_energy(states)).softmax(0).detach()
    distances = [
        total_variation(stationary(transitions(sampler, model, states)), target)
        for sampler in (DiscreteLangevin(size, adjusted=False) for size in (2.0, 0.5, 0.25, 0.15))
    ]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.1
    assert distances[-1] < 0.01


def test_the_unadjusted_kernel_says_so_and_accepts_everything():
    sampler = DiscreteLangevin(adjusted=False)
    assert not sampler.exact
    assert DiscreteLangevin().exact
    model = SOFT.build(1)
    _, metrics = sampler.run(model, SOFT.visible, 3, as_generator(0))
    assert metrics["acceptance"] == 1


@pytest.mark.parametrize("step_size", [0.01, 0.5, 50.0])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_extreme_steps_and_energies_stay_finite(step_size, scale):
    model = Quadratic()
    with torch.no_grad():
        model.coupling.mul_(scale)
    v = one_hot_states(2, 3).float()
    v[3:6, 0] = 0
    sampler = DiscreteLangevin(step_size)
    state = sampler.init(model.float(), v)
    for seed in range(20):
        state = sampler.step(model, state, as_generator(seed))
        assert state.log_moves.isfinite().all()
    assert torch.equal(state.v.sum(-1), v.sum(-1))


@pytest.fixture(scope="module")
def many_sites():
    """A model of 20 sites and chains that have forgotten their start."""
    model, generator = SoftIRBM(20, 4, 2).double(), as_generator(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    start = DiscreteLangevin().start(torch.ones(200, 20, 4).double(), generator)
    return model, DiscreteLangevin().run(model, start, 100, generator)[0]


@pytest.mark.parametrize("step_size", [0.05, 5.0])
@pytest.mark.parametrize("target", [0.574, 0.8])
def test_tuning_reaches_the_target_acceptance_from_either_side(target, step_size, many_sites):
    sampler = DiscreteLangevin(step_size, target_acceptance=target)
    _, before = sampler.run(*many_sites, 50, as_generator(1))
    kernel = sampler.tune(*many_sites, as_generator(0))
    _, after = kernel.run(*many_sites, 50, as_generator(1))
    assert abs(before["acceptance"] - target) > 0.15
    assert abs(after["acceptance"] - target) < 0.03
    assert sampler.step_size == step_size
    assert isinstance(kernel.step_size, float)


def test_tuning_ends_with_the_warm_up_and_goes_on_after_a_restore():
    sampler, high = DiscreteLangevin(warm_up=2), torch.tensor(0.9)
    sizes = []
    for _ in range(4):
        sampler.adapt(high)
        sizes.append(float(sampler.step_size))
    assert 0.5 < sizes[0] < sizes[1] == sizes[2] == sizes[3]
    twin = DiscreteLangevin(warm_up=2)
    twin.restore(sampler.state())
    twin.adapt(high)
    assert float(twin.step_size) == sizes[1]


def test_nothing_is_tuned_without_an_acceptance():
    sampler = DiscreteLangevin(adjusted=False)
    sampler.adapt(torch.tensor(0.1))
    assert sampler.step_size == 0.5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"step_size": 0.0}, r"step_size=0.0; it must be above 0"),
        ({"step_size": float("nan")}, r"step_size=nan"),
        ({"target_acceptance": 0}, r"target_acceptance=0; it must lie between 0 and 1"),
        ({"target_acceptance": 1.0}, r"target_acceptance=1.0; it must lie between 0 and 1"),
        ({"warm_up": -1}, r"warm_up=-1; it must be at least 0"),
        ({"temperature": 0.0}, r"temperature=0.0; it must be above 0"),
    ],
)
def test_arguments_are_checked(options, text):
    with pytest.raises(ArgumentError, match=text):
        DiscreteLangevin(**options)
