"""The contract as a researcher meets it: small models of one's own."""

import copy
import pickle

import numpy as np
import pytest
import torch
from exact import Exact, bit_states, total_variation
from tiny import TINY_MODELS, UniformMove
from torch.distributions import Bernoulli, Independent
from torch.nn.functional import softplus

from deem.core.model import BipartiteModel, LatentModel, Model
from deem.core.persistence import write_file
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.math.random import as_generator
from deem.models import RBM, SoftIRBM
from deem.utils.exception import ArgumentError, IntractableError, ModelFileError

SOFT, _, BINARY, _ = TINY_MODELS[:4]


class Spins(BipartiteModel):
    """A Bernoulli RBM as its author would write it."""

    def __init__(self, n_visible, n_hidden=2, note=None):
        super().__init__()
        self.n_visible, self.n_hidden, self.note = n_visible, n_hidden, note
        self.weight = torch.nn.Parameter(torch.zeros(n_visible, n_hidden))
        self.visible_bias = torch.nn.Parameter(torch.zeros(n_visible))
        self.hidden_bias = torch.nn.Parameter(torch.zeros(n_hidden))

    def energy(self, v, h):
        return -((v @ self.weight) * h).sum(1) - v @ self.visible_bias - h @ self.hidden_bias

    def free_energy(self, v):
        return -v @ self.visible_bias - softplus(self.hidden_bias + v @ self.weight).sum(1)

    def p_h(self, v):
        return Independent(Bernoulli(logits=self.hidden_bias + v @ self.weight), 1)

    def p_v(self, h):
        return Independent(Bernoulli(logits=self.visible_bias + h @ self.weight.T), 1)


class OnlyFreeEnergy(Model):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
        self.bias = torch.nn.Parameter(torch.zeros(3))

    def free_energy(self, v):
        return -self.scale * v @ self.bias


@pytest.fixture
def spins():
    model = Spins(4).double()
    generator = as_generator(0)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(generator=generator)
    return model


def test_a_model_of_ones_own_trains_by_gibbs(spins):
    v, h = bit_states(4), bit_states(2)
    truth = Exact(spins, v, h).log_v.exp().detach()
    data = v[torch.multinomial(truth, 2000, True, generator=as_generator(1))]
    model = Spins(4).double()
    with torch.no_grad():
        model.weight.normal_(std=0.1, generator=as_generator(2))
    before = total_variation(Exact(model, v, h).log_v.exp().detach(), truth)
    solver = ContrastiveDivergence(steps=3, learning_rate=0.3, persistent=True, scheduler="cosine")
    model.fit(data, epochs=40, batch_size=200, solver=solver, random_state=0)
    after = total_variation(Exact(model, v, h).log_v.exp().detach(), truth)
    assert after < 0.1 < before


def test_a_bipartite_model_gets_everything_else(spins):
    v = bit_states(4)
    exact = Exact(spins, v, bit_states(2))
    torch.testing.assert_close(spins.free_energy(v), -exact.log_v - exact.log_z)
    torch.testing.assert_close(spins(v), exact.log_h_given_v.exp() @ exact.h)
    draws = spins.sample_h(v.repeat_interleave(4000, 0), as_generator(0))
    means = draws.reshape(16, 4000, 2).mean(1)
    assert (means - spins(v)).abs().max() < 5 * 0.5 / 4000**0.5
    assert spins.gibbs_step(v, as_generator(0)).shape == v.shape
    assert spins.reconstruct(v).shape == v.shape
    assert spins.log_prior() == 0


def test_classes_are_read_from_the_first_unit():
    class OneClassUnit(SoftIRBM):
        predict_classes = BipartiteModel.predict_classes

    model = OneClassUnit(3, 3).double()
    model.load_state_dict(SOFT.build().state_dict())
    votes = read_votes([[0, 1, 2], [1, 1, 1]], n_classes=3)
    torch.testing.assert_close(model.predict_classes(votes), SOFT.build().predict_classes(votes))


def test_a_free_energy_is_enough_for_a_sampler():
    class OneSite(OnlyFreeEnergy):
        def free_energy(self, v):
            return super().free_energy(v.flatten(1))

    model = OneSite()
    v = torch.eye(3)[[0, 0, 0, 1]][:, None]
    solver = ContrastiveDivergence(1, 0.1, sampler=UniformMove())
    model.fit(v, epochs=5, solver=solver, random_state=0)
    assert model.bias[0] > 0 > model.bias[2]


def test_what_a_model_does_not_have_it_says():
    model = OnlyFreeEnergy()
    with pytest.raises(IntractableError, match=r"OnlyFreeEnergy has no exact log_partition\(\)"):
        model.score_samples(torch.zeros(1, 3))
    with pytest.raises(ArgumentError, match=r"OnlyFreeEnergy has no default solver; pass solver="):
        model.fit(torch.zeros(2, 3))


