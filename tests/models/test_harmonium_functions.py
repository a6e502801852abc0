"""Draws, clamped draws, imputed and cleaned samples, pseudo-likelihoods, against enumeration."""

import pytest
import torch
from exact import Exact, bit_states, total_variation, total_variation_bound
from tiny import TINY_ZOO

from deem.math.random import as_generator
from deem.math.units import Gaussian
from deem.models import RBM, ConvRBM, GaussianRBM
from deem.models.binary import rbm as rbm_file
from deem.models.generation import Generative
from deem.models.harmonium import DenseHarmonium
from deem.utils.exception import ArgumentError, ShapeError


@pytest.fixture
def model():
    model = RBM(5, 3, temperature=1.5).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(2 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model.train()


@pytest.fixture
def exact(model):
    return Exact(model, bit_states(5), bit_states(3))


def test_samples_follow_the_model(model, exact):
    p, n = exact.log_v.exp().detach(), 5000
    bound = total_variation_bound(p, n)
    assert total_variation(exact.histogram(model.sample(n, 50, random_state=0)), p) < bound
    # Negative control: where the chains start.
    assert total_variation(exact.histogram(model.sample(n, 0, random_state=0)), p) > 2 * bound
    assert model.training


def test_samples_repeat_by_their_seed_and_start_where_told(model):
    runs = [model.sample(20, 5, random_state=seed) for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    start = torch.ones(20, 5).double()
    assert torch.equal(model.sample(20, 0, start=start), start)
    assert not runs[0].requires_grad


KNOWN = torch.tensor([1.0, 0.0, 1.0]).double()
MISSING = torch.tensor([False, True, False, True, False])


def conditional(exact):
    """Exact log-probabilities of the two missing units given the known ones, and their states."""
    agrees = (exact.v[:, ~MISSING] == KNOWN).all(1)
    return exact.log_v[agrees].detach().log_softmax(0), exact.v[agrees]


def incomplete(n):
    v = torch.full((n, 5), torch.nan).double()
    v[:, ~MISSING] = KNOWN
    return v


def test_clamped_units_stay_and_the_others_follow_their_conditional(model, exact):
    log, states = conditional(exact)
    n = 5000
    v = model.clamp(incomplete(n), MISSING, steps=40, random_state=0)
    assert (v[:, ~MISSING] == KNOWN).all()
    found = (v[:, None] == states).all(-1).double().mean(0)
    bound = total_variation_bound(log.exp(), n)
    assert total_variation(found, log.exp()) < bound
    # Negative control: what the units do when nothing is known.
    free = exact.log_v.exp().detach() @ exact.v
    assert (v.mean(0) - free)[MISSING].abs().max() > 0.1


def test_imputed_units_are_the_exact_conditional_means(model, exact):
    log, states = conditional(exact)
    expected = log.exp() @ states
    v = model.impute(incomplete(400), MISSING, steps=60, burn_in=20, random_state=0)
    assert (v[:, ~MISSING] == KNOWN).all()
    error = v.std(0) / 20
    assert ((v.mean(0) - expected).abs() <= 4 * error).all()
    assert error.max() < 0.02
    assert (v.mean(0) - 0.5)[MISSING].abs().max() > 0.05


def test_rows_may_miss_units_of_their_own(model):
    v = bit_states(5)[:3]
    missing = torch.zeros(3, 5, dtype=torch.bool)
    missing[0, 1] = missing[2, 4] = True
    found = model.impute(v, missing, steps=5, burn_in=0, random_state=0)
    assert torch.equal(found[~missing], v[~missing])
    assert ((found[missing] > 0) & (found[missing] < 1)).all()


class OfGaussian(DenseHarmonium):
    visible_units = Gaussian(0.5)


def test_real_units_are_imputed_by_their_mean():
    model = OfGaussian(2, 1).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0], [3.0]]))
        model.hidden_bias.fill_(-2.0)
    v = torch.tensor([[0.2, torch.nan]]).double().repeat(2000, 1)
    found = model.impute(v, v.isnan(), steps=5, burn_in=20, random_state=0)[:, 1]
    line = torch.linspace(-6, 8, 2001).double()
    grid = torch.stack([torch.full_like(line, 0.2), line], 1)
    expected = float((-model.free_energy(grid)).softmax(0).detach() @ line)
    assert abs(float(found.mean()) - expected) < 4 * float(found.std()) / 2000**0.5
    assert abs(expected) > 0.3


