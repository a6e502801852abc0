"""The only epoch loop, and the callbacks that watch it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.persistence import read_file, write_file
from deem.core.solvers import Solver
from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError, DeemError, NonFiniteError, ShapeError, check_whole
from deem.utils.logging import get_logger

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "ProgressBar",
    "Training",
    "snapshot",
    "train",
]

_LOGGER = get_logger(__name__)
_CHECKPOINT = "Checkpoint"


@dataclass
class Training:
    """What a callback sees of a running training.

    Attributes
    ----------
    model, solver, data, history, generator
        The objects of the training.
    epochs : int
        Planned number of epochs.
    epoch : int
        Epochs done so far.
    stopped : bool
        Whether a callback has ended the training; none of the epochs left is run then.
    """

    model: Model
    solver: Solver
    data: Dataset
    history: History
    generator: torch.Generator
    epochs: int
    epoch: int = 0
    stopped: bool = False

    def content(self) -> dict[str, Any]:
        """Everything an exact resume needs, as nested plain values and tensors."""
        return {
            "class": type(self.model).__name__,
            "solver_class": type(self.solver).__name__,
            "model": dict(self.model.state_dict()),
            "solver": self.solver.state(),
            "generator": self.generator.get_state(),
            "history": self.history.to_dict(),
            "epoch": self.epoch,
        }

    def check(self, content: dict[str, Any], where: str) -> None:
        """Raise `ArgumentError` unless `content`, named `where`, is of such a model and solver."""
        expected = {"class": type(self.model).__name__, "solver_class": type(self.solver).__name__}
        for name, role in (("class", "model"), ("solver_class", "solver")):
            found = content.get(name, "nothing")
            if found != expected[name]:
                raise ArgumentError(
                    f"{where} holds the training of a {role} {found}, but the {role} is a "
                    f"{expected[name]}; pass the {role} that wrote it, or leave out resume=."
                )
        found, wanted = _shapes(content.get("model", {})), _shapes(self.model.state_dict())
        if found != wanted:
            raise ArgumentError(
                f"{where} holds parameters of shapes {found}, but the model has {wanted}; build "
                "the model with the arguments it had, or leave out resume=."
            )

    def restore(self, content: dict[str, Any]) -> None:
        """Go on where `content` was taken."""
        self.model.load_state_dict(content["model"])
        self.solver.restore(content["solver"])
        self.history = History.from_dict(content["history"])
        self.epoch = content["epoch"]
        self.generator.set_state(content["generator"])


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


class Callback:
    """Something called as training goes on; override what you need."""

    def on_start(self, training: Training) -> None:
        """Before the first epoch, also of a resumed training; may set ``training.stopped``."""

    def on_epoch_end(self, training: Training) -> bool | None:
        """After each epoch; True stops the training."""

    def on_end(self, training: Training) -> None:
        """After the last epoch, also when training failed after ``on_start``."""


class ProgressBar(Callback):
    """A tqdm bar with the latest value of the first series."""

    def on_start(self, training: Training) -> None:
        from tqdm.auto import tqdm

        self._bar = tqdm(total=training.epochs, initial=training.epoch, unit="epoch")

    def on_epoch_end(self, training: Training) -> None:
        name = next(iter(training.history), None)
        if name is not None:
            self._bar.set_postfix({name: f"{training.history[name][-1]:.5g}"}, refresh=False)
        self._bar.update()

    def on_end(self, training: Training) -> None:
        self._bar.close()


class EarlyStopping(Callback):
    """Stop when a series has not improved for some epochs.

    Parameters
    ----------
    monitor : str
        Name of the series.
    patience : int
        Epochs without improvement before stopping, at least 1.
    min_delta : float
        A change counts as improvement if it is larger than this.
    maximise : bool
        Whether larger is better.
    """

    def __init__(
        self, monitor: str, patience: int = 5, min_delta: float = 0.0, maximise: bool = False
    ):
        if patience < 1:
            raise ArgumentError(f"patience={patience}; it must be at least 1.")
        self.monitor, self.patience = monitor, patience
        self.min_delta, self.maximise = min_delta, maximise

    def on_start(self, training: Training) -> None:
        if self.monitor in training.history and self._holds(training.history):
            training.stopped = True

    def on_epoch_end(self, training: Training) -> bool:
        if self.monitor not in training.history:
            raise ArgumentError(
                f"monitor={self.monitor!r} is not recorded; choose one of: "
                f"{', '.join(training.history)}. A callback that records it comes before this one."
            )
        return self._holds(training.history)

    def _holds(self, history: History) -> bool:
        sign = -1 if self.maximise else 1
        series = [sign * x for x in history[self.monitor]]
        if len(series) <= self.patience:
            return False
        return min(series[-self.patience :]) >= min(series[: -self.patience]) - self.min_delta


class Checkpoint(Callback):
    """Write everything an exact resume needs: weights, optimizer, chains, generator, history.

    Parameters
    ----------
    path : str or Path
        The file, replaced each time in one step.
    every : int
        Epochs between two writes, at least 1.
    """

    def __init__(self, path: str | Path, every: int = 1):
        if every < 1:
            raise ArgumentError(f"every={every}; it must be at least 1.")
        self.path, self.every = Path(path), every

    def on_epoch_end(self, training: Training) -> None:
        if training.epoch % self.every == 0:
            write_file(self.path, _CHECKPOINT, training.content())


def train(
    model: Model,
    data: Dataset,
    solver: Solver,
    *,
    epochs: int | None = None,
    batch_size: int | None = 128,
    generator: torch.Generator,
    callbacks: Sequence[Callback] = (),
    resume: str | Path | None = None,
) -> History:
    """Run epochs until they are done, the solver's rule holds, or a callback stops them.

    Parameters
    ----------
    model : Model
        Trained in place; its ``history`` is replaced.
    data : Dataset
        At least one row, with weights that do not sum to zero.
    solver : Solver
        Changes the parameters.
    epochs : int, optional
        At least 0; None is the solver's default.
    batch_size : int, optional
        Rows a batch; full-batch solvers take all.
    generator : torch.Generator
        On the model's device; the source of every draw.
    callbacks : sequence of Callback
        Called in order.
    resume : str or Path, optional
        File of a `Checkpoint`; training goes on as if it had never stopped. Where the rule of
        the solver or of `EarlyStopping` holds already, or the epochs are done, nothing changes.

    Returns
    -------
    History

    Raises
    ------
    ArgumentError
        If there is nothing to train on, or `resume` does not fit; the model stays as it was.
    NonFiniteError
        If a metric or a parameter is NaN or infinite; the parameters of the last good epoch are
        put back first.
    """
    epochs = solver.default_epochs if epochs is None else epochs
    check_whole(0, epochs=epochs)
    if batch_size is not None:
        check_whole(1, batch_size=batch_size)
    _check_data(data)
    model.check_data(data)
    batch_size = None if solver.full_batch else batch_size
    history = History(_settings(solver, epochs, batch_size))
    training = Training(model, solver, data, history, generator, epochs)
    _prepare(training, resume)
    model.history = training.history
    was_training = model.training
    started: list[Callback] = []
    try:
        for callback in callbacks:
            callback.on_start(training)
            started.append(callback)
        _run_epochs(training, batch_size, callbacks)
        solver.finish(training.history)
    finally:
        # What was drawn for the last update ends with it.
        model.eval()
        model.train(was_training)
        _end(training, started)
    return training.history


def _check_data(data: Dataset) -> None:
    if len(data) == 0:
        raise ArgumentError("data has no rows; pass at least one sample.")
    weights = data.weights
    if weights is not None and weights.dim() != 1:
        raise ShapeError(f"weights has shape {tuple(weights.shape)}; expected (n_samples,).")
    if weights is not None and not (weights.isfinite() & (weights >= 0)).all():
        raise ArgumentError(
            "weights holds values below 0 or not finite; a weight is how often a sample counts."
        )
    if data.total_weight < EPSILON:
        raise ArgumentError(
            f"the weights of the {len(data)} samples sum to {data.total_weight:g}; a weight is "
            f"how often a sample counts, so scale them to sum to {EPSILON:g} at least."
        )


def _prepare(training: Training, resume: str | Path | None) -> None:
    """Prepare the solver and take over the checkpoint; a failure leaves the model as it was."""
    model, generator, where = training.model, training.generator, f"resume='{resume}'"
    content = {} if resume is None else read_file(resume, _CHECKPOINT)[1]
    if resume is not None:
        training.check(content, where)
    kept, drawn = snapshot(model), generator.get_state()
    try:
        training.solver.prepare(model, training.data, training.epochs, generator)
        if resume is not None:
            _restore(training, content, where)
    except BaseException:
        model.load_state_dict(kept)
        generator.set_state(drawn)
        raise


def _restore(training: Training, content: dict[str, Any], where: str) -> None:
    try:
        training.restore(content)
    except DeemError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ArgumentError(
            f"{where} does not fit this {type(training.solver).__name__} ({error}); resume with "
            "the model, solver and settings that wrote it."
        ) from error


def _end(training: Training, callbacks: Sequence[Callback]) -> None:
    """End every callback in order, also where one of them fails."""
    with ExitStack() as ends:
        for callback in reversed(callbacks):
            ends.callback(callback.on_end, training)


def _settings(solver: Solver, epochs: int, batch_size: int | None) -> dict[str, Any]:
    """What the training ran with, as plain values; objects by the name of their class."""
    settings = {"solver": type(solver).__name__, "epochs": epochs, "batch_size": batch_size}
    for name, value in solver.settings().items():
        plain = value is None or isinstance(value, (bool, int, float, str))
        settings[name] = value if plain else getattr(value, "__name__", type(value).__name__)
    return settings


def _run_epochs(training: Training, batch_size: int | None, callbacks: Sequence[Callback]) -> None:
    model, history = training.model, training.history
    model.train()
    good = snapshot(model)
    while training.epoch < training.epochs and not _is_over(training):
        metrics, cause = _try_epoch(training, batch_size)
        if not _is_finite(metrics, model):
            model.load_state_dict(good)
            raise NonFiniteError(
                f"NaN or infinity appeared in epoch {training.epoch + 1}; the parameters of the "
                "epoch before were kept. Lower the learning rate or check the data."
            ) from cause
        good = snapshot(model)
        training.epoch += 1
        history.append(**metrics)
        _LOGGER.debug("epoch %d: %s", training.epoch, metrics)
        stops = [callback.on_epoch_end(training) for callback in callbacks]
        training.stopped = training.stopped or any(stops)


def _is_over(training: Training) -> bool:
    """Whether a callback or the solver's rule has ended the training, perhaps before a resume."""
    return training.stopped or (training.epoch > 0 and training.solver.finished(training.history))


def _try_epoch(
    training: Training, batch_size: int | None
) -> tuple[dict[str, float], ValueError | None]:
    try:
        return _run_epoch(training, batch_size), None
    except ValueError as error:
        # Distributions of torch refuse numbers that are not finite before the epoch is over.
        if "to satisfy the constraint" not in str(error):
            raise
        return {"": float("nan")}, error


def _run_epoch(training: Training, batch_size: int | None) -> dict[str, float]:
    totals: dict[str, Tensor] = {}
    shuffle = None if batch_size is None else training.generator
    for batch in training.data.batches(batch_size, shuffle):
        share = len(batch) / len(training.data)
        metrics = training.solver.step(training.model, batch, training.generator)
        for name, value in metrics.items():
            totals[name] = totals.get(name, 0) + share * value
    totals |= training.solver.end_epoch()
    return {name: float(value) for name, value in totals.items()}


def snapshot(model: Model) -> dict[str, Tensor]:
    """Copy of the state of a model, to be put back by ``load_state_dict``."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def _is_finite(metrics: dict[str, float], model: Model) -> bool:
    values = torch.tensor(list(metrics.values()))
    return bool(values.isfinite().all()) and all(
        bool(p.isfinite().all()) for p in model.parameters()
    )
