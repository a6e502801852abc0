"""Deep belief networks whose layers hand on their activations beside their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.model import evaluating
from deem.core.solvers import as_visible
from deem.models.harmonium import Harmonium
from deem.models.stack.dbn import DBN
from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError, check_number

__all__ = ["ResidualDBN"]

_NEWTON_STEPS = 30
_BATCH = 4096


class ResidualDBN(DBN):
    r"""Deep belief network in which each layer hands on a sum of probability and activation.

    .. math:: u = \frac{1}{c} \Big(\zeta_1 \sigma(x)
        + \zeta_2 \frac{\operatorname{relu}(x)}{x^*}\Big), \qquad
        c = \zeta_1 \sigma(x^*) + \zeta_2

    with x the field of a hidden unit and x* its largest value over all units and samples of the
    training data, so u is at most 1; larger fields of new data give 1. (Where x* is not above 0,
    there is no second term.) As x* is fixed in training, the code of a sample does not depend on
    the samples beside it.

    ``decode`` undoes the sum: a code gives back the field, and its probability goes down.
    ``sample`` and ``log_likelihood_bound`` belong to the network of the same layers without the
    second term.

    Parameters
    ----------
    layers : sequence of Harmonium
        As in `DBN`, with binary hidden units.
    zeta_1, zeta_2 : float
        Weights of probability and activation, at least 0, not both 0.

    Attributes
    ----------
    largest_field : (n_layers,) buffer
        x* of each layer, 1 before ``fit``.

    References
    ----------
    .. [1] Roder, Passos, Ribeiro, Pereira, Papa (2021), A layer-wise information reinforcement
       approach to improve learning in deep belief networks, arXiv 2101.06749.
    """

    largest_field: Tensor

    def __init__(self, layers: Sequence[Harmonium], zeta_1: float = 1.0, zeta_2: float = 1.0):
        super().__init__(layers)
        check_number(zeta_1=zeta_1, zeta_2=zeta_2)
        if not (zeta_1 >= 0 and zeta_2 >= 0 and zeta_1 + zeta_2 > 0):
            raise ArgumentError(
                f"zeta_1={zeta_1}, zeta_2={zeta_2}; expected at least 0, and not both 0."
            )
        for i, layer in enumerate(layers):
            if not layer.hidden_units.is_binary:
                raise ArgumentError(
                    f"layers[{i}], a {type(layer).__name__}, has hidden units that are not "
                    "binary; use layers such as RBM, or DBN."
                )
        self.zeta_1, self.zeta_2 = zeta_1, zeta_2
        self.register_buffer("largest_field", torch.ones(len(layers), dtype=layers[0].dtype))

    def up(self, index: int, v: Tensor) -> Tensor:
        field = self._layer(index).hidden_field(self._arrange(index, v))
        scale, largest = self._scales(index)
        return ((self.zeta_1 * field.sigmoid() + scale * field.relu()) / largest).clamp(max=1)

    def down(self, index: int, h: Tensor) -> Tensor:
        return super().down(index, self._probability(index, h))

    def _scales(self, index: int) -> tuple[Tensor, Tensor]:
        """Factor of the rectified field, and the largest sum c."""
        top = self.largest_field[index]
        scale = self.zeta_2 / top.clamp(min=EPSILON) * (top > 0)
        largest = self.zeta_1 * top.sigmoid() + scale * top.relu()
        return scale, torch.where(largest > 0, largest, 1)

    def _probability(self, index: int, code: Tensor) -> Tensor:
        """Probability of the units with these codes, inverse to ``up``."""
        scale, largest = self._scales(index)
        total = (code * largest).clamp(min=0)
        if scale == 0:
            return (total / max(self.zeta_1, EPSILON)).clamp(max=1)
        # Above 0 the sum is concave in the field, so Newton's steps from 0 rise to the root.
        field = torch.zeros_like(total)
        for _ in range(_NEWTON_STEPS):
            p = field.sigmoid()
            missing = total - self.zeta_1 * p - scale * field
            field = (field + missing / (self.zeta_1 * p * (1 - p) + scale)).relu()
        if self.zeta_1 == 0:
            return field.sigmoid()
        return torch.where(total > self.zeta_1 / 2, field.sigmoid(), total / self.zeta_1)

    @torch.no_grad()
    def _prepare_features(self, index: int, data: Dataset) -> None:
        layer = self._layer(index)
        with evaluating(layer):
            largest = [
                layer.hidden_field(as_visible(part.data, layer)).max()
                for part in data.batches(_BATCH)
            ]
        self.largest_field[index] = torch.stack(largest).max()
