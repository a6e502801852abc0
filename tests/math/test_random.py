"""Generators from anything, and draws whose frequencies are those of the distribution."""

import numpy as np
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

from deem.math.distributions import JointStates
from deem.math.random import as_generator, draw, draw_one_hot
from deem.utils.exception import ArgumentError

PROBS = torch.tensor([0.05, 0.6, 0.0, 0.35], dtype=torch.float64)
N = 40_000


def distance(counts, probs):
    """Pearson's chi-square over the cells that can occur, per degree of freedom."""
    possible = probs > 0
    assert counts[~possible].sum() == 0
    expected = probs[possible] * counts.sum()
    chi_square = ((counts[possible] - expected).square() / expected).sum()
    return float(chi_square / (possible.sum() - 1))


# 0.999999 quantile of chi-square over its degrees of freedom, at 1 (the largest of all).
BOUND = 24.0


def category_counts(distribution):
    drawn = draw(distribution, as_generator(1))
    codes = drawn.argmax(-1) if drawn.dim() > 1 else drawn
    return torch.bincount(codes.long(), minlength=4)


def categoricals(probs):
    states = torch.eye(4, dtype=torch.float64)
    return [
        Categorical(probs.expand(N, 4)),
        OneHotCategorical(probs.expand(N, 4)),
        JointStates(probs.log().expand(N, 4), states),
    ]


@pytest.mark.parametrize("kind", range(3))
def test_categories_come_as_often_as_they_should(kind):
    assert distance(category_counts(categoricals(PROBS)[kind]), PROBS) < BOUND


@pytest.mark.parametrize("kind", range(3))
def test_the_bound_notices_slightly_wrong_probabilities(kind):
    wrong = torch.tensor([0.06, 0.61, 0.0, 0.33], dtype=torch.float64)
    assert distance(category_counts(categoricals(wrong)[kind]), PROBS) > 1.3 * BOUND


@pytest.mark.parametrize("p", [0.0, 0.01, 0.7, 1.0])
def test_bernoulli_comes_as_often_as_it_should(p):
    drawn = draw(Bernoulli(torch.full((N,), p, dtype=torch.float64)), as_generator(2))
    assert abs(drawn.mean() - p) <= 5 * (p * (1 - p) / N) ** 0.5


def test_normal_has_its_mean_deviation_and_tails():
    scale = torch.full((N,), 3.0, dtype=torch.float64)
    drawn = draw(Normal(torch.full_like(scale, 2.0), scale), as_generator(3))
    counts = torch.histc((drawn - 2) / 3, 4, -4, 4)
    tail = 0.022750131948179
    probs = torch.tensor([tail, 0.5 - tail, 0.5 - tail, tail], dtype=torch.float64)
    assert distance(counts, probs) < BOUND
    assert abs(drawn.mean() - 2) < 5 * 3 / N**0.5


def test_independent_units_are_drawn_independently():
    base = OneHotCategorical(torch.full((N, 2, 2), 0.5, dtype=torch.float64))
    drawn = draw(Independent(base, 1), as_generator(4)).argmax(-1)
    counts = torch.bincount(2 * drawn[:, 0] + drawn[:, 1], minlength=4)
    assert distance(counts, torch.full((4,), 0.25, dtype=torch.float64)) < BOUND


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda p: Bernoulli(p), (5, 3)),
        (lambda p: Independent(Bernoulli(p), 1), (5, 3)),
        (lambda p: OneHotCategorical(p), (5, 3)),
        (lambda p: Independent(OneHotCategorical(p.expand(2, 5, 3)), 1), (2, 5, 3)),
        (lambda p: Normal(p, p), (5, 3)),
        (lambda p: JointStates(p.log(), torch.eye(3).to(p)), (5, 3)),
    ],
)
def test_draws_have_the_shape_and_dtype_of_the_parameters(make, shape, dtype):
    p = torch.full((5, 3), 1 / 3, dtype=dtype, requires_grad=True)
    drawn = draw(make(p), as_generator(0))
    assert drawn.shape == shape
    assert drawn.dtype == dtype
    assert not drawn.requires_grad


def test_categorical_gives_integers():
    assert draw(Categorical(torch.ones(5, 3)), as_generator(0)).dtype == torch.int64


def test_impossible_and_certain_categories_even_at_the_edges():
    probs = torch.zeros(N, 3)
    probs[:, 1] = 1
    assert draw(Categorical(probs), as_generator(0)).unique().tolist() == [1]


def test_same_generator_same_draw():
    normal = Normal(torch.zeros(5), torch.ones(5))
    assert torch.equal(draw(normal, as_generator(7)), draw(normal, as_generator(7)))


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e4])
def test_one_hot_rows_come_as_often_as_they_should(scale):
    drawn = draw_one_hot(scale * PROBS.expand(N, 4), as_generator(1))
    assert torch.equal(drawn.sum(1), torch.ones(N).double())
    assert distance(drawn.sum(0), PROBS) < BOUND
    wrong = torch.tensor([0.06, 0.61, 0.0, 0.33], dtype=torch.float64)
    assert distance(drawn.sum(0), wrong) > 1.3 * BOUND


def test_one_hot_rows_without_probability_stay_empty():
    probs = torch.tensor([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]).expand(500, 2, 3)
    drawn = draw_one_hot(probs, as_generator(0))
    assert torch.equal(drawn, (probs > 0).float())


def test_a_row_is_one_hot_also_where_its_partial_sums_fall(monkeypatch):
    # As those of parallel sums may, by rounding.
    falling = torch.tensor([[0.0, 0.6, 0.4, 1.0]])
    monkeypatch.setattr(torch.Tensor, "cumsum", _once(falling, torch.Tensor.cumsum))
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, 0.5))
    drawn = draw_one_hot(torch.ones(1, 4), as_generator(0))
    assert drawn.tolist() == [[0, 1, 0, 0]]


def _once(first, then):
    results = [first]
    return lambda *args, **kwargs: results.pop() if results else then(*args, **kwargs)


def test_unknown_distributions_are_refused():
    with pytest.raises(ArgumentError, match=r"does not know Gamma; .* a method draw\(generator\)"):
        draw(Gamma(torch.ones(1), torch.ones(1)), as_generator(0))


def test_a_generator_is_passed_through():
    generator = torch.Generator()
    assert as_generator(generator) is generator


@pytest.mark.parametrize("seed", [0, 3, np.int64(3), 2**63 - 1])
def test_an_int_is_the_seed(seed):
    assert as_generator(seed).initial_seed() == int(seed)


def test_none_takes_fresh_entropy():
    assert as_generator(None).initial_seed() != as_generator(None).initial_seed()


@pytest.mark.parametrize(
    "make",
    [np.random.default_rng, np.random.RandomState],
    ids=["Generator", "RandomState"],
)
def test_numpy_generators_seed_and_move_on(make):
    source, twin = make(5), make(5)
    first, second = as_generator(source), as_generator(source)
    assert first.initial_seed() == as_generator(twin).initial_seed()
    assert first.initial_seed() != second.initial_seed()


@pytest.mark.parametrize("value", [-1, 2**63, 1.5, "0", [1]])
def test_other_seeds_are_refused(value):
    with pytest.raises(ArgumentError, match=r"random_state=.* is no seed"):
        as_generator(value)
