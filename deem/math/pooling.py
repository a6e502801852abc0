r"""Units in square blocks of which at most one is on: probabilistic max-pooling.

Such a block has as many states as units, and one more, in which all are off. With fields
:math:`x_i` its log-sum is :math:`\log(1 + \sum_i e^{x_i})`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from deem.math.units import Units

__all__ = ["BlockCategorical", "MaxPooled", "join_blocks", "split_blocks"]


def split_blocks(x: Tensor, side: int) -> Tensor:
    """Blocks of planes.

    Parameters
    ----------
    x : (..., height, width)
        Both divisible by `side`.
    side : int
        Of a block.

    Returns
    -------
    (side * side, ..., height / side, width / side)
        The units of a block come first, where sums over them are fast.
    """
    parts = x.unflatten(-1, (-1, side)).unflatten(-3, (-1, side))
    return parts.movedim((-3, -1), (0, 1)).flatten(0, 1)


def join_blocks(blocks: Tensor, side: int) -> Tensor:
    """Inverse of `split_blocks`."""
    parts = blocks.unflatten(0, (side, side)).movedim((0, 1), (-3, -1))
    return parts.flatten(-2).flatten(-3, -2)


class BlockCategorical(Distribution):
    """Units of which at most one a block is on, so each block is categorical.

    Parameters
    ----------
    field : (..., height, width)
        Log-odds of each unit against all of its block off, in nats.
    side : int
        Of a block.
    """

    arg_constraints = {}

    def __init__(self, field: Tensor, side: int):
        self.field = field
        self.side = side
        super().__init__(field.shape[:-2], field.shape[-2:], validate_args=False)

    @property
    def log_normaliser(self) -> Tensor:
        """Log-sum over the states of each block, (..., height / side, width / side)."""
        return self._scores().logsumexp(0)

    @property
    def mean(self) -> Tensor:
        """Probability of each unit to be on, (..., height, width)."""
        return join_blocks(self._scores().softmax(0)[1:], self.side)

    def draw(self, generator: torch.Generator) -> Tensor:
        """(..., height, width): one state of every block."""
        cumulative = self._scores().detach().softmax(0).cumsum(0)
        uniform = torch.rand(
            cumulative.shape[1:],
            generator=generator,
            dtype=cumulative.dtype,
            device=cumulative.device,
        )
        # Comparisons of the state's number: no more than one unit, however sums are rounded.
        state = (cumulative <= uniform * cumulative[-1]).sum(0)
        units = torch.arange(1, len(cumulative), device=state.device)
        on = state == units.reshape(-1, *[1] * state.dim())
        return join_blocks(on.to(cumulative), self.side)

    def tempered(self, temperature: float) -> BlockCategorical:
        """The fields over the temperature."""
        return BlockCategorical(self.field / temperature, self.side)

    def log_prob(self, value: Tensor) -> Tensor:
        """(...,): log-probability in nats; minus infinity if two units of a block are on."""
        score = split_blocks(value * self.field, self.side).sum(0) - self.log_normaliser
        return score.masked_fill(_is_crowded(value, self.side), -torch.inf).sum((-2, -1))

    def _scores(self) -> Tensor:
        """Scores (1 + side * side, ...) of the states of each block, all off first."""
        blocks = split_blocks(self.field, self.side)
        return torch.cat([torch.zeros_like(blocks[:1]), blocks])


class MaxPooled(Units):
    r"""Units in {0, 1} of which at most one on a block is on.

    A state with two units on in a block costs infinity.

    Parameters
    ----------
    side : int
        Of a block, at least 1; both sides of a plane of units are divisible by it.

    References
    ----------
    .. [1] Lee, Grosse, Ranganath, Ng (2009), Convolutional deep belief networks for scalable
       unsupervised learning of hierarchical representations, section 3.3.
    """

    # Not `is_binary`: units of a block are no bits that can be listed one by one.
    bounds = (0.0, 1.0)

    def __init__(self, side: int):
        self.side = side

    def cost(self, state: Tensor) -> Tensor:
        crowded = _is_crowded(state, self.side)
        crowded = join_blocks(crowded.expand(self.side**2, *crowded.shape), self.side)
        return torch.zeros_like(state).masked_fill(crowded, torch.inf)

    def log_sum(self, field: Tensor) -> Tensor:
        """Of each block, (..., height / side, width / side)."""
        return BlockCategorical(field, self.side).log_normaliser

    def given(self, field: Tensor) -> BlockCategorical:
        """Distribution of the planes (..., height, width) of units with these fields."""
        return BlockCategorical(field, self.side)

    def pooled(self, field: Tensor) -> Tensor:
        """Probability that any unit of a block is on, (..., height / side, width / side)."""
        return split_blocks(field, self.side).logsumexp(0).sigmoid()


def _is_crowded(state: Tensor, side: int) -> Tensor:
    """Whether more than one unit of a block is on; means, which sum to 1, may be rounded."""
    return split_blocks(state, side).sum(0) > 1.01
