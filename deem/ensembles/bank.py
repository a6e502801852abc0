"""Many learners as one batched network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from deem.core.dataset import Dataset
from deem.core.model import evaluating
from deem.core.module import Module
from deem.ensembles.batched import is_chain, run_chain
from deem.utils.exception import ArgumentError, ShapeError, check_choice, check_whole

__all__ = ["BACKENDS", "LearnerBank"]

BACKENDS = ("auto", "bmm", "vmap", "loop")
"""Ways in which a bank computes its learners."""

_BATCH_NORM = (nn.modules.batchnorm._BatchNorm,)
_NOISY = (nn.modules.dropout._DropoutNd, nn.RReLU, nn.MultiheadAttention, nn.RNNBase)


class LearnerBank(Module):
    """Groups of neural learners whose parameters are stacked and computed together.

    A group is one ensemble. There are ``copies`` groups a seed, one after the other, which start
    from the same parameters: those of learner m with seed s are drawn from a stream of (s, m)
    alone, so they depend neither on the number of learners nor on other groups.

    Parameters
    ----------
    factory : callable, or sequence of them
        Called without arguments, gives a new network that maps (batch, ...) to scores
        (batch, n_outputs). One a learner if the networks are unlike; these are computed in a loop
        and make one group.
    n_learners : int
        Learners of a group.
    seeds : sequence of int
        Of the first parameters, at least 0 each.
    copies : int
        Groups a seed.
    backend : {"auto", "bmm", "vmap", "loop"}
        One matrix product a layer (chains of linear layers only), `torch.func.vmap`, or one
        learner after the other. All hold the same parameters and compute the same scores; "auto"
        takes the first of them that the networks allow. For convolutions on a processor a loop is
        about as fast as `vmap`.

    Attributes
    ----------
    groups : int
        Number of groups, ``len(seeds) * copies``.

    Examples
    --------
    >>> bank = LearnerBank(lambda: nn.Linear(4, 3), n_learners=5)
    >>> bank(torch.zeros(2, 4)).shape
    torch.Size([2, 5, 3])
    >>> bank.backend
    'vmap'
    """

    def __init__(
        self,
        factory: Callable[[], nn.Module] | Sequence[Callable[[], nn.Module]],
        n_learners: int = 8,
        seeds: Sequence[int] = (0,),
        copies: int = 1,
        backend: str = "auto",
    ):
        super().__init__()
        check_whole(1, n_learners=n_learners, copies=copies)
        check_choice("backend", backend, BACKENDS)
        self.factory, self.n_learners = factory, n_learners
        self.seeds, self.copies = _checked_seeds(seeds), copies
        self.groups = len(self.seeds) * copies
        factories = _checked_factories(factory, n_learners)
        networks = [[_built(f, s, m) for m, f in enumerate(factories)] for s in self.seeds]
        _check_apart([network for row in networks for network in row])
        # Networks of different factories may look alike and compute different things.
        self.is_stacked = len(set(map(id, factories))) == 1 and _are_alike(
            [network for row in networks for network in row]
        )
        if self.is_stacked:
            self._stack(networks)
        elif self.groups > 1:
            raise ArgumentError(
                f"factory gives unlike networks, but there are {self.groups} groups; make a bank "
                "for each."
            )
        else:
            self.networks = nn.ModuleList(networks[0])
        self.backend = self._chosen(backend)

    def _stack(self, networks: list[list[nn.Module]]) -> None:
        # In a list it is no part of the bank. Its own numbers are never used.
        self._template = [copy.deepcopy(networks[0][0])]
        states = [[dict(_tensors(network)) for network in row] for row in networks]
        # A dot is not allowed in a name, and without the first slash it may be one of ours.
        self._names = {name: "/" + name.replace(".", "/") for name in states[0][0]}
        self._places = _places(networks[0][0])
        trained = {name for name, _ in networks[0][0].named_parameters()}
        frozen = {n for n, p in networks[0][0].named_parameters() if not p.requires_grad}
        for name, own in self._names.items():
            rows = [torch.stack([state[name] for state in row]) for row in states]
            stacked = torch.stack(rows).repeat_interleave(self.copies, 0)
            if name in trained:
                self.register_parameter(own, nn.Parameter(stacked, name not in frozen))
            else:
                self.register_buffer(own, stacked)

    def _chosen(self, backend: str) -> str:
        if not self.is_stacked:
            if backend in ("bmm", "vmap"):
                raise ArgumentError(
                    f"backend={backend!r} computes learners of one architecture, but these are "
                    "unlike; pass backend='loop' or 'auto'."
                )
            return "loop"
        chain = is_chain(self._template[0])
        if backend == "bmm" and not chain:
            raise ArgumentError(
                "backend='bmm' computes chains of linear and pointwise layers, such as mlp; pass "
                "backend='vmap' or 'auto'."
            )
        if backend != "auto":
            return backend
        return "bmm" if chain else "vmap"

    @property
    def n_parameters(self) -> int:
        """Parameters of a learner; of the first one, where they are unlike."""
        if self.is_stacked:
            return sum(p[0, 0].numel() for p in self.parameters())
        return sum(p.numel() for p in self.networks[0].parameters())

    @property
    def is_noisy(self) -> bool:
        """Whether layers of the networks draw random numbers in training, as dropout does."""
        return any(isinstance(layer, _NOISY) and _is_on(layer) for layer in self._layers())

    @property
    def may_draw(self) -> bool:
        """Whether the networks may draw random numbers in training, in layers or elsewhere."""
        return self.is_noisy or not (self.is_stacked and is_chain(self._template[0]))

    @property
    def has_batch_norm(self) -> bool:
        """Whether samples of a batch act on each other in training."""
        return any(isinstance(layer, _BATCH_NORM) for layer in self._layers())

    def _layers(self) -> Iterator[nn.Module]:
        networks = self._template if self.is_stacked else self.networks
        return (layer for network in networks for layer in network.modules())

    def train(self, mode: bool = True) -> LearnerBank:
        super().train(mode)
        if self.is_stacked:
            self._template[0].train(mode)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Scores (batch, n_learners, n_outputs) of samples (batch, ...) that all learners see.

        With several groups there is an axis of them in front.
        """
        scores = self.forward_each(x.unsqueeze(0).expand(len(self.seeds), *x.shape))
        return scores[0] if self.groups == 1 else scores

    def forward_each(self, x: Tensor) -> Tensor:
        """Scores (groups, batch, n_learners, n_outputs) of samples (n_seeds, batch, ...)."""
        if len(x) != len(self.seeds):
            raise ShapeError(
                f"x has {len(x)} inputs, but the bank has {len(self.seeds)} seeds; pass samples "
                "for each, as (n_seeds, batch, ...)."
            )
        if self.backend == "bmm":
            return run_chain(self._template[0], self._state(), x)
        return self._mapped(x) if self.backend == "vmap" else self._looped(x)

    def _state(self) -> dict[str, Tensor]:
        """Stacked tensors by the names they have in a network."""
        return {name: getattr(self, own) for name, own in self._names.items()}

    def _mapped(self, x: Tensor) -> Tensor:
        def one(state: dict[str, Tensor], x: Tensor) -> Tensor:
            return self._call(state, x)

        # Views, so that running statistics are changed in place.
        n_seeds = len(self.seeds)
        state = {
            k: v.view(n_seeds, self.copies * self.n_learners, *v.shape[2:])
            for k, v in self._state().items()
        }
        learners = vmap(one, in_dims=(0, None), randomness="different")
        if n_seeds == 1:
            found = learners({k: v[0] for k, v in state.items()}, x[0]).unsqueeze(0)
        else:
            found = vmap(learners, randomness="different")(state, x)
        self._check_scores([found[0, 0]], x)
        return found.reshape(self.groups, self.n_learners, *found.shape[2:]).transpose(1, 2)

    def _looped(self, x: Tensor) -> Tensor:
        found = []
        for group in range(self.groups):
            batch = x[group // self.copies]
            scores = [self._one(group, m, batch) for m in range(self.n_learners)]
            self._check_scores(scores, x)
            found.append(torch.stack(scores, 1))
        return torch.stack(found)

    def _one(self, group: int, m: int, x: Tensor) -> Tensor:
        if not self.is_stacked:
            return _checked_output(self.networks[m](x))
        return self._call({name: value[group, m] for name, value in self._state().items()}, x)

    def _call(self, state: dict[str, Tensor], x: Tensor) -> Tensor:
        # Torch, asked to tie weights, leaves its own in layers that stand at several places.
        placed = {place: state[name] for place, name in self._places.items()}
        found = functional_call(self._template[0], placed, (x,), tie_weights=False)
        return _checked_output(found)

    @staticmethod
    def _check_scores(scores: list[Tensor], x: Tensor) -> None:
        shapes = [tuple(s.shape) for s in scores]
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"the learners give scores of unlike shapes {', '.join(map(str, shapes))}; give "
                "all networks the same number of outputs."
            )
        if len(shapes[0]) != 2 or shapes[0][0] != x.shape[1]:
            raise ShapeError(
                f"a learner gives scores of shape {shapes[0]} for {x.shape[1]} samples; expected "
                "(batch, n_outputs)."
            )

    def members(self, group: int = 0) -> list[nn.Module]:
        """Learners of a group as networks of their own, with copies of the parameters."""
        if not self.is_stacked:
            return [copy.deepcopy(network) for network in self.networks]
        found = []
        for m in range(self.n_learners):
            network = copy.deepcopy(self._template[0]).to(self.device)
            own = dict(_tensors(network))
            with torch.no_grad():
                for name, value in self._state().items():
                    own[name].data = value[group, m].clone()
            found.append(network)
        return found

    @torch.no_grad()
    def check_data(self, data: Dataset, name: str = "data") -> None:
        """Try the networks on the first sample of `data`, called `name` in errors.

        Training calls it before it starts.
        """
        x = next(data.batches(1)).data
        assert isinstance(x, Tensor)  # noqa: S101
        try:
            with evaluating(self):
                self.forward_each(as_inputs(x[:1], self))
        except ArgumentError:
            raise
        except (RuntimeError, ValueError, IndexError) as error:
            hint = " Or pass backend='loop', if vmap is what fails." * (self.backend == "vmap")
            raise ShapeError(
                f"{name} has samples of shape {tuple(x.shape[2:])}, with which the learners fail "
                f"({error}); pass samples of the shape they are built for.{hint}"
            ) from error


