"""The star of a class and its groups against listed joint states."""

import math
from itertools import product

import pytest
import torch

from deem.math.random import as_generator, draw
from deem.math.star import StarStates, star_messages


def normal(*shape, seed=0):
    return torch.randn(shape, generator=as_generator(seed), dtype=torch.float64)


@pytest.fixture
def star():
    """Two rows, two units, three states; log-joint (2, 3, 3, 3) of class and units by loops."""
    of_class, of_units = normal(2, 3), normal(2, 2, 3, 3, seed=1)
    joint = of_class.log_softmax(1)[:, :, None, None].expand(2, 3, 3, 3).clone()
    for unit, h in product(range(2), range(3)):
        table = of_units[:, unit, :, h].log_softmax(1)
        joint[:, h] += table[:, :, None] if unit == 0 else table[:, None, :]
    return StarStates(of_class, of_units), joint


def states():
    codes = list(product(range(3), repeat=3))
    return codes, torch.eye(3, dtype=torch.float64)[torch.tensor(codes)]


def test_log_prob_and_mean_are_those_of_the_listed_states(star):
    found, joint = star
    codes, one_hot = states()
    for code, state in zip(codes, one_hot, strict=True):
        same = state.expand(2, 3, 3)
        torch.testing.assert_close(found.log_prob(same), joint[(slice(None), *code)])
    expected = torch.tensordot(joint.flatten(1).exp(), one_hot, dims=1)
    torch.testing.assert_close(found.mean, expected)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_tempering_takes_a_power_of_every_joint_probability(star, temperature):
    codes, one_hot = states()
    found = star[0].tempered(temperature)
    expected = (star[1] / temperature).flatten(1).log_softmax(1).T
    listed = torch.stack([found.log_prob(state.expand(2, 3, 3)) for state in one_hot])
    torch.testing.assert_close(listed, expected)


def test_draws_follow_the_joint_distribution(star):
    found, joint = star
    n = 40_000
    many = StarStates(found.class_log[:1].expand(n, -1), found.unit_log[:1].expand(n, -1, -1, -1))
    codes = draw(many, as_generator(0)).argmax(-1)
    frequency = torch.bincount(codes @ torch.tensor([9, 3, 1]), minlength=27) / n
    assert (frequency - joint[0].flatten().exp()).abs().max() < 5 * 0.5 / n**0.5


def test_messages_sum_the_groups_out():
    below, group = normal(4, 3, 2), normal(2, 2, 2, seed=1).softmax(1)
    messages, scaled, mixed = star_messages(below, group)
    of_groups = (below[:, 1:, :, None] + group.log()).logsumexp(2)
    torch.testing.assert_close(messages, below[:, 0] + of_groups.sum(1))
    torch.testing.assert_close(mixed, torch.einsum("ncg,cgh->nch", scaled, group))
    assert scaled.max() == 1


def test_messages_of_many_votes_do_not_underflow():
    below = torch.tensor([[[0.0, 0.0], [-5000.0, -5002.0]]]).double()
    messages, _, _ = star_messages(below, torch.tensor([[[0.9, 0.1], [0.1, 0.9]]]).double())
    assert torch.isfinite(messages).all()
    odds = (0.9 + 0.1 * math.exp(-2)) / (0.1 + 0.9 * math.exp(-2))
    assert float(messages[0, 0] - messages[0, 1]) == pytest.approx(math.log(odds))
