"""Contexts: Newton steps against dense algebra, monotone EM, recovery of the scales."""

import numpy as np
import pytest
import torch

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM
from deem.math.random import as_generator
from deem.models import ContextIRBM, SoftIRBM
from deem.models.context import _expected, _improved_scale, _improved_table
from deem.models.initialization import STARTS, initialise
from deem.utils.exception import ArgumentError


def simulate(n=2000, seed=0):
    """Three classes, ten classifiers; on 40 % of the samples all tables have scale 0.3."""
    rng = np.random.default_rng(seed)
    truth, hard = rng.integers(0, 3, n), rng.random(n) < 0.4
    table = np.eye(3) * rng.uniform(1.5, 3, (10, 1, 1)) + rng.normal(0, 0.5, (10, 3, 3))
    p = np.exp(np.where(hard, 0.3, 1)[:, None, None] * table[:, :, truth].transpose(2, 0, 1))
    p /= p.sum(2, keepdims=True)
    return (rng.random((n, 10, 1)) > p.cumsum(2)).sum(2), truth, table


CODES, TRUTH, TABLE = simulate()
VOTES = read_votes(CODES)
GAPS = read_votes(np.where(np.random.default_rng(0).random((300, 10)) < 0.3, -1, CODES[:300]))


def start(votes=VOTES, method="shares", **arguments):
    model = ContextIRBM(votes.n_classifiers, votes.n_classes, **arguments).double()
    return initialise(model, votes, method, random_state=0)


def problem(seed, size=1.0):
    """Tables, scales and counts of 4 classifiers, 3 classes, 2 contexts, 5 labels."""
    generator = as_generator(seed)
    table = size * torch.randn(4, 3, 5, generator=generator, dtype=torch.float64)
    table -= table.mean(2, keepdim=True)
    scale = torch.tensor([[1.0], [0.4]], dtype=torch.float64)
    counts = 20 * torch.rand(4, 3, 2, 5, generator=generator, dtype=torch.float64).pow(3)
    return table, scale, counts


def test_one_context_is_the_inverse_rbm():
    one = start(n_contexts=1)
    soft = initialise(SoftIRBM(10, 3).double(), VOTES, "shares")
    torch.testing.assert_close(one.log_tables(), soft.log_tables())
    for model in (one, soft):
        model.fit(VOTES, solver=ExactEM(tolerance=0), epochs=500)
    torch.testing.assert_close(one.log_tables(), soft.log_tables(), atol=1e-5, rtol=1e-5)


def test_a_step_in_the_tables_is_the_newton_step():
    table, scale, counts = problem(0)
    # Near the optimum no step is shortened.
    table = (counts.sum(2) + 5).log() + 0.1 * table
    table -= table.mean(2, keepdim=True)

    def value(x):
        return _expected(x.reshape(1, 1, 5), scale, counts[i : i + 1, h : h + 1]).sum()

    found = _improved_table(table, scale, counts) - table
    for i in range(4):
        for h in range(3):
            hessian = torch.autograd.functional.hessian(value, table[i, h])
            gradient = torch.autograd.functional.jacobian(value, table[i, h])
            expected = -torch.linalg.pinv(hessian, rtol=1e-10) @ gradient
            ours = found[i, h] - found[i, h].mean()
            torch.testing.assert_close(ours, expected)


def test_a_step_in_the_scales_is_the_newton_step():
    table, scale, counts = problem(1)
    scale[1] = float(_improved_scale(table, scale, counts)[1])

    def value(x):
        return _expected(table, torch.stack([scale[0], x]), counts).sum()

    second = scale[1] * 1.02
    hessian = torch.autograd.functional.hessian(value, second)
    expected = second - torch.autograd.functional.jacobian(value, second) / hessian[0]
    found = _improved_scale(table, torch.stack([scale[0], second]), counts)
    torch.testing.assert_close(found[1], expected.clamp(min=1e-3).flatten())
    assert found[0] == 1


