"""Markov chains over visible configurations: sampler contract, accept step, chain buffers."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from deem.utils.exception import ArgumentError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = ["ChainBuffer", "MetropolisSampler", "Sampler", "SamplerState"]


class SamplerState(NamedTuple):
    """Configurations of a batch of chains and what the model says of them.

    Attributes
    ----------
    v : (batch, ...)
        Configurations.
    free_energy : (batch,), optional
        In nats; every Metropolis sampler keeps it.
    gradient : (batch, ...), optional
        Of the free energy by `v`, for gradient-informed samplers.
    log_moves : (batch, ...), optional
        Log-probabilities of the moves from `v`, for kernels that tabulate them.
    accepted : (batch,) bool, optional
        Whether the last proposal was accepted, for Metropolis samplers.
    movable : (batch,) bool, optional
        Whether there is any move at all; None where there always is.
    swapped : (batch,), optional
        Share of the tried swaps of replicas that were made, for tempering.
    """

    v: Tensor
    free_energy: Tensor | None = None
    gradient: Tensor | None = None
    log_moves: Tensor | None = None
    accepted: Tensor | None = None
    movable: Tensor | None = None
    swapped: Tensor | None = None


class Sampler(ABC):
    """A kernel that moves chains of visible configurations.

    You write ``init`` and ``step``. You inherit ``run``. A kernel that holds more than one chain
    for each draw also writes ``start`` and ``draws``; one that tunes itself ``adapt``, ``state``
    and ``restore``.

    Attributes
    ----------
    exact : bool
        Whether a step leaves ``exp(-free_energy(v) / temperature)`` invariant.
    """

    exact: bool = True

    def start(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Chains that start at data (batch, ...)."""
        return v

    def draws(self, chains: Tensor) -> Tensor:
        """Configurations of the model among the chains."""
        return chains

    def adapt(self, acceptance: Tensor) -> None:
        """Tune the kernel after a run with this acceptance; training calls it on its own copy."""

    def state(self) -> dict[str, Any]:
        """What ``adapt`` has changed, for an exact resume."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of ``state``."""

    def settings(self) -> dict[str, Any]:
        """Constructor arguments by name, for model files."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @abstractmethod
    def init(self, model: Model, v: Tensor) -> SamplerState:
        """State of chains that stand at `v`; build it anew when parameters have changed."""

    @abstractmethod
    def step(self, model: Model, state: SamplerState, generator: torch.Generator) -> SamplerState:
        """Move every chain once."""

    @torch.no_grad()
    def run(
        self, model: Model, v: Tensor, steps: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Move chains several times.

        Parameters
        ----------
        model : Model
            Left untouched.
        v : (batch, ...)
            Where the chains stand; what ``start`` makes of data, or an earlier run has left.
        steps : int
            Number of steps, at least 0.
        generator : torch.Generator
            On the model's device.

        Returns
        -------
        v : (batch, ...)
            Where the chains end.
        metrics : dict
            For samplers that may reject: ``acceptance``, the share of accepted proposals, and
            ``stuck``, the share of chains that accepted none; rows without any move do not
            count, and where no row has one nothing was rejected. For tempering also
            ``swap_rate``. Nothing after 0 steps.
        """
        model = model.frozen(v)
        state = self.init(model, v)
        accepted, swapped = [], []
        for _ in range(steps):
            state = self.step(model, state, generator)
            if state.accepted is not None:
                accepted.append(state.accepted)
            if state.swapped is not None:
                swapped.append(state.swapped)
        metrics = _acceptance(torch.stack(accepted), state.movable) if accepted else {}
        if swapped:
            metrics["swap_rate"] = torch.stack(swapped).mean()
        return state.v, metrics


def _acceptance(accepted: Tensor, movable: Tensor | None) -> dict[str, Tensor]:
    """Metrics of (steps, batch) accepted proposals."""
    rejected = 1 - accepted.double().mean(0)
    movable = torch.ones_like(rejected) if movable is None else movable.double()
    total = movable.sum().clamp(min=1)
    return {
        "acceptance": 1 - (rejected * movable).sum() / total,
        "stuck": ((rejected == 1) * movable).sum() / total,
    }


