"""Labelled data in three disjoint parts: to learn from, to choose by, and to report on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset as MapDataset

from deem.core.dataset import Dataset
from deem.utils.exception import ArgumentError, LabelError, ShapeError, check_whole

__all__ = ["Splits", "split", "split_rows"]

_ROUNDING = 1e-9
"""What a fraction times the number of samples may lack of a whole number, by rounding alone."""

_IMAGE_AXES = 4
"""Axes of a batch of images (n, channels, height, width)."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Three parts of labelled data that share no sample.

    Parameters are learnt from `train` alone. `validation` stops the training and chooses between
    models; `test` serves for nothing but the report, since a number that was chosen by is no
    longer an honest estimate.

    Parameters
    ----------
    train, test : Dataset
        Data (n, ...) float32; targets (n,) int64 class codes from 0, or (n, n_outputs)
        float32 for a regression. What does not fit into memory may be a map-style
        `torch.utils.data.Dataset` of items (x, y) in their place.
    validation : Dataset or None
        In the same form; None where nothing was put aside.
    classes : tuple of n_classes, optional
        Names of the classes in the order of their codes; None for a regression.
    name : str
        What the data are, for tables and figures.

    Raises
    ------
    ShapeError
        If a part has no targets, or samples of another shape than `train`.
    LabelError
        If a class code lies outside of `classes`.
    """

    train: Dataset | MapDataset[Any]
    validation: Dataset | MapDataset[Any] | None
    test: Dataset | MapDataset[Any]
    classes: tuple[Any, ...] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        parts = self._in_memory()
        for name, part in parts.items():
            if part.targets is None:
                raise ShapeError(f"{name} has no targets; pass Dataset(data, targets).")
            if self.classes is not None and not part.targets.is_floating_point():
                _check_codes(name, part.targets, len(self.classes))
        shapes = {name: tuple(_tensor(name, part).shape[1:]) for name, part in parts.items()}
        if len(set(shapes.values())) > 1:
            raise ShapeError(f"the parts hold samples of the shapes {shapes}; expected one shape.")

    def standardised(self) -> Splits:
        """Same parts with features of mean 0 and standard deviation 1 in `train`.

        Locations and scales come from `train` alone, so that nothing of the other parts leaks
        into the training. Vectors are standardised column by column, images (n, channels, height,
        width) channel by channel, and so are targets that are real numbers. A column that is
        constant in `train` is shifted only.

        Returns
        -------
        Splits
            New tensors; the old ones are left as they are.

        Raises
        ------
        ArgumentError
            If a part is no `Dataset` in memory.
        """
        parts = self._in_memory()
        kept = [self.train, self.validation, self.test]
        if len(parts) < sum(part is not None for part in kept):
            raise ArgumentError(
                "standardised() takes parts in memory, but one is a map-style dataset; "
                "standardise its items where they are read."
            )
        train = parts["train"]
        data = _location_and_scale(_tensor("train", train))
        targets = None
        if train.targets is not None and train.targets.is_floating_point():
            targets = _location_and_scale(train.targets)
        moved = {name: _rescaled(part, data, targets) for name, part in parts.items()}
        return replace(
            self, train=moved["train"], validation=moved.get("validation"), test=moved["test"]
        )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return tuple(torch.as_tensor(self._first()[0]).shape)

    @property
    def target_size(self) -> int:
        """Numbers in a target; 1 for a class."""
        return torch.as_tensor(self._first()[1]).numel()

    def _first(self) -> tuple[Any, Any]:
        """First sample that is learned from, and its target."""
        if isinstance(self.train, Dataset):
            first = next(self.train.batches(1))
            assert first.targets is not None  # noqa: S101
            return _tensor("train", first)[0], first.targets[0]
        return self.train[0]

    def _in_memory(self) -> dict[str, Dataset]:
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if isinstance(part, Dataset)}


def split(
    X: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    *,
    n_train: float,
    n_validation: float,
    n_test: float | None = None,
    random_state: int = 0,
    stratify: bool = False,
    name: str = "",
) -> Splits:
    """Split labelled samples at random into disjoint parts.

    No sample is in two parts: `validation` is for stopping and choosing, `test` for reporting
    only.

    Parameters
    ----------
    X : (n_samples, ...)
        Finite numbers; become float32.
    y : (n_samples,) or (n_samples, n_outputs)
        Class labels (whole numbers, booleans or strings), which become codes in the order of the
        sorted labels; or floating-point numbers, which make it a regression.
    n_train, n_validation : int or float
        Samples of a part, or a fraction in [0, 1) of all samples, rounded down. Without validation
        samples that part is None.
    n_test : int or float, optional
        None takes all that is left; what no part asks for is left out.
    random_state : int
        Seed, at least 0.
    stratify : bool
        Give every part the classes in equal proportions, up to one sample a class.
    name : str
        What the data are.

    Returns
    -------
    Splits

    Raises
    ------
    ArgumentError
        If the sizes do not fit, or a class is too rare to be in every part when stratified.
    ShapeError
        If `X` and `y` have other numbers of rows.

    Examples
    --------
    >>> parts = split(np.eye(10), np.arange(10) % 2, n_train=0.6, n_validation=2)
    >>> len(parts.train), len(parts.validation), len(parts.test), parts.classes
    (6, 2, 2, (0, 1))
    """
    data, targets, classes = _features(X), *_targets(y)
    if len(data) != len(targets):
        raise ShapeError(f"y has {len(targets)} rows, but X has {len(data)}.")
    if stratify and classes is None:
        raise ArgumentError("stratify=True, but y holds real numbers; pass class labels.")
    rows = split_rows(
        len(data),
        {"n_train": n_train, "n_validation": n_validation, "n_test": n_test},
        labels=targets.numpy() if stratify else None,
        random_state=random_state,
    )
    for size in ("n_train", "n_test"):
        if not len(rows[size]):
            raise ArgumentError(f"{size} comes to no sample of {len(data)}; ask for at least one.")
    train, validation, test = (
        Dataset(data[chosen], targets[chosen]) for chosen in map(torch.from_numpy, rows.values())
    )
    return Splits(train, validation if len(validation) else None, test, classes, name)


def split_rows(
    n_samples: int,
    sizes: Mapping[str, float | None],
    *,
    labels: NDArray[np.int64] | None = None,
    random_state: int = 0,
) -> dict[str, NDArray[np.int64]]:
    """Draw the rows of disjoint parts.

    Parameters
    ----------
    n_samples : int
        Rows to draw from.
    sizes : mapping of str to int, float or None
        Rows of each part, a fraction in [0, 1) of all, rounded down, or None for all that is left,
        which one part may be. The names appear in errors.
    labels : (n_samples,), optional
        Class codes; every part gets their proportions, up to one row a class.
    random_state : int
        Seed, at least 0.

    Returns
    -------
    dict of str to (m,) int64
        Rows of each part, in random order.

    Raises
    ------
    ArgumentError
        If the parts ask for more rows than there are, or a class is too rare to be in each of
        them.
    """
    check_whole(0, random_state=random_state)
    counts = _counts(n_samples, sizes)
    rng = np.random.default_rng(int(random_state))
    order = rng.permutation(n_samples)
    if labels is not None:
        order = order[_interleaved(np.asarray(labels)[order])]
    ends = np.cumsum(list(counts.values()))
    rows = dict(zip(counts, np.split(order, ends)[:-1], strict=True))
    if labels is not None:
        _check_classes(np.asarray(labels), rows)
    return rows


def _interleaved(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order of rows any stretch of which has all labels in their proportions.

    Sample r of the n_c of a class stands at (r + 1/2) / n_c, which is within half a sample of
    the exact proportion up to every point.
    """
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(codes, kind="stable")
    rank = np.empty(len(codes), dtype=np.int64)
    rank[by_class] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.argsort((rank + 0.5) / counts[codes], kind="stable")


