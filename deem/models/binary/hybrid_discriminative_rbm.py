"""The RBM over data and a class, trained to tell the class and to make the data."""

from __future__ import annotations

from deem.core.solvers import HybridDivergence, Solver
from deem.models.binary.discriminative_rbm import DiscriminativeRBM
from deem.utils.exception import ArgumentError

__all__ = ["HybridDiscriminativeRBM"]


class HybridDiscriminativeRBM(DiscriminativeRBM):
    r"""`DiscriminativeRBM` trained on labels and, less, on the joint distribution.

    .. math:: -\log p(y \mid v) - \alpha \log p(v, y)

    The generative term, by contrastive divergence on data and classes, regularises the
    classifier and lets the model draw data of a class: ``sample_class(labels)``.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
    n_classes : int
        At least 2.
    alpha : float
        Weight of the generative term, at least 0.
    temperature : float
        T, above 0.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    References
    ----------
    .. [1] Larochelle, Bengio (2008), Classification using discriminative restricted Boltzmann
       machines, section 5.

    Examples
    --------
    >>> import torch
    >>> from deem.core.dataset import Dataset
    >>> v = torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]).repeat(50, 1)
    >>> labels = torch.tensor([1, 0]).repeat(50)
    >>> model = HybridDiscriminativeRBM(3, 4, n_classes=2, alpha=0.5)
    >>> model = model.fit(Dataset(v, labels), epochs=60, batch_size=10, random_state=0)
    >>> draws = model.sample_class(torch.ones(1000, dtype=torch.int64), random_state=0)
    >>> bool((draws.mean(0) - v[0]).abs().max() < 0.1)
    True
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        n_classes: int,
        alpha: float = 0.01,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(n_visible, n_hidden, n_classes, temperature, random_state)
        if not alpha >= 0:
            raise ArgumentError(f"alpha={alpha}; it must be at least 0.")
        self.alpha = alpha

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """Contrastive divergence beside the conditional likelihood, by Adam."""
        rate = self.default_learning_rate if learning_rate is None else learning_rate
        return HybridDivergence(self.alpha, learning_rate=rate)