def as_inputs(x: Tensor, bank: LearnerBank) -> Tensor:
    """Rows (batch, n_seeds, ...) as ``forward_each`` takes them: seeds first, in its dtype."""
    return x.to(device=bank.device, dtype=bank.dtype).transpose(0, 1)


def _checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    found = list(seeds) if isinstance(seeds, Iterable) else []
    if not found:
        raise ArgumentError(f"seeds={seeds!r}; expected one whole number or more, as [0, 1].")
    for seed in found:
        check_whole(0, seed=seed)
    return tuple(map(int, found))


def _checked_factories(factory: Any, n_learners: int) -> list[Callable[[], nn.Module]]:
    """A factory for every learner."""
    is_list = isinstance(factory, Iterable) and not isinstance(factory, nn.Module)
    found = list(factory) if is_list else [factory] * n_learners
    if len(found) != n_learners:
        raise ArgumentError(
            f"factory (of an estimator: learner) has {len(found)} entries, but n_learners="
            f"{n_learners}; pass one a learner, or one for all."
        )
    for entry in found:
        if isinstance(entry, nn.Module) or not callable(entry):
            raise ArgumentError(
                f"factory is a {type(entry).__name__}; expected a callable without arguments that "
                "builds a new torch.nn.Module."
            )
    return found


