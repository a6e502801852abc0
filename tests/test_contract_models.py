"""What every model promises, against enumeration."""

import copy

import pytest
import torch
from exact import gradient, jacobian, nll, partial_states
from tiny import (
    TINY_MODELS,
    TINY_ZOO,
    any_model,
    bipartite,
    has_partition,
    latent,
    misses_votes,
    select,
)

from deem.core.dataset import Dataset
from deem.core.model import Model
from deem.core.solvers import ExactGradient
from deem.math.random import as_generator
from deem.models import MODELS, ZOO
from deem.utils.exception import ModelFileError, NonFiniteError


def parameters_of(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_every_registered_model_has_a_tiny_configuration():
    assert set(MODELS.values()) == {tiny.cls for tiny in TINY_MODELS}
    assert set(ZOO.values()) == {tiny.cls for tiny in TINY_ZOO}
    assert all(name == cls.__name__ for name, cls in {**MODELS, **ZOO}.items())


@pytest.fixture
def model(tiny, dtype, device):
    return tiny.build(1, dtype, device)


@pytest.fixture
def exact(tiny, model):
    return tiny.exact(model)


@select(latent)
def test_free_energy_sums_the_energy_over_hidden_states(exact, model, close):
    close(-model.free_energy(exact.v), exact.log_density_v + exact.log_z)


@select(has_partition)
def test_log_partition_sums_over_all_states(exact, model, close):
    close(model.log_partition(), exact.log_z)


@select(has_partition)
def test_probabilities_sum_to_one(exact, model, close):
    close((model.score_samples(exact.v) + exact.log_weight_v).exp().sum(), 1.0)


@select(latent)
def test_p_h_is_the_exact_conditional(exact, model, close):
    for j, state in enumerate(exact.h):
        same = state.expand(len(exact.v), *state.shape)
        expected = exact.log_h_given_v[:, j] - exact.log_weight_h[j]
        close(model.p_h(exact.v).log_prob(same), expected)


@select(latent)
def test_forward_is_the_exact_mean(exact, model, close):
    expected = torch.tensordot(exact.log_h_given_v.exp(), exact.h, dims=1)
    close(model(exact.v), expected)


@select(bipartite)
def test_p_v_is_the_exact_conditional(exact, model, close):
    for i, state in enumerate(exact.v):
        same = state.expand(len(exact.h), *state.shape)
        expected = exact.log_v_given_h[i] - exact.log_weight_v[i]
        close(model.p_v(exact.h).log_prob(same), expected)


@select(bipartite)
def test_reconstruct_is_the_mean_field_sweep(exact, model, close):
    mean = torch.tensordot(exact.log_h_given_v.exp(), exact.h, dims=1)
    close(model.reconstruct(exact.v), model.p_v(mean).mean)


@select(misses_votes)
def test_missing_votes_are_marginalised(tiny, exact, model, close):
    partial = partial_states(*tiny.visible.shape[1:]).to(exact.v)
    joint = exact.log_joint_of_partial(partial)
    close(
        model.score_samples(partial) - model.score_samples(exact.v).logsumexp(0),
        joint.logsumexp(1),
    )
    posterior = joint - joint.logsumexp(1, keepdim=True)
    for j, state in enumerate(exact.h):
        same = state.expand(len(partial), *state.shape)
        close(model.p_h(partial).log_prob(same), posterior[:, j])


@select(misses_votes)
def test_a_sample_without_votes_says_nothing(exact, model, close):
    empty = torch.zeros_like(exact.v[:1])
    close(model.score_samples(empty), [0.0])
    for j, state in enumerate(exact.h):
        close(model.p_h(empty).log_prob(state[None]), exact.log_h[j : j + 1])


@select(latent)
def test_every_parameter_gets_a_gradient(tiny, exact, model, dtype, device):
    v = tiny.data(20, dtype=dtype, device=device)
    (model.free_energy(v).mean() - model.free_energy(exact.v).mean()).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert (p.grad != 0).any(), name


@select(latent)
def test_loss_with_exact_negative_phase_has_the_gradient_of_the_nll(
    tiny, exact, model, dtype, device, close
):
    v = tiny.data(50, dtype=dtype, device=device)
    p = exact.log_v.exp().detach()
    loss = model.free_energy(v).mean() - (p * model.free_energy(exact.v)).sum()
    close(gradient(loss, model), gradient(nll(exact, v), model))


@select(latent)
def test_contrast_adds_the_gradient_of_the_difference(tiny, model, dtype, device, close):
    v, chains = (tiny.data(n, n, dtype, device) for n in (7, 9))
    generator = torch.Generator().manual_seed(0)
    weights, others = (torch.rand(n, generator=generator).to(v) for n in (7, 9))
    for shares in ((None, None), (weights / weights.sum(), others / others.sum())):
        means = [
            f.mean() if w is None else (f * w).sum()
            for f, w in zip(map(model.free_energy, (v, chains)), shares, strict=True)
        ]
        expected = gradient(means[0] - means[1], model)
        model.zero_grad()
        found = model.contrast(v, chains, *shares)
        close(found[0], model.free_energy(v))
        close(found[1], model.free_energy(chains))
        close(torch.cat([p.grad.flatten() for p in model.parameters()]), expected)


@select(has_partition)
def test_log_likelihood_has_the_gradient_of_the_enumerated_one(
    tiny, exact, model, dtype, device, close
):
    v = tiny.data(50, dtype=dtype, device=device)
    ours = model.log_likelihood(Dataset(v))
    close(ours, exact.log_density_v[exact.index(v)])
    close(gradient(ours.mean(), model), gradient(-nll(exact, v), model))


@select(has_partition)
def test_no_direction_of_the_parameters_is_idle(exact, model, dtype):
    if dtype != torch.float64:
        pytest.skip("a rank needs float64")
    n_parameters = sum(p.numel() for p in model.parameters())
    # Of many states a few tell as much.
    rows = torch.randperm(len(exact.v), generator=as_generator(0))[: 10 + 4 * n_parameters]
    table = jacobian(exact.log_v[rows], model)
    singular = torch.linalg.svdvals(table)
    assert len(singular) >= n_parameters
    assert singular[n_parameters - 1] > 1e-6 * singular[0]


@select(has_partition)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_training_lowers_the_exact_nll(tiny, seed, dtype, device):
    v = tiny.data(400, dtype=dtype, device=device)
    model = tiny.build(seed, dtype, device)
    before = nll(tiny.exact(model), v)
    solver = ExactGradient() if tiny in TINY_ZOO else None
    model.fit(v, epochs=15, solver=solver, random_state=0)
    assert nll(tiny.exact(model), v) < before - 0.1
    assert len(model.history["objective"]) == model.history.n_epochs


@select(any_model)
def test_contrastive_divergence_lowers_the_exact_nll(tiny, dtype, device):
    v = tiny.data(400, dtype=dtype, device=device)
    model = tiny.build(1, dtype, device)
    before = nll(tiny.exact(model), v)
    solver = tiny.solver(0.2, steps=2)
    model.fit(v, epochs=6, batch_size=50, solver=solver, random_state=0)
    assert nll(tiny.exact(model), v) < before - 0.1


@select(any_model)
@pytest.mark.parametrize("own", [True, False], ids=["own solver", "CD"])
def test_same_seed_same_parameters_whatever_the_global_generator(tiny, own, dtype, device):
    v = tiny.data(40, dtype=dtype, device=device)
    solver = tiny.default_solver() if own else tiny.solver(0.1)
    results = []
    for draws in (0, 7):
        with torch.random.fork_rng(devices=[]):
            torch.rand(draws)
            model = tiny.build(1, dtype, device)
            model.fit(v, epochs=3, batch_size=16, solver=solver, random_state=5)
        results.append(parameters_of(model))
    assert torch.equal(*results)


@select(any_model)
def test_another_seed_gives_other_parameters(tiny, dtype, device):
    v = tiny.data(40, dtype=dtype, device=device)
    models = [tiny.build(1, dtype, device) for _ in range(2)]
    for seed, model in enumerate(models):
        model.fit(v, epochs=1, solver=tiny.solver(0.1), random_state=seed)
    assert not torch.equal(*map(parameters_of, models))


@select(any_model)
def test_saved_model_comes_back_bit_for_bit(tiny, model, dtype, device, tmp_path):
    v = tiny.data(40, dtype=dtype, device=device)
    model.fit(v, epochs=2, solver=tiny.default_solver(), random_state=0)
    model.save(tmp_path / "model")
    for loaded in (tiny.cls.load(tmp_path / "model"), Model.load(tmp_path / "model")):
        assert type(loaded) is tiny.cls
        assert loaded.config() == model.config()
        assert loaded.dtype == dtype
        assert loaded.state_dict().keys() == model.state_dict().keys()
        for name, value in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], value.cpu()), name
        assert loaded.history.to_dict() == model.history.to_dict()
        assert torch.equal(loaded.to(device).free_energy(v), model.free_energy(v))


