"""What every model of sequences promises, against enumeration."""

import copy
import math

import pytest
import torch
from exact import bit_states, gradient, real_nodes, total_variation, total_variation_bound
from sequences import Tiny, blinking, shuffled, turning

from deem.core.dataset import Dataset
from deem.core.model import Model
from deem.core.reading import read_votes
from deem.core.solvers import Centring, ContrastiveDivergence, ExactGradient, SparsityTarget
from deem.math import listing
from deem.math.random import as_generator
from deem.models import RTRBM, TEMPORAL, RTGaussianRBM, RTVarianceGaussianRBM
from deem.samplers import GibbsWithGradients
from deem.utils.exception import (
    ArgumentError,
    IntractableError,
    NonFiniteError,
    OutsideUnitIntervalWarning,
    ShapeError,
)


def _bits(n_visible, n_hidden, **arguments):
    sizes = {"n_visible": n_visible, "n_hidden": n_hidden}
    return Tiny(RTRBM, {**sizes, **arguments}, bit_states(n_visible), bit_states(n_hidden))


def _real(cls, n_hidden, **arguments):
    sizes = {"n_visible": 1, "n_hidden": n_hidden, "standardise": False}
    return Tiny(cls, {**sizes, **arguments}, nodes, bit_states(n_hidden), log_weight, spread=0.5)


nodes, log_weight = real_nodes(1)
TINY = [
    *(_bits(2, 2), _bits(2, 3, temperature=2.0), _bits(3, 2)),
    *(_real(RTGaussianRBM, 2), _real(RTVarianceGaussianRBM, 2, temperature=0.8)),
]


@pytest.fixture(params=TINY, ids=[tiny.name for tiny in TINY])
def tiny(request):
    return request.param


@pytest.fixture
def model(tiny):
    return tiny.build(1)


@pytest.fixture
def index(tiny):
    return tiny.some()


@pytest.fixture
def v(tiny, index):
    return tiny.states[index]


