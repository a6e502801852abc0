import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from deem.math import latent
from deem.math.latent import EMStatistics, SparseRows, em_statistics, posterior, state_logits
from deem.utils.exception import ShapeError

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")
PATHS = ["host", "device", pytest.param("fused", marks=needs_numba)]
VOTES = ["hard", "both"]


@pytest.fixture(params=PATHS)
def path(request, monkeypatch):
    """Every way to the same sums, small chunks included, whatever the size of the problem."""
    monkeypatch.setattr(latent, "_FUSED_WORK", 0 if request.param == "fused" else 10**18)
    monkeypatch.setattr(latent, "_HOST_CHUNK", 16)
    if request.param == "device":
        monkeypatch.setattr(latent, "_HostProducts", latent._DeviceProducts)
    return request.param


def make_problem(
    kind="hard", n=211, n_classifiers=6, n_classes=3, n_states=4, dtype=torch.float64
):
    """Rows, table and bias, and the dense matrix (n, C) of the same votes; sample 5 is empty."""
    rng = np.random.default_rng(0)
    votes = rng.integers(0, n_classes, (n, n_classifiers))
    votes[rng.random(votes.shape) < 0.3] = -1
    votes[5] = -1
    sample, classifier = np.nonzero(votes >= 0)
    column = classifier * n_classes + votes[sample, classifier]
    value = rng.uniform(0.1, 1, len(sample)) if kind in ("soft", "both") else None
    weight = rng.integers(0, 4, n).astype(float) if kind in ("weighted", "both") else None
    dense = torch.zeros(n, n_classifiers * n_classes, dtype=torch.float64)
    dense[sample, column] = 1.0 if value is None else torch.tensor(value)
    rows = SparseRows(
        torch.tensor(np.bincount(sample + 1, minlength=n + 1).cumsum()),
        torch.tensor(column, dtype=torch.int32),
        None if value is None else torch.tensor(value, dtype=dtype),
        None if weight is None else torch.tensor(weight, dtype=dtype),
    )
    table = torch.tensor(rng.normal(-1, 1, (dense.shape[1], n_states)), dtype=dtype)
    return rows, table, torch.tensor(rng.normal(size=n_states), dtype=dtype), dense


def brute_force(dense, weights, table, bias):
    """Sums from the dense product; -inf enters by its exponential, so that 0 * -inf is 0."""
    table, bias = table.double(), bias.double()
    excluded = (dense @ table.isinf().double()) > 0
    logits = (dense @ table.masked_fill(table.isinf(), 0) + bias).masked_fill(excluded, -torch.inf)
    weights = torch.ones(len(dense)).double() if weights is None else weights.double()
    q = logits.softmax(1)
    weighted = q * weights[:, None]
    return logits, q, (weights @ logits.logsumexp(1), dense.T @ weighted, weighted.sum(0))


def assert_sums(found, expected, **tolerance):
    for name, a, b in zip(EMStatistics._fields, found, expected, strict=True):
        torch.testing.assert_close(a.double(), b, msg=lambda m, n=name: f"{n}: {m}", **tolerance)


@pytest.mark.parametrize(
    ("kind", "n_states"), [("hard", 2), ("hard", 4), ("both", 4), ("both", 11)]
)
def test_statistics_equal_dense_brute_force(path, kind, n_states):
    rows, table, bias, dense = make_problem(kind, n_states=n_states)
    _, _, expected = brute_force(dense, rows.weights, table, bias)
    assert_sums(em_statistics(rows, table, bias), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", VOTES)
def test_logits_and_posterior_equal_dense_brute_force(path, kind):
    rows, table, bias, dense = make_problem(kind)
    logits, q, _ = brute_force(dense, rows.weights, table, bias)
    found, evidence = posterior(rows, table, bias)
    torch.testing.assert_close(state_logits(rows, table, bias), logits)
    torch.testing.assert_close(found, q)
    torch.testing.assert_close(evidence, logits.logsumexp(1))


def test_sample_without_votes_gets_the_prior(path):
    rows, table, bias, _ = make_problem()
    found, evidence = posterior(rows, table, bias)
    torch.testing.assert_close(found[5], bias.softmax(0))
    torch.testing.assert_close(evidence[5], bias.logsumexp(0))


@pytest.mark.parametrize("kind", VOTES)
def test_excluded_states_get_nothing(path, kind):
    rows, table, bias, dense = make_problem(kind)
    table[::2, 1] = -torch.inf
    table[4, 2] = -torch.inf
    _, q, expected = brute_force(dense, rows.weights, table, bias)
    assert_sums(em_statistics(rows, table, bias), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(posterior(rows, table, bias)[0], q)
    assert (em_statistics(rows, table, bias).counts[::2, 1] == 0).all()


def test_impossible_sample_shows_in_the_evidence(path):
    rows = SparseRows(torch.tensor([0, 2]), torch.tensor([0, 1], dtype=torch.int32))
    table = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0]], dtype=torch.float64)
    bias = torch.zeros(2, dtype=torch.float64)
    probabilities, evidence = posterior(rows, table, bias)
    assert evidence.item() == -torch.inf
    assert probabilities.isnan().all()
    assert em_statistics(rows, table, bias).counts.isnan().all()


def test_very_unlikely_states_do_not_overflow(path):
    rows, table, bias, dense = make_problem()
    _, _, expected = brute_force(dense, None, 300 * table, bias)
    assert_sums(em_statistics(rows, 300 * table, bias), expected, rtol=1e-12, atol=1e-12)


