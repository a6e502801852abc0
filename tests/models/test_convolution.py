"""Convolutional models: adjoint fields, pooling, temperature, scale of the data, errors."""

import numpy as np
import pytest
import torch
from exact import total_variation, total_variation_bound
from scipy.signal import correlate2d
from sklearn.datasets import load_digits
from tiny import TINY_ZOO

from deem.core.solvers import Centring, ContrastiveDivergence, SparsityTarget
from deem.math import listing
from deem.math.random import as_generator
from deem.math.units import Binary
from deem.models import ConvRBM, GaussianConvRBM
from deem.samplers import Gibbs
from deem.samplers.ais import annealed_importance
from deem.samplers.gibbs_path import IndependentUnits
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

TINY = [tiny for tiny in TINY_ZOO if tiny.cls in (ConvRBM, GaussianConvRBM)]
PLAIN, POOLED, REAL = TINY


def filled(model, seed=0):
    """The model in float64 with normal parameters."""
    generator = as_generator(seed)
    with torch.no_grad():
        for p in model.double().parameters():
            p.normal_(generator=generator)
    return model


def images(n, model, seed=1):
    """Binary images of the size of a model."""
    return torch.rand(n, *model.visible_shape, generator=as_generator(seed)).round().double()


GEOMETRIES = [
    dict(visible_shape=(5, 7), filter_shape=(2, 3)),
    dict(visible_shape=(5, 7), filter_shape=(5, 7)),
    dict(visible_shape=(6, 5), filter_shape=(2, 2), stride=2, n_channels=3),
    dict(visible_shape=(8, 6), filter_shape=(3, 3), stride=3, padding=2),
    dict(visible_shape=(7, 5), filter_shape=(4, 2), stride=4, padding=1, n_channels=2),
    dict(visible_shape=(3, 3), filter_shape=(5, 5), padding=1),
]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_visible_and_hidden_fields_are_adjoint(geometry, temperature, generator, close):
    model = filled(ConvRBM(**geometry, n_filters=4, temperature=temperature))
    v, h = (
        torch.randn(3, *shape, generator=generator, dtype=torch.float64)
        for shape in (model.visible_shape, model.hidden_shape)
    )
    up, down = (
        field - bias.reshape(-1, 1, 1) / temperature
        for field, bias in (
            (model.hidden_field(v), model.hidden_bias),
            (model.visible_field(h), model.visible_bias),
        )
    )
    assert up.shape == h.shape
    assert down.shape == v.shape
    close((up * h).flatten(1).sum(1), (v * down).flatten(1).sum(1))


def test_the_hidden_field_slides_filters_over_the_padded_image(close):
    model = filled(ConvRBM((5, 6), (3, 2), n_filters=2, n_channels=2, stride=2, padding=1))
    v = images(1, model)
    padded = np.pad(v[0].numpy(), ((0, 0), (1, 1), (1, 1)))
    for k, bias in enumerate(model.hidden_bias.tolist()):
        w = model.weight[k].detach().numpy()
        by_hand = sum(correlate2d(padded[c], w[c], "valid") for c in range(2))
        close(model.hidden_field(v)[0, k], bias + by_hand[::2, ::2])


@pytest.mark.parametrize("cls", [ConvRBM, GaussianConvRBM])
def test_a_temperature_divides_all_parameters(cls, close):
    arguments = dict(visible_shape=(4, 4), filter_shape=(3, 3), n_filters=2, pooling=2)
    warm, plain = (filled(cls(**arguments, temperature=t)) for t in (2.5, 1.0))
    with torch.no_grad():
        for p in warm.parameters():
            p.mul_(2.5)
    v = images(5, plain)
    if cls is GaussianConvRBM:
        # The noise grows with the temperature too, so the unit of length does.
        close(warm.code(v), plain.code(v))
        own = v.square().flatten(1).sum(1) / 2
        close(warm.free_energy(v) - own / 2.5, plain.free_energy(v) - own)
        close(warm.p_v(warm(v)).variance, torch.full(v.shape, 2.5))
    else:
        close(warm.free_energy(v), plain.free_energy(v))
        close(warm.reconstruct(v), plain.reconstruct(v))


def test_both_layers_give_the_same_partition(close):
    for tiny in (PLAIN, POOLED):
        model = tiny.build(3)
        close(model.log_partition(), tiny.exact(model).log_z)
    # Hidden units that are many more than the pixels, and many fewer.
    for n_filters, side in ((30, 1), (1, 2)):
        model = filled(ConvRBM((2, 2), (side, side), n_filters=n_filters))
        h = model.hidden_shape
        assert (np.prod(h) > 4) == (n_filters == 30)
        states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 4)
        listed = -model.free_energy(states.reshape(-1, 1, 2, 2))
        close(model.log_partition(), listed.logsumexp(0))
    with pytest.raises(IntractableError, match=r"at most 2\^20 states"):
        ConvRBM().log_partition()


