"""The block Gibbs sweep against its exact transition matrix."""

import pytest
import torch
from exact import partial_states, total_variation, total_variation_bound
from tiny import TINY_MODELS

from deem.core.model import Model
from deem.math.random import as_generator
from deem.samplers import Gibbs
from deem.utils.exception import ArgumentError


class OnlyFreeEnergy(Model):
    def free_energy(self, v):
        return v.sum((1, 2))


def test_gibbs_needs_a_bipartite_model():
    with pytest.raises(ArgumentError, match="Gibbs needs a BipartiteModel, found OnlyFreeEnergy"):
        Gibbs().run(OnlyFreeEnergy(), torch.zeros(1, 1, 2), 1, as_generator(0))


def test_gibbs_is_exact_and_accepts_no_temperature():
    assert Gibbs.exact
    with pytest.raises(TypeError):
        Gibbs(temperature=2.0)


@pytest.mark.parametrize("tiny", TINY_MODELS, ids=lambda tiny: tiny.name)
@pytest.mark.parametrize("steps", [1, 3])
def test_sweeps_follow_the_exact_transition_matrix(tiny, steps):
    model = tiny.build(1)
    exact = tiny.exact(model)
    expected = torch.linalg.matrix_power(exact.gibbs_matrix().detach(), steps)
    n = 5000
    for row in (0, len(tiny.visible) // 2):
        start = tiny.visible[row : row + 1].repeat(n, 1, 1)
        end, metrics = Gibbs().run(model, start, steps, as_generator(row))
        distance = total_variation(exact.histogram(end), expected[row])
        assert distance < total_variation_bound(expected[row], n)
        assert metrics == {}


@pytest.mark.parametrize("tiny", TINY_MODELS, ids=lambda tiny: tiny.name)
def test_a_sweep_from_missing_votes_completes_them_without_bias(tiny):
    model = tiny.build(1)
    exact = tiny.exact(model)
    d, k = tiny.visible.shape[1:]
    n = 5000
    for row in partial_states(d, k)[[0, 1, k + 1]]:
        conditional = exact.log_joint_of_partial(row[None]).softmax(1)[0]
        expected = (exact.log_v_given_h.exp() @ conditional).detach()
        end, _ = Gibbs().run(model, row.expand(n, d, k), 1, as_generator(0))
        assert total_variation(exact.histogram(end), expected) < total_variation_bound(expected, n)
