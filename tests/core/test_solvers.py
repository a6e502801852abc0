"""Exact solvers against each other, contrastive divergence against enumeration."""

import numpy as np
import pytest
import torch
from exact import gradient, nll, partial_states
from tiny import TINY_MODELS, CyclicMove, UniformMove, bipartite, has_partition, select

from deem.core.dataset import Dataset
from deem.core.model import LatentModel, Model
from deem.core.reading import read_votes
from deem.core.sampler import Sampler, SamplerState
from deem.core.solvers import (
    SOLVERS,
    ContrastiveDivergence,
    ExactEM,
    ExactGradient,
    as_visible,
)
from deem.core.training import train
from deem.math.random import as_generator
from deem.models import MODELS, RBM, SoftIRBM
from deem.models.initialization import initialise
from deem.samplers import Gibbs
from deem.utils.exception import ArgumentError, IntractableError, StuckChainsWarning

SOFT, SOFT_TWO, BINARY, BINARY_TWO = TINY_MODELS[:4]
ONE_UNIT = [SOFT, BINARY]
by_name = {"ids": lambda tiny: tiny.name}
NO_PRIOR = (0, 0, 0, 0, 0)


def with_gaps(tiny, n=200):
    """Votes of which a third are missing, some samples without any."""
    v = tiny.data(n)
    gaps = torch.rand(v.shape[:2], generator=as_generator(9)) < 1 / 3
    v[gaps] = 0
    v[3] = 0
    return v


