"""One tiny configuration of every model and sampler; a new class joins by one line."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import prod

import pytest
import torch
from exact import Exact, bit_states, interval_nodes, one_hot_states, real_nodes, selu_nodes

from deem.core.model import BipartiteModel, LatentModel, Model
from deem.core.sampler import MetropolisSampler
from deem.core.solvers import ContrastiveDivergence
from deem.models import (
    DBM,
    RBM,
    BinaryIRBM,
    ContextIRBM,
    ConvRBM,
    DifficultyIRBM,
    DiscriminativeRBM,
    DropConnectRBM,
    DropoutRBM,
    EDropoutRBM,
    GaussianConvRBM,
    GaussianRBM,
    GaussianReluRBM,
    GaussianSeluRBM,
    GroupIRBM,
    HybridDiscriminativeRBM,
    MultinomialIRBM,
    OneCoinIRBM,
    SigmoidRBM,
    SoftIRBM,
    StackedIRBM,
    SubclassIRBM,
    TemperedIRBM,
    VarianceGaussianRBM,
)
from deem.samplers import DiscreteLangevin, Gibbs, GibbsWithGradients, ParallelTempering


@dataclass
class TinyModel:
    """How to build a model small enough to enumerate, and its states."""

    cls: type[Model]
    arguments: dict
    visible: torch.Tensor
    hidden: torch.Tensor
    class_of_hidden: Callable = field(default=lambda h: h.flatten(1)[:, 0].long())
    # Models of few parameters need larger ones to be far from each other.
    spread: float = 1.0
    # Log-weights where the states are nodes of a quadrature rule.
    log_weight_visible: torch.Tensor | float = 0.0
    log_weight_hidden: torch.Tensor | float = 0.0

    @property
    def name(self):
        arguments = self.arguments
        return f"{self.cls.__name__}-{arguments.get('hidden_dim', arguments.get('n_hidden', 1))}"

    def build(self, seed=0, dtype=torch.float64, device="cpu", scale=1.0):
        """Model with normal parameters."""
        model = self.cls(**self.arguments).to(dtype=dtype, device=device)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in model.parameters():
                noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
                p.copy_(scale * self.spread * noise)
        return model

    def exact(self, model):
        weights = self.log_weight_visible, self.log_weight_hidden
        return Exact(model, self.visible, self.hidden, *weights)

    def solver(self, learning_rate=0.01, steps=1):
        """Contrastive divergence by the Gibbs sweep, or by a kernel where there is none."""
        sampler = None if bipartite(self.cls) else DiscreteLangevin()
        return ContrastiveDivergence(steps, learning_rate, sampler=sampler)

    def default_solver(self):
        """None, the solver of the model's choice, where it has one."""
        return None if bipartite(self.cls) else self.solver()

    def data(self, n=200, seed=100, dtype=torch.float64, device="cpu"):
        """Complete rows drawn from another model of this class."""
        truth = self.build(seed)
        p = self.exact(truth).log_v.exp().detach()
        draws = torch.multinomial(p, n, True, generator=torch.Generator().manual_seed(seed))
        return self.visible[draws].to(dtype=dtype, device=device)


def _first_state(h):
    return h[:, 0].argmax(-1)


def _soft(d, k, units=1):
    hidden = one_hot_states(units, k)
    arguments = {"n_classifiers": d, "n_classes": k, "hidden_dim": units}
    return TinyModel(SoftIRBM, arguments, one_hot_states(d, k), hidden, _first_state)


def _binary(d, units=1):
    arguments = {"n_classifiers": d, "hidden_dim": units}
    return TinyModel(BinaryIRBM, arguments, one_hot_states(d, 2), bit_states(units))


def _group(d, k, groups):
    arguments = {"n_classifiers": d, "n_classes": k, "groups": groups}
    hidden = one_hot_states(1 + len(groups), k)
    return TinyModel(GroupIRBM, arguments, one_hot_states(d, k), hidden, _first_state)


def _tempered(weight, k):
    arguments = {"n_classifiers": len(weight), "n_classes": k, "vote_weight": weight}
    visible = one_hot_states(len(weight), k)
    return TinyModel(TemperedIRBM, arguments, visible, one_hot_states(1, k), _first_state)


