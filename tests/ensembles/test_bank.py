"""Banks of learners: one computation for all, with the scores of each learner alone."""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from deem.core.dataset import Dataset
from deem.ensembles.bank import LearnerBank
from deem.utils.exception import ArgumentError, ShapeError


def perceptron():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 3))


def convolutional():
    # A bias before the normalisation has no gradient but rounding, which Adam makes large.
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12, 3),
    )


def bank_of(factory, backend, seeds=(0, 7), copies=2, n_learners=3):
    return LearnerBank(factory, n_learners, seeds, copies, backend).double()


def samples(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def classes(*shape):
    return torch.randint(3, shape, generator=torch.Generator().manual_seed(1))


def trained(bank, x, y, steps):
    """First scores and gradients, and what the bank holds after some steps of Adam."""
    optimizer = torch.optim.Adam([p for p in bank.parameters() if p.requires_grad], lr=0.01)
    first = None
    for _ in range(steps):
        scores = bank.forward_each(x)
        targets = y[..., None].expand(scores.shape[:-1])
        optimizer.zero_grad()
        cross_entropy(scores.flatten(0, -2), targets.flatten(), reduction="sum").backward()
        if first is None:
            first = scores.detach(), {n: p.grad.clone() for n, p in bank.named_parameters()}
        optimizer.step()
    return *first, bank.state_dict()


def assert_same(found, expected, tolerance=1e-12):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("factory", "shape", "steps"), [(perceptron, (4,), 50), (convolutional, (1, 4, 4), 10)]
)
def test_all_backends_compute_and_learn_the_same(factory, shape, steps):
    x, y = samples(2, 9, *shape), classes(4, 9)
    bank = bank_of(factory, "loop")
    scores, gradients, state = trained(bank, x, y, steps)
    assert scores.shape == (4, 9, 3, 3)
    for backend in ("bmm", "vmap") if factory is perceptron else ("vmap",):
        found = trained(bank_of(factory, backend), x, y, steps)
        torch.testing.assert_close(found[0], scores, rtol=0, atol=1e-12)
        assert_same(found[1], gradients)
        assert_same(found[2], state)


@pytest.mark.parametrize("backend", ["vmap", "loop"])
def test_running_statistics_are_those_of_each_learner_alone(backend):
    bank = bank_of(convolutional, backend, copies=1)
    x = samples(2, 9, 1, 4, 4)
    alone = [[member.train() for member in bank.members(group)] for group in range(2)]
    bank.train().forward_each(x)
    for group in range(2):
        for network, member in zip(alone[group], bank.members(group), strict=True):
            network(x[group])
            assert_same(member.state_dict(), network.state_dict())
            assert member[1].num_batches_tracked == 1


@pytest.mark.parametrize("backend", ["bmm", "vmap", "loop"])
def test_members_are_the_learners(backend):
    bank, x = bank_of(perceptron, backend), samples(5, 4)
    for group, scores in enumerate(bank(x)):
        found = torch.stack([member(x) for member in bank.members(group)], 1)
        torch.testing.assert_close(found, scores, rtol=0, atol=1e-13)
    with torch.no_grad():
        bank.members(0)[0][0].weight.zero_()
    torch.testing.assert_close(bank(x)[0], bank_of(perceptron, backend)(x)[0])


def test_states_go_from_one_backend_to_the_others():
    x = samples(5, 4)
    source = bank_of(perceptron, "loop", seeds=(3, 4))
    for backend in ("bmm", "vmap", "loop"):
        bank = bank_of(perceptron, backend)
        bank.load_state_dict(source.state_dict())
        torch.testing.assert_close(bank(x), source(x), rtol=0, atol=1e-13)


