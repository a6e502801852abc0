"""Deep inverse RBMs: energies, gradients, missing votes, training on models that can be listed."""

import copy

import numpy as np
import pytest
import torch
from exact import one_hot_states, partial_states

from deem.core.dataset import Dataset
from deem.core.model import Model
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.core.training import Checkpoint
from deem.math.activation import ACTIVATIONS
from deem.math.random import as_generator
from deem.models import MultinomialIRBM, SoftIRBM
from deem.models.initialization import initialise
from deem.samplers import DiscreteLangevin, GibbsWithGradients, ParallelTempering
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

PARTIAL = partial_states(3, 3)


def drawn(*sizes, scale=1.0, seed=0, dtype=torch.float64, **arguments):
    """Model with normal parameters; `sizes` are classifiers and classes."""
    model = MultinomialIRBM(*sizes, **arguments).to(dtype)
    generator = as_generator(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return model


def parameters_of(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


ARCHITECTURES = {
    **{str(name): {"activation": name} for name in [*ACTIVATIONS, None]},
    "deep": {"widths": [4, 2]},
    "deep softmax": {"widths": [2, 3, 1], "activation": "softmax"},
    "rank": {"widths": [3, 2], "rank": 2, "activation": "entmax"},
    "one-hot": {"one_hot": True},
    "one-hot of rectifiers": {"one_hot": True, "activation": "relu", "widths": [2]},
    "two units": {"hidden_dim": 2, "activation": "ultramax"},
    "dense start": {"start": "rand", "widths": [2], "hidden_dim": 2},
}
every_architecture = pytest.mark.parametrize(
    "arguments", ARCHITECTURES.values(), ids=ARCHITECTURES
)


# ---- energy


@every_architecture
def test_unit_logits_by_hand(arguments, close):
    model = drawn(3, 3, **arguments)
    found = model.unit_logits(PARTIAL)
    for v, logits in zip(PARTIAL[::5], found[::5], strict=True):
        known = v.any(1)
        for layer in model.layers:
            sources = layer.carriers > 0
            v = layer.activate(layer.logits(v[None]))[0]
            known = torch.stack([known[sources[:, j]].any() for j in range(layer.n_out)])
            v = v * known[:, None]
        expected = torch.einsum("jm,jmus->us", v, model.weight) + model.hidden_bias
        close(logits, expected)


@every_architecture
def test_sums_over_hidden_states(arguments, close):
    model = drawn(3, 3, **arguments)
    units = one_hot_states(model.hidden_dim, 3)
    n, m = len(PARTIAL), len(units)
    pairs = PARTIAL.repeat_interleave(m, 0), units.repeat(n, 1, 1)
    scores = -model.energy(*pairs).reshape(n, m)
    close(-model.free_energy(PARTIAL), scores.logsumexp(1))
    for j, state in enumerate(units):
        close(model.p_h(PARTIAL).log_prob(state.expand(n, -1, -1)), scores.log_softmax(1)[:, j])


@every_architecture
@pytest.mark.parametrize("rows", ["complete", "gaps"])
def test_frozen_gradients_are_those_of_automatic_differentiation(arguments, rows, close):
    model = drawn(3, 3, scale=0.7, **arguments)
    model.redraw(PARTIAL, as_generator(4))
    v = PARTIAL if rows == "gaps" else one_hot_states(3, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    frozen = model.frozen(v)
    energy, gradient = frozen.free_energy_and_gradient(v)
    leaf = v.clone().requires_grad_()
    expected = model.free_energy(leaf)
    (slope,) = torch.autograd.grad(expected.sum(), leaf)
    close(energy, expected)
    close(gradient, slope)
    close(frozen.free_energy(v), expected)
    assert slope.abs().max() > 0.01
    assert not gradient.requires_grad
    assert not energy.requires_grad
    # Nothing of the model is touched.
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(before[name], x) for name, x in model.state_dict().items())


def test_frozen_gradients_lie_off_the_states_too(close):
    model = drawn(3, 3, activation="softmax", widths=[3, 2])
    v = torch.rand(5, 3, 3, generator=as_generator(0), dtype=torch.float64)
    (energy, gradient), step = model.frozen(v).free_energy_and_gradient(v), 1e-6
    for i in range(3):
        for k in range(3):
            moved = v.clone()
            moved[:, i, k] += step
            slope = (model.free_energy(moved) - energy).detach() / step
            close(slope, gradient[:, i, k], factor=1e4)


@pytest.mark.parametrize("activation", ["sparsemax", "relu"])
def test_frozen_keeps_the_pattern_of_its_rows(activation, close):
    model = drawn(3, 3, activation=activation, widths=[3, 2])
    start = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 1, 0]]).double()[None]
    frozen = model.frozen(start)
    assert frozen.frozen(start) is frozen
    for moved in partial_states(3, 3):
        if torch.equal(moved.any(-1), start[0].any(-1)):
            close(frozen.free_energy(moved[None]), model.free_energy(moved[None]))


