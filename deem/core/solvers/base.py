"""What every solver is, and what those that step a torch optimizer share."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.optimizers import make_optimizer, make_scheduler
from deem.core.votes import Votes
from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = ["Solver", "SteppedSolver", "as_visible", "shares_of", "weighted_mean"]


class Solver(ABC):
    """A way of finding parameters, handed to ``fit``.

    You write ``step``, and ``prepare`` where there is something to build. The constructor only
    stores; what a training needs is built by ``prepare``, so one solver serves many trainings,
    one after the other.

    Attributes
    ----------
    full_batch : bool
        Whether ``step`` wants all rows at once.
    default_epochs : int
        Length of a training that names none.
    """

    full_batch: bool = False
    default_epochs: int = 10

    def prepare(
        self, model: Model, data: Dataset, epochs: int, generator: torch.Generator
    ) -> None:
        """Build what the training needs."""

    @abstractmethod
    def step(self, model: Model, batch: Dataset, generator: torch.Generator) -> dict[str, Tensor]:
        """Change the parameters once; return scalar metrics of the batch."""

    def end_epoch(self) -> dict[str, Tensor]:
        """Move schedules on; return scalar metrics of the epoch."""
        return {}

    def finished(self, history: History) -> bool:
        """Whether the stopping rule holds."""
        return False

    def finish(self, history: History) -> None:
        """Warn of what went wrong, once the training is over."""

    def state(self) -> dict[str, Any]:
        """Everything an exact resume needs beyond the model."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of ``state``, after ``prepare``."""

    def settings(self) -> dict[str, Any]:
        """Constructor arguments by name, for the history and for model files."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}


class SteppedSolver(Solver):
    """A solver that steps a torch optimizer and a schedule."""

    learning_rate: float
    momentum: float
    weight_decay: float
    optimizer: str | Callable
    scheduler: str | Callable | None
    _optimizer: torch.optim.Optimizer
    _scheduler: Any

    def build(self, parameters: Iterable[Any], epochs: int, fused: bool = False) -> None:
        """Make optimizer and schedule of parameters, or of groups of them."""
        rates = self.learning_rate, self.momentum, self.weight_decay
        self._optimizer = make_optimizer(self.optimizer, parameters, *rates, fused=fused)
        self._scheduler = make_scheduler(self.scheduler, self._optimizer, epochs)

    def end_epoch(self) -> dict[str, Tensor]:
        if self._scheduler is not None:
            self._scheduler.step()
        return {}

    def state(self) -> dict[str, Any]:
        scheduler = self._scheduler
        return {
            "classes": self._classes(),
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
            "scheduler": None if scheduler is None else copy.deepcopy(scheduler.state_dict()),
        }

    def restore(self, state: dict[str, Any]) -> None:
        # Optimizers take over each other's states in silence and fail at the next step.
        found, expected = state["classes"], self._classes()
        if found != expected:
            raise ArgumentError(
                f"resume= holds the state of optimizer and scheduler {found}, but this "
                f"{type(self).__name__} has {expected}; pass the optimizer= and scheduler= that "
                "wrote it."
            )
        self._optimizer.load_state_dict(state["optimizer"])
        if self._scheduler is not None:
            self._scheduler.load_state_dict(state["scheduler"])

    def _classes(self) -> list[str | None]:
        scheduler = self._scheduler
        return [
            type(self._optimizer).__name__,
            None if scheduler is None else type(scheduler).__name__,
        ]


def as_visible(data: Tensor | Votes, model: Model) -> Tensor:
    """Data as the model sees it: one-hot (batch, D, K) for votes, in its dtype, on its device."""
    if isinstance(data, Votes):
        return data.one_hot(dtype=model.dtype, device=model.device)
    return torch.as_tensor(data).to(device=model.device, dtype=model.dtype)


def shares_of(batch: Dataset, like: Tensor) -> Tensor | None:
    """Weights of the samples as shares (batch,) in the dtype and on the device of a tensor.

    They sum to one, or to zero where no sample counts; None where there are no weights.
    """
    if batch.weights is None:
        return None
    weights = batch.weights.to(like)
    return weights / weights.sum().clamp(min=EPSILON)


def weighted_mean(values: Tensor, shares: Tensor | None) -> Tensor:
    """Mean of values (batch,) by shares (batch,) that sum to one; None weighs all alike."""
    return values.mean() if shares is None else (values * shares).sum()
