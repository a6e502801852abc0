"""Samplers of models of units: replicas that sweep, and kernels over one-hot sites on bits."""

import pytest
import torch
from exact import Exact, bit_states, total_variation, total_variation_bound

from deem.core.dataset import Dataset
from deem.core.solvers import ContrastiveDivergence
from deem.core.training import Checkpoint
from deem.math.random import as_generator
from deem.math.units import Gaussian
from deem.models import RBM, BinaryIRBM, DropoutRBM
from deem.models.harmonium import DenseHarmonium
from deem.samplers import (
    DiscreteLangevin,
    Gibbs,
    GibbsWithGradients,
    OnBits,
    ParallelTempering,
    TemperedGibbs,
    tempered_gibbs,
)
from deem.utils.exception import ArgumentError, ShapeError

LADDER = (1.0, 1.5, 2.5, 5.0)
KERNELS = {
    "gwg": OnBits(GibbsWithGradients()),
    "langevin": OnBits(DiscreteLangevin(0.5)),
    "tempered": OnBits(ParallelTempering(DiscreteLangevin(0.5), LADDER)),
    "tempered gibbs": TemperedGibbs(LADDER),
}
every_sampler = pytest.mark.parametrize("sampler", KERNELS.values(), ids=KERNELS)


@pytest.fixture
def two_modes():
    """All six units on, or all off, with 8 nats between."""
    model = RBM(6, 2).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[4.0, -4.0]]).expand(6, 2))
        model.hidden_bias.copy_(torch.tensor([-12.0, 12.0]))
        model.visible_bias.copy_(torch.tensor([0.3, -0.2, 0.1, 0.0, 0.2, -0.3]))
    return model


def tiny(scale=1.0):
    model = RBM(5, 3).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


def probabilities(model, temperature):
    """Of all visible states, at a temperature that divides the energy of both layers."""
    v, h = bit_states(model.n_visible), bit_states(model.n_hidden)
    scores = -model.energy(v.repeat_interleave(len(h), 0), h.repeat(len(v), 1)).detach()
    return (scores / temperature).reshape(len(v), -1).logsumexp(1).softmax(0)


def distance(model, draws, temperature=1.0):
    """Of a histogram from the distribution of the model, and the bound for so many draws."""
    p = probabilities(model, temperature)
    exact = Exact(model, bit_states(model.n_visible), bit_states(model.n_hidden))
    return total_variation(exact.histogram(draws), p), total_variation_bound(p, len(draws))


def after(sampler, model, start, steps, seed=0):
    chains = sampler.start(start, as_generator(seed))
    return sampler.run(model, chains, steps, as_generator(seed + 1))


def test_replicas_cross_where_plain_sweeps_fail_to(two_modes):
    start, far = torch.zeros(1000, 6).double(), {}
    for sampler in (Gibbs(), TemperedGibbs((1, 1.5, 2.5, 5))):
        chains, metrics = after(sampler, two_modes, start, 80)
        far[type(sampler)] = distance(two_modes, sampler.draws(chains))
    assert 0.3 < metrics["swap_rate"] < 0.95
    found, bound = far[Gibbs]
    assert found > 3 * bound
    found, bound = far[TemperedGibbs]
    assert found < bound


def ensemble(model, n):
    """Exact draws (n, temperatures, 5) of all replicas."""
    p = torch.stack([probabilities(model, t) for t in LADDER])
    return bit_states(5)[torch.multinomial(p, n, True, generator=as_generator(5)).T]


def test_the_extended_ensemble_is_invariant():
    model, n = tiny(2.0), 10_000
    chains, metrics = TemperedGibbs(LADDER).run(model, ensemble(model, n), 2, as_generator(0))
    for replica, temperature in zip(chains.unbind(1), LADDER, strict=True):
        found, bound = distance(model, replica, temperature)
        assert found < bound
    assert 0.2 < metrics["swap_rate"] < 0.99
    # Negative control: replicas of other temperatures than those they started at.
    wrong, _ = TemperedGibbs((1.0, 4.0, 8.0, 16.0)).run(
        model, ensemble(model, n), 2, as_generator(0)
    )
    found, bound = distance(model, wrong[:, 3], LADDER[3])
    assert found > bound


def test_swaps_without_the_right_ratio_are_noticed(monkeypatch):
    model, n = tiny(2.0), 10_000
    right = tempered_gibbs.exchange
    monkeypatch.setattr(tempered_gibbs, "exchange", lambda t, r, g: right(t, 0 * r, g))
    chains, _ = TemperedGibbs(LADDER).run(model, ensemble(model, n), 2, as_generator(0))
    found, bound = distance(model, chains[:, 0])
    assert found > bound


def test_single_steps_are_those_of_a_run():
    model, sampler = tiny(), TemperedGibbs(LADDER)
    chains = sampler.start(bit_states(5), as_generator(0))
    state, generator = sampler.init(model, chains.flatten(0, 1)), as_generator(3)
    for _ in range(4):
        state = sampler.step(model, state, generator)
    run, _ = sampler.run(model, chains, 4, as_generator(3))
    assert torch.equal(state.v, run.flatten(0, 1))


def test_a_field_keeps_hot_replicas_near_the_data():
    model, field = tiny(), torch.full((5,), 3.0)
    start = torch.zeros(400, 5).double()
    means = []
    for sampler in (TemperedGibbs((1, 50)), TemperedGibbs((1, 50), field)):
        chains, _ = after(sampler, model, start, 5)
        means.append(chains[:, 1].mean())
        found, bound = distance(model, sampler.draws(chains))
        assert found < bound
    assert means[0] < 0.65 < 0.85 < means[1]