def _counts(n_samples: int, sizes: Mapping[str, float | None]) -> dict[str, int]:
    """Rows of each part."""
    counts = {name: _count(name, size, n_samples) for name, size in sizes.items()}
    asked = sum(count for count in counts.values() if count is not None)
    if asked > n_samples:
        listed = ", ".join(f"{name}={size}" for name, size in sizes.items() if size is not None)
        raise ArgumentError(
            f"{listed} ask for {asked} samples, but there are {n_samples}; ask for fewer."
        )
    return {name: n_samples - asked if count is None else count for name, count in counts.items()}


def _count(name: str, size: float | None, n_samples: int) -> int | None:
    if size is None:
        return None
    if isinstance(size, Real) and not isinstance(size, Integral):
        if not 0 <= size < 1:
            raise ArgumentError(
                f"{name}={size}; expected a count, or a fraction in [0, 1) of the samples."
            )
        return floor(size * n_samples + _ROUNDING)
    check_whole(0, **{name: size})
    return int(size)


def _check_classes(labels: NDArray[np.int64], rows: Mapping[str, NDArray[np.int64]]) -> None:
    """Raise unless each part that has rows has every class."""
    for part, chosen in rows.items():
        lacking = np.setdiff1d(labels, labels[chosen])
        if len(chosen) and len(lacking):
            count = int((labels == lacking[0]).sum())
            raise ArgumentError(
                f"{part} comes to {len(chosen)} samples, none of them of class {lacking[0]}, of "
                f"which there are {count}; ask for other sizes or do not stratify."
            )


