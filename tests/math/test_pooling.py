"""Blocks of which at most one unit is on, against all their states."""

import pytest
import torch
from exact import bit_states, total_variation, total_variation_bound
from torch.distributions import Bernoulli, Independent

from deem.math.distributions import tempered
from deem.math.pooling import BlockCategorical, MaxPooled, join_blocks, split_blocks
from deem.math.random import as_generator, draw
from deem.math.units import Binary

STATES = bit_states(8).reshape(-1, 2, 4)
ALLOWED = STATES[(STATES.reshape(-1, 2, 2, 2).sum((1, 3)) <= 1).all(1)]
UNITS = MaxPooled(2)


@pytest.fixture
def field(generator):
    return 2 * torch.randn(2, 4, generator=generator, dtype=torch.float64)


def probabilities(field):
    """Of the allowed states of two blocks, by listing them."""
    return (ALLOWED * field).sum((1, 2)).softmax(0)


def test_blocks_are_squares_of_the_plane():
    plane = torch.arange(24).reshape(1, 4, 6)
    blocks = split_blocks(plane, 2)
    assert blocks.shape == (4, 1, 2, 3)
    assert blocks[:, 0, 1, 2].tolist() == [16, 17, 22, 23]
    assert torch.equal(join_blocks(blocks, 2), plane)


def test_log_sum_mean_and_log_prob_are_those_of_the_listed_states(field, close):
    p = probabilities(field)
    close(UNITS.log_sum(field).sum(), (ALLOWED * field).sum((1, 2)).logsumexp(0))
    close(UNITS.mean(field), torch.tensordot(p, ALLOWED, dims=1))
    close(UNITS.given(field).log_prob(ALLOWED), p.log())
    on = ALLOWED.reshape(-1, 2, 2, 2).sum((1, 3))
    close(UNITS.pooled(field)[0], p @ on)


def test_the_mean_is_the_derivative_of_the_log_sum(field, close):
    leaf = field.requires_grad_()
    (slope,) = torch.autograd.grad(UNITS.log_sum(leaf).sum(), leaf)
    close(slope, UNITS.mean(leaf))


def test_two_units_of_a_block_cost_infinity(field):
    crowded = ~(STATES.reshape(-1, 2, 2, 2).sum((1, 3)) <= 1).all(1)
    assert torch.equal(UNITS.cost(STATES).flatten(1).sum(1) == torch.inf, crowded)
    assert torch.equal(UNITS.given(field).log_prob(STATES) == -torch.inf, crowded)
    assert not UNITS.cost(UNITS.mean(50 * field)).any()


def distance(distribution, field, n=20_000):
    draws = draw(distribution, as_generator(0))
    same = (draws[:, None] == ALLOWED).flatten(2).all(2).double()
    p = probabilities(field)
    return total_variation(same.mean(0), p) - total_variation_bound(p, n)


def test_draws_follow_the_listed_probabilities_and_independent_ones_do_not(field):
    many = field.expand(20_000, 2, 4)
    assert distance(UNITS.given(many), field) < 0
    independent = Independent(Bernoulli(UNITS.mean(many)), 2)
    assert distance(independent, field) > 0.05
    assert distance(tempered(UNITS.given(many), 3.0), field / 3) < 0
    assert distance(tempered(UNITS.given(many), 3.0), field) > 0.05


def test_blocks_of_one_unit_are_binary_units(field, close):
    close(MaxPooled(1).log_sum(field), Binary().log_sum(field))
    close(MaxPooled(1).mean(field), Binary().mean(field))
    close(MaxPooled(1).pooled(field), Binary().mean(field))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [-1e4, 0.0, 1e4])
def test_extreme_fields_stay_finite(kind, size):
    field = torch.full((1, 2, 2), size, dtype=kind, requires_grad=True)
    given = BlockCategorical(field, 2)
    value = UNITS.log_sum(field).sum() + given.mean.sum() + UNITS.pooled(field).sum()
    (slope,) = torch.autograd.grad(value, field)
    assert value.dtype == slope.dtype == given.draw(as_generator(0)).dtype == kind
    assert value.isfinite()
    assert slope.isfinite().all()
    assert given.draw(as_generator(0)).sum() <= 1
