"""A fitted estimator as plain values, and back; persistence itself is in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from deem.core.model import Model
from deem.core.sampler import Sampler
from deem.core.solvers import SOLVERS, Solver
from deem.estimators.state import become
from deem.models import MODELS
from deem.samplers import SAMPLERS
from deem.utils.exception import ArgumentError, ModelFileError

if TYPE_CHECKING:
    from deem.estimators.base import ConsensusEstimator

__all__ = ["from_content", "to_content"]

_OBJECT, _CLASS = "__object__", "__class__"
_REGISTRIES: dict[str, dict[str, type]] = {
    "model": MODELS,
    "solver": dict(SOLVERS),
    "sampler": SAMPLERS,
    "kernel": SAMPLERS,
}
_ARRAYS = (
    "class_map_",
    "classes_",
    "classifiers_",
    "labels_",
    "probas_",
    "skills_",
    "skills_std_",
    "confusion_",
    "confusion_std_",
)
_PLAIN = (
    "n_classes_",
    "n_classifiers_",
    "n_features_in_",
    "expected_accuracy_",
    "health_",
    "selection_",
    "calibration_",
)


def to_content(estimator: ConsensusEstimator) -> dict[str, Any]:
    """Everything a model file holds of a fitted estimator.

    Raises
    ------
    ArgumentError
        If a parameter, or the model, is of a class that is not registered, or a name of a class
        or classifier is neither text nor a number.
    """
    params = estimator.get_params(deep=False)
    model = estimator.model_
    if MODELS.get(type(model).__name__) is not type(model):
        raise ArgumentError(_refusal("model", model))
    for name in ("classes_", "classifiers_"):
        _check_names(name, getattr(estimator, name))
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "params": {name: _encode(name, value) for name, value in params.items()},
        "arrays": {name: np.asarray(getattr(estimator, name)) for name in _ARRAYS},
        "plain": {name: getattr(estimator, name) for name in _PLAIN},
        "fit_class_map": estimator._fit_class_map,
        "feature_names_in": names,
        "model": {"class": type(model).__name__, **model.to_content()},
    }


def _check_names(name: str, names: NDArray[Any]) -> None:
    odd = [x for x in names.tolist() if not (x is None or isinstance(x, (str, int, float)))]
    if odd:
        of = "labels" if name == "classes_" else "classifiers"
        raise ArgumentError(
            f"{name} holds {odd[0]!r}, a {type(odd[0]).__name__}, which a model file cannot hold; "
            f"convert the names of the {of} to strings before fit."
        )


def from_content(estimator: ConsensusEstimator, content: dict[str, Any]) -> None:
    """Fill an estimator with what `to_content` gave; nothing changes if that fails.

    Raises
    ------
    ModelFileError
        If a part is missing, or of a class or parameter that this version does not have.
    """
    try:
        become(estimator, _state(type(estimator), content))
    except (KeyError, TypeError) as error:
        raise ModelFileError(
            f"the file does not hold what this version of DEEM needs ({error}); load it with the "
            "version of deem that wrote it."
        ) from error


def _state(cls: type[ConsensusEstimator], content: dict[str, Any]) -> dict[str, Any]:
    params = {name: _decode(name, value) for name, value in content["params"].items()}
    saved = content["model"]
    model = _registered("model", saved["class"]).from_content(saved)
    state = {name: content["arrays"][name] for name in _ARRAYS}
    state |= {name: content["plain"][name] for name in _PLAIN}
    state |= {"model_": model, "history_": model.history}
    state["_fit_class_map"] = content["fit_class_map"]
    if content["feature_names_in"] is not None:
        state["feature_names_in_"] = content["feature_names_in"]
    return {**vars(cls(**params)), **state}


def _encode(name: str, value: Any) -> Any:
    if isinstance(value, (Model, Solver, Sampler)):
        if _REGISTRIES.get(name, {}).get(type(value).__name__) is not type(value):
            raise ArgumentError(_refusal(name, value))
        if isinstance(value, Model):
            return {_OBJECT: type(value).__name__, "content": value.to_content()}
        encoded = {key: _encode(key, item) for key, item in value.settings().items()}
        return {_OBJECT: type(value).__name__, "settings": encoded}
    if isinstance(value, type):
        if _REGISTRIES.get(name, {}).get(value.__name__) is not value:
            raise ArgumentError(_refusal(name, value))
        return {_CLASS: value.__name__}
    return str(value) if isinstance(value, torch.device) else value


def _decode(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if _CLASS in value:
        return _registered(name, value[_CLASS])
    if _OBJECT not in value:
        return value
    cls = _registered(name, value[_OBJECT])
    if "content" in value:
        return cls.from_content(value["content"])
    return cls(**{key: _decode(key, item) for key, item in value["settings"].items()})


def _registered(name: str, class_name: str) -> Any:
    registry = _REGISTRIES[name]
    if class_name not in registry:
        raise ModelFileError(
            f"the file names the {name} class {class_name}, which this version does not have; "
            "update deem."
        )
    return registry[class_name]


def _refusal(name: str, value: object) -> str:
    cls = value if isinstance(value, type) else type(value)
    return (
        f"{name} is a {cls.__module__}.{cls.__name__}, which is not registered, so a file could "
        "not be loaded again; save its parameters with model_.save(path) instead."
    )