def test_an_empty_sample_gets_the_bias(close):
    model = drawn(3, 3, widths=[4, 2], hidden_dim=2)
    empty = torch.zeros(2, 3, 3).double()
    close(model.unit_logits(empty), model.hidden_bias.expand(2, 2, 3))
    close(model.p_h(empty).mean[0], model.hidden_bias.softmax(-1))


def test_missing_is_not_marginalised_behind_layers(close):
    # Every pattern is a model of its own; only without curvature do the two coincide.
    rows, complete = partial_states(2, 3), one_hot_states(2, 3)
    model = drawn(2, 3, activation="softmax")
    one = torch.tensor([[[1.0, 0, 0], [0, 0, 0]]]).double()
    same = (complete[:, 0] == one[:, 0]).all(-1)
    summed = model.p_h(complete[same]).mean[:, 0]
    weights = (-model.free_energy(complete[same])).softmax(0)
    gap = (model.p_h(one).mean[0, 0] - weights @ summed).abs().max()
    assert gap > 0.01
    # Its own partition: adding it up over the pattern gives probabilities of that pattern.
    pattern = rows[(rows.sum(-1) == torch.tensor([1.0, 0.0])).all(-1)]
    assert len(pattern) == 3
    by_hand = torch.stack(
        [
            torch.logsumexp(
                model.layers[0](v[None])[0, 0] @ model.weight[0, :, 0] + model.hidden_bias[0], 0
            )
            for v in pattern
        ]
    )
    close(-model.free_energy(pattern), by_hand)


@pytest.mark.parametrize("seed", [0, 1])
def test_one_hot_draws_are_part_of_the_model(seed):
    model = drawn(3, 3, one_hot=True, scale=0.3)
    v = one_hot_states(3, 3)
    plain = model.free_energy(v)
    model.redraw(v, as_generator(seed))
    noisy = model.free_energy(v)
    assert (noisy - plain).abs().max() > 0.05
    assert torch.equal(model.free_energy(v), noisy)
    model.eval()
    assert torch.equal(model.free_energy(v), plain)
    soft = drawn(3, 3, scale=0.3)
    kept = soft.free_energy(v)
    soft.redraw(v, as_generator(seed))
    assert torch.equal(soft.free_energy(v), kept)


def test_configurations_are_draws_from_soft_votes():
    model = drawn(2, 3)
    soft = torch.tensor([[[0.5, 0.3, 0.2], [0.0, 0.0, 0.0]]]).double().repeat(6000, 1, 1)
    found = model.configurations(soft, as_generator(0))
    assert torch.equal(found.sum(-1), soft.sum(-1).round())
    assert ((found == 0) | (found == 1)).all()
    assert (found.mean(0) - soft[0]).abs().max() < 4 * 0.5 / 6000**0.5
    hard = partial_states(2, 3)
    assert torch.equal(model.configurations(hard, as_generator(0)), hard)


def test_parameter_groups_slow_the_layers_by_the_weights_behind_them():
    model = drawn(3, 3, widths=[4, 2], hidden_dim=2, scale=2.0)
    head, layers = model.parameter_groups(0.1)
    assert head["lr"] == 0.1
    weight = model.weight.detach()
    centred = weight - weight.mean(1, keepdim=True) - weight.mean(3, keepdim=True)
    centred = centred + weight.mean((1, 3), keepdim=True)
    share = 1 / (1 + centred.square().mean())
    assert layers["lr"] == pytest.approx(0.1 * float(share))
    assert 0.1 < share < 0.6
    found = [id(p) for group in (head, layers) for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters())
    # What adds the same to every vote, or to every class, tells nothing.
    with torch.no_grad():
        model.weight.add_(5 * torch.randn(2, 1, 2, 3, generator=as_generator(1)))
        model.weight.add_(5 * torch.randn(2, 3, 2, 1, generator=as_generator(2)))
    assert model.parameter_groups(0.1)[1]["lr"] == pytest.approx(layers["lr"])


def test_the_optimizer_takes_the_groups():
    model, v = drawn(3, 3, scale=2.0), one_hot_states(3, 3)
    solver = ContrastiveDivergence(1, 0.1, sampler=DiscreteLangevin(), scheduler="cosine")
    expected = [group["lr"] for group in model.parameter_groups(0.1)]
    model.fit(v, epochs=0, solver=solver, random_state=0)
    groups = solver.state()["optimizer"]["param_groups"]
    assert [group["lr"] for group in groups] == expected
    model.fit(v, epochs=2, solver=solver, random_state=0)
    assert [g["lr"] for g in solver.state()["optimizer"]["param_groups"]] == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n_classifiers": 0}, "n_classifiers is 0; it must be at least 1"),
        ({"n_classes": 0}, "n_classes is 0; it must be at least 1"),
        ({"hidden_dim": 0}, "hidden_dim is 0; it must be at least 1"),
        ({"widths": []}, "the number of layers is 0; it must be at least 1"),
        ({"widths": [3, 0]}, "n_out=0; it must be at least 1"),
        ({"activation": "tanh"}, "activation='tanh' is unknown"),
        ({"n_classifiers": 3000}, "pass rank=8"),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        MultinomialIRBM(**{"n_classifiers": 3, "n_classes": 3} | arguments)


