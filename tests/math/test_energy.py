"""Listed states, log-partitions, and centred coordinates."""

from itertools import product

import pytest
import torch

from deem.math.energy import (
    enumerate_one_hot,
    enumerated_log_partition,
    lift_centred,
    project_centred,
)
from deem.utils.exception import IntractableError


@pytest.mark.parametrize(("sites", "categories"), [(1, 1), (1, 4), (3, 2), (4, 3), (5, 1)])
def test_states_come_in_lexicographic_order(sites, categories):
    states = enumerate_one_hot(sites, categories)
    assert states.shape == (categories**sites, sites, categories)
    codes = [tuple(row) for row in states.argmax(-1).tolist()]
    assert codes == list(product(range(categories), repeat=sites))
    assert (states.sum(-1) == 1).all()


def test_states_have_the_dtype_asked_for():
    assert enumerate_one_hot(2, 2, torch.float32).dtype == torch.float32


def test_too_many_states_are_refused():
    with pytest.raises(IntractableError, match=r"10\*\*7 states are too many to list"):
        enumerate_one_hot(7, 10)


def test_log_partition_of_independent_units_is_a_product():
    weights = torch.tensor([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]], dtype=torch.float64)

    def free_energy(v):
        return -(v * weights).sum((1, 2))

    found = enumerated_log_partition(free_energy, enumerate_one_hot(3, 2))
    torch.testing.assert_close(found, weights.logsumexp(1).sum())


def test_log_partition_in_several_parts():
    states = torch.zeros(70_000, 1, dtype=torch.float64)
    found = enumerated_log_partition(lambda v: v.sum(1), states)
    assert float(found.exp()) == pytest.approx(70_000)


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_the_basis_is_orthonormal_and_centred(k):
    basis = lift_centred(torch.eye(k - 1, dtype=torch.float64), 0)
    assert basis.shape == (k, k - 1)
    torch.testing.assert_close(basis.T @ basis, torch.eye(k - 1, dtype=torch.float64))
    torch.testing.assert_close(basis.sum(0), torch.zeros(k - 1, dtype=torch.float64))


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_lift_and_project_are_inverse(k, dim):
    shape = [3, 4, 2]
    shape[dim] = k - 1
    free = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    full = lift_centred(free, dim)
    assert full.shape[dim] == k
    torch.testing.assert_close(full.sum(dim), torch.zeros_like(full.sum(dim)))
    torch.testing.assert_close(project_centred(full, dim), free)
    torch.testing.assert_close(full.square().sum(), free.square().sum())


@pytest.mark.parametrize("dim", [0, 1])
def test_projection_drops_the_mean(dim):
    full = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shifted = full + 5 * torch.ones_like(full.sum(dim, keepdim=True))
    torch.testing.assert_close(project_centred(shifted, dim), project_centred(full, dim))
    centred = full - full.mean(dim, keepdim=True)
    torch.testing.assert_close(lift_centred(project_centred(full, dim), dim), centred)
