"""Data in memory, handed out in whole-tensor batches."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from deem.core.votes import Votes
from deem.utils.exception import ArgumentError, ShapeError, check_whole

__all__ = ["Dataset"]

_OTHER_FORMS = (
    "for a DataLoader or a torch Dataset the tensors behind it, for a sparse matrix x.toarray(), "
    "sequences cut to one length"
)


class Dataset:
    """Samples with optional targets and weights; a batch is a smaller `Dataset`.

    Parameters
    ----------
    data : (n_samples, ...) Tensor, array, frame or list of such rows, or Votes
        What the model sees. Floating-point arrays keep their precision.
    targets : (n_samples, ...), optional
        Labels as numbers, for models that learn from them and for monitoring.
    weights : (n_samples,), optional
        How often each sample counts, at least 0; for votes the default is their own weights.

    Raises
    ------
    ArgumentError
        If one of them makes no tensor of real numbers, or not one of as many rows.

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
            self.data = _as_tensor("data", data)
        self.targets = None if targets is None else _as_tensor("targets", targets)
        self.weights = None if weights is None else _as_tensor("weights", weights)
        for name, value in (("targets", self.targets), ("weights", self.weights)):
            if value is not None and len(value) != len(self):
                raise ShapeError(f"{name} has {len(value)} rows, but data has {len(self)}.")

    @classmethod
    def wrap(cls, data: "Dataset | TensorDataset | Tensor | np.ndarray | Votes") -> "Dataset":
        """`data` itself if it is a Dataset already, else a Dataset of it.

        The tensors of a torch TensorDataset are data, targets and weights, in this order.
        """
        if isinstance(data, TensorDataset):
            return cls(*data.tensors)
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
        if batch_size is not None:
            check_whole(1, batch_size=batch_size)
        if batch_size is None or (batch_size >= len(self) and generator is None):
            yield self
            return
        if generator is None:
            order = torch.arange(len(self))
        else:
            order = torch.randperm(len(self), generator=generator, device=generator.device)
        for rows in order.split(batch_size):
            yield self.take(rows)


def _as_tensor(name: str, x: Any) -> Tensor:
    """Tensor of numbers with a first axis, of anything that is one."""
    if isinstance(x, Tensor):
        found = x.detach() if x.requires_grad else x
    else:
        try:
            if isinstance(x, (list, tuple)) and x and isinstance(x[0], Tensor):
                found = torch.stack(tuple(x))
            elif hasattr(x, "__array__") or (isinstance(x, (list, tuple)) and len(x)):
                # Torch takes neither frames, nor negative strides, nor without a warning what is
                # read-only or a list of arrays.
                found = torch.as_tensor(np.require(x, requirements=["C", "W"]))
            else:
                found = torch.as_tensor(x)
        except (TypeError, ValueError, RuntimeError) as error:
            hint = "number the classes from 0" if name == "targets" else _OTHER_FORMS
            raise ArgumentError(
                f"{name} is a {type(x).__name__} that makes no tensor of numbers ({error}); "
                f"pass a tensor or an array (n_samples, ...), {hint}."
            ) from error
    if found.dim() == 0 or found.is_complex():
        raise ShapeError(
            f"{name} is {found.dtype} of shape {tuple(found.shape)}; expected real numbers "
            "(n_samples, ...)."
        )
    return found
