"""Contrastive divergence: the negative phase comes from short or persistent chains."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.sampler import ChainBuffer, Sampler
from deem.core.solvers.base import SteppedSolver, as_visible, shares_of, weighted_mean
from deem.core.solvers.centring import Centring
from deem.core.solvers.fast_weights import FastWeights
from deem.core.solvers.penalties import Penalty
from deem.math.chains import effective_sample_size
from deem.utils.exception import (
    ArgumentError,
    ShapeError,
    StuckChainsWarning,
    check_number,
    check_whole,
)
from deem.utils.warning import warn

if TYPE_CHECKING:
    from deem.core.model import BipartiteModel, Model

__all__ = ["ContrastiveDivergence"]

_MOVING = 0.01
"""Share of accepted moves below which chains count as stuck."""

_TRACE, _SHORTEST_TRACE = 64, 16
"""Updates that the mixing of persistent chains is judged by: at most, at least."""


class ContrastiveDivergence(SteppedSolver):
    """Contrastive divergence: the negative phase comes from short or persistent chains.

    Parameters
    ----------
    steps : int
        Gibbs sweeps, or steps of the sampler, between two updates; at least 1.
    learning_rate : float
        Above 0.
    momentum, weight_decay : float
        As in `make_optimizer`.
    optimizer, scheduler
        As in `make_optimizer` and `make_scheduler`.
    persistent : bool
        Keep the chains from batch to batch in place of starting them at the data.
    fresh : float
        Share of persistent chains restarted from the data at each step.
    deterministic : bool
        Propagate probabilities instead of draws, the mean-field approximation of the published
        implementation. Only for chains that start at the data; persistent ones always draw.
    sampler : Sampler, optional
        What moves the chains; None is the block Gibbs sweep of the model.
    l1 : float
        Added to the gradient: `l1` times the sign of every parameter; at least 0.
    clip : float, optional
        Largest norm of the gradient of all parameters; longer ones are shortened to it.
    penalties : sequence of Penalty
        Added to the loss, such as `SparsityTarget`.
    centring : Centring, optional
        Follow the centred gradient.
    fast_weights : FastWeights, optional
        What is added to the parameters while persistent chains move.
    monitor : bool
        Record what the model tells of each batch besides its free energy, such as the
        reconstruction error and the pseudo-likelihood of an `RBM`.

    References
    ----------
    .. [1] Hinton (2002), Training products of experts by minimizing contrastive divergence.
    .. [2] Tieleman (2008), Training restricted Boltzmann machines using approximations to the
       likelihood gradient.
    """

    def __init__(
        self,
        steps: int = 1,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        optimizer: str | Callable = "sgd",
        scheduler: str | Callable | None = None,
        persistent: bool = False,
        fresh: float = 0.05,
        deterministic: bool = False,
        sampler: Sampler | None = None,
        l1: float = 0.0,
        clip: float | None = None,
        penalties: Sequence[Penalty] = (),
        centring: Centring | None = None,
        fast_weights: FastWeights | None = None,
        monitor: bool = True,
    ):
        check_number(learning_rate=learning_rate, l1=l1)
        check_whole(1, steps=steps)
        _check_kinds(
            sampler=(sampler, Sampler),
            centring=(centring, Centring),
            fast_weights=(fast_weights, FastWeights),
        )
        if not learning_rate > 0:
            raise ArgumentError(f"learning_rate={learning_rate}; it must be above 0.")
        if not l1 >= 0:
            raise ArgumentError(f"l1={l1}; it must be at least 0.")
        if clip is not None and not clip > 0:
            raise ArgumentError(f"clip={clip}; it must be above 0, or None.")
        if fast_weights is not None and not persistent:
            raise ArgumentError(
                "fast_weights= moves persistent chains, but persistent=False; set it True."
            )
        self.steps = steps
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.persistent = persistent
        self.fresh = fresh
        self.deterministic = deterministic
        self.sampler = sampler
        self.l1 = l1
        self.clip = clip
        self.penalties = tuple(penalties)
        self.centring = centring
        self.fast_weights = fast_weights
        self.monitor = monitor

    def prepare(
        self, model: Model, data: Dataset, epochs: int, generator: torch.Generator
    ) -> None:
        """Build the optimizer and empty the chain buffer."""
        if self.sampler is None and not hasattr(model, "gibbs_step"):
            raise ArgumentError(
                f"sampler=None means Gibbs sweeps, which {type(model).__name__} does not have; "
                "pass a sampler."
            )
        if self.centring is not None:
            self.centring.check(model)
        model.prepare(data)
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        named = isinstance(self.optimizer, (str, type))
        self.build(_groups(model, self.learning_rate) if named else self._parameters, epochs)
        self._buffer = ChainBuffer(self.fresh)
        # They follow this training.
        self._sampler = copy.deepcopy(self.sampler)
        self._centring = copy.deepcopy(self.centring)
        self._fast_weights = copy.deepcopy(self.fast_weights)
        self._trace: list[Tensor] = []

    def step(self, model: Model, batch: Dataset, generator: torch.Generator) -> dict[str, Tensor]:
        """One update from the difference of free energies of data and chains."""
        v = as_visible(batch.data, model)
        model.redraw(v, generator)
        v = model.configurations(v, generator)
        weights = shares_of(batch, v)
        # A chain that starts at a sample counts as often as the sample.
        chain_weights = None if self.persistent else weights
        with model.remembering(v):
            chains, metrics = self._chains(model, v, batch.weights, generator)
            _check_chains(model, v, chains)
            if self.monitor:
                seen = model.monitor(v, None if self.persistent else chains, generator)
                metrics |= {name: weighted_mean(x, weights) for name, x in seen.items()}
            self._optimizer.zero_grad()
            positive, negative = model.contrast(v, chains, weights, chain_weights)
        self._descend(model, v, chains)
        if self.persistent:
            self._trace = [*self._trace[1 - _TRACE :], negative]
        free_energy = weighted_mean(positive, weights)
        gap = free_energy - weighted_mean(negative, chain_weights)
        return {"free_energy_gap": gap, "free_energy": free_energy, **metrics}

    def end_epoch(self) -> dict[str, Tensor]:
        super().end_epoch()
        step = getattr(self._sampler, "step_size", None)
        tuned = {} if step is None else {"step_size": torch.as_tensor(step)}
        return {**tuned, **self._mixing()}

    def finish(self, history: History) -> None:
        if history.get("acceptance", [1.0])[-1] >= _MOVING:
            return
        text = (
            f"only {100 * history['acceptance'][-1]:.2g} % of the moves of "
            f"{type(self.sampler).__name__} were accepted in the last epoch, so its chains hardly "
            "move; use smaller steps, a lower learning rate, or another sampler."
        )
        history.settings["stuck_chains"] = text
        warn(text, StuckChainsWarning)

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "chains": self._buffer.chains,
            "trace": self._trace,
            **{name: {} if x is None else x.state() for name, x in self._helpers().items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        # Files are read on the CPU; an optimizer moves its own state.
        state = _moved(state, self._parameters[0].device) if self._parameters else state
        self._buffer.chains, self._trace = state["chains"], list(state["trace"])
        for name, helper in self._helpers().items():
            if helper is not None:
                helper.restore(state[name])

    def _helpers(self) -> dict[str, Sampler | Centring | FastWeights | None]:
        """What keeps a state of its own as training goes on."""
        return {
            "sampler": self._sampler,
            "centring": self._centring,
            "fast_weights": self._fast_weights,
        }

    def _chains(
        self, model: Model, v: Tensor, weights: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Configurations of the negative phase, and what the sampler tells of them."""
        sampler = self._sampler
        chains = v if sampler is None else sampler.start(v, generator)
        if self.persistent:
            chains = self._buffer.take(chains, generator, weights)
        fast = self._fast_weights
        with nullcontext() if fast is None else fast.added(model):
            chains, metrics = self._advance(model, chains, generator)
        if self.persistent:
            self._buffer.put(chains)
        return chains if sampler is None else sampler.draws(chains), metrics

    @torch.no_grad()
    def _advance(
        self, model: Model, v: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if self._sampler is not None:
            v, metrics = self._sampler.run(model, v, self.steps, generator)
            if "acceptance" in metrics:
                self._sampler.adapt(metrics["acceptance"])
            return v, metrics
        bipartite: BipartiteModel = model  # type: ignore[assignment]
        for _ in range(self.steps):
            if self.deterministic and not self.persistent:
                v = bipartite.reconstruct(v)
            else:
                v = bipartite.gibbs_step(v, generator)
        return v, {}

    def _descend(self, model: Model, v: Tensor, chains: Tensor) -> None:
        """Step along the gradients that the model holds."""
        for penalty in self.penalties:
            penalty.add_gradient(model, v)  # type: ignore[arg-type]
        if self._centring is not None:
            self._centring.apply(model, v, chains)
        if self.l1:
            for p in self._parameters:
                if p.grad is not None:
                    p.grad.add_(p.detach().sign(), alpha=self.l1)
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self.clip)
        if self._fast_weights is not None:
            self._fast_weights.update(model)
        self._optimizer.step()

    def _mixing(self) -> dict[str, Tensor]:
        """Effective sample size of the latest updates, as a share of their draws."""
        sizes = {len(x) for x in self._trace}
        if len(self._trace) < _SHORTEST_TRACE or len(sizes) > 1:
            return {}
        series = torch.stack(self._trace)
        return {"effective_share": effective_sample_size(series) / series.numel()}


def _groups(model: Model, learning_rate: float) -> list[dict[str, Any]]:
    """Groups of the parameters that are trained."""
    trained = [
        {**group, "params": [p for p in group["params"] if p.requires_grad]}
        for group in model.parameter_groups(learning_rate)
    ]
    return [group for group in trained if group["params"]]


def _moved(value: Any, device: torch.device) -> Any:
    """Nested dicts, lists and tuples with all tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: _moved(x, device) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(x, device) for x in value)
    return value


def _check_kinds(**arguments: tuple[object, type]) -> None:
    for name, (value, kind) in arguments.items():
        if value is not None and not isinstance(value, kind):
            raise ArgumentError(f"{name}={value!r}; expected a {kind.__name__} object, or None.")


def _check_chains(model: Model, v: Tensor, chains: Tensor) -> None:
    if chains.shape[1:] != v.shape[1:]:
        raise ShapeError(
            f"{type(model).__name__} made chains of shape {tuple(chains.shape)} from data of "
            f"shape {tuple(v.shape)}; build the model for the sizes of the data."
        )
