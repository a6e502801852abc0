"""Checks of what the generators are asked for."""

import numbers
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["as_rng", "check_count", "check_fraction", "checked_prior", "checked_range"]

_ROUNDING = 1e-6
"""Largest difference of a prior's sum from one that passes for rounding."""


def as_rng(random_state: object) -> np.random.Generator:
    """Generator of numpy from None, an int or a Generator, which is returned as it is."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, numbers.Integral) and int(random_state) >= 0:
        return np.random.default_rng(int(random_state))
    raise ArgumentError(
        f"random_state={random_state!r} is no seed; pass None, an int of at least 0, or a "
        "numpy Generator."
    )


def check_count(name: str, value: object, least: int = 1) -> None:
    """Raise `ArgumentError` unless `value` is an int of at least `least`."""
    if not isinstance(value, numbers.Integral) or int(value) < least:
        raise ArgumentError(f"{name}={value!r}; it must be an int of at least {least}.")


def check_fraction(name: str, value: float) -> None:
    """Raise `ArgumentError` unless `value` lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ArgumentError(f"{name}={value}; it must be a fraction from 0 to 1.")


def checked_range(name: str, value: Sequence[float]) -> tuple[float, float]:
    """Low and high end of a range of fractions."""
    ends = np.ravel(value)
    if len(ends) != 2 or not 0 <= ends[0] <= ends[1] <= 1:
        raise ArgumentError(
            f"{name}={value!r}; it must be a range (low, high) with 0 <= low <= high <= 1."
        )
    return float(ends[0]), float(ends[1])


def checked_prior(
    prior: Sequence[float] | NDArray[np.float64] | None, n_classes: int
) -> NDArray[np.float64]:
    """Probability of each class, equal ones by default."""
    if prior is None:
        return np.full(n_classes, 1 / n_classes)
    shares = np.array(prior, dtype=np.float64)
    if shares.shape != (n_classes,):
        raise ShapeError(
            f"prior has shape {shares.shape}, expected ({n_classes},); pass one probability a "
            "class."
        )
    if not (shares >= 0).all() or abs(shares.sum() - 1) > _ROUNDING:
        raise ArgumentError(
            f"prior={shares.tolist()} is no distribution; pass non-negative numbers that sum to 1."
        )
    return shares / shares.sum()
