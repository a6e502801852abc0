"""Ensembles from independent to joint training, over several seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset as TorchDataset

from deem.core.optimizers import make_optimizer, make_scheduler
from deem.core.splits import Splits
from deem.core.training import Callback, Checkpoint
from deem.ensembles._described import digest_of_data, digest_of_networks, plain
from deem.ensembles._sweep_folder import check_data, done_cells, opened
from deem.ensembles.bank import LearnerBank, as_inputs
from deem.ensembles.base import DeepEnsemble, learner_factory
from deem.ensembles.cells import train_cells
from deem.ensembles.classifier import DeepEnsembleClassifier
from deem.ensembles.collusion import diagnose
from deem.ensembles.joint import JointTraining
from deem.ensembles.measures import scores_of
from deem.ensembles.regressor import DeepEnsembleRegressor
from deem.ensembles.results import Cell, SweepResult, load_cells
from deem.ensembles.rows import as_rows
from deem.utils.exception import ArgumentError, ModelFileError, NonFiniteError, check_whole

__all__ = ["BetaSweep"]

_DIAGNOSED = (
    *("debiased_drop", "collusion_index", "error_correlation"),
    *("disagreement", "effective_learners", "oracle_accuracy"),
)

_DROPPED = {0.25: "quarter", 0.5: "half", 0.75: "three_quarters"}
"""Shares of the learners that are dropped at random, and what they are called."""


class BetaSweep:
    """Train the same ensemble at several degrees of joint training.

    All degrees of a seed start from the same parameters and see the same batches, and are trained
    side by side in one bank. A cell, which is a seed and a beta, does not depend on which others
    are trained, but for rounding.

    Parameters
    ----------
    estimator : DeepEnsembleClassifier or DeepEnsembleRegressor, optional
        Its parameters are those of all ensembles, but for ``beta``, ``random_state`` and what
        holds samples out. By default a classifier or regressor as the targets ask for.
    betas : sequence of float
        In [0, 1].
    seeds : int or sequence of int
        Of parameters, draws and data; an int n stands for 0, ..., n - 1.
    n_jobs : int, optional
        Processes that train seeds side by side; see joblib.
    augment : callable, optional
        Changes samples in training, as `JointTraining` has it.
    n_workers : int
        Processes that read torch data sets.

    Examples
    --------
    >>> from deem.datasets import load_task
    >>> estimator = DeepEnsembleClassifier(n_learners=3, epochs=5)
    >>> sweep = BetaSweep(estimator, betas=[0, 1], seeds=2)
    >>> result = sweep.run(lambda seed: load_task("wine", seed))
    >>> result.values("accuracy").shape
    (2, 2)
    """

    def __init__(
        self,
        estimator: DeepEnsemble | None = None,
        betas: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0),
        seeds: int | Sequence[int] = 5,
        n_jobs: int | None = None,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        n_workers: int = 0,
    ):
        if not (estimator is None or isinstance(estimator, DeepEnsemble)):
            raise ArgumentError(
                f"estimator={estimator!r}; pass a DeepEnsembleClassifier or -Regressor, or None."
            )
        self.estimator, self.n_jobs = estimator, n_jobs
        self.training = {"augment": augment, "n_workers": n_workers}
        self.betas, self.seeds = _checked_betas(betas), _checked_seeds(seeds)

    def run(
        self,
        splits: Splits | Callable[[int], Splits],
        folder: str | Path | None = None,
        *,
        checkpoint_every: int = 10,
        callbacks: Sequence[Callback] = (),
    ) -> SweepResult:
        """Train and measure all cells.

        Parameters
        ----------
        splits : Splits or callable
            Data of all seeds, or a function from a seed to its data.
        folder : str or Path, optional
            Where every seed is written as soon as it is done. A sweep that was interrupted goes
            on where it was, and cells that are there are not trained again; the settings, and
            what networks and functions do, must be the same, the betas and seeds need not.
        checkpoint_every : int
            Epochs between two states of a running training in `folder`.
        callbacks : sequence of Callback
            Of every training.

        Returns
        -------
        SweepResult
            Of the cells of this sweep.

        Raises
        ------
        ArgumentError
            If the folder holds something else, or a sweep of other settings or data.
        NonFiniteError
            If a training diverged; cells that were done are in the folder.
        """
        from joblib import Parallel, delayed

        check_whole(1, checkpoint_every=checkpoint_every)
        of_seed = partial(_checked_splits, splits)
        settings = self._settings(of_seed(self.seeds[0]))
        place = None
        if folder is not None:
            place = opened(Path(folder), settings)
            check_data(place, self.seeds, of_seed)
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(self._of_seed)(seed, of_seed, place, checkpoint_every, callbacks)
            for seed in self.seeds
        )
        result = SweepResult([cell for cells in found for cell in cells], settings)
        if place is not None:
            everything = sorted(load_cells(place), key=lambda c: (c.seed, c.beta))
            SweepResult(everything, settings).write_tables(place)
        return result

    def _settings(self, splits: Splits) -> dict[str, Any]:
        trainer = _Trainer(self._estimator(splits), splits, self.seeds[0])
        left_out = ("beta", "random_state", "verbose", "device", "backend")
        params = trainer.estimator.get_params(deep=False).items()
        factories = [trainer.factory] if callable(trainer.factory) else trainer.factory
        return {
            "estimator": type(trainer.estimator).__name__,
            "data": splits.name,
            "params": {name: plain(value) for name, value in params if name not in left_out},
            # A name may stand for another network than it did.
            "network": digest_of_networks(factories),
            "augment": plain(self.training["augment"]),
        }

    def _estimator(self, splits: Splits) -> DeepEnsemble:
        if self.estimator is not None:
            return self.estimator
        return DeepEnsembleRegressor() if splits.classes is None else DeepEnsembleClassifier()

    def _of_seed(
        self,
        seed: int,
        of_seed: Callable[[int], Splits],
        place: Path | None,
        every: int,
        callbacks: Sequence[Callback],
    ) -> list[Cell]:
        splits = of_seed(seed)
        trainer = _Trainer(self._estimator(splits), splits, seed)
        trainer.settings |= self.training
        done = {} if place is None else done_cells(place, seed, self.betas, trainer.digest)
        left = [beta for beta in self.betas if beta not in done]
        for betas in trainer.together(left):
            for cell in trainer.cells(betas, place, every, callbacks):
                done[cell.beta] = cell
        return [done[beta] for beta in self.betas]


class _Trainer:
    """Cells of one seed."""

    def __init__(self, estimator: DeepEnsemble, splits: Splits, seed: int):
        self.estimator, self.splits, self.seed = estimator, splits, seed
        self.digest = digest_of_data(splits)
        self.loss = "mse" if isinstance(estimator, DeepEnsembleRegressor) else "ce"
        self.how = getattr(estimator, "aggregate", "score")
        learned, targets = _learned(splits, self.loss)
        self.settings = {
            **estimator.training_settings(),
            **estimator._settings(learned, targets),
        }
        if splits.validation is None:
            self.settings["patience"] = None
        shape = _first(splits)[0].shape
        self.factory: Callable[[], nn.Module] | Sequence[Callable[[], nn.Module]] = (
            learner_factory(
                estimator.learner, shape, estimator._n_outputs(learned), estimator.learner_params
            )
        )

    def together(self, betas: list[float]) -> list[list[float]]:
        """Betas in the groups in which they are trained side by side."""
        alone = not callable(self.factory) or _is_stream(self.splits) or self._acts_on_others()
        return [[beta] for beta in betas] if alone else [betas] if betas else []

    def _acts_on_others(self) -> bool:
        """Whether groups of a bank are not independent of each other."""
        chosen = self.estimator
        if not isinstance(chosen.optimizer, str):
            return True
        rates = chosen.learning_rate, chosen.momentum, chosen.weight_decay
        made = make_optimizer(chosen.optimizer, [torch.zeros(1, requires_grad=True)], *rates)
        schedule = make_scheduler(chosen.scheduler, made, max(chosen.epochs, 1))
        if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            return True
        assert callable(self.factory)  # noqa: S101
        bank = LearnerBank(self.factory, 1)
        return bank.is_noisy or (bank.may_draw and self._draws(bank))

    def _draws(self, bank: LearnerBank) -> bool:
        """Whether networks draw in training, be it where no layer shows it."""
        first = as_rows([self.splits.train.take(torch.zeros(2, dtype=torch.int64))])  # type: ignore[union-attr]
        bank.check_data(first)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            before = torch.get_rng_state()
            bank.train().forward_each(as_inputs(first.data, bank))  # type: ignore[arg-type]
            return not torch.equal(before, torch.get_rng_state())

    def cells(
        self, betas: list[float], place: Path | None, every: int, callbacks: Sequence[Callback]
    ) -> list[Cell]:
        """Train some betas side by side; with a folder, go on from what is there and write."""
        running = (
            None if place is None else place / f".running,seed={self.seed},{self._hash(betas)}"
        )
        watching = [*callbacks, *([] if running is None else [Checkpoint(running, every)])]
        resume = running if running is not None and running.is_file() else None
        held_out = self.splits.validation
        try:
            bank, solver = train_cells(
                self.factory,
                [self.splits.train],
                seeds=[self.seed],
                beta=betas,
                callbacks=watching,
                resume=resume,
                validation_parts=None if held_out is None else [held_out],
                **self.settings,
            )
        except NonFiniteError as error:
            raise NonFiniteError(f"seed {self.seed}, betas {betas}: {error}") from error
        except (ArgumentError, ModelFileError) as error:
            if resume is None or str(resume) not in str(error):
                raise
            raise type(error)(
                f"{error} It holds a training that was interrupted; delete it to train from the "
                "start."
            ) from error
        found = self._measured(bank, solver, betas)
        if place is not None and running is not None:
            for cell in found:
                cell.save(place)
            running.unlink(missing_ok=True)
        return found

    def _measured(
        self, bank: LearnerBank, solver: JointTraining, betas: list[float]
    ) -> list[Cell]:
        rows: list[list[dict[str, Any]]] = [[] for _ in betas]
        scores: list[dict[str, Tensor]] = [{} for _ in betas]
        targets = torch.zeros(0)
        for selection, epochs in _selections(bank, solver):
            for split in ("train", "validation", "test"):
                part = getattr(self.splits, split)
                if part is None:
                    continue
                found, y = scores_of(bank, as_rows([part], self.settings["n_workers"]))
                exact = found.double()
                parts = solver.objective.decompose(exact, y)
                measured = solver.objective.measured(exact, y, parts)
                for group in range(len(betas)):
                    values = {name: float(x[group]) for name, x in measured.items()}
                    if split == "test":
                        values |= self._diagnosed(found[group], y[group])
                        scores[group][selection], targets = found[group], y[group]
                    key = {"seed": self.seed, "beta": betas[group], "split": split}
                    key |= {"selection": selection, "epoch": epochs[group]}
                    rows[group] += [{**key, "metric": k, "value": v} for k, v in values.items()]
        return [
            Cell(
                self.seed,
                beta,
                rows[group],
                solver.histories[group],
                scores[group],
                targets,
                self.how,
                bank.n_parameters,
                self.digest,
            )
            for group, beta in enumerate(betas)
        ]

    def _hash(self, betas: list[float]) -> str:
        return hashlib.sha256(repr((betas, self.digest)).encode()).hexdigest()[:12]

    def _diagnosed(self, scores: Tensor, y: Tensor) -> dict[str, float]:
        """What the diagnosis of the test scores (n, n_learners, n_outputs) adds."""
        report = diagnose(
            scores.double(), y, how=self.how, loss=self.loss, fractions=tuple(_DROPPED)
        )
        found = {name: getattr(report, name) for name in _DIAGNOSED}
        for name, point in zip(_DROPPED.values(), report.drop_curve or (), strict=True):
            found[f"drop_{name}_loss"] = point.loss_increase
            found[f"drop_{name}_accuracy"] = point.accuracy_change
        return {name: float(x) for name, x in found.items() if x is not None}


def _selections(bank: LearnerBank, solver: JointTraining) -> Iterator[tuple[str, list[int]]]:
    """Put the parameters of each selection into the bank; with the epochs they are of."""
    yield "last", [history.n_epochs for history in solver.histories]
    if solver.best is not None:
        last = {name: value.clone() for name, value in bank.state_dict().items()}
        bank.load_state_dict(solver.best.state)
        yield "best", solver.best.epoch.tolist()
        bank.load_state_dict(last)


def _first(splits: Splits) -> tuple[Tensor, Tensor]:
    """First sample that is learned from, and its target."""
    train: Any = splits.train
    x, y = train[0] if _is_stream(splits) else (train.data[0], train.targets[0])
    return torch.as_tensor(x), torch.as_tensor(y)


def _is_stream(splits: Splits) -> bool:
    return isinstance(splits.train, TorchDataset)


def _learned(splits: Splits, loss: str) -> tuple[dict[str, Any], Any]:
    """What estimators learn of targets, for targets that are codes or values already."""
    if loss == "mse":
        return {"y_location_": np.zeros(_first(splits)[1].numel())}, None
    if splits.classes is None:
        raise ArgumentError(
            f"splits '{splits.name}' has no classes, which a classifier needs; pass "
            "Splits(..., classes=...), or a DeepEnsembleRegressor."
        )
    codes = None if _is_stream(splits) else splits.train.targets.cpu().numpy()  # type: ignore[union-attr]
    return {"classes_": np.arange(len(splits.classes))}, codes


def _checked_betas(betas: Iterable[float]) -> list[float]:
    try:
        # Minus zero is zero.
        found = sorted({float(beta) + 0.0 for beta in betas})
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"betas={betas!r}; expected numbers in [0, 1].") from error
    if not found or not all(0 <= beta <= 1 for beta in found):
        raise ArgumentError(f"betas={found}; expected at least one number, all in [0, 1].")
    return found


def _checked_seeds(seeds: int | Iterable[int]) -> list[int]:
    if isinstance(seeds, Integral):
        seeds = range(int(seeds))
    if not isinstance(seeds, Iterable):
        raise ArgumentError(f"seeds={seeds!r}; expected a number of seeds, or a list of them.")
    found = list(dict.fromkeys(seeds))
    for seed in found:
        check_whole(0, seed=seed)
    if not found:
        raise ArgumentError("seeds holds no seed; pass at least one.")
    return [int(seed) for seed in found]


def _checked_splits(splits: Any, seed: int) -> Splits:
    """Data of a seed."""
    found = splits(seed) if callable(splits) else splits
    if not isinstance(found, Splits):
        raise ArgumentError(
            f"splits gives a {type(found).__name__}; pass deem.core.splits.Splits, or a function "
            "from a seed to them."
        )
    for name in ("train", "test"):
        part = getattr(found, name)
        if not hasattr(part, "__len__") or not len(part):
            raise ArgumentError(
                f"splits '{found.name}' has no samples in {name}, or no number of them; pass some."
            )
    return found
