"""What the gradient-informed kernels over one-hot sites share."""

import torch
from torch import Tensor

from deem.core.sampler import MetropolisSampler
from deem.math.random import draw_one_hot

__all__ = ["CategoricalSampler"]


class CategoricalSampler(MetropolisSampler):
    """A Metropolis kernel on states (batch, sites, categories) of one-hot and of missing sites.

    A row of zeros is a missing site, which never moves. You write ``tabulate``, the
    log-probabilities of the moves, and the two methods of `MetropolisSampler` that read them.
    """

    uses_gradient = True

    def start(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Chains at one draw from each soft vote; one-hot sites stay as they are."""
        return draw_one_hot(v, generator)

    def movable(self, v: Tensor) -> Tensor:
        return (v.sum(-1) > 0).any(-1) & (v.shape[-1] > 1)

    def log_gain(self, v: Tensor, gradient: Tensor) -> Tensor:
        """First-order change of ``-free_energy / temperature`` if a site moves to a category."""
        along = torch.linalg.vecdot(gradient, v).unsqueeze(-1) - gradient
        if isinstance(self.temperature, Tensor):
            return along / self.temperature.reshape(-1, 1, 1)
        return along if self.temperature == 1 else along / self.temperature