def parameters_of(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_every_model_of_sequences_has_a_tiny_configuration():
    assert set(TEMPORAL.values()) == {tiny.cls for tiny in TINY}
    assert all(name == cls.__name__ for name, cls in TEMPORAL.items())


def test_score_samples_is_the_exact_log_likelihood(tiny, model, index, v, close):
    exact = tiny.exact(model, index)
    close(model.log_partitions(v), exact.log_partitions)
    close(model.score_samples(v), exact.log_p)
    close(model.score_samples(v), -model.free_energy(v) - model.log_partitions(v).sum(1))
    close(model.log_likelihood(Dataset(v)), exact.log_p)
    close(gradient(model.score_samples(v).mean(), model), gradient(exact.log_p.mean(), model))


def test_states_are_listed_in_parts(tiny, model, v, monkeypatch, close):
    expected = model.log_partitions(v)
    slope = gradient(expected.sum(), model)
    monkeypatch.setattr(listing, "_NUMBERS", 3 * v.shape[0] * v.shape[1] * model.n_hidden)
    monkeypatch.setattr(listing, "_KEPT", 0)
    close(model.log_partitions(v), expected)
    close(gradient(model.log_partitions(v).sum(), model), slope)


def test_probabilities_of_all_sequences_sum_to_one(tiny, model, close):
    index = tiny.all_sequences()
    weights = torch.as_tensor(tiny.log_weight).expand(len(tiny.states))[index].sum(1)
    close((model.score_samples(tiny.states[index]) + weights).exp().sum(), 1.0)


def test_hidden_units_of_all_frames_are_independent_given_the_frames(tiny, model, close):
    v, n = tiny.states[tiny.some(5, 2)], len(tiny.hidden)
    h = tiny.hidden[torch.cartesian_prod(torch.arange(n), torch.arange(n))]
    scores = -model.energy(v.repeat_interleave(n**2, 0), h.repeat(5, 1, 1)).reshape(5, -1)
    close(scores.logsumexp(1), -model.free_energy(v))
    expected = scores.log_softmax(1)
    for j in (0, 1, n**2 - 1):
        close(model.p_h(v).log_prob(h[j].expand(5, *h[j].shape)), expected[:, j])
    close(model(v), torch.tensordot(expected.exp(), h, dims=1))


def test_contrast_with_the_exact_negative_phase_is_the_gradient_of_the_nll(tiny, model, close):
    time, n_states = 3, len(tiny.states)
    index = tiny.some(4, time)
    v, exact = tiny.states[index], tiny.exact(model, index)
    # One chain for every sequence, frame and state of it; the other frames are those of the data.
    chains = v[:, None, None].repeat(1, time, n_states, 1, 1)
    for t in range(time):
        chains[:, t, :, t] = tiny.states
    share = (exact.log_frames + tiny.log_weight).exp().detach().flatten() / len(v)
    rows = v.repeat_interleave(time * n_states, 0)
    model.contrast(rows, chains.flatten(0, 2), share, share)
    found = torch.cat([p.grad.flatten() for p in model.parameters()])
    close(found, gradient(-exact.log_p.mean(), model))


def test_a_past_taken_as_constant_is_not_the_gradient(tiny, model, index, v):
    exact = gradient(model.score_samples(v).mean(), model)
    past = model._unroll(v)[1].detach()
    cut = model._free_energy(v, model._own_field(v) + past) + model._log_partitions(past).sum(1)
    assert (exact[: -model.n_hidden] + gradient_or_zero(cut.mean(), model)).abs().max() > 1e-3


def gradient_or_zero(value, model):
    """The gradient by all parameters but the first state, which a cut past does not know."""
    found = torch.autograd.grad(value, list(model.parameters()), allow_unused=True)
    pairs = zip(found, model.parameters(), strict=True)
    flat = torch.cat(
        [torch.zeros_like(p).flatten() if g is None else g.flatten() for g, p in pairs]
    )
    return flat[: -model.n_hidden]


def test_temperature_divides_the_weights_but_not_the_state(close):
    cold = _bits(3, 2).build(3)
    warm = _bits(3, 2, temperature=2.0).build(3)
    with torch.no_grad():
        for name, p in warm.named_parameters():
            p.mul_(1.0 if name == "initial_state" else 2.0)
    v = turning(5, 4, 3).double()
    close(warm.score_samples(v), cold.score_samples(v))
    close(warm(v), cold(v))


def test_the_first_state_counts(model, v):
    before = model.score_samples(v)
    with torch.no_grad():
        model.initial_state.add_(1.0)
    assert (model.score_samples(v) - before).abs().min() > 1e-6


def test_frames_say_nothing_of_those_before_them(model, v, close):
    """Causal: states and probabilities of a beginning do not depend on its end."""
    close(model(v)[:, :2], model(v[:, :2]))
    close(model.log_partitions(v)[:, :2], model.log_partitions(v[:, :2]))


@pytest.mark.parametrize("held", [True, False], ids=["held", "control: past of the chains"])
def test_an_update_moves_every_frame_given_the_past_of_the_data(held):
    tiny = _bits(2, 2)
    model, n = tiny.remembering(), 20_000
    index = torch.tensor([[0, 3]])
    v = tiny.states[index].repeat(n, 1, 1)
    p = tiny.exact(model, index).log_frames[0].exp().detach()
    generator = as_generator(0)
    draws = [torch.multinomial(row, n, True, generator=generator) for row in p]
    chains = torch.stack([tiny.states[draw] for draw in draws], 1)
    if held:
        model.redraw(v, generator)
    moved = model.gibbs_step(chains, generator)
    code = (moved[:, 1] * torch.tensor([2.0, 1.0])).sum(1).long()
    distance = total_variation(torch.bincount(code, minlength=4) / n, p[1])
    assert (distance < total_variation_bound(p[1], n)) == held


def test_what_is_held_ends_with_the_update(model, v):
    free = model.reconstruct(v)
    for end in (lambda: model.contrast(v, v), model.eval):
        model.redraw(v.flip(0), as_generator(0))
        assert not torch.equal(model.reconstruct(v), free)
        end()
        assert torch.equal(model.reconstruct(v), free)


def test_reconstruct_is_the_mean_field_sweep_of_each_frame(model, v, close):
    expected = model.frame.p_v(model(v).flatten(0, 1)).mean.reshape(v.shape)
    close(model.reconstruct(v), expected)
    assert not model.reconstruct(v).requires_grad


def test_draws_follow_the_exact_distribution():
    tiny = _bits(2, 2)
    model, n, index = tiny.remembering(), 8000, tiny.all_sequences()
    p = tiny.exact(model, index).log_p.exp().detach()
    draws = model.sample(n, 2, gibbs_steps=20, random_state=0)
    code = (draws.flatten(1) * torch.tensor([8.0, 4.0, 2.0, 1.0])).sum(1).long()
    found = torch.bincount(code, minlength=16) / n
    assert total_variation(found, p) < total_variation_bound(p, n)
    # Without memory the frames would be independent.
    table = p.reshape(4, 4)
    assert total_variation(found, (table.sum(1)[:, None] * table.sum(0)).flatten()) > 0.1


def test_a_sequence_goes_on_as_its_beginning_says():
    tiny = _bits(2, 2)
    model, n = tiny.remembering(), 8000
    index = torch.tensor([[2, 3, 0]])
    p = tiny.exact(model, index).log_frames[0, 2].exp().detach()
    start = tiny.states[index[:, :2]].repeat(n, 1, 1)
    new = model.extend(start, 2, gibbs_steps=20, random_state=0)
    assert new.shape == (n, 2, 2)
    code = (new[:, 0] * torch.tensor([2.0, 1.0])).sum(1).long()
    found = torch.bincount(code, minlength=4) / n
    assert total_variation(found, p) < total_variation_bound(p, n)
    shorter = tiny.exact(model, index[:, 1:]).log_frames[0, 1].exp().detach()
    assert total_variation(shorter, p) > 0.05


def test_draws_repeat_by_their_seed(model, v):
    draws = [model.sample(5, 3, 4, random_state=seed) for seed in (0, 0, 1)]
    assert draws[0].shape == (5, 3, model.n_visible)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    means = [model.extend(v, 2, 5, deterministic=True, random_state=seed) for seed in (0, 1)]
    assert torch.equal(*means)
    assert not draws[0].requires_grad
    assert not means[0].requires_grad


def test_contrastive_divergence_raises_the_exact_likelihood(tiny):
    generator = as_generator(0)
    truth, model = tiny.build(100), tiny.build(1)
    v = truth.sample(200, 4, 10, generator)
    before = model.score_samples(v).mean()
    model.fit(v, epochs=8, batch_size=50, learning_rate=0.05, random_state=0)
    # What there is to gain, up to the noise of the updates.
    gain, most = (m.score_samples(v).mean() - before for m in (model, truth))
    assert gain > 0.5 * most > 0
    assert {"free_energy", "free_energy_gap", "reconstruction_error"} <= set(model.history)


@pytest.mark.parametrize("solver", [None, ContrastiveDivergence(2, 0.05, deterministic=True)])
def test_same_seed_same_parameters(tiny, v, solver):
    results = []
    for seed in (5, 5, 6):
        model = tiny.build(1).fit(v, epochs=2, batch_size=8, solver=solver, random_state=seed)
        results.append(parameters_of(model))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_saved_model_comes_back_bit_for_bit(tiny, model, v, tmp_path):
    model.fit(v, epochs=2, random_state=0)
    model.save(tmp_path / "model")
    for loaded in (tiny.cls.load(tmp_path / "model"), Model.load(tmp_path / "model")):
        assert type(loaded) is tiny.cls
        assert loaded.config() == model.config() == {**model.config(), **tiny.arguments}
        assert loaded.history.to_dict() == model.history.to_dict()
        assert torch.equal(loaded.score_samples(v), model.score_samples(v))


def test_copies_and_states_carry_all_that_matters(tiny, model, v):
    other, twin = tiny.build(2), copy.deepcopy(model)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.score_samples(v), model.score_samples(v))
    kept = parameters_of(model)
    twin.fit(v, epochs=1, random_state=0)
    assert torch.equal(parameters_of(model), kept)
    assert not torch.equal(parameters_of(twin), kept)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_dtype_is_that_of_the_parameters(tiny, kind):
    model = tiny.build(0, kind)
    v = tiny.states[tiny.some(10)]
    model.fit(v, epochs=1, random_state=0)
    assert model.dtype == model.score_samples(v.to(kind)).dtype == kind
    assert model.sample(2, 2, 2).dtype == model.extend(v, 1, 2).dtype == kind
    assert all(p.dtype == kind for p in model.parameters())


