"""Labelled tasks for learners: data that ship with scikit-learn, and data drawn on the spot."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_classification,
    make_friedman1,
)

from deem.core.dataset import Dataset
from deem.core.splits import Splits, split
from deem.datasets._checks import as_rng
from deem.utils.exception import (
    ArgumentError,
    LabelError,
    ShapeError,
    check_choice,
    check_number,
    check_whole,
)

__all__ = ["TASKS", "Task", "flip_labels", "load_task"]

_INK = 16
"""Largest value of a pixel of the digits."""

_NOISY_PARTS = {"train": 1, "validation": 2}
"""Number of the random stream that the label noise of a part comes from."""

_Raw = tuple[NDArray[np.float64], NDArray[Any], "tuple[str, ...] | None"]


def flip_labels(
    y: ArrayLike, share: float, n_classes: int, rng: int | np.random.Generator | None
) -> NDArray[np.int64]:
    """Turn labels into other ones at random.

    Each label, with probability `share` and independently of all others, becomes one of the
    ``n_classes - 1`` other classes, all equally likely. A share q drawn among *all* classes, the
    true one included, is ``share = q * (n_classes - 1) / n_classes`` here.

    Parameters
    ----------
    y : (n_samples,)
        Class codes, in [0, n_classes).
    share : float
        Expected share of wrong labels, in [0, 1).
    n_classes : int
        At least 2.
    rng : int, numpy Generator or None
        From the same seed, the labels that a smaller share flips are among those that a larger
        one flips, and flipped to the same classes.

    Returns
    -------
    (n_samples,) int64
        A new array.

    Raises
    ------
    ArgumentError
        If `share` is outside of [0, 1).
    LabelError
        If a label is no class code.
    """
    check_whole(2, n_classes=n_classes)
    _check_share("share", share)
    labels = np.asarray(y)
    if labels.ndim != 1 or (len(labels) and labels.dtype.kind not in "iu"):
        raise ShapeError(
            f"y is {labels.dtype} of shape {labels.shape}; expected class codes (n_samples,)."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < n_classes:
        raise LabelError(
            f"y has labels from {labels.min()} to {labels.max()}; expected codes from 0 to "
            f"{n_classes - 1}."
        )
    draws = as_rng(rng)
    flipped = draws.random(len(labels)) < share
    shift = draws.integers(1, n_classes, len(labels))
    return np.where(flipped, (labels + shift) % n_classes, labels).astype(np.int64)


@dataclass(frozen=True)
class Task:
    """How labelled data are made and split; calling it makes the splits.

    The samples are always the same ones; the seed of a call draws only which part they fall into
    and the label noise.

    Parameters
    ----------
    name : str
        What the data are.
    load : callable () -> (X, y, names of the classes or None)
        Makes the samples.
    n_train, n_validation : int or float
        Samples or fraction of each part by default; the test part takes what is left.
    is_standardised : bool
        Whether features, and targets of a regression, are standardised by the training part.
    """

    name: str
    load: Callable[[], _Raw]
    n_train: float = 0.6
    n_validation: float = 0.2
    is_standardised: bool = True

    def __call__(
        self,
        random_state: int = 0,
        label_noise: float = 0.0,
        n_train: float | None = None,
        n_validation: float | None = None,
        n_test: float | None = None,
        noisy_validation: bool = False,
    ) -> Splits:
        """Splits of the task, see `load_task`."""
        X, y, classes = self.load()
        _check_share("label_noise", label_noise)
        if classes is None and label_noise:
            raise ArgumentError(
                f"label_noise={label_noise}, but {self.name} is a regression without classes; "
                "pass label_noise=0."
            )
        splits = split(
            X,
            y,
            n_train=self.n_train if n_train is None else n_train,
            n_validation=self.n_validation if n_validation is None else n_validation,
            n_test=n_test,
            random_state=random_state,
            stratify=classes is not None,
            name=self.name,
        )
        if self.is_standardised:
            splits = splits.standardised()
        if classes is None:
            return splits
        parts = ("train", "validation") if noisy_validation else ("train",)
        noisy = {name: _noisy(splits, name, label_noise, random_state) for name in parts}
        return replace(splits, classes=classes, **noisy)  # type: ignore[arg-type]


def load_task(
    name: str,
    random_state: int = 0,
    label_noise: float = 0.0,
    n_train: float | None = None,
    n_validation: float | None = None,
    n_test: float | None = None,
    noisy_validation: bool = False,
) -> Splits:
    """Labelled data of a name, split into parts for training, validation and test.

    Classes are spread evenly over the parts. Features of tables are standardised by the training
    part, and so are the targets of a regression; pixels lie in [0, 1].

    Parameters
    ----------
    name : str
        A key of `TASKS`.
    random_state : int
        Seed of the split and, in a stream of its own, of the label noise: the split is the same
        for every noise.
    label_noise : float
        Probability in [0, 1) that a training label is another class, each equally likely, see
        `flip_labels`. Test labels are always clean.
    n_train, n_validation, n_test : int or float, optional
        Samples of a part or fraction of all; by default those of the task, and for `n_test` all
        that is left.
    noisy_validation : bool
        Whether validation labels are as noisy as those of the training part, as they would be
        where nobody knows which labels are wrong.

    Returns
    -------
    Splits

    Raises
    ------
    ArgumentError
        If the name is unknown, the sizes do not fit, or a regression is asked for label noise.

    Examples
    --------
    >>> digits = load_task("digits", label_noise=0.3)
    >>> len(digits.train), len(digits.validation), len(digits.test)
    (600, 300, 897)
    """
    check_choice("name", name, TASKS)
    return TASKS[name](random_state, label_noise, n_train, n_validation, n_test, noisy_validation)


def _noisy(splits: Splits, name: str, label_noise: float, seed: int) -> Dataset | None:
    part = getattr(splits, name)
    if part is None or not label_noise or splits.classes is None:
        return part
    rng = np.random.default_rng([int(seed), _NOISY_PARTS[name]])
    labels = flip_labels(part.targets.numpy(), label_noise, len(splits.classes), rng)
    return Dataset(part.data, torch.from_numpy(labels))


def _check_share(name: str, value: float) -> None:
    check_number(**{name: value})
    if not 0 <= value < 1:
        raise ArgumentError(f"{name}={value}; expected a share in [0, 1).")


def _digits() -> _Raw:
    data = load_digits()
    return data.data / _INK, data.target, _names(data)


def _digits_images() -> _Raw:
    pixels, labels, classes = _digits()
    return pixels.reshape(-1, 1, 8, 8), labels, classes


def _table(load: Callable[[], Any]) -> Callable[[], _Raw]:
    def loaded() -> _Raw:
        data = load()
        return data.data, data.target, _names(data)

    return loaded


def _diabetes() -> _Raw:
    data = load_diabetes(scaled=False)
    return data.data, data.target, None


def _friedman() -> _Raw:
    X, y = make_friedman1(n_samples=1000, n_features=10, noise=1.0, random_state=0)
    return X, y, None


def _generated() -> _Raw:
    X, y = make_classification(
        n_samples=2500,
        n_features=20,
        n_informative=10,
        n_classes=4,
        class_sep=0.8,
        random_state=0,
    )
    return X, y, tuple("abcd")


def _names(data: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in data.target_names)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("digits", _digits, 600, 300, is_standardised=False),
        Task("digits_images", _digits_images, 600, 300, is_standardised=False),
        Task("breast_cancer", _table(load_breast_cancer)),
        Task("wine", _table(load_wine)),
        Task("generated", _generated),
        Task("diabetes", _diabetes, 220, 111),
        Task("friedman", _friedman),
    )
}
"""Tasks by name.

- digits: 1797 vectors of 64 pixels, 10 classes.
- digits_images: the same as images (1, 8, 8).
- breast_cancer: 569 tumours of 30 measurements, 2 classes.
- wine: 178 wines of 13 measurements, 3 classes.
- generated: 2500 points in 20 dimensions, 4 classes of two clusters each.
- diabetes: 442 patients of 10 measurements; the progression of the disease.
- friedman: 1000 points in 10 dimensions, five of which matter to a nonlinear function.
"""
