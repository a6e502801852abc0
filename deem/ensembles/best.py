"""The best parameters of each group, and which groups have stopped."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deem.core.training import snapshot
from deem.ensembles.bank import LearnerBank

__all__ = ["BestWeights"]


class BestWeights:
    """Parameters of every group where a series of held-out samples was best.

    Parameters
    ----------
    bank : LearnerBank
        What is watched.
    maximise : bool
        Whether larger is better.
    patience : int, optional
        Epochs without improvement after which a group stops; None never stops one.

    Attributes
    ----------
    state : dict of Tensor
        Parameters at the best epoch.
    epoch : (groups,) int
        The best epoch, from 1; 0 before the first one.
    stopped_at : (groups,) int
        The epoch in which a group stopped, 0 while it goes on.
    """

    def __init__(self, bank: LearnerBank, maximise: bool = False, patience: int | None = None):
        self.sign, self.patience = (-1 if maximise else 1), patience
        self.state, self._last = snapshot(bank), snapshot(bank)  # type: ignore[arg-type]
        self.value = torch.full((bank.groups,), torch.inf, dtype=torch.float64)
        self.epoch = torch.zeros(bank.groups, dtype=torch.int64)
        self.stopped_at = torch.zeros(bank.groups, dtype=torch.int64)

    def see(self, values: Tensor, bank: LearnerBank, epoch: int) -> None:
        """Take in the values (groups,) of an epoch."""
        values, goes_on = self.sign * values.double(), self.stopped_at == 0
        better = goes_on & (values < self.value)
        self.value = torch.where(better, values, self.value)
        self.epoch[better] = epoch
        _copy_groups(bank, bank.state_dict(), self.state, better)
        if self.patience is not None:
            stops = goes_on & (epoch - self.epoch >= self.patience)
            self.stopped_at[stops] = epoch
            _copy_groups(bank, bank.state_dict(), self._last, stops)

    @property
    def all_stopped(self) -> bool:
        """Whether no group goes on."""
        return bool((self.stopped_at > 0).all())

    def put_back_last(self, bank: LearnerBank) -> None:
        """Give groups that have stopped the parameters with which they did."""
        _copy_groups(bank, self._last, bank.state_dict(), self.stopped_at > 0)

    def content(self) -> dict[str, Any]:
        """Everything an exact resume needs."""
        return {**vars(self)}

    def restore(self, content: dict[str, Any]) -> None:
        """Inverse of `content`, on the device of the bank."""
        for name in ("state", "_last"):
            own = getattr(self, name)
            content = {**content, name: {k: v.to(own[k]) for k, v in content[name].items()}}
        vars(self).update(content)


def _copy_groups(
    bank: LearnerBank, source: dict[str, Tensor], target: dict[str, Tensor], groups: Tensor
) -> None:
    """Copy the parameters of chosen groups (groups,) bool of a bank between two states."""
    if not groups.any():
        return
    for name, value in source.items():
        if bank.is_stacked:
            chosen = groups.to(value.device)
            target[name][chosen] = value[chosen]
        else:
            target[name].copy_(value)
