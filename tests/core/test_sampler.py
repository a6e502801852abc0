"""Persistent chains, and what samplers refuse."""

import pytest
import torch
from tiny import UniformMove

from deem.core.sampler import ChainBuffer, Sampler, SamplerState
from deem.math.random import as_generator
from deem.models import OneCoinIRBM
from deem.utils.exception import ArgumentError


class Countdown(Sampler):
    """Takes one from every chain at each step, accepting in half of the chains."""

    def init(self, model, v):
        return SamplerState(v)

    def step(self, model, state, generator):
        accepted = torch.arange(len(state.v)) % 2 == 0
        return SamplerState(state.v - 1, accepted=accepted)


def test_run_takes_the_steps_and_averages_acceptance():
    end, metrics = Countdown().run(OneCoinIRBM(1, 1), torch.full((4, 1), 10.0), 3, as_generator(0))
    assert end.tolist() == [[7.0]] * 4
    assert metrics == {"acceptance": 0.5, "stuck": 0.5}


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_metropolis_refuses_temperatures_that_are_not_above_zero(value):
    with pytest.raises(ArgumentError, match=rf"temperature={value}; it must be above 0"):
        UniformMove(temperature=value)


def test_settings_are_the_constructor_arguments():
    assert Countdown().settings() == {}
    assert UniformMove(2.0).settings() == {"temperature": 2.0}


def test_moves_that_neither_side_can_propose_are_rejected():
    class Impossible(UniformMove):
        def log_proposal(self, state, proposed):
            return torch.full_like(state.free_energy, -torch.inf)

    model, v = OneCoinIRBM(2, 3), torch.eye(3)[None, :2].repeat(50, 1, 1)
    end, metrics = Impossible().run(model, v, 5, as_generator(0))
    assert torch.equal(end, v)
    assert metrics == {"acceptance": 0, "stuck": 1}


def test_metropolis_needs_states_with_an_energy():
    bare = SamplerState(torch.eye(3)[None])
    with pytest.raises(ArgumentError, match=r"build it with init\(\)"):
        UniformMove().log_acceptance(bare, bare)


@pytest.mark.parametrize("fresh", [-0.1, 1.1, float("nan")])
def test_buffer_refuses_shares_outside_the_unit_interval(fresh):
    with pytest.raises(ArgumentError, match="fresh="):
        ChainBuffer(fresh)


def test_buffer_restarts_all_replicas_of_a_chain_at_one_row():
    buffer = ChainBuffer(fresh=0.5)
    buffer.put(torch.zeros(400, 3, 2))
    batch = torch.arange(1.0, 6).reshape(5, 1, 1).expand(5, 3, 2)
    weights = torch.tensor([1.0, 0, 1, 0, 0])
    chains = buffer.take(batch, as_generator(0), weights)
    assert set(chains.flatten().tolist()) == {0.0, 1.0, 3.0}
    assert torch.equal(chains, chains[:, :1, :1].expand_as(chains))


def test_buffer_starts_at_the_first_batch_and_copies_it():
    buffer, batch = ChainBuffer(), torch.ones(5, 2)
    chains = buffer.take(batch, as_generator(0))
    assert torch.equal(chains, batch)
    chains.zero_()
    assert batch.sum() == 10


def test_buffer_without_fresh_starts_gives_back_what_was_put():
    buffer = ChainBuffer(fresh=0)
    buffer.take(torch.zeros(5, 2), as_generator(0))
    buffer.put(torch.arange(10.0).reshape(5, 2))
    assert torch.equal(
        buffer.take(torch.ones(1, 2), as_generator(0)).flatten(), torch.arange(10.0)
    )


def test_buffer_with_only_fresh_starts_gives_rows_of_the_batch():
    buffer = ChainBuffer(fresh=1)
    buffer.put(torch.zeros(500, 1))
    chains = buffer.take(torch.tensor([[1.0], [2.0]]), as_generator(0))
    assert len(chains) == 500
    assert 0.4 < (chains == 1).double().mean() < 0.6
    assert ((chains == 1) | (chains == 2)).all()


def test_buffer_restarts_the_share_it_was_asked_to():
    buffer = ChainBuffer(fresh=0.05)
    buffer.put(torch.zeros(20_000, 1))
    share = buffer.take(torch.ones(3, 1), as_generator(0)).mean()
    assert abs(share - 0.05) < 5 * (0.05 * 0.95 / 20_000) ** 0.5


def test_buffer_draws_fresh_starts_in_proportion_to_the_weights():
    buffer, batch = ChainBuffer(fresh=1), torch.tensor([[1.0], [2.0], [3.0]])
    buffer.put(torch.zeros(20_000, 1))
    chains = buffer.take(batch, as_generator(0), torch.tensor([3.0, 1.0, 0.0]))
    assert not (chains == 3).any()
    share = (chains == 1).double().mean()
    assert abs(share - 0.75) < 5 * (0.75 * 0.25 / 20_000) ** 0.5


def test_buffer_draws_its_first_starts_in_proportion_to_the_weights():
    batch = torch.arange(4.0).unsqueeze(1)
    chains = ChainBuffer().take(batch, as_generator(0), torch.tensor([0.0, 0.0, 2.0, 0.0]))
    assert chains.tolist() == [[2.0]] * 4


def test_buffer_takes_any_row_of_a_batch_without_weight():
    buffer, batch = ChainBuffer(fresh=1), torch.tensor([[1.0], [2.0]])
    buffer.put(torch.zeros(50, 1))
    chains = buffer.take(batch, as_generator(0), torch.zeros(2))
    assert set(chains.flatten().tolist()) == {1.0, 2.0}