def test_float32_stays_float32(path):
    rows, table, bias, dense = make_problem(dtype=torch.float32)
    logits, q, expected = brute_force(dense, rows.weights, table, bias)
    found = em_statistics(rows, table, bias)
    assert {x.dtype for x in (*found, *posterior(rows, table, bias))} == {torch.float32}
    assert_sums(found, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(posterior(rows, table, bias)[0].double(), q, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        state_logits(rows, table, bias).double(), logits, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5])
def test_chunk_boundaries(path, n):
    """Four states in chunks of 18 samples, and the few samples around a block of the kernel."""
    for size in {n, n + 17} - {0}:
        whole, table, bias, dense = make_problem("both", n=max(size, 6))
        rows, dense = whole._from(0, size), dense[:size]
        _, _, expected = brute_force(dense, rows.weights, table, bias)
        assert_sums(em_statistics(rows, table, bias), expected, rtol=1e-12, atol=1e-12)


def test_no_samples(path):
    rows = SparseRows(torch.zeros(1, dtype=torch.int64), torch.zeros(0, dtype=torch.int32))
    found = em_statistics(rows, torch.zeros(4, 2), torch.zeros(2))
    assert [x.abs().sum().item() for x in found] == [0, 0, 0]
    assert posterior(rows, torch.zeros(4, 2), torch.zeros(2))[0].shape == (0, 2)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_gradients_of_the_logits(path, kind):
    rows, table, bias, _ = make_problem(kind, n=8)
    table.requires_grad_()
    bias.requires_grad_()
    assert torch.autograd.gradcheck(lambda t, b: state_logits(rows, t, b), (table, bias))
    if path == "host":
        # Its own choice of directions would come from the global generator.
        ones = torch.ones(8, 4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradgradcheck(
            lambda t: state_logits(rows, t, bias.detach()).square(), table, ones
        )


def test_gradient_of_the_likelihood_is_the_counts():
    rows, table, bias, _ = make_problem("soft")
    table.requires_grad_()
    bias.requires_grad_()
    state_logits(rows, table, bias).logsumexp(1).sum().backward()
    found = em_statistics(rows, table, bias)
    torch.testing.assert_close(found.counts, table.grad)
    torch.testing.assert_close(found.state_counts, bias.grad)


@pytest.mark.parametrize("columns", [[0, 6], [-1, 2]])
def test_votes_outside_the_table(path, columns):
    rows = SparseRows(torch.tensor([0, 2]), torch.tensor(columns))
    with pytest.raises(ShapeError, match=r"columns run from .* but table has 6 rows; pass"):
        em_statistics(rows, torch.zeros(6, 2), torch.zeros(2))


def test_arrays_share_memory():
    rows, *_ = make_problem("both")
    indptr, columns, values, weights = rows.arrays
    assert np.shares_memory(indptr, rows.indptr.numpy())
    assert np.shares_memory(columns, rows.columns.numpy())
    assert np.shares_memory(values, rows.values.numpy())
    assert np.shares_memory(weights, rows.weights.numpy())


@needs_numba
def test_threads_change_no_bit(monkeypatch):
    from deem.math import _latent_numba

    monkeypatch.setattr(_latent_numba, "_PART_WORK", 100)
    rows, table, bias, dense = make_problem("both", n=999)
    results = [
        _latent_numba.em_sums(rows.arrays, table.numpy(), bias.numpy(), n) for n in (1, 2, 3)
    ]
    for likelihood, counts, states in results[1:]:
        assert likelihood == results[0][0]
        np.testing.assert_array_equal(counts, results[0][1])
        np.testing.assert_array_equal(states, results[0][2])
    _, _, expected = brute_force(dense, rows.weights, table, bias)
    found = (torch.as_tensor(x, dtype=torch.float64) for x in results[0])
    assert_sums(found, expected, rtol=1e-12, atol=1e-12)


@needs_numba
def test_polynomial_exponential():
    from numba import njit

    from deem.math import _latent_numba

    exp = _latent_numba._exp
    x = -np.concatenate([np.linspace(0, 2, 4001), np.geomspace(1e-12, 707, 4001)])
    found = njit(lambda x: np.array([exp(y) for y in x]))(np.append(x, [-709.0, -np.inf]))
    np.testing.assert_allclose(found[:-2], np.exp(x), rtol=5e-16)
    np.testing.assert_array_equal(found[-2:], 0)


@needs_numba
@pytest.mark.parametrize("error", [RuntimeError, OSError])
def test_kernel_without_a_writable_cache(monkeypatch, error):
    from deem.math import _latent_numba

    compiled = _latent_numba._compiled

    def refuse(width, *, cache):
        if cache:
            raise error("no locator available")
        return compiled(width, cache=False)

    monkeypatch.setattr(_latent_numba, "_compiled", refuse)
    kernel = _latent_numba._kernel.__wrapped__(2, None, None)
    assert not kernel.stats.cache_path


def test_same_sums_where_numba_is_missing(monkeypatch):
    monkeypatch.setattr(latent, "_FUSED_WORK", 0)
    monkeypatch.setitem(sys.modules, "deem.math._latent_numba", None)
    latent._fused_sums.cache_clear()
    rows, table, bias, dense = make_problem("both")
    try:
        found = em_statistics(rows, table, bias)
    finally:
        latent._fused_sums.cache_clear()
    assert_sums(found, brute_force(dense, rows.weights, table, bias)[2], rtol=1e-12, atol=1e-12)
