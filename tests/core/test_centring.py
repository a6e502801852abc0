"""The centred gradient: what it does not depend on, and its definition."""

import pytest
import torch

from deem.core.solvers import Centring, ContrastiveDivergence
from deem.core.training import Checkpoint
from deem.math.random import as_generator
from deem.models import RBM, SoftIRBM
from deem.utils.exception import ArgumentError


def bits(n, d, seed):
    return (torch.rand(n, d, generator=as_generator(seed)) < 0.3).double()


V, CHAINS = bits(9, 5, 0), bits(7, 5, 1)


def drawn(temperature=1.0):
    model = RBM(5, 3, temperature).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


@torch.no_grad()
def with_units_flipped(model, layer):
    """The same distribution, with the other state of each unit of a layer called 1."""
    twin = RBM(5, 3, model.temperature).double()
    w, a, b = model.weight, model.visible_bias, model.hidden_bias
    twin.weight.copy_(-w)
    twin.visible_bias.copy_(-a if layer == "visible" else a + w.sum(1))
    twin.hidden_bias.copy_(b + w.sum(0) if layer == "visible" else -b)
    return twin


@torch.no_grad()
def stepped(model, v, chains, centring, rate=0.1):
    """A copy of the model after one update."""
    twin = RBM(5, 3, model.temperature).double()
    twin.load_state_dict(model.state_dict())
    twin.contrast(v, chains)
    if centring is not None:
        centring.apply(twin, v, chains)
    for p in twin.parameters():
        p.sub_(rate * p.grad)
    return twin


def apart(one, other):
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in pairs)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("layer", ["visible", "hidden"])
def test_an_update_does_not_depend_on_what_is_called_1(layer, temperature):
    model = drawn(temperature)
    twin = with_units_flipped(model, layer)
    seen = [1 - x if layer == "visible" else x for x in (V, CHAINS)]
    distances = []
    for make in (Centring, lambda: None):
        moved = stepped(model, V, CHAINS, make())
        distances.append(apart(with_units_flipped(moved, layer), stepped(twin, *seen, make())))
    assert distances[0] < 1e-12
    # Negative control: the ordinary gradient does depend on it.
    assert distances[1] > 0.01


def test_a_flipped_model_is_the_same_model(close):
    model = drawn()
    ours = model.score_samples(V)
    close(with_units_flipped(model, "visible").score_samples(1 - V), ours)
    close(with_units_flipped(model, "hidden").score_samples(V), ours)


def test_the_closed_form_is_the_definition(close):
    model, h = drawn(), torch.sigmoid
    means = [h(x @ model.weight + model.hidden_bias).detach() for x in (V, CHAINS)]
    mu = (V.mean(0) + CHAINS.mean(0)) / 2
    centre = (means[0].mean(0) + means[1].mean(0)) / 2
    pairs = [
        torch.einsum("ni,nj->ij", v - mu, m - centre) / len(v)
        for v, m in zip((V, CHAINS), means, strict=True)
    ]
    by_weight = pairs[0] - pairs[1]
    by_visible = V.mean(0) - CHAINS.mean(0) - by_weight @ centre
    by_hidden = means[0].mean(0) - means[1].mean(0) - mu @ by_weight
    model.contrast(V, CHAINS)
    Centring().apply(model, V, CHAINS)
    # Gradients are those of the loss, which falls.
    close(model.weight.grad, -by_weight)
    close(model.visible_bias.grad, -by_visible)
    close(model.hidden_bias.grad, -by_hidden)


def test_offsets_follow_the_batches(close):
    model, centring = drawn(), Centring(0.25)
    model.contrast(V, CHAINS)
    centring.apply(model, V, CHAINS)
    first = [x.clone() for x in centring.state()["offsets"]]
    centring.apply(model, CHAINS, CHAINS)
    for old, new, seen in zip(
        first, centring.state()["offsets"], model.unit_means(CHAINS), strict=True
    ):
        close(new, 0.75 * old + 0.25 * seen)


def trained(v, epochs, centring=True, **arguments):
    solver = ContrastiveDivergence(1, 0.3, centring=Centring() if centring else None)
    settings = {"batch_size": 20, "solver": solver, "random_state": 0, **arguments}
    return RBM(8, 4).double().fit(v, epochs=epochs, **settings)


def test_a_resumed_training_is_the_same_to_the_bit(tmp_path):
    v, file = bits(60, 8, 6), tmp_path / "half.ckpt"
    whole = trained(v, 6)
    trained(v, 3, callbacks=[Checkpoint(file)])
    resumed = trained(v, 6, resume=file)
    assert apart(whole, resumed) == 0
    assert apart(whole, trained(v, 6, centring=False)) > 0


def test_wrong_arguments_are_named():
    for rate in (0.0, 1.5):
        with pytest.raises(ArgumentError, match=f"rate={rate}"):
            Centring(rate)
    solver = ContrastiveDivergence(centring=Centring())
    votes = torch.eye(3).expand(4, 3, 3)
    with pytest.raises(ArgumentError, match="SoftIRBM has no centre_gradient"):
        SoftIRBM(3, 3).fit(votes, solver=solver, epochs=1)
    model = RBM(3, 2)
    model.hidden_bias.requires_grad_(False)
    with pytest.raises(ArgumentError, match="one is frozen"):
        model.fit(torch.zeros(4, 3), solver=solver, epochs=1)
