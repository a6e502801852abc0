"""Fast weights, which push persistent chains out of the modes they are in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deem.utils.exception import ArgumentError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = ["FastWeights"]


class FastWeights:
    r"""Parameters that are learned fast, decay fast, and are added while chains move.

    .. math:: \phi \leftarrow \gamma \phi - \eta \nabla_\theta, \qquad
        \text{chains move by } \theta + \phi

    A mode that chains stay in becomes unlikely under :math:`\theta + \phi` at once, so they leave
    it; what is learned in the end are the regular parameters :math:`\theta`.

    Parameters
    ----------
    learning_rate : float
        Above 0.
    decay : float
        In [0, 1): the share of the fast weights that each update keeps.

    References
    ----------
    .. [1] Tieleman, Hinton (2009), Using fast weights to improve persistent contrastive
       divergence.
    """

    def __init__(self, learning_rate: float = 0.01, decay: float = 0.95):
        if not learning_rate > 0:
            raise ArgumentError(f"learning_rate={learning_rate}; it must be above 0.")
        if not 0 <= decay < 1:
            raise ArgumentError(f"decay={decay}; it must lie in [0, 1).")
        self.learning_rate = learning_rate
        self.decay = decay
        self._fast: dict[str, Tensor] = {}

    @contextmanager
    def added(self, model: Model) -> Iterator[None]:
        """Add the fast weights to the parameters of a model for a while."""
        named = {name: p for name, p in model.named_parameters() if name in self._fast}
        # Put back rather than subtracted, which would leave rounding behind.
        kept = {name: p.detach().clone() for name, p in named.items()}
        try:
            with torch.no_grad():
                for name, p in named.items():
                    p.add_(self._fast[name])
            yield
        finally:
            with torch.no_grad():
                for name, p in named.items():
                    p.copy_(kept[name])

    @torch.no_grad()
    def update(self, model: Model) -> None:
        """Follow the gradients that the parameters of a model hold."""
        for name, p in model.named_parameters():
            if p.grad is not None:
                fast = self._fast.setdefault(name, torch.zeros_like(p))
                fast.mul_(self.decay).sub_(p.grad, alpha=self.learning_rate)

    def state(self) -> dict[str, Any]:
        """The fast weights, for an exact resume."""
        return {"fast": self._fast}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of ``state``."""
        self._fast = dict(state["fast"])
