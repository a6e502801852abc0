"""Bases and geometric paths: normalisation, gradients, exact draws, remembered looks."""

import pytest
import torch
from exact import one_hot_states, partial_states, total_variation, total_variation_bound
from layered import Layered, all_states, drawn, log_z
from tiny import UniformMove, select

from deem.core.sampler import MetropolisSampler
from deem.models import BinaryIRBM, DifficultyIRBM, SoftIRBM
from deem.models.latent_class import LatentClassModel
from deem.samplers.dlp import DiscreteLangevin
from deem.samplers.gwg import GibbsWithGradients
from deem.samplers.path import GeometricPath, SiteMixture, as_base, exact_draws
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

ALL = torch.ones(3, dtype=torch.bool)
SOME = torch.tensor([True, False, True])


@pytest.fixture
def mixture(generator):
    log_state = torch.randn(2, dtype=torch.float64, generator=generator)
    return SiteMixture(log_state, torch.randn(3, 3, 2, dtype=torch.float64, generator=generator))


def frequencies(draws, states):
    same = (draws[:, None] == states[None]).flatten(2).all(-1)
    assert (same.sum(1) == 1).all()
    return same.double().mean(0)


@pytest.mark.parametrize("present", [ALL, SOME], ids=["complete", "missing"])
def test_a_mixture_is_normalised_and_draws_from_itself(mixture, present, generator):
    states = all_states(3, 3, present)
    p = (-mixture.free_energy(states)).exp()
    assert p.sum() == pytest.approx(1)
    found = frequencies(mixture.sample(20_000, generator, present), states)
    bound = total_variation_bound(p, 20_000)
    assert total_variation(found, p) < bound
    assert total_variation(found, p.flip(0)) > 2 * bound


def test_rows_may_have_patterns_of_their_own(mixture, generator):
    present = torch.rand(50, 3, generator=generator) < 0.5
    assert torch.equal(mixture.sample(50, generator, present).sum(-1) > 0, present)


@select(lambda cls: issubclass(cls, LatentClassModel))
def test_an_exact_model_as_a_base_has_its_probabilities(tiny, close):
    model = tiny.build()
    d, k = tiny.visible.shape[1:]
    rows = partial_states(d, k)
    base = SiteMixture.of(model)
    # A row with missing votes has the marginal of those that are there.
    expected = model.log_tables()[0].new_tensor(log_z(model, d, k))
    close(-base.free_energy(rows), -model.free_energy(rows) - expected)


def test_independent_sites_have_their_frequencies(close):
    counts = torch.tensor([[1.0, 3.0], [4.0, 4.0]]).double()
    p = (-SiteMixture.independent(counts).free_energy(one_hot_states(2, 2))).exp()
    close(p, torch.tensor([0.125, 0.125, 0.375, 0.375]))


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_a_path_mixes_energies_and_gradients(beta, mixture, close):
    model = drawn(Layered(3, 3), 1.0)
    path = GeometricPath(mixture, model, beta)
    v = partial_states(3, 3).requires_grad_()
    expected = (1 - beta) * mixture.free_energy(v) + beta * model.free_energy(v)
    (slope,) = torch.autograd.grad(expected.sum(), v)
    with torch.no_grad():
        free_energy, gradient = path.free_energy_and_gradient(v)
        close(path.frozen(v).free_energy(v.clone()), expected)
    close(free_energy, expected)
    close(gradient, slope)


def test_a_look_without_gradient_does_not_stand_for_one_with_it(mixture):
    path, v = GeometricPath(mixture, drawn(Layered(3, 3), 1.0)), one_hot_states(3, 3)
    path.free_energy(v)
    assert path.free_energy_and_gradient(v)[1].shape == v.shape


class Counting:
    """A model that counts how often it is asked."""

    def __init__(self, model):
        self.model, self.asked = model, 0

    def free_energy(self, v):
        self.asked += 1
        return self.model.free_energy(v)

    def free_energy_and_gradient(self, v):
        self.asked += 1
        return self.model.free_energy_and_gradient(v)


class StepOfItsOwn(GibbsWithGradients):
    """Looks at something else after its move."""

    def step(self, model, state, generator):
        state = super().step(model, state, generator)
        model.free_energy_and_gradient(state.v.flip(0))
        return state


@pytest.mark.parametrize(
    "sampler", [GibbsWithGradients(), DiscreteLangevin(0.7), UniformMove(), StepOfItsOwn()]
)
def test_what_is_remembered_of_accepted_moves_is_what_is_there(sampler, mixture, generator, close):
    counting = Counting(drawn(Layered(3, 3), 1.0))
    path = GeometricPath(mixture, counting)
    v = mixture.sample(100, generator)
    for beta in (0.2, 0.5, 0.9):
        path.beta = beta
        v = path.move(sampler, v, generator)
        seen = path.look(v, sampler.uses_gradient)
        fresh = GeometricPath(mixture, counting.model).look(v.clone(), sampler.uses_gradient)
        for a, b in zip(seen, fresh, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                close(a, b)
    if type(sampler).step is MetropolisSampler.step:
        # Once at the start and once a step.
        assert counting.asked == 4


@pytest.mark.parametrize("present", [None, SOME], ids=["complete", "missing"])
@pytest.mark.parametrize("cls", [SoftIRBM, Layered])
def test_exact_draws_follow_the_model(cls, present, generator):
    model = drawn(cls(3, 3), 1.5)
    states = all_states(3, 3, present)
    p = (-model.free_energy(states) - log_z(model, 3, 3, present)).exp().detach()
    found = frequencies(exact_draws(model, 20_000, (3, 3), generator, present), states)
    bound = total_variation_bound(p, 20_000)
    assert total_variation(found, p) < bound
    assert total_variation(found, p.flip(0)) > 2 * bound


def test_draws_of_rows_without_any_vote(generator):
    model = drawn(Layered(3, 2), 1.0)
    assert not exact_draws(model, 4, (3, 2), generator, torch.zeros(3, dtype=torch.bool)).any()


def test_models_too_large_to_list_have_no_exact_draws(generator):
    for model in (Layered(19, 2), BinaryIRBM(19, hidden_dim=13)):
        with pytest.raises(IntractableError, match=r"\(19, 2\) are too many to list"):
            exact_draws(model, 1, (19, 2), generator)


def test_bases_take_the_dtype_and_the_sizes_of_the_model():
    model = Layered(4, 3)
    base = as_base(drawn(DifficultyIRBM(4, 3), 1.0), model)
    assert base.table.dtype == torch.float32
    assert base.shape == (4, 3)
    with pytest.raises(ShapeError, match=r"shape \(5, 3\), but the model over \(4, 3\)"):
        as_base(SoftIRBM(5, 3), model)
    with pytest.raises(ArgumentError, match="base is Layered, which has neither"):
        as_base(Layered(4, 3), model)


def test_wrong_tables_are_named():
    with pytest.raises(ShapeError, match=r"log_state has shape \(3,\) and table \(2, 2, 1\)"):
        SiteMixture(torch.zeros(3), torch.zeros(2, 2, 1))
    with pytest.raises(ArgumentError, match="must be finite"):
        SiteMixture.independent(torch.tensor([[0.0, 1.0]]))
