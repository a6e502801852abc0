"""Annealing of harmoniums by Gibbs sweeps: the path, the estimates, the likelihoods."""

import math

import pytest
import torch
from exact import Exact, bit_states, real_nodes, total_variation, total_variation_bound
from sklearn.datasets import load_digits
from tiny import TINY_ZOO

from deem.core.model import Model
from deem.math.random import as_generator
from deem.math.units import Gaussian, Rectified, UnitInterval
from deem.models import RBM, DiscriminativeRBM, harmonium
from deem.models.harmonium import DenseHarmonium, Harmonium
from deem.samplers import GibbsWithGradients, TemperedGibbs
from deem.samplers.ais import annealed_importance, bracket, reverse_annealed_importance
from deem.samplers.gibbs_path import GibbsPath, IndependentUnits
from deem.samplers.likelihood import log_likelihood_of
from deem.samplers.path import exact_draws
from deem.utils.exception import ArgumentError, IntractableError, ShapeError


class OfGaussian(DenseHarmonium):
    visible_units = Gaussian(0.5)


class OfIntervals(DenseHarmonium):
    visible_units = UnitInterval()


class ToRectified(DenseHarmonium):
    hidden_units = Rectified()


KINDS = [RBM, OfGaussian, OfIntervals, ToRectified]
every_kind = pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)


def drawn(cls, n_visible=4, n_hidden=3, scale=1.0, **arguments):
    model = cls(n_visible, n_hidden, **arguments).double()
    generator = torch.Generator().manual_seed(3)
    # Rectified units have a density of their own only with small weights.
    scale = 0.4 if cls is ToRectified else scale
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


@pytest.fixture
def rbm():
    return drawn(RBM, scale=1.5)


@pytest.fixture(scope="module")
def digits():
    v = torch.from_numpy(load_digits().data > 7).float()
    return RBM(64, 16).fit(v[:1400], epochs=6, batch_size=20, random_state=0), v


@every_kind
def test_a_path_ends_at_normalised_units_and_at_the_model(cls, close):
    model = drawn(cls)
    base = IndependentUnits(model, torch.linspace(-1, 1, 4).double())
    path, v = base.path_to(model, None), base.sample(20, as_generator(0))
    close(path.free_energy(v, 1.0), model.free_energy(v))
    close(path.free_energy(v, 0.0), base.free_energy(v))
    close(path.log_ratio(v, 0.0, 1.0), base.free_energy(v) - model.free_energy(v))
    betas = torch.linspace(0, 1, 20).double()
    one_by_one = [path.free_energy(x[None], float(b)) for x, b in zip(v, betas, strict=True)]
    close(path.free_energy(v, betas), torch.cat(one_by_one))