def _check_apart(networks: list[nn.Module]) -> None:
    held = [id(p) for network in networks for p in network.parameters()]
    if len(set(held)) < len(held):
        raise ArgumentError(
            "factory gives networks that share parameters; build new layers at every call."
        )


def _checked_output(scores: Any) -> Tensor:
    if not isinstance(scores, Tensor):
        raise ShapeError(
            f"a learner gives a {type(scores).__name__}; expected a tensor of scores (batch, "
            "n_outputs)."
        )
    return scores


def _built(factory: Callable[[], nn.Module], seed: int, m: int) -> nn.Module:
    """A new network; layers of torch draw from the global generator, which is put back."""
    stream = int(np.random.SeedSequence([seed, m]).generate_state(1, np.uint64)[0] >> 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream)
        network = factory()
    if not isinstance(network, nn.Module):
        raise ArgumentError(
            f"factory gives a {type(network).__name__}; it must return a torch.nn.Module."
        )
    if next(network.parameters(), None) is None:
        raise ArgumentError(f"factory gives a {type(network).__name__} without parameters.")
    return network


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


def _places(network: nn.Module) -> dict[str, str]:
    """Every place where a layer holds a tensor, and the name of the tensor, for tied weights."""
    names = {id(value): name for name, value in _tensors(network)}
    found = {}
    for prefix, layer in network.named_modules():
        options = {"prefix": prefix, "recurse": False, "remove_duplicate": False}
        for place, value in (*layer.named_parameters(**options), *layer.named_buffers(**options)):
            found[place] = names[id(value)]
    return found


def _are_alike(networks: list[nn.Module]) -> bool:
    """Whether all networks have one architecture, by their layers and the shapes they hold."""

    def looks(network: nn.Module) -> Any:
        own = [(name, x.shape, x.dtype, x.requires_grad) for name, x in _tensors(network)]
        return str(network), own

    first = looks(networks[0])
    return all(looks(network) == first for network in networks[1:])


def _is_on(layer: nn.Module) -> bool:
    return getattr(layer, "p", getattr(layer, "dropout", 1)) > 0
