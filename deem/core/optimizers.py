"""Optimisers and learning-rate schedules by name; objects of one's own are made by a callable."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer, lr_scheduler

from deem.utils.exception import ArgumentError, check_choice, check_number

__all__ = ["OPTIMIZERS", "SCHEDULERS", "Lookahead", "make_optimizer", "make_scheduler"]

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
"""Names that `make_optimizer` knows."""
SCHEDULERS = ("none", "cosine", "step", "onecycle", "lookahead")
"""Names that `make_scheduler` knows."""


def make_optimizer(
    optimizer: str | Optimizer | Callable[[Iterable[Any]], Optimizer],
    parameters: Iterable[Any],
    learning_rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    fused: bool = False,
) -> Optimizer:
    """Optimizer over parameters.

    Parameters
    ----------
    optimizer : str, class, callable or Optimizer
        "sgd", "adam", "adamw", "rmsprop"; a torch class, which gets rate, decay and, where it has
        one, momentum; any other callable that takes the parameters and returns a torch optimizer
        of its own settings; or an optimizer of these parameters.
    parameters : iterable of Tensor, or of dict
        What is optimised; dicts are groups in the sense of torch.
    learning_rate, momentum, weight_decay : float
        At least 0; momentum acts on sgd and rmsprop, below 1.
    fused : bool
        Whether sgd, adam and adamw by name step all numbers in one pass, which is faster for
        millions of them and rounds differently.
    """
    check_number(momentum=momentum, weight_decay=weight_decay)
    if not (0 <= momentum < 1 and weight_decay >= 0):
        raise ArgumentError(
            f"momentum={momentum}, weight_decay={weight_decay}; expected momentum in [0, 1) and "
            "weight_decay of at least 0."
        )
    if not isinstance(optimizer, Optimizer) and not callable(optimizer):
        check_choice("optimizer", optimizer, OPTIMIZERS)
    parameters = list(parameters)
    if not parameters:
        raise ArgumentError(
            "no parameter of the model has requires_grad=True, so there is nothing to train; call "
            "requires_grad_() on the model, or leave out its training."
        )
    if isinstance(optimizer, Optimizer):
        return _own(optimizer, parameters)
    if isinstance(optimizer, type):
        return _built(optimizer, parameters, learning_rate, momentum, weight_decay)
    if callable(optimizer):
        return optimizer(parameters)
    common: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    if optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, momentum=momentum, **common)
    if fused:
        common["fused"] = True
    if optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=momentum, **common)
    adam = torch.optim.Adam if optimizer == "adam" else torch.optim.AdamW
    return adam(parameters, **common)


def _built(
    optimizer: type[Optimizer],
    parameters: Iterable[Any],
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> Optimizer:
    """An optimizer of a class; as with those by name, momentum is for those that have one."""
    taken = inspect.signature(optimizer).parameters
    settings: dict[str, Any] = {"lr": learning_rate}
    if "momentum" in taken:
        settings["momentum"] = momentum
    if weight_decay:
        settings["weight_decay"] = weight_decay
    if unknown := [name for name in settings if name not in taken]:
        raise ArgumentError(
            f"optimizer={optimizer.__name__} takes no {', '.join(unknown)}; leave it out, or pass "
            "functools.partial of the class with settings of its own."
        )
    return optimizer(parameters, **settings)


def _own(optimizer: Optimizer, parameters: Iterable[Tensor]) -> Optimizer:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) not in held for p in parameters):
        raise ArgumentError(
            f"optimizer={type(optimizer).__name__} holds other tensors than the parameters of the "
            "model; pass a callable that makes it, such as "
            f"functools.partial(torch.optim.{type(optimizer).__name__}, lr=0.01)."
        )
    return optimizer


def make_scheduler(
    scheduler: str | lr_scheduler.LRScheduler | Callable[[Optimizer], Any] | None,
    optimizer: Optimizer,
    epochs: int,
) -> Any:
    """Schedule that is stepped once an epoch, or None.

    Parameters
    ----------
    scheduler : str, callable, LRScheduler or None
        None or "none"; "cosine" (to zero over the epochs), "step" (divided by 10 after each third
        of the epochs), "onecycle" (peak at the optimizer's rate), "lookahead"; a callable that
        takes the optimizer and returns a torch scheduler; or a scheduler of this optimizer.
    optimizer : Optimizer
        What is scheduled.
    epochs : int
        Planned length of the training.
    """
    if scheduler is None or scheduler == "none":
        return None
    if isinstance(scheduler, lr_scheduler.LRScheduler):
        if scheduler.optimizer is not optimizer:
            raise ArgumentError(
                f"scheduler={type(scheduler).__name__} belongs to another optimizer; pass a "
                "callable that takes the optimizer and makes it."
            )
        return scheduler
    if callable(scheduler):
        return scheduler(optimizer)
    check_choice("scheduler", scheduler, SCHEDULERS)
    if scheduler == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, max(epochs, 1))
    if scheduler == "step":
        return lr_scheduler.StepLR(optimizer, max(epochs // 3, 1))
    if scheduler == "onecycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=max(epochs, 1) + 1)
    return Lookahead(optimizer)


class Lookahead:
    """Slow weights that follow the fast ones, stepped like a schedule.

    Parameters
    ----------
    optimizer : Optimizer
        Moves the fast weights.
    period : int
        Steps between two synchronisations, at least 1.
    share : float
        How far the slow weights go towards the fast ones, in (0, 1].

    References
    ----------
    .. [1] Zhang, Lucas, Hinton, Ba (2019), Lookahead optimizer: k steps forward, 1 step back.
    """

    def __init__(self, optimizer: Optimizer, period: int = 5, share: float = 0.5):
        if period < 1 or not 0 < share <= 1:
            raise ArgumentError(
                f"period={period}, share={share}; expected period of at least 1, share in (0, 1]."
            )
        self.fast = [p for group in optimizer.param_groups for p in group["params"]]
        self.slow = [p.detach().clone() for p in self.fast]
        self.period, self.share, self.count = period, share, 0

    @torch.no_grad()
    def step(self) -> None:
        """Count one step; synchronise when the period is full."""
        self.count += 1
        if self.count % self.period == 0:
            for slow, fast in zip(self.slow, self.fast, strict=True):
                slow.lerp_(fast, self.share)
                fast.copy_(slow)

    def state_dict(self) -> dict[str, Any]:
        """Slow weights and the count."""
        return {"slow": self.slow, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        for slow, saved in zip(self.slow, state["slow"], strict=True):
            slow.copy_(saved)
        self.count = state["count"]
