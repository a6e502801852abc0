"""Every kind of units: log-sum, mean, density and draws against integrals by scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest

from deem.math.distributions import tempered
from deem.math.random import as_generator, draw
from deem.math.selu import SELU_DEPTH, SELU_SLOPE, SeluState, selu_cost
from deem.math.units import Binary, Gaussian, Rectified, Selu, UnitInterval

REAL = {
    "UnitInterval": UnitInterval(),
    "Gaussian": Gaussian(0.7),
    "Rectified": Rectified(),
    "Rectified of variance 2": Rectified(2.0),
    "Selu": Selu(),
    "Selu at temperature 2": Selu(2.0),
}
FIELDS = [-40.0, -8.0, -0.02, 0.3, 4.0, 40.0]
WIDE = torch.cat(
    [torch.linspace(-50, 50, 101), torch.tensor([-1000.0, -100.0, 1e-4, 100.0, 1000.0])]
)
real = pytest.mark.parametrize("units", REAL.values(), ids=REAL.keys())


def moments(units, field):
    """Log-sum and mean by quadrature around the top of the exponent, which is concave."""
    low, high = (min(max(end, -300), 300) for end in units.bounds)

    def exponent(s):
        return field * s - float(units.cost(torch.tensor(s, dtype=torch.float64)))

    line = np.linspace(low, high, 4001)
    values = field * line - units.cost(torch.from_numpy(line)).numpy()
    top = line[values.argmax()]
    inside = line[values > values.max() - 45]
    step = line[1] - line[0]
    ends = max(low, inside[0] - step), min(high, inside[-1] + step)
    marks = sorted({ends[0], *(x for x in (top, 0.0) if ends[0] < x < ends[1]), ends[1]})
    total = first = 0.0
    for piece in zip(marks, marks[1:], strict=False):
        precise = {"epsabs": 1e-14, "limit": 200}
        total += quad(lambda s: math.exp(exponent(s) - exponent(top)), *piece, **precise)[0]
        first += quad(
            lambda s: (s - top) * math.exp(exponent(s) - exponent(top)), *piece, **precise
        )[0]
    return exponent(top) + math.log(total), top + first / total


@real
def test_log_sum_and_mean_are_the_integrals(units):
    expected = [moments(units, field) for field in FIELDS]
    field = torch.tensor(FIELDS, dtype=torch.float64)
    found = zip(units.log_sum(field).tolist(), units.mean(field).tolist(), strict=True)
    for (log_sum, mean), (log_sum_there, mean_there) in zip(found, expected, strict=True):
        assert log_sum == pytest.approx(log_sum_there, rel=1e-9, abs=1e-9)
        assert mean == pytest.approx(mean_there, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("units", [Binary(), *REAL.values()], ids=["Binary", *REAL])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_mean_is_the_derivative_of_the_log_sum(units, dtype):
    field = WIDE.to(dtype).requires_grad_()
    (slope,) = torch.autograd.grad(units.log_sum(field).sum(), field)
    rtol, atol = (1e-7, 1e-9) if dtype == torch.float64 else (5e-3, 1e-4)
    mean = units.mean(field)
    assert slope.dtype == mean.dtype == dtype
    torch.testing.assert_close(slope, mean.detach(), rtol=rtol, atol=atol)
    low, high = units.bounds
    assert ((mean >= low) & (mean <= high)).all()


@pytest.mark.parametrize("units", [Binary(), *REAL.values()], ids=["Binary", *REAL])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_all_gradients_are_finite_everywhere(units, dtype):
    """A branch that is not taken must not leave NaN behind, also in second derivatives."""
    field = WIDE.to(dtype).requires_grad_()
    (slope,) = torch.autograd.grad(units.mean(field).sum(), field)
    assert slope.isfinite().all()
    assert (slope >= -1e-4).all()
    state = units.mean(field).detach().requires_grad_()
    (slope,) = torch.autograd.grad(units.cost(state).sum() + 0 * state.sum(), state)
    assert slope.isfinite().all()


@real
def test_float32_agrees_with_float64(units):
    fine, coarse = WIDE.double(), WIDE.float()
    torch.testing.assert_close(
        units.log_sum(coarse), units.log_sum(fine).float(), rtol=3e-5, atol=3e-5
    )
    torch.testing.assert_close(units.mean(coarse), units.mean(fine).float(), rtol=1e-4, atol=1e-6)


@real
def test_densities_are_those_of_the_cost_and_end_at_the_bounds(units):
    low, high = units.bounds
    state = torch.tensor([s for s in (-3.0, -1.0, 0.2, 0.9, 5.0) if low <= s <= high]).double()
    for field in (-6.0, 0.5, 9.0):
        x = torch.tensor(field, dtype=torch.float64)
        expected = field * state - units.cost(state) - units.log_sum(x)
        torch.testing.assert_close(units.given(x).log_prob(state), expected)
    if low > -math.inf:
        beyond = torch.tensor([low - 1e-3], dtype=torch.float64)
        assert units.given(x).log_prob(beyond) == -math.inf


def inverted(units, field, n):
    """Distribution function of the units by sums over a fine line, for scipy."""
    draws_mean = float(units.mean(torch.tensor(field, dtype=torch.float64)))
    spread = 12 * max(abs(draws_mean), 1.0) / max(abs(field) ** 0.5, 1.0)
    low = max(units.bounds[0], draws_mean - spread)
    line = torch.linspace(low, min(units.bounds[1], draws_mean + spread), n, dtype=torch.float64)
    density = units.given(torch.tensor(field, dtype=torch.float64)).log_prob(line).exp()
    mass = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(density, line)]).numpy()
    assert mass[-1] == pytest.approx(1, abs=2e-3)
    return lambda s: np.interp(s, line.numpy(), mass / mass[-1])


@real
@pytest.mark.parametrize("field", [-40.0, -3.0, -0.2, 0.0, 1.5, 12.0])
def test_draws_follow_the_density(units, field):
    n = 4000
    drawn = draw(units.given(torch.full((n,), field).double()), as_generator(1))
    low, high = units.bounds
    assert ((drawn >= low) & (drawn <= high)).all()
    mean = float(units.mean(torch.tensor(field, dtype=torch.float64)))
    assert abs(float(drawn.mean()) - mean) < 5 * float(drawn.std()) / n**0.5
    x = torch.tensor(field, dtype=torch.float64, requires_grad=True)
    (variance,) = torch.autograd.grad(units.mean(x), x)
    squares = (drawn - mean).square()
    assert abs(float(squares.mean()) - float(variance)) < 5 * float(squares.std()) / n**0.5
    function = inverted(units, field, 20001)
    assert kstest(drawn.numpy(), function).pvalue > 1e-4
    # Negative control: noise a fifth too wide, and none at all.
    assert kstest(mean + 1.2 * (drawn.numpy() - mean), function).pvalue < 1e-4
    assert kstest(np.full(n, mean), function).pvalue < 1e-4


@real
def test_draws_of_any_field_have_their_mean(units):
    field = torch.arange(-45.0, 46.0).double()
    drawn = draw(units.given(field.expand(2000, -1)), as_generator(1))
    error = (drawn.mean(0) - units.mean(field)).abs()
    assert (error < 5 * drawn.std(0) / 2000**0.5).all()


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_draws_keep_dtype_and_seed(kind):
    for units in REAL.values():
        field = torch.linspace(-5, 5, 7, dtype=kind)
        first, second = (draw(units.given(field), as_generator(3)) for _ in range(2))
        assert first.dtype == kind
        assert torch.equal(first, second)


@real
def test_tempering_is_a_power_of_the_density(units):
    x = torch.tensor([-2.0, 0.4, 3.0], dtype=torch.float64)
    given, flat = units.given(x), tempered(units.given(x), 2.5)
    states = torch.tensor([[0.1], [0.8]], dtype=torch.float64)
    expected = (given.log_prob(states[0]) - given.log_prob(states[1])) / 2.5
    torch.testing.assert_close(flat.log_prob(states[0]) - flat.log_prob(states[1]), expected)


def test_the_most_likely_state_is_the_selu_of_the_field():
    field = torch.linspace(-6, 6, 25, dtype=torch.float64)
    line = torch.linspace(-SELU_DEPTH + 1e-9, 7, 200_001, dtype=torch.float64)
    cost = selu_cost(line)
    top = torch.stack([line[(x * line - cost).argmax()] for x in field])
    torch.testing.assert_close(top, torch.nn.functional.selu(field), atol=1e-4, rtol=0)
    assert torch.nn.functional.selu(torch.tensor(2.0)) == pytest.approx(2 * SELU_SLOPE)


def test_draws_end_where_training_has_diverged():
    field = torch.tensor([math.nan, math.inf, -math.inf, 0.0, 1e30, -1e30])
    drawn = SeluState(field).draw(as_generator(0))
    assert drawn[0].isnan()
    assert drawn[3].isfinite()
