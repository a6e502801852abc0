"""The RBM itself: temperature, exact sums, what it records and which data it refuses."""

import math
import warnings

import numpy as np
import pytest
import torch
from exact import Exact, bit_states
from tiny import TINY_ZOO

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.math import listing
from deem.math.random import as_generator
from deem.models import RBM, ConvRBM, DiscriminativeRBM
from deem.utils.exception import (
    ArgumentError,
    IntractableError,
    OutsideUnitIntervalWarning,
    ShapeError,
)


def drawn(n_visible, n_hidden, temperature=1.0, scale=1.0):
    model = RBM(n_visible, n_hidden, temperature).double()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


def data(n=40, seed=0):
    return (torch.rand(n, 6, generator=as_generator(seed)) < 0.3).double()


def test_a_temperature_divides_every_parameter(close):
    cold, hot = drawn(6, 3), drawn(6, 3, temperature=2.5, scale=2.5)
    v, h = bit_states(6), bit_states(3)[torch.arange(64) % 8]
    for call in (
        lambda m: m.energy(v, h),
        lambda m: m.free_energy(v),
        lambda m: m.p_h(v).mean,
        lambda m: m.p_v(h).mean,
        lambda m: m.reconstruct(v),
        lambda m: m.log_partition(),
        lambda m: m.pseudo_likelihood(v),
        lambda m: m.stochastic_pseudo_likelihood(v, as_generator(0)),
        lambda m: m.exact_draws(9, as_generator(0)),
        lambda m: m.sample(9, 5, random_state=0),
    ):
        close(call(hot), call(cold))
    for model in (cold, hot):
        model.contrast(v[:9], v[9:20])
    # The model at T is that at 1 with parameters over T, and so are its gradients.
    close(hot.weight.grad, cold.weight.grad / 2.5)
    # Negative control: the same parameters at another temperature are another model.
    assert (drawn(6, 3, 2.5).free_energy(v) - cold.free_energy(v)).abs().max() > 0.1


@pytest.mark.parametrize("sizes", [(7, 3), (3, 7)])
def test_the_smaller_layer_is_listed_whichever_it_is(sizes, close):
    model = drawn(*sizes, temperature=1.5)
    exact = Exact(model, *map(bit_states, sizes))
    close(model.log_partition(), exact.log_z)


def test_many_states_are_listed_in_portions(monkeypatch, close):
    model = drawn(9, 8)
    expected = model.log_partition()
    monkeypatch.setattr(listing, "_NUMBERS", 64)
    close(model.log_partition(), expected)


def test_layers_too_large_to_list_are_named():
    assert math.isfinite(RBM(21, 2).log_partition().item())
    for call in (RBM(21, 21).log_partition, lambda: RBM(30, 21).exact_draws(1, as_generator(0))):
        with pytest.raises(IntractableError, match="at most 20 binary units .* log_likelihood_of"):
            call()


def test_a_model_without_weights_has_independent_units(close):
    model = RBM(6, 3).double()
    with torch.no_grad():
        model.weight.zero_()
        model.visible_bias.copy_(torch.linspace(-2, 2, 6))
    close(
        model.log_partition(),
        3 * math.log(2) + torch.nn.functional.softplus(model.visible_bias).sum(),
    )


def test_first_biases_are_the_log_odds_of_the_data(close):
    v = data()
    model = RBM(6, 2, temperature=2.0).double()
    torch.nn.init.zeros_(model.weight)
    model.prepare(Dataset(v))
    close(model.reconstruct(v), ((v.sum(0) + 1) / 42).expand(40, -1))
    kept = model.visible_bias.clone()
    model.prepare(Dataset(1 - v))
    assert torch.equal(model.visible_bias, kept)


def test_reset_is_before_any_training():
    model, fresh = RBM(6, 2, random_state=3), RBM(6, 2, random_state=3)
    model.fit(data(), epochs=1, random_state=0)
    assert not torch.equal(model.weight, fresh.weight)
    model.reset(3)
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), fresh.parameters(), strict=True)
    )
    assert not torch.equal(RBM(6, 2, random_state=4).weight, fresh.weight)
    assert 0.005 < RBM(60, 20).weight.std() < 0.02


@pytest.mark.parametrize("persistent", [False, True])
def test_the_history_tells_of_reconstruction_and_pseudo_likelihood(persistent):
    solver = ContrastiveDivergence(1, 0.1, persistent=persistent)
    history = drawn(6, 3).fit(data(), epochs=3, solver=solver, random_state=0).history
    expected = {"free_energy", "free_energy_gap", "pseudo_likelihood"}
    assert expected <= set(history)
    # Persistent chains start at no sample.
    assert ("reconstruction_error" in history) != persistent
    assert all(math.isfinite(x) for series in history.values() for x in series)
    assert max(history["pseudo_likelihood"]) < 0


def test_what_is_recorded_is_the_mean_of_the_samples(close):
    model, v = drawn(6, 3), data(2000)
    chains = model.gibbs_step(v, as_generator(0))
    seen = model.monitor(v, chains, as_generator(1))
    close(seen["reconstruction_error"], (v - chains).square().sum(1))
    expected = model.pseudo_likelihood(v)
    error = (seen["pseudo_likelihood"] - expected).std() / 2000**0.5
    assert abs(seen["pseudo_likelihood"].mean() - expected.mean()) < 4 * error


