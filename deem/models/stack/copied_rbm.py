"""RBMs that see their layers twice, to start a deep Boltzmann machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deem.core.dataset import Dataset
from deem.core.model import evaluating
from deem.core.votes import Votes
from deem.models.harmonium import DenseHarmonium, Harmonium

__all__ = ["CopiedRBM", "greedy_start"]


class CopiedRBM(DenseHarmonium):
    r"""RBM of copies of each layer that share their weights.

    .. math:: E(v, h) = -\sum_i a^\top v^{(i)} - \sum_j b^\top h^{(j)}
        - \sum_{ij} v^{(i)} W h^{(j)}

    With two copies of v, a hidden unit hears v twice as loud, as if the layer above it, that a
    deep Boltzmann machine will have, spoke as well.

    Parameters
    ----------
    n_visible, n_hidden : int
        Units of one copy.
    visible_copies, hidden_copies : int
        At least 1.
    random_state : int
        Seed of the first weights.

    References
    ----------
    .. [1] Salakhutdinov, Hinton (2009), Deep Boltzmann machines, section 3.1.
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        visible_copies: int = 1,
        hidden_copies: int = 1,
        random_state: int = 0,
    ):
        super().__init__(n_visible, n_hidden, random_state=random_state)
        self.visible_copies, self.hidden_copies = visible_copies, hidden_copies
        self.visible_shape = (visible_copies * n_visible,)
        self.hidden_shape = (hidden_copies * n_hidden,)

    def prepare(self, data: Dataset) -> None:
        if not isinstance(data.data, Votes):
            super().prepare(Dataset(data.data[:, : self.n_visible], weights=data.weights))

    def code(self, v: Tensor) -> Tensor:
        """Sum of the copies."""
        return v.unflatten(1, (self.visible_copies, -1)).sum(1)

    def field_from(self, v: Tensor) -> Tensor:
        return super().field_from(v).repeat(1, self.hidden_copies)

    def visible_field(self, h: Tensor) -> Tensor:
        both = h.unflatten(1, (self.hidden_copies, -1)).sum(1)
        return super().visible_field(both).repeat(1, self.visible_copies)

    def contrast(
        self,
        v: Tensor,
        chains: Tensor,
        weights: Tensor | None = None,
        chain_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        # Of the dense models only those without copies have their closed form.
        return Harmonium.contrast(self, v, chains, weights, chain_weights)


@torch.no_grad()
def greedy_start(
    weights: Sequence[Tensor], data: Dataset, **options: Any
) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and biases of layers that were trained one after the other.

    As each layer will hear from both of its neighbours, its RBM sees its units twice, except for
    those of the data and of the top, which have one neighbour. A hidden layer takes the mean of
    its biases in both RBMs that it is part of.

    Parameters
    ----------
    weights : sequence of (n_{l-1}, n_l) Tensor
        Where the training of each layer starts.
    data : Dataset
        (n_samples, n_0).
    **options
        Of ``CopiedRBM.fit``.

    Returns
    -------
    weights, biases
        Of all layers, the biases of the data first.
    """
    v, trained = torch.as_tensor(data.data), []
    biases: list[list[Tensor]] = [[] for _ in range(len(weights) + 1)]
    for i, weight in enumerate(weights):
        # What has one neighbour only is copied for those that have two.
        below, above = 1 if i + 1 == len(weights) else 2, 1 if i == 0 else 2
        rbm = CopiedRBM(len(weight), weight.shape[1], below, above).to(weight)
        rbm.weight.copy_(weight)
        v = torch.cat([v] * below, 1)
        rbm.fit(Dataset(v, weights=data.weights), **options)
        with evaluating(rbm):
            v = rbm(v)[:, : weight.shape[1]]
        trained.append(rbm.weight.detach())
        biases[i].append(rbm.visible_bias.detach())
        biases[i + 1].append(rbm.hidden_bias.detach())
    return trained, [torch.stack(found).mean(0) for found in biases]
