"""The centred gradient of restricted Boltzmann machines."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deem.utils.exception import ArgumentError

__all__ = ["Centring"]


class Centring:
    r"""Turn the gradient into that of a model whose units are centred around their means.

    .. math:: \tilde\nabla W = \nabla W - \mu \nabla b^\top - \nabla a \lambda^\top, \qquad
        \tilde\nabla a = \nabla a - \tilde\nabla W \lambda, \qquad
        \tilde\nabla b = \nabla b - \tilde\nabla W^\top \mu

    The direction then does not depend on which state of a unit is called 1. The offsets
    :math:`\mu` and :math:`\lambda` follow the means of the visible and hidden units, averaged over
    data and chains.

    Parameters
    ----------
    rate : float
        In (0, 1]: how fast the offsets follow the batches; the first batch sets them.

    References
    ----------
    .. [1] Montavon, Mueller (2012), Deep Boltzmann machines and the centering trick.
    .. [2] Melchior, Fischer, Wiskott (2016), How to center deep Boltzmann machines, JMLR 17.
    """

    def __init__(self, rate: float = 0.01):
        if not 0 < rate <= 1:
            raise ArgumentError(f"rate={rate}; it must lie in (0, 1].")
        self.rate = rate
        self._offsets: tuple[Tensor, Tensor] | None = None

    def check(self, model: Any) -> None:
        """Raise `ArgumentError` unless the gradients of a model can be centred."""
        if not hasattr(model, "centre_gradient"):
            raise ArgumentError(
                f"{type(model).__name__} has no centre_gradient(); leave out centring=."
            )

    @torch.no_grad()
    def apply(self, model: Any, v: Tensor, chains: Tensor) -> None:
        """Centre the gradients that the parameters of a model hold.

        Parameters
        ----------
        model : Model
            With ``unit_means`` and ``centre_gradient``, as `RBM` has.
        v, chains : (batch, ...)
            Visible configurations of both phases.
        """
        found = [(x + y) / 2 for x, y in zip(*map(model.unit_means, (v, chains)), strict=True)]
        if self._offsets is None:
            self._offsets = found[0], found[1]
        else:
            for old, new in zip(self._offsets, found, strict=True):
                old.lerp_(new, self.rate)
        model.centre_gradient(*self._offsets)

    def state(self) -> dict[str, Any]:
        """The offsets, for an exact resume."""
        return {"offsets": self._offsets}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of ``state``."""
        self._offsets = state["offsets"]
