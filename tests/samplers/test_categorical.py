"""What the gradient-informed kernels share: rows that cannot move, and one gradient a step."""

import pytest
import torch
from exact import one_hot_states, partial_states
from tiny import TINY_MODELS
from torch.utils._python_dispatch import TorchDispatchMode

from deem.core.solvers import ContrastiveDivergence
from deem.math.random import as_generator
from deem.models import RBM, SoftIRBM
from deem.samplers import DiscreteLangevin, GibbsWithGradients, ParallelTempering
from deem.utils.exception import ShapeError

KERNELS = [GibbsWithGradients, DiscreteLangevin]
SOFT = TINY_MODELS[0]
every_kernel = pytest.mark.parametrize("kernel", KERNELS)


@every_kernel
def test_rows_without_any_move_stay_and_do_not_count(kernel):
    model = SOFT.build(1)
    whole, silent = SOFT.visible, torch.zeros(20, 3, 3).double()
    end, found = kernel().run(model, torch.cat([silent, whole]), 30, as_generator(0))
    assert torch.equal(end[:20], silent)
    # The uniform numbers of the rows differ, so the acceptances agree up to chance.
    _, alone = kernel().run(model, whole, 30, as_generator(1))
    assert float(found["acceptance"]) == pytest.approx(float(alone["acceptance"]), abs=0.08)
    assert found["stuck"] == alone["stuck"] == 0


@every_kernel
def test_one_category_leaves_nothing_to_do(kernel):
    model, v = SoftIRBM(2, 1).double(), torch.ones(5, 2, 1).double()
    end, metrics = kernel().run(model, v, 5, as_generator(0))
    assert torch.equal(end, v)
    assert metrics == {"acceptance": 1, "stuck": 0}


@every_kernel
def test_stuck_chains_are_those_that_accept_nothing(kernel):
    model = SOFT.build(1)

    class Never(kernel):
        def accepts(self, state, proposed, generator):
            return (torch.arange(len(state.v)) % 4 == 0) & super().accepts(
                state, proposed, generator
            )

    _, metrics = Never().run(model, SOFT.visible[:24], 60, as_generator(0))
    assert metrics["stuck"] == 0.75


@pytest.mark.parametrize("make", [*KERNELS, ParallelTempering])
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_run_takes_one_gradient_a_step_and_one_to_begin_with(make, steps, monkeypatch):
    model, calls = SOFT.build(1), []
    original = model.free_energy_and_gradient
    count = lambda v: calls.append(len(v)) or original(v)  # noqa: E731
    monkeypatch.setattr(model, "free_energy_and_gradient", count)
    sampler = make()
    start = sampler.start(SOFT.visible, as_generator(0))
    sampler.run(model, start, steps, as_generator(0))
    assert len(calls) == steps + 1


class NoWaiting(TorchDispatchMode):
    """Fails where the host would have to wait for a number of the device."""

    waits = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "is_nonzero")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in self.waits, name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("make", [*KERNELS, ParallelTempering])
def test_the_host_never_waits_for_the_device(make):
    model, sampler = SOFT.build(1), make()
    start = sampler.start(SOFT.visible, as_generator(0))
    with NoWaiting():
        end, metrics = sampler.run(model, start, 3, as_generator(0))
        sampler.adapt(metrics["acceptance"])
        sampler.run(model, end, 3, as_generator(0))


def test_waiting_is_noticed():
    with NoWaiting(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        bool(torch.ones(3).sum() > 0)


@every_kernel
def test_chains_start_at_a_draw_from_soft_votes(kernel):
    soft = torch.tensor([[[0.2, 0.8, 0.0], [0.0, 0.0, 0.0]]]).double().expand(20_000, 2, 3)
    start = kernel().start(soft, as_generator(0))
    assert start.mean(0).flatten().tolist() == pytest.approx([0.2, 0.8, 0, 0, 0, 0], abs=0.02)
    assert torch.equal(start[:, 0].sum(-1), torch.ones(20_000).double())
    hard = partial_states(2, 3)
    assert torch.equal(kernel().start(hard, as_generator(0)), hard)


@every_kernel
def test_a_temperature_for_every_chain(kernel):
    model, v = SOFT.build(1), one_hot_states(3, 3)
    several = kernel()
    several.temperature = torch.tensor([1.0, 2.0, 5.0]).double().repeat(9)
    tables = several.init(model, v).log_moves
    gains = several.log_acceptance(several.init(model, v), several.init(model, v.roll(1, 0)))
    for row, temperature in enumerate((1.0, 2.0, 5.0)):
        alone = kernel(temperature=temperature)
        state = alone.init(model, v)
        torch.testing.assert_close(tables[row::3], state.log_moves[row::3])
        expected = alone.log_acceptance(state, alone.init(model, v.roll(1, 0)))
        torch.testing.assert_close(gains[row::3], expected[row::3], equal_nan=True)


def test_rows_of_bits_are_no_sites():
    model, v = RBM(6, 2), torch.ones(3, 6)
    solver = ContrastiveDivergence(sampler=GibbsWithGradients())
    with pytest.raises(ShapeError, match=r"v has shape \(3, 6\); .* as in OnBits"):
        model.fit(v, epochs=1, solver=solver)
    with pytest.raises(ShapeError, match="expected one-hot sites"):
        DiscreteLangevin().run(model, v, 1, as_generator(0))
