"""Annealed importance sampling and its reverse, against enumeration."""

import math

import pytest
import torch
from layered import Layered, drawn, log_z
from tiny import FlippedCorrection, SwappedProposal, UniformMove

from deem.models import BinaryIRBM, GroupIRBM, SoftIRBM
from deem.models.multinomial import MultinomialIRBM
from deem.samplers import ais, annealing
from deem.samplers.ais import (
    Bracket,
    PartitionEstimate,
    annealed_importance,
    bracket,
    reverse_annealed_importance,
)
from deem.samplers.dlp import DiscreteLangevin
from deem.samplers.gibbs import Gibbs
from deem.samplers.gwg import GibbsWithGradients
from deem.samplers.path import SiteMixture, exact_draws
from deem.utils.exception import ArgumentError, IntractableError, NonFiniteError, ShapeError

STRONG = [
    ("BinaryIRBM", BinaryIRBM(12, hidden_dim=2), 1.5, 150),
    ("SoftIRBM", SoftIRBM(6, 3, hidden_dim=2), 1.5, 200),
    ("GroupIRBM", GroupIRBM(8, 2, groups=((0, 1, 2), (4, 5))), 1.5, 150),
    ("Layered-2", Layered(12, 2), 1.0, 150),
    ("Layered-3", Layered(6, 3), 2.0, 150),
]


def uniform(model, dtype=torch.float64):
    shape = (model.n_classifiers, model.n_classes)
    return SiteMixture.independent(torch.ones(shape, dtype=dtype))


def truth(model, present=None):
    return log_z(model, model.n_classifiers, model.n_classes, present)


@pytest.fixture
def model():
    return drawn(Layered(4, 3), 1.5)


@pytest.mark.parametrize(("name", "model", "scale", "steps"), STRONG, ids=lambda x: str(x)[:9])
def test_estimates_and_bracket_hold_the_enumerated_value(name, model, scale, steps, generator):
    model = drawn(model, scale)
    found = bracket(model, uniform(model), generator=generator, n_steps=steps, n_chains=256)
    expected = truth(model)
    assert found.forward.log_partition == pytest.approx(expected, abs=0.1)
    assert found.reverse.log_partition == pytest.approx(expected, abs=0.1)
    assert found.lower < expected < found.upper
    assert found.upper - found.lower < 0.4
    assert found.is_bound
    assert not found.forward.reverse
    assert found.reverse.reverse


@pytest.mark.parametrize("activation", ["sparsemax", "softmax"])
def test_deep_models_agree_with_enumeration(activation, generator):
    model = drawn(MultinomialIRBM(8, 2, widths=[6], activation=activation, start="rand"), 1.0)
    for present in (None, torch.arange(8) % 3 > 0):
        found = bracket(
            model, uniform(model), generator=generator, n_steps=100, n_chains=200, present=present
        )
        assert found.forward.log_partition == pytest.approx(truth(model, present), abs=0.1)
        assert found.reverse.log_partition == pytest.approx(truth(model, present), abs=0.1)


KERNELS = {
    "gwg": GibbsWithGradients(),
    "langevin": DiscreteLangevin(0.7),
    "uniform": UniformMove(),
}


@pytest.mark.parametrize("sampler", KERNELS.values(), ids=KERNELS)
def test_weights_are_unbiased_for_every_exact_kernel(sampler, model, generator):
    forward, back = both_ways(model, sampler, generator)
    assert abs(z_score(forward.log_weights - truth(model))) < 4
    assert abs(z_score(truth(model) - back.log_weights)) < 4


@pytest.mark.parametrize("sampler", [FlippedCorrection(), SwappedProposal()], ids=["flip", "swap"])
def test_weights_of_a_wrong_kernel_are_biased(sampler, model, generator):
    forward, _ = both_ways(model, sampler, generator)
    assert abs(z_score(forward.log_weights - truth(model))) > 6


def both_ways(model, sampler, generator, n=10_000, n_steps=15):
    settings = {"generator": generator, "n_steps": n_steps, "sampler": sampler}
    starts = exact_draws(model, n, (4, 3), generator)
    return (
        annealed_importance(model, uniform(model), n_chains=n, **settings),
        reverse_annealed_importance(model, uniform(model), starts, exact_starts=True, **settings),
    )


