"""What every kernel promises, against enumeration, and kernels that must fail."""

import pytest
import torch
from exact import (
    effective_sample_size,
    one_hot_states,
    partial_states,
    total_variation,
    total_variation_bound,
)
from tiny import (
    RIGHT_KERNELS,
    TINY_MODELS,
    TINY_SAMPLERS,
    WRONG_ACCEPTANCE,
    WRONG_KERNELS,
    CyclicMove,
    SwappedProposal,
    UniformMove,
    bipartite,
    latent,
)

from deem.core.model import Model
from deem.core.sampler import MetropolisSampler
from deem.math.random import as_generator
from deem.samplers import SAMPLERS

METROPOLIS = [*RIGHT_KERNELS, *(s for s in SAMPLERS.values() if issubclass(s, MetropolisSampler))]
MADE = {**TINY_SAMPLERS, **{kernel.__name__: kernel for kernel in RIGHT_KERNELS}}
FEW_MODELS = {"ParallelTempering", *(kernel.__name__ for kernel in RIGHT_KERNELS)}
PAIRS = [
    pytest.param(make, tiny, id=f"{name}-{tiny.name}")
    for name, make in MADE.items()
    # What the kernels of the tests prove of the accept step, and replicas of swaps, holds for any
    # model.
    for tiny in (TINY_MODELS[::4] if name in FEW_MODELS else TINY_MODELS)
    # Only the block sweep needs p(v given h).
    if bipartite(tiny.cls) or (latent(tiny.cls) and name != "Gibbs")
]
every_pair = pytest.mark.parametrize(("make", "tiny"), PAIRS)
every_sampler = pytest.mark.parametrize("make", MADE.values(), ids=MADE)
every_metropolis = pytest.mark.parametrize("kernel", METROPOLIS, ids=lambda k: k.__name__)


class Table(Model):
    """Free energies listed one by one, for one-hot states of some sites."""

    def __init__(self, n_sites=2, n_categories=3):
        super().__init__()
        self.n_sites, self.n_categories = n_sites, n_categories
        generator = torch.Generator().manual_seed(3)
        shape = [n_categories] * n_sites
        table = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.table = torch.nn.Parameter(table)

    def free_energy(self, v):
        letters = "abcdefg"[: self.n_sites]
        operands = ",".join(f"n{letter}" for letter in letters)
        return torch.einsum(f"{letters},{operands}->n", self.table, *v.unbind(1))


@pytest.fixture
def table():
    return Table()


def flows(sampler, model, v):
    """Stationary probability of the state times probability of each move, (V, V)."""
    first = v.repeat_interleave(len(v), 0)
    second = v.repeat(len(v), 1, 1)
    old, new = sampler.init(model, first), sampler.init(model, second)
    log_q = sampler.log_proposal(old, new)
    log_a = torch.where(log_q.isfinite(), sampler.log_acceptance(old, new), 0.0)
    log_pi = (-model.free_energy(v) / sampler.temperature).log_softmax(0).detach()
    flow = (log_pi.repeat_interleave(len(v)) + log_q + log_a).exp().reshape(len(v), len(v))
    return flow.fill_diagonal_(0)


def long_run(make, model, states, device="cpu", dtype=torch.float64, runs=10, chains=700):
    """Histogram of many chains after they forgot their start, and its effective size.

    An odd number of steps a run, because chains of two categories may have period two.
    """
    sampler = make()
    generator = torch.Generator(device).manual_seed(0)
    states = states.to(dtype=dtype, device=device)
    v = sampler.start(states[:1].repeat(chains, 1, 1), generator)
    counts, series = torch.zeros(len(states), device=device), []
    with torch.no_grad():
        for number in range(2 * runs):
            v, _ = sampler.run(model, v, 3, generator)
            if number >= runs:
                draws = sampler.draws(v)
                index = (draws.flatten(1) @ states.flatten(1).T).argmax(1)
                counts += torch.bincount(index, minlength=len(states))
                series.append(model.free_energy(draws))
    return (counts / counts.sum()).cpu(), effective_sample_size(torch.stack(series))


def test_every_registered_sampler_has_a_tiny_configuration():
    assert SAMPLERS.keys() == TINY_SAMPLERS.keys()
    assert all(name == cls.__name__ for name, cls in SAMPLERS.items())