class OfGaussian(DenseHarmonium):
    visible_units = Gaussian(0.5)


def test_replicas_of_real_units_keep_their_moments():
    model = OfGaussian(2, 3).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0, -1.0, 0.5], [1.0, 2.0, -2.0]]))
    v = model.exact_draws(4000, as_generator(0))
    sampler = TemperedGibbs((1, 2))
    chains, _ = after(sampler, model, v, 10)
    found = sampler.draws(chains)
    error = (v.var(0) / 2000).sqrt()
    assert ((found.mean(0) - v.mean(0)).abs() < 4 * error).all()
    assert ((found.var(0) / v.var(0) - 1).abs() < 0.1).all()


@every_sampler
def test_draws_follow_the_model(sampler):
    model = tiny()
    start = torch.zeros(4000, 5).double()
    chains, metrics = after(sampler, model, start, 40)
    assert sampler.draws(chains).shape == start.shape
    found, bound = distance(model, sampler.draws(chains))
    assert found < bound
    if isinstance(sampler, OnBits):
        assert 0.1 < metrics["acceptance"] < 1
    # Negative control: the same draws are not those of a colder model.
    assert distance(model, sampler.draws(chains), 0.5)[0] > bound


def test_an_unadjusted_kernel_is_not_exact():
    assert OnBits(DiscreteLangevin()).exact
    sampler = OnBits(DiscreteLangevin(2.0, adjusted=False))
    assert not sampler.exact
    chains, _ = after(sampler, tiny(2.0), torch.zeros(4000, 5).double(), 40)
    found, bound = distance(tiny(2.0), sampler.draws(chains))
    assert found > bound


class Picture(RBM):
    """The same units on a plane."""

    def __init__(self):
        super().__init__(6, 2)
        self.visible_shape = (2, 3)

    def code(self, v):
        return v.flatten(1)


@pytest.mark.parametrize("name", ["gwg", "tempered"])
def test_units_may_have_axes_of_their_own(name):
    sampler, model = KERNELS[name], Picture().double()
    start = torch.rand(7, 2, 3, generator=as_generator(0)).double()
    chains = sampler.start(start, as_generator(0))
    assert sampler.draws(chains).shape == (7, 2, 3)
    assert set(sampler.draws(chains).unique().tolist()) == {0.0, 1.0}
    end, _ = sampler.run(model, chains, 5, as_generator(1))
    assert end.shape == chains.shape
    assert sampler.draws(end).shape == (7, 2, 3)
    state = OnBits(GibbsWithGradients()).init(model, torch.stack([1 - start, start], -1).round())
    assert OnBits(GibbsWithGradients()).step(model, state, as_generator(0)).v.shape == (7, 6, 2)


@every_sampler
def test_training_lowers_the_exact_loss_and_resumes_exactly(sampler, tmp_path):
    on = torch.rand(200, 1, generator=as_generator(0)) < 0.5
    v = (on ^ (torch.rand(200, 5, generator=as_generator(1)) < 0.05)).double()

    def trained(epochs, **arguments):
        solver = ContrastiveDivergence(2, 0.5, persistent=True, sampler=sampler)
        settings = {"batch_size": 20, "solver": solver, "random_state": 0, **arguments}
        return RBM(5, 3).double().fit(v, epochs=epochs, **settings)

    whole = trained(8)
    start = RBM(5, 3).double()
    start.prepare(Dataset(v))
    assert whole.score_samples(v).mean() > start.score_samples(v).mean() + 0.1
    assert "swap_rate" in whole.history or "acceptance" in whole.history
    trained(4, callbacks=[Checkpoint(tmp_path / "half.ckpt")])
    resumed = trained(8, resume=tmp_path / "half.ckpt")
    assert all(torch.equal(p, q) for p, q in zip(*map(parameters, (whole, resumed)), strict=True))


def parameters(model):
    return list(model.parameters())


@pytest.mark.parametrize("name", ["tempered", "tempered gibbs"])
def test_replicas_need_one_mask_for_all(name):
    v = bit_states(4)
    solver = ContrastiveDivergence(persistent=True, sampler=KERNELS[name])
    with pytest.raises(ArgumentError, match='holds 16 masks.*mask="batch"'):
        DropoutRBM(4, 3).fit(v, solver=solver, epochs=1)
    DropoutRBM(4, 3, mask="batch").fit(v, solver=solver, epochs=1)


def test_settings_name_the_arguments():
    assert TemperedGibbs(LADDER).settings() == {"temperatures": LADDER, "field": None}
    kernel = GibbsWithGradients()
    assert OnBits(kernel).settings() == {"kernel": kernel}


def test_wrong_arguments_are_named():
    model = tiny()
    with pytest.raises(ArgumentError, match="at least two, ascending from 1"):
        TemperedGibbs((1.0, 0.5))
    with pytest.raises(ShapeError, match=r"field has shape \(2,\); expected \(5,\)"):
        after(TemperedGibbs(LADDER, torch.zeros(2)), model, torch.zeros(3, 5).double(), 1)
    with pytest.raises(ArgumentError, match="kernel is a str"):
        OnBits("gwg")
    votes = BinaryIRBM(3)
    with pytest.raises(ArgumentError, match="BinaryIRBM has no visible_shape"):
        after(OnBits(GibbsWithGradients()), votes, torch.zeros(2, 3), 1)
    with pytest.raises(ArgumentError, match="units of OfGaussian are Gaussian, no bits"):
        after(OnBits(GibbsWithGradients()), OfGaussian(2, 3), torch.zeros(2, 2), 1)
    with pytest.raises(ArgumentError, match="BinaryIRBM has no fields"):
        after(TemperedGibbs(LADDER), votes, torch.zeros(2, 3), 1)
