"""Deep belief networks as the first layers of a classifier, trained through all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.model import evaluating
from deem.core.module import Module
from deem.core.solvers import SteppedSolver, as_visible, shares_of, weighted_mean
from deem.core.training import Callback, EarlyStopping, ProgressBar, Training, snapshot, train
from deem.math.random import as_generator
from deem.models.stack.building import stacks
from deem.models.stack.dbn import DBN
from deem.models.standardised import Standardised
from deem.utils.exception import ArgumentError, LabelError, ShapeError, check_number, check_whole

__all__ = ["DBNClassifier"]

_BATCH = 4096

AnyClassifier = TypeVar("AnyClassifier", bound="DBNClassifier")


class DBNClassifier(Module):
    """Classifier of a deep belief network and a linear layer on top of it.

    All layers are trained by back-propagation, except what is read downwards only: biases of
    visible units have no gradient and stay as they are. Where a first layer of real units has not
    seen data yet, ``fit`` sets its locations and scales.

    Parameters
    ----------
    dbn : DBN
        Pre-trained or not; trained further in place.
    n_classes : int
        At least 2.
    dropout : float
        Share of the features of each layer, the data among them at half this share, that is
        hidden at random in training; in [0, 1).
    random_state : int
        Seed of the first weights of the linear layer.

    Attributes
    ----------
    head : torch.nn.Linear
        From the units on top to the logits of the classes.
    history : History
        ``loss`` and ``accuracy`` of the training batches, ``validation_loss`` and
        ``validation_accuracy`` of the samples put aside.

    References
    ----------
    .. [1] Hinton, Salakhutdinov (2006), Reducing the dimensionality of data with neural networks.
    """

    def __init__(self, dbn: DBN, n_classes: int, dropout: float = 0.0, random_state: int = 0):
        super().__init__()
        if not isinstance(dbn, DBN):
            raise ArgumentError(f"dbn is a {type(dbn).__name__}; expected a DBN, as DBN([rbm]).")
        check_whole(1, n_classes=n_classes)
        check_number(dropout=dropout)
        if n_classes < 2:
            raise ArgumentError(f"n_classes={n_classes}; expected at least 2.")
        if not 0 <= dropout < 1:
            raise ArgumentError(f"dropout={dropout}; expected a share in [0, 1).")
        self.dbn, self.n_classes = dbn, n_classes
        self.dropout, self.random_state = dropout, random_state
        # The first weights of torch come from its global generator.
        head = nn.utils.skip_init(nn.Linear, dbn.n_outputs, n_classes)
        self.head = head.to(dbn.device, dbn.dtype)
        generator = as_generator(random_state, dbn.device)
        nn.init.normal_(self.head.weight, 0, 0.01, generator=generator)
        nn.init.zeros_(self.head.bias)

    def config(self) -> dict[str, Any]:
        """Constructor arguments besides the network."""
        names = super().config()
        del names["dbn"]
        return names

    def to_content(self) -> dict[str, Any]:
        """Everything ``save`` writes; the network with its class and content."""
        return {
            "arguments": self.config(),
            "dbn": {"class": type(self.dbn).__name__, **self.dbn.to_content()},
            "state": dict(self.head.state_dict()),
            "history": self.history.to_dict(),
        }

    @classmethod
    def from_content(cls: type[AnyClassifier], content: dict[str, Any]) -> AnyClassifier:
        dbn = stacks()[content["dbn"]["class"]].from_content(content["dbn"])
        model = cls(dbn, **content["arguments"])
        model.head.load_state_dict(content["state"])
        model.history = History.from_dict(content["history"])
        return model

    def forward(self, v: Tensor) -> Tensor:
        """Logits (batch, n_classes) of visible configurations (batch, ...), without dropout."""
        return self.head(self.dbn(v).flatten(1))

    def fit(
        self: AnyClassifier,
        data: object,
        labels: object = None,
        *,
        epochs: int = 60,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        optimizer: str | Callable = "adam",
        scheduler: str | Callable | None = "cosine",
        weight_decay: float = 0.0,
        validation_share: float = 0.0,
        patience: int | None = 20,
        random_state: object = None,
        callbacks: Sequence[Callback] = (),
        verbose: bool = False,
    ) -> AnyClassifier:
        """Train all layers by the cross-entropy of the labels, from the present parameters.

        Parameters
        ----------
        data : Dataset, Tensor or array
            (n_samples, ...), as the first layer takes them.
        labels : (n_samples,) int, optional
            From 0 to ``n_classes - 1``; None takes the targets of a Dataset.
        epochs : int
            At most, at least 0.
        batch_size : int
            Rows a batch.
        learning_rate, weight_decay : float
            Of a named optimizer, above 0 and at least 0.
        optimizer, scheduler
            As in `make_optimizer` and `make_scheduler`.
        validation_share : float
            Share of the samples, drawn at random, that is put aside; in [0, 1). The parameters of
            the epoch with their lowest loss are kept. 0 trains on all and keeps the last ones.
            One sample at least stays for training.
        patience : int, optional
            Epochs without a lower loss of these samples after which training stops; None does
            not stop.
        random_state : None, int, numpy or torch generator
            Source of every draw.
        callbacks : sequence of Callback
            Called after every epoch.
        verbose : bool
            Show a progress bar.

        Returns
        -------
        self
        """
        solver = _CrossEntropy(learning_rate, optimizer, scheduler, weight_decay)
        generator = as_generator(random_state, self.device)
        whole = self._checked(data, labels)
        watching: list[Callback] = []
        check_number(validation_share=validation_share)
        if not 0 <= validation_share < 1:
            raise ArgumentError(
                f"validation_share={validation_share}; expected a share in [0, 1)."
            )
        n_aside = min(round(validation_share * len(whole)), len(whole) - 1)
        if n_aside > 0:
            order = torch.randperm(len(whole), generator=generator, device=self.device).cpu()
            aside, whole = whole.take(order[:n_aside]), whole.take(order[n_aside:])
            if aside.total_weight <= 0:
                raise ArgumentError(
                    f"none of the {n_aside} samples put aside has a weight above 0; raise "
                    f"validation_share={validation_share}, or set it to 0."
                )
            watching.append(_Validation(aside))
            if patience is not None:
                watching.append(EarlyStopping("validation_loss", patience))
        train(
            self,  # type: ignore[arg-type]
            whole,
            solver,
            epochs=epochs,
            batch_size=batch_size,
            generator=generator,
            callbacks=[*watching, *callbacks, *([ProgressBar()] if verbose else [])],
        )
        return self

    def predict_proba(self, data: object) -> Tensor:
        """Probabilities (n_samples, n_classes) of the classes, in evaluation mode.

        Parameters
        ----------
        data : Tensor or array
            (n_samples, ...).
        """
        return self._logits(data).softmax(1)

    def predict(self, data: object) -> Tensor:
        """Most probable class (n_samples,) of each sample."""
        return self.predict_proba(data).argmax(1)

    @torch.no_grad()
    def _logits(self, data: object) -> Tensor:
        """Logits (n_samples, n_classes) in evaluation mode, some rows at a time."""
        parts = Dataset.wrap(data).batches(_BATCH)  # type: ignore[arg-type]
        with evaluating(self):
            return torch.cat([self(as_visible(x.data, self)) for x in parts])  # type: ignore[arg-type]

    def noisy_logits(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Logits (batch, n_classes) with features hidden at random, as in training."""
        v = self._thinned(v, self.dropout / 2, generator)
        for i in range(self.dbn.n_layers):
            v = self._thinned(self.dbn.up(i, v), self.dropout, generator)
        return self.head(v.flatten(1))

    def check_data(self, data: Dataset) -> None:
        """Check what the first layer takes; training calls it before it starts."""
        self.dbn.check_data(data)

    def _checked(self, data: object, labels: object) -> Dataset:
        found = Dataset.wrap(data)  # type: ignore[arg-type]
        if labels is None and found.targets is None:
            raise LabelError("data has no labels; pass labels=, or Dataset(data, targets).")
        given = found.targets if labels is None else labels
        if not isinstance(given, Tensor):
            given = np.asarray(given)
            if given.dtype.kind not in "biuf":
                raise LabelError(
                    "labels are no numbers; number the classes from 0, as numpy.unique(labels, "
                    "return_inverse=True)[1] does."
                )
            # Torch knows neither the minimum of all kinds of integers, nor negative strides.
            given = given.astype("float64" if given.dtype.kind == "f" else "int64")
        targets = torch.as_tensor(given).cpu()
        if targets.dim() != 1 or targets.is_floating_point() or targets.is_complex():
            raise ShapeError(
                f"labels are {targets.dtype} of shape {tuple(targets.shape)}; expected whole "
                "numbers (n_samples,)."
            )
        targets = targets.long()
        if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < self.n_classes:
            raise LabelError(
                f"labels lie in {int(targets.min())} to {int(targets.max())}, but n_classes="
                f"{self.n_classes} means 0 to {self.n_classes - 1}; number the classes from 0."
            )
        return Dataset(found.data, targets, found.weights)

    @staticmethod
    def _thinned(v: Tensor, share: float, generator: torch.Generator) -> Tensor:
        if share == 0:
            return v
        kept = torch.rand(v.shape, generator=generator, dtype=v.dtype, device=v.device) >= share
        return v * kept / (1 - share)


