"""What RBMs share that are trained with a part of their units or weights left out at random."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deem.models.binary.rbm import RBM
from deem.utils.exception import ArgumentError, IntractableError, check_choice, check_number

__all__ = ["MASKS", "ThinnedRBM", "ThinnedUnitsRBM", "check_dropout", "rows_of"]

MASKS = ("sample", "batch")
"""Who has a mask: every sample its own, or all samples of a batch one in common."""

_NEVER = -1e30
"""Field of a unit that is left out: its state is 0 in energy, draws and gradient alike."""


class ThinnedRBM(RBM):
    """An RBM with a mask that is drawn for each update and held through both of its phases.

    You write ``draw_mask``, ``kept``, ``share`` and what a mask does. Row i of any batch has row i
    of the mask, counted round. Without a mask, so after ``eval()``, the model is the mean network:
    a proper RBM, and the one that is scored, sampled and saved.

    Its weights are those learned times the square root of the share of them that masks keep.
    Visible units act on each other by products of two weights, and of those products masks of
    units keep just that share on average. The share itself, which is usual, keeps the fields of
    single units instead, and was worse by up to 2 nats on handwritten digits.

    Attributes
    ----------
    held : (n_masks, ...) bool Tensor or None
        What is kept in the present update.
    """

    held: Tensor | None = None

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        mask: str = "sample",
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(n_visible, n_hidden, temperature, random_state)
        check_choice("mask", mask, MASKS)
        self.mask = mask

    @abstractmethod
    def draw_mask(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Draw what is kept, (n_masks, ...) bool, for data (batch, n_visible)."""

    @abstractmethod
    def kept(self) -> float | Tensor:
        """Share of the masks that keep a weight, one number or (n_hidden,)."""

    def share(self) -> float | Tensor:
        """What the weights are multiplied by now."""
        return self.kept() ** 0.5

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Longer steps for the weights, by the share of the updates that leaves them out."""
        longer = learning_rate / float(torch.as_tensor(self.kept()).mean())
        others = [p for p in self.parameters() if p is not self.weight]
        return [
            {"params": [self.weight], "lr": longer},
            {"params": others, "lr": learning_rate},
        ]

    @torch.no_grad()
    def redraw(self, v: Tensor, generator: torch.Generator) -> None:
        self.held = self.draw_mask(v, generator)

    def train(self, mode: bool = True) -> ThinnedRBM:
        """Change the mode and drop the mask that is held."""
        self.held = None
        return super().train(mode)

    def coupling(self) -> Tensor:
        return self.weight * self.share()

    def weight_gradient(self, code: Tensor, signed: Tensor) -> Tensor:
        return super().weight_gradient(code, signed) * self.share()

    def _smaller_layer(self) -> tuple[int, Callable, Callable]:
        """Of the thinned model, too, while one mask is held for all samples."""
        if self.held is not None and len(self.held) > 1:
            raise IntractableError(
                f"{type(self).__name__} holds {len(self.held)} masks, so there is no one "
                "log-partition; call eval() first, which drops them."
            )
        return super()._smaller_layer()


class ThinnedUnitsRBM(ThinnedRBM):
    """A thinned RBM whose masks (n_masks, n_hidden) leave out hidden units.

    You write ``draw_mask`` and ``kept``.
    """

    def share(self) -> float | Tensor:
        return super().share() if self.held is None else 1.0

    def coupling(self) -> Tensor:
        return super().coupling() if self.held is None else self.weight

    def hidden_field(self, v: Tensor) -> Tensor:
        field = super().hidden_field(v)
        if self.held is None:
            return field
        return field.masked_fill(~rows_of(self.held, len(v)), _NEVER)

    def _scores_of_hidden(self, h: Tensor) -> Tensor:
        scores = super()._scores_of_hidden(h)
        if self.held is None:
            return scores
        return scores.masked_fill((h.bool() & ~self.held).any(1), -torch.inf)


def rows_of(mask: Tensor, n: int) -> Tensor:
    """Rows of a mask for the rows of a batch, counted round; one row serves all."""
    if len(mask) in (1, n):
        return mask
    return mask[torch.arange(n, device=mask.device) % len(mask)]


def check_dropout(dropout: float) -> None:
    """Raise `ArgumentError` unless the share that is left out lies in [0, 1)."""
    check_number(dropout=dropout)
    if not 0 <= dropout < 1:
        raise ArgumentError(
            f"dropout={dropout}; the share left out must lie in [0, 1), or nothing would learn."
        )