def test_fit_without_a_solver_samples_by_langevin():
    model = drawn(3, 3)
    before = model.weight.detach().clone()
    model.fit(one_hot_states(3, 3), epochs=1, random_state=0)
    assert 0 < model.history["acceptance"][-1] < 1
    assert model.history.settings["sampler"] == "DiscreteLangevin"
    assert not torch.equal(model.weight, before)


def test_wrong_shapes_and_solvers_are_named():
    model = drawn(3, 3)
    with pytest.raises(ShapeError, match=r"shape \(2, 3, 4\); expected .* \(batch, 3, 3\)"):
        model.free_energy(torch.zeros(2, 3, 4))
    with pytest.raises(IntractableError, match=r"MultinomialIRBM has no exact log_partition"):
        model.log_partition()


# ---- training


def dependent_votes(n=800, d=5, k=2, seed=0):
    """Classifiers 0, 1 and 2 copy one mistaken opinion; the others err by themselves."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(k, size=n)
    opinion = np.where(rng.random(n) < 0.65, truth, rng.integers(k, size=n))
    votes = np.where(rng.random((n, d)) < 0.75, truth[:, None], rng.integers(k, size=(n, d)))
    copied = np.where(rng.random((n, 3)) < 0.9, opinion[:, None], rng.integers(k, size=(n, 3)))
    votes[:, :3] = copied
    return read_votes(votes, n_classes=k)


@torch.no_grad()
def log_likelihood(model, votes):
    """Mean over complete votes, by enumeration, in nats."""
    model = copy.deepcopy(model).double().eval()
    states = one_hot_states(votes.n_classifiers, votes.n_classes)
    log_partition = (-model.free_energy(states)).logsumexp(0)
    return float(-model.free_energy(votes.one_hot().double()).mean() - log_partition)


def started(votes, seed=0, dtype=torch.float64, method="shares", **arguments):
    model = MultinomialIRBM(votes.n_classifiers, votes.n_classes, **arguments).to(dtype)
    return initialise(model, votes, method, random_state=seed)


KERNELS = {
    "dlp": DiscreteLangevin(),
    "gwg": GibbsWithGradients(),
    "tempering": ParallelTempering(GibbsWithGradients(), (1.0, 2.0)),
}


def solver_of(kernel="dlp", persistent=False, learning_rate=0.01, **settings):
    settings = {"optimizer": "adam", "scheduler": "cosine"} | settings
    return ContrastiveDivergence(
        5, learning_rate, persistent=persistent, sampler=KERNELS[kernel], **settings
    )


GAIN = 0.02
"""Nats a sample; what depth has to offer here is 0.08 to 0.1."""


@pytest.mark.parametrize(
    ("kernel", "persistent", "seed"),
    [
        ("dlp", False, 0),
        ("gwg", False, 1),
        ("dlp", True, 1),
        ("gwg", True, 0),
        ("tempering", True, 0),
    ],
)
def test_training_raises_the_enumerated_likelihood(kernel, persistent, seed):
    votes = dependent_votes(seed=seed)
    model = started(votes, seed)
    before, layer = log_likelihood(model, votes), model.layers[0].weight.detach().clone()
    # Persistent chains must keep up with the parameters.
    rate, epochs = (0.01, 20) if persistent else (0.015, 12)
    solver = solver_of(kernel, persistent, rate)
    model.fit(votes, epochs=epochs, batch_size=200, solver=solver, random_state=seed)
    assert log_likelihood(model, votes) > before + GAIN
    assert (model.layers[0].weight - layer).abs().max() > 0.05
    exact = initialise(SoftIRBM(5, 2).double(), votes, "shares").fit(votes)
    assert log_likelihood(model, votes) > log_likelihood(exact, votes) + GAIN


class Ascent(ContrastiveDivergence):
    """Negative control: the sign of the loss is wrong."""

    def _descend(self, model, v, chains):
        for p in model.parameters():
            p.grad = None if p.grad is None else -p.grad
        super()._descend(model, v, chains)


@pytest.mark.parametrize("wrong", ["sign", "rate"])
def test_the_likelihood_does_not_rise_by_itself(wrong):
    votes = dependent_votes()
    model = started(votes)
    before = log_likelihood(model, votes)
    make = Ascent if wrong == "sign" else ContrastiveDivergence
    rate = 0.01 if wrong == "sign" else 1e-300
    solver = make(5, rate, optimizer="adam", sampler=DiscreteLangevin())
    model.fit(votes, epochs=10, batch_size=200, solver=solver, random_state=0)
    after = log_likelihood(model, votes)
    assert after < before - GAIN if wrong == "sign" else after == before


def state_of(model, solver):
    """Everything that goes on, as one flat dictionary of tensors and numbers."""
    found = {f"buffer {name}": value for name, value in model.named_buffers()}
    found |= {f"parameter {name}": value for name, value in model.named_parameters()}
    kept = solver.state()
    found |= {f"sampler {name}": torch.as_tensor(x) for name, x in kept["sampler"].items()}
    for index, values in kept["optimizer"]["state"].items():
        found |= {f"optimizer {index} {name}": torch.as_tensor(x) for name, x in values.items()}
    found["scheduler"] = torch.tensor(kept["scheduler"]["last_epoch"])
    if kept["chains"] is not None:
        found["chains"] = kept["chains"]
    found |= {f"trace {i}": x for i, x in enumerate(kept["trace"])}
    return {name: value.detach() for name, value in found.items()}


@pytest.mark.parametrize(
    ("persistent", "one_hot"), [(False, True), (True, False)], ids=["cd one-hot", "pcd soft"]
)
def test_a_resumed_training_is_the_uninterrupted_one(persistent, one_hot, tmp_path):
    votes, optimizer = dependent_votes(150), "adam" if persistent else "sgd"
    arguments = {"one_hot": one_hot, "widths": [4, 3], "dtype": torch.float32}
    options = {"batch_size": 40, "random_state": 3}
    start = started(votes, 1, **arguments)

    def train(epochs, **more):
        model = copy.deepcopy(start)
        solver = solver_of("dlp", persistent, 0.02, optimizer=optimizer, momentum=0.9)
        model.fit(votes, epochs=epochs, solver=solver, **options | more)
        return model, solver

    whole = train(6)
    # The schedule is that of the whole training, which a failing callback breaks off.
    with pytest.raises(KeyboardInterrupt):
        train(6, callbacks=[Checkpoint(tmp_path / "file"), _Interrupt(3)])
    resumed = train(6, resume=tmp_path / "file", random_state=99)
    first, second = state_of(*whole), state_of(*resumed)
    assert first.keys() == second.keys()
    assert {name for name in first if not torch.equal(first[name], second[name])} == set()
    np.testing.assert_equal(dict(whole[0].history), dict(resumed[0].history))
    kernel = whole[1].state()["sampler"]
    assert kernel["tuned"] == 24
    assert float(kernel["step_size"]) != DiscreteLangevin().step_size
    if one_hot:
        assert whole[0].layers[0].noise.abs().max() > 0


class _Interrupt(Checkpoint):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, training):
        if training.epoch == self.epoch:
            raise KeyboardInterrupt


@every_architecture
def test_files_bring_every_architecture_back(arguments, tmp_path):
    votes, dtype = dependent_votes(30, d=3, k=3), torch.float32
    model = started(votes, dtype=dtype, **arguments)
    model.fit(votes, epochs=1, solver=solver_of(), random_state=0)
    model.save(tmp_path / "model")
    v = votes.one_hot(dtype=dtype)
    for loaded in (MultinomialIRBM.load(tmp_path / "model"), Model.load(tmp_path / "model")):
        assert loaded.config() == model.config()
        assert loaded.dtype == dtype
        assert torch.equal(loaded.eval().free_energy(v), model.eval().free_energy(v))
        assert torch.equal(loaded.predict_classes(votes), model.predict_classes(votes))


def test_posteriors_of_a_fitted_one_hot_model_draw_nothing(tmp_path):
    votes = dependent_votes(100, d=3, k=3)
    model = started(votes, one_hot=True)
    model.fit(votes, epochs=1, solver=solver_of(), random_state=0)
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert torch.equal(loaded.predict_classes(votes), model.predict_classes(votes))


def test_samples_train_by_their_weights():
    # A sample of weight 2 counts as two; one without weight not at all.
    votes = dependent_votes(60)
    v = votes.one_hot().double()
    weights = torch.arange(60) % 3
    model = started(votes)
    loss = []
    for data in (Dataset(v, weights=weights), Dataset(v.repeat_interleave(weights, 0))):
        solver = ContrastiveDivergence(1, 1e-300, sampler=DiscreteLangevin(1e-9, warm_up=0))
        solver.prepare(model, data, 1, as_generator(0))
        loss.append(solver.step(model, data, as_generator(0))["free_energy"])
    torch.testing.assert_close(*loss)
