"""What is added to the loss besides the likelihood."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deem.utils.exception import ArgumentError

if TYPE_CHECKING:
    from deem.core.model import LatentModel

__all__ = ["Penalty", "SparsityTarget"]


class Penalty(ABC):
    """A term that is added to the loss of every batch; you write ``value``."""

    @abstractmethod
    def value(self, model: LatentModel, v: Tensor) -> Tensor:
        """The term, a scalar that can be differentiated by the parameters.

        Parameters
        ----------
        model : LatentModel
            The model in training.
        v : (batch, ...)
            Visible configurations of the data.
        """

    def add_gradient(self, model: LatentModel, v: Tensor) -> Tensor:
        """Add the gradient of the term to those of the parameters; return its value."""
        with torch.enable_grad():
            value = self.value(model, v)
            value.backward()
        return value.detach()


class SparsityTarget(Penalty):
    r"""Pull the mean activity of every hidden unit towards a target.

    .. math:: \lambda \sum_j \Big(\rho - \frac1n \sum_i \mathbb{E}[h_j \mid v_i]\Big)^2

    Of a convolutional model j are the filters, whose activity is averaged over positions too.

    Parameters
    ----------
    target : float
        Mean activity wished for, in the units of the hidden units; in (0, 1) for binary ones.
    strength : float
        At least 0.

    References
    ----------
    .. [1] Lee, Ekanadham, Ng (2008), Sparse deep belief net model for visual area V2, equation 4.
    """

    def __init__(self, target: float, strength: float = 1.0):
        if not target > 0:
            raise ArgumentError(f"target={target}; it must be above 0.")
        if not strength >= 0:
            raise ArgumentError(f"strength={strength}; it must be at least 0.")
        self.target = target
        self.strength = strength

    def value(self, model: LatentModel, v: Tensor) -> Tensor:
        return self.strength * (self.target - model.activity(v)).square().sum()
