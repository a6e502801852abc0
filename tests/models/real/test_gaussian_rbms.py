"""RBMs of real units: in the units of the data, with their noise, with known variances."""

import pytest
import torch
from exact import Exact, bit_states, interval_nodes, real_nodes, selu_nodes, total_variation_bound
from torch.func import functional_call

from deem.core.dataset import Dataset
from deem.core.solvers import Centring, ContrastiveDivergence
from deem.math.random import as_generator
from deem.models import (
    GaussianRBM,
    GaussianReluRBM,
    GaussianSeluRBM,
    SigmoidRBM,
    VarianceGaussianRBM,
)
from deem.samplers.likelihood import log_likelihood_of

REAL = [GaussianRBM, VarianceGaussianRBM, GaussianReluRBM, GaussianSeluRBM]


def columns(n=500, seed=0):
    """Two clusters in columns of very different units, and a constant column."""
    generator = torch.Generator().manual_seed(seed)
    side = torch.randint(0, 2, (n, 1), generator=generator).double() * 2 - 1
    noise = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    data = torch.tensor([1e4, -3.0, 0.0]) + torch.tensor([200.0, 0.01, 0.0]) * (side + noise)
    data[:, 2] = 0.1
    return data


def filled(model, spread, seed=0):
    """The model in float64 with normal parameters."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(spread * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return model


@pytest.mark.parametrize("cls", REAL)
def test_the_first_training_sets_the_units_for_good(cls, tmp_path):
    data = columns()
    model = cls(3, 2).double().fit(data, epochs=0)
    torch.testing.assert_close(model.location, data.mean(0))
    torch.testing.assert_close(model.scale[:2], data[:, :2].std(0, unbiased=False))
    assert model.scale[2] == 1
    model.save(tmp_path / "model")
    for trained in (model, cls.load(tmp_path / "model")):
        kept = trained.scale.clone()
        trained.fit(10 * data, epochs=0)
        assert torch.equal(trained.scale, kept)
    model.reset(0)
    model.fit(10 * data, epochs=0)
    torch.testing.assert_close(model.scale[:2], 10 * kept[:2])
    assert torch.equal(cls(3, 2, standardise=False).fit(data, epochs=0).scale, torch.ones(3))


@pytest.mark.parametrize("cls", REAL)
def test_units_of_the_data_change_nothing_but_the_units(cls):
    data, factor, shift = columns(), torch.tensor([7.0, 1e-3, 2.0]), torch.tensor([5.0, 1.0, 0])
    models = [cls(3, 2).double() for _ in range(2)]
    models[0].fit(data, epochs=2, random_state=0)
    models[1].fit(shift + factor * data, epochs=2, random_state=0)
    torch.testing.assert_close(models[1](shift + factor * data)[:9], models[0](data)[:9])
    expected = shift + factor * models[0].reconstruct(data)
    found = models[1].reconstruct(shift + factor * data)
    torch.testing.assert_close(found[:, :2], expected[:, :2])


def test_the_code_of_a_sample_depends_on_no_other():
    data = columns()
    model = GaussianRBM(3, 2).double().fit(data, epochs=2, random_state=0)
    torch.testing.assert_close(model(data[:1]), model(data)[:1])


def test_weights_count_in_the_standardisation():
    data = columns(60)
    weights = torch.arange(60.0).remainder(3)
    model = GaussianRBM(3, 2).double().fit(Dataset(data, weights=weights), epochs=0)
    repeated = data.repeat_interleave(weights.long(), 0)
    torch.testing.assert_close(model.location, repeated.mean(0))


@pytest.mark.parametrize("cls", [GaussianRBM, VarianceGaussianRBM])
def test_densities_integrate_to_one_in_the_units_of_the_data(cls):
    model = filled(cls(1, 3, temperature=0.7), 0.5)
    model.location.fill_(50.0)
    model.scale.fill_(20.0)
    z, log_weights = real_nodes(1, 12.0, 121)
    mass = (model.score_samples(50 + 20 * z) + log_weights).exp().sum() * 20
    assert float(mass.detach()) == pytest.approx(1)


def test_the_likelihood_by_sampling_knows_the_units():
    model = filled(GaussianRBM(2, 3), 0.5)
    model.location.fill_(50.0)
    model.scale.fill_(20.0)
    v = model.gibbs_step(torch.full((200, 2), 50.0, dtype=torch.float64), as_generator(0))
    found = log_likelihood_of(model, v, random_state=0)
    expected = float(model.score_samples(v).detach().mean())
    assert found.mean == pytest.approx(expected, abs=0.02)


def test_error_in_the_history_is_that_of_reconstructions():
    data = columns()
    solver = ContrastiveDivergence(1, 1e-9, deterministic=True)
    model = GaussianRBM(3, 2).double().fit(data, epochs=1, solver=solver, random_state=0)
    error = (model.reconstruct(data) - data).square().sum(1).mean()
    assert model.history["reconstruction_error"][0] == pytest.approx(float(error), rel=1e-6)
    assert "pseudo_likelihood" not in model.history


@pytest.mark.parametrize("cls", REAL)
def test_raw_pixels_do_not_blow_up_at_the_default_learning_rate(cls):
    pixels = 255 * torch.rand(200, 100, generator=torch.Generator().manual_seed(0)).round()
    pixels[:, 90:] = 0
    model = cls(100, 20).fit(pixels, epochs=5, batch_size=20, random_state=0)
    error = model.history["reconstruction_error"]
    assert error[-1] < 1.2 * error[0]


SPANS = {
    GaussianRBM: (bit_states(2), 0.0),
    VarianceGaussianRBM: (bit_states(2), 0.0),
    GaussianReluRBM: interval_nodes(1, 0, 10, 30),
    GaussianSeluRBM: selu_nodes(10, 30),
    SigmoidRBM: (bit_states(2), 0.0),
}


def built(cls):
    arguments = {} if cls is SigmoidRBM else {"temperature": 0.5}
    n_hidden = SPANS[cls][0].shape[1]
    spread = {SigmoidRBM: 4.0, GaussianRBM: 1.0}.get(cls, 0.7)
    return filled(cls(2, n_hidden, **arguments), spread, seed=3)


def bins_of(cls, model):
    """Edges of 12 bins, and the exact mass of each of both visible units in them."""
    low, high = (0.0, 1.0) if cls is SigmoidRBM else (-6.0, 6.0)
    width = (high - low) / 96
    line = low + width * (torch.arange(96.0, dtype=torch.float64) + 0.5)
    v = torch.cartesian_prod(line, line)
    hidden, log_weights = SPANS[cls]
    mass = Exact(model, v, hidden, 0.0, log_weights).log_v.exp().detach().reshape(96, 96)
    masses = [mass.sum(axis).reshape(12, 8).sum(1) for axis in (1, 0)]
    return torch.linspace(low, high, 13, dtype=torch.float64), masses


def distances(model, move, edges, masses, n=20000, sweeps=12):
    """Total variation of each visible unit after some sweeps, over what chance allows."""
    generator = as_generator(0)
    v = edges.mean() + torch.zeros(n, 2, dtype=torch.float64)
    for _ in range(sweeps):
        v = move(model, v, generator)
    found = []
    for unit, mass in enumerate(masses):
        counts = torch.histc(v[:, unit], 12, float(edges[0]), float(edges[-1]))
        distance = 0.5 * float((counts / n - mass).abs().sum())
        found.append(distance / total_variation_bound(mass, n))
    return found


def gibbs(model, v, generator):
    return model.gibbs_step(v, generator)


def mean_down(model, v, generator):
    """Negative control: the mean of the visible units is passed on as their draw."""
    return model.p_v(model.sample_h(v, generator)).mean


def mean_up(model, v, generator):
    """Negative control: the mean of the hidden units is passed on as their draw."""
    return model.sample_v(model(v), generator)


@pytest.mark.parametrize("cls", SPANS)
def test_long_chains_have_the_distribution_of_the_energy(cls):
    model = built(cls)
    edges, masses = bins_of(cls, model)
    assert max(distances(model, gibbs, edges, masses)) < 1
    # Two grey units say too little of hidden ones for their noise to matter.
    controls = [mean_down] if cls is SigmoidRBM else [mean_down, mean_up]
    for control in controls:
        assert max(distances(model, control, edges, masses)) > 1


def test_learned_variances_are_those_of_the_noise():
    generator = torch.Generator().manual_seed(0)
    noise = torch.tensor([0.2, 1.0, 3.0, 30.0], dtype=torch.float64)
    side = torch.randint(0, 2, (4000, 1), generator=generator).double()
    middle = side * torch.tensor([2.0, 4.0, -10.0, 50.0])
    data = middle + noise * torch.randn(4000, 4, generator=generator, dtype=torch.float64)
    solver = ContrastiveDivergence(1, 0.04, optimizer="adam")
    model = VarianceGaussianRBM(4, 1, random_state=1).double()
    model.fit(data, epochs=12, batch_size=200, solver=solver, random_state=0)
    found = model.noise_variance().detach().sqrt()
    assert (found / noise).tolist() == pytest.approx([1] * 4, rel=0.1)


def test_variances_of_constant_columns_stay_finite():
    data = torch.cat([columns()[:, :2], torch.ones(500, 1)], 1)
    solver = ContrastiveDivergence(1, 5.0, clip=10.0)
    model = VarianceGaussianRBM(3, 1).double()
    with torch.no_grad():
        model.log_variance.copy_(torch.tensor([0.0, 0.0, -13.0]))
    model.fit(data, epochs=10, solver=solver, random_state=0)
    assert model.log_variance[2] > -40
    assert model.free_energy(data).isfinite().all()


def test_centring_follows_the_gradient_of_centred_units():
    """In W, a, b of units less their offsets the plain gradient, taken back to the usual form."""
    model = filled(VarianceGaussianRBM(3, 2), 0.5)
    model.forward = model.free_energy
    v, chains = torch.randn(2, 8, 3, generator=as_generator(0), dtype=torch.float64)
    model.contrast(v, chains)
    Centring().apply(model, v, chains)
    offsets = [(x + y) / 2 for x, y in zip(*map(model.unit_means, (v, chains)), strict=True)]
    visible, hidden = (x.detach() for x in offsets)
    w, a, b = (
        getattr(model, name).detach().clone().requires_grad_()
        for name in ("weight", "visible_bias", "hidden_bias")
    )
    # With W moved from where it is, these biases keep (c - visible) W (h - hidden) + a c + b h.
    moved = w - w.detach()
    state = {"weight": w, "visible_bias": a - moved @ hidden, "hidden_bias": b - visible @ moved}
    ends = [
        functional_call(model, {**dict(model.named_parameters()), **state}, x) for x in (v, chains)
    ]
    (ends[0].mean() - ends[1].mean()).backward()
    torch.testing.assert_close(model.weight.grad, w.grad)
    torch.testing.assert_close(model.visible_bias.grad, a.grad - w.grad @ hidden)
    torch.testing.assert_close(model.hidden_bias.grad, b.grad - visible @ w.grad)


@pytest.mark.parametrize("cls", [GaussianReluRBM, GaussianSeluRBM])
def test_gain_tells_where_chains_run_away(cls):
    model = filled(cls(2, 3), 0.3)
    slope = 1.0507009873554805 if cls is GaussianSeluRBM else 1.0
    ends = []
    for gain in (0.9, 1.2):
        with torch.no_grad():
            model.weight.copy_(model.weight.abs() * (gain / model.gain()) ** 0.5)
        assert model.gain() == pytest.approx(gain)
        size = float(torch.linalg.svdvals(model.weight.detach())[0])
        assert slope * size**2 == pytest.approx(gain)
        v = torch.full((50, 2), 30.0, dtype=torch.float64)
        for _ in range(100):
            v = model.gibbs_step(v, as_generator(0))
        ends.append(float(v.abs().max()))
    assert ends[0] < 30 < 1e3 < ends[1]


def test_grey_pixels_have_a_likelihood():
    """A column of density 2 v has log-likelihood log 2 - 1/2 under itself, a bit none at all."""
    data = torch.rand(2000, 1, generator=torch.Generator().manual_seed(0)).double().sqrt()
    model = SigmoidRBM(1, 1).double().fit(data, epochs=20, random_state=0)
    with torch.no_grad():
        assert float(model.score_samples(data).mean()) == pytest.approx(0.193, abs=0.05)
    drawn = model.sample_v(model.sample_h(data, as_generator(0)), as_generator(1))
    assert float(drawn.mean()) == pytest.approx(float(data.mean()), abs=0.03)
