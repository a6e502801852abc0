"""How parameters are found: exact EM, exact gradients, contrastive divergence."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.optimizers import make_optimizer, make_scheduler
from deem.core.sampler import ChainBuffer, Sampler
from deem.core.votes import Votes
from deem.math.chains import effective_sample_size
from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError, IntractableError, ShapeError, StuckChainsWarning
from deem.utils.warning import warn

if TYPE_CHECKING:
    from deem.core.model import BipartiteModel, Model

__all__ = ["SOLVERS", "ContrastiveDivergence", "ExactEM", "ExactGradient", "Solver"]

_MOVING = 0.01
"""Share of accepted moves below which chains count as stuck."""

_TRACE, _SHORTEST_TRACE = 64, 16
"""Updates that the mixing of persistent chains is judged by: at most, at least."""


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


class _Stepped(Solver):
    """A solver that steps a torch optimizer and a schedule."""

    _optimizer: torch.optim.Optimizer
    _scheduler: Any

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


class ExactGradient(_Stepped, _Exact):
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
            log_likelihood = _weighted(model.log_likelihood(batch), batch.weights).sum()
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


class ContrastiveDivergence(_Stepped):
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
    ):
        if steps < 1:
            raise ArgumentError(f"steps={steps}; contrastive divergence needs at least 1.")
        if not learning_rate > 0:
            raise ArgumentError(f"learning_rate={learning_rate}; it must be above 0.")
        if not l1 >= 0:
            raise ArgumentError(f"l1={l1}; it must be at least 0.")
        if clip is not None and not clip > 0:
            raise ArgumentError(f"clip={clip}; it must be above 0, or None.")
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

    def prepare(
        self, model: Model, data: Dataset, epochs: int, generator: torch.Generator
    ) -> None:
        """Build the optimizer and empty the chain buffer."""
        if self.sampler is None and not hasattr(model, "gibbs_step"):
            raise ArgumentError(
                f"sampler=None means Gibbs sweeps, which {type(model).__name__} does not have; "
                "pass a sampler."
            )
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        named = isinstance(self.optimizer, str)
        self._optimizer = make_optimizer(
            self.optimizer,
            _groups(model, self.learning_rate) if named else self._parameters,
            self.learning_rate,
            self.momentum,
            self.weight_decay,
        )
        self._scheduler = make_scheduler(self.scheduler, self._optimizer, epochs)
        self._buffer = ChainBuffer(self.fresh)
        # It tunes itself to this training.
        self._sampler = copy.deepcopy(self.sampler)
        self._trace: list[Tensor] = []

    def step(self, model: Model, batch: Dataset, generator: torch.Generator) -> dict[str, Tensor]:
        """One update from the difference of free energies of data and chains."""
        model.redraw(generator)
        v = model.configurations(as_visible(batch.data, model), generator)
        chains, metrics = self._chains(model, v, batch.weights, generator)
        if chains.shape[1:] != v.shape[1:]:
            raise ShapeError(
                f"{type(model).__name__} made chains of shape {tuple(chains.shape)} from data of "
                f"shape {tuple(v.shape)}; build the model for the sizes of the data."
            )
        total = max(batch.total_weight, EPSILON)
        positive, negative = model.free_energy(torch.cat([v, chains])).split([len(v), len(chains)])
        positive = _weighted(positive, batch.weights).sum() / total
        # A chain that starts at a sample counts as often as the sample.
        if self.persistent or batch.weights is None:
            loss = positive - negative.mean()
        else:
            loss = positive - _weighted(negative, batch.weights).sum() / total
        self._descend(loss)
        if self.persistent:
            self._trace = [*self._trace[1 - _TRACE :], negative.detach()]
        return {"free_energy_gap": loss.detach(), "free_energy": positive.detach(), **metrics}

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
            "sampler": {} if self._sampler is None else self._sampler.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._buffer.chains, self._trace = state["chains"], list(state["trace"])
        if self._sampler is not None:
            self._sampler.restore(state["sampler"])

    def _chains(
        self, model: Model, v: Tensor, weights: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Configurations of the negative phase, and what the sampler tells of them."""
        sampler = self._sampler
        chains = v if sampler is None else sampler.start(v, generator)
        if self.persistent:
            chains = self._buffer.take(chains, generator, weights)
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

    def _descend(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        loss.backward()
        if self.l1:
            for p in self._parameters:
                if p.grad is not None:
                    p.grad.add_(p.detach().sign(), alpha=self.l1)
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self.clip)
        self._optimizer.step()

    def _mixing(self) -> dict[str, Tensor]:
        """Effective sample size of the latest updates, as a share of their draws."""
        sizes = {len(x) for x in self._trace}
        if len(self._trace) < _SHORTEST_TRACE or len(sizes) > 1:
            return {}
        series = torch.stack(self._trace)
        return {"effective_share": effective_sample_size(series) / series.numel()}


SOLVERS = {cls.__name__: cls for cls in (ExactEM, ExactGradient, ContrastiveDivergence)}
"""Solvers that model files may name."""


def as_visible(data: Tensor | Votes, model: Model) -> Tensor:
    """Data as the model sees it: one-hot (batch, D, K) for votes, in its dtype, on its device."""
    if isinstance(data, Votes):
        return data.one_hot(dtype=model.dtype, device=model.device)
    return data.to(device=model.device, dtype=model.dtype)


def _groups(model: Model, learning_rate: float) -> list[dict[str, Any]]:
    """Groups of the parameters that are trained."""
    trained = [
        {**group, "params": [p for p in group["params"] if p.requires_grad]}
        for group in model.parameter_groups(learning_rate)
    ]
    return [group for group in trained if group["params"]]


def _weighted(values: Tensor, weights: Tensor | None) -> Tensor:
    return values if weights is None else values * weights.to(values)
