"""What ensembles of classifiers and of regressors share: training, scores and files."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from deem.core.dataset import Dataset
from deem.core.devices import as_device
from deem.core.history import History
from deem.core.model import evaluating
from deem.core.persistence import read_file, write_file
from deem.core.splits import split_rows
from deem.core.training import ProgressBar
from deem.ensembles.bank import LearnerBank
from deem.ensembles.cells import train_cells
from deem.ensembles.learners import LEARNERS, make_learner
from deem.estimators.transformers import draw_seed
from deem.math.decomposition import checked_beta
from deem.math.random import as_generator
from deem.utils.exception import (
    ArgumentError,
    ModelFileError,
    ShapeError,
    check_number,
    check_whole,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DeepEnsemble", "learner_factory", "unchanged_by_errors"]

_FLOATS = (np.float32, np.float64)
_ROWS = 4096


class DeepEnsemble(BaseEstimator, ABC):
    """Ensemble of neural networks; you write what depends on the kind of targets."""

    n_learners: int
    learner: Any
    learner_params: Any
    beta: float
    reduction: str
    optimizer: Any
    learning_rate: float
    weight_decay: float
    momentum: float
    scheduler: Any
    epochs: int
    batch_size: int
    learner_dropout: float
    bootstrap: bool
    early_stopping: bool
    patience: int
    monitor: str
    validation_fraction: float
    backend: str
    device: Any
    random_state: Any
    verbose: bool

    bank_: LearnerBank
    history_: History
    seed_: int
    best_epoch_: int | None
    input_shape_: tuple[int, ...]

    @abstractmethod
    def _learned(self, y: NDArray[Any]) -> dict[str, Any]:
        """What is learned from targets before training: fitted attributes by name."""

    @abstractmethod
    def _coded(self, y: Any, learned: dict[str, Any], name: str) -> NDArray[Any]:
        """Targets as the training takes them."""

    @abstractmethod
    def _settings(self, learned: dict[str, Any], targets: NDArray[Any]) -> dict[str, Any]:
        """Loss and the like, as `JointTraining` takes them."""

    @abstractmethod
    def _n_outputs(self, learned: dict[str, Any]) -> int:
        """Scores of a learner."""

    def _fit(self, X: NDArray[Any], y: NDArray[Any], eval_set: Any) -> Self:
        """Train on checked arrays; attributes are set once all has gone well."""
        check_number(beta=self.beta)
        checked_beta(self.beta, torch.zeros((), dtype=torch.float64))
        learned = self._learned(y)
        targets = self._coded(y, learned, "y")
        seed = self._drawn_seed()
        train, held_out = self._parts(X, targets, learned, eval_set, seed)
        shape, n_outputs = X.shape[1:], self._n_outputs(learned)
        factory = learner_factory(self.learner, shape, n_outputs, self.learner_params)
        bank, solver = train_cells(
            factory,
            [train],
            seeds=[seed],
            beta=self.beta,
            validation_parts=None if held_out is None else [held_out],
            callbacks=[ProgressBar()] if self.verbose else [],
            **self.training_settings(),
            **self._settings(learned, targets),
        )
        best = solver.best
        if self.early_stopping and best is not None and best.epoch[0] > 0:
            bank.load_state_dict(best.state)
        learned |= {"bank_": bank, "history_": bank.history, "seed_": seed}
        learned["best_epoch_"] = None if best is None else int(best.epoch[0])
        return self._become({**learned, "input_shape_": tuple(shape)})

    def _become(self, fitted: dict[str, Any]) -> Self:
        for name, value in fitted.items():
            setattr(self, name, value)
        return self

    def training_settings(self) -> dict[str, Any]:
        """Parameters of the training that do not depend on the data, as `train_cells` has them."""
        names = (
            "n_learners epochs batch_size bootstrap backend reduction optimizer learning_rate "
            "weight_decay momentum scheduler learner_dropout monitor"
        )
        return {
            **{name: getattr(self, name) for name in names.split()},
            "device": as_device(self.device),
            "patience": self.patience if self.early_stopping else None,
        }

    def _drawn_seed(self) -> int:
        if self.random_state is None or isinstance(self.random_state, np.random.RandomState):
            return draw_seed(as_generator(self.random_state))
        check_whole(0, random_state=self.random_state)
        return int(self.random_state)

    def _parts(
        self,
        X: NDArray[Any],
        targets: NDArray[Any],
        learned: dict[str, Any],
        eval_set: Any,
        seed: int,
    ) -> tuple[Dataset, Dataset | None]:
        """Samples to learn from, and those held out."""
        if eval_set is not None:
            return _dataset(X, targets), self._held_out(eval_set, X.shape[1:], learned)
        if not self.early_stopping:
            return _dataset(X, targets), None
        rows = _held_out_rows(targets, self.validation_fraction, seed)
        return tuple(_dataset(X[r], targets[r]) for r in rows)  # type: ignore[return-value]

    def _held_out(self, eval_set: Any, shape: tuple[int, ...], learned: dict[str, Any]) -> Dataset:
        if not (isinstance(eval_set, (tuple, list)) and len(eval_set) == 2):
            raise ArgumentError(
                f"eval_set is a {type(eval_set).__name__}; expected a pair (X, y) of held-out "
                "samples."
            )
        X, y = _as_samples(self, eval_set[0]), np.asarray(eval_set[1])
        if X.shape[1:] != shape:
            raise ShapeError(
                f"eval_set has samples of shape {X.shape[1:]}, but X has {tuple(shape)}; pass "
                "samples of one shape."
            )
        if y.shape[:1] != X.shape[:1]:
            raise ShapeError(
                f"eval_set has {len(X)} samples, but targets of shape {y.shape}; pass one each."
            )
        return _dataset(X, self._coded(y, learned, "eval_set"))

    def _scores(self, X: Any) -> Tensor:
        """Scores (n_samples, n_learners, n_outputs) in float64."""
        check_is_fitted(self)
        X = _as_samples(self, X)
        if X.shape[1:] != self.input_shape_:
            raise ShapeError(
                f"X has samples of shape {X.shape[1:]}, but the ensemble was fitted to "
                f"{self.input_shape_}; reshape X."
            )
        bank = self.bank_
        if bank.backend == "bmm":
            # In float64 a row has the same digits whatever rows stand beside it.
            bank = copy.deepcopy(bank).double()
        # Frames give arrays that are read-only, of which torch warns.
        parts = torch.as_tensor(np.require(X, requirements="W")).to(bank.dtype).split(_ROWS)
        with torch.no_grad(), evaluating(bank):
            return torch.cat([bank(part.to(bank.device)).double().cpu() for part in parts])

    @property
    def learners_(self) -> list[nn.Module]:
        """Trained learners as networks of their own, n_learners of them."""
        check_is_fitted(self)
        return self.bank_.members()

    def save(self, path: str | Path) -> None:
        """Write the ensemble to one file.

        Learners are stored by name; one's own are registered by
        `deem.ensembles.register_learner`.

        Raises
        ------
        ArgumentError
            If a parameter is an object that a file cannot hold; nothing is written.
        """
        check_is_fitted(self)
        names = [self.learner] if isinstance(self.learner, str) else self.learner
        if not isinstance(names, (list, tuple)) or any(not isinstance(n, str) for n in names):
            raise ArgumentError(
                f"learner={self.learner!r} is not a name; register the factory by "
                "register_learner(), and fit with its name."
            )
        fitted = {k: v for k, v in vars(self).items() if k.endswith("_")}
        del fitted["bank_"]
        fitted["history_"] = self.history_.to_dict()
        params = {**self.get_params(deep=False), "random_state": self.seed_}
        if isinstance(self.device, torch.device):
            params["device"] = str(self.device)
        state = {k: v.cpu() for k, v in self.bank_.state_dict().items()}
        content = {"params": params, "fitted": fitted, "state": state}
        write_file(path, type(self).__name__, content)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an ensemble that ``save`` wrote, onto the CPU.

        Raises
        ------
        ModelFileError
            If the file is damaged, foreign, or of another class.
        ArgumentError
            If it holds a learner that is not registered.
        """
        _, content = read_file(path, cls.__name__)
        try:
            return cls._from_content(content)
        except (LookupError, TypeError, RuntimeError, AttributeError) as error:
            raise ModelFileError(
                f"'{path}' does not fit {cls.__name__} ({error}); load it with the version and "
                "the learners that wrote it."
            ) from error

    @classmethod
    def _from_content(cls, content: dict[str, Any]) -> Self:
        found = cls(**content["params"])
        found._become(content["fitted"])
        found.history_ = History.from_dict(content["fitted"]["history_"])
        n_outputs = found._n_outputs(content["fitted"])
        factory = learner_factory(
            found.learner, found.input_shape_, n_outputs, found.learner_params
        )
        bank = LearnerBank(factory, found.n_learners, [found.seed_], backend=found.backend)
        # The default of torch may have been another one.
        floating = [x.dtype for x in content["state"].values() if x.is_floating_point()]
        bank.to(floating[0]).load_state_dict(content["state"])
        found.bank_ = bank.eval()
        bank.history = found.history_
        return found


