"""Solvers for models whose sums are small: expectation-maximisation and exact gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.optimizers import make_optimizer, make_scheduler
from deem.core.solvers.base import Solver, SteppedSolver
from deem.utils.exception import ArgumentError, IntractableError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = ["ExactEM", "ExactGradient"]


class _Exact(Solver):
    full_batch = True

    def __init__(self, tolerance: float):
        if not tolerance >= 0:
            raise ArgumentError(f"tolerance={tolerance}; it must be at least 0.")
        self.tolerance = tolerance

    def finished(self, history: History) -> bool:
        series = history.get("objective", ())
        return len(series) > 1 and abs(series[-1] - series[-2]) <= self.tolerance


class ExactEM(_Exact):
    """Expectation-maximisation on the penalised likelihood.

    The model supplies ``em_data(data)``, its data in the form it wants, and ``em_step(data)``,
    one E-step and M-step that returns the log-likelihood and the log-prior before the step.

    Parameters
    ----------
    tolerance : float
        Stop when the objective changes by at most this much, in nats a sample. The default stops
        early on purpose: on real votes the last hundredths of a nat are bought by hidden states
        that drift away from the classes.
    """

    default_epochs = 500

    def __init__(self, tolerance: float = 2e-3):
        super().__init__(tolerance)

    def prepare(
        self, model: Model, data: Dataset, epochs: int, generator: torch.Generator
    ) -> None:
        """Bring the data into the form the model's EM wants."""
        if not getattr(model, "supports_em", False):
            raise IntractableError(
                f"{type(model).__name__} has no closed M-step; use ExactGradient(), or "
                "ContrastiveDivergence() where its sums are too large."
            )
        model.prepare(data)
        self._data = model.em_data(data)  # type: ignore[operator]
        self._total = data.total_weight

    def step(self, model: Model, batch: Dataset, generator: torch.Generator) -> dict[str, Tensor]:
        """One EM pass."""
        log_likelihood, log_prior = model.em_step(self._data)  # type: ignore[operator]
        return {
            "objective": (log_likelihood + log_prior) / self._total,
            "log_likelihood": log_likelihood / self._total,
        }


class ExactGradient(SteppedSolver, _Exact):
    """Gradient ascent on the exact penalised likelihood, all rows at once.

    Parameters
    ----------
    optimizer : str or callable
        "lbfgs", a name of `make_optimizer`, or a callable that takes the parameters.
    learning_rate : float
        Above 0; with L-BFGS the first trial step of the line search.
    momentum, weight_decay : float
        As in `make_optimizer`; L-BFGS uses neither.
    scheduler : str, callable or None
        As in `make_scheduler`; L-BFGS uses none.
    tolerance : float
        Stop when the objective changes by at most this much, in nats a sample.
    """

    default_epochs = 500

    def __init__(
        self,
        optimizer: str | Callable = "lbfgs",
        learning_rate: float = 1.0,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        scheduler: str | Callable | None = None,
        tolerance: float = 2e-3,
    ):
        super().__init__(tolerance)
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.scheduler = scheduler

    def prepare(
        self, model: Model, data: Dataset, epochs: int, generator: torch.Generator
    ) -> None:
        """Build the optimizer; check that the likelihood is exact."""
        with torch.no_grad():
            model.log_partition()
        model.prepare(data)
        self._total = data.total_weight
        parameters = [p for p in model.parameters() if p.requires_grad]
        if self.optimizer == "lbfgs":
            self._optimizer = torch.optim.LBFGS(
                parameters,
                lr=self.learning_rate,
                max_iter=10,
                tolerance_grad=0,
                tolerance_change=0,
                line_search_fn="strong_wolfe",
            )
        else:
            self._optimizer = make_optimizer(
                self.optimizer, parameters, self.learning_rate, self.momentum, self.weight_decay
            )
        scheduler = None if self.optimizer == "lbfgs" else self.scheduler
        self._scheduler = make_scheduler(scheduler, self._optimizer, epochs)

    def step(self, model: Model, batch: Dataset, generator: torch.Generator) -> dict[str, Tensor]:
        """One optimizer step; the metrics are those before it."""
        metrics: dict[str, Tensor] = {}

        def closure() -> Tensor:
            self._optimizer.zero_grad()
            log_likelihood = _total(model.log_likelihood(batch), batch.weights)
            objective = (log_likelihood + model.log_prior()) / self._total
            (-objective).backward()
            metrics.setdefault("objective", objective.detach())
            metrics.setdefault("log_likelihood", log_likelihood.detach() / self._total)
            return -objective

        if any(p.numel() for p in self._optimizer.param_groups[0]["params"]):
            self._optimizer.step(closure)  # type: ignore[arg-type]
        else:
            # One class leaves nothing to learn, which L-BFGS does not accept.
            closure()
        return metrics


def _total(values: Tensor, weights: Tensor | None) -> Tensor:
    return (values if weights is None else values * weights.to(values)).sum()
