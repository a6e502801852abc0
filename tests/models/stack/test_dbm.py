"""Deep Boltzmann machines against enumeration; the contract tests know one of them too."""

from itertools import product

import pytest
import torch
from exact import bit_states

from deem.core.dataset import Dataset
from deem.models import DBM, RBM
from deem.models.stack.copied_rbm import CopiedRBM
from deem.samplers.ais import bracket
from deem.samplers.gibbs_path import IndependentUnits
from deem.utils.exception import ArgumentError, IntractableError, ShapeError


def spread(model, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    model = model.double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


def patterns(n=60):
    return torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]).repeat(n // 2, 1)


def table(model):
    """All joint states, a list of layers each, and their energies as they are written down."""
    sizes = [len(b) for b in model.biases]
    states = [torch.stack(x) for x in zip(*product(*map(bit_states, sizes)), strict=True)]
    energy = -sum(s @ b for s, b in zip(states, model.biases, strict=True))
    for low, weight, high in zip(states, model.weights, states[1:], strict=False):
        energy = energy - torch.einsum("ni,ij,nj->n", low, weight, high)
    return states, energy.detach()


SHAPES = [(4, (3,)), (4, (3, 2)), (3, (2, 2, 1)), (2, (3, 2, 1, 2))]


@pytest.fixture(params=SHAPES, ids=str)
def model(request):
    return spread(DBM(*request.param))


def test_energy_probabilities_and_log_partition_are_the_enumerated_ones(model):
    states, energy = table(model)
    torch.testing.assert_close(model.energy(*states).detach(), energy)
    torch.testing.assert_close(model.energy(*model.join(states)).detach(), energy)
    split = model.split(*model.join(states))
    assert all(torch.equal(a, b) for a, b in zip(split, states, strict=True))
    log_z = (-energy).logsumexp(0)
    torch.testing.assert_close(model.log_partition().detach(), log_z)
    v = bit_states(model.n_visible)
    log_p = (-energy).reshape(len(v), -1).logsumexp(1) - log_z
    torch.testing.assert_close(model.score_samples(v).detach(), log_p)


@pytest.mark.parametrize("shape", [(3, (6, 1)), (3, (1, 6))])
def test_either_side_may_be_the_one_that_is_listed(shape):
    model = spread(DBM(*shape))
    _, energy = table(model)
    v = bit_states(3)
    torch.testing.assert_close(
        -model.free_energy(v).detach(), (-energy).reshape(8, -1).logsumexp(1)
    )
    torch.testing.assert_close(model.log_partition().detach(), (-energy).logsumexp(0))


def test_gibbs_sweeps_leave_the_joint_distribution_invariant(model):
    x, y = bit_states(model.visible_shape[0]), bit_states(model.hidden_shape[0])
    log_x = model.score_samples(x)
    up = torch.stack([model.p_h(x).log_prob(s.expand(len(x), -1)) for s in y], 1)
    down = torch.stack([model.p_v(y).log_prob(s.expand(len(y), -1)) for s in x], 1)
    after = (log_x[:, None] + (up.exp() @ down.exp()).log()).logsumexp(0)
    torch.testing.assert_close(after, log_x)


def test_mean_field_is_a_fixed_point_and_its_bound_lies_below(model):
    v = bit_states(model.n_visible)
    model.tolerance, model.max_steps = 1e-12, 2000
    layers = [v, *model.mean_field(v)]
    for i, mean in enumerate(layers[1:], 1):
        field = layers[i - 1] @ model.weights[i - 1] + model.biases[i]
        if i + 1 < len(layers):
            field = field + layers[i + 1] @ model.weights[i].t()
        torch.testing.assert_close(mean, field.sigmoid().detach())
    bound, exact = model.log_likelihood_bound(v), model.score_samples(v)
    if len(layers) == 2:
        torch.testing.assert_close(bound, exact)
    else:
        assert (bound < exact).all()
    torch.testing.assert_close(
        model.log_likelihood_bound(v, log_partition=model.log_partition() + 1), bound - 1
    )


def test_more_sweeps_of_the_mean_field_never_lower_the_bound(model):
    v, bounds = bit_states(model.n_visible), []
    model.tolerance = 1e-12
    for model.max_steps in (1, 2, 3, 5, 10):
        bounds.append(model.log_likelihood_bound(v))
    assert (torch.stack(bounds).diff(dim=0) > -1e-12).all()


def test_a_machine_of_one_hidden_layer_is_an_rbm():
    model, rbm = spread(DBM(4, (3,))), RBM(4, 3).double()
    with torch.no_grad():
        rbm.weight.copy_(model.weights[0])
        rbm.visible_bias.copy_(model.biases[0])
        rbm.hidden_bias.copy_(model.biases[1])
    v = bit_states(4)
    torch.testing.assert_close(model.score_samples(v), rbm.score_samples(v))
    torch.testing.assert_close(model.transform(v), rbm(v).detach())
    torch.testing.assert_close(model.reconstruct(v), rbm.reconstruct(v))


def test_training_raises_the_exact_likelihood():
    v = patterns(100)
    model = DBM(4, (3, 2))
    before = model.score_samples(v).mean()
    model.fit(v, epochs=25, batch_size=10, learning_rate=0.2, random_state=0)
    assert model.score_samples(v).mean() > before + 1
    assert set(model.history) >= {"free_energy", "free_energy_gap", "reconstruction_error"}
    error = model.history["reconstruction_error"]
    assert error[-1] < 0.6 * error[0]


def test_pretraining_raises_the_exact_likelihood_and_says_where_training_starts():
    v = patterns(100)
    model = DBM(4, (3, 2, 2))
    before = model.score_samples(v).mean()
    options = {"epochs": 10, "batch_size": 10, "learning_rate": 0.3, "random_state": 0}
    assert model.pretrain(v, **options) is model
    assert model.score_samples(v).mean() > before + 0.5
    other = DBM(4, (3, 2, 2)).pretrain(Dataset(v, weights=torch.ones(100)), **options)
    assert torch.equal(other.weights[2], model.weights[2])


@pytest.mark.parametrize("copies", [(2, 1), (1, 2), (2, 2)])
def test_an_rbm_of_copies_is_one_with_its_weights_repeated(copies):
    twice = spread(CopiedRBM(3, 2, *copies))
    plain = RBM(3 * copies[0], 2 * copies[1]).double()
    with torch.no_grad():
        plain.weight.copy_(twice.weight.repeat(copies))
        plain.visible_bias.copy_(twice.visible_bias.repeat(copies[0]))
        plain.hidden_bias.copy_(twice.hidden_bias.repeat(copies[1]))
    v, h = bit_states(3 * copies[0]), bit_states(2 * copies[1])
    torch.testing.assert_close(twice.free_energy(v), plain.free_energy(v))
    torch.testing.assert_close(twice(v), plain(v))
    torch.testing.assert_close(twice.p_v(h).mean, plain.p_v(h).mean)
    twice.contrast(v[:5], v[3:])
    plain.contrast(v[:5], v[3:])
    n_v, n_h = copies
    tied = plain.weight.grad.reshape(n_v, 3, n_h, 2).sum((0, 2))
    torch.testing.assert_close(twice.weight.grad, tied)


def test_draws_start_where_they_are_told_and_known_units_stay():
    model, v = spread(DBM(4, (3, 2)), scale=0.5), bit_states(4)
    drawn = model.sample(3000, steps=10, random_state=0)
    shares = model.score_samples(v).exp().detach()
    mean = shares @ v
    assert ((drawn.mean(0) - mean).abs() < 4 * (mean * (1 - mean) / 3000).sqrt()).all()
    assert torch.equal(model.sample(16, steps=0, start=v, random_state=0), v)
    missing = torch.tensor([True, False, False, True])
    filled = model.clamp(v.masked_fill(missing, torch.nan), missing, steps=5, random_state=0)
    assert torch.equal(filled[:, 1:3], v[:, 1:3])
    assert set(filled.unique().tolist()) <= {0.0, 1.0}
    means = model.impute(v[:4], missing, steps=2000, random_state=0)
    # given the two known units, from the table
    same = (v[:, 1:3] == v[0, 1:3]).all(1)
    expected = (shares[same] @ v[same])[missing] / shares[same].sum()
    torch.testing.assert_close(means[0, missing], expected, atol=0.05, rtol=0)
    assert model.denoise(v).shape == v.shape


def test_annealing_finds_the_log_partition():
    model = spread(DBM(4, (3, 2)))
    base, generator = IndependentUnits(model), torch.Generator().manual_seed(0)
    found = bracket(model, base, generator=generator, n_steps=50, n_chains=200)
    assert found.lower < model.log_partition() < found.upper
    assert found.upper - found.lower < 0.5


def test_what_cannot_be_listed_says_so():
    model, v = DBM(30, (25, 25)), torch.zeros(2, 30)
    for call in (model.log_partition, lambda: model.free_energy(v)):
        with pytest.raises(IntractableError, match="log_likelihood_bound"):
            call()
    assert model.log_likelihood_bound(v, log_partition=60.0).shape == (2,)
    assert model.free_energy(torch.zeros(2, 55)).shape == (2,)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, (2,)), "n_visible=0"),
        ((3, ()), r"n_hidden=\(\)"),
        ((3, 2), "n_hidden=2; expected the size of each"),
        ((3, (2, 0)), r"n_hidden\[1\]=0"),
        ((3, (2,), 0.0), "tolerance=0"),
        ((3, (2,), "low"), "tolerance='low'; expected a finite number"),
        ((3, (2,), 1e-3, 0), "max_steps=0"),
    ],
)
def test_bad_sizes_are_refused(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        DBM(*arguments)


def test_data_of_another_width_are_refused_before_training():
    model = DBM(4, (3, 2))
    for call in (model.fit, model.pretrain, model.free_energy, model.mean_field):
        with pytest.raises(ShapeError, match=r"5\); expected \(batch, n_visible=4"):
            call(torch.zeros(10, 5))
    with pytest.raises(ShapeError, match="the 6 of all layers of even number"):
        model(torch.zeros(10, 4))


def test_arrays_of_any_precision_and_empty_batches_are_read():
    model, v = DBM(4, (3, 2)), bit_states(4).numpy().astype("float64")
    for found in (model.reconstruct(v), model.log_likelihood_bound(v), *model.mean_field(v)):
        assert found.dtype == torch.float32
    for call in (model.free_energy, model.transform, model.reconstruct):
        assert len(call(torch.zeros(0, 4))) == 0
    with pytest.raises(ArgumentError, match="no rows"):
        model.pretrain(v[:0])


def test_frozen_biases_of_the_data_stay():
    model = DBM(4, (3, 2))
    model.biases[0].requires_grad_(False)
    assert not model.fit(torch.ones(8, 4), epochs=1, random_state=0).biases[0].any()
