"""What is added to the loss: sparse hidden units."""

import pytest
import torch

from deem.core.solvers import ContrastiveDivergence, SparsityTarget
from deem.core.solvers.penalties import Penalty
from deem.math.random import as_generator
from deem.models import RBM
from deem.utils.exception import ArgumentError

V = (torch.rand(100, 8, generator=as_generator(0)) < 0.4).double()


def gradients(model):
    return torch.cat([torch.zeros_like(p) if p.grad is None else p.grad for p in split(model)])


def split(model):
    return [model.weight.flatten(), model.visible_bias, model.hidden_bias]


def test_the_value_is_its_definition_and_the_gradient_its_slope(close):
    model, penalty = RBM(8, 3).double(), SparsityTarget(0.1, strength=2.0)
    activity = torch.sigmoid(V @ model.weight + model.hidden_bias).mean(0)
    expected = 2.0 * ((0.1 - activity) ** 2).sum()
    close(penalty.value(model, V), expected)
    wanted = torch.autograd.grad(expected, [model.weight, model.hidden_bias])
    model.visible_bias.grad = torch.ones(8).double()
    close(penalty.add_gradient(model, V), expected)
    close(model.weight.grad, wanted[0])
    close(model.hidden_bias.grad, wanted[1])
    # What was there before stays.
    penalty.add_gradient(model, V)
    close(model.hidden_bias.grad, 2 * wanted[1])
    close(model.visible_bias.grad, torch.ones(8))


def activity(target, strength):
    solver = ContrastiveDivergence(1, 0.5, penalties=[SparsityTarget(target, strength)])
    model = RBM(8, 3).double().fit(V, epochs=30, batch_size=20, solver=solver, random_state=0)
    return model(V).mean(0).detach()


def test_activity_goes_to_the_target():
    for target in (0.1, 0.8):
        assert (activity(target, 5.0) - target).abs().max() < 0.03
    # Negative control: without strength it stays where it starts.
    assert (activity(0.1, 0.0) - 0.5).abs().max() < 0.2


class Shrink(Penalty):
    """Of one's own: the squared length of the weights."""

    def value(self, model, v):
        return model.weight.square().sum()


def test_a_penalty_of_ones_own_takes_one_method():
    def length(penalties):
        solver = ContrastiveDivergence(1, 0.1, penalties=penalties)
        model = RBM(8, 3).double().fit(V, epochs=5, solver=solver, random_state=0)
        return float(model.weight.detach().norm())

    assert length([Shrink()]) < 0.5 * length([])


def test_wrong_arguments_are_named():
    with pytest.raises(ArgumentError, match=r"target=0\.0"):
        SparsityTarget(0.0)
    with pytest.raises(ArgumentError, match=r"strength=-1\.0"):
        SparsityTarget(0.1, -1.0)