def groups(estimate, n_chains):
    """Estimates of as many chains each, which are independent."""
    parts = zip(*(x.split(n_chains) for x in (estimate.log_weights, estimate.chains)), strict=True)
    return [PartitionEstimate(*part, estimate.reverse, estimate.is_bound) for part in parts]


def z_score(log_ratio):
    """Of the mean of weights over the truth, which is 1 in expectation."""
    ratio = log_ratio.exp()
    return float((ratio.mean() - 1) / (ratio.std() / len(ratio) ** 0.5))


def test_standard_errors_are_honest(model, generator):
    expected = truth(model)
    both = both_ways(model, None, generator)
    for estimate, safe in zip(both, (-1, 1), strict=True):
        found = groups(estimate, 50)
        z = torch.tensor([(one.log_partition - expected) / one.standard_error for one in found])
        assert 0.85 < z.std() < 1.25
        # Biased to the safe side, by less than half of a standard error.
        assert 0 < safe * z.mean() < 0.5
        # Negative control: a wrong log-partition is noticed.
        wrong = [(one.log_partition - expected - 0.2) / one.standard_error for one in found]
        assert abs(sum(wrong)) / len(wrong) > 0.5


def test_most_brackets_hold_the_truth(model, generator):
    both = both_ways(model, None, generator, 10_000, n_steps=40)
    expected, inside, wrong = truth(model), 0, 0
    for pair in zip(*(groups(one, 250) for one in both), strict=True):
        found = Bracket(*pair)
        inside += found.lower < expected < found.upper
        wrong += found.lower < expected + 0.3 < found.upper
        assert found.upper - found.lower < 0.5
    assert inside >= 39
    # Negative control: 0.3 nats beside the truth.
    assert wrong < 10


@pytest.mark.parametrize("n_steps", [0, 5])
def test_a_base_equal_to_the_model_is_exact(n_steps, generator):
    model = drawn(SoftIRBM(5, 3, hidden_dim=2), 1.0)
    found = bracket(model, model, generator=generator, n_steps=n_steps, n_chains=8)
    expected = float(model.log_partition().detach())
    assert found.lower == pytest.approx(expected, abs=1e-9)
    assert found.upper == pytest.approx(expected, abs=1e-9)
    assert found.forward.effective_share == pytest.approx(1)


def test_no_steps_are_plain_importance_sampling(model, close):
    base = uniform(model)
    one = annealed_importance(
        model, base, generator=torch.Generator().manual_seed(3), n_steps=0, n_chains=50
    )
    v = base.sample(50, torch.Generator().manual_seed(3))
    close(one.log_weights, base.free_energy(v) - model.free_energy(v))
    close(one.chains, v)
    ratio = one.log_weights.exp()
    assert one.log_partition == pytest.approx(float(ratio.mean().log()))
    assert one.standard_error == pytest.approx(float(ratio.std() / ratio.mean()) / 50**0.5)
    share = float(ratio.sum() ** 2 / ratio.square().sum()) / 50
    assert one.effective_share == pytest.approx(share)


def test_a_near_base_needs_fewer_steps(model, generator):
    near = SiteMixture.independent(exact_draws(model, 500, (4, 3), generator).sum(0) + 1)
    shares = [
        annealed_importance(model, base, generator=generator, n_steps=5).effective_share
        for base in (near, uniform(model))
    ]
    assert shares[0] > shares[1]


@pytest.mark.parametrize("sites", [(), (1,), (0, 2), (0, 1, 3)])
def test_every_missing_pattern_has_its_own_partition(sites, model, generator):
    present = torch.zeros(4, dtype=torch.bool)
    present[list(sites)] = True
    settings = {"n_steps": 100, "n_chains": 200, "present": present}
    found = bracket(model, drawn(SoftIRBM(4, 3), 0.3), generator=generator, **settings)
    assert found.forward.log_partition == pytest.approx(truth(model, present), abs=0.1)
    assert found.reverse.log_partition == pytest.approx(truth(model, present), abs=0.1)
    assert torch.equal((found.forward.chains.sum(-1) > 0).all(0), present)
    assert not found.reverse.chains[:, ~present].any()


def test_without_exact_draws_the_upper_end_is_no_bound(model, generator, monkeypatch):
    def none(*arguments):
        raise IntractableError("too many")

    monkeypatch.setattr(ais, "exact_draws", none)
    found = bracket(model, uniform(model), generator=generator, n_steps=100)
    assert found.forward.is_bound
    assert not found.reverse.is_bound
    assert not found.is_bound
    assert found.reverse.log_partition == pytest.approx(truth(model), abs=0.1)