def _features(X: ArrayLike | Tensor) -> Tensor:
    data = Dataset(X).data  # type: ignore[arg-type]
    if not isinstance(data, Tensor) or data.dim() < 2:
        raise ShapeError(f"X has shape {tuple(np.shape(X))}; expected (n_samples, ...).")
    data = data.to("cpu", torch.float32)
    if not data.isfinite().all():
        row = int((~data.isfinite()).flatten(1).any(1).nonzero()[0])
        raise ArgumentError(f"X has values that are not finite, first in row {row}; fill them in.")
    return data


def _targets(y: ArrayLike | Tensor) -> tuple[Tensor, tuple[Any, ...] | None]:
    """Codes and the names of the classes, or real numbers and None."""
    values = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    if values.dtype.kind == "f" and values.ndim in (1, 2):
        if not np.isfinite(values).all():
            raise ArgumentError("y has values that are not finite; drop these samples.")
        columns = values.astype(np.float32, order="C").reshape(len(values), -1)
        return torch.from_numpy(columns), None
    if values.ndim != 1 or values.dtype.kind not in "biuUO":
        raise ShapeError(
            f"y is {values.dtype} of shape {values.shape}; expected class labels (n_samples,) or "
            "real numbers (n_samples,) or (n_samples, n_outputs)."
        )
    try:
        names, codes = np.unique(values, return_inverse=True)
    except TypeError as error:
        raise ArgumentError(
            f"y mixes labels that have no order ({error}); name all alike."
        ) from error
    return torch.from_numpy(codes.astype(np.int64)), tuple(names.tolist())


def _check_codes(name: str, targets: Tensor, n_classes: int) -> None:
    if ((targets < 0) | (targets >= n_classes)).any():
        raise LabelError(
            f"{name} has class codes from {int(targets.min())} to {int(targets.max())}, but "
            f"classes has {n_classes} names; number the classes from 0 and name them all."
        )


def _tensor(name: str, part: Dataset) -> Tensor:
    if not isinstance(part.data, Tensor):
        raise ShapeError(f"{name} holds votes; expected features (n_samples, ...).")
    return part.data


def _location_and_scale(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column or channel, in shapes that broadcast."""
    axes = [0, 2, 3] if x.dim() == _IMAGE_AXES else [0]
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    # Rounding gives a constant column a tiny variance, which must not blow up anything.
    constant = (low == high) | (variance == 0)
    return torch.where(low == high, low, mean), torch.where(constant, 1.0, variance.sqrt())


def _rescaled(
    part: Dataset, data: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor] | None
) -> Dataset:
    moved = (_tensor("data", part) - data[0]).div_(data[1])
    y = part.targets
    if targets is not None and y is not None:
        y = (y - targets[0]) / targets[1]
    return Dataset(moved, y, part.weights)
