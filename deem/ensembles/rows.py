"""Training data of several seeds side by side, and data sets that are read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from deem.core.dataset import Dataset
from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["Rows", "Stream", "as_rows"]


class Rows(Dataset):
    """Samples of several seeds with their targets, one input of each seed a row.

    Parameters
    ----------
    data : (n_samples, n_seeds, ...)
        What the learners see.
    targets : (n_samples, n_seeds) int or (n_samples, n_seeds, n_outputs)
        Classes from 0, or values.
    counts : (n_samples, n_seeds, n_learners), optional
        How often each learner sees a sample, for bootstrap.
    joins_last : bool
        Whether a single sample that is left over at the end of an epoch joins the batch before
        it, for networks that cannot learn from one sample.
    """

    data: Tensor
    targets: Tensor

    def __init__(
        self, data: Tensor, targets: Tensor, counts: Tensor | None = None, joins_last: bool = False
    ):
        super().__init__(data, targets)
        self.counts, self.joins_last = counts, joins_last

    def take(self, rows: Tensor) -> Rows:
        counts = None if self.counts is None else self.counts[rows]
        return Rows(self.data[rows], self.targets[rows], counts)

    def batches(
        self, batch_size: int | None = None, generator: torch.Generator | None = None
    ) -> Iterator[Rows]:
        if batch_size is None:
            yield self
            return
        n = len(self)
        order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
        parts = list(order.split(batch_size))
        if self.joins_last and len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        for rows in parts:
            yield self.take(rows)


class Stream(Dataset):
    """A torch data set of pairs (sample, target), read batch by batch.

    Parameters
    ----------
    source : torch.utils.data.Dataset
        With a length; samples are tensors of one shape, targets classes from 0 or values.
    n_workers : int
        Processes that read.
    joins_last : bool
        As in `Rows`; here the single sample is left out of the epoch.
    """

    counts = None
    targets = None
    weights = None

    def __init__(self, source: Any, n_workers: int = 0, joins_last: bool = False):
        self.source, self.n_workers, self.joins_last = source, n_workers, joins_last

    def __len__(self) -> int:
        return len(self.source)

    @property
    def total_weight(self) -> float:
        return float(len(self))

    def batches(
        self, batch_size: int | None = None, generator: torch.Generator | None = None
    ) -> Iterator[Rows]:
        n, size = len(self), len(self) if batch_size is None else batch_size
        if generator is not None and hasattr(self.source, "epoch"):
            # Random crops of files are seeded by sample and epoch.
            self.source.epoch += 1
        loader = DataLoader(
            self.source,
            batch_size=size,
            shuffle=generator is not None,
            generator=generator or torch.Generator(),
            num_workers=self.n_workers,
            drop_last=self.joins_last and generator is not None and n > 1 and n % size == 1,
        )
        for x, y in loader:
            yield Rows(x.unsqueeze(1), y.unsqueeze(1))


def as_rows(
    parts: Sequence[Dataset | TorchDataset], n_workers: int = 0, joins_last: bool = False
) -> Rows | Stream:
    """Training or evaluation data of the seeds of a bank, one part a seed.

    Raises
    ------
    ArgumentError
        If a part has no targets, or torch data sets are given for several seeds.
    ShapeError
        If the parts have unlike shapes.
    """
    if all(isinstance(part, Dataset) for part in parts):
        return _stacked(parts, joins_last)  # type: ignore[arg-type]
    if len(parts) > 1:
        raise ArgumentError(
            f"{len(parts)} torch data sets were given; they are read for one seed at a time."
        )
    return Stream(parts[0], n_workers, joins_last)


def _stacked(parts: Sequence[Dataset], joins_last: bool) -> Rows:
    data, targets = [], []
    for part in parts:
        if part.targets is None:
            raise ArgumentError("data has no targets; pass Dataset(data, targets).")
        data.append(part.data)
        targets.append(part.targets)
    for name, found in (("data", data), ("targets", targets)):
        shapes = {tuple(x.shape) for x in found}  # type: ignore[union-attr]
        if len(shapes) > 1:
            raise ShapeError(
                f"{name} of the seeds has the shapes {sorted(shapes)}; make them alike, or train "
                "one seed at a time."
            )
    return Rows(torch.stack(data, 1), torch.stack(targets, 1), joins_last=joins_last)  # type: ignore[arg-type]
