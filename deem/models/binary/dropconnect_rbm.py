"""The RBM with dropout of connections."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from deem.models.binary.thinned import ThinnedRBM, check_dropout

__all__ = ["DropConnectRBM"]

_ENTRIES = 2**24
"""Numbers of thinned weights that are looked at in one go."""


class DropConnectRBM(ThinnedRBM):
    r"""RBM that leaves out connections at random in every update of its training.

    .. math:: E(v, h \mid M) = -\big(a^\top v + b^\top h + v (M \odot W) h\big) / T, \qquad
        M_{ij} \sim \operatorname{Bernoulli}(1 - p)

    The mask M is drawn once an update and held in both of its phases; a connection that is left
    out is absent in both directions, in energy and in the gradient. Out of training the model is
    the mean network, with weights :math:`\sqrt{1 - p}\, W` as in `DropoutRBM`; for connections
    that root is no mean of anything, but the factor that fitted handwritten digits best. Named
    optimizers take longer steps for the weights, by the share of updates that leaves them out.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
    dropout : float
        p, in [0, 1): the share of the connections that is left out.
    mask : {"sample", "batch"}
        Whether each sample of a batch has a mask of its own, or all have one. Masks of samples
        take one byte for each sample and connection, and the time of as many multiplications.
    temperature : float
        T, above 0.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    References
    ----------
    .. [1] Wan, Zeiler, Zhang, LeCun, Fergus (2013), Regularization of neural networks using
       DropConnect.

    Examples
    --------
    >>> model = DropConnectRBM(4, 3, dropout=0.25, mask="batch")
    >>> model.redraw(torch.zeros(2, 4), torch.Generator().manual_seed(0))
    >>> int((model.coupling() == 0).sum())
    2
    >>> bool((model.eval().coupling() == 0.75**0.5 * model.weight).all())
    True
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        dropout: float = 0.5,
        mask: str = "sample",
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(n_visible, n_hidden, mask, temperature, random_state)
        check_dropout(dropout)
        self.dropout = dropout

    def draw_mask(self, v: Tensor, generator: torch.Generator) -> Tensor:
        rows = len(v) if self.mask == "sample" else 1
        parts = [
            self.dropout
            <= torch.rand(
                part.stop - part.start, *self.weight.shape, generator=generator, device=v.device
            )
            for part in self._parts(rows)
        ]
        return torch.cat(parts)

    def kept(self) -> float:
        return 1 - self.dropout

    def share(self) -> float | Tensor:
        return super().share() if self.held is None else self.held[0]

    def field_from(self, v: Tensor) -> Tensor:
        if not self._is_each():
            return super().field_from(v)
        return (self.hidden_bias + self._through(self.code(v), False)) / self.temperature

    def visible_field(self, h: Tensor) -> Tensor:
        if not self._is_each():
            return super().visible_field(h)
        return (self.visible_bias + self._through(h, True)) / self.temperature

    def weight_gradient(self, code: Tensor, signed: Tensor) -> Tensor:
        if self.held is None or not self._is_each():
            return super().weight_gradient(code, signed)
        code, signed = (self._by_mask(x) for x in (code, signed))
        total = torch.zeros_like(self.weight)
        for part in self._parts(len(self.held)):
            products = code[part].transpose(1, 2) @ signed[part]
            total += (products * self.held[part]).sum(0)
        return total

    def coupling_of(self, unit: Tensor) -> Tensor:
        if self.held is None or not self._is_each():
            return super().coupling_of(unit)
        rows = torch.arange(len(unit), device=unit.device) % len(self.held)
        return self.weight[unit] * self.held[rows, unit]

    def _is_each(self) -> bool:
        """Whether samples have masks of their own."""
        return self.held is not None and len(self.held) > 1

    def _through(self, x: Tensor, is_down: bool) -> Tensor:
        """Send every row of a batch through its own thinned weights."""
        assert self.held is not None  # noqa: S101
        inputs, sums = self._by_mask(x), []
        for part in self._parts(len(self.held)):
            thinned = self.held[part] * self.weight
            sums.append(inputs[part] @ (thinned.transpose(1, 2) if is_down else thinned))
        return torch.cat(sums).transpose(0, 1).flatten(0, 1)[: len(x)]

    def _by_mask(self, x: Tensor) -> Tensor:
        """Rows of a batch, in groups (n_masks, rows a mask, ...) that have one mask."""
        assert self.held is not None  # noqa: S101
        n = len(self.held)
        padding = x.new_zeros(-len(x) % n, x.shape[1])
        return torch.cat([x, padding]).unflatten(0, (-1, n)).transpose(0, 1)

    def _parts(self, n_masks: int) -> Iterator[slice]:
        size = max(1, _ENTRIES // self.weight.numel())
        for start in range(0, n_masks, size):
            yield slice(start, min(start + size, n_masks))
