"""What a stack is built of: classes by name, one value for each layer, shapes that fit."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pixel_shuffle

from deem.core.solvers import Solver
from deem.models.harmonium import Harmonium
from deem.utils.exception import (
    ArgumentError,
    ShapeError,
    check_choice,
    check_number,
    check_whole,
)

__all__ = [
    "check_layers",
    "check_shapes",
    "check_units",
    "conv_layers",
    "dense_layers",
    "harmoniums",
    "hidden_units",
    "output_shape",
    "per_layer",
    "plan",
    "stackable",
    "stacks",
]


def stackable() -> dict[str, Any]:
    """Models of the zoo by name that have two layers and learn without labels."""
    from deem.models import ZOO

    return {name: cls for name, cls in ZOO.items() if not issubclass(cls, _apart())}


def _apart() -> tuple[type, ...]:
    """Harmoniums that are no layer of others: with layers of their own, or with labels."""
    from deem.models import DBM, DiscriminativeRBM

    return DBM, DiscriminativeRBM


def harmoniums() -> dict[str, Any]:
    """Classes of layers by name: those of the library, and one's own that are imported."""
    return {cls.__name__: cls for cls in _below(Harmonium)}


def dense_layers(
    kinds: object,
    n_visible: int,
    n_hidden: Sequence[int],
    random_state: int,
    arguments: dict[str, Any],
) -> list[Harmonium]:
    """Layers on each other, see ``DBN.of``."""
    if not isinstance(n_hidden, Sequence):
        raise ArgumentError(f"n_hidden={n_hidden!r}; expected one number for each layer.")
    classes = _classes(kinds, len(n_hidden))
    own = _arguments(len(n_hidden), random_state, arguments)
    sizes = pairwise([n_visible, *n_hidden])
    return [cls(*size, **x) for cls, size, x in zip(classes, sizes, own, strict=True)]


def conv_layers(
    kinds: object,
    visible_shape: Sequence[int],
    n_filters: Sequence[int],
    n_channels: int,
    random_state: int,
    arguments: dict[str, Any],
) -> list[Harmonium]:
    """Layers of filters on each other, see ``ConvDBN.of``."""
    if not isinstance(n_filters, Sequence):
        raise ArgumentError(f"n_filters={n_filters!r}; expected one number for each layer.")
    layers: list[Harmonium] = []
    classes = _classes(kinds, len(n_filters))
    own = _arguments(len(n_filters), random_state, arguments)
    shape = (n_channels, *visible_shape)
    for i, (cls, count, x) in enumerate(zip(classes, n_filters, own, strict=True)):
        try:
            layers.append(cls(shape[1:], n_filters=count, n_channels=shape[0], **x))
        except ArgumentError as error:
            raise ArgumentError(f"layers[{i}], on images of {shape[1:]}: {error}") from error
        shape = output_shape(layers[-1])
    return layers


def _classes(kinds: object, n_layers: int) -> list[Callable[..., Harmonium]]:
    """Class of each layer, by names in the zoo or as they are."""
    known = stackable()
    found = per_layer("kinds", kinds, n_layers)
    for kind in found:
        if not (isinstance(kind, type) and issubclass(kind, Harmonium)):
            check_choice("kinds", kind, known)
    return [known.get(kind, kind) for kind in found]


def _arguments(
    n_layers: int, random_state: int, arguments: dict[str, Any]
) -> list[dict[str, Any]]:
    """Arguments of each layer; a list has one value for each."""
    own: list[dict[str, Any]] = [{"random_state": random_state + i} for i in range(n_layers)]
    for name, value in arguments.items():
        for chosen, x in zip(own, per_layer(name, value, n_layers, (list,)), strict=True):
            chosen[name] = x
    return own


def plan(n_layers: int, **options: Any) -> list[dict[str, Any]]:
    """What the training of each layer is told, checked before the first one starts.

    Raises
    ------
    ArgumentError
        If there are more or fewer values than layers, or they contradict each other.
    """
    values = [per_layer(name, value, n_layers) for name, value in options.items()]
    found = [dict(zip(options, own, strict=True)) for own in zip(*values, strict=True)]
    for i, own in enumerate(found):
        epochs, rate, solver = own["epochs"], own["learning_rate"], own["solver"]
        if epochs is not None:
            check_whole(0, **{f"epochs[{i}]": epochs})
        if rate is not None:
            check_number(**{f"learning_rate[{i}]": rate})
            if not rate > 0:
                raise ArgumentError(f"learning_rate[{i}]={rate}; it must be above 0.")
        if solver is not None and not isinstance(solver, Solver):
            raise ArgumentError(
                f"solver[{i}]={solver!r}; expected a solver object such as "
                "ContrastiveDivergence()."
            )
        if rate is not None and solver is not None:
            raise ArgumentError(
                f"learning_rate={rate} and solver= were both given for layer {i}; "
                "set the learning rate on the solver."
            )
    return found