def test_watching_changes_what_is_recorded_and_costs_draws_only():
    solver = ContrastiveDivergence(1, 0.1, monitor=False)
    history = drawn(6, 3).fit(data(), epochs=1, solver=solver, random_state=0).history
    assert set(history) == {"free_energy", "free_energy_gap"}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda v: v[0], r"samples of shape \(\), but the visible units .* \(6,\)"),
        (lambda v: v[:, :5], r"samples of shape \(5,\), but the visible units .* \(6,\)"),
        (lambda v: v.reshape(40, 2, 3), r"samples of shape \(2, 3\)"),
        (lambda v: read_votes(v.long().numpy(), n_classes=2), "samples of shape votes"),
    ],
    ids=["one row", "width", "axes", "votes"],
)
def test_data_of_another_shape_are_named(make, text):
    with pytest.raises(ShapeError, match=text):
        RBM(6, 2).fit(make(data()), epochs=1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_none_are_named(bad):
    v = data()
    v[3, 2] = v[7, 0] = bad
    model = RBM(6, 2)
    with pytest.raises(ArgumentError, match="NaN or infinity in 2 of 40 samples; drop or fill"):
        model.fit(v, epochs=1)
    assert not model.visible_bias.any()


def test_pixels_that_are_not_scaled_are_warned_of():
    with pytest.warns(OutsideUnitIntervalWarning, match=r"lie in \[0, 255\].*data / 255"):
        RBM(6, 2).fit(255 * data(), epochs=1, solver=ContrastiveDivergence(learning_rate=1e-6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RBM(6, 2).fit(0.5 * data(), epochs=1)


def test_no_sample_is_refused_and_one_is_enough():
    with pytest.raises(ArgumentError, match="data has no rows"):
        RBM(6, 2).fit(data()[:0], epochs=1)
    model = RBM(6, 2).fit(data()[:1], epochs=2, random_state=0)
    assert model.weight.isfinite().all()
    assert model.history.n_epochs == 2
    # A last batch of one row, too.
    RBM(6, 2).fit(data()[:9], epochs=1, batch_size=4, random_state=0)


def test_any_kind_of_numbers_is_taken(close):
    kinds = (torch.uint8, torch.int64, torch.bool, torch.float64, torch.float32)
    models = [RBM(6, 2).fit(data().to(kind), epochs=2, random_state=0) for kind in kinds]
    models.append(RBM(6, 2).fit(data().numpy(), epochs=2, random_state=0))
    assert all(torch.equal(models[0].weight, model.weight) for model in models)
    assert models[0].weight.dtype == torch.float32
    assert models[0].log_partition().dtype == torch.float32
    close(models[0].double().log_partition(), models[1].log_partition(), factor=1e4)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 2), "n_visible=0; expected a whole number of at least 1"),
        ((6, -1), "n_hidden=-1"),
        ((6, 2.0), r"n_hidden=2\.0"),
        ((True, 2), "n_visible=True"),
        ((6, 2, 0.0), r"temperature=0\.0; it must be above 0"),
        ((6, 2, math.nan), "temperature=nan"),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        RBM(*arguments)


def test_sizes_may_be_numbers_of_numpy():
    assert repr(RBM(np.int64(6), np.int32(2))) == repr(RBM(6, 2))


def test_a_learning_rate_of_0_is_refused():
    for tiny in TINY_ZOO:
        with pytest.raises(ArgumentError, match="learning_rate=0; it must be above 0"):
            tiny.build().default_solver(0)


def test_the_gradient_of_the_partition_does_not_depend_on_what_is_kept(monkeypatch):
    model = drawn(14, 13)
    monkeypatch.setattr(listing, "_KEPT", 0)
    anew = torch.autograd.grad(model.log_partition(), list(model.parameters()))
    monkeypatch.setattr(listing, "_KEPT", 1)
    kept = torch.autograd.grad(model.log_partition(), list(model.parameters()))
    assert all(torch.equal(x, y) for x, y in zip(anew, kept, strict=True))


@pytest.mark.parametrize("cls", [RBM, ConvRBM, DiscriminativeRBM])
def test_frozen_biases_do_not_start_at_the_data(cls):
    tiny = next(tiny for tiny in TINY_ZOO if tiny.cls is cls)
    model, data = cls(**tiny.arguments).double(), Dataset(tiny.visible[1:4])
    model.visible_bias.requires_grad_(False)
    model.prepare(data)
    assert not model.visible_bias.any()
    model.visible_bias.requires_grad_(True)
    model.prepare(data)
    assert model.visible_bias.any()


def test_what_is_remembered_of_a_batch_is_what_a_subclass_builds_on():
    class Louder(RBM):
        def hidden_field(self, v):
            return 2 * super().hidden_field(v)

    v = torch.eye(4)
    model = Louder(4, 3)
    with torch.no_grad():
        expected = model.hidden_field(v)
        with model.remembering(v):
            assert torch.equal(model.hidden_field(v), expected)
            assert torch.equal(model.hidden_field(v), expected)
            assert torch.equal(model.hidden_field(v.clone()), expected)