@select(any_model)
def test_a_file_of_another_class_is_refused(tiny, model, tmp_path):
    model.save(tmp_path / "model")
    other = MODELS["SoftIRBM" if tiny.cls is MODELS["BinaryIRBM"] else "BinaryIRBM"]
    with pytest.raises(
        ModelFileError, match=f"holds a {tiny.cls.__name__}, expected a {other.__name__}"
    ):
        other.load(tmp_path / "model")


@select(any_model)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_dtype_is_that_of_the_parameters(tiny, kind, tmp_path):
    model = tiny.build(0, kind)
    v = tiny.data(20, dtype=kind)
    assert model.dtype == kind
    assert model.free_energy(v).dtype == kind
    model.fit(v.double(), epochs=2, solver=tiny.default_solver(), random_state=0)
    assert all(p.dtype == kind for p in model.parameters())
    assert all(b.dtype == kind for b in model.buffers() if b.is_floating_point())
    model.save(tmp_path / "model")
    assert tiny.cls.load(tmp_path / "model").dtype == kind


@select(bipartite)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_draws_have_the_dtype_of_the_parameters(tiny, kind):
    model = tiny.build(0, kind)
    v = tiny.data(20, dtype=kind)
    assert model.sample_h(v, as_generator(0)).dtype == kind
    assert model.gibbs_step(v, as_generator(0)).dtype == kind
    assert model.p_h(v).log_prob(model.sample_h(v, as_generator(0))).dtype == kind


