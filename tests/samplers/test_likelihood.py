"""Estimated likelihoods of votes with missing ones, against enumeration."""

import pytest
import torch
from exact import partial_states
from layered import Layered, drawn, log_z

from deem.core.reading import read_votes
from deem.models import SoftIRBM
from deem.samplers import annealing, likelihood
from deem.samplers.likelihood import LikelihoodEstimate, estimate_log_likelihood
from deem.samplers.path import SiteMixture
from deem.utils.exception import ArgumentError, ShapeError

BASE = SiteMixture.independent(torch.ones(3, 3).double())


@pytest.fixture
def model():
    return drawn(Layered(3, 3), 1.5)


def exact(model, rows):
    """Log-probability of each row among those of its pattern."""
    present = [row.sum(-1) > 0 for row in rows]
    z = {tuple(p.tolist()): log_z(model, *rows.shape[1:], p) for p in present}
    values = -model.free_energy(rows).detach()
    return values - torch.tensor([z[tuple(p.tolist())] for p in present])


def test_every_pattern_is_normalised_by_itself(model, generator):
    rows = partial_states(3, 3)
    found = estimate_log_likelihood(
        model, rows, BASE, generator=generator, n_steps=40, n_chains=1000
    )
    expected = exact(model, rows)
    assert found.values.dtype == torch.float64
    assert (found.values - expected).abs().max() < 0.1
    assert len(found.log_partition) == 8
    z = (found.values - expected) / found.standard_error_of_partition[found.pattern]
    assert z[found.standard_error_of_partition[found.pattern] > 0].abs().max() < 4.5
    # Negative control: the partition of complete votes is that of none of the others.
    complete = log_z(model, 3, 3)
    wrong = -model.free_energy(rows).detach() - complete
    assert (wrong - expected).abs().max() > 0.5


def test_samples_without_votes_are_certain(model, generator):
    found = estimate_log_likelihood(
        model, torch.zeros(2, 3, 3), BASE, generator=generator, n_steps=2
    )
    assert found.values.tolist() == pytest.approx([0, 0])
    assert found.standard_error == pytest.approx(0)


def test_complete_votes_share_one_partition(model, generator, close):
    votes = read_votes([[0, 1, 2], [2, 2, 2], [1, 0, 0]], n_classes=3)
    found = estimate_log_likelihood(model, votes, BASE, generator=generator, n_steps=20)
    assert found.log_partition.shape == (1,)
    close(found.values + found.log_partition, -model.free_energy(votes.one_hot().double()))
    assert found.mean == pytest.approx(float(found.values.mean()))
    assert found.standard_error == pytest.approx(float(found.standard_error_of_partition))
    assert found.bias == pytest.approx(float(found.standard_error_of_partition) ** 2 / 2)


def test_errors_of_patterns_add_by_their_shares():
    errors = torch.tensor([0.3, 0.4]).double()
    found = LikelihoodEstimate(torch.zeros(4), torch.tensor([0, 1, 1, 1]), errors, errors)
    assert found.standard_error == pytest.approx((0.075**2 + 0.3**2) ** 0.5)
    assert found.bias == pytest.approx((0.25 * 0.09 + 0.75 * 0.16) / 2)


def test_the_mean_has_an_honest_error(model):
    rows = partial_states(3, 3)
    expected = float(exact(model, rows).mean())
    z = []
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        found = estimate_log_likelihood(
            model, rows, BASE, generator=generator, n_steps=10, n_chains=100
        )
        z.append((found.mean - found.bias - expected) / found.standard_error)
    z = torch.tensor(z)
    assert 0.65 < z.std() < 1.45
    assert abs(z.mean()) < 0.5


def test_exact_models_agree_whatever_is_missing(generator, close):
    model = drawn(SoftIRBM(3, 3), 1.0)
    rows = partial_states(3, 3)
    found = estimate_log_likelihood(model, rows, model, generator=generator, n_steps=0)
    close(found.values, model.score_samples(rows))


def test_portions_do_not_matter(model, generator, monkeypatch):
    monkeypatch.setattr(annealing, "_NUMBERS", 31 * 9)
    monkeypatch.setattr(likelihood, "_ROWS", 7)
    rows = partial_states(3, 3)
    found = estimate_log_likelihood(
        model, rows, BASE, generator=generator, n_steps=10, n_chains=50
    )
    assert (found.values - exact(model, rows)).abs().max() < 0.5


def test_wrong_votes_are_named(model, generator):
    with pytest.raises(ArgumentError, match="votes are soft"):
        estimate_log_likelihood(model, torch.full((1, 3, 3), 1 / 3), BASE, generator=generator)
    with pytest.raises(ShapeError, match=r"shape \(2, 3\); expected \(3, 3\)"):
        estimate_log_likelihood(model, torch.ones(1, 2, 3), BASE, generator=generator)
    with pytest.raises(ArgumentError, match="votes has no samples"):
        estimate_log_likelihood(model, torch.ones(0, 3, 3), BASE, generator=generator)
    with pytest.raises(ArgumentError, match="n_chains=0"):
        estimate_log_likelihood(model, torch.zeros(1, 3, 3), BASE, generator=generator, n_chains=0)