def test_the_first_weights_are_those_of_the_seed(tiny):
    models = [tiny.cls(**{**tiny.arguments, "random_state": seed}) for seed in (0, 0, 1)]
    assert torch.equal(*map(parameters_of, models[:2]))
    assert not torch.equal(parameters_of(models[0]), parameters_of(models[2]))
    assert models[0].dtype == torch.float32
    assert not models[0].initial_state.any()
    drawn = models[0].recurrent_weight.detach().flatten()
    assert 0 < drawn.abs().max() < 0.05
    # Not the same draws twice.
    weight = models[0].frame.weight.detach().flatten()
    assert not torch.isin(drawn, weight).any()


def test_one_frame_is_a_sequence(tiny, model, close):
    v = tiny.states[tiny.some(20, 1)]
    model.fit(v, epochs=1, random_state=0)
    close(model.score_samples(v), tiny.exact(model, tiny.some(20, 1)).log_p)


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (torch.zeros(4, 2), ShapeError, r"shape \(4, 2\).*\(n_samples, time, 2\)"),
        (torch.zeros(4, 3, 5), ShapeError, r"shape \(4, 3, 5\)"),
        (torch.zeros(4, 0, 2), ShapeError, "at least one frame"),
        (torch.zeros(0, 3, 2), ArgumentError, "no rows"),
        (torch.tensor([[[0.0, 1.0]] * 3, [[0.0, float("nan")]] * 3]), ArgumentError, "1 of 2 seq"),
        (read_votes([[0, 1], [1, 1]]), ShapeError, "Votes"),
    ],
)
def test_data_of_the_wrong_form_are_refused_before_training(data, error, text):
    model = RTRBM(2, 2)
    before = parameters_of(model)
    with pytest.raises(error, match=text):
        model.fit(data, epochs=1)
    assert torch.equal(parameters_of(model), before)