@select(any_model)
def test_a_new_model_is_float32_on_the_cpu(tiny):
    model = tiny.cls(**tiny.arguments)
    assert model.dtype == torch.float32
    assert model.device == torch.device("cpu")
    assert model.history.n_epochs == 0


@select(any_model)
def test_device_is_that_of_the_parameters(model, device):
    assert model.device.type == device.type


@select(any_model)
def test_repr_names_class_and_arguments(tiny):
    text = repr(tiny.cls(**tiny.arguments))
    assert text.startswith(f"{tiny.cls.__name__}(")
    for name, value in tiny.arguments.items():
        assert f"{name}={value!r}" in text


@select(any_model)
def test_a_deep_copy_is_independent(tiny, model, dtype, device):
    v = tiny.data(40, dtype=dtype, device=device)
    twin = copy.deepcopy(model)
    assert torch.equal(twin.free_energy(v), model.free_energy(v))
    kept = parameters_of(model)
    twin.fit(v, epochs=2, solver=tiny.default_solver(), random_state=0)
    assert torch.equal(parameters_of(model), kept)
    assert model.history.n_epochs == 0
    assert not torch.equal(parameters_of(twin), kept)


@select(any_model)
def test_state_dict_carries_all_that_matters(tiny, model, dtype, device):
    v = tiny.data(40, dtype=dtype, device=device)
    other = tiny.build(2, dtype, device)
    assert not torch.equal(other.free_energy(v), model.free_energy(v))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.free_energy(v), model.free_energy(v))
    assert torch.equal(other.log_prior(), model.log_prior())


@select(any_model)
def test_fit_returns_the_model_and_restores_its_mode(tiny, model, dtype, device):
    v = tiny.data(20, dtype=dtype, device=device)
    model.eval()
    solver = tiny.default_solver()
    assert model.fit(v, epochs=1, solver=solver, random_state=0) is model
    assert not model.training


@select(any_model)
def test_divergence_keeps_the_last_good_parameters(tiny, model, dtype, device):
    v = tiny.data(20, dtype=dtype, device=device)
    kept = parameters_of(model)
    model.eval()
    solver = tiny.solver(1e308 if dtype == torch.float64 else 1e38)
    solver.momentum = 0.99
    with pytest.raises(NonFiniteError, match="learning rate"):
        model.fit(v, epochs=50, solver=solver, random_state=0)
    assert torch.isfinite(parameters_of(model)).all()
    if model.history.n_epochs == 0:
        assert torch.equal(parameters_of(model), kept)
    assert not model.training


@select(lambda cls: hasattr(cls, "set_parameters"))
def test_set_parameters_keeps_the_distribution(tiny, exact, model, dtype, device, close):
    twin = tiny.build(2, dtype, device)
    twin.set_parameters(*model.categorical_parameters())
    close(tiny.exact(twin).log_v, exact.log_v)
    close(parameters_of(twin), parameters_of(model))
