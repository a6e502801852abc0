"""Training data of several seeds side by side, and data sets that are read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
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
        for rows in _parts(len(self), batch_size, self.joins_last, generator):
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
        As in `Rows`.
    order : (n_samples,) int, optional
        Order that is shuffled, so that each seed has its own.
    """

    counts = None
    targets = None
    weights = None

    def __init__(
        self,
        source: Any,
        n_workers: int = 0,
        joins_last: bool = False,
        order: Tensor | None = None,
    ):
        self.source, self.n_workers, self.joins_last = source, n_workers, joins_last
        self.order = order

    def __len__(self) -> int:
        return len(self.source)

    @property
    def total_weight(self) -> float:
        return float(len(self))

    def batches(
        self, batch_size: int | None = None, generator: torch.Generator | None = None
    ) -> Iterator[Rows]:
        parts = _parts(len(self), batch_size or len(self), self.joins_last, generator)
        if generator is not None and self.order is not None:
            order = self.order
            parts = (order[rows] for rows in parts)
        # The loader draws too; from a copy, the orders are those of data in memory.
        draws = torch.Generator()
        if generator is not None:
            draws.set_state(generator.get_state())
            if hasattr(self.source, "epoch"):
                # Random crops of files are seeded by sample and epoch; so a resume draws the same.
                self.source.epoch = int(torch.randint(2**31, (), generator=draws))
        loader = DataLoader(
            self.source,
            batch_sampler=(rows.tolist() for rows in parts),
            generator=draws,
            num_workers=self.n_workers,
        )
        for x, y in loader:
            yield Rows(x.unsqueeze(1), y.unsqueeze(1))


def _parts(
    n: int, batch_size: int, joins_last: bool, generator: torch.Generator | None
) -> Iterator[Tensor]:
    """Rows of each batch, in an order that is drawn at once."""
    order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
    joins = joins_last and n > 1 and n % batch_size == 1
    starts = range(0, n - 1 if joins else n, batch_size)
    return (order[a:b] for a, b in zip(starts, (*starts[1:], n), strict=False))


def as_rows(
    parts: Sequence[Dataset | TorchDataset], n_workers: int = 0, joins_last: bool = False
) -> Rows | Stream:
    """Training or evaluation data of the seeds of a bank, one part a seed.

    Raises
    ------
    ArgumentError
        If a part has no targets, or weights, or is no data set, or torch data sets are given for
        several seeds.
    ShapeError
        If the parts have unlike shapes.
    """
    for part in parts:
        if isinstance(part, (Tensor, np.ndarray, list, tuple)) or not hasattr(part, "__len__"):
            raise ArgumentError(
                f"data is a {type(part).__name__}; expected a Dataset(data, targets), or a torch "
                "data set of pairs with a length."
            )
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
        if part.weights is not None:
            raise ArgumentError(
                "data has weights, which ensembles do not use; pass Dataset(data, targets), and "
                "class_weight to weigh classes."
            )
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
