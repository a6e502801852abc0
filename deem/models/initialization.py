"""Where training starts: from the majority vote, or from noise."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from deem.core.votes import Votes
from deem.math.random import as_generator
from deem.models.consensus import START_NOISE, StartsFromVotes
from deem.utils.exception import check_choice

__all__ = ["STARTS", "initialise"]

STARTS = ("shares", "mv_rand", "mv_lo", "mv", "rand")
"""Names that `initialise` knows."""
_VOTE_WEIGHT = 2.0

AnyConsensus = TypeVar("AnyConsensus", bound=StartsFromVotes)


def initialise(
    model: AnyConsensus,
    votes: Votes,
    method: str = "mv_rand",
    *,
    use_weighted: bool = True,
    random_state: object = None,
) -> AnyConsensus:
    """Give a consensus model its starting parameters.

    Parameters
    ----------
    model : StartsFromVotes
        Changed in place.
    votes : Votes
        For the agreement of each classifier with the majority vote.
    method : {"shares", "mv_rand", "mv_lo", "mv", "rand"}
        "shares": class prior and confusions estimated as if the class of a sample were
        distributed as its votes are. "mv": weight 2 between each vote and its own class, nothing
        else. "mv_rand": the same with N(0, 0.01**2) on all other weights and on the biases.
        "mv_lo": the same with 0.01 times a product of two standard normals there. "rand":
        everything N(0, 0.01**2). Hidden units after the first always start from noise, because
        equal units would stay equal; so do subclasses.
    use_weighted : bool
        Scale the weights of a classifier by its agreement with the vote.
    random_state : None, int, numpy or torch generator
        Source of the noise, which depends on the shapes alone, never on the order of the votes.

    Returns
    -------
    model
    """
    check_choice("init_method", method, STARTS)
    generator = as_generator(random_state)
    if method == "shares":
        model.start_from_shares(votes, generator)
        return model
    d, k, units = model.n_classifiers, model.n_classes, model.hidden_dim
    shapes = ((d, k), (d, k, units, k), (units, k))
    visible_bias, weight, hidden_bias = (_noise(shape, method, generator) for shape in shapes)
    if method == "mv":
        weight[:, :, 1:] = _noise((d, k, units - 1, k), "mv_rand", generator)
    if method != "rand":
        weight[:, :, 0].diagonal(dim1=1, dim2=2).fill_(_VOTE_WEIGHT)
    if use_weighted:
        weight *= _agreement(votes).reshape(d, 1, 1, 1)
    like = next(model.parameters())
    visible_bias, weight, hidden_bias = (x.to(like) for x in (visible_bias, weight, hidden_bias))
    model.start_from_energy(visible_bias, weight, hidden_bias, generator)
    return model


def _noise(shape: tuple[int, ...], method: str, generator: torch.Generator) -> Tensor:
    if method == "mv":
        return torch.zeros(shape, dtype=torch.float64)
    noise = START_NOISE * torch.randn(shape, generator=generator, dtype=torch.float64)
    if method == "mv_lo":
        noise *= torch.randn(shape, generator=generator, dtype=torch.float64)
    return noise


def _agreement(votes: Votes) -> Tensor:
    agreement = votes.agreement()
    known = ~np.isnan(agreement)
    # A classifier without votes has no influence; any finite weight will do.
    return torch.from_numpy(np.where(known, agreement, 1.0))
