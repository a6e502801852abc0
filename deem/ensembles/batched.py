"""Learners that are chains of linear layers, computed by one matrix product a layer for all."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["is_chain", "run_chain"]

_POINTWISE = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softplus,
    nn.Tanh,
    nn.Identity,
    nn.Dropout,
)
"""Layers that act on every number alone, whatever the layout."""


def is_chain(network: nn.Module) -> bool:
    """Whether `run_chain` computes a network: linear and pointwise layers, one after the other."""
    if type(network) is not nn.Sequential:
        return False
    kinds = [type(layer) for layer in network]
    if kinds[:1] == [nn.Flatten] and (network[0].start_dim, network[0].end_dim) == (1, -1):
        kinds = kinds[1:]
    # Weights of two layers in one have one name in the state; hooks are not called.
    weights = list(map(id, (p for _, p in network.named_parameters(remove_duplicate=False))))
    is_plain = len(set(weights)) == len(weights) and not any(
        layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules()
    )
    # What comes before the first linear layer would be shared by all learners, noise included.
    is_known = kinds[:1] == [nn.Linear] and all(k in (*_POINTWISE, nn.Linear) for k in kinds)
    return is_plain and is_known


def run_chain(network: nn.Module, state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Scores of groups of learners.

    Parameters
    ----------
    network : Sequential
        See `is_chain`; its own parameters are not used.
    state : dict of (groups, n_learners, ...) Tensor
        Parameters by the names they have in the network.
    x : (n_inputs, batch, ...)
        Each input belongs to the next ``groups / n_inputs`` groups.

    Returns
    -------
    (groups, batch, n_learners, n_outputs)
    """
    # One layer may stand at several places.
    layers = list(network.named_modules(remove_duplicate=False))[1:]
    if isinstance(layers[0][1], nn.Flatten):
        x, layers = x.flatten(2), layers[1:]
    # Samples come last: then one product of all first layers with an input needs no copy to go on
    # as one batch of matrices a learner.
    h = x.transpose(1, 2)
    for name, layer in layers:
        if isinstance(layer, nn.Linear):
            h = _linear(h, state[f"{name}.weight"], state.get(f"{name}.bias"))
        else:
            h = layer(h)
    groups, n_learners = next(iter(state.values())).shape[:2]
    return h.view(groups, n_learners, *h.shape[1:]).permute(0, 3, 1, 2)


def _linear(h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(groups x n_learners, n_out, batch) from (n_inputs or groups x n_learners, n_in, batch)."""
    n_out, n_in = weight.shape[-2:]
    flat = weight.reshape(len(h), -1, n_in)
    if bias is None:
        found = torch.bmm(flat, h)
    else:
        found = torch.baddbmm(bias.reshape(len(h), -1, 1), flat, h)
    return found.view(-1, n_out, h.shape[-1])
