"""Data in memory, handed out in whole-tensor batches."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from deem.core.votes import Votes
from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["Dataset"]


class Dataset:
    """Samples with optional targets and weights; a batch is a smaller `Dataset`.

    Parameters
    ----------
    data : (n_samples, ...) Tensor or array, or Votes
        What the model sees. Floating-point arrays keep their precision.
    targets : (n_samples, ...), optional
        Labels, for models that learn from them and for monitoring.
    weights : (n_samples,), optional
        How often each sample counts, at least 0; for votes the default is their own weights.

    Examples
    --------
    >>> batches = list(Dataset(torch.arange(5.0)).batches(2))
    >>> [len(batch) for batch in batches]
    [2, 2, 1]
    """

    def __init__(
        self,
        data: Tensor | np.ndarray | Votes,
        targets: Tensor | np.ndarray | None = None,
        weights: Tensor | np.ndarray | None = None,
    ):
        self.data: Votes | Tensor
        if isinstance(data, Votes):
            self.data = data if weights is None else data.with_weights(np.asarray(weights))
            weights = self.data.weights
        else:
            self.data = torch.as_tensor(data)
        self.targets = None if targets is None else torch.as_tensor(targets)
        self.weights = None if weights is None else torch.as_tensor(weights)
        for name, value in (("targets", self.targets), ("weights", self.weights)):
            if value is not None and len(value) != len(self):
                raise ShapeError(f"{name} has {len(value)} rows, but data has {len(self)}.")

    @classmethod
    def wrap(cls, data: "Dataset | Tensor | np.ndarray | Votes") -> "Dataset":
        """`data` itself if it is a Dataset already, else a Dataset of it."""
        return data if isinstance(data, Dataset) else cls(data)

    @property
    def total_weight(self) -> float:
        """Sum of the weights, the number of samples where there are none."""
        return float(len(self)) if self.weights is None else float(self.weights.sum())

    def __len__(self) -> int:
        return self.data.n_samples if isinstance(self.data, Votes) else len(self.data)

    def take(self, rows: Tensor) -> "Dataset":
        """Dataset of the chosen rows, (m,) int64."""
        targets = None if self.targets is None else self.targets[rows.to(self.targets.device)]
        if isinstance(self.data, Votes):
            return Dataset(self.data.take(rows.cpu().numpy()), targets)
        weights = None if self.weights is None else self.weights[rows.to(self.weights.device)]
        return Dataset(self.data[rows.to(self.data.device)], targets, weights)

    def batches(
        self, batch_size: int | None = None, generator: torch.Generator | None = None
    ) -> Iterator["Dataset"]:
        """Iterate once over the data.

        Parameters
        ----------
        batch_size : int, optional
            Rows a batch, the last may have fewer; None gives everything at once.
        generator : torch.Generator, optional
            Shuffles the rows; None keeps their order.
        """
        if batch_size is not None and batch_size < 1:
            raise ArgumentError(f"batch_size={batch_size}; it must be at least 1.")
        if batch_size is None or (batch_size >= len(self) and generator is None):
            yield self
            return
        if generator is None:
            order = torch.arange(len(self))
        else:
            order = torch.randperm(len(self), generator=generator, device=generator.device)
        for rows in order.split(batch_size):
            yield self.take(rows)
