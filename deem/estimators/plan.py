"""From the flat parameters of `DEEM` to the objects that do the work, in one place."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from deem.core.devices import as_device
from deem.core.model import BipartiteModel, LatentModel
from deem.core.optimizers import OPTIMIZERS, SCHEDULERS
from deem.core.sampler import Sampler
from deem.core.solvers import ContrastiveDivergence, ExactEM, ExactGradient, Solver
from deem.core.votes import Votes
from deem.estimators.automatic import with_predicted
from deem.estimators.building import as_numbers, check_whole, make_model
from deem.estimators.unused import warn_about_unused
from deem.math.activation import ACTIVATIONS
from deem.models.consensus import ConsensusModel, StartsFromVotes
from deem.models.initialization import STARTS
from deem.models.latent_class import LatentClassModel
from deem.models.multinomial import MultinomialIRBM
from deem.models.multinomial_layer import LAYER_STARTS
from deem.samplers import DiscreteLangevin, Gibbs, GibbsWithGradients
from deem.utils.exception import ArgumentError, check_choice

__all__ = ["Plan", "layered_plan", "make_plan"]

_DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.001,
    "momentum": 0.9,
    "epochs": 100,
    "batch_size": 128,
    "scheduler": "none",
}
_OF_LAYERS = {"epochs": 30, "scheduler": "cosine"}
"""Of models that start as the exact one; towards the end the noise of chains would undo what was
learnt."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "init_method": STARTS,
    "solver": ("auto", "exact", "cd", "pcd"),
    "sampler": ("auto", "gibbs", "gwg", "dlp"),
    "optimizer": OPTIMIZERS,
    "scheduler": SCHEDULERS,
    "selection": ("auto", "deep"),
    "preprocessing_activation": tuple(ACTIVATIONS),
    "preprocessing_init": LAYER_STARTS,
}
_WHOLE = {"hidden_dim": 1, "cd_k": 1, "n_restarts": 1, "epochs": 0, "batch_size": 1}
_WHOLE |= {"sampler_steps": 1, "preprocessing_layers": 1}
_BELOW = {"learning_rate": np.inf, "momentum": 1, "weight_decay": np.inf}
_BELOW |= {"preprocessing_jitter": np.inf}
_OPTIONAL = ("n_restarts", "preprocessing_layers", *_DEFAULTS)
_SAMPLERS: dict[str, type[Sampler]] = {"gwg": GibbsWithGradients, "dlp": DiscreteLangevin}


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
        If a value is unknown, out of range, or does not go with another.
    """
    _check_parts(params)
    _check_numbers(params)
    for name, value in (
        ("class_prior", params["class_prior"]),
        ("confusion_prior", confusion_prior),
    ):
        if value is not None:
            as_numbers(name, value)
    model = make_model(params, n_classifiers, n_classes, confusion_prior)
    given, handed_in = params, isinstance(params["solver"], Solver)
    if params["auto_hyperparameters"] and votes is not None and not handed_in:
        solver = _make_solver(params, model)
        start = _init_method(params, model, not solver.full_batch)
        params = with_predicted(params, model, solver, votes, _defaults(model), start)
        model = make_model(params, n_classifiers, n_classes, confusion_prior)
    plan = _assemble(params, model)
    warn_about_unused(given, model, plan.solver, plan.init_method, confusion_prior)
    return plan


def layered_plan(params: Mapping[str, Any], n_classifiers: int, n_classes: int) -> Plan:
    """The plan of the same parameters with multinomial layers, for models that compete."""
    params = {**params, "use_preprocessing": True, "solver": "auto"}
    return _assemble(params, make_model(params, n_classifiers, n_classes, None))


def _assemble(params: Mapping[str, Any], model: LatentModel) -> Plan:
    solver = _make_solver(params, model)
    stochastic = not solver.full_batch
    # Exact sums over sparse votes are faster on the processor than the way to the device.
    device = as_device(params["device"], accelerated=stochastic)
    # Exact sums deserve double precision, layers speed; Apple's device has no double.
    single = device.type == "mps" or isinstance(model, MultinomialIRBM)
    model.to(device, torch.float32 if single else torch.float64)
    # An exact solver stops by its own rule, unless it was handed in with a number of passes.
    exact_epochs = params["epochs"] if isinstance(params["solver"], Solver) else None
    return Plan(
        model,
        solver,
        _init_method(params, model, stochastic),
        _value(params, model, "epochs") if stochastic else exact_epochs,
        _value(params, model, "batch_size"),
    )


def _init_method(params: Mapping[str, Any], model: LatentModel, stochastic: bool) -> str | None:
    if not isinstance(model, StartsFromVotes):
        return None
    if params["init_method"] is None and isinstance(params["model"], LatentModel):
        return None
    noisy = stochastic and isinstance(model, ConsensusModel)
    return params["init_method"] or ("mv_rand" if noisy else "shares")


def _check_parts(params: Mapping[str, Any]) -> None:
    for name, choices in _CHOICES.items():
        if isinstance(params[name], str):
            check_choice(name, params[name], choices)
    if not isinstance(params["selection"], (str, type(None))):
        raise ArgumentError(f'selection={params["selection"]!r}; pass "auto", "deep" or None.')


def _check_numbers(params: Mapping[str, Any]) -> None:
    for name, least in _WHOLE.items():
        if not (params[name] is None and name in _OPTIONAL):
            check_whole(name, params[name], least)
    for name, limit in _BELOW.items():
        value = params[name]
        number = isinstance(value, Real) and 0 <= float(value) < limit
        if not number and not (value is None and name in _OPTIONAL):
            raise ArgumentError(f"{name}={value!r}; it must be at least 0 and below {limit}.")
    n_jobs = params["n_jobs"]
    if n_jobs is not None and not (isinstance(n_jobs, Integral) and n_jobs != 0):
        raise ArgumentError(f"n_jobs={n_jobs!r}; it must be an integer other than 0.")


def _make_solver(params: Mapping[str, Any], model: LatentModel) -> Solver:
    solver = params["solver"]
    if isinstance(solver, Solver):
        return copy.deepcopy(solver)
    if not isinstance(solver, str):
        raise ArgumentError(f"solver={solver!r}; pass one of {_CHOICES['solver']} or a Solver.")
    exact = isinstance(model, LatentClassModel) and model.is_listed
    samples = isinstance(params["sampler"], str) and params["sampler"] in _SAMPLERS
    if solver == "exact" or (solver == "auto" and exact and not samples):
        _check_exact(model, exact)
        return ExactEM() if getattr(model, "supports_em", False) else ExactGradient()
    sampler = _make_sampler(params["sampler"], model)
    return ContrastiveDivergence(
        steps=params["cd_k" if sampler is None or isinstance(sampler, Gibbs) else "sampler_steps"],
        learning_rate=_value(params, model, "learning_rate"),
        momentum=_value(params, model, "momentum"),
        weight_decay=params["weight_decay"],
        optimizer=params["optimizer"],
        scheduler=_value(params, model, "scheduler"),
        persistent=solver == "pcd" or (solver == "auto" and exact),
        deterministic=params["deterministic"],
        sampler=sampler,
    )


def _make_sampler(sampler: object, model: LatentModel) -> Sampler | None:
    """What moves the chains; None is the Gibbs sweep of the model."""
    if isinstance(sampler, Sampler):
        return copy.deepcopy(sampler)
    if not isinstance(sampler, str):
        raise ArgumentError(
            f"sampler={sampler!r}; pass one of {_CHOICES['sampler']} or a Sampler."
        )
    if isinstance(model, BipartiteModel):
        return _SAMPLERS[sampler]() if sampler in _SAMPLERS else None
    if sampler == "gibbs":
        raise ArgumentError(
            f'sampler="gibbs" needs p(v given h), which {type(model).__name__} does not have; '
            'pass sampler="dlp" or "gwg".'
        )
    return _SAMPLERS.get(sampler, DiscreteLangevin)()


def _check_exact(model: LatentModel, listed: bool) -> None:
    if isinstance(model, MultinomialIRBM) and not listed:
        raise ArgumentError(
            f'solver="exact" needs sums that {type(model).__name__} does not have; pass '
            'solver="cd", "pcd" or "auto", or leave out the layers.'
        )


def _defaults(model: LatentModel) -> dict[str, Any]:
    return _DEFAULTS | (_OF_LAYERS if isinstance(model, MultinomialIRBM) else {})


def _value(params: Mapping[str, Any], model: LatentModel, name: str) -> Any:
    return _defaults(model)[name] if params[name] is None else params[name]
