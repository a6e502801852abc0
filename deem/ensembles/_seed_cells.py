"""Cells of a sweep that share a seed: trained side by side where they may, and measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset as TorchDataset

from deem.core.optimizers import make_optimizer, make_scheduler
from deem.core.splits import Splits
from deem.core.training import Callback, Checkpoint
from deem.ensembles._described import digest_of_data
from deem.ensembles.bank import LearnerBank, as_inputs
from deem.ensembles.base import DeepEnsemble, learner_factory
from deem.ensembles.cells import train_cells
from deem.ensembles.collusion import diagnose
from deem.ensembles.joint import JointTraining
from deem.ensembles.measures import scores_of
from deem.ensembles.regressor import DeepEnsembleRegressor
from deem.ensembles.results import Cell
from deem.ensembles.rows import as_rows
from deem.utils.exception import ArgumentError, ModelFileError, NonFiniteError

__all__ = ["SeedCells"]

_DIAGNOSED = (
    *("debiased_drop", "collusion_index", "error_correlation"),
    *("disagreement", "effective_learners", "oracle_accuracy"),
)

_DROPPED = {0.25: "quarter", 0.5: "half", 0.75: "three_quarters"}
"""Shares of the learners that are dropped at random, and what they are called."""


class SeedCells:
    """Cells of one seed.

    Parameters
    ----------
    estimator : DeepEnsemble
        Settings of the ensembles.
    splits : Splits
        Data of the seed.
    seed : int
        Of parameters and draws.
    **training
        Further settings of `train_cells`.
    """

    def __init__(self, estimator: DeepEnsemble, splits: Splits, seed: int, **training: Any):
        self.estimator, self.splits, self.seed = estimator, splits, seed
        self.digest = digest_of_data(splits)
        self.loss = "mse" if isinstance(estimator, DeepEnsembleRegressor) else "ce"
        self.how = getattr(estimator, "aggregate", "score")
        learned, targets = _learned(splits, self.loss)
        self.settings = {
            **estimator.training_settings(),
            **estimator._settings(learned, targets),
            **training,
        }
        if splits.validation is None:
            self.settings["patience"] = None
        shape = splits.sample_shape
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
        """Train some betas side by side; with a folder, go on from what is there and write.

        If one of them diverges, each is trained apart, so that it does not end the others.
        """
        running = None if place is None else place / self._running(betas)
        watching = [*callbacks, *([] if running is None else [Checkpoint(running, every)])]
        try:
            found = self._measured(*self._trained(betas, running, watching), betas)
        except NonFiniteError as error:
            if running is not None:
                running.unlink(missing_ok=True)
            if len(betas) == 1:
                raise NonFiniteError(f"seed={self.seed}, beta={betas[0]:g}: {error}") from error
            return [c for beta in betas for c in self.cells([beta], place, every, callbacks)]
        if place is not None and running is not None:
            for cell in found:
                cell.save(place)
            running.unlink(missing_ok=True)
        return found

    def _trained(
        self, betas: list[float], running: Path | None, callbacks: Sequence[Callback]
    ) -> tuple[LearnerBank, JointTraining]:
        resume = running if running is not None and running.is_file() else None
        held_out = self.splits.validation
        try:
            return train_cells(
                self.factory,
                [self.splits.train],
                seeds=[self.seed],
                beta=betas,
                callbacks=callbacks,
                resume=resume,
                validation_parts=None if held_out is None else [held_out],
                **self.settings,
            )
        except (ArgumentError, ModelFileError) as error:
            if resume is None or str(resume) not in str(error):
                raise
            raise type(error)(
                f"{error} It holds a training that was interrupted; delete it to train from the "
                "start."
            ) from error

    def _running(self, betas: list[float]) -> str:
        """Name of the file of a training that goes on."""
        name = hashlib.sha256(repr((betas, self.digest)).encode()).hexdigest()[:12]
        return f".running,seed={self.seed},{name}"

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


def _is_stream(splits: Splits) -> bool:
    return isinstance(splits.train, TorchDataset)


def _learned(splits: Splits, loss: str) -> tuple[dict[str, Any], Any]:
    """What estimators learn of targets, for targets that are codes or values already."""
    if loss == "mse":
        return {"y_location_": np.zeros(splits.target_size)}, None
    if splits.classes is None:
        raise ArgumentError(
            f"splits '{splits.name}' has no classes, which a classifier needs; pass "
            "Splits(..., classes=...), or a DeepEnsembleRegressor."
        )
    codes = None if _is_stream(splits) else splits.train.targets.cpu().numpy()  # type: ignore[union-attr]
    return {"classes_": np.arange(len(splits.classes))}, codes