def per_layer(
    name: str, value: Any, n_layers: int, many: tuple[type, ...] = (list, tuple)
) -> list[Any]:
    """One value for each layer, from as many, or from one for all.

    Parameters
    ----------
    name : str
        Of the argument, for the error.
    value
        A sequence of one of the types `many` has one value for each layer.
    n_layers : int
        How many layers there are.
    many : tuple of type
        What counts as a sequence.
    """
    if not isinstance(value, many):
        return [value] * n_layers
    values = list(value)  # type: ignore[call-overload]
    if len(values) != n_layers:
        raise ArgumentError(
            f"{name} has {len(values)} values, but there are {n_layers} layers; pass one value "
            "for each layer, or one for all."
        )
    return values


def check_layers(layers: Sequence[Harmonium]) -> None:
    """Raise `ArgumentError` unless there are layers, all of them harmoniums and none twice."""
    if len(layers) == 0:
        raise ArgumentError("layers is empty; pass at least one model, such as RBM(64, 32).")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Harmonium) or isinstance(layer, _apart()):
            raise ArgumentError(
                f"layers[{i}] is a {type(layer).__name__}; expected a Harmonium of two layers "
                "that learns without labels, such as RBM."
            )
    if len({id(layer) for layer in layers}) < len(layers):
        raise ArgumentError("layers holds one model twice; build one for each layer.")


def check_shapes(shapes: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    """Raise `ShapeError` unless what each layer takes is what the one below gives.

    Parameters
    ----------
    shapes : sequence of (tuple, tuple)
        Of one sample, before and after each layer. Only the number of units counts.
    """
    for i, ((_, below), (above, _)) in enumerate(pairwise(shapes)):
        if math.prod(below) != math.prod(above):
            raise ShapeError(
                f"layers[{i}] gives {below}, but layers[{i + 1}] takes {above}; give layer "
                f"{i + 1} {math.prod(below)} visible units."
            )


def check_units(layers: Sequence[Harmonium]) -> None:
    """Raise `ArgumentError` unless hidden units are of the kind of the visible ones above."""
    for i, (below, above) in enumerate(pairwise(layers)):
        kinds = [type(x).__name__ for x in (below.hidden_units, above.visible_units)]
        if kinds[0] != kinds[1]:
            raise ArgumentError(
                f"layers[{i}] has {kinds[0]} hidden units, but layers[{i + 1}] has {kinds[1]} "
                "visible ones, so they make no distribution; use layers of the same units."
            )


def output_shape(layer: Harmonium) -> tuple[int, ...]:
    """Shape of one sample of what a layer hands to the one above: pooled units, if it pools."""
    return getattr(layer, "pooled_shape", layer.hidden_shape)


def hidden_units(
    layer: Harmonium, output: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    r"""Hidden units of a layer, given what it hands on.

    Parameters
    ----------
    layer : Harmonium
        Its pooled units stand for blocks of hidden ones, any of which may be the one that is on.
    output : (batch, ...)
        As ``output_shape``, in any arrangement.
    generator : torch.Generator, optional
        Draws the unit of each block that is on; None spreads its probability evenly.

    Returns
    -------
    (batch, \*hidden_shape)
    """
    output = output.reshape(len(output), *output_shape(layer))
    side = getattr(layer, "pooling", None) or 1
    if side == 1:
        return output
    if generator is None:
        blocks = output.unsqueeze(2).expand(-1, -1, side**2, -1, -1) / side**2
    else:
        device = output.device
        unit = torch.randint(side**2, output.shape, generator=generator, device=device)
        blocks = one_hot(unit, side**2).movedim(-1, 2) * output.unsqueeze(2)
    return pixel_shuffle(blocks.flatten(1, 2), side)


def stacks() -> dict[str, Any]:
    """Classes of deep belief networks by name."""
    from deem.models.stack.dbn import DBN

    return {cls.__name__: cls for cls in _below(DBN)}


def _below(cls: Any) -> list[Any]:
    found = [x for child in cls.__subclasses__() for x in _below(child)]
    return found if inspect.isabstract(cls) else [cls, *found]
