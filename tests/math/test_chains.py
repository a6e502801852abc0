"""Effective sample sizes against closed forms."""

import pytest
import torch

from deem.math.chains import effective_sample_size


def autoregression(phi, steps, chains, seed=0):
    """Stationary AR(1) chains (steps, chains)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(steps, chains, generator=generator, dtype=torch.float64)
    series = [noise[0] / (1 - phi**2) ** 0.5]
    for shock in noise[1:]:
        series.append(phi * series[-1] + shock)
    return torch.stack(series)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_autoregression_has_its_closed_form(phi):
    series = autoregression(phi, 4000, 20)
    expected = series.numel() * (1 - phi) / (1 + phi)
    assert float(effective_sample_size(series)) == pytest.approx(expected, rel=0.1)


def test_more_correlated_chains_do_not_pass_for_less_correlated_ones():
    sizes = [float(effective_sample_size(autoregression(phi, 4000, 20))) for phi in (0.5, 0.7)]
    assert sizes[1] < 0.7 * sizes[0]


def test_chains_that_alternate_count_as_independent_at_most():
    series = autoregression(-0.9, 1000, 4)
    assert effective_sample_size(series) == series.numel()


@pytest.mark.parametrize("values", [torch.zeros(3), torch.tensor([1.0, 2.0, 5.0])])
def test_chains_that_never_move_are_one_draw_each(values):
    assert float(effective_sample_size(values.expand(50, 3))) == pytest.approx(3, rel=0.05)


def test_shift_scale_and_dtype_do_not_matter():
    series = autoregression(0.5, 200, 5)
    expected = effective_sample_size(series)
    torch.testing.assert_close(effective_sample_size(1e3 + 5 * series), expected)
    found = effective_sample_size(series.float())
    assert float(found) == pytest.approx(float(expected), rel=1e-3)