class MetropolisSampler(Sampler):
    """A sampler that proposes a move and accepts or rejects it.

    You write ``propose`` and ``log_proposal``. You inherit the accept step, which is written only
    here, and the same two methods are what the balance tests call.

    Parameters
    ----------
    temperature : float
        Above 0; the target is ``exp(-free_energy(v) / temperature)``.
    """

    uses_gradient: bool = False

    def __init__(self, temperature: float = 1.0):
        if not temperature > 0:
            raise ArgumentError(f"temperature={temperature}; it must be above 0.")
        self.temperature: float | Tensor = temperature
        """A tensor (batch,) gives every chain its own."""

    def movable(self, v: Tensor) -> Tensor | None:
        """Which chains (batch,) have any move; None if all."""
        return None

    def tabulate(self, v: Tensor, gradient: Tensor | None) -> Tensor | None:
        """``log_moves`` of the state at `v`; None for kernels that tabulate nothing."""
        return None

    @abstractmethod
    def propose(self, state: SamplerState, generator: torch.Generator) -> Tensor:
        """Draw a proposal (batch, ...) for every chain."""

    @abstractmethod
    def log_proposal(self, state: SamplerState, proposed: SamplerState) -> Tensor:
        """Log-probability (batch,) of proposing `proposed` from `state`, up to a constant."""

    def init(self, model: Model, v: Tensor) -> SamplerState:
        """What the model says of chains at `v`, and which of them can move."""
        return self._look(model, v)._replace(movable=self.movable(v))

    def _look(self, model: Model, v: Tensor) -> SamplerState:
        """Free energy at `v`, and its gradient by `v` alone if the kernel uses it."""
        gradient = None
        if self.uses_gradient:
            free_energy, gradient = model.free_energy_and_gradient(v)
        else:
            with torch.no_grad():
                free_energy = model.free_energy(v)
        return SamplerState(v, free_energy, gradient, self.tabulate(v, gradient))

    def log_acceptance(self, state: SamplerState, proposed: SamplerState) -> Tensor:
        """Logarithm (batch,) of the acceptance probability, at most 0.

        NaN, where neither state can be proposed from the other, is a rejection.
        """
        gain = (_energy(state) - _energy(proposed)) / self.temperature
        correction = self.log_proposal(proposed, state) - self.log_proposal(state, proposed)
        return (gain + correction).clamp(max=0)

    def step(self, model: Model, state: SamplerState, generator: torch.Generator) -> SamplerState:
        """Propose, then accept or stay."""
        proposed = self._look(model, self.propose(state, generator))
        accept = self.accepts(state, proposed, generator)
        return SamplerState(
            _choose(accept, proposed.v, state.v),
            _choose(accept, _energy(proposed), _energy(state)),
            _choose_optional(accept, proposed.gradient, state.gradient),
            _choose_optional(accept, proposed.log_moves, state.log_moves),
            accept,
            state.movable,
        )

    def accepts(
        self, state: SamplerState, proposed: SamplerState, generator: torch.Generator
    ) -> Tensor:
        """Whether each chain (batch,) goes to its proposal."""
        log_accept = self.log_acceptance(state, proposed)
        uniform = torch.rand(
            log_accept.shape, generator=generator, dtype=log_accept.dtype, device=log_accept.device
        )
        return uniform.log() < log_accept


def _choose(accept: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(accept.reshape(-1, *[1] * (new.dim() - 1)), new, old)


def _energy(state: SamplerState) -> Tensor:
    if state.free_energy is None:
        raise ArgumentError("the state has no free_energy; build it with init().")
    return state.free_energy


def _choose_optional(accept: Tensor, new: Tensor | None, old: Tensor | None) -> Tensor | None:
    return None if new is None or old is None else _choose(accept, new, old)


class ChainBuffer:
    """Persistent chains that outlive a batch.

    Parameters
    ----------
    fresh : float
        Share of chains in [0, 1] restarted from the data whenever chains are taken.

    Attributes
    ----------
    chains : (n_chains, ...) Tensor or None
        Present configurations; None before the first batch.
    """

    def __init__(self, fresh: float = 0.05):
        if not 0 <= fresh <= 1:
            raise ArgumentError(f"fresh={fresh}; it must lie in [0, 1].")
        self.fresh = fresh
        self.chains: Tensor | None = None

    def take(
        self, batch: Tensor, generator: torch.Generator, weights: Tensor | None = None
    ) -> Tensor:
        """Chains to go on with, as many as the first batch had rows.

        Parameters
        ----------
        batch : (batch, ...)
            Data; the first batch starts the chains, later ones feed the fresh starts.
        generator : torch.Generator
            On the device of the batch.
        weights : (batch,), optional
            How often each row counts; chains start at rows drawn in proportion. Without weights
            the chains of the first batch start at one row each.
        """
        if self.chains is None:
            if weights is None:
                return batch.clone()
            return batch[_draw_rows(len(batch), len(batch), generator, weights)]
        restart = (
            torch.rand(len(self.chains), generator=generator, device=batch.device) < self.fresh
        )
        source = _draw_rows(len(batch), len(self.chains), generator, weights)
        return _choose(restart, batch[source], self.chains)

    def put(self, chains: Tensor) -> None:
        """Keep the chains for the next batch."""
        self.chains = chains.detach()


def _draw_rows(
    n_rows: int, n_draws: int, generator: torch.Generator, weights: Tensor | None
) -> Tensor:
    # A batch without any weight has no row to prefer.
    if weights is None or not weights.any():
        return torch.randint(n_rows, (n_draws,), generator=generator, device=generator.device)
    weights = weights.to(generator.device, torch.float64)
    return torch.multinomial(weights, n_draws, replacement=True, generator=generator)
