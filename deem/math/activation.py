"""Activations of multinomial layers, along the last axis."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["ACTIVATIONS", "SIMPLEX", "pull_back", "straight_through"]

SIMPLEX = {"sparsemax": 2.0, "entmax": 1.5, "ultramax": 3.0, "softmax": 1.0}
"""Those whose results are probabilities, at least 0 and summing to one, with the alpha that makes
each a member of the entmax family."""


def pull_back(alpha: float, probs: Tensor, gradient: Tensor) -> Tensor:
    r"""Gradient by the logits from the gradient by the results of an entmax.

    .. math:: J^\top g = s \odot g - s \frac{s^\top g}{\sum_k s_k}, \qquad
        s_k = p_k^{2 - \alpha} \text{ where } p_k > 0, \text{ else } 0

    Parameters
    ----------
    alpha : float
        At least 1, see ``SIMPLEX``.
    probs, gradient : (..., n_categories)
        Results, and the gradient by them.

    References
    ----------
    .. [1] Peters, Niculae, Martins (2019), Sparse sequence-to-sequence models, proposition 2.
    """
    if alpha == 1:
        slope = probs
    elif alpha == 2:
        slope = (probs > 0).to(probs)
    else:
        slope = torch.where(probs > 0, probs, 1).pow(2 - alpha) * (probs > 0)
    pulled = slope * gradient
    # Cumulative sums, because reductions over few categories are slow.
    # A missing output, all zeros, has no slope and no gradient.
    total = slope.cumsum(-1)[..., -1:]
    share = pulled.cumsum(-1)[..., -1:] / total.clamp(min=torch.finfo(total.dtype).tiny)
    return torch.addcmul(pulled, slope, share, value=-1)


class _Entmax(torch.autograd.Function):
    """Results of the library, gradient by ``pull_back``, which takes a third of the time."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, name: str) -> Tensor:
        # The library looks for a threshold, which NaN does not have; NaN is put back afterwards.
        probs = _library(name)(logits.nan_to_num(), dim=-1) + (logits - logits)
        ctx.save_for_backward(probs)
        ctx.alpha = SIMPLEX[name]
        return probs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return pull_back(ctx.alpha, ctx.saved_tensors[0], gradients[0]), None


@cache
def _library(name: str) -> Callable[..., Tensor]:
    # imported late, as only deep models need it
    import entmax

    if name == "ultramax":
        return partial(entmax.entmax_bisect, alpha=SIMPLEX[name])
    return entmax.sparsemax if name == "sparsemax" else entmax.entmax15


def _entmax(name: str) -> Callable[[Tensor], Tensor]:
    return lambda logits: _Entmax.apply(logits, name)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    **{name: _entmax(name) for name in SIMPLEX if name != "softmax"},
    "softmax": partial(functional.softmax, dim=-1),
    "relu": functional.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
}
"""Activations by name; "entmax" is 1.5-entmax and "ultramax" 3-entmax.

References
----------
.. [1] Martins, Astudillo (2016), From softmax to sparsemax.
.. [2] Peters, Niculae, Martins (2019), Sparse sequence-to-sequence models, eq. 10.
"""


def straight_through(logits: Tensor, temperature: float) -> Tensor:
    """One-hot vector of the largest entry, with the gradient of a softmax.

    Parameters
    ----------
    logits : (..., n_categories)
        With Gumbel noise added, the result is a draw from their softmax.
    temperature : float
        Of the softmax, above 0.

    References
    ----------
    .. [1] Jang, Gu, Poole (2017), Categorical reparameterization with Gumbel-softmax.
    """
    soft = (logits / temperature).softmax(-1)
    hard = functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(soft)
    return hard + soft - soft.detach()