def run(sampler, model, v, steps, generator):
    """Move chains that start at `v`; the draws among them, and the metrics."""
    chains, metrics = sampler.run(model, sampler.start(v, generator), steps, generator)
    return sampler.draws(chains), metrics


@every_pair
def test_long_run_histogram_is_the_exact_distribution(make, tiny, dtype, device):
    model = tiny.build(1, dtype, device)
    found, size = long_run(make, model, tiny.visible, device, dtype)
    expected = tiny.exact(model).log_v.exp().detach().float().cpu()
    assert size > 1500
    assert total_variation(found, expected) < total_variation_bound(expected, size)


@pytest.mark.parametrize("kernel", WRONG_KERNELS)
def test_wrong_kernels_fail_the_histogram(kernel):
    tiny = TINY_MODELS[0]
    model = tiny.build(1)
    found, size = long_run(kernel, model, tiny.visible, chains=4000)
    expected = tiny.exact(model).log_v.exp().detach().float()
    assert total_variation(found, expected) > 2 * total_variation_bound(expected, size)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@every_metropolis
def test_detailed_balance_on_every_pair_of_states(kernel, temperature, table):
    flow = flows(kernel(temperature=temperature), table, one_hot_states(2, 3))
    assert (flow > 0).sum() >= 9 * 4
    assert (flow - flow.T).abs().max() < 1e-12


@pytest.mark.parametrize("kernel", WRONG_ACCEPTANCE)
def test_detailed_balance_fails_for_a_wrong_acceptance(kernel, table):
    flow = flows(kernel(), table, one_hot_states(2, 3))
    assert (flow - flow.T).abs().max() > 1e-3


def proposal_distances(kernel, model, n=20_000):
    """Largest total variation between drawn proposals and `log_proposal`, over all states."""
    sampler, states = kernel(), one_hot_states(2, 3)
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for state in states:
        start = sampler.init(model, state.expand(n, 2, 3))
        drawn = sampler.propose(start, generator).flatten(1) @ states.flatten(1).T
        found = torch.bincount(drawn.argmax(1), minlength=len(states)).double() / n
        few = sampler.init(model, state.expand(len(states), 2, 3))
        expected = sampler.log_proposal(few, sampler.init(model, states)).softmax(0)
        worst = max(worst, total_variation(found, expected))
    return worst, total_variation_bound(torch.full((9,), 1 / 9), n)


@every_metropolis
def test_proposals_come_as_often_as_log_proposal_says(kernel, table):
    worst, bound = proposal_distances(kernel, table)
    assert worst < bound


def test_proposals_of_a_swapped_log_proposal_do_not(table):
    worst, bound = proposal_distances(SwappedProposal, table)
    assert worst > 10 * bound


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@every_metropolis
def test_temperature_flattens_the_long_run(kernel, temperature, table):
    states = one_hot_states(2, 3)
    found, size = long_run(lambda: kernel(temperature=temperature), table, states)
    expected = (-table.free_energy(states) / temperature).softmax(0).detach().float()
    assert total_variation(found, expected) < total_variation_bound(expected, size)


@every_metropolis
def test_acceptance_lies_strictly_inside_the_unit_interval(kernel, table):
    start = one_hot_states(2, 3).repeat(20, 1, 1)
    _, metrics = kernel().run(table, start, 10, as_generator(0))
    assert 0.05 < metrics["acceptance"] < 0.98


def test_acceptance_of_a_symmetric_proposal_is_that_of_metropolis(table):
    states = one_hot_states(2, 3)
    sampler = UniformMove()
    old, new = (sampler.init(table, x) for x in (states[:-1], states[1:]))
    log_accept = sampler.log_acceptance(old, new)
    single = (old.v * new.v).sum((1, 2)) == 1
    expected = (old.free_energy - new.free_energy).clamp(max=0)
    torch.testing.assert_close(log_accept[single], expected[single])


@every_pair
def test_the_model_stays_bit_for_bit_untouched(make, tiny, dtype, device):
    model = tiny.build(1, dtype, device)
    first, *_ = model.parameters()
    first.requires_grad_(False)
    first.grad = torch.ones_like(first)
    model.eval()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    run(make(), model, tiny.data(30, dtype=dtype, device=device), 5, as_generator(0, device))
    assert all(torch.equal(before[name], x) for name, x in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()][0] is False
    assert all(p.requires_grad for p in list(model.parameters())[1:])
    assert torch.equal(first.grad, torch.ones_like(first))
    assert all(p.grad is None for p in list(model.parameters())[1:])
    assert not model.training


