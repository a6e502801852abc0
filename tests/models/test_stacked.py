"""Stacks: layers that are inverse RBMs, their greedy start, and the joint training."""

import numpy as np
import pytest
import torch
from exact import Exact, one_hot_states, partial_states

from deem.core.model import Model
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.datasets import copying_groups
from deem.math.random import as_generator
from deem.models import SoftIRBM
from deem.models.initialization import STARTS, initialise
from deem.models.stacked import HiddenUnits, StackedIRBM
from deem.samplers import DiscreteLangevin
from deem.utils.exception import ArgumentError, IntractableError

DATA = copying_groups(400, 3, groups=(2, 2, 1, 1), accuracy=(0.7, 0.9), random_state=0)
VOTES = read_votes(DATA.votes)
STATES = one_hot_states(6, 3)


def start(votes=VOTES, widths=(3,), seed=0, method="shares", **arguments):
    model = StackedIRBM(votes.n_classifiers, votes.n_classes, widths, **arguments).double()
    return initialise(model, votes, method, random_state=seed)


def random_rbm(units, seed=0, scale=1.0, d=4, k=3):
    rbm = SoftIRBM(d, k, hidden_dim=units).double()
    with torch.no_grad():
        for p in rbm.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=as_generator(seed)))
    return rbm


def layer_of(rbm):
    layer = HiddenUnits(rbm.n_classifiers, rbm.hidden_dim, rbm.n_classes).double()
    exact = Exact(rbm, one_hot_states(4, 3), one_hot_states(rbm.hidden_dim, 3))
    layer.take_over(rbm, torch.tensordot(exact.log_h.exp(), exact.h, dims=1).detach())
    return layer, exact


def right(model, data, votes=None):
    votes = read_votes(data.votes) if votes is None else votes
    return (model.predict_classes(votes).argmax(1).numpy() == data.truth).mean()


def tensors(model):
    return list(model.state_dict().values())


@pytest.mark.parametrize("units", [1, 2])
def test_a_layer_is_the_posterior_of_its_rbm(units):
    rbm = random_rbm(units)
    layer, exact = layer_of(rbm)
    expected = torch.tensordot(exact.log_h_given_v.exp(), exact.h, dims=1)
    torch.testing.assert_close(layer(exact.v), expected)


def test_soft_votes_give_the_posterior_too():
    soft = torch.from_numpy(np.random.default_rng(0).dirichlet((0.5, 0.5, 0.5), (20, 4)))
    rbm = random_rbm(2)
    torch.testing.assert_close(layer_of(rbm)[0](soft), rbm.p_h(soft).mean)


def test_a_layer_of_one_unit_sums_missing_votes_out():
    rbm = random_rbm(1)
    partial = partial_states(4, 3)
    torch.testing.assert_close(layer_of(rbm)[0](partial), rbm.p_h(partial).mean)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_layer_of_two_units_nearly_sums_missing_votes_out(seed):
    rbm = random_rbm(2, seed, scale=0.5)
    layer, _ = layer_of(rbm)
    partial = partial_states(4, 3)
    expected = rbm.p_h(partial).mean
    error = (layer(partial) - expected).abs().mean()
    # Negative control: the same posterior of complete votes in another gauge.
    _, weight, bias = rbm.categorical_parameters()
    plain = (torch.einsum("nil,iljm->njm", partial, weight) + bias).softmax(-1)
    assert error < 0.3 * (plain - expected).abs().mean()


def test_units_are_missing_only_where_all_votes_are():
    layer = HiddenUnits(3, 2, 2)
    known = torch.tensor([[True, False, False], [False, False, False]])
    assert layer.present(known).tolist() == [[True, True], [False, False]]


@pytest.fixture
def learned(monkeypatch):
    """The inverse RBMs that the layers take over."""
    found, kept = [], HiddenUnits.take_over

    def spy(self, rbm, mean):
        found.append(rbm)
        kept(self, rbm, mean)

    monkeypatch.setattr(HiddenUnits, "take_over", spy)
    return found


def test_every_layer_of_a_stack_is_the_posterior_of_its_rbm(learned):
    v = VOTES.one_hot(dtype=torch.float64)
    for layer, rbm in zip(start(widths=(4, 2)).layers, learned, strict=True):
        above = layer(v)
        torch.testing.assert_close(above, rbm.p_h(v).mean, rtol=0, atol=1e-6)
        v = above.detach()
    with pytest.raises(IntractableError, match="missing votes"):
        learned[0].p_h(torch.zeros(1, 6, 3).double())


def exact_likelihood(rbm):
    listed = SoftIRBM(rbm.n_classifiers, rbm.n_classes, rbm.hidden_dim).double()
    listed.load_state_dict(rbm.state_dict())
    return float(listed.score_samples(VOTES).mean().detach())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_greedy_training_raises_the_likelihood_of_a_layer(learned, seed):
    for epochs in (0, 10):
        start(seed=seed, greedy_epochs=epochs)
    before, after = (exact_likelihood(rbm) for rbm in learned)
    one = initialise(SoftIRBM(6, 3).double(), VOTES, "shares").fit(VOTES)
    assert after > before + 0.05
    assert after > float(one.score_samples(VOTES).mean().detach())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_units_differ_and_are_aligned_with_the_classes(seed):
    model = start(widths=(3, 2), seed=seed)
    v = VOTES.one_hot(dtype=torch.float64)
    for layer in model.layers:
        v = layer(v).detach()
        votes = v.argmax(-1).numpy()
        assert ((votes == DATA.truth[:, None]).mean(0) > 0.6).all()
        assert (votes[:, 0] != votes[:, 1]).mean() > 0.02


