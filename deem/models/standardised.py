"""Real visible units that a model sees in the spread of its training data."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from deem.core.dataset import Dataset
from deem.core.solvers import as_visible
from deem.models.harmonium import Harmonium

__all__ = ["Standardised"]

_CONSTANT = 10.0
"""Rounding errors of its mean that a constant unit may vary by."""


class Standardised(Harmonium):
    r"""Put in front of a harmonium of real units: its weights see :math:`z = (v - m) / s`.

    Location m and scale s are fitted once, by the first training, and are saved with the model.
    Data, draws, reconstructions and log-probabilities stay in the units of the data: the density
    of v is that of z over the product of all s. The energy is that of z.

    Attributes
    ----------
    standardise : bool
        Whether the first training fits location and scale.
    location, scale : Tensor
        m and s, which broadcast to ``visible_shape``; 0 and 1 before any training.
    is_standardised : Tensor
        Whether they are fitted.
    """

    standardise: bool
    location: Tensor
    scale: Tensor
    is_standardised: Tensor

    def hold_scale(self, shape: tuple[int, ...]) -> None:
        """Make location and scale of a shape; units along an axis of length 1 share them."""
        self.register_buffer("location", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))
        self.register_buffer("is_standardised", torch.tensor(False))

    @torch.no_grad()
    def reset(self, random_state: object = None) -> None:
        """Draw the weights anew and forget the data, as before any training."""
        super().reset(random_state)  # type: ignore[misc]
        if hasattr(self, "scale"):
            self.location.zero_()
            self.scale.fill_(1)
            self.is_standardised.fill_(False)

    @torch.no_grad()
    def prepare(self, data: Dataset) -> None:
        """Fit location and scale where no training has; what is constant keeps scale 1."""
        super().prepare(data)
        if not self.standardise or self.is_standardised:
            return
        v = as_visible(data.data, self).double()
        weights = v.new_ones(len(v)) if data.weights is None else data.weights.to(v)
        weights = weights / weights.sum()
        shared = [i for i, length in enumerate(self.location.shape) if length == 1]
        # As seen from one of them, all of a constant are 0 without any rounding.
        start = v[0][tuple(slice(length) for length in self.location.shape)]
        v = v - start
        mean = _mean(v, weights, shared)
        scale = _mean((v - mean).square(), weights, shared).sqrt()
        location = start + mean
        # What the dtype cannot tell from a constant would become huge numbers.
        rounding = _CONSTANT * torch.finfo(self.dtype).eps * location.abs()
        self.location.copy_(location)
        self.scale.copy_(torch.where(scale > rounding, scale, torch.ones_like(scale)))
        self.is_standardised.fill_(True)

    def code(self, v: Tensor) -> Tensor:
        """What the weights see of visible units: z."""
        return (v - self.location) / self.scale

    def visible_given(self, field: Tensor) -> Distribution:
        z = self.visible_units.given(field)
        given = Normal(
            self.location + self.scale * z.mean, self.scale * z.stddev, validate_args=False
        )
        return Independent(given, len(self.visible_shape), validate_args=False)

    def visible_log_sum(self, field: Tensor) -> Tensor:
        """Log-sum (batch,) over all visible states in the units of the data."""
        volume = self.scale.log().expand(self.visible_shape).sum()
        return super().visible_log_sum(field) + volume


def _mean(v: Tensor, weights: Tensor, shared: list[int]) -> Tensor:
    """Weighted mean over the batch, and over axes of a sample that are kept with length 1."""
    mean = torch.tensordot(weights, v, dims=1)
    return mean.mean(shared, keepdim=True) if shared else mean