@pytest.mark.parametrize("size", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_step_lowers_the_expected_likelihood(seed, size):
    table, scale, counts = problem(seed, size)
    counts[0] = 0
    before = _expected(table, scale, counts)
    better = _improved_table(table, scale, counts)
    after = _expected(better, scale, counts)
    assert (after.sum(2) >= before.sum(2) - 1e-9).all()
    assert after.sum() > before.sum()
    rescaled = _improved_scale(better, scale, counts)
    assert _expected(better, rescaled, counts).sum() >= after.sum() - 1e-9
    assert (rescaled > 0).all()


@pytest.mark.parametrize("votes", [VOTES, GAPS], ids=["complete", "gaps"])
@pytest.mark.parametrize("arguments", [{}, {"n_contexts": 3, "class_prior": (0.2, 0.3, 0.5)}])
def test_em_raises_the_objective(votes, arguments):
    model = start(votes, **arguments)
    rows = model.em_data(Dataset(votes))
    series = np.array([float(sum(model.em_step(rows))) for _ in range(30)])
    assert (np.diff(series) > -1e-9 * abs(series[0])).all()
    assert series[-1] > series[0] + 10
    if model.class_prior is not None:
        assert model.class_tables()[0].tolist() == pytest.approx([0.2, 0.3, 0.5])


def test_em_ends_where_the_gradient_vanishes():
    model, data = start(GAPS), Dataset(GAPS)
    model.fit(data, solver=ExactEM(tolerance=0), epochs=5000)
    (model.log_likelihood(data).mean() + model.log_prior() / len(data)).backward()
    assert max(float(p.grad.abs().max()) for p in model.parameters()) < 1e-6


def test_em_needs_no_pseudo_counts():
    votes = read_votes(np.vstack([CODES[:40], np.full((5, 10), -1)]), n_classes=3)
    model = start(votes, pseudo_counts=(0, 0, 0, 0, 0)).fit(votes, epochs=50)
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tables_scales_and_priors_are_recovered(seed):
    codes, truth, table = simulate(seed=seed)
    votes = read_votes(codes)
    model = start(votes).fit(votes, solver=ExactEM(tolerance=1e-6))
    soft = initialise(SoftIRBM(10, 3).double(), votes, "shares").fit(votes)
    assert float(model.scale[1].detach()) == pytest.approx(0.3, abs=0.1)
    found = model.weight.detach().numpy()
    assert np.abs(found - table + table.mean(1, keepdims=True)).mean() < 0.16
    hard = model.log_tables()[0].detach().exp().reshape(3, 2).sum(0)[1]
    assert float(hard) == pytest.approx(0.4, abs=0.07)
    assert (model.predict_classes(votes).argmax(1).numpy() == truth).mean() > 0.85
    gain = model.score_samples(votes).mean() - soft.score_samples(votes).mean()
    assert float(gain.detach()) > 0.1


def test_hard_samples_are_less_sure():
    easy = read_votes(np.zeros((1, 10), int), n_classes=3)
    mixed = read_votes([[0, 0, 0, 0, 0, 0, 0, 1, 1, 2]], n_classes=3)
    model = start().fit(VOTES)
    soft = initialise(SoftIRBM(10, 3).double(), VOTES, "shares").fit(VOTES)
    assert model.predict_classes(easy).max() > 0.99
    assert model.predict_classes(mixed).max() < soft.predict_classes(mixed).max() - 0.02


@pytest.mark.parametrize("method", STARTS)
def test_starts_hold_on_to_the_votes(method):
    model = start(method=method)
    assert model.scale.tolist() == pytest.approx([1, 0.3])
    assert start(GAPS, method, n_contexts=3).scale.tolist() == pytest.approx([1, 0.3, 0.09])
    if method != "rand":
        agrees = model.predict_classes(VOTES).argmax(1).numpy() == VOTES.majority()
        assert agrees[VOTES.vote_shares().max(1) == 1].mean() > 0.95
    again = start(VOTES.take(np.arange(len(CODES))[::-1]), method)
    torch.testing.assert_close(again.log_tables(), model.log_tables())


def test_the_start_from_an_energy_is_that_of_the_inverse_rbm():
    one = start(method="mv_rand", n_contexts=1)
    soft = initialise(SoftIRBM(10, 3).double(), VOTES, "mv_rand", random_state=0)
    torch.testing.assert_close(one.log_tables(), soft.log_tables())


def test_renamed_classes_swap_their_states():
    model, order = start(), torch.tensor([2, 0, 1])
    before, scores = model.predict_classes(VOTES), model.score_samples(VOTES)
    model.rename_classes(order)
    torch.testing.assert_close(model.predict_classes(VOTES), before[:, order])
    torch.testing.assert_close(model.score_samples(VOTES), scores)


def test_the_number_of_contexts_is_checked():
    with pytest.raises(ArgumentError, match="n_contexts=0; it must be at least 1"):
        ContextIRBM(3, 3, 0)