class _CrossEntropy(SteppedSolver):
    """Steps of an optimizer along the gradient of the cross-entropy."""

    momentum = 0.0

    def __init__(
        self,
        learning_rate: float,
        optimizer: str | Callable,
        scheduler: str | Callable | None,
        weight_decay: float,
    ):
        check_number(learning_rate=learning_rate)
        if not learning_rate > 0:
            raise ArgumentError(f"learning_rate={learning_rate}; it must be above 0.")
        self.learning_rate, self.optimizer = learning_rate, optimizer
        self.scheduler, self.weight_decay = scheduler, weight_decay

    def prepare(self, model: Any, data: Dataset, epochs: int, generator: torch.Generator) -> None:
        first = model.dbn.layers[0]
        if isinstance(first, Standardised):
            first.prepare(data)
        self.build([p for p in model.parameters() if p.requires_grad], epochs)

    def step(self, model: Any, batch: Dataset, generator: torch.Generator) -> dict[str, Tensor]:
        assert batch.targets is not None  # noqa: S101
        targets = batch.targets.to(model.device)
        logits = model.noisy_logits(as_visible(batch.data, model), generator)
        losses = cross_entropy(logits, targets, reduction="none")
        shares = shares_of(batch, losses)
        loss = weighted_mean(losses, shares)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        right = (logits.argmax(1) == targets).to(losses)
        return {"loss": loss.detach(), "accuracy": weighted_mean(right, shares)}


class _Validation(Callback):
    """Record loss and accuracy of samples put aside; keep the parameters of the lowest loss."""

    def __init__(self, aside: Dataset):
        self.aside = aside

    def on_start(self, training: Training) -> None:
        self._best, self._kept = float("inf"), snapshot(training.model)

    @torch.no_grad()
    def on_epoch_end(self, training: Training) -> None:
        model: Any = training.model
        targets = self.aside.targets
        assert targets is not None  # noqa: S101
        logits = model._logits(self.aside.data)
        losses = cross_entropy(logits, targets.to(logits.device), reduction="none")
        shares = shares_of(self.aside, losses)
        right = (logits.argmax(1) == targets.to(logits.device)).to(losses)
        loss, accuracy = (float(weighted_mean(x, shares)) for x in (losses, right))
        training.history.amend(validation_loss=loss, validation_accuracy=accuracy)
        if loss < self._best:
            self._best, self._kept = loss, snapshot(model)

    def on_end(self, training: Training) -> None:
        training.model.load_state_dict(self._kept)
