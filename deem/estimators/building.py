"""The model that the parameters of `DEEM` ask for."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from deem.core.model import LatentModel
from deem.models import MODELS
from deem.models.consensus import ConsensusModel, StartsFromVotes
from deem.models.multinomial import MultinomialIRBM
from deem.models.multinomial_layer import LARGEST_WEIGHT
from deem.models.pseudo_counts import PseudoCounts
from deem.utils.exception import ArgumentError, check_choice

__all__ = ["as_numbers", "check_whole", "make_model"]

_OF_VOTES = ("n_classifiers", "n_classes")

_RANK = 8
"""Of layers that are too large for a full weight."""


def make_model(
    params: Mapping[str, Any], n_classifiers: int, n_classes: int, confusion: np.ndarray | None
) -> LatentModel:
    """Build a model; a copy of it where an instance was handed in.

    Parameters
    ----------
    params : mapping
        All constructor parameters of `DEEM`.
    n_classifiers, n_classes : int
        Of the votes.
    confusion : (n_classifiers, n_classes, n_classes), optional
        Votes known beforehand: classifier, class, vote.
    """
    given, extra = params["model"], params["model_params"]
    if isinstance(given, LatentModel):
        if extra is not None:
            raise ArgumentError(
                "model_params was given with a model instance, which is built already; "
                "pass the class instead."
            )
        return copy.deepcopy(given)
    if not (extra is None or isinstance(extra, Mapping)):
        raise ArgumentError(f"model_params={extra!r}; pass a dict of constructor arguments.")
    model_class = _model_class(params, n_classes)
    taken = inspect.signature(model_class).parameters
    sizes = {"n_classifiers": n_classifiers, "n_classes": n_classes}
    own = _own_arguments(params, model_class, n_classifiers, n_classes)
    arguments = sizes | {name: value for name, value in own.items() if name in taken}
    arguments |= extra or {}
    if issubclass(model_class, ConsensusModel):
        _check_consensus(extra or {})
        if confusion is not None:
            counts = PseudoCounts(*(arguments.get("pseudo_counts") or ()))
            arguments["pseudo_counts"] = counts._replace(confusion_votes=confusion)
    return _build(model_class, arguments, extra or {})


def _model_class(params: Mapping[str, Any], n_classes: int) -> type[LatentModel]:
    given = params["model"]
    if given is None and params["use_preprocessing"]:
        return MultinomialIRBM
    if given is None:
        given = "BinaryIRBM" if n_classes == 2 else "SoftIRBM"
    if isinstance(given, str):
        check_choice("model", given, MODELS)
        given = MODELS[given]
    if not (inspect.isclass(given) and issubclass(given, LatentModel)):
        raise ArgumentError(
            f"model={given!r}; pass a name ({', '.join(MODELS)}), a LatentModel class or an "
            "instance of one."
        )
    return given


def _own_arguments(
    params: Mapping[str, Any], model_class: type[LatentModel], n_classifiers: int, n_classes: int
) -> dict[str, Any]:
    """What the flat parameters say of a model of our own."""
    if not issubclass(model_class, StartsFromVotes):
        return {}
    arguments = {"hidden_dim": params["hidden_dim"], "class_prior": params["class_prior"]}
    if issubclass(model_class, MultinomialIRBM):
        arguments |= _layer_arguments(params, n_classifiers, n_classes)
    return arguments


def _layer_arguments(
    params: Mapping[str, Any], n_classifiers: int, n_classes: int
) -> dict[str, Any]:
    """What the `preprocessing_...` parameters say of layers; too large ones are factorised."""
    widths = _widths(params, n_classifiers)
    outputs = [n_classifiers] if widths is None else widths
    before = [n_classifiers, *outputs]
    largest = max(a * b for a, b in zip(before, outputs, strict=False)) * n_classes**2
    return {
        "widths": widths,
        "activation": _activation(params),
        "start": params["preprocessing_init"],
        "jitter": params["preprocessing_jitter"],
        "one_hot": params["preprocessing_one_hot"],
        "rank": _RANK if largest > LARGEST_WEIGHT else None,
    }


def _activation(params: Mapping[str, Any]) -> str | None:
    if not params["preprocessing_use_softmax"]:
        return None
    return params["preprocessing_activation"] or "sparsemax"


def _widths(params: Mapping[str, Any], n_classifiers: int) -> list[int] | None:
    widths, layers = params["preprocessing_layer_widths"], params["preprocessing_layers"]
    if widths is None:
        # None leaves it to the model.
        return None if layers is None else [n_classifiers] * layers
    given = [widths] if np.ndim(widths) == 0 else list(widths)
    if not given:
        raise ArgumentError("preprocessing_layer_widths is empty; pass a width for each layer.")
    for width in given:
        check_whole("preprocessing_layer_widths", width, 1)
    if layers is not None and layers != len(given):
        raise ArgumentError(
            f"preprocessing_layers={layers}, but preprocessing_layer_widths={widths!r} has "
            f"{len(given)} entries; leave one of them out."
        )
    return [int(x) for x in given]


def _check_consensus(extra: Mapping[str, Any]) -> None:
    """Check the entries of `model_params` that consensus models share."""
    if "hidden_dim" in extra:
        check_whole("model_params['hidden_dim']", extra["hidden_dim"], 1)
    if extra.get("class_prior") is not None:
        as_numbers("model_params['class_prior']", extra["class_prior"])
    counts = extra.get("pseudo_counts")
    named = PseudoCounts._fields[:-1]
    numbers = isinstance(counts, (tuple, list)) and all(
        isinstance(x, Real) for x in counts[: len(named)]
    )
    if counts is not None and not (numbers and len(counts) <= len(PseudoCounts._fields)):
        raise ArgumentError(
            f"model_params['pseudo_counts']={counts!r}; pass PseudoCounts or its numbers in "
            f"order: {', '.join(named)}."
        )


def _build(
    model_class: type[LatentModel], arguments: dict[str, Any], extra: Mapping[str, Any]
) -> LatentModel:
    """Build a model; what `model_params` gave it is refused by name if it does not fit."""
    taken = inspect.signature(model_class).parameters
    for name in extra:
        if name not in taken and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            raise ArgumentError(
                f"model_params has the key {name!r}, but {model_class.__name__} takes: "
                f"{', '.join(x for x in taken if x not in _OF_VOTES)}; drop or rename it."
            )
    try:
        return model_class(**arguments)
    except TypeError as error:
        if not extra:
            raise
        raise ArgumentError(
            f"model_params={dict(extra)!r} has a value that {model_class.__name__} cannot use "
            f"({error}); pass values of the types that it documents."
        ) from error


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise `ArgumentError` unless `value` is an integer of at least `least`."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise ArgumentError(f"{name}={value!r}; it must be an integer of at least {least}.")


def as_numbers(name: str, value: Any) -> np.ndarray:
    """Array of floats.

    Raises
    ------
    ArgumentError
        If an entry is no number, or the rows differ in length.
    """
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} is no array of numbers ({error}); pass numbers.") from error
