"""Activations and their gradients against the entmax library and automatic differentiation."""

import pytest
import torch
from entmax import entmax15, entmax_bisect, sparsemax

from deem.math.activation import ACTIVATIONS, SIMPLEX, pull_back, straight_through

LIBRARY = {
    "sparsemax": lambda x: sparsemax(x, dim=-1),
    "entmax": lambda x: entmax15(x, dim=-1),
    "ultramax": lambda x: entmax_bisect(x, alpha=3.0, dim=-1),
    "softmax": lambda x: x.softmax(-1),
}
every_simplex = pytest.mark.parametrize("name", SIMPLEX)
scales = pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])


def logits(scale, shape=(40, 3, 4)):
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def value_and_gradient(function, x, by):
    x = x.clone().requires_grad_()
    value = function(x)
    return value.detach(), torch.autograd.grad(value, x, by)[0]


def test_alphas_are_those_of_the_family():
    assert SIMPLEX == {"softmax": 1.0, "entmax": 1.5, "sparsemax": 2.0, "ultramax": 3.0}
    assert set(ACTIVATIONS) == {*SIMPLEX, "relu", "gelu", "silu"}


@every_simplex
@scales
def test_results_lie_on_the_simplex(name, scale):
    probs = ACTIVATIONS[name](logits(scale))
    assert probs.min() >= 0
    torch.testing.assert_close(probs.sum(-1), torch.ones(40, 3).double(), rtol=0, atol=1e-12)
    # Order is kept, and only softmax always gives every category something.
    ordered = probs.gather(-1, logits(scale).argsort(-1)).diff(dim=-1)
    assert ordered.min() > -1e-12
    if scale == 5 or name == "softmax":
        assert bool((probs == 0).any()) == (name != "softmax")


@every_simplex
@scales
def test_values_and_gradients_are_those_of_the_library(name, scale):
    x, by = logits(scale), logits(1.0).flip(0)
    value, gradient = value_and_gradient(ACTIVATIONS[name], x, by)
    expected, expected_gradient = value_and_gradient(LIBRARY[name], x, by)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-12)
    pulled = pull_back(SIMPLEX[name], value, by)
    torch.testing.assert_close(pulled, expected_gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("alpha", [1.25, 1.7, 2.5])
def test_any_alpha_of_the_family(alpha):
    x, by = logits(1.0), logits(1.0).flip(0)
    value, expected = value_and_gradient(
        lambda x: entmax_bisect(x, alpha=alpha, dim=-1, n_iter=100), x, by
    )
    torch.testing.assert_close(pull_back(alpha, value, by), expected, rtol=0, atol=1e-10)


@every_simplex
def test_gradients_are_differences(name):
    x, by, step = logits(0.3, (5, 3)), logits(1.0, (5, 3)).flip(0), 1e-6
    _, gradient = value_and_gradient(ACTIVATIONS[name], x, by)
    for k in range(3):
        up, down = (ACTIVATIONS[name](x + sign * step * torch.eye(3)[k]) for sign in (1, -1))
        slope = ((up - down) * by).sum(-1) / (2 * step)
        torch.testing.assert_close(gradient[:, k], slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("alpha", SIMPLEX.values())
def test_missing_outputs_have_no_gradient(alpha):
    gradient = pull_back(alpha, torch.zeros(2, 3).double(), torch.ones(2, 3).double())
    assert torch.equal(gradient, torch.zeros(2, 3).double())


def test_sparsemax_by_hand():
    # Martins and Astudillo (2016): [0.8, 0.4, -1] loses (1.2 - 1) / 2 where it stays above 0.
    x, by = torch.tensor([0.8, 0.4, -1.0]).double(), torch.tensor([3.0, 1.0, 7.0]).double()
    value, gradient = value_and_gradient(ACTIVATIONS["sparsemax"], x, by)
    assert value.tolist() == pytest.approx([0.7, 0.3, 0.0])
    assert gradient.tolist() == pytest.approx([1.0, -1.0, 0.0])


@pytest.mark.parametrize("name", SIMPLEX)
def test_single_precision_stays_single(name):
    x = logits(1.0).float()
    value, gradient = value_and_gradient(ACTIVATIONS[name], x, torch.ones_like(x))
    assert value.dtype == gradient.dtype == torch.float32
    assert gradient.abs().max() < 1e-5


def test_rectifiers_by_hand():
    x = torch.tensor([-2.0, 0.0, 3.0]).double()
    assert ACTIVATIONS["relu"](x).tolist() == [0, 0, 3]
    silu, normal = x * torch.sigmoid(x), torch.distributions.Normal(0.0, 1.0)
    torch.testing.assert_close(ACTIVATIONS["silu"](x), silu)
    torch.testing.assert_close(ACTIVATIONS["gelu"](x), x * normal.cdf(x))


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_straight_through_is_one_hot_with_the_gradient_of_a_softmax(temperature):
    x, by = logits(0.3), logits(1.0).flip(0)
    value, gradient = value_and_gradient(lambda x: straight_through(x, temperature), x, by)
    torch.testing.assert_close(value, torch.eye(4).double()[x.argmax(-1)], rtol=0, atol=1e-12)
    _, expected = value_and_gradient(lambda x: (x / temperature).softmax(-1), x, by)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)
    assert gradient.abs().max() > 0.01


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan_and_in_its_row(name):
    x = torch.tensor([[torch.nan, 0.0, 1.0], [0.0, 0.5, 1.0]]).double()
    found = ACTIVATIONS[name](x)
    assert found[0].isnan().any()
    torch.testing.assert_close(found[1], ACTIVATIONS[name](x[1:])[0])