def parameters_of(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@torch.no_grad()
def objective(model, data):
    weights = torch.ones(len(data)) if data.weights is None else data.weights
    return float((model.log_likelihood(data) * weights).sum() + model.log_prior())


class FreeEnergyOnly(Model):
    """Independent sites, known by their free energy alone."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))

    def free_energy(self, v):
        return -(v * self.bias).sum((1, 2))


# ---- exact solvers


@pytest.mark.parametrize("tiny", ONE_UNIT, **by_name)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_em_is_monotone_in_the_penalised_likelihood(tiny, seed):
    model = tiny.build(seed)
    model.fit(with_gaps(tiny), epochs=60, solver=ExactEM(tolerance=0), random_state=0)
    steps = np.diff(model.history["objective"])
    assert steps.min() > -1e-12
    assert steps[:5].sum() > 0.05


@pytest.mark.parametrize("tiny", ONE_UNIT, **by_name)
@pytest.mark.parametrize("counts", [None, NO_PRIOR], ids=["prior", "no prior"])
def test_em_reports_the_objective_before_its_step(tiny, counts):
    tiny_model = tiny.build(0)
    model = tiny.cls(**tiny.arguments, pseudo_counts=counts).double()
    model.load_state_dict(tiny_model.state_dict())
    data = Dataset(with_gaps(tiny))
    model.prepare(data)
    expected = [objective(model, data) / len(data)]
    model.fit(data, epochs=1, solver=ExactEM(tolerance=0))
    expected.append(objective(model, data) / len(data))
    model.fit(data, epochs=2, solver=ExactEM(tolerance=0))
    assert model.history["objective"][0] == pytest.approx(expected[1])
    if counts is not None:
        assert model.history["objective"] == model.history["log_likelihood"]


@pytest.mark.parametrize("tiny", ONE_UNIT, **by_name)
def test_em_and_gradients_find_the_same_optimum(tiny):
    data = with_gaps(tiny, 400)
    models = [tiny.build(0, scale=0.3), tiny.build(0)]
    models[0].fit(data, epochs=5000, solver=ExactEM(tolerance=1e-14))
    # Near the optimum of EM, so that both climb the same hill.
    with torch.no_grad():
        for p, q in zip(*(model.parameters() for model in models), strict=True):
            q.mul_(0.1).add_(p)
    models[1].fit(data, epochs=100, solver=ExactGradient(tolerance=0))
    first, second = (model.history["objective"][-1] for model in models)
    assert second == pytest.approx(first, abs=1e-8)
    p, q = (tiny.exact(model).log_joint.exp() for model in models)
    assert (p - q).abs().max() < 1e-4
    objective_of_second = torch.tensor(objective(models[1], Dataset(data)))
    assert objective_of_second / len(data) == pytest.approx(second)


@pytest.mark.parametrize("tiny", [x for x in TINY_MODELS if has_partition(x.cls)], **by_name)
def test_the_gradient_vanishes_at_the_optimum_of_exact_gradient(tiny):
    data = Dataset(with_gaps(tiny))
    model = tiny.build(0, scale=0.3)
    model.fit(data, epochs=200, solver=ExactGradient(tolerance=0))
    likelihood = gradient(model.log_likelihood(data).mean(), model)
    prior = gradient(model.log_prior() / len(data), model)
    assert (likelihood + prior).abs().max() < 1e-6
    assert prior.abs().max() > 1e-3


@pytest.fixture(scope="module")
def best_objective():
    """Objective of EM where it rests."""
    model = BINARY.build(0)
    model.fit(with_gaps(BINARY), epochs=1000, solver=ExactEM(tolerance=1e-9))
    return model.history["objective"][-1]


@pytest.mark.parametrize(
    "solver",
    [
        ExactGradient("adam", learning_rate=0.05, tolerance=0),
        ExactGradient("sgd", learning_rate=0.8, momentum=0.9, scheduler="cosine", tolerance=0),
        ExactGradient(lambda p: torch.optim.Adagrad(p, lr=0.3), tolerance=0),
    ],
    ids=["adam", "sgd", "callable"],
)
def test_other_optimizers_approach_the_same_optimum(solver, best_objective):
    model = BINARY.build(0)
    model.fit(with_gaps(BINARY), epochs=200, solver=solver)
    start, *_, end = model.history["objective"]
    assert end == pytest.approx(best_objective, abs=5e-3)
    assert best_objective - start > 0.1


def closed_form(model, votes, targets):
    """Class prior and confusions when every class is known, counted in plain loops."""
    d, k = model.n_classifiers, model.n_classes
    confusion = model.pseudo_votes.numpy().copy()
    prior = np.full(k, float(model.pseudo_samples))
    for row, target in zip(votes, targets, strict=True):
        prior[target] += 1
        for site in range(d):
            if row[site] >= 0:
                confusion[site, row[site], target] += 1
    return prior / prior.sum(), confusion / confusion.sum(1, keepdims=True)


def test_em_with_known_targets_counts():
    v = with_gaps(SOFT)
    votes = np.where(v.sum(-1) > 0, v.argmax(-1), -1)
    targets = np.arange(len(votes)) % 3
    model = SOFT.build(0)
    model.fit(Dataset(v, targets), epochs=1, solver=ExactEM())
    prior, confusion = closed_form(model, votes, targets)
    log_prior, table = model.log_tables()
    assert log_prior.exp().tolist() == pytest.approx(prior)
    assert table.exp().detach().numpy() == pytest.approx(confusion)
    before = parameters_of(model)
    model.fit(Dataset(v, targets), epochs=1, solver=ExactEM())
    torch.testing.assert_close(parameters_of(model), before)


@pytest.mark.parametrize(
    "solver", [ExactEM(0.0), ExactGradient(tolerance=0)], ids=["em", "gradient"]
)
def test_some_known_targets_pin_the_classes(solver):
    v = SOFT.data(600)
    exact = SOFT.exact(SOFT.build(100))
    classes = exact.log_h_given_v.argmax(1)[exact.index(v)]
    targets = torch.where(torch.arange(600) < 300, classes, -1)
    model = SOFT.build(0, scale=0.1)
    model.fit(Dataset(v, targets), epochs=200, solver=solver)
    posterior = model.class_logits(v).softmax(1)
    assert (posterior.argmax(1) == classes)[300:].double().mean() > 0.9
    steps = np.diff(model.history["objective"])
    assert steps.min() > -1e-9


def test_log_likelihood_with_targets_is_the_joint_probability():
    v = with_gaps(SOFT_TWO, 40)
    targets = torch.arange(40) % 4 - 1
    model = SOFT_TWO.build(1)
    exact = SOFT_TWO.exact(model)
    joint = exact.log_joint_of_partial(v)
    states = SOFT_TWO.class_of_hidden(exact.h)
    found = model.log_likelihood(Dataset(v, targets))
    for row, target in enumerate(targets.tolist()):
        chosen = joint[row] if target < 0 else joint[row, states == target]
        torch.testing.assert_close(found[row], chosen.logsumexp(0))


@pytest.mark.parametrize(
    "solver", [ExactEM(0.0), ExactGradient(tolerance=0)], ids=["em", "gradient"]
)
@pytest.mark.parametrize("kind", ["tensor", "votes"])
def test_weights_count_as_repeated_rows(solver, kind):
    v = with_gaps(SOFT, 60)
    weights = torch.arange(60) % 4
    repeated = v.repeat_interleave(weights, 0)
    codes = torch.where(v.sum(-1) > 0, v.argmax(-1), -1).numpy()
    data = Dataset(v if kind == "tensor" else read_votes(codes, n_classes=3), weights=weights)
    models = [SOFT.build(0), SOFT.build(0)]
    models[0].fit(data, epochs=5, solver=solver)
    models[1].fit(repeated, epochs=5, solver=solver)
    torch.testing.assert_close(*map(parameters_of, models), rtol=1e-5, atol=1e-6)
    for name in ("objective", "log_likelihood"):
        assert models[0].history[name] == pytest.approx(models[1].history[name])


def test_votes_and_their_tensor_train_alike():
    v = with_gaps(SOFT, 60)
    codes = torch.where(v.sum(-1) > 0, v.argmax(-1), -1).numpy()
    for solver in (ExactEM(), ExactGradient(), ContrastiveDivergence(learning_rate=0.1)):
        models = [SOFT.build(0), SOFT.build(0)]
        for model, data in zip(models, (v, read_votes(codes, n_classes=3)), strict=True):
            model.fit(data, epochs=3, batch_size=20, solver=solver, random_state=0)
        torch.testing.assert_close(*map(parameters_of, models))


def test_a_known_class_prior_stays_fixed_under_em():
    prior = (0.2, 0.5, 0.3)
    model = SoftIRBM(3, 3, class_prior=prior).double()
    model.load_state_dict(SOFT.build(0).state_dict())
    model.fit(with_gaps(SOFT), epochs=10, solver=ExactEM(0.0))
    assert model.log_tables()[0].exp().tolist() == pytest.approx(prior)


@pytest.mark.parametrize("tiny", [SOFT_TWO, BINARY_TWO], **by_name)
def test_em_needs_a_closed_step(tiny):
    with pytest.raises(IntractableError, match="has no closed M-step; use ExactGradient"):
        tiny.build().fit(tiny.data(20), solver=ExactEM())


@pytest.mark.parametrize("solver", [ExactEM(), ExactGradient()])
def test_exact_solvers_need_an_exact_model(solver):
    with pytest.raises(IntractableError, match="FreeEnergyOnly has no"):
        FreeEnergyOnly().fit(torch.zeros(4, 2, 3), solver=solver)


@pytest.mark.parametrize("make", [ExactEM, lambda tolerance: ExactGradient(tolerance=tolerance)])
@pytest.mark.parametrize("tolerance", [-1e-3, float("nan")])
def test_tolerance_is_checked(make, tolerance):
    with pytest.raises(ArgumentError, match="tolerance=.*at least 0"):
        make(tolerance)


@pytest.mark.parametrize("make", [ExactEM, lambda tolerance: ExactGradient(tolerance=tolerance)])
def test_a_training_ends_when_the_objective_rests(make):
    model = BINARY.build(0)
    model.fit(BINARY.data(200), solver=make(tolerance=1e-5))
    changes = np.abs(np.diff(model.history["objective"]))
    assert changes[-1] <= 1e-5
    assert (changes[:-1] > 1e-5).all()
    assert 2 < model.history.n_epochs < 500


# ---- contrastive divergence


# Of the zoo one model is enough for what the solver does itself.
plain = select(lambda cls: bipartite(cls) and (cls is RBM or cls in MODELS.values()))


def cd_gradients(model, v, solver, n_steps, seed=0, weights=None):
    """Gradients of many steps at the same parameters, (n_steps, P)."""
    generator = as_generator(seed)
    # No learning rate above zero is small enough to matter below 1e-300.
    solver.learning_rate = 1e-300
    data = Dataset(v, weights=weights)
    solver.prepare(model, data, 1, generator)
    before, found = parameters_of(model), []
    for _ in range(n_steps):
        solver.step(model, data, generator)
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert torch.equal(parameters_of(model), before)
    return torch.stack(found)


def scores(gradients, expected, n_blocks=20):
    """Distances of the mean from the expected one, in standard errors over blocks of steps."""
    blocks = gradients.reshape(n_blocks, -1, gradients.shape[1]).mean(1)
    error = blocks.std(0) / n_blocks**0.5
    return (blocks.mean(0) - expected).abs() / error


def expected_cd_gradient(exact, model, v, steps):
    """Exact expectation of the CD-k gradient, from the matrix of a sweep."""
    # Only one-hot votes can be missing.
    joint = exact.log_joint_of_partial(v) if v.dim() == 3 else exact.log_joint[exact.index(v)]
    start = joint.softmax(1) @ exact.log_v_given_h.exp().T
    ends = (start.mean(0) @ torch.linalg.matrix_power(exact.gibbs_matrix(), steps - 1)).detach()
    loss = model.free_energy(v).mean() - (ends * model.free_energy(exact.v)).sum()
    return gradient(loss, model)


@plain
@pytest.mark.parametrize(("steps", "gaps"), [(1, False), (3, True)])
def test_mean_gradient_is_the_exact_expectation_of_cd(tiny, steps, gaps):
    v = (with_gaps(tiny) if gaps else tiny.data())[:50].repeat_interleave(8, 0)
    model = tiny.build(1)
    expected = expected_cd_gradient(tiny.exact(model), model, v, steps)
    found = cd_gradients(model, v, ContrastiveDivergence(steps=steps), 40)
    assert scores(found, expected).max() < 6


def test_the_score_notices_another_number_of_steps():
    v, model = SOFT.data()[:50].repeat(8, 1, 1), SOFT.build(1)
    expected = expected_cd_gradient(SOFT.exact(model), model, v, 3)
    found = cd_gradients(model, v, ContrastiveDivergence(steps=1), 40)
    assert scores(found, expected).max() > 10


CHAINS = [
    pytest.param(ContrastiveDivergence(steps=15), id="CD-15"),
    pytest.param(ContrastiveDivergence(steps=5, persistent=True, fresh=0), id="PCD"),
    pytest.param(ContrastiveDivergence(steps=25, sampler=UniformMove()), id="CD-uniform"),
    pytest.param(
        ContrastiveDivergence(steps=10, sampler=CyclicMove(), persistent=True, fresh=0),
        id="PCD-cyclic",
    ),
]


@pytest.fixture(scope="module")
def fitted():
    """Exact maximum-likelihood solution for data of a known tiny model."""
    v = SOFT.data(300)
    model = SOFT.cls(**SOFT.arguments, pseudo_counts=NO_PRIOR).double()
    model.load_state_dict(SOFT.build(100).state_dict())
    model.fit(v, epochs=400, solver=ExactGradient(tolerance=0))
    assert gradient(nll(SOFT.exact(model), v), model).abs().max() < 1e-5
    return model, v.repeat(4, 1, 1)


@pytest.mark.parametrize("solver", CHAINS)
def test_the_mean_gradient_vanishes_at_the_exact_solution(fitted, solver):
    model, v = fitted
    assert scores(cd_gradients(model, v, solver, 20), 0).max() < 6


@pytest.mark.parametrize("solver", CHAINS)
def test_the_mean_gradient_does_not_vanish_elsewhere(fitted, solver):
    model, v = fitted
    wrong = SOFT.build(100)
    with torch.no_grad():
        for p, q in zip(wrong.parameters(), model.parameters(), strict=True):
            p.copy_(q + 0.3)
    assert scores(cd_gradients(wrong, v, solver, 20), 0).max() > 10


@pytest.fixture(scope="module")
def lowest_nll():
    """Negative log-likelihood of the data at the maximum of the likelihood."""
    v = BINARY.data(500)
    best = BINARY.cls(**BINARY.arguments, pseudo_counts=NO_PRIOR).double()
    best.load_state_dict(BINARY.build(1).state_dict())
    best.fit(v, epochs=1000, solver=ExactEM(1e-9))
    return nll(BINARY.exact(best), v).detach()


@pytest.mark.parametrize("persistent", [False, True])
def test_cd_approaches_the_exact_likelihood(persistent, lowest_nll):
    v, model = BINARY.data(500), BINARY.build(1)
    assert nll(BINARY.exact(model), v) - lowest_nll > 0.1
    solver = ContrastiveDivergence(
        steps=5, learning_rate=0.5, scheduler="cosine", persistent=persistent
    )
    model.fit(v, epochs=20, batch_size=100, solver=solver, random_state=0)
    assert -1e-9 < nll(BINARY.exact(model), v) - lowest_nll < 0.01


@plain
def test_deterministic_cd_draws_nothing(tiny):
    model, v = tiny.build(1), with_gaps(tiny)
    generator = as_generator(0)
    before = generator.get_state()
    solver = ContrastiveDivergence(2, 0.1, deterministic=True, monitor=False)
    train(model, Dataset(v), solver, epochs=3, batch_size=None, generator=generator)
    assert torch.equal(generator.get_state(), before)
    other = tiny.build(1)
    train(other, Dataset(v), solver, epochs=3, batch_size=None, generator=as_generator(7))
    assert torch.equal(parameters_of(model), parameters_of(other))


def test_deterministic_cd_descends_by_mean_field():
    model, v = SOFT.build(1), SOFT.data(50)
    with torch.no_grad():
        ends = model.reconstruct(model.reconstruct(v))
    expected = gradient(model.free_energy(v).mean() - model.free_energy(ends).mean(), model)
    solver = ContrastiveDivergence(steps=2, deterministic=True)
    torch.testing.assert_close(cd_gradients(model, v, solver, 1)[0], expected)


def test_persistent_chains_always_draw():
    solver = ContrastiveDivergence(persistent=True, deterministic=True)
    model, generator = SOFT.build(1), as_generator(0)
    before = generator.get_state()
    train(model, Dataset(SOFT.data(20)), solver, epochs=1, batch_size=None, generator=generator)
    assert not torch.equal(generator.get_state(), before)
    chains = solver.state()["chains"]
    assert ((chains == 0) | (chains == 1)).all()


class Still(Sampler):
    """Chains that stay."""

    def init(self, model, v):
        return SamplerState(v)

    def step(self, model, state, generator):
        return state


def test_persistent_chains_outlive_batches_and_epochs():
    v = SOFT.data(21)
    solver = ContrastiveDivergence(sampler=Still(), persistent=True, fresh=0)
    generator = as_generator(0)
    first = next(Dataset(v).batches(5, as_generator(0))).data
    train(SOFT.build(), Dataset(v), solver, epochs=4, batch_size=5, generator=generator)
    assert torch.equal(solver.state()["chains"], first)


def test_fresh_chains_come_from_the_data():
    solver = ContrastiveDivergence(sampler=Still(), persistent=True, fresh=1)
    v = SOFT.data(20)
    data = Dataset(torch.cat([v, v.roll(1, 2)]))
    train(SOFT.build(), data, solver, epochs=1, batch_size=20, generator=as_generator(0))
    rows = {tuple(row.flatten().tolist()) for row in data.data}
    assert {tuple(row.flatten().tolist()) for row in solver.state()["chains"]} <= rows


def test_a_training_starts_with_new_chains():
    solver = ContrastiveDivergence(persistent=True)
    results = []
    for _ in range(2):
        model = SOFT.build()
        model.fit(SOFT.data(20), epochs=2, batch_size=6, solver=solver, random_state=0)
        results.append(parameters_of(model))
    assert torch.equal(*results)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize(
    "sampler", [None, Gibbs(), UniformMove()], ids=["none", "gibbs", "uniform"]
)
def test_a_last_batch_of_one_row(persistent, sampler):
    model = SOFT.build()
    solver = ContrastiveDivergence(persistent=persistent, sampler=sampler, learning_rate=0.1)
    model.fit(SOFT.data(21), epochs=2, batch_size=5, solver=solver, random_state=0)
    assert torch.isfinite(parameters_of(model)).all()
    assert model.history.n_epochs == 2
    assert ("acceptance" in model.history) == isinstance(sampler, UniformMove)


def test_one_row_in_all():
    model = SOFT.build()
    for solver in (None, ExactGradient(), ContrastiveDivergence(persistent=True)):
        model.fit(SOFT.data(1), epochs=2, solver=solver, random_state=0)
        assert torch.isfinite(parameters_of(model)).all()


@pytest.mark.parametrize("persistent", [False, True])
def test_gibbs_by_default_and_by_name_are_the_same(persistent):
    results = []
    for sampler in (None, Gibbs()):
        model = SOFT.build()
        solver = ContrastiveDivergence(2, 0.1, persistent=persistent, sampler=sampler)
        model.fit(SOFT.data(60), epochs=2, batch_size=30, solver=solver, random_state=0)
        results.append(parameters_of(model))
    assert torch.equal(*results)


def test_weights_of_cd_count_as_repeated_rows():
    v = with_gaps(SOFT, 60)
    weights = torch.arange(60) % 4
    solver = ContrastiveDivergence(deterministic=True)
    weighted = cd_gradients(SOFT.build(1), v, solver, 1, weights=weights)
    repeated = cd_gradients(SOFT.build(1), v.repeat_interleave(weights, 0), solver, 1)
    torch.testing.assert_close(weighted, repeated)


def test_a_batch_without_weight_changes_nothing():
    model, v = SOFT.build(1), SOFT.data(10)
    before = parameters_of(model)
    batch, generator = Dataset(v, weights=torch.zeros(10)), as_generator(0)
    solver = ContrastiveDivergence(learning_rate=0.1)
    solver.prepare(model, batch, 2, generator)
    solver.step(model, batch, generator)
    assert torch.equal(parameters_of(model), before)


def test_fresh_chains_start_where_the_weight_is():
    seen = []

    class Watch(Sampler):
        def init(self, model, v):
            seen.append(v.clone())
            return SamplerState(v)

        def step(self, model, state, generator):
            return state

    v = SOFT.visible[:4]
    data = Dataset(v, weights=torch.tensor([0.0, 0.0, 1.0, 0.0]))
    solver = ContrastiveDivergence(persistent=True, fresh=1, sampler=Watch())
    SOFT.build().fit(data, epochs=3, solver=solver, random_state=0)
    assert len(seen) == 3
    assert all(torch.equal(start, v[2].expand_as(v)) for start in seen)


@pytest.mark.parametrize("solver", [ExactEM(), ExactGradient()], ids=lambda x: type(x).__name__)
def test_no_epoch_is_not_finished(solver):
    model = SOFT.build().fit(SOFT.data(5), epochs=0, solver=solver)
    assert not solver.finished(model.history)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_exact_em_names_the_dtypes_it_knows(dtype):
    model = SOFT.build(dtype=dtype)
    text = rf"dtype {dtype}, but exact sums over votes need float32 or float64; call model\.float"
    with pytest.raises(ArgumentError, match=text):
        model.fit(SOFT.data(5), solver=ExactEM())
    with pytest.raises(ArgumentError, match=text):
        model.predict_classes(read_votes([[0, 1, 2]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tiny", ONE_UNIT, **by_name)
@pytest.mark.parametrize("solver", [ExactEM(), ExactGradient()], ids=lambda x: type(x).__name__)
def test_votes_that_say_nothing_end_in_the_prior(tiny, dtype, solver):
    k = tiny.arguments.get("n_classes", 2)
    silent = read_votes(-np.ones((5, tiny.arguments["n_classifiers"]), int), n_classes=k)
    unheard = read_votes([[0, 1, 1], [-1, -1, -1]], n_classes=k).with_weights([0, 1])
    for votes in (silent, unheard):
        model = initialise(tiny.cls(**tiny.arguments).to(dtype), votes, "shares")
        model.fit(votes, solver=solver)
        assert model.class_tables()[0].numpy() == pytest.approx(1 / k, abs=1e-3)
        assert model.predict_classes(silent).numpy() == pytest.approx(1 / k, abs=1e-3)


def test_missing_votes_bias_nothing():
    # The observed part of data drawn from the model itself: the gradient is zero on average.
    model = SOFT.build(1)
    exact = SOFT.exact(model)
    partial = partial_states(3, 3)
    p = exact.log_joint_of_partial(partial).logsumexp(1).exp().detach()
    pattern = (partial.sum(-1) @ torch.tensor([4.0, 2.0, 1.0]).double()) == 6
    loss = (p[pattern] * model.free_energy(partial[pattern])).sum() - (
        exact.log_v.exp().detach() * model.free_energy(exact.v)
    ).sum()
    assert gradient(loss, model).abs().max() < 1e-12


def test_any_model_with_a_free_energy_trains_with_a_sampler():
    model, v = (
        FreeEnergyOnly(),
        torch.eye(3, dtype=torch.float64)[torch.tensor([[0, 1], [0, 1], [0, 2], [1, 1]])],
    )
    solver = ContrastiveDivergence(
        10, 0.5, sampler=UniformMove(), persistent=True, scheduler="cosine"
    )
    model.fit(v.repeat(50, 1, 1), epochs=150, batch_size=None, solver=solver, random_state=0)
    found = model.bias.detach().softmax(1)
    assert found[0].tolist() == pytest.approx([0.75, 0.25, 0.0], abs=0.06)
    assert found[1].tolist() == pytest.approx([0.0, 0.75, 0.25], abs=0.06)


def test_no_sampler_means_gibbs_which_needs_a_bipartite_model():
    with pytest.raises(ArgumentError, match="FreeEnergyOnly does not have; pass a sampler"):
        FreeEnergyOnly().fit(torch.zeros(4, 2, 3), solver=ContrastiveDivergence())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"steps": 1.5}, "steps=1.5; expected a whole number"),
        ({"learning_rate": "0.1"}, "learning_rate='0.1'; expected a finite number"),
        ({"l1": None}, "l1=None; expected a finite number"),
        ({"sampler": "gibbs"}, "sampler='gibbs'; expected a Sampler object"),
        ({"centring": True}, "centring=True; expected a Centring object"),
        ({"fast_weights": True, "persistent": True}, "expected a FastWeights object"),
        ({"steps": 0}, "steps=0; expected a whole number of at least 1"),
        ({"learning_rate": 0}, "learning_rate=0; it must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
    ],
)
def test_arguments_are_checked(options, text):
    with pytest.raises(ArgumentError, match=text):
        ContrastiveDivergence(**options)


@pytest.mark.parametrize("solver", [ExactEM(), ExactGradient(), ContrastiveDivergence(2, 0.3)])
def test_settings_rebuild_a_solver(solver):
    twin = SOLVERS[type(solver).__name__](**solver.settings())
    assert twin.settings() == solver.settings()
    assert vars(twin) == vars(solver)


def test_frozen_parameters_stay():
    for solver in (ExactGradient(), ExactGradient("adam", 0.1), ContrastiveDivergence()):
        model = SOFT.build()
        model.free_visible_bias.requires_grad_(False)
        kept = model.free_visible_bias.clone()
        model.fit(SOFT.data(20), epochs=2, solver=solver, random_state=0)
        assert torch.equal(model.free_visible_bias, kept)
        assert not torch.equal(model.free_weight, SOFT.build().free_weight)


def test_votes_become_one_hot_and_tensors_change_dtype():
    model = SOFT.build(dtype=torch.float32)
    v = as_visible(read_votes([[0, -1, 2]], n_classes=3), model)
    assert v.dtype == torch.float32
    assert v.tolist() == [[[1, 0, 0], [0, 0, 0], [0, 0, 1]]]
    assert as_visible(torch.zeros(1, 3, 3, dtype=torch.int64), model).dtype == torch.float32


def test_a_latent_model_without_gibbs_needs_a_sampler():
    assert not hasattr(LatentModel, "gibbs_step")


# ---- groups, penalties, limits, diagnoses


class Grouped(FreeEnergyOnly):
    """Three parameters in two groups, of which one is frozen."""

    def __init__(self):
        super().__init__()
        self.fast = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
        self.fixed = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64), requires_grad=False)

    def free_energy(self, v):
        return super().free_energy(v) - (v * (self.fast + self.fixed)).sum((1, 2))

    def parameter_groups(self, learning_rate):
        return [
            {"params": [self.bias], "lr": learning_rate},
            {"params": [self.fast, self.fixed], "lr": 3 * learning_rate},
        ]


PAIRS = torch.eye(3, dtype=torch.float64)[torch.tensor([[0, 1], [0, 1], [0, 2], [1, 1]])]


def test_groups_have_their_own_rates_and_leave_out_what_is_frozen():
    model = Grouped()
    solver = ContrastiveDivergence(1, 0.1, sampler=UniformMove())
    solver.prepare(model, Dataset(PAIRS), 1, as_generator(0))
    groups = solver.state()["optimizer"]["param_groups"]
    assert [(group["lr"], len(group["params"])) for group in groups] == [
        (0.1, 1),
        (pytest.approx(0.3), 1),
    ]
    solver.step(model, Dataset(PAIRS), as_generator(0))
    moved = {name: p.detach() for name, p in model.named_parameters()}
    torch.testing.assert_close(moved["bias"], -0.1 * model.bias.grad)
    torch.testing.assert_close(moved["fast"], -0.3 * model.fast.grad)
    assert model.bias.grad.abs().max() > 0
    assert moved["fixed"].abs().max() == 0


def test_a_group_that_is_frozen_as_a_whole_is_left_out():
    model = Grouped()
    model.fast.requires_grad_(False)
    solver = ContrastiveDivergence(1, 0.1, sampler=UniformMove())
    solver.prepare(model, Dataset(PAIRS), 1, as_generator(0))
    assert len(solver.state()["optimizer"]["param_groups"]) == 1


def test_objects_train_as_their_names_do():
    results = []
    for own in (False, True):
        model = FreeEnergyOnly()
        optimizer, scheduler = "sgd", "step"
        if own:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        solver = ContrastiveDivergence(
            2, 0.5, 0.9, optimizer=optimizer, scheduler=scheduler, sampler=UniformMove()
        )
        model.fit(PAIRS, epochs=6, solver=solver, random_state=0)
        results.append(parameters_of(model))
    assert torch.equal(*results)
    assert results[0].abs().max() > 0.1


def test_an_optimizer_of_another_model_is_refused():
    optimizer = torch.optim.SGD(FreeEnergyOnly().parameters(), lr=0.1)
    solver = ContrastiveDivergence(1, 0.1, optimizer=optimizer, sampler=UniformMove())
    with pytest.raises(ArgumentError, match="optimizer=SGD holds other tensors"):
        FreeEnergyOnly().fit(PAIRS, solver=solver)


def test_l1_adds_the_sign_to_the_gradient():
    found = []
    for l1 in (0.0, 0.25):
        model = FreeEnergyOnly()
        with torch.no_grad():
            model.bias.copy_(torch.tensor([[1.0, -2.0, 0.0], [0.5, 0.0, -0.1]]))
        before = model.bias.detach().clone()
        solver = ContrastiveDivergence(1, 0.1, sampler=UniformMove(), l1=l1)
        model.fit(PAIRS, epochs=1, solver=solver, random_state=0)
        found.append((model.bias.detach() - before) / -0.1)
    expected = 0.25 * torch.tensor([[1.0, -1.0, 0.0], [1.0, 0.0, -1.0]]).double()
    torch.testing.assert_close(found[1] - found[0], expected)


def test_l1_draws_what_tells_nothing_to_zero():
    # The last site is a fair die, the first is not.
    votes = torch.eye(3, dtype=torch.float64)[
        torch.tensor([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
    ]
    size = []
    for l1 in (0.0, 0.1):
        model = FreeEnergyOnly()
        with torch.no_grad():
            model.bias.fill_(0.5).mul_(torch.tensor([[1.0, 1.0, -1.0], [1.0, 0.2, -1.0]]))
        solver = ContrastiveDivergence(4, 0.2, sampler=UniformMove(), l1=l1, scheduler="cosine")
        model.fit(
            votes.repeat(40, 1, 1), epochs=60, batch_size=None, solver=solver, random_state=0
        )
        size.append(model.bias.detach()[1].abs().max())
        assert model.bias[0, 2] < model.bias[0, 0] - 0.5
    assert size[1] < 0.05


@pytest.mark.parametrize("clip", [0.01, 0.1])
def test_clip_limits_the_step_and_keeps_its_direction(clip):
    steps = []
    for limit in (None, clip):
        model = FreeEnergyOnly()
        solver = ContrastiveDivergence(3, 1.0, sampler=UniformMove(), clip=limit)
        model.fit(PAIRS, epochs=1, solver=solver, random_state=0)
        steps.append(model.bias.detach().flatten())
    assert steps[0].norm() > 0.15
    assert steps[1].norm() == pytest.approx(clip, rel=1e-4)
    assert torch.cosine_similarity(*steps, dim=0) == pytest.approx(1)


def test_a_clip_beyond_the_gradient_changes_nothing():
    results = []
    for limit in (None, 1e6):
        model = FreeEnergyOnly()
        solver = ContrastiveDivergence(1, 0.5, sampler=UniformMove(), clip=limit)
        model.fit(PAIRS, epochs=3, solver=solver, random_state=0)
        results.append(parameters_of(model))
    assert torch.equal(*results)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"l1": -0.1}, "l1=-0.1; it must be at least 0"),
        ({"l1": float("nan")}, "l1=nan"),
        ({"clip": 0.0}, "clip=0.0; it must be above 0, or None"),
        ({"clip": float("nan")}, "clip=nan"),
    ],
)
def test_penalties_and_limits_are_checked(options, text):
    with pytest.raises(ArgumentError, match=text):
        ContrastiveDivergence(**options)


class Fresh(Sampler):
    """Chains that are independent draws at every step, or that stay for some steps."""

    def __init__(self, stay=1):
        self.stay = stay

    def init(self, model, v):
        return SamplerState(v)

    def step(self, model, state, generator):
        chosen = torch.randint(3, state.v.shape[:2], generator=generator)
        new = torch.eye(3).to(state.v)[chosen]
        moves = torch.rand(len(new), 1, 1, generator=generator) < 1 / self.stay
        return SamplerState(torch.where(moves, new, state.v))


@pytest.mark.parametrize(("stay", "expected"), [(1, 1.0), (4, 1 / 7), (10, 1 / 19)])
def test_the_effective_share_is_that_of_the_chains(stay, expected):
    # A chain that stays with probability r each step has the autocorrelation r ** lag, so the
    # share of independent draws is (1 - r) / (1 + r) = 1 / (2 stay - 1).
    model = FreeEnergyOnly()
    with torch.no_grad():
        model.bias.copy_(torch.tensor([[0.0, 1.0, 2.0], [0.0, 3.0, 5.0]]))
    solver = ContrastiveDivergence(1, 1e-300, persistent=True, fresh=0, sampler=Fresh(stay))
    model.fit(PAIRS.repeat(100, 1, 1), epochs=80, batch_size=None, solver=solver, random_state=0)
    shares = np.array(model.history["effective_share"])
    assert len(shares) == 80
    assert np.isnan(shares[:15]).all()
    assert np.isfinite(shares[15:]).all()
    assert shares[-1] == pytest.approx(expected, rel=0.3)


def test_short_or_restarted_chains_have_no_effective_share():
    for solver, epochs in (
        (ContrastiveDivergence(1, 0.01, sampler=Fresh()), 20),
        (ContrastiveDivergence(1, 0.01, persistent=True, sampler=Fresh()), 10),
    ):
        model = FreeEnergyOnly().fit(PAIRS, epochs=epochs, solver=solver, random_state=0)
        assert "effective_share" not in model.history


class Steep(FreeEnergyOnly):
    """A model so sure of one configuration that no move away from it is accepted."""

    def free_energy(self, v):
        return super().free_energy(v) - 100 * v[:, :, 0].sum(1)


@pytest.mark.parametrize("persistent", [False, True])
def test_stuck_chains_are_named(persistent):
    v = torch.eye(3, dtype=torch.float64)[torch.zeros(30, 2, dtype=torch.int64)]
    solver = ContrastiveDivergence(4, 0.01, sampler=UniformMove(), persistent=persistent)
    text = "only 0 % of the moves of UniformMove were accepted in the last epoch, .*smaller steps"
    with pytest.warns(StuckChainsWarning, match=text):
        model = Steep().fit(v, epochs=2, solver=solver, random_state=0)
    assert model.history.settings["stuck_chains"].startswith("only 0 % of the moves")
    assert model.history["acceptance"][-1] == 0
    assert model.history["stuck"][-1] == 1


def test_chains_that_move_are_not_named():
    solver = ContrastiveDivergence(4, 0.01, sampler=UniformMove())
    model = FreeEnergyOnly().fit(PAIRS, epochs=2, solver=solver, random_state=0)
    assert "stuck_chains" not in model.history.settings
    assert model.history["acceptance"][-1] > 0.5