def test_pooled_is_the_probability_of_any_unit_of_the_block(close):
    model = POOLED.build(1)
    exact = POOLED.exact(model)
    on = exact.h.sum((2, 3), keepdim=True)
    close(model.pooled(exact.v), torch.tensordot(exact.log_h_given_v.exp(), on, dims=1))
    assert model.pooled(exact.v).shape[1:] == model.pooled_shape
    plain = PLAIN.build(1)
    close(plain.pooled(PLAIN.visible), plain(PLAIN.visible))
    assert plain.pooled_shape == plain.hidden_shape


@pytest.mark.parametrize("tiny", TINY[:2], ids=["plain", "pooled"])
def test_annealing_and_exact_draws_agree_with_the_listed_distribution(tiny):
    model = tiny.build(2)
    p = tiny.exact(model).log_v.exp().detach()
    draws = model.exact_draws(5000, as_generator(0))
    bound = total_variation_bound(p, len(draws))
    assert total_variation(tiny.exact(model).histogram(draws), p) < bound
    base = IndependentUnits(model)
    found = annealed_importance(model, base, generator=as_generator(0), n_steps=50)
    assert found.log_partition == pytest.approx(model.log_partition().item(), abs=0.15)


def distance_after_gibbs(tiny, model, n=5000):
    """Of many chains to the truth, less what chance allows."""
    p = tiny.exact(model).log_v.exp().detach()
    start = tiny.visible[torch.randint(len(p), (n,), generator=as_generator(0))]
    v, _ = Gibbs().run(model, start, 30, as_generator(1))
    return total_variation(tiny.exact(model).histogram(v), p) - total_variation_bound(p, n)


@pytest.mark.parametrize("tiny", [PLAIN, POOLED], ids=["plain", "pooled"])
def test_long_chains_reach_the_listed_distribution(tiny):
    assert distance_after_gibbs(tiny, tiny.build(2)) < 0


def test_the_chains_notice_units_that_are_not_pooled():
    model, wrong = POOLED.build(2), POOLED.build(2)
    wrong.hidden_units = Binary()
    p = POOLED.exact(model).log_v.exp().detach()
    v, _ = Gibbs().run(wrong, POOLED.data(5000), 30, as_generator(1))
    bound = total_variation_bound(p, len(v))
    assert total_variation(POOLED.exact(model).histogram(v), p) > 1.5 * bound


def test_a_sparsity_target_is_that_of_a_filter(close):
    model = filled(ConvRBM((6, 6), (3, 3), n_filters=3))
    v = images(40, model)
    v[..., :3] = 0
    penalty = SparsityTarget(0.1, strength=2.0)
    close(penalty.value(model, v), 2 * (0.1 - model(v).mean((0, 2, 3))).square().sum())
    solver = ContrastiveDivergence(learning_rate=0.01, penalties=[SparsityTarget(0.1, 1000.0)])
    model.fit(v, epochs=60, solver=solver, random_state=0)
    assert (model.activity(v) - 0.1).abs().max() < 0.02
    # The positions of a filter may differ from each other as they like.
    assert (model(v).mean(0) - 0.1).abs().max() > 0.05


def test_biases_start_at_the_log_odds_of_the_channels(close):
    model = ConvRBM((4, 4), (2, 2), n_channels=2, temperature=2.0).double()
    v = (torch.rand(500, 2, 4, 4, generator=as_generator(0)) < 0.2).double()
    v[:, 1] = 0
    model.fit(v, epochs=1, learning_rate=1e-12, random_state=0)
    rates = torch.sigmoid(model.visible_bias / 2)
    close(rates, (v.sum((0, 2, 3)) + 1) / 8002)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(filter_shape=(5, 3)), "filter_shape=.5, 3. is larger than visible_shape=.4, 4."),
        (dict(padding=3), "padding=3; expected a whole number from 0 to 2"),
        (dict(padding=-1), "padding=-1"),
        (dict(pooling=3), "pooling=3, but the 2 x 2 hidden units .* crop the images"),
        (dict(pooling=0), "pooling=0; expected"),
        (dict(visible_shape=16), "visible_shape=16; expected .height, width."),
        (dict(visible_shape=(1, 4, 4)), "expected .height, width."),
        (dict(filter_shape=(3, 0)), "filter_shape.1.=0"),
        (dict(stride=0), "stride=0"),
        (dict(n_filters=2.0), "n_filters=2.0"),
        (dict(n_channels=0), "n_channels=0"),
        (dict(temperature=0), "temperature=0"),
    ],
)
def test_wrong_arguments_are_named_with_their_cure(wrong, message):
    with pytest.raises(ArgumentError, match=message):
        ConvRBM(**{"visible_shape": (4, 4), "filter_shape": (3, 3), **wrong})


def test_sizes_may_be_numbers_of_numpy():
    sizes = [np.int64(x) for x in (8, 3, 2, 1)]
    shape, filters = [sizes[0]] * 2, [sizes[1]] * 2
    model = ConvRBM(shape, filters, sizes[2], sizes[3], padding=sizes[3], pooling=sizes[2])
    assert repr(model) == repr(ConvRBM((8, 8), (3, 3), 2, 1, padding=1, pooling=2))
    # 5 to the power of 32 states, more than int64 can tell.
    with pytest.raises(IntractableError):
        model.log_partition()


