"""Fully connected networks."""

from collections.abc import Callable, Sequence
from math import prod

from torch import nn

from deem.ensembles.learners._checks import check_dropout, checked_shape, checked_sizes
from deem.utils.exception import check_choice

__all__ = ["mlp"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
}
_NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def mlp(
    input_shape: Sequence[int],
    n_outputs: int,
    hidden: Sequence[int] = (64, 64),
    activation: str = "relu",
    dropout: float = 0.0,
    norm: str | None = None,
) -> nn.Sequential:
    """Multilayer perceptron, from samples (batch, ...) to scores (batch, n_outputs).

    Parameters
    ----------
    input_shape : sequence of int
        Of one sample; samples of more than one axis are flattened first.
    n_outputs : int
        Number of scores, at least 1.
    hidden : sequence of int
        Units of each hidden layer; none of them makes a linear model.
    activation : str
        Of the hidden units: "relu", "tanh", "gelu", "silu", "elu", "sigmoid", "leaky_relu",
        "selu" or "softplus".
    dropout : float
        Share of the units of each hidden layer that is hidden in training; in [0, 1).
    norm : str, optional
        "batch" or "layer" normalises hidden units before their activation.

    References
    ----------
    .. [1] Rumelhart, Hinton, Williams (1986), Learning representations by back-propagating errors.
    """
    shape, sizes = checked_shape(input_shape, n_outputs), checked_sizes("hidden", hidden)
    check_choice("activation", activation, _ACTIVATIONS)
    check_dropout(dropout=dropout)
    if norm is not None:
        check_choice("norm", norm, _NORMS)
    layers: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
    n_in = prod(shape)
    for n_units in sizes:
        layers.append(nn.Linear(n_in, n_units))
        if norm is not None:
            layers.append(_NORMS[norm](n_units))
        layers.append(_ACTIVATIONS[activation]())
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        n_in = n_units
    return nn.Sequential(*layers, nn.Linear(n_in, n_outputs))
