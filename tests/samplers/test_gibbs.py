"""The block Gibbs sweep against its exact transition matrix."""

import pytest
import torch
from exact import partial_states, total_variation, total_variation_bound
from tiny import TINY_MODELS, TINY_ZOO, bipartite

from deem.core.model import Model
from deem.math.random import as_generator
from deem.samplers import Gibbs
from deem.utils.exception import ArgumentError

VOTES = [tiny for tiny in TINY_MODELS if bipartite(tiny.cls)]
LISTED = [
    tiny
    for tiny in TINY_ZOO
    if bipartite(tiny.cls)
    # The states of real units are nodes of a quadrature rule, which no chain visits.
    and not torch.is_tensor(tiny.log_weight_visible)
    and not torch.is_tensor(tiny.log_weight_hidden)
]


def of(tinies):
    return pytest.mark.parametrize("tiny", tinies, ids=lambda tiny: tiny.name)


class OnlyFreeEnergy(Model):
    def free_energy(self, v):
        return v.sum((1, 2))


def test_gibbs_needs_a_bipartite_model():
    with pytest.raises(ArgumentError, match="Gibbs needs a BipartiteModel, found OnlyFreeEnergy"):
        Gibbs().run(OnlyFreeEnergy(), torch.zeros(1, 1, 2), 1, as_generator(0))


def test_gibbs_is_exact_unless_it_propagates_means_or_cools():
    assert Gibbs().exact
    assert not Gibbs(deterministic=True).exact
    assert not Gibbs(start_temperature=2.0).exact


@pytest.mark.parametrize("value", [0, 0.5, float("nan")])
def test_gibbs_cools_and_never_heats(value):
    with pytest.raises(ArgumentError, match=r"start_temperature=.*; it must be at least 1"):
        Gibbs(start_temperature=value)


@of([*VOTES, *LISTED])
@pytest.mark.parametrize("steps", [1, 3])
def test_sweeps_follow_the_exact_transition_matrix(tiny, steps):
    model = tiny.build(1)
    exact = tiny.exact(model)
    expected = torch.linalg.matrix_power(exact.gibbs_matrix().detach(), steps)
    n = 5000
    for row in (0, len(tiny.visible) // 2):
        start = tiny.visible[row].expand(n, *tiny.visible.shape[1:])
        end, metrics = Gibbs().run(model, start, steps, as_generator(row))
        distance = total_variation(exact.histogram(end), expected[row])
        assert distance < total_variation_bound(expected[row], n)
        assert metrics == {}


@of(VOTES)
def test_a_sweep_leaves_missing_sites_out_without_bias(tiny):
    model = tiny.build(1)
    exact = tiny.exact(model)
    d, k = tiny.visible.shape[1:]
    partial = partial_states(d, k)
    n = 5000
    for row in partial[[0, 1, k + 1, -2]]:
        there = row.sum(-1) > 0
        alike = partial[((partial.sum(-1) > 0) == there).all(1)]
        given_h = (exact.log_joint_of_partial(alike) - exact.log_h).exp()
        conditional = exact.log_joint_of_partial(row[None]).softmax(1)[0]
        expected = (given_h @ conditional).detach()
        end, _ = Gibbs().run(model, row.expand(n, d, k), 1, as_generator(0))
        found = (end[:, None] == alike[None]).flatten(2).all(-1).double().mean(0)
        assert total_variation(found, expected) < total_variation_bound(expected, n)


@of(VOTES)
def test_deterministic_sweeps_propagate_the_means(tiny):
    model = tiny.build(1)
    v = partial_states(*tiny.visible.shape[1:])
    expected = model.p_v(model.p_h(v).mean).mean * (v.sum(-1, keepdim=True) > 0)
    end, metrics = Gibbs(deterministic=True).run(model, v, 1, as_generator(0))
    torch.testing.assert_close(end, expected)
    assert metrics == {}
    assert not end.requires_grad


@of(VOTES)
def test_cooling_follows_the_exact_transition_matrices(tiny):
    model = tiny.build(1)
    exact = tiny.exact(model)
    expected = torch.eye(len(tiny.visible)).double()
    for temperature in (4.0, 2.0, 1.0):
        down = (exact.log_h_given_v / temperature).softmax(1)
        up = (exact.log_v_given_h / temperature).softmax(0)
        expected = expected @ (down @ up.T).detach()
    n = 5000
    start = tiny.visible[:1].repeat(n, 1, 1)
    end, _ = Gibbs(start_temperature=4.0).run(model, start, 3, as_generator(0))
    found = exact.histogram(end)
    assert total_variation(found, expected[0]) < total_variation_bound(expected[0], n)
    plain = exact.gibbs_matrix().detach()[0]
    one, _ = Gibbs(start_temperature=4.0).run(model, start, 1, as_generator(0))
    assert total_variation(exact.histogram(one), plain) < total_variation_bound(plain, n)


@of(VOTES)
def test_a_hot_sweep_leaves_the_flattened_joint_distribution_invariant(tiny):
    exact = tiny.exact(tiny.build(1))
    joint = (exact.log_joint / 2).flatten().softmax(0).reshape_as(exact.log_joint)
    down = (exact.log_h_given_v / 2).softmax(1)
    up = (exact.log_v_given_h / 2).softmax(0)
    torch.testing.assert_close(joint.sum(1) @ down @ up.T, joint.sum(1))
