"""The RBM with dropout of hidden units by what a sweep does to the energy."""

from __future__ import annotations

import torch
from torch import Tensor

from deem.models.binary.thinned import ThinnedUnitsRBM
from deem.utils.exception import check_choice

__all__ = ["EDropoutRBM"]

_RATE = 0.01
"""How fast the shares of updates that keep a unit are followed."""


class EDropoutRBM(ThinnedUnitsRBM):
    r"""RBM that leaves out hidden units by their importance in a sweep of the whole model.

    .. math:: I_{ij} = \frac{p(h_j = 1 \mid v'_i)}{p(h_j = 1 \mid v_i)} \Big/ |\Delta E|, \qquad
        r_{ij} = \mathbb{1}\big[I_{ij} / \max_k I_{kj} < u_{ij}\big], \qquad
        u_{ij} \sim U(0, 1)

    Before each update one sweep of the whole model leads from data v to v'. The mask r then holds
    in both phases of the update, as in `DropoutRBM`. Out of training the model is the mean
    network, in which the weights of a hidden unit are multiplied by the square root of the share
    of the masks that kept it lately.

    In the paper :math:`\Delta E` is the mean change of the joint energy over the batch: one
    number, which cancels against the largest importance, so those masks follow the probabilities
    alone. A batch of one sample has the largest importance of its units in place of that of its
    samples. With ``energy_change="sample"`` it is the change of each sample's own energy, and
    units are left out where a sweep hardly changed it.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
    energy_change : {"batch", "sample"}
        Whose change of energy the importance is divided by.
    temperature : float
        T, above 0.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    Attributes
    ----------
    kept_share : (n_hidden,) Tensor
        Moving average of the share of masks that keep each hidden unit; 1 before training.

    References
    ----------
    .. [1] Roder, de Rosa, de Albuquerque, Rossi, Papa (2021), Energy-based dropout in restricted
       Boltzmann machines: why not go random, arXiv 2101.06741.

    Examples
    --------
    >>> v = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]).repeat(50, 1)
    >>> model = EDropoutRBM(4, 8).fit(v, epochs=20, batch_size=10, random_state=0)
    >>> bool(((0 < model.kept_share) & (model.kept_share < 1)).all())
    True
    """

    kept_share: Tensor

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        energy_change: str = "batch",
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(n_visible, n_hidden, "sample", temperature, random_state)
        check_choice("energy_change", energy_change, ("batch", "sample"))
        self.energy_change = energy_change
        self.register_buffer("kept_share", torch.ones(n_hidden))

    def draw_mask(self, v: Tensor, generator: torch.Generator) -> Tensor:
        importance = self._importance(v, generator)
        uniform = torch.rand(importance.shape, generator=generator, dtype=v.dtype, device=v.device)
        kept = importance < uniform
        if self.training:
            self.kept_share.lerp_(kept.to(v).mean(0), _RATE)
        return kept

    def _importance(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Importance (batch, n_hidden) of the hidden units, in [0, 1]."""
        # The sweep is one of the whole model, so every unit is kept.
        self.held = torch.ones(1, self.n_hidden, dtype=torch.bool, device=v.device)
        h = self.sample_h(v, generator)
        end = self.sample_v(h, generator)
        change = self.energy(end, self.sample_h(end, generator)) - self.energy(v, h)
        if self.energy_change == "batch":
            change = change.mean().expand(len(v))
        # A chain that stands still, or a unit that is never on, divides by zero.
        least = torch.finfo(v.dtype).eps
        ratio = self(end) / self(v).clamp(min=least)
        importance = ratio / change.abs().clamp(min=least).unsqueeze(1)
        # Of a sample alone every unit would be the largest of its batch, and left out.
        largest = importance.amax(0 if len(v) > 1 else 1, keepdim=True)
        return importance / largest.clamp(min=torch.finfo(v.dtype).tiny)

    def kept(self) -> Tensor:
        return self.kept_share
