"""Sums over all states of a few units, listed by their numbers and looked at in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ["bits_of", "list_states", "log_sum_in_parts", "log_sum_of_bits"]

_NUMBERS = 2**22
"""That the states of one part hold in memory."""

_KEPT = 4
"""Parts of which everything is kept for a gradient."""


def list_states(n_states: int, width: int, device: torch.device) -> Sequence[Tensor]:
    """Numbers of all states, int64, in parts.

    Parameters
    ----------
    n_states : int
        How many there are.
    width : int
        Numbers that one state holds in memory.
    device : torch.device
        Of the result.
    """
    # Empty batches have no width.
    return torch.arange(n_states, device=device).split(max(1, _NUMBERS // max(1, width)))


def bits_of(codes: Tensor, n_units: int, dtype: torch.dtype) -> Tensor:
    """States (n, n_units) of binary units by their numbers (n,), the first unit fastest."""
    bits = torch.arange(n_units, device=codes.device)
    return (codes.unsqueeze(1) >> bits & 1).to(dtype)


def log_sum_in_parts(log_sum: Callable[[Tensor], Tensor], parts: Sequence[Tensor]) -> Tensor:
    """Log-sum over all states from that of each part of them.

    Parameters
    ----------
    log_sum : callable
        Of the numbers of states (n,), a tensor of any shape in nats.
    parts : sequence of Tensor
        As `list_states` gives them.

    Returns
    -------
    Tensor
        Of the shape that `log_sum` gives.
    """
    # For a gradient many states are looked at twice, or what belongs to them fills the memory.
    anew = partial(checkpoint, log_sum, use_reentrant=False, preserve_rng_state=False)
    look = log_sum if len(parts) <= _KEPT else anew
    return torch.stack([look(part) for part in parts]).logsumexp(0)


def log_sum_of_bits(
    n_units: int, scores: Callable[[Tensor], Tensor], width: int, like: Tensor
) -> Tensor:
    """Log-sum (...) of scores over all states of binary units.

    Parameters
    ----------
    n_units : int
        How many.
    scores : callable
        Of states (n_states, n_units), (..., n_states) in nats.
    width : int
        Numbers that the scores of one state hold in memory.
    like : Tensor
        States have its dtype and device.

    Examples
    --------
    >>> weight = torch.tensor([1.0, 2.0, 0.5])
    >>> found = log_sum_of_bits(3, lambda h: h @ weight, 3, weight)
    >>> torch.testing.assert_close(found, torch.nn.functional.softplus(weight).sum())
    """
    return log_sum_in_parts(
        lambda codes: scores(bits_of(codes, n_units, like.dtype)).logsumexp(-1),
        list_states(2**n_units, width, like.device),
    )
