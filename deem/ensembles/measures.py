"""What is recorded of ensembles: losses, diversity and accuracies, one number a group."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deem.core.model import evaluating
from deem.ensembles.bank import LearnerBank, as_inputs
from deem.ensembles.rows import Rows, Stream
from deem.math.decomposition import Decomposition, aggregate, augmented_objective, decompose

__all__ = ["Objective", "Totals", "evaluate", "scores_of", "targets_of"]

_ROWS = 512


@dataclass(frozen=True)
class Objective:
    """What is minimised; see `deem.math.decomposition`.

    Parameters
    ----------
    beta : (groups,)
        In [0, 1].
    how : {"score", "prob"}
        What is averaged.
    loss : {"ce", "mse"}
        Loss of scores.
    reduction : {"sum", "mean"}
        Over learners.
    class_weight : (n_classes,), optional
        How often samples of each class count.
    """

    beta: Tensor
    how: str = "score"
    loss: str = "ce"
    reduction: str = "sum"
    class_weight: Tensor | None = None

    def decompose(
        self, scores: Tensor, y: Tensor, weights: Tensor | None = None, mass: Tensor | None = None
    ) -> Decomposition:
        """Decomposition of scores (groups, batch, n_learners, n_outputs)."""
        return decompose(
            scores, y, self.how, self.loss, weights, self.class_weight, sample_weight=mass
        )

    def of(self, decomposition: Decomposition) -> Tensor:
        """Objective (groups,) of a decomposition."""
        return augmented_objective(decomposition, self.beta, self.reduction)

    def measured(self, scores: Tensor, y: Tensor, dec: Decomposition) -> dict[str, Tensor]:
        """Series (groups,) of a batch by name."""
        found = {
            "loss": self.of(dec),
            "individual_loss": dec.individual,
            "ensemble_loss": dec.ensemble,
            "diversity": dec.diversity,
        }
        if self.loss == "ce":
            chosen = aggregate(scores, self.how).contiguous().argmax(-1)
            found["accuracy"] = (chosen == y).double().mean(-1)
            # Where classes are not next to each other in memory, argmax takes ten times as long.
            right = scores.contiguous().argmax(-1) == y.unsqueeze(-1)
            found["individual_accuracy"] = right.double().mean((-2, -1))
        return {name: value.detach().double() for name, value in found.items()}


class Totals:
    """Means over batches, by the number of their samples."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, values: dict[str, Tensor], count: int) -> None:
        """Take in the means of a batch."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + count * value
        self._count += count

    def means(self, prefix: str = "") -> dict[str, Tensor]:
        """Means so far, on the CPU."""
        return {prefix + name: (x / self._count).cpu() for name, x in self._sums.items()}


def targets_of(y: Tensor, bank: LearnerBank) -> Tensor:
    """Targets (groups, batch, ...) of the groups of a bank from (batch, n_seeds, ...)."""
    return y.to(bank.device).transpose(0, 1).repeat_interleave(bank.copies, 0)


@torch.no_grad()
def scores_of(bank: LearnerBank, data: Rows | Stream) -> tuple[Tensor, Tensor]:
    """Scores (groups, n_samples, n_learners, n_outputs) in evaluation mode, and targets.

    Both on the CPU; the targets are (groups, n_samples) or (groups, n_samples, n_outputs).
    """
    scores, targets = [], []
    with evaluating(bank):
        for batch in data.batches(_ROWS):
            scores.append(bank.forward_each(as_inputs(batch.data, bank)).cpu())
            targets.append(targets_of(batch.targets, bank).cpu())
    return torch.cat(scores, 1), torch.cat(targets, 1)


def evaluate(bank: LearnerBank, data: Rows | Stream, objective: Objective) -> dict[str, Tensor]:
    """Series (groups,) of data in evaluation mode, by name; see `Objective.measured`."""
    scores, y = scores_of(bank, data)
    return objective.measured(scores, y, objective.decompose(scores, y))
