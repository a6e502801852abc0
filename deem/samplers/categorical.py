"""What the gradient-informed kernels over one-hot sites share."""

from abc import abstractmethod

import torch
from torch import Tensor

from deem.core.sampler import MetropolisSampler, SamplerState
from deem.math.random import draw_one_hot
from deem.utils.exception import ShapeError

__all__ = ["CategoricalSampler"]


class CategoricalSampler(MetropolisSampler):
    """A Metropolis kernel on states (batch, sites, categories) of one-hot and of missing sites.

    A row of zeros is a missing site, which never moves. You write ``moves``, the log-probabilities
    of the moves, and the two methods of `MetropolisSampler` that read them from the state.
    """

    uses_gradient = True

    def start(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Chains at one draw from each soft vote; one-hot sites stay as they are."""
        _check_sites(v)
        return draw_one_hot(v, generator)

    def movable(self, v: Tensor) -> Tensor:
        _check_sites(v)
        return (v.sum(-1) > 0).any(-1) & (v.shape[-1] > 1)

    def tabulate(self, v: Tensor, gradient: Tensor | None) -> Tensor:
        assert gradient is not None  # noqa: S101
        gain = row_sum(gradient * v) - gradient
        if isinstance(self.temperature, Tensor):
            return self.moves(v, gain * (0.5 / self.temperature).reshape(-1, 1, 1))
        return self.moves(v, gain * (0.5 / self.temperature))

    @abstractmethod
    def moves(self, v: Tensor, half_gain: Tensor) -> Tensor:
        """Log-probabilities of the moves from `v`.

        Parameters
        ----------
        v : (batch, sites, categories)
            One-hot, or zeros where missing.
        half_gain : (batch, sites, categories)
            Half of the first-order change of ``-free_energy / temperature`` if a site moves to a
            category; 0 for the present one.
        """


def log_moves(state: SamplerState) -> Tensor:
    """The table of a state that ``init`` has built."""
    assert state.log_moves is not None  # noqa: S101
    return state.log_moves


def _check_sites(v: Tensor) -> None:
    if v.dim() != 3:
        raise ShapeError(
            f"v has shape {tuple(v.shape)}; expected one-hot sites (batch, sites, categories). "
            "For models of bits such as RBM wrap the kernel, as in OnBits(GibbsWithGradients())."
        )


def row_sum(x: Tensor) -> Tensor:
    """Sum (batch, sites, 1) over the categories; for one-hot sites, whether they are there."""
    # A reduction over so short an axis takes thrice the time.
    return x.cumsum(-1)[..., -1:]