def test_wrong_data_and_solvers_are_refused():
    model = ConvRBM((4, 4), (3, 3))
    with pytest.raises(ShapeError, match=r"shape \(4, 4\), but .* have shape \(1, 4, 4\)"):
        model.fit(torch.zeros(5, 4, 4))
    with pytest.raises(ArgumentError, match="no centre_gradient"):
        model.fit(torch.zeros(5, 1, 4, 4), solver=ContrastiveDivergence(centring=Centring()))
    assert not model.visible_bias.any()


# ---- real pixels


def test_density_and_draws_are_in_the_units_of_the_data(close):
    model, plain = REAL.build(1), REAL.build(1)
    model.location.fill_(50.0)
    model.scale.fill_(4.0)
    v = REAL.visible[::50]
    raw = 50 + 4 * v
    close(model.score_samples(raw), plain.score_samples(v) - 2 * np.log(4))
    close(model(raw), plain(v))
    close(model.reconstruct(raw), 50 + 4 * plain.reconstruct(v))
    draws = [m.gibbs_step(x, as_generator(0)) for m, x in ((model, raw), (plain, v))]
    close(draws[0], 50 + 4 * draws[1])


def test_training_does_not_depend_on_the_units_of_the_data(close):
    v = REAL.data(60)
    models = [REAL.build(1), REAL.build(1)]
    for model, data in zip(models, (v, 1000 + 0.01 * v), strict=True):
        model.fit(data, epochs=3, batch_size=20, random_state=0)
    for p, q in zip(*(model.parameters() for model in models), strict=True):
        close(p, q, factor=1e4)
    close(models[1].scale, 0.01 * models[0].scale, factor=1e4)


def test_the_scale_is_fitted_once_and_channels_have_their_own():
    v = torch.randn(100, 3, 4, 4, generator=as_generator(0)) * torch.tensor([2.0, 30, 0]).reshape(
        3, 1, 1
    )
    v[:, 2] = 7.7
    model = GaussianConvRBM((4, 4), (2, 2), n_channels=3).fit(v, epochs=1, random_state=0)
    assert model.scale.flatten().tolist() == pytest.approx([2, 30, 1], rel=0.05)
    assert model.location[2].item() == pytest.approx(7.7)
    kept = model.scale.clone()
    assert torch.equal(model(v[:1]), model(v)[:1])
    assert torch.equal(model.fit(5 * v, epochs=1, random_state=0).scale, kept)
    model.reset()
    assert torch.equal(model.scale, torch.ones(3, 1, 1))
    assert torch.equal(model.fit(5 * v, epochs=1, random_state=0).scale[:2], 5 * kept[:2])
    raw = GaussianConvRBM((4, 4), (2, 2), n_channels=3, standardise=False)
    assert torch.equal(raw.fit(v / 30, epochs=1).scale, torch.ones(3, 1, 1))


def textures(n, side, generator):
    """Images with the spectrum of natural ones, three channels alike but for noise."""
    f = torch.fft.fftfreq(side).square()
    amplitude = 1 / ((f[:, None] + f).sqrt() + 1 / side)
    noise = torch.randn(n, 1, side, side, generator=generator)
    smooth = torch.fft.ifft2(torch.fft.fft2(noise) * amplitude).real
    return 128 + 20 * (smooth + 0.1 * torch.randn(n, 3, side, side, generator=generator))


@pytest.mark.parametrize("kind", ["digits", "textures"])
@pytest.mark.parametrize("n_filters", [4, 48])
def test_training_at_the_defaults_does_not_blow_up(kind, n_filters, generator):
    digits = torch.tensor(load_digits().images[:160], dtype=torch.float32)[:, None]
    v = digits if kind == "digits" else textures(160, 12, generator)
    model = GaussianConvRBM(tuple(v.shape[2:]), (3, 3), n_filters, v.shape[1])
    model.fit(v, epochs=10, batch_size=20, random_state=0)
    errors = model.history["reconstruction_error"]
    assert errors[-1] < 0.97 * errors[0]
    # Twice the variance is what draws give that know nothing of the image.
    assert errors[-1] < 2 * float(v.var((0, 2, 3)).sum()) * v[0, 0].numel()


def test_states_that_are_looked_at_twice_give_the_same_gradient(monkeypatch):
    found = []
    for numbers in (2**22, 200):
        monkeypatch.setattr(listing, "_NUMBERS", numbers)
        monkeypatch.setattr(listing, "_KEPT", 16 if numbers > 200 else 0)
        model = ConvRBM((3, 4), (2, 2), 1).double()
        model.log_partition().backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("options", [{"temperature": "high"}, {"padding": True}])
def test_other_kinds_of_values_are_refused(options):
    with pytest.raises(ArgumentError, match=f"{next(iter(options))}=.*expected a"):
        ConvRBM((6, 6), (3, 3), **options)