def test_first_parameters_come_from_seed_and_learner_alone():
    bank = bank_of(perceptron, "auto", seeds=(7, 2), copies=2, n_learners=4)
    alone = bank_of(perceptron, "loop", seeds=(2,), copies=1, n_learners=2)
    for group in (2, 3):
        pairs = zip(bank.members(group), alone.members(), strict=False)
        assert all(torch.equal(a[0].weight, b[0].weight) for a, b in pairs)
    drawn = [member[0].weight for group in (0, 2) for member in bank.members(group)]
    assert len({tuple(weight.flatten().tolist()) for weight in drawn}) == 8


def test_one_seed_needs_no_axis_of_groups():
    bank, x = LearnerBank(lambda: nn.Linear(4, 1), 1), torch.zeros(1, 4)
    assert bank(x).shape == (1, 1, 1)
    assert bank.forward_each(x[None]).shape == (1, 1, 1, 1)
    assert bank.n_parameters == 5


def test_a_copy_of_a_bank_is_apart():
    bank, x = bank_of(perceptron, "auto"), samples(5, 4)
    before, other = bank(x), copy.deepcopy(bank)
    torch.testing.assert_close(other(x), before)
    with torch.no_grad():
        next(other.parameters()).zero_()
    assert torch.equal(bank(x), before)


class Scaled(nn.Module):
    """Parameters with names that a bank has for something else."""

    def __init__(self):
        super().__init__()
        self.seeds, self.copies = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x @ self.seeds * self.copies


def tied_layers():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(4, 3))


def tied_weights():
    network = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 3))
    network[2].weight = network[0].weight
    return network


def one_activation():
    act = nn.Tanh()
    return nn.Sequential(nn.Linear(4, 5), act, nn.Linear(5, 5), act, nn.Linear(5, 3))


def named():
    return nn.Sequential(OrderedDict(one=nn.Linear(4, 5), act=nn.ReLU(), two=nn.Linear(5, 3)))


def hooked():
    network = perceptron()
    network[0].register_forward_hook(lambda layer, inputs, output: 2 * output)
    return network


def flattening():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False))


@pytest.mark.parametrize("backend", ["auto", "vmap", "loop"])
@pytest.mark.parametrize(
    ("factory", "is_chain"),
    [
        (Scaled, False),
        (tied_layers, False),
        (tied_weights, False),
        (one_activation, True),
        (named, True),
        (hooked, False),
        (flattening, True),
    ],
)
def test_networks_out_of_the_ordinary(factory, is_chain, backend):
    bank, x = bank_of(factory, backend, copies=1), samples(5, 4)
    assert backend != "auto" or (bank.backend == "bmm") == is_chain
    optimizer = torch.optim.SGD(bank.parameters(), lr=0.1)
    bank(x).square().sum().backward()
    optimizer.step()
    for group, scores in enumerate(bank(x)):
        found = torch.stack([member(x) for member in bank.members(group)], 1)
        torch.testing.assert_close(found, scores, rtol=0, atol=1e-12)


def test_frozen_parameters_stay():
    def factory():
        network = perceptron()
        network[0].requires_grad_(False)
        return network

    bank = bank_of(factory, "auto")
    before = [p.detach().clone() for p in bank.parameters()]
    optimizer = torch.optim.Adam([p for p in bank.parameters() if p.requires_grad])
    bank(samples(5, 4)).sum().backward()
    optimizer.step()
    pairs = zip(before, bank.parameters(), strict=True)
    stays = [torch.equal(old, new) for old, new in pairs]
    assert stays == [True, True, False, False, False, False]
    assert not bank.members()[0][0].weight.requires_grad


def test_unlike_networks_are_computed_one_by_one():
    factories = [perceptron, lambda: nn.Linear(4, 3), convolutional_of_rows]
    bank = LearnerBank(factories, 3).double()
    x = samples(5, 4)
    assert bank.backend == "loop"
    found = torch.stack([member(x) for member in bank.eval().members()], 1)
    torch.testing.assert_close(bank(x), found)
    assert LearnerBank([perceptron, perceptron], 2).is_stacked
    assert not LearnerBank([perceptron, lambda: perceptron()], 2).is_stacked


