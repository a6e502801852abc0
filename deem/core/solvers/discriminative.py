"""Learning from labels: the conditional likelihood, alone or beside contrastive divergence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from deem.core.dataset import Dataset
from deem.core.solvers.base import SteppedSolver, as_visible, shares_of, weighted_mean
from deem.core.solvers.contrastive import ContrastiveDivergence
from deem.utils.exception import ArgumentError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = ["ConditionalLikelihood", "HybridDivergence"]


class ConditionalLikelihood(SteppedSolver):
    r"""Follow the gradient of the loss :math:`-\log p(y \mid v)` of labelled samples.

    The model has ``joined(batch)``, its configurations of data and labels, ``split(v)``, their
    parts again, and ``class_logits(v)``, as `DiscriminativeRBM` has. The history gets ``loss``,
    in nats a sample, and ``accuracy``, the share of right labels, both before each update.

    Parameters
    ----------
    learning_rate : float
        Above 0.
    optimizer, momentum, weight_decay
        As in `make_optimizer`.
    scheduler
        As in `make_scheduler`.
    """

    default_epochs = 60

    def __init__(
        self,
        learning_rate: float = 0.02,
        optimizer: str | Callable = "adam",
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        scheduler: str | Callable | None = "cosine",
    ):
        if not learning_rate > 0:
            raise ArgumentError(f"learning_rate={learning_rate}; it must be above 0.")
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.scheduler = scheduler

    def prepare(
        self, model: Model, data: Dataset, epochs: int, generator: torch.Generator
    ) -> None:
        """Build the optimizer; check that the model tells classes."""
        _check_model(model)
        model.prepare(data)
        self.build([p for p in model.parameters() if p.requires_grad], epochs)

    def step(self, model: Model, batch: Dataset, generator: torch.Generator) -> dict[str, Tensor]:
        """One step of the optimizer."""
        batch = model.joined(batch)  # type: ignore[operator]
        self._optimizer.zero_grad()
        v = as_visible(batch.data, model)
        metrics = _add_gradient(model, v, shares_of(batch, v))
        self._optimizer.step()
        return metrics


class HybridDivergence(ContrastiveDivergence):
    r"""Contrastive divergence on data and labels, beside the loss of the labels given the data.

    .. math:: -\log p(y \mid v) - \alpha \log p(v, y)

    The gradient of the second term is that of contrastive divergence, whose chains move data and
    labels. The history gets ``loss``, the sum, ``discriminative_loss``, ``generative_loss``, the
    gap of free energies between data and chains, and ``accuracy``.

    Parameters
    ----------
    alpha : float
        Weight of the generative term, at least 0.
    steps, learning_rate, momentum, weight_decay, optimizer, scheduler, persistent, fresh
        As in `ContrastiveDivergence`.

    References
    ----------
    .. [1] Larochelle, Bengio (2008), Classification using discriminative restricted Boltzmann
       machines, section 5.
    """

    default_epochs = 60

    def __init__(
        self,
        alpha: float = 0.01,
        steps: int = 1,
        learning_rate: float = 0.02,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        optimizer: str | Callable = "adam",
        scheduler: str | Callable | None = "cosine",
        persistent: bool = False,
        fresh: float = 0.05,
    ):
        if not alpha >= 0:
            raise ArgumentError(f"alpha={alpha}; it must be at least 0.")
        super().__init__(
            steps,
            learning_rate,
            momentum,
            weight_decay,
            optimizer,
            scheduler,
            persistent,
            fresh,
        )
        self.alpha = alpha

    def prepare(
        self, model: Model, data: Dataset, epochs: int, generator: torch.Generator
    ) -> None:
        """Build the optimizer and empty the chain buffer; check that the model tells classes."""
        _check_model(model)
        super().prepare(model, data, epochs, generator)

    def step(self, model: Model, batch: Dataset, generator: torch.Generator) -> dict[str, Tensor]:
        """One update from both terms."""
        batch = model.joined(batch)  # type: ignore[operator]
        self._batch = batch
        metrics = super().step(model, batch, generator)
        found, gap = self._found, metrics.pop("free_energy_gap")
        return {
            "loss": found["loss"] + self.alpha * gap,
            "accuracy": found["accuracy"],
            "discriminative_loss": found["loss"],
            "generative_loss": gap,
            **metrics,
        }

    def _descend(self, model: Model, v: Tensor, chains: Tensor) -> None:
        for p in self._parameters:
            if p.grad is not None:
                p.grad.mul_(self.alpha)
        self._found = _add_gradient(model, v, shares_of(self._batch, v))
        super()._descend(model, v, chains)


def _check_model(model: Any) -> None:
    if not (hasattr(model, "joined") and hasattr(model, "class_logits")):
        raise ArgumentError(
            f"{type(model).__name__} does not learn from labels; use DiscriminativeRBM, "
            "HybridDiscriminativeRBM, or ContrastiveDivergence() without labels."
        )


def _add_gradient(model: Any, v: Tensor, shares: Tensor | None) -> dict[str, Tensor]:
    """Add the gradient of the loss of labels given data; return loss and accuracy, detached."""
    x, y = model.split(v)
    with torch.enable_grad():
        logits = model.class_logits(x)
        losses = cross_entropy(logits, y, reduction="none")
        loss = weighted_mean(losses, shares)
        loss.backward()
    right = (logits.detach().argmax(1) == y.argmax(1)).to(losses)
    return {"loss": loss.detach(), "accuracy": weighted_mean(right, shares)}
