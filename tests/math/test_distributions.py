"""JointStates and tempered distributions against enumeration."""

import math
from itertools import product

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Categorical,
    Gamma,
    Independent,
    Normal,
    OneHotCategorical,
)

from deem.math.distributions import JointStates, tempered
from deem.math.random import as_generator, draw
from deem.utils.exception import ArgumentError

STATES = torch.tensor(list(product([0.0, 1.0, 2.0], [0.0, 1.0])), dtype=torch.float64)
LOGITS = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def joint():
    return JointStates(LOGITS, STATES)


def probability(row, state):
    odds = [math.exp(x) for x in LOGITS[row].tolist()]
    return odds[state] / math.fsum(odds)


def test_shapes(joint):
    assert joint.batch_shape == (4,)
    assert joint.event_shape == (2,)


@pytest.mark.parametrize("state", range(6))
def test_log_prob_is_the_normalised_one(joint, state):
    found = joint.log_prob(STATES[state].expand(4, 2)).exp()
    assert found.tolist() == pytest.approx([probability(row, state) for row in range(4)])


def test_log_prob_of_a_state_that_is_not_listed(joint):
    assert joint.log_prob(torch.full((4, 2), 5.0)).tolist() == [-math.inf] * 4


def test_mean_is_the_expectation(joint):
    for row in range(4):
        expected = [
            math.fsum(probability(row, s) * float(STATES[s, unit]) for s in range(6))
            for unit in range(2)
        ]
        assert joint.mean[row].tolist() == pytest.approx(expected)


def test_units_of_more_axes():
    states = torch.eye(2, dtype=torch.float64)[torch.tensor(list(product([0, 1], repeat=2)))]
    joint = JointStates(LOGITS[:, :4], states)
    assert joint.event_shape == (2, 2)
    assert joint.mean.sum(-1) == pytest.approx(1)
    total = sum(joint.log_prob(s.expand(4, 2, 2)).exp() for s in states)
    assert total.tolist() == pytest.approx([1] * 4)
    assert draw(joint, as_generator(0)).shape == (4, 2, 2)


def test_coupled_units_keep_their_coupling():
    logits = torch.tensor([[0.0, -math.inf, -math.inf, 0.0]]).expand(1000, 4)
    states = torch.tensor(list(product([0.0, 1.0], repeat=2)))
    drawn = draw(JointStates(logits, states), as_generator(0))
    assert torch.equal(drawn[:, 0], drawn[:, 1])
    assert 0.4 < drawn.mean() < 0.6


def test_gradient_of_log_prob():
    logits = LOGITS.clone().requires_grad_()
    JointStates(logits, STATES).log_prob(STATES[2].expand(4, 2)).sum().backward()
    expected = -LOGITS.softmax(-1)
    expected[:, 2] += 1
    torch.testing.assert_close(logits.grad, expected)


LISTED = [
    (Bernoulli(logits=LOGITS[0]), torch.tensor([[0.0], [1.0]]).double().expand(2, 6)),
    (Categorical(logits=LOGITS), torch.arange(6)[:, None].expand(6, 4)),
    (OneHotCategorical(logits=LOGITS), torch.eye(6).double()[:, None].expand(6, 4, 6)),
    (JointStates(LOGITS, STATES), STATES[:, None].expand(6, 4, 2)),
]


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
@pytest.mark.parametrize(("distribution", "values"), LISTED, ids=lambda x: type(x).__name__)
def test_tempering_takes_a_power_of_every_probability(distribution, values, temperature):
    expected = (distribution.log_prob(values) / temperature).log_softmax(0)
    found = tempered(distribution, temperature)
    torch.testing.assert_close(found.log_prob(values), expected)
    assert type(found) is type(distribution)


def test_a_tempered_normal_has_the_variance_times_the_temperature():
    found = tempered(Normal(torch.tensor([2.0]), torch.tensor([3.0])), 4.0)
    assert (found.mean, found.stddev) == (2, 6)


def test_independent_units_are_tempered_one_by_one():
    found = tempered(Independent(OneHotCategorical(logits=LOGITS.reshape(2, 2, 6)), 1), 2.0)
    assert found.batch_shape == (2,)
    torch.testing.assert_close(found.mean, (LOGITS.reshape(2, 2, 6) / 2).softmax(-1))


def test_unknown_distributions_are_not_tempered():
    with pytest.raises(ArgumentError, match=r"know Gamma; .* a method tempered\(temperature\)"):
        tempered(Gamma(torch.ones(1), torch.ones(1)), 2.0)
