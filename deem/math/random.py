"""Random draws through explicit generators; the global generators are never touched."""

import numbers

import numpy as np
import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    Normal,
    OneHotCategorical,
)
from torch.nn.functional import one_hot

from deem.utils.exception import ArgumentError

__all__ = ["as_generator", "draw", "draw_one_hot", "normal_like"]

_LARGEST_SEED = 2**63 - 1


def as_generator(
    random_state: object = None, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Generator on a device from anything scikit-learn accepts as `random_state`.

    Parameters
    ----------
    random_state : None, int, numpy RandomState or Generator, torch.Generator
        None takes fresh entropy from the system; a numpy generator gives one seed and moves on.
    device : torch.device or str
        Where the draws will be made.

    Examples
    --------
    >>> as_generator(3).initial_seed()
    3
    """
    generator = torch.Generator(device)
    if random_state is None:
        generator.seed()
    elif isinstance(random_state, torch.Generator):
        return random_state
    elif isinstance(random_state, np.random.RandomState):
        generator.manual_seed(int(random_state.randint(2**31)))
    elif isinstance(random_state, np.random.Generator):
        generator.manual_seed(int(random_state.integers(_LARGEST_SEED)))
    elif isinstance(random_state, numbers.Integral) and 0 <= int(random_state) <= _LARGEST_SEED:
        generator.manual_seed(int(random_state))
    else:
        raise ArgumentError(
            f"random_state={random_state!r} is no seed; pass None, an int of at least 0, "
            "or a numpy or torch generator."
        )
    return generator


def draw(distribution: Distribution, generator: torch.Generator) -> Tensor:
    """Draw once from a torch distribution with an explicit generator.

    Parameters
    ----------
    distribution : Distribution
        Bernoulli, Categorical, OneHotCategorical, Normal, an Independent of these, or any
        distribution that has a method ``draw(generator)`` of its own.
    generator : torch.Generator
        On the device of the distribution's parameters.

    Returns
    -------
    (batch, ...)
        In the dtype of the distribution's parameters; Categorical gives int64.

    Raises
    ------
    ArgumentError
        If the distribution is of another kind.
    """
    if hasattr(distribution, "draw"):
        return distribution.draw(generator)
    if isinstance(distribution, Independent):
        return draw(distribution.base_dist, generator)
    if isinstance(distribution, Bernoulli):
        return _draw_bits(distribution.probs.detach(), generator)
    if isinstance(distribution, Categorical):
        return _draw_category(distribution.probs.detach(), generator)
    if isinstance(distribution, OneHotCategorical):
        probs = distribution.probs.detach()
        return one_hot(_draw_category(probs, generator), probs.shape[-1]).to(probs.dtype)
    if isinstance(distribution, Normal):
        mean = distribution.mean.detach()
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + distribution.stddev.detach() * noise
    raise ArgumentError(
        f"draw() does not know {type(distribution).__name__}; "
        "give the distribution a method draw(generator)."
    )


def draw_one_hot(probs: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one category for each row of probabilities.

    Parameters
    ----------
    probs : (..., n_categories)
        At least 0; they need not sum to one, and a row of zeros stays one.
    generator : torch.Generator
        On the device of `probs`.

    Returns
    -------
    (..., n_categories)
        One-hot rows in the dtype of `probs`.
    """
    cumulative = probs.cumsum(-1)
    total = cumulative[..., -1:]
    threshold = total * torch.rand(
        total.shape, generator=generator, dtype=probs.dtype, device=probs.device
    )
    # Comparisons in place of an index: reductions over few categories are slow. They are counted,
    # because parallel sums need not rise.
    reached = cumulative > threshold
    return (reached & (reached.cumsum(-1, dtype=torch.int32) == 1)).to(probs)


def normal_like(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape of a tensor.

    Always float64 on the CPU, so that they are the same for every dtype and device of `like`.
    """
    return torch.randn(like.shape, generator=generator, dtype=torch.float64)


def _draw_bits(probs: Tensor, generator: torch.Generator) -> Tensor:
    # Three times as fast as torch.bernoulli on a CPU.
    uniform = torch.rand(probs.shape, generator=generator, dtype=probs.dtype, device=probs.device)
    return torch.lt(uniform, probs, out=torch.empty_like(probs))


def _draw_category(probs: Tensor, generator: torch.Generator) -> Tensor:
    # Inverse of the cumulative distribution: one uniform number a draw, whatever the categories.
    cumulative = probs.cumsum(-1)
    uniform = torch.rand(
        probs.shape[:-1], generator=generator, dtype=probs.dtype, device=probs.device
    )
    threshold = uniform.unsqueeze(-1) * cumulative[..., -1:]
    return (cumulative <= threshold).sum(-1).clamp_(max=probs.shape[-1] - 1)