def learner_factory(learner: Any, shape: Any, n_outputs: int, params: Any) -> Any:
    """Factories as a bank takes them, of a name, a callable, or a sequence of one a learner."""
    if not (params is None or isinstance(params, Mapping)):
        raise ArgumentError(
            f"learner_params={params!r}; expected a dict such as {{'hidden': (64, 64)}}, or None."
        )
    if isinstance(learner, (list, tuple)):
        return [partial(make_learner, entry, tuple(shape), n_outputs, params) for entry in learner]
    if not (isinstance(learner, str) or callable(learner)):
        raise ArgumentError(
            f"learner={learner!r}; pass a name ({', '.join(LEARNERS)}), a callable that takes "
            "(input_shape, n_outputs) and returns a network, or a list of one a learner."
        )
    return partial(make_learner, learner, tuple(shape), n_outputs, params)


@contextmanager
def unchanged_by_errors(estimator: BaseEstimator) -> Iterator[None]:
    """Leave an estimator as it was if something fails, also what scikit-learn sets."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _as_samples(estimator: BaseEstimator, X: Any) -> NDArray[Any]:
    return validate_data(estimator, X, dtype=_FLOATS, allow_nd=True, reset=False)


def _dataset(X: NDArray[Any], targets: NDArray[Any]) -> Dataset:
    with np.errstate(over="ignore"):
        data = np.array(X, dtype=np.float32)
    if not np.isfinite(data).all():
        raise ArgumentError(
            f"X holds numbers up to {np.abs(X).max():.3g}, more than float32 takes; scale X, for "
            "example by sklearn.preprocessing.StandardScaler."
        )
    return Dataset(data, np.array(targets))


def _held_out_rows(
    targets: NDArray[Any], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from and rows held out, with equal shares of the classes where they allow."""
    n = len(targets)
    check_number(validation_fraction=fraction)
    if not 0 < fraction < 1:
        raise ArgumentError(
            f"validation_fraction={fraction}; expected a share between 0 and 1, both excluded."
        )
    n_aside = round(fraction * n)
    if not 0 < n_aside < n:
        raise ArgumentError(
            f"validation_fraction={fraction} of {n} samples puts {n_aside} aside; early stopping "
            "needs at least one to learn from and one held out. Pass eval_set, or "
            "early_stopping=False."
        )
    sizes = {"train": n - n_aside, "validation": n_aside}
    try:
        labels = None if targets.dtype.kind == "f" else targets
        rows = split_rows(n, sizes, labels=labels, random_state=seed)
    except ArgumentError:
        # A class is too rare to be in both.
        rows = split_rows(n, sizes, random_state=seed)
    return rows["train"], rows["validation"]