@every_pair
def test_same_generator_same_chain(make, tiny, dtype, device):
    model = tiny.build(1, dtype, device)
    v = tiny.data(30, dtype=dtype, device=device)
    kept = v.clone()
    ends = [run(make(), model, v, 5, as_generator(seed, device))[0] for seed in (3, 3, 4)]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
    assert torch.equal(v, kept)
    assert ends[0].dtype == dtype
    assert not ends[0].requires_grad


@every_pair
def test_no_step_leaves_the_chains_where_they_are(make, tiny):
    model, v = tiny.build(1), tiny.data(10)
    end, metrics = run(make(), model, v, 0, as_generator(0))
    assert torch.equal(end, v)
    assert metrics == {}


@every_sampler
def test_missing_sites_never_move(make):
    model = TINY_MODELS[0].build(1)
    v = partial_states(3, 3).repeat(5, 1, 1)
    end, _ = run(make(), model, v, 20, as_generator(0))
    assert torch.equal(end.sum(-1), v.sum(-1))
    whole = v.sum((1, 2)) > 0
    assert (end[whole] != v[whole]).flatten(1).any(1).double().mean() > 0.3


@every_sampler
def test_sites_that_are_there_follow_their_own_distribution(make):
    tiny = TINY_MODELS[0]
    model = tiny.build(1)
    partial = partial_states(3, 3)
    alike = partial[(partial.sum(-1) == torch.tensor([1.0, 0.0, 1.0])).all(1)]
    expected = tiny.exact(model).log_joint_of_partial(alike).logsumexp(1).exp().detach().float()
    found, size = long_run(make, model, alike)
    assert total_variation(found, expected) < total_variation_bound(expected, size)


def at_equilibrium(sampler, tiny, model, n):
    """Chains drawn from the exact distribution, all replicas at their own temperature."""
    log_v, generator = tiny.exact(model).log_v.detach(), as_generator(1)
    temperatures = getattr(sampler, "temperatures", (1.0,))
    p = torch.stack([(log_v / t).softmax(0) for t in temperatures])
    chains = tiny.visible[torch.multinomial(p, n, True, generator=generator).T]
    return p, chains if hasattr(sampler, "temperatures") else chains[:, 0]


@pytest.mark.parametrize("make", TINY_SAMPLERS.values(), ids=TINY_SAMPLERS)
def test_steps_leave_the_exact_distribution_invariant(make):
    tiny, sampler = TINY_MODELS[0], make()
    model = tiny.build(1)
    n = 20_000
    p, chains = at_equilibrium(sampler, tiny, model, n)
    end, _ = sampler.run(model, chains, 1, as_generator(0))
    ends = end.unbind(1) if end.dim() == 4 else [end]
    for draws, expected in zip(ends, p, strict=True):
        found = tiny.exact(model).histogram(draws)
        assert total_variation(found, expected) < total_variation_bound(expected, n)


@every_metropolis
def test_a_step_keeps_energy_gradient_and_moves_of_the_chosen_state(kernel, table):
    sampler, v = kernel(), one_hot_states(2, 3).repeat(100, 1, 1)
    moved = sampler.step(table, sampler.init(table, v), as_generator(0))
    fresh = sampler.init(table, moved.v)
    assert 0 < moved.accepted.double().mean() < 1
    for name in ("free_energy", "gradient", "log_moves", "movable"):
        found, expected = getattr(moved, name), getattr(fresh, name)
        assert (found is None) == (expected is None)
        if found is not None:
            torch.testing.assert_close(found, expected, check_dtype=True)


def test_the_accept_step_keeps_energy_and_gradient_of_the_chosen_state(table):
    class WithGradient(CyclicMove):
        uses_gradient = True

    sampler, v = WithGradient(), one_hot_states(2, 3).repeat(10, 1, 1)
    with torch.no_grad():
        state = sampler.init(table, v)
        moved = sampler.step(table, state, as_generator(0))
    fresh = sampler.init(table, moved.v)
    assert 0 < moved.accepted.double().mean() < 1
    torch.testing.assert_close(moved.free_energy, fresh.free_energy)
    torch.testing.assert_close(moved.gradient, fresh.gradient)
    stayed = (moved.v == state.v).all(-1).all(-1)
    assert torch.equal(stayed, ~moved.accepted)
