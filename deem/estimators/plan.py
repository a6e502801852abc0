"""From the flat parameters of `DEEM` to the objects that do the work, in one place."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from deem.core.model import LatentModel
from deem.core.optimizers import OPTIMIZERS, SCHEDULERS
from deem.core.sampler import Sampler
from deem.core.solvers import ContrastiveDivergence, ExactEM, ExactGradient, Solver
from deem.core.votes import Votes
from deem.estimators.automatic import is_value, with_predicted
from deem.estimators.unused import warn_about_unused
from deem.models import MODELS
from deem.models.consensus import ConsensusModel
from deem.models.initialization import STARTS
from deem.models.latent_class import LatentClassModel
from deem.models.pseudo_counts import PseudoCounts
from deem.utils.exception import ArgumentError, DeviceError, check_choice

__all__ = ["Plan", "as_numbers", "make_plan"]

_DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.001,
    "momentum": 0.9,
    "epochs": 100,
    "batch_size": 128,
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "init_method": STARTS,
    "solver": ("auto", "exact", "cd", "pcd"),
    "sampler": ("auto", "gibbs", "gwg", "dlp"),
    "optimizer": OPTIMIZERS,
    "scheduler": SCHEDULERS,
    "selection": ("auto",),
    "preprocessing_activation": (
        *("sparsemax", "entmax", "ultramax"),
        *("softmax", "relu", "gelu", "silu"),
    ),
    "preprocessing_init": ("identity", "rand", "mv", "default"),
}
_LAYERS = "multinomial layers"
_GRADIENT = "a gradient-informed sampler"
_NOT_YET: dict[str, tuple[Any, str]] = {
    "use_preprocessing": (False, _LAYERS),
    "preprocessing_layers": (None, _LAYERS),
    "preprocessing_layer_widths": (None, _LAYERS),
    "preprocessing_activation": (None, _LAYERS),
    "preprocessing_init": ("identity", _LAYERS),
    "preprocessing_one_hot": (False, _LAYERS),
    "preprocessing_use_softmax": (True, _LAYERS),
    "preprocessing_jitter": (0.005, _LAYERS),
    "sampler_steps": (5, _GRADIENT),
    "sampler_oh_mode": (False, _GRADIENT),
}
_WHOLE = {"hidden_dim": 1, "cd_k": 1, "n_restarts": 1, "epochs": 0, "batch_size": 1}
_BELOW = {"learning_rate": np.inf, "momentum": 1, "weight_decay": np.inf}
_OF_VOTES = ("n_classifiers", "n_classes")
_OPTIONAL = ("n_restarts", *_DEFAULTS)


@dataclass
class Plan:
    """The objects and numbers of one training.

    Attributes
    ----------
    model : LatentModel
        Not yet started; on its device, in its dtype.
    solver : Solver
        A copy of its own.
    init_method : str or None
        None keeps the parameters the model came with.
    epochs : int or None
        None is the solver's default.
    batch_size : int
        Of stochastic solvers.
    """

    model: LatentModel
    solver: Solver
    init_method: str | None
    epochs: int | None
    batch_size: int


def make_plan(
    params: Mapping[str, Any],
    n_classifiers: int,
    n_classes: int,
    confusion_prior: np.ndarray | None = None,
    votes: Votes | None = None,
) -> Plan:
    """Turn parameters into model, sampler and solver; the one place that does.

    Parameters
    ----------
    params : mapping
        All constructor parameters of `DEEM`, those given to ``fit`` already put in.
    n_classifiers, n_classes : int
        Of the votes.
    confusion_prior : (n_classifiers, n_classes, n_classes), optional
        Votes known beforehand: classifier, class, vote.
    votes : Votes, optional
        The training votes, which automatic hyperparameters are chosen for.

    Raises
    ------
    ArgumentError
        If a value is unknown, out of range, or asks for a part that does not exist yet.
    """
    _check_parts(params)
    _check_numbers(params)
    for name, value in (
        ("class_prior", params["class_prior"]),
        ("confusion_prior", confusion_prior),
    ):
        if value is not None:
            as_numbers(name, value)
    model = _make_model(params, n_classifiers, n_classes, confusion_prior)
    solver = _make_solver(params, model)
    stochastic = not solver.full_batch
    handed_in = isinstance(params["solver"], Solver)
    given = params
    if params["auto_hyperparameters"] and votes is not None and not handed_in:
        start = _init_method(params, model, stochastic)
        params = with_predicted(params, solver, votes, _DEFAULTS, start)
        solver = _make_solver(params, model)
    device = _device(params["device"], stochastic)
    # Exact sums deserve double precision; Apple's device has none.
    model.to(device, torch.float32 if device.type == "mps" else torch.float64)
    init_method = _init_method(params, model, stochastic)
    warn_about_unused(given, model, solver, init_method, confusion_prior)
    return Plan(
        model,
        solver,
        init_method,
        # An exact solver stops by its own rule, unless it was handed in with a number of passes.
        _value(params, "epochs") if stochastic else params["epochs"] if handed_in else None,
        _value(params, "batch_size"),
    )


def _init_method(params: Mapping[str, Any], model: LatentModel, stochastic: bool) -> str | None:
    if not isinstance(model, ConsensusModel):
        return None
    if params["init_method"] is None and isinstance(params["model"], LatentModel):
        return None
    return params["init_method"] or ("mv_rand" if stochastic else "shares")


def _check_parts(params: Mapping[str, Any]) -> None:
    for name, choices in _CHOICES.items():
        if isinstance(params[name], str):
            check_choice(name, params[name], choices)
    if not isinstance(params["selection"], (str, type(None))):
        raise ArgumentError(f'selection={params["selection"]!r}; pass "auto" or None.')
    asked = {name: row for name, row in _NOT_YET.items() if not is_value(params[name], row[0])}
    if isinstance(params["sampler"], str) and params["sampler"] in ("gwg", "dlp"):
        asked["sampler"] = ("auto", _GRADIENT)
    for name, (unset, part) in asked.items():
        raise ArgumentError(
            f"{name}={params[name]!r} asks for {part}, which this version does not have; "
            f"leave it at {unset!r}."
        )


def _check_numbers(params: Mapping[str, Any]) -> None:
    for name, least in _WHOLE.items():
        if not (params[name] is None and name in _OPTIONAL):
            _check_whole(name, params[name], least)
    for name, limit in _BELOW.items():
        value = params[name]
        number = isinstance(value, Real) and 0 <= float(value) < limit
        if not number and not (value is None and name in _OPTIONAL):
            raise ArgumentError(f"{name}={value!r}; it must be at least 0 and below {limit}.")
    n_jobs = params["n_jobs"]
    if n_jobs is not None and not (isinstance(n_jobs, Integral) and n_jobs != 0):
        raise ArgumentError(f"n_jobs={n_jobs!r}; it must be an integer other than 0.")


def _check_whole(name: str, value: Any, least: int) -> None:
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


def _make_model(
    params: Mapping[str, Any], n_classifiers: int, n_classes: int, confusion: np.ndarray | None
) -> LatentModel:
    given, extra = params["model"], params["model_params"]
    if isinstance(given, LatentModel):
        if extra is not None:
            raise ArgumentError(
                "model_params was given with a model instance, which is built already; "
                "pass the class instead."
            )
        return copy.deepcopy(given)
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
    if not (extra is None or isinstance(extra, Mapping)):
        raise ArgumentError(f"model_params={extra!r}; pass a dict of constructor arguments.")
    arguments: dict[str, Any] = {"n_classifiers": n_classifiers, "n_classes": n_classes}
    consensus = issubclass(given, ConsensusModel)
    taken = inspect.signature(given).parameters
    if consensus:
        own = ("hidden_dim", "class_prior")
        arguments |= {name: params[name] for name in own if name in taken}
    arguments |= extra or {}
    if consensus:
        _check_consensus(extra or {})
        if confusion is not None:
            counts = PseudoCounts(*(arguments.get("pseudo_counts") or ()))
            arguments["pseudo_counts"] = counts._replace(confusion_votes=confusion)
    return _build(given, arguments, extra or {})


def _check_consensus(extra: Mapping[str, Any]) -> None:
    """Check the entries of `model_params` that consensus models share."""
    if "hidden_dim" in extra:
        _check_whole("model_params['hidden_dim']", extra["hidden_dim"], 1)
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


def _make_solver(params: Mapping[str, Any], model: LatentModel) -> Solver:
    solver = params["solver"]
    if isinstance(solver, Solver):
        return copy.deepcopy(solver)
    if not isinstance(solver, str):
        raise ArgumentError(f"solver={solver!r}; pass one of {_CHOICES['solver']} or a Solver.")
    exact = isinstance(model, LatentClassModel) and model.is_listed
    if solver == "exact" or (solver == "auto" and exact):
        return ExactEM() if getattr(model, "supports_em", False) else ExactGradient()
    sampler = params["sampler"]
    if not isinstance(sampler, (str, Sampler)):
        raise ArgumentError(
            f"sampler={sampler!r}; pass one of {_CHOICES['sampler']} or a Sampler."
        )
    return ContrastiveDivergence(
        steps=params["cd_k"],
        learning_rate=_value(params, "learning_rate"),
        momentum=_value(params, "momentum"),
        weight_decay=params["weight_decay"],
        optimizer=params["optimizer"],
        scheduler=params["scheduler"],
        persistent=solver == "pcd",
        deterministic=params["deterministic"],
        sampler=None if isinstance(sampler, str) else copy.deepcopy(sampler),
    )


def _value(params: Mapping[str, Any], name: str) -> Any:
    return _DEFAULTS[name] if params[name] is None else params[name]


def _device(device: object, stochastic: bool) -> torch.device:
    if device == "auto":
        # Exact sums over sparse votes are faster on the processor than the way to the device.
        return torch.device("cuda" if stochastic and torch.cuda.is_available() else "cpu")
    try:
        # The device "meta" takes tensors but holds no values.
        torch.zeros(1, device=torch.device(device)).item()  # type: ignore[call-overload]
    except (RuntimeError, TypeError, AssertionError) as error:
        found = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        raise DeviceError(
            f"device={device!r} is not there ({str(error).splitlines()[0]}); "
            f'this machine has: {found}. Pass device="auto".'
        ) from error
    return torch.device(device)  # type: ignore[call-overload]