def test_more_units_than_classifiers_differ_as_well():
    layer = start(widths=(12,)).layers[0]
    apart = (layer.weight[:, :, 0::2] - layer.weight[:, :, 1::2]).abs().amax((0, 1, 3))
    assert (apart > 0.05).all()


@pytest.mark.parametrize(
    ("widths", "groups", "missing"), [(None, (1,) * 8, 0.0), ((8, 4), (4, 3, 1, 1), 0.3)]
)
def test_the_start_is_as_good_as_the_exact_inverse_rbm(widths, groups, missing):
    gains = []
    for seed in (0, 1, 2):
        data = copying_groups(600, 3, groups=groups, missing=missing, random_state=seed)
        votes = read_votes(data.votes)
        soft = SoftIRBM(votes.n_classifiers, 3).double()
        exact = initialise(soft, votes, "shares").fit(votes)
        gains.append(right(start(votes, widths, seed), data) - right(exact, data))
    assert np.mean(gains) > -0.01


def test_a_sample_without_votes_gets_the_prior():
    codes = DATA.votes.copy()
    codes[DATA.truth == 2, 1:] = -1
    votes = read_votes(np.vstack([codes, np.full((1, 6), -1)]))
    exact = initialise(SoftIRBM(6, 3).double(), votes, "shares").fit(votes)
    torch.testing.assert_close(start(votes).predict_classes(votes)[-1], exact.class_tables()[0])


def test_soft_votes_start_near_the_hard_ones_they_are_made_of():
    soft = 0.9 * STATES.new_tensor(VOTES.one_hot().numpy()) + 0.1 / 3
    votes = read_votes(soft.numpy().transpose(0, 2, 1))
    model = start(votes)
    torch.testing.assert_close(model.predict_classes(votes).sum(1), torch.ones(400).double())
    assert right(model, DATA, votes) > right(start(), DATA) - 0.02


def test_the_start_depends_on_the_seed_alone():
    first, same, other = (tensors(start(seed=seed)) for seed in (0, 0, 1))
    assert all(map(torch.equal, first, same))
    assert not all(map(torch.equal, first, other))


def test_weights_count_as_repeated_samples():
    merged, _ = VOTES.merged()
    assert merged.n_samples < VOTES.n_samples
    layers = [start(votes, greedy_epochs=0).layers for votes in (VOTES, merged)]
    torch.testing.assert_close(tensors(layers[0]), tensors(layers[1]))


def test_layers_learn_from_a_part_of_many_samples(monkeypatch):
    full = start()
    monkeypatch.setattr("deem.models.stacked._ROWS", 300)
    part = start()
    assert not torch.equal(part.layers[0].weight, full.layers[0].weight)
    assert right(part, DATA) > right(full, DATA) - 0.02


@pytest.mark.parametrize("method", STARTS)
def test_every_start_votes_for_the_classes(method):
    model = start(method=method)
    assert model.predict_classes(VOTES).isfinite().all()
    if method != "rand":
        assert right(model, DATA) > 0.7


def solver():
    return ContrastiveDivergence(
        steps=5,
        sampler=DiscreteLangevin(),
        learning_rate=1e-3,
        momentum=0.9,
        scheduler="cosine",
    )


def likelihood(model, states=STATES):
    with torch.no_grad():
        log_z = (-model.free_energy(states)).logsumexp(0)
        return float(-model.free_energy(VOTES.one_hot(dtype=torch.float64)).mean() - log_z)


@pytest.mark.parametrize("seed", [0, 1])
def test_joint_training_raises_the_likelihood(seed):
    model = start(seed=seed)
    before, accuracy = likelihood(model), right(model, DATA)
    model.fit(VOTES, epochs=8, batch_size=20, solver=solver(), random_state=seed)
    assert likelihood(model) > before + 0.01
    assert right(model, DATA) > accuracy - 0.02


def test_joint_training_leaves_missing_votes_out():
    data = copying_groups(200, 3, missing=0.4, random_state=0)
    votes = read_votes(data.votes)
    model = start(votes, (4, 3))
    before = [x.clone() for x in tensors(model)]
    model.fit(votes, epochs=2, solver=solver(), random_state=0)
    assert all(bool(x.isfinite().all()) for x in tensors(model))
    assert not all(map(torch.equal, before, tensors(model)))


def test_a_saved_stack_predicts_the_same(tmp_path):
    model = start(widths=(4, 2), greedy_epochs=2)
    model.save(tmp_path / "stack")
    loaded = Model.load(tmp_path / "stack")
    assert (loaded.widths, loaded.greedy_epochs) == ([4, 2], 2)
    assert torch.equal(loaded.predict_classes(VOTES), model.predict_classes(VOTES))


@pytest.mark.parametrize(("d", "width"), [(1, 3), (6, 3), (7, 4), (10, 5), (500, 50)])
def test_the_default_layer_has_half_as_many_units(d, width):
    assert StackedIRBM(d, 2).widths == [width]


def test_arguments_are_checked():
    with pytest.raises(ArgumentError, match="greedy_epochs=-1; it must be at least 0"):
        StackedIRBM(3, 2, greedy_epochs=-1)
    with pytest.raises(ArgumentError, match="n_out=0"):
        StackedIRBM(3, 2, widths=[0])