def _one_coin(d, k):
    arguments = {"n_classifiers": d, "n_classes": k}
    hidden = one_hot_states(1, k)
    return TinyModel(OneCoinIRBM, arguments, one_hot_states(d, k), hidden, _first_state, 2.0)


def _difficulty(d, k, levels):
    arguments = {"n_classifiers": d, "n_classes": k, "n_levels": levels}
    classes, level = torch.eye(k).double(), torch.eye(levels).double()
    pairs = [torch.cat([one, other]) for one in classes for other in level]
    visible, first = one_hot_states(d, k), lambda h: h[:, :k].argmax(-1)
    return TinyModel(DifficultyIRBM, arguments, visible, torch.stack(pairs), first, 2.0)


def _stacked(d, k, widths):
    arguments = {"n_classifiers": d, "n_classes": k, "widths": widths}
    hidden = one_hot_states(1, k)
    return TinyModel(StackedIRBM, arguments, one_hot_states(d, k), hidden, _first_state, 2.0)


def _multinomial(d, k, units=1, **layers):
    arguments = {"n_classifiers": d, "n_classes": k, "hidden_dim": units, **layers}
    hidden = one_hot_states(units, k)
    return TinyModel(MultinomialIRBM, arguments, one_hot_states(d, k), hidden, _first_state)


