"""Log-sum-exp forms of energies with one-hot visible units and listed hidden states."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from deem.utils.exception import IntractableError

__all__ = [
    "enumerate_one_hot",
    "enumerated_log_partition",
    "lift_centred",
    "project_centred",
]

_MAX_STATES = 1_000_000


def enumerate_one_hot(
    n_sites: int, n_categories: int, dtype: torch.dtype = torch.float64
) -> Tensor:
    """All joint states of categorical sites as one-hot rows.

    Parameters
    ----------
    n_sites, n_categories : int
        Their power ``n_categories ** n_sites`` is the number of states.
    dtype : torch.dtype
        Of the result.

    Returns
    -------
    (n_categories ** n_sites, n_sites, n_categories)
        In lexicographic order, the last site fastest.

    Raises
    ------
    IntractableError
        If there are more than a million states.
    """
    if n_categories**n_sites > _MAX_STATES:
        raise IntractableError(
            f"{n_categories}**{n_sites} states are too many to list; the limit is {_MAX_STATES}."
        )
    codes = torch.cartesian_prod(*[torch.arange(n_categories)] * n_sites)
    return one_hot(codes.reshape(-1, n_sites), n_categories).to(dtype)


def enumerated_log_partition(free_energy: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Exact log-partition by summing over listed visible states.

    Parameters
    ----------
    free_energy : callable
        Maps (batch, ...) visible states to (batch,) free energies in nats.
    states : (n_states, ...)
        Every visible state once.

    Returns
    -------
    scalar tensor
        ``log sum_v exp(-F(v))`` in nats.
    """
    return torch.cat([-free_energy(part) for part in states.split(65536)]).logsumexp(0)


def lift_centred(free: Tensor, dim: int) -> Tensor:
    r"""Embed K-1 free coordinates as K numbers that sum to zero along an axis.

    The K-1 columns of the Householder reflection that maps the first axis to the constant
    direction are an orthonormal basis of the centred subspace, so a gradient step on the free
    coordinates is the projected gradient step on the centred ones.

    Parameters
    ----------
    free : (..., K - 1, ...)
        Free coordinates along `dim`.
    dim : int
        The axis to lift.

    Returns
    -------
    (..., K, ...)
        Centred along `dim`.
    """
    free = free.movedim(dim, -1)
    # H [0; x] with u = (1/sqrt(K) - 1, 1/sqrt(K), ...): first entry s / sqrt(K), the others
    # x minus a common shift, where s is the sum of x.
    shift = _shift(free.shape[-1] + 1, free.dtype, free.device)
    return pad(free, (1, 0)).addcmul(free.sum(-1, keepdim=True), shift).movedim(-1, dim)


@lru_cache(maxsize=32)
def _shift(k: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What a sum of 1 adds to each of k centred numbers."""
    shift = torch.full((k,), -1 / (k - k**0.5) if k > 1 else 0.0, dtype=dtype, device=device)
    shift[0] = 1 / k**0.5
    return shift


def project_centred(full: Tensor, dim: int) -> Tensor:
    """Free coordinates of a tensor's centred part; the inverse of `lift_centred`.

    Parameters
    ----------
    full : (..., K, ...)
        Any values; their mean along `dim` is dropped.
    dim : int
        The axis to project.

    Returns
    -------
    (..., K - 1, ...)
    """
    full = full.movedim(dim, -1)
    k = full.shape[-1]
    if k == 1:
        return full[..., :0].movedim(-1, dim)
    full = full - full.mean(-1, keepdim=True)
    rest = full[..., 1:]
    shift = full[..., :1] / k**0.5 - rest.sum(-1, keepdim=True) / (k - k**0.5)
    return (rest + shift).movedim(-1, dim)