def test_draws_of_a_forward_run_follow_the_model(model, generator):
    run = annealed_importance(
        model, uniform(model), generator=generator, n_steps=30, n_chains=5000
    )
    found = run.draws(5000, generator).mean(0)
    expected = exact_draws(model, 20_000, (4, 3), generator).mean(0)
    assert (found - expected).abs().max() < 0.05
    assert (uniform(model).sample(5000, generator).mean(0) - expected).abs().max() > 0.1


def test_chains_run_in_portions(model, generator, monkeypatch):
    monkeypatch.setattr(annealing, "_NUMBERS", 7 * 12)
    found = bracket(model, uniform(model), generator=generator, n_steps=20, n_chains=30)
    assert found.forward.log_weights.shape == found.reverse.log_weights.shape == (30,)
    assert len(found.forward.log_weights.unique()) == 30
    assert found.reverse.chains.shape == (30, 4, 3)


def test_the_same_seed_gives_the_same_weights_and_nothing_is_touched(model):
    before = [p.clone() for p in model.parameters()]
    runs = [
        annealed_importance(
            model, uniform(model), generator=torch.Generator().manual_seed(s), n_steps=9
        ).log_weights
        for s in (0, 0, 1)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_models_in_single_precision_have_weights_in_double(generator):
    model = drawn(Layered(5, 2), 1.5, dtype=torch.float32)
    found = bracket(model, uniform(model), generator=generator, n_steps=60)
    assert found.forward.log_weights.dtype == found.reverse.log_weights.dtype == torch.float64
    assert found.forward.chains.dtype == torch.float32
    assert found.forward.log_partition == pytest.approx(truth(model), abs=0.1)


def test_inverse_temperatures_may_be_given(model):
    runs = [
        annealed_importance(
            model, uniform(model), generator=torch.Generator().manual_seed(0), n_steps=steps
        ).log_weights
        for steps in (3, (0, 0.25, 0.5, 0.75, 1))
    ]
    assert torch.equal(*runs)


def test_a_single_chain_knows_no_error(model, generator):
    one = annealed_importance(model, uniform(model), generator=generator, n_steps=2, n_chains=1)
    assert math.isinf(one.standard_error)
    assert one.log_partition == pytest.approx(float(one.log_weights))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n_steps": -1}, "n_steps=-1; it must be at least 0"),
        ({"n_chains": 0}, "n_chains=0; it must be at least 1"),
        ({"n_steps": (0.0, 0.5)}, "inverse temperatures go from 0 to 1"),
        ({"n_steps": (0, 0.5, 0.5, 1)}, "inverse temperatures must ascend"),
        ({"sampler": DiscreteLangevin(adjusted=False)}, "DiscreteLangevin is not exact"),
        ({"sampler": Gibbs()}, "sampler is Gibbs, .* pass a MetropolisSampler"),
        ({"sampler": GibbsWithGradients(2.0)}, "temperature=2.0; it must be 1"),
        ({"present": torch.ones(3, dtype=torch.bool)}, r"shape \(3,\); expected \(4,\)"),
    ],
)
def test_wrong_arguments_are_named(arguments, text, model, generator):
    with pytest.raises(ArgumentError, match=text):
        annealed_importance(model, uniform(model), generator=generator, **arguments)


def test_wrong_bases_starts_and_models_are_named(model, generator):
    with pytest.raises(ShapeError, match=r"shape \(5, 3\), but the model over \(4, 3\)"):
        annealed_importance(model, SoftIRBM(5, 3), generator=generator)
    settings = {"exact_starts": True, "generator": generator}
    base, v = uniform(model), torch.eye(3).expand(2, 3, 3)
    with pytest.raises(ShapeError, match=r"starts has shape \(2, 3, 3\)"):
        reverse_annealed_importance(model, base, v, **settings)
    mixed = uniform(model).sample(2, generator)
    mixed[0, 0] = 0
    with pytest.raises(ArgumentError, match="different sites missing"):
        reverse_annealed_importance(model, base, mixed, **settings)
    with torch.no_grad():
        model.weight[0] = torch.nan
    with pytest.raises(NonFiniteError, match="free energy of a chain is NaN"):
        annealed_importance(model, base, generator=generator, n_steps=1)