def _states_of_classes(cls, d, k, name, states):
    """A model whose one hidden unit has several states of each class in a row."""
    arguments = {"n_classifiers": d, "n_classes": k, name: states}
    hidden = one_hot_states(1, k * states)
    visible = one_hot_states(d, k)
    return TinyModel(cls, arguments, visible, hidden, lambda h: _first_state(h) // states)


TINY_MODELS = [
    *(_soft(3, 3), _soft(4, 3, 2), _binary(3), _binary(4, 2)),
    _group(5, 2, ((0, 3), (1, 2))),
    _tempered((0.5, 0.25, 1.0), 3),
    *(_one_coin(4, 3), _difficulty(4, 3, 2)),
    _states_of_classes(SubclassIRBM, 5, 2, "n_subclasses", 2),
    _states_of_classes(ContextIRBM, 4, 2, "n_contexts", 2),
    _stacked(4, 3, [3, 2]),
    _multinomial(3, 3, activation="softmax"),
    _multinomial(4, 3, 2, widths=[3, 2], activation="entmax", rank=2),
]


def _bits(cls, n_visible, n_hidden, **arguments):
    """A zoo model of binary units."""
    arguments = {"n_visible": n_visible, "n_hidden": n_hidden, **arguments}
    return TinyModel(cls, arguments, bit_states(n_visible), bit_states(n_hidden))


def _image(cls, hidden_shape, pooling=None, channels=1, height=2, width=3, **arguments):
    """A convolutional model and its images; pooled, every filter has one block of units."""
    arguments = {"visible_shape": (height, width), "n_channels": channels, **arguments}
    visible = bit_states(channels * height * width).reshape(-1, channels, height, width)
    hidden = bit_states(prod(hidden_shape)).reshape(-1, *hidden_shape)
    if pooling:
        hidden = hidden[hidden.sum((2, 3)).amax(1) <= 1]
        arguments["pooling"] = pooling
    return TinyModel(cls, arguments, visible, hidden)


def _real_image(cls, sides, hidden_shape, **arguments):
    """A convolutional model of real pixels of one channel."""
    nodes, log_weights = real_nodes(prod(sides), 8.0, 25)
    hidden = bit_states(prod(hidden_shape)).reshape(-1, *hidden_shape)
    arguments = {"visible_shape": sides, **arguments}
    visible = nodes.reshape(-1, 1, *sides)
    return TinyModel(cls, arguments, visible, hidden, spread=0.5, log_weight_visible=log_weights)


def _real(cls, n_visible, n_hidden, nodes=None, hidden=None, spread=0.5, **arguments):
    """A dense zoo model of real visible units, and of binary or of real hidden ones."""
    arguments = {"n_visible": n_visible, "n_hidden": n_hidden, **arguments}
    nodes, log_weights = real_nodes(n_visible, 12.0, 61) if nodes is None else nodes
    hidden, log_weights_hidden = (bit_states(n_hidden), 0.0) if hidden is None else hidden
    weights = {"log_weight_visible": log_weights, "log_weight_hidden": log_weights_hidden}
    return TinyModel(cls, arguments, nodes, hidden, spread=spread, **weights)


def _labelled(cls, n_visible, k, n_hidden, **arguments):
    """A zoo model of binary units beside a class."""
    arguments = {"n_visible": n_visible, "n_hidden": n_hidden, "n_classes": k, **arguments}
    pairs = [torch.cat([x, y]) for x in bit_states(n_visible) for y in torch.eye(k).double()]
    return TinyModel(cls, arguments, torch.stack(pairs), bit_states(n_hidden))


def _dbm(n_visible, n_hidden):
    """All layers of even number are its visible side, those of odd number its hidden one."""
    sizes = (n_visible, *n_hidden)
    arguments = {"n_visible": n_visible, "n_hidden": n_hidden}
    return TinyModel(DBM, arguments, bit_states(sum(sizes[::2])), bit_states(sum(sizes[1::2])))


TINY_ZOO = [
    _real(GaussianRBM, 2, 2, real_nodes(2, 12.0, 25), spread=0.8, temperature=1.5),
    _real(VarianceGaussianRBM, 1, 2, temperature=1.5),
    _real(GaussianReluRBM, 1, 1, hidden=interval_nodes(1, 0, 12), spread=0.7, temperature=0.5),
    _real(GaussianSeluRBM, 1, 1, hidden=selu_nodes(12), spread=0.7, temperature=0.5),
    _real(SigmoidRBM, 2, 2, interval_nodes(2, 0, 1, 16), spread=2.0, temperature=0.5),
    _dbm(4, (2, 2)),
    *(_bits(RBM, 5, 2), _bits(RBM, 6, 2, temperature=2.0)),
    *(_bits(DropoutRBM, 5, 2, dropout=0.2), _bits(EDropoutRBM, 5, 2)),
    _bits(DropConnectRBM, 5, 2, dropout=0.2),
    _labelled(DiscriminativeRBM, 4, 3, 2),
    _labelled(HybridDiscriminativeRBM, 4, 3, 3, temperature=2.0),
    _image(ConvRBM, (2, 1, 2), channels=2, height=1, n_filters=2, filter_shape=(1, 2)),
    _image(ConvRBM, (2, 2, 2), 2, n_filters=2, filter_shape=(2, 2), stride=2, padding=1),
    _real_image(GaussianConvRBM, (1, 2), (2, 1, 1), n_filters=2, filter_shape=(1, 2)),
]

TINY_SAMPLERS = {
    **{cls.__name__: cls for cls in (Gibbs, GibbsWithGradients, DiscreteLangevin)},
    "ParallelTempering": partial(ParallelTempering, temperatures=(1.0, 2.0, 4.0)),
}


def select(promise):
    """Parametrise a test over the tiny models that promise something."""
    chosen = [
        pytest.param(tiny, id=tiny.name) for tiny in [*TINY_MODELS, *TINY_ZOO] if promise(tiny.cls)
    ]
    return pytest.mark.parametrize("tiny", chosen)


def any_model(cls):
    return issubclass(cls, Model)


def latent(cls):
    return issubclass(cls, LatentModel)


def bipartite(cls):
    return issubclass(cls, BipartiteModel)


def has_partition(cls):
    # A tempered posterior rule belongs to no distribution of the votes.
    return cls.log_partition is not Model.log_partition and cls is not TemperedIRBM


def misses_votes(cls):
    return bool(cls.supports_missing) and has_partition(cls)


def _move(v, site, category):
    moved = v.clone()
    moved[torch.arange(len(v)), site] = torch.eye(v.shape[2]).to(v)[category]
    return moved


class CyclicMove(MetropolisSampler):
    """Test kernel: one site goes one category up or, less often, down; a missing one stays."""

    up = 0.8

    def propose(self, state, generator):
        v = state.v
        site = torch.randint(v.shape[1], (len(v),), generator=generator, device=v.device)
        uniform = torch.rand(len(v), generator=generator, dtype=v.dtype, device=v.device)
        step = torch.where(uniform < self.up, 1, -1)
        row = v[torch.arange(len(v)), site]
        category = (row.argmax(-1) + step) % v.shape[2]
        return torch.where((row.sum(-1) > 0)[:, None, None], _move(v, site, category), v)

    def log_proposal(self, state, proposed):
        old, new = state.v.argmax(-1), proposed.v.argmax(-1)
        changed = (old != new).sum(-1)
        k = state.v.shape[2]
        turn = ((new - old) % k).sum(-1)
        share = self.up * (turn == 1) + (1 - self.up) * (turn == k - 1)
        log = (share / state.v.shape[1]).to(state.v).log()
        stays = torch.where(state.v.sum(-1).bool().all(-1), -torch.inf, 0.0).to(state.v)
        return torch.where(changed == 1, log, torch.where(changed == 0, stays, -torch.inf))


class UniformMove(CyclicMove):
    """Test kernel: one site goes to another category, all alike."""

    def propose(self, state, generator):
        v = state.v
        n, d, k = v.shape
        site = torch.randint(d, (n,), generator=generator, device=v.device)
        step = torch.randint(1, k, (n,), generator=generator, device=v.device)
        row = v[torch.arange(n), site]
        moved = _move(v, site, (row.argmax(-1) + step) % k)
        return torch.where((row.sum(-1) > 0)[:, None, None], moved, v)

    def log_proposal(self, state, proposed):
        changed = (state.v.argmax(-1) != proposed.v.argmax(-1)).sum(-1)
        n_moves = state.v.shape[1] * (state.v.shape[2] - 1)
        uniform = torch.full_like(state.v[:, 0, 0], 1 / n_moves).log()
        stays = torch.where(state.v.sum(-1).bool().all(-1), -torch.inf, 0.0).to(state.v)
        return torch.where(changed == 1, uniform, torch.where(changed == 0, stays, -torch.inf))


class FlippedCorrection(CyclicMove):
    """Negative control: the proposal ratio of the acceptance stands on its head."""

    def log_acceptance(self, state, proposed):
        gain = (state.free_energy - proposed.free_energy) / self.temperature
        correction = self.log_proposal(state, proposed) - self.log_proposal(proposed, state)
        return (gain + correction).clamp(max=0)


class SwappedProposal(CyclicMove):
    """Negative control: `log_proposal` tells of the reverse move, so balance seems to hold."""

    def log_proposal(self, state, proposed):
        return super().log_proposal(proposed, state)


class ReverseAtNew(GibbsWithGradients):
    """Negative control: the reverse proposal is read at the new category, not at the old one."""

    def log_acceptance(self, state, proposed):
        gain = (state.free_energy - proposed.free_energy) / self.temperature
        move = (proposed.v * (1 - state.v)).flatten(1)
        along = torch.linalg.vecdot(proposed.gradient, proposed.v)[..., None] - proposed.gradient
        reverse = (along / self.temperature / 2).flatten(1).log_softmax(1)
        correction = (move * reverse).sum(1) - self.log_proposal(state, proposed)
        return (gain + correction).clamp(max=0)


class InvertedRatio(DiscreteLangevin):
    """Negative control: the proposal ratio of the acceptance stands on its head."""

    log_acceptance = FlippedCorrection.log_acceptance


def _always(self, state, proposed):
    """Negative control: the ratio is clamped from below, so every proposal is accepted."""
    return torch.zeros_like(state.free_energy)


class GreedyGradients(GibbsWithGradients):
    log_acceptance = _always


class GreedyLangevin(DiscreteLangevin):
    log_acceptance = _always


RIGHT_KERNELS = [UniformMove, CyclicMove]
WRONG_ACCEPTANCE = [
    FlippedCorrection,
    ReverseAtNew,
    InvertedRatio,
    GreedyGradients,
    GreedyLangevin,
]
WRONG_KERNELS = [*WRONG_ACCEPTANCE, SwappedProposal]
