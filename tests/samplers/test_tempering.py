"""Replicas at several temperatures: what they leave invariant, and where they get."""

import pytest
import torch
from exact import one_hot_states, partial_states, total_variation, total_variation_bound
from tiny import TINY_MODELS, CyclicMove

from deem.core.model import Model
from deem.math.random import as_generator
from deem.samplers import DiscreteLangevin, Gibbs, GibbsWithGradients, ParallelTempering
from deem.utils.exception import ArgumentError

SOFT = TINY_MODELS[0]


class Aligned(Model):
    """Two modes, all sites alike, with 13.5 nats between them."""

    def __init__(self):
        super().__init__()
        self.pull = torch.nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def free_energy(self, v):
        return -self.pull / 2 * v.sum(1).square().sum(1)


def found_from_one_mode(sampler, steps=400, chains=300):
    """Histogram over all states of chains that start in one mode."""
    model, states = Aligned(), one_hot_states(6, 2)
    v = sampler.start(states[:1].repeat(chains, 1, 1), as_generator(0))
    v, _ = sampler.run(model, v, steps, as_generator(0))
    index = (sampler.draws(v).flatten(1) @ states.flatten(1).T).argmax(1)
    expected = (-model.free_energy(states)).softmax(0).detach()
    found = torch.bincount(index, minlength=len(states)).double() / chains
    return total_variation(found, expected), total_variation_bound(expected, chains)


def test_replicas_cross_where_the_plain_kernel_fails_to():
    far, bound = found_from_one_mode(GibbsWithGradients())
    assert far > 2 * bound
    near, _ = found_from_one_mode(ParallelTempering(GibbsWithGradients(), (1, 2, 4, 8)))
    assert near < bound


KERNELS = [GibbsWithGradients, DiscreteLangevin, CyclicMove]


@pytest.mark.parametrize(
    ("kernel", "temperatures"),
    [*((kernel, (1.0, 1.5, 4.0)) for kernel in KERNELS), (DiscreteLangevin, (1.0, 3.0))],
)
def test_the_extended_ensemble_is_invariant(kernel, temperatures):
    model, n = SOFT.build(1), 20_000
    log_v = SOFT.exact(model).log_v.detach()
    p = torch.stack([(log_v / t).softmax(0) for t in temperatures])
    chains = SOFT.visible[torch.multinomial(p, n, True, generator=as_generator(1)).T]
    end, metrics = ParallelTempering(kernel(), temperatures).run(model, chains, 3, as_generator(0))
    assert 0.3 < metrics["swap_rate"] < 0.99
    codes = torch.stack([SOFT.exact(model).index(x) for x in end.unbind(1)])
    for code, expected in zip(codes, p, strict=True):
        found = torch.bincount(code, minlength=27).double() / n
        assert total_variation(found, expected) < total_variation_bound(expected, n)
    # Replicas of a chain stay independent of each other.
    pairs = torch.bincount(27 * codes[0] + codes[1], minlength=27 * 27).double() / n
    expected = torch.outer(p[0], p[1]).flatten()
    assert total_variation(pairs, expected) < total_variation_bound(expected, n)


def test_swaps_by_the_wrong_ratio_fail():
    class Backwards(ParallelTempering):
        def _swaps(self, state, generator):
            return super()._swaps(state._replace(free_energy=-state.free_energy), generator)

    model, n = SOFT.build(1), 20_000
    p = SOFT.exact(model).log_v.exp().detach()
    draws = torch.multinomial(p, 2 * n, True, generator=as_generator(1)).reshape(n, 2)
    end, _ = Backwards(temperatures=(1.0, 3.0)).run(
        model, SOFT.visible[draws], 20, as_generator(0)
    )
    found = SOFT.exact(model).histogram(end[:, 0])
    assert total_variation(found, p) > 2 * total_variation_bound(p, n)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_state_after_a_step_is_that_of_its_configurations(kernel):
    sampler, model = ParallelTempering(kernel(temperature=1.2), (1, 2, 5)), SOFT.build(1)
    v = sampler.start(SOFT.visible, as_generator(0)).flatten(0, 1)
    moved = sampler.step(model, sampler.init(model, v), as_generator(0))
    fresh = sampler.init(model, moved.v)
    for name in ("free_energy", "gradient", "log_moves", "movable"):
        found, expected = getattr(moved, name), getattr(fresh, name)
        assert (found is None) == (expected is None)
        if found is not None:
            torch.testing.assert_close(found, expected)
    assert len(moved.accepted) == len(moved.swapped) == len(SOFT.visible)


def test_swaps_come_as_often_as_two_temperatures_say():
    model = SOFT.build(1)
    log_v = SOFT.exact(model).log_v.detach()
    cold, hot = log_v.softmax(0), (log_v / 2).softmax(0)
    ratio = ((1 - 1 / 2) * (log_v[None] - log_v[:, None])).exp().clamp(max=1)
    expected = cold @ ratio @ hot
    n = 40_000
    p = torch.stack([cold, hot])
    chains = SOFT.visible[torch.multinomial(p, n, True, generator=as_generator(1)).T]
    _, metrics = ParallelTempering(temperatures=(1, 2)).run(model, chains, 1, as_generator(0))
    assert abs(metrics["swap_rate"] - expected) < 5 * 0.5 / n**0.5


def test_chains_keep_their_replicas_and_missing_sites():
    sampler, model = ParallelTempering(temperatures=(1, 2, 4)), SOFT.build(1)
    v = partial_states(3, 3)
    start = sampler.start(v, as_generator(0))
    assert start.shape == (64, 3, 3, 3)
    assert torch.equal(sampler.draws(start), v)
    end, metrics = sampler.run(model, start, 20, as_generator(0))
    assert end.shape == start.shape
    assert torch.equal(end.sum(-1), start.sum(-1))
    assert 0 < metrics["acceptance"] < 1
    assert metrics.keys() == {"acceptance", "stuck", "swap_rate"}


def test_the_kernel_decides_what_is_exact_and_is_tuned():
    kernel = DiscreteLangevin(adjusted=False)
    assert not ParallelTempering(kernel).exact
    sampler = ParallelTempering()
    assert sampler.exact
    sampler.adapt(torch.tensor(0.9))
    assert sampler.kernel.step_size > 0.5
    twin = ParallelTempering()
    twin.restore(sampler.state())
    assert twin.kernel.state() == sampler.kernel.state()
    assert sampler.settings() == {"kernel": sampler.kernel, "temperatures": (1, 1.5, 2.25, 3.375)}


@pytest.mark.parametrize("temperatures", [(2, 3), (1,), (), (1, 1), (1, 3, 2), (1, float("nan"))])
def test_temperatures_ascend_from_one(temperatures):
    with pytest.raises(ArgumentError, match="give at least two, ascending from 1"):
        ParallelTempering(temperatures=temperatures)


def test_the_kernel_must_be_one_that_accepts_or_rejects():
    with pytest.raises(ArgumentError, match="kernel is a Gibbs, expected a MetropolisSampler"):
        ParallelTempering(Gibbs())