def convolutional_of_rows():
    return nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))


def test_what_draws_and_what_normalises_is_known():
    quiet, dropping = LearnerBank(perceptron), LearnerBank(lambda: chain_with(nn.Dropout(0.5)))
    assert (quiet.is_noisy, quiet.may_draw, dropping.is_noisy) == (False, False, True)
    assert not LearnerBank(lambda: chain_with(nn.Dropout(0))).is_noisy
    assert LearnerBank(Scaled).may_draw
    assert LearnerBank(lambda: Attention(0.1)).is_noisy
    assert not LearnerBank(lambda: Attention(0.0)).is_noisy
    assert LearnerBank(convolutional).has_batch_norm
    assert not quiet.has_batch_norm


def chain_with(layer):
    return nn.Sequential(nn.Linear(4, 3), layer)


class Attention(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.layer = nn.MultiheadAttention(4, 2, dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, x, x)[0]


SHARED = nn.Linear(4, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factory": nn.Linear(4, 3)}, "factory is a Linear; expected a callable without arg"),
        ({"factory": [perceptron]}, r"factory \(.*learner\) has 1 entries, but n_learners=2"),
        ({"factory": [3, 4]}, "factory is a int; expected a callable"),
        ({"factory": lambda: 3}, "factory gives a int; it must return a torch.nn.Module"),
        ({"factory": nn.ReLU}, "factory gives a ReLU without parameters"),
        ({"factory": lambda: SHARED}, "share parameters; build new layers at every call"),
        ({"n_learners": 0}, "n_learners=0; expected a whole number of at least 1"),
        ({"copies": 0.5}, "copies=0.5; expected"),
        ({"seeds": 3}, r"seeds=3; expected one whole number or more, as \[0, 1\]"),
        ({"seeds": []}, r"seeds=\[\]; expected one"),
        ({"seeds": [-1]}, "seed=-1; expected a whole number of at least 0"),
        ({"backend": "gpu"}, "backend='gpu' is unknown; choose one of: auto, bmm, vmap, loop"),
        (
            {"factory": convolutional, "backend": "bmm"},
            "'bmm' computes chains .* pass backend=",
        ),
        (
            {"factory": [perceptron, convolutional], "backend": "vmap"},
            "'vmap' computes learners of one architecture, .* pass backend='loop'",
        ),
        (
            {"factory": [perceptron, convolutional], "copies": 2},
            "unlike networks, but there are 2 groups; make a bank for each",
        ),
    ],
)
def test_arguments_that_make_no_bank(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        LearnerBank(**{"factory": perceptron, "n_learners": 2, **arguments})


class Pair(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.GRU(4, 3, batch_first=True)

    def forward(self, x):
        return self.layer(x)[0][:, -1]


@pytest.mark.parametrize(
    ("factory", "shape", "message"),
    [
        (perceptron, (3,), r"data has samples of shape \(3,\), with which the learners fail"),
        (convolutional, (4,), r"pass samples of the shape they are built for"),
        (Recurrent, (2, 4), "pass backend='loop', if vmap is what fails"),
        (lambda: Pair(4, 3), (4,), "a learner gives a tuple; expected a tensor of scores"),
        (lambda: nn.Linear(4, 3), (2, 4), r"scores of shape \(1, 2, 3\) for 1 samples"),
        ([lambda: nn.Linear(4, 3), lambda: nn.Linear(4, 2)], (4,), r"unlike shapes \(1, 3\), \(1"),
    ],
)
def test_networks_that_do_not_fit_the_data(factory, shape, message):
    with pytest.raises(ShapeError, match=message):
        LearnerBank(factory, 2).check_data(Dataset(torch.zeros(3, 1, *shape)))
    with pytest.raises(ShapeError, match="1 inputs, but the bank has 2 seeds"):
        LearnerBank(perceptron, 2, (0, 1)).forward_each(torch.zeros(1, 3, 4))