@pytest.mark.parametrize("cls", [Model, LatentModel, BipartiteModel])
def test_the_contract_is_abstract(cls):
    with pytest.raises(TypeError, match="abstract"):
        cls()


def test_the_default_solver_of_bipartite_models_is_cd_1(spins):
    assert spins.default_solver().steps == 1
    assert spins.default_solver(0.25).learning_rate == 0.25
    spins.fit(bit_states(4), epochs=1, learning_rate=0.25, random_state=0)
    assert spins.history.settings["solver"] == "ContrastiveDivergence"


def test_data_may_be_integers_or_arrays(spins):
    results = []
    for data in (
        bit_states(4),
        bit_states(4).long(),
        bit_states(4).numpy(),
        np.eye(4, dtype=bool),
    ):
        model = copy.deepcopy(spins)
        model.fit(data, epochs=2, batch_size=4, random_state=0)
        results.append(model.weight.detach())
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    assert torch.isfinite(results[3]).all()


@pytest.mark.parametrize("note", [None, "text", (1, 2.5), [True], {"a": 1}])
def test_constructor_arguments_come_back_from_a_file(spins, note, tmp_path):
    model = Spins(4, 2, note=note).double()
    model.load_state_dict(spins.state_dict())
    model.save(tmp_path / "file")
    loaded = Spins.load(tmp_path / "file")
    assert loaded.config() == {"n_visible": 4, "n_hidden": 2, "note": note}
    assert torch.equal(loaded.weight, model.weight)


def test_load_finds_the_class_below_the_one_asked(spins, tmp_path):
    spins.save(tmp_path / "file")
    for cls in (Model, LatentModel, BipartiteModel, Spins):
        assert type(cls.load(tmp_path / "file")) is Spins
    with pytest.raises(ModelFileError, match="holds a Spins, expected a SoftIRBM"):
        SoftIRBM.load(tmp_path / "file")


def test_an_unknown_class_is_named(tmp_path):
    write_file(tmp_path / "file", "Unheard", {})
    with pytest.raises(ModelFileError, match="holds a Unheard, expected a Model"):
        Model.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "missing"),
    [({}, "arguments"), ({"arguments": {"n_visible": 4}, "state": {}}, "history")],
)
def test_a_file_without_its_parts_is_refused(content, missing, tmp_path):
    write_file(tmp_path / "file", "Spins", content)
    with pytest.raises(ModelFileError, match="does not fit Spins"):
        Spins.load(tmp_path / "file")


def test_parameters_that_do_not_fit_are_refused(spins, tmp_path):
    content = spins.to_content()
    content["arguments"]["n_visible"] = 5
    write_file(tmp_path / "file", "Spins", content)
    with pytest.raises(ModelFileError, match="does not fit Spins"):
        Spins.load(tmp_path / "file")


def test_a_pickled_model_is_the_same(spins):
    twin = pickle.loads(pickle.dumps(SOFT.build(1)))
    v = SOFT.data(5)
    assert torch.equal(twin.free_energy(v), SOFT.build(1).free_energy(v))


def test_repr_shows_the_arguments():
    assert repr(Spins(4, note="x")) == "Spins(n_visible=4, n_hidden=2, note='x')"


@pytest.mark.parametrize("random_state", [None, 3, np.random.default_rng(0), as_generator(0)])
def test_every_kind_of_random_state(spins, random_state):
    spins.fit(bit_states(4), epochs=1, random_state=random_state)
    assert spins.history.n_epochs == 1


def test_an_int_repeats_and_a_generator_moves_on(spins):
    def train(random_state):
        model = copy.deepcopy(spins)
        model.fit(bit_states(4), epochs=1, random_state=random_state)
        return model.weight.detach()

    generator = as_generator(0)
    assert torch.equal(train(0), train(0))
    assert not torch.equal(train(generator), train(generator))


def test_a_known_seed_gives_known_gibbs_draws():
    model = BINARY.build(1)
    v = model.gibbs_step(BINARY.data(50), as_generator(0))
    assert torch.equal(v, model.gibbs_step(BINARY.data(50), as_generator(0)))
    assert torch.equal(v.sum(-1), torch.ones(50, 3, dtype=torch.float64))


class Forgetful(Spins):
    """Does not keep its argument."""

    def __init__(self, size):
        super().__init__(size)


def test_a_model_that_lost_its_arguments_can_be_shown_and_says_so_when_saved(tmp_path):
    model = Forgetful(3)
    assert "..." in repr(model)
    with pytest.raises(ArgumentError, match="Forgetful has no attributes size; keep the arg"):
        model.save(tmp_path / "model")


def test_trained_models_take_what_fit_takes():
    v, model = np.array([[0, 1, 1], [1, 0, 0]]), RBM(3, 2)
    expected = torch.tensor(v, dtype=torch.float32)
    for call in (model, model.reconstruct, model.score_samples):
        assert torch.equal(call(v), call(expected))
        assert torch.equal(call(torch.tensor(v, dtype=torch.float64)), call(expected))
