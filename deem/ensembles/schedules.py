"""Learning-rate schedules of the command line, by name and with settings of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch.optim import Optimizer, lr_scheduler

__all__ = ["SCHEDULES", "named_schedule"]


def _exponential(optimizer: Optimizer, gamma: float) -> Any:
    return lr_scheduler.ExponentialLR(optimizer, gamma)


def _multistep(optimizer: Optimizer, gamma: float, epochs: tuple[int, ...]) -> Any:
    return lr_scheduler.MultiStepLR(optimizer, list(epochs), gamma)


def _linear(optimizer: Optimizer, factor: float) -> Any:
    length = math.ceil(1 / factor)
    return lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=length)


def _plateau(optimizer: Optimizer, gamma: float, patience: int, mode: str) -> Any:
    # torch waits for one epoch more than its patience.
    found: Any = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode,  # type: ignore[arg-type]
        factor=gamma,
        patience=patience - 1,
        threshold=0.0,
    )
    return found


SCHEDULES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "exponential": (_exponential, ("gamma",)),
    "multistep": (_multistep, ("gamma", "epochs")),
    "linear": (_linear, ("factor",)),
    "plateau": (_plateau, ("gamma", "patience")),
}
"""Schedules besides those of `deem.core.optimizers`, with the settings ``scheduler_...`` that
each of them takes.

- exponential: the rate times gamma after every epoch.
- multistep: the rate times gamma after each of the given epochs.
- linear: the rate falls to 0 in 1 / factor epochs.
- plateau: the rate times gamma after patience epochs in which the monitored series has not
  improved.
"""


def named_schedule(name: str, **values: Any) -> Callable[[Optimizer], Any]:
    """Callable that makes a schedule for an optimizer, as `deem.core.optimizers` takes it.

    Parameters
    ----------
    name : str
        A key of `SCHEDULES`.
    **values
        Its settings; for "plateau" also the mode, "min" or "max".

    Examples
    --------
    >>> named_schedule("exponential", gamma=0.5).__name__
    'exponential(gamma=0.5)'
    """
    found = partial(SCHEDULES[name][0], **values)
    # A sweep knows a callable by its name: another gamma must be another sweep.
    listed = ", ".join(f"{key}={value}" for key, value in values.items())
    found.__name__ = f"{name}({listed})"  # type: ignore[attr-defined]
    return found
