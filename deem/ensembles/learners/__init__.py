"""Networks of an ensemble, one family a file, and the one dictionary of their names."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from deem.ensembles.learners._checks import checked_shape
from deem.ensembles.learners.convolutional import cnn, cnn_paper
from deem.ensembles.learners.perceptron import mlp
from deem.ensembles.learners.resnet import resnet18, resnet34, resnet_small
from deem.ensembles.learners.vgg import vgg16, vgg_small
from deem.utils.exception import ArgumentError, check_choice

__all__ = [
    "LEARNERS",
    "cnn",
    "cnn_paper",
    "make_learner",
    "mlp",
    "register_learner",
    "resnet18",
    "resnet34",
    "resnet_small",
    "vgg16",
    "vgg_small",
]

LEARNERS: dict[str, Callable[..., nn.Module]] = {
    factory.__name__: factory
    for factory in (mlp, cnn, cnn_paper, vgg_small, vgg16, resnet_small, resnet18, resnet34)
}
"""Factories by name: called with the shape of a sample, the number of scores and parameters of
their own, they give a network from samples (batch, ...) to scores (batch, n_outputs)."""


def register_learner(name: str, factory: Callable[..., nn.Module]) -> None:
    """Add a factory to `LEARNERS`.

    Parameters
    ----------
    name : str
        One that is not taken yet.
    factory : callable
        Takes the shape of a sample, the number of scores and parameters of its own, and returns a
        module from (batch, ...) to (batch, n_outputs), without softmax.

    Examples
    --------
    >>> register_learner("linear", lambda shape, n_outputs: nn.Linear(*shape, n_outputs))
    >>> make_learner("linear", (4,), 2)
    Linear(in_features=4, out_features=2, bias=True)
    >>> _ = LEARNERS.pop("linear")
    """
    if not isinstance(name, str) or not name:
        raise ArgumentError(f"name={name!r}; expected a text that is not empty.")
    if name in LEARNERS:
        raise ArgumentError(f"name={name!r} is a learner already; choose another name.")
    _check_factory("factory", factory)
    LEARNERS[name] = factory


def make_learner(
    learner: str | Callable[..., nn.Module],
    input_shape: Sequence[int],
    n_outputs: int,
    params: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Network of an ensemble, with first weights from the global generator of torch.

    Parameters
    ----------
    learner : str or callable
        Name in `LEARNERS`, or a factory as `register_learner` takes it.
    input_shape : sequence of int
        Of one sample: (n_features,), or (channels, height, width).
    n_outputs : int
        Number of scores, at least 1.
    params : mapping, optional
        Further arguments of the factory.

    Returns
    -------
    torch.nn.Module
        From (batch, ...) to scores (batch, n_outputs), in training mode.

    Raises
    ------
    ArgumentError
        If the name is unknown, the factory does not take the arguments, or it returns anything but
        a module.

    Examples
    --------
    >>> make_learner("mlp", (64,), 10, {"hidden": [32]})
    Sequential(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    """
    if callable(learner):
        _check_factory("learner", learner)
        factory, name = learner, getattr(learner, "__name__", type(learner).__name__)
    else:
        check_choice("learner", learner, LEARNERS)
        factory, name = LEARNERS[learner], repr(learner)
    if params is not None and not isinstance(params, Mapping):
        raise ArgumentError(f"params={params!r}; expected a dict such as {{'hidden': (64, 64)}}.")
    shape, params = checked_shape(input_shape, n_outputs), dict(params or {})
    _check_call(name, factory, shape, n_outputs, params)
    network = factory(shape, int(n_outputs), **params)
    if not isinstance(network, nn.Module):
        raise ArgumentError(
            f"learner={name} returned a {type(network).__name__}; expected a torch.nn.Module."
        )
    return network


def _check_factory(argument: str, factory: object) -> None:
    if isinstance(factory, nn.Module):
        raise ArgumentError(
            f"{argument} is a {type(factory).__name__} that is built already, and learners share "
            "no weights; pass a callable that takes (input_shape, n_outputs) and builds one."
        )
    if not callable(factory):
        raise ArgumentError(
            f"{argument}={factory!r}; expected a callable that takes (input_shape, n_outputs)."
        )


def _check_call(
    name: str, factory: Callable, shape: tuple[int, ...], n_outputs: int, params: dict[str, Any]
) -> None:
    """Tell arguments that a factory does not take from errors inside of it."""
    signature = inspect.signature(factory)
    try:
        signature.bind(shape, n_outputs, **params)
    except TypeError as error:
        raise ArgumentError(
            f"learner={name}: {error}; it is called as learner(input_shape, n_outputs, **params) "
            f"and takes ({', '.join(map(str, signature.parameters))})."
        ) from error