@pytest.mark.parametrize(
    "tiny",
    # Those whose draws are all read from the fields.
    [pytest.param(t, id=t.name) for t in TINY_ZOO if getattr(t.cls, "p_v", None) is Harmonium.p_v],
)
def test_every_model_of_two_layers_can_be_annealed_and_tempered(tiny, close):
    model = tiny.build(1).eval()
    exact, n = tiny.exact(model), 60
    states = exact.v.repeat(n // len(exact.v) + 1, *[1] * (exact.v.dim() - 1))[:n]
    hidden = exact.h[torch.arange(n) % len(exact.h)]
    close(model.visible_given(model.visible_field(hidden)).mean, model.p_v(hidden).mean)
    close(model.hidden_given(model.hidden_field(states)).mean, model.p_h(states).mean)
    base = IndependentUnits(model)
    close((-base.free_energy(exact.v) + exact.log_weight_v).logsumexp(0), 0.0)
    found = bracket(model, base, generator=as_generator(0), n_steps=50, n_chains=n)
    assert found.lower - 0.2 < exact.log_z.item() < found.upper + 0.2
    sampler = TemperedGibbs((1.0, 2.0))
    chains, metrics = sampler.run(model, sampler.start(states, None), 2, as_generator(0))
    assert sampler.draws(chains).shape == states.shape
    assert 0.2 < metrics["swap_rate"] <= 1


def test_between_the_ends_hidden_states_are_summed_out(rbm, close):
    v, h = bit_states(4), bit_states(3)
    field, beta = torch.linspace(-1, 1, 4).double(), 0.3
    pairs = v[:, None] @ rbm.weight @ h.T
    own = v @ (beta * rbm.visible_bias + (1 - beta) * field)
    table = own[:, None] + beta * (pairs[:, 0] + h @ rbm.hidden_bias)
    found = -GibbsPath(rbm, field).free_energy(v, beta)
    close(found - found[0], table.logsumexp(1) - table.logsumexp(1)[0])


def test_a_sweep_leaves_its_own_distribution_as_it_is_and_no_other(rbm):
    path, v, n = GibbsPath(rbm, torch.linspace(-2, 2, 4).double()), bit_states(4), 20_000
    p = (-path.free_energy(v, 0.4)).softmax(0).detach()
    start = v[torch.multinomial(p, n, True, generator=as_generator(0))]
    bound = total_variation_bound(p, n)
    exact = Exact(rbm, v, bit_states(3))
    distances = [
        total_variation(exact.histogram(path.move(start, beta, as_generator(1))), p)
        for beta in (0.4, torch.full((n,), 0.4).double(), 0.8)
    ]
    assert max(distances[:2]) < bound < distances[2]


def test_rows_that_are_taken_keep_what_is_known_of_them(rbm, close):
    path, v = GibbsPath(rbm, torch.zeros(4).double()), bit_states(4)
    path.free_energy(v, 0.5)
    rows = torch.tensor([3, 3, 0, 7])
    taken = path.take(v, rows)
    close(taken, v[rows])
    close(path.free_energy(taken, 0.5), path.free_energy(v[rows], 0.5))


@every_kind
def test_units_with_the_means_of_data(cls, close):
    model = drawn(cls)
    v = model.sample(50, 20, random_state=0)
    base = IndependentUnits.of(model, v)
    centre = model.visible_given(torch.zeros(1, 4).double()).mean
    close(model.visible_given(base.field[None]).mean, (v.sum(0) + centre) / 51)
    assert base.field.abs().max() < 20
    on = IndependentUnits.of(drawn(RBM), torch.ones(9, 4))
    close(on.field, torch.full((4,), 19.0).double().log())


def test_a_base_is_normalised_and_has_a_gradient(rbm, close):
    base = IndependentUnits(rbm)
    close((-base.free_energy(bit_states(4))).exp().sum(), 1.0)
    gradient = base.free_energy_and_gradient(bit_states(4))[1]
    close(gradient, -rbm.visible_bias.expand(16, 4))


@every_kind
def test_estimates_and_bracket_hold_the_exact_value(cls, generator):
    model = drawn(cls, 5, 4, 1.2)
    found = bracket(model, IndependentUnits(model), generator=generator, n_steps=100)
    expected = float(model.log_partition().detach())
    assert found.forward.log_partition == pytest.approx(expected, abs=0.1)
    assert found.reverse.log_partition == pytest.approx(expected, abs=0.1)
    assert found.lower < expected < found.upper
    assert found.is_bound


def z_score(log_ratio):
    """Of the mean of weights over the truth, which is 1 in expectation."""
    ratio = log_ratio.exp()
    return float((ratio.mean() - 1) / (ratio.std() / len(ratio) ** 0.5))


def test_weights_are_unbiased_both_ways(rbm, generator):
    base, expected, n = IndependentUnits(rbm), float(rbm.log_partition().detach()), 20_000
    settings = {"generator": generator, "n_steps": 6}
    forward = annealed_importance(rbm, base, n_chains=n, **settings)
    starts = rbm.exact_draws(n, generator)
    back = reverse_annealed_importance(rbm, base, starts, exact_starts=True, **settings)
    assert abs(z_score(forward.log_weights - expected)) < 4
    assert abs(z_score(expected - back.log_weights)) < 4


def test_weights_of_a_wrong_sweep_are_biased(rbm, generator, monkeypatch):
    """Negative control: the visible units are drawn as if they were at the model already."""

    def careless(self, v, beta, generator):
        h = self.model.hidden_given(beta * self.model.hidden_field(v)).mean.round()
        return self.model.sample_v(h, generator)

    monkeypatch.setattr(GibbsPath, "move", careless)
    expected = float(rbm.log_partition().detach())
    found = annealed_importance(
        rbm, IndependentUnits(rbm), generator=generator, n_steps=6, n_chains=20_000
    )
    assert abs(z_score(found.log_weights - expected)) > 6


@pytest.mark.parametrize("sizes", [(4, 3), (3, 4)], ids=["hidden", "visible"])
def test_exact_draws_follow_the_model_whichever_layer_is_listed(sizes):
    model, n = drawn(RBM, *sizes, 1.5), 20_000
    exact = Exact(model, bit_states(sizes[0]), bit_states(sizes[1]))
    p = exact.log_v.exp().detach()
    found = exact.histogram(exact_draws(model, n, sizes[:1], as_generator(0)))
    bound = total_variation_bound(p, n)
    assert total_variation(found, p) < bound < total_variation(found, p.flip(0))


def test_exact_draws_of_real_units_have_the_moments_of_the_density(close):
    model, n = drawn(OfGaussian, 2, 3), 20_000
    nodes, weights = real_nodes(2)
    p = (model.score_samples(nodes) + weights).exp().detach()
    close(p.sum(), 1.0, factor=100)
    v = model.exact_draws(n, as_generator(0))
    mean = p @ nodes
    error = (p @ (nodes - mean).square() / n).sqrt()
    assert ((v.mean(0) - mean).abs() < 4 * error).all()
    assert ((v.mean(0) - model.visible_bias * 0.5).abs() > 10 * error).any()


def test_digits_are_within_a_twentieth_of_a_nat(digits):
    model, v = digits
    expected = float(model.log_partition().detach())
    base = IndependentUnits.of(model, v)
    found = bracket(model, base, generator=as_generator(0), n_steps=300, n_chains=100)
    assert found.forward.log_partition == pytest.approx(expected, abs=0.05)
    assert found.reverse.log_partition == pytest.approx(expected, abs=0.05)
    assert found.lower < expected < found.upper
    assert found.upper - found.lower < 0.3
    # Negative control: importance sampling alone.
    far = annealed_importance(model, base, generator=as_generator(0), n_steps=0, n_chains=100)
    assert abs(far.log_partition - expected) > 0.2


def test_likelihood_is_exact_where_it_can_be_and_enclosed_elsewhere(digits, monkeypatch, close):
    model, v = digits
    exact = log_likelihood_of(model, v[1400:])
    close(exact.values, model.score_samples(v[1400:]), factor=1e4)
    assert exact.partition is None
    assert exact.lower == exact.mean == exact.upper
    monkeypatch.setattr(harmonium, "MAX_LISTED_UNITS", 0)
    with pytest.raises(IntractableError, match="no layer of at most 0 binary units"):
        model.log_partition()
    runs = [
        log_likelihood_of(model, v[1400:], n_steps=100, n_chains=100, random_state=0)
        for _ in range(2)
    ]
    assert runs[0].mean == runs[1].mean == pytest.approx(exact.mean, abs=0.1)
    assert runs[0].lower < exact.mean < runs[0].upper
    assert runs[0].values.shape == (397,)
    assert not runs[0].partition.is_bound
    assert runs[0].partition.forward.is_bound


def test_data_of_the_wrong_shape_or_of_nan_have_no_likelihood(rbm):
    with pytest.raises(ShapeError, match=r"samples of shape \(2,\)"):
        log_likelihood_of(rbm, torch.zeros(3, 2))
    with pytest.raises(ArgumentError, match="NaN or infinity in 1 of 3"):
        log_likelihood_of(
            rbm, torch.zeros(3, rbm.n_visible).index_fill(0, torch.tensor(1), math.nan)
        )


def test_units_beside_a_class_have_a_likelihood(monkeypatch):
    model = drawn(DiscriminativeRBM, n_classes=3)
    v = model.exact_draws(50, as_generator(0))
    exact = log_likelihood_of(model, v)
    monkeypatch.setattr(harmonium, "MAX_LISTED_UNITS", 0)
    found = log_likelihood_of(model, v, n_steps=100, n_chains=200, random_state=0)
    assert found.mean == pytest.approx(exact.mean, abs=0.05)
    assert found.lower < exact.mean < found.upper


def test_units_of_single_precision_have_weights_in_double(generator):
    model = drawn(RBM).float()
    found = annealed_importance(model, IndependentUnits(model), generator=generator, n_steps=5)
    assert found.log_weights.dtype == torch.float64
    assert found.chains.dtype == torch.float32
    assert math.isfinite(found.log_partition)


class Plain(Model):
    """Without layers."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(4))

    def free_energy(self, v):
        return -v @ self.bias


def test_wrong_arguments_are_named(rbm, generator):
    base, settings = IndependentUnits(rbm), {"generator": generator, "n_steps": 1}
    with pytest.raises(ArgumentError, match="sampler=GibbsWithGradients, but .* leave it out"):
        annealed_importance(rbm, base, sampler=GibbsWithGradients(), **settings)
    with pytest.raises(ArgumentError, match="a unit is always there"):
        annealed_importance(rbm, base, present=torch.tensor([True, True, False, True]), **settings)
    with pytest.raises(ShapeError, match=r"field has shape \(3,\); expected \(4,\)"):
        IndependentUnits(rbm, torch.zeros(3))
    with pytest.raises(ShapeError, match=r"shape \(4,\), but the model over \(6,\)"):
        annealed_importance(drawn(RBM, 6), base, **settings)
    with pytest.raises(ArgumentError, match="Plain has no fields between two layers"):
        IndependentUnits(Plain())
    with pytest.raises(ArgumentError, match="base is RBM, which has neither"):
        annealed_importance(rbm, rbm, **settings)
    with pytest.raises(ArgumentError, match="v has no samples"):
        log_likelihood_of(rbm, torch.zeros(0, 4))