def test_values_outside_the_unit_interval_give_a_warning():
    with pytest.warns(OutsideUnitIntervalWarning, match="data / 255"):
        RTRBM(2, 2).fit(torch.full((4, 3, 2), 3.0), epochs=1)


@pytest.mark.parametrize(
    ("solver", "error", "text"),
    [
        (ContrastiveDivergence(persistent=True), ArgumentError, "leave out persistent="),
        (ContrastiveDivergence(sampler=GibbsWithGradients()), ArgumentError, "leave out sampler="),
        (ContrastiveDivergence(centring=Centring()), ArgumentError, "leave out centring="),
        (ExactGradient(), IntractableError, r"log_partitions\(v\)"),
    ],
)
def test_solvers_that_do_not_suit_sequences_are_refused(solver, error, text):
    model = RTRBM(2, 2)
    kept = parameters_of(model)
    with pytest.raises(error, match=text):
        model.fit(torch.ones(4, 3, 2), epochs=1, solver=solver)
    assert torch.equal(parameters_of(model), kept)


def test_arrays_of_any_precision_are_read():
    model, v = RTRBM(2, 3), turning(4, 3, 2).numpy().astype("float64")
    for found in (model.score_samples(v), model.reconstruct(v), model.extend(v.tolist())):
        assert found.dtype == torch.float32
    assert model.score_samples(v[:0]).shape == RTRBM(2, 9).score_samples(v[:0]).shape == (0,)
    for call in (model.score_samples, model.reconstruct, model.extend, model):
        with pytest.raises(ShapeError, match=r"expects \(n_samples, time, 2\)"):
            call(v[0])


