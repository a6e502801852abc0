"""The RBM with dropout of hidden units."""

from __future__ import annotations

import torch
from torch import Tensor

from deem.models.binary.thinned import ThinnedUnitsRBM, check_dropout

__all__ = ["DropoutRBM"]


class DropoutRBM(ThinnedUnitsRBM):
    r"""RBM that leaves out hidden units at random in every update of its training.

    .. math:: p(h_j = 1 \mid r, v) = r_j \, \sigma\big((b_j + (v W)_j) / T\big), \qquad
        r_j \sim \operatorname{Bernoulli}(1 - p)

    The mask r is drawn once an update and held in both of its phases, so each update follows the
    gradient of one thinned model: its free energy sums over the units that are kept. Out of
    training the model is the mean network, with weights :math:`\sqrt{1 - p}\, W` in energy, draws
    and likelihood. That keeps the mean of the products of weights by which visible units act on
    each other. (The papers multiply by 1 - p, which keeps the mean of the fields, and makes a
    worse model of the data.) Named optimizers take longer steps for the weights, by the share of
    updates that leaves them out.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
    dropout : float
        p, in [0, 1): the share of the hidden units that is left out.
    mask : {"sample", "batch"}
        Whether each sample of a batch has a mask of its own, or all have one.
    temperature : float
        T, above 0.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), Dropout: a simple way
       to prevent neural networks from overfitting, section 8.

    Examples
    --------
    >>> model = DropoutRBM(4, 100, dropout=0.25)
    >>> v = torch.zeros(2, 4)
    >>> model.redraw(v, torch.Generator().manual_seed(0))
    >>> (model(v) > 0).sum(1)
    tensor([70, 74])
    >>> (model.eval()(v) > 0).all()
    tensor(True)
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
        return self.dropout <= torch.rand(
            rows, self.n_hidden, generator=generator, device=v.device
        )

    def kept(self) -> float:
        return 1 - self.dropout
