"""Gibbs with gradients against its published formulas."""

import pytest
import torch
from exact import one_hot_states
from tiny import TINY_MODELS

from deem.core.model import Model
from deem.math.random import as_generator
from deem.samplers import GibbsWithGradients


class Linear(Model):
    """Independent sites; the first-order change of the free energy is exact."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def free_energy(self, v):
        return -(v * self.weight).sum((1, 2))


WEIGHT = torch.tensor([[0.3, -1.0, 0.5], [2.0, 0.0, 0.1]], dtype=torch.float64)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_log_proposal_is_the_published_one(temperature):
    sampler, model = GibbsWithGradients(temperature), Linear(WEIGHT)
    old, new = torch.tensor([[0, 2]]), torch.tensor([[1, 2]])
    rows = torch.eye(3, dtype=torch.float64)
    states = [sampler.init(model, rows[code]) for code in (old, new)]
    scores = torch.tensor([[-1.3, 0.2, 2 - 0.1, -0.1]], dtype=torch.float64) / temperature / 2
    expected = scores[0, 0] - scores.logsumexp(1)
    torch.testing.assert_close(sampler.log_proposal(*states), expected)


def test_pairs_that_are_no_single_move_have_no_probability():
    sampler, model = GibbsWithGradients(), Linear(WEIGHT)
    states = one_hot_states(2, 3)
    first = sampler.init(model, states[:1].expand(9, 2, 3))
    log = sampler.log_proposal(first, sampler.init(model, states))
    changed = (states.argmax(-1) != states[0].argmax(-1)).sum(1)
    assert torch.equal(log.isfinite(), changed == 1)
    assert log.exp().sum() == pytest.approx(1)


def test_every_accepted_step_moves_one_site():
    model, v = TINY_MODELS[1].build(1), TINY_MODELS[1].visible
    sampler = GibbsWithGradients()
    state = sampler.init(model, v)
    moved = sampler.step(model, state, as_generator(0))
    changed = (moved.v != v).any(-1).sum(-1)
    assert torch.equal(changed, moved.accepted.long())


def test_a_flat_target_of_two_categories_has_period_two():
    sampler, model = GibbsWithGradients(), Linear(torch.zeros(3, 2).double())
    start = one_hot_states(3, 2)[:1].repeat(50, 1, 1)
    end, metrics = sampler.run(model, start, 4, as_generator(0))
    assert metrics["acceptance"] == 1
    assert (end[..., 1].sum(1) % 2 == 0).all()
