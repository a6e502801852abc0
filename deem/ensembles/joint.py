"""Training of ensembles between independent (0) and joint (1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.solvers import SteppedSolver
from deem.ensembles.bank import LearnerBank, as_inputs
from deem.ensembles.best import BestWeights
from deem.ensembles.measures import Objective, Totals, evaluate, targets_of
from deem.ensembles.rows import Rows, Stream
from deem.math.decomposition import checked_beta
from deem.utils.exception import ArgumentError, check_choice, check_number, check_whole

__all__ = ["MONITORS", "JointTraining"]

MONITORS = {
    "val_loss": False,
    "val_ensemble_loss": False,
    "val_individual_loss": False,
    "val_accuracy": True,
    "val_individual_accuracy": True,
}
"""Series that choose the best epoch, and whether larger is better."""


class JointTraining(SteppedSolver):
    r"""Steps of an optimizer along the gradient of the augmented objective of each group.

    .. math:: L_\beta = (1 - \beta)\,\mathrm{IND} + \beta\,\mathrm{ENS}

    See `deem.math.decomposition.augmented_objective`. The groups of a bank do not act on each
    other as long as the optimizer treats every number on its own, as all by name do. Draws for a
    group come from a stream of its seed, but for those of layers such as dropout, which come from
    that of the first seed for the whole bank.

    Parameters
    ----------
    beta : float or sequence of float
        In [0, 1]; one a copy of a seed.
    aggregate : {"score", "prob"}
        What is averaged over learners.
    loss : {"ce", "mse"}
        Cross-entropy, or squared error.
    reduction : {"sum", "mean"}
        Over learners; "sum" trains them at a pace that does not depend on their number.
    class_weight : (n_classes,), optional
        How often samples of each class count.
    learner_dropout : float
        Share of the learners, in [0, 1), that a sample does not reach in training. A sample that
        reaches none is left out.
    augment : callable, optional
        Takes samples (batch, ...) and a generator and gives changed ones, for training.
    learning_rate, momentum, weight_decay, optimizer, scheduler
        As in `make_optimizer` and `make_scheduler`. A
        ``torch.optim.lr_scheduler.ReduceLROnPlateau`` sees the monitored series of one group.
    validation : Rows or Stream, optional
        Held-out samples, measured after every epoch.
    monitor : str
        A name of `MONITORS`; the series of held-out samples by which the best epoch is chosen.
    patience : int, optional
        Epochs without improvement after which a group stops; None does not stop.

    Attributes
    ----------
    histories : list of History
        One a group; the bank's own history has the means over groups.
    best : BestWeights or None
        Where held-out samples were best.

    References
    ----------
    .. [1] Jeffares, Liu, Crabbé, van der Schaar (2023), Joint training of deep ensembles fails due
       to learner collusion, NeurIPS.
    .. [2] Webb et al. (2019), To ensemble or not ensemble: when does end-to-end training fail?
    """

    default_epochs = 60

    def __init__(
        self,
        beta: float | Sequence[float] = 0.0,
        *,
        aggregate: str = "score",
        loss: str = "ce",
        reduction: str = "sum",
        class_weight: Sequence[float] | Tensor | None = None,
        learner_dropout: float = 0.0,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        learning_rate: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        optimizer: str | Callable = "adam",
        scheduler: str | Callable | None = None,
        validation: Rows | Stream | None = None,
        monitor: str = "val_ensemble_loss",
        patience: int | None = None,
    ):
        check_choice("loss", loss, ("ce", "mse"))
        check_choice("aggregate", aggregate, ("score",) if loss == "mse" else ("score", "prob"))
        check_choice("reduction", reduction, ("sum", "mean"))
        known = [m for m in MONITORS if loss == "ce" or not m.endswith("accuracy")]
        check_choice("monitor", monitor, known)
        checked_beta(beta, torch.zeros((), dtype=torch.float64))
        check_number(learner_dropout=learner_dropout, learning_rate=learning_rate)
        if not learning_rate > 0:
            raise ArgumentError(f"learning_rate={learning_rate}; it must be above 0.")
        if not 0 <= learner_dropout < 1:
            raise ArgumentError(f"learner_dropout={learner_dropout}; expected a share in [0, 1).")
        if patience is not None:
            check_whole(1, patience=patience)
            if validation is None:
                raise ArgumentError(
                    f"patience={patience} needs held-out samples; pass validation, or None."
                )
        self.beta, self.aggregate, self.loss, self.reduction = beta, aggregate, loss, reduction
        self.class_weight, self.learner_dropout = class_weight, learner_dropout
        self.augment = augment
        self.learning_rate, self.momentum = learning_rate, momentum
        self.weight_decay, self.optimizer, self.scheduler = weight_decay, optimizer, scheduler
        self.validation, self.monitor, self.patience = validation, monitor, patience

    def prepare(self, model: Any, data: Dataset, epochs: int, generator: torch.Generator) -> None:
        bank: LearnerBank = model
        self._check_validation(bank)
        self._bank, self._epoch, self._totals = bank, 0, Totals()
        self.objective = self._objective(bank)
        fused = all(p.is_floating_point() for p in bank.parameters())
        self.build([p for p in bank.parameters() if p.requires_grad], epochs, fused)
        self._check_plateau()
        self.histories = [History({"seed": s, "beta": b}) for s, b in self._cells()]
        self._draws = [_stream(seed, 1) for seed in bank.seeds]
        # Apart, so that a bank of many seeds draws for each of them as a bank of one does.
        self._layer_draws = _stream(bank.seeds[0], 2)
        self.best = None
        if self.validation is not None:
            self.best = BestWeights(bank, MONITORS[self.monitor], self.patience)

    def _objective(self, bank: LearnerBank) -> Objective:
        like = next(bank.parameters())
        # In float64, as they are told apart by their values; the objective takes them as it needs.
        betas = checked_beta(self.beta, like.new_zeros((), dtype=torch.float64)).reshape(-1)
        if len(betas) not in (1, bank.copies):
            raise ArgumentError(
                f"beta has {len(betas)} values, but the bank has {bank.copies} copies a seed; "
                "pass one each."
            )
        weight = self.class_weight
        if weight is not None:
            weight = torch.as_tensor(weight, dtype=torch.float64, device=like.device)
        betas = betas.expand(bank.copies).repeat(len(bank.seeds))
        return Objective(betas, self.aggregate, self.loss, self.reduction, weight)

    def _cells(self) -> list[tuple[int, float]]:
        """Seed and beta of every group."""
        seeds = [seed for seed in self._bank.seeds for _ in range(self._bank.copies)]
        return list(zip(seeds, self.objective.beta.tolist(), strict=True))

    def _check_validation(self, bank: LearnerBank) -> None:
        if self.validation is None:
            return
        if len(self.validation) == 0:
            raise ArgumentError("validation has no samples; pass at least one, or None.")
        bank.check_data(self.validation, "validation")

    def _check_plateau(self) -> None:
        if not _is_plateau(self._scheduler):
            return
        if self.validation is None or self._bank.groups > 1:
            raise ArgumentError(
                "scheduler is a ReduceLROnPlateau, which follows held-out samples of one "
                "ensemble; pass validation (for an estimator: eval_set or early_stopping), and "
                "train one group at a time."
            )

    def step(self, model: Any, batch: Any, generator: torch.Generator) -> dict[str, Tensor]:
        bank: LearnerBank = model
        y = targets_of(batch.targets, bank)
        x = as_inputs(batch.data, bank)
        if self.augment is not None:
            pairs = zip(x, self._draws, strict=True)
            x = torch.stack([self.augment(part, draws) for part, draws in pairs])
        with self._noise(bank):
            scores = bank.forward_each(x)
        dec = self.objective.decompose(scores, y, *self._weights(batch, scores))
        self._optimizer.zero_grad()
        self.objective.of(dec).sum().backward()
        self._optimizer.step()
        self._totals.add(self.objective.measured(scores.detach(), y, dec), len(batch))
        return {}

    def _noise(self, bank: LearnerBank) -> AbstractContextManager[Any]:
        """Where layers draw from the global generator, seed it for a while."""
        return _seeded(self._layer_draws, bank.device) if bank.may_draw else nullcontext()

    def _weights(self, batch: Rows, scores: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Weights (groups, batch, n_learners) of learners, and of samples (groups, batch)."""
        weights = mass = None
        copies = self._bank.copies
        if batch.counts is not None:
            counts = batch.counts.to(scores).transpose(0, 1).repeat_interleave(copies, 0)
            weights, mass = counts, counts.mean(-1)
        if self.learner_dropout:
            shape = scores.shape[1:3]
            kept = [torch.rand(shape, generator=g) >= self.learner_dropout for g in self._draws]
            mask = torch.stack(kept).to(scores).repeat_interleave(copies, 0)
            weights = mask if weights is None else weights * mask
        return weights, mass

    def end_epoch(self) -> dict[str, Tensor]:
        self._epoch += 1
        found = self._totals.means("train_")
        self._totals = Totals()
        if self.validation is not None:
            measured = evaluate(self._bank, self.validation, self.objective)
            found |= {f"val_{name}": value.cpu() for name, value in measured.items()}
        stopped = self._watch(found)
        for group, history in enumerate(self.histories):
            if not stopped[group]:
                history.append(**{name: float(x[group]) for name, x in found.items()})
        if _is_plateau(self._scheduler):
            self._scheduler.step(float(found[self.monitor]))
        else:
            super().end_epoch()
        return {name: value.mean() for name, value in found.items()}

    def _watch(self, found: dict[str, Tensor]) -> list[bool]:
        """Look for the best epoch; whether each group had stopped before this one."""
        if self.best is None:
            return [False] * len(self.histories)
        before = (self.best.stopped_at > 0).tolist()
        self.best.see(found[self.monitor], self._bank, self._epoch)
        # They are stepped along with the others, but shall not go far and perhaps diverge.
        self.best.put_back_last(self._bank)
        return before

    def finished(self, history: History) -> bool:
        return self.best is not None and self.best.all_stopped

    def settings(self) -> dict[str, Any]:
        left_out = ("validation", "class_weight", "beta", "augment")
        return {k: v for k, v in super().settings().items() if k not in left_out}

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "epoch": self._epoch,
            "histories": [history.to_dict() for history in self.histories],
            "draws": [g.get_state() for g in (*self._draws, self._layer_draws)],
            "best": None if self.best is None else self.best.content(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._epoch = state["epoch"]
        self.histories = [History.from_dict(content) for content in state["histories"]]
        generators = [*self._draws, self._layer_draws]
        for generator, drawn in zip(generators, state["draws"], strict=True):
            generator.set_state(drawn)
        if self.best is not None and state["best"] is not None:
            self.best.restore(state["best"])


def _is_plateau(scheduler: Any) -> bool:
    return isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)


def _stream(seed: int, key: int) -> torch.Generator:
    """Stream of draws of a seed, another one than those of first parameters and of orders."""
    state = np.random.SeedSequence([seed], spawn_key=(key,)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))


class _seeded(AbstractContextManager):  # noqa: N801
    """Layers of torch draw from a generator of ours for a while."""

    def __init__(self, generator: torch.Generator, device: torch.device):
        devices = [] if device.type == "cpu" else [device]
        self._fork = torch.random.fork_rng(devices, device_type=device.type if devices else "cuda")
        self._seed = int(torch.randint(2**62, (), generator=generator))
        self._device = device

    def __enter__(self) -> None:
        self._fork.__enter__()
        # torch.manual_seed() seeds all devices, of which only this one is put back.
        torch.default_generator.manual_seed(self._seed)
        if self._device.type != "cpu":
            module = getattr(torch, self._device.type)
            with module.device(self._device):
                module.manual_seed(self._seed)

    def __exit__(self, *error: Any) -> None:
        self._fork.__exit__(*error)