def test_denoising_is_the_mean_field_sweep(model, close):
    v = bit_states(5)
    close(model.denoise(v), model.reconstruct(v))
    close(model.denoise(v, 3), model.reconstruct(model.reconstruct(model.reconstruct(v))))


@pytest.mark.parametrize(
    "tiny",
    [
        pytest.param(t, id=t.name)
        for t in TINY_ZOO
        if getattr(t.cls, "sample", None) is Generative.sample
    ],
)
def test_every_model_of_two_layers_draws_and_fills(tiny):
    model = tiny.build(1, torch.float32)
    v = model.sample(4, 3, random_state=0)
    assert v.shape == (4, *tiny.visible.shape[1:])
    assert v.dtype == torch.float32
    assert torch.equal(v, model.sample(4, 3, random_state=0))
    missing = torch.zeros(v.shape[1:], dtype=torch.bool)
    missing.view(-1)[0] = True
    gaps = v.masked_fill(missing, torch.nan)
    for found in (model.clamp(gaps, missing, 3), model.impute(gaps, missing, 3, 1)):
        assert found.isfinite().all()
        assert torch.equal(found[:, ~missing], v[:, ~missing])
    assert model.denoise(v).shape == v.shape
    assert model.training


def flipped(model, v):
    """The definition, one unit at a time by the whole free energy."""
    total = torch.zeros(len(v)).double()
    for i in range(v.shape[1]):
        other = v.clone()
        other[:, i] = 1 - v[:, i]
        total += torch.sigmoid(model.free_energy(other) - model.free_energy(v)).log()
    return total.detach()


@pytest.mark.parametrize("at_a_time", [1, 2**20])
def test_pseudo_likelihood_is_its_definition(at_a_time, model, monkeypatch, close):
    monkeypatch.setattr(rbm_file, "_FLIPPED", at_a_time)
    v = bit_states(5)
    close(model.pseudo_likelihood(v), flipped(model, v))


def test_pseudo_likelihood_is_the_sum_of_exact_conditionals(model, exact, close):
    v, p = exact.v, exact.log_v.exp().detach()
    other = torch.stack([exact.index(v + (1 - 2 * v) * torch.eye(5)[i]) for i in range(5)])
    close(model.pseudo_likelihood(v), (p / (p + p[other])).log().sum(0))


def test_the_stochastic_one_is_unbiased(model):
    v = bit_states(5)[9:10]
    expected = float(model.pseudo_likelihood(v))
    draws = model.stochastic_pseudo_likelihood(v.expand(20_000, -1), as_generator(0)).detach()
    error = float(draws.std()) / 20_000**0.5
    assert abs(float(draws.mean()) - expected) < 4 * error
    assert error < 0.02 * abs(expected)


def test_wrong_arguments_are_named(model):
    v = bit_states(5)
    for name, call in {
        "n=0; expected a whole number of at least 1": lambda: model.sample(0),
        "steps=-1; expected a whole number of at least 0": lambda: model.sample(1, -1),
        "steps=0; expected a whole number of at least 1": lambda: model.clamp(v, MISSING, 0),
        "burn_in=-1": lambda: model.impute(v, MISSING, burn_in=-1),
        "not missing; mark them": lambda: model.impute(incomplete(2), ~MISSING),
    }.items():
        with pytest.raises(ArgumentError, match=name):
            call()
    for name, call in {
        "start has 32 rows, but n=3": lambda: model.sample(3, start=v),
        r"start has shape \(2, 4\); expected \(batch, 5\)": lambda: model.sample(
            2, start=v[:2, :4]
        ),
        "missing is torch.float64 of shape": lambda: model.clamp(v, v),
        r"expected bool of shape \(32, 5\) or \(5,\)": lambda: model.clamp(v, MISSING[:3]),
        r"v has shape \(32, 4\)": lambda: model.denoise(v[:, :4]),
    }.items():
        with pytest.raises(ShapeError, match=name):
            call()


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (RBM(6, 2), (3, 5)),
        (RBM(6, 2), (6,)),
        # Standardisation would spread one column over all.
        (GaussianRBM(6, 2), (3, 1)),
        # Filters take images of any size.
        (ConvRBM((4, 4), (2, 2), 2), (3, 1, 5, 5)),
        (ConvRBM((4, 4), (2, 2), 2), (1, 4, 4)),
    ],
)
def test_samples_of_another_shape_are_refused_after_training_too(model, shape):
    for call in (model, model.free_energy, model.reconstruct):
        with pytest.raises(ShapeError, match=r"v has shape .*; expected \(batch, "):
            call(torch.zeros(shape))
