"""Weights that are learned fast and forgotten fast, while persistent chains move."""

from itertools import pairwise

import pytest
import torch
from exact import bit_states

from deem.core.dataset import Dataset
from deem.core.solvers import Centring, ContrastiveDivergence, FastWeights
from deem.core.training import Callback, Checkpoint
from deem.math.random import as_generator
from deem.models import RBM
from deem.utils.exception import ArgumentError


@pytest.fixture
def model():
    model = RBM(4, 2).double()
    v = bit_states(4)
    model.contrast(v[3:9], v[:4])
    return model


def test_parameters_come_back_to_the_bit(model):
    kept = {name: p.detach().clone() for name, p in model.named_parameters()}
    fast = FastWeights(0.3)
    fast.update(model)
    with fast.added(model):
        for name, p in model.named_parameters():
            assert torch.equal(p.detach(), kept[name] - 0.3 * p.grad)
    assert all(torch.equal(p, kept[name]) for name, p in model.named_parameters())
    with pytest.raises(ZeroDivisionError), fast.added(model):
        raise ZeroDivisionError
    assert all(torch.equal(p, kept[name]) for name, p in model.named_parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_fast_weights_decay(model, close):
    fast, name = FastWeights(0.3, decay=0.5), "hidden_bias"
    for _ in range(3):
        fast.update(model)
    close(fast.state()["fast"][name], -0.3 * (1 + 0.5 + 0.25) * model.hidden_bias.grad)
    held = fast.state()["fast"][name].clone()
    model.zero_grad()
    # Without any gradient there is nothing to follow.
    fast.update(model)
    close(fast.state()["fast"][name], held)


def two_clusters(n):
    on = torch.rand(n, 1, generator=as_generator(0)) < 0.5
    return (on ^ (torch.rand(n, 8, generator=as_generator(1)) < 0.03)).double()


V = two_clusters(200)


def trained(fast, epochs=10, seed=0, **arguments):
    solver = ContrastiveDivergence(
        1, 0.2, persistent=True, fresh=0.0, fast_weights=fast, monitor=False
    )
    settings = {"batch_size": 20, "solver": solver, "random_state": seed, **arguments}
    return RBM(8, 3).double().fit(V, epochs=epochs, **settings)


def test_training_raises_the_likelihood():
    before = trained(FastWeights(0.1), 0)
    after = trained(FastWeights(0.1), 20)
    gain = (after.score_samples(V).mean() - before.score_samples(V).mean()).item()
    assert gain > 1


class Watch(Callback):
    """Which of both modes each chain is in, after every epoch."""

    def __init__(self):
        self.sides = []

    def on_epoch_end(self, training):
        self.sides.append(training.solver.state()["chains"].mean(1) > 0.5)


def test_chains_change_their_mode_more_often():
    """Chains of a strong model stay where they are, unless its parameters move under them."""
    jumps = []
    for fast in (None, FastWeights(1.0)):
        solver = ContrastiveDivergence(
            1, 1e-6, persistent=True, fresh=0.0, fast_weights=fast, monitor=False
        )
        model = RBM(8, 3).double()
        with torch.no_grad():
            model.weight[:, 0] = 6.0
            model.hidden_bias[0] = -24.0
        watch = Watch()
        model.fit(V, epochs=20, batch_size=100, solver=solver, random_state=0, callbacks=[watch])
        pairs = pairwise(watch.sides)
        jumps.append(sum((a != b).sum().item() for a, b in pairs))
    assert jumps[1] > 2 * jumps[0] + 20


def test_a_resumed_training_is_the_same_to_the_bit(tmp_path):
    file = tmp_path / "half.ckpt"
    whole = trained(FastWeights(0.1), 6)
    trained(FastWeights(0.1), 3, callbacks=[Checkpoint(file)])
    resumed = trained(FastWeights(0.1), 6, resume=file)
    assert torch.equal(whole.weight, resumed.weight)
    assert not torch.equal(whole.weight, trained(None, 6).weight)


def test_a_resumed_training_has_its_state_where_the_model_is():
    def solver():
        return ContrastiveDivergence(
            persistent=True, fast_weights=FastWeights(), centring=Centring(), learning_rate=0.1
        )

    first, rest = solver(), solver()
    model = RBM(4, 3).fit(torch.eye(4), solver=first, epochs=2, random_state=0)
    # The one device besides the CPU that is always there; it holds no numbers.
    far = RBM(4, 3).to("meta")
    data = Dataset(torch.empty(4, 4, device="meta"))
    far.prepare = lambda data: None
    rest.prepare(far, data, 2, as_generator(0))
    rest.restore(first.state())
    moved = rest.state()
    offsets, fast = moved["centring"]["offsets"], moved["fast_weights"]["fast"]
    tensors = [moved["chains"], *moved["trace"], *offsets, *fast.values()]
    assert len(tensors) == 1 + 2 + 2 + len(list(model.parameters()))
    assert {x.device.type for x in tensors} == {"meta"}


def test_wrong_arguments_are_named():
    with pytest.raises(ArgumentError, match=r"learning_rate=0\.0"):
        FastWeights(0.0)
    with pytest.raises(ArgumentError, match=r"decay=1\.0"):
        FastWeights(0.1, 1.0)
    with pytest.raises(ArgumentError, match="persistent=False; set it True"):
        ContrastiveDivergence(fast_weights=FastWeights())