def test_data_that_come_with_a_gradient_are_learned_without_it():
    v = turning(4, 3, 2).requires_grad_()
    RTRBM(2, 3).fit(1 - v, epochs=2, batch_size=None, random_state=0)
    assert v.grad is None


def test_wrong_numbers_and_wide_frames_are_refused():
    model = RTRBM(21, 21)
    with pytest.raises(IntractableError, match=r"frames of RBM\(21, 21\)"):
        model.score_samples(torch.zeros(1, 2, 21))
    with pytest.raises(ArgumentError, match="n_steps=0"):
        model.sample(2, 0)
    with pytest.raises(ArgumentError, match="gibbs_steps=0"):
        model.extend(torch.zeros(1, 2, 21), gibbs_steps=0)
    with pytest.raises(ShapeError, match="at least one frame"):
        model.extend(torch.zeros(1, 0, 21))
    with pytest.raises(ArgumentError, match="n_hidden=0"):
        RTRBM(2, 0)


def test_divergence_keeps_the_last_good_parameters(tiny, model, v):
    solver = ContrastiveDivergence(learning_rate=1e308, momentum=0.99)
    with pytest.raises(NonFiniteError, match="learning rate"):
        model.fit(v, epochs=50, solver=solver, random_state=0)
    assert parameters_of(model).isfinite().all()


def test_a_weight_counts_as_a_repeated_sequence(close):
    v, weights = turning(6, 4, 3), torch.tensor([1, 2, 1, 3, 1, 1])
    models = RTRBM(3, 2).double(), RTRBM(3, 2).double()
    models[0].prepare(Dataset(v.repeat_interleave(weights, 0)))
    close(models[0].frame.visible_bias.sigmoid().sum(), 1.0, 1e9)
    models[1].prepare(Dataset(v, weights=weights))
    means = [m.frame.visible_bias.sigmoid() for m in models]
    assert (means[0] - means[1]).abs().max() < 0.03


def test_penalties_reach_the_states():
    v = turning(64, 5)
    activity = []
    for strength in (0.0, 50.0):
        solver = ContrastiveDivergence(
            1, 0.05, optimizer="adam", penalties=[SparsityTarget(0.8, strength)]
        )
        model = RTRBM(4, 6).fit(v, epochs=20, solver=solver, random_state=0)
        activity.append(float(model(v).detach().mean()))
    assert activity[1] > 0.65 > 0.4 > activity[0]


@pytest.mark.parametrize("has_order", [True, False], ids=["blinking", "control: shuffled"])
def test_memory_raises_the_likelihood_of_sequences_alone(has_order):
    train, test = blinking(200, 6), blinking(200, 6, seed=1)
    if not has_order:
        train, test = shuffled(train), shuffled(test, 1)
    solver = ContrastiveDivergence(1, 0.1, optimizer="adam")
    model = RTRBM(2, 4).fit(train, epochs=10, batch_size=25, solver=solver, random_state=0)
    # No model of single frames reaches more than two bits a frame.
    gain = model.score_samples(test).mean().item() + 12 * math.log(2)
    assert 2.5 < gain < 10 * math.log(2) if has_order else gain < 0.05
