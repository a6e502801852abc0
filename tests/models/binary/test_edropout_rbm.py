"""Dropout by energy: what the masks follow, and what is kept in the end."""

import pytest
import torch

from deem.math.random import as_generator
from deem.models import EDropoutRBM
from deem.utils.exception import ArgumentError


def build(seed=0, n_hidden=6, **arguments):
    model = EDropoutRBM(5, n_hidden, **arguments).double()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(generator=as_generator(seed))
    return model


def batch(n, seed=0):
    return torch.randint(2, (n, 5), generator=as_generator(seed)).double()


@pytest.mark.parametrize("energy_change", ["batch", "sample"])
def test_the_mask_follows_the_formula(energy_change, close):
    model, v = build(energy_change=energy_change), batch(200)
    model.redraw(v, as_generator(3))
    held = model.held
    # the same sweep by hand, with the weights of the whole model
    generator, whole = as_generator(3), build()
    whole.held = torch.ones(1, 6, dtype=torch.bool)
    h = whole.sample_h(v, generator)
    end = whole.sample_v(h, generator)
    h_end = whole.sample_h(end, generator)
    change = whole.energy(end, h_end) - whole.energy(v, h)
    if energy_change == "batch":
        change = change.mean()[None]
    importance = whole(end) / whole(v) / change.abs().clamp(min=2.3e-16)[:, None]
    importance = importance / importance.max(0).values
    close(importance.max(0).values, torch.ones(6))
    uniform = torch.rand(200, 6, generator=generator, dtype=torch.float64)
    assert torch.equal(held, importance < uniform)


def test_one_change_of_energy_for_a_batch_cancels():
    v = batch(50)
    plain, louder = build(), build()
    for model, factor in ((plain, 1.0), (louder, 7.0)):
        energy = model.energy
        model.energy = lambda v, h, energy=energy, factor=factor: factor * energy(v, h)
        model.redraw(v, as_generator(0))
    torch.testing.assert_close(plain.held.double().mean(), louder.held.double().mean())


def test_standing_chains_and_units_that_are_never_on_give_no_nan():
    model = build(energy_change="sample")
    with torch.no_grad():
        model.visible_bias.fill_(1e3)
        model.weight.zero_()
        model.hidden_bias.copy_(torch.tensor([-1e4, -1e4, -1e4, 1e4, 1e4, 1e4]))
    model.redraw(torch.ones(8, 5).double(), as_generator(0))
    assert model.held.shape == (8, 6)
    # a unit that is never on has no importance, one that is always on has all of it
    assert model.held[:, :3].all()
    assert not model.held[:, 3:].any()
    assert torch.isfinite(model.kept_share).all()


def test_a_batch_of_one_sample_leaves_out_its_most_important_unit():
    model, held = build(), []
    for seed in range(20):
        model.redraw(batch(1), as_generator(seed))
        held.append(model.held)
    held = torch.cat(held)
    assert not held.all(1).any()
    assert held.any(1).sum() > 10


def test_the_share_kept_follows_training_alone(close):
    model = build()
    v = batch(30)
    model.eval().redraw(v, as_generator(0))
    close(model.kept_share, torch.ones(6))
    model.train().redraw(v, as_generator(0))
    close(model.kept_share, 1 + 0.01 * (model.held.double().mean(0) - 1))
    shares = model.kept_share.clone()
    close(model.eval().coupling(), model.weight * shares**0.5)


def test_an_unknown_change_of_energy_is_refused():
    with pytest.raises(ArgumentError, match="energy_change='mean'"):
        EDropoutRBM(4, 3, energy_change="mean")
