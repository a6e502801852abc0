"""Named warnings of parameters that were set but will not act."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from deem.core.model import LatentModel
from deem.core.solvers import ExactEM, Solver
from deem.estimators.automatic import is_value, leaves_model_open
from deem.models.consensus import ConsensusModel, StartsFromVotes
from deem.models.multinomial import MultinomialIRBM
from deem.samplers import Gibbs
from deem.utils.exception import UnusedParameterWarning
from deem.utils.warning import warn

__all__ = ["warn_about_unused"]

# What only contrastive divergence uses, with the value that means "not set".
_STOCHASTIC: dict[str, Any] = {
    "learning_rate": None,
    "momentum": None,
    "epochs": None,
    "batch_size": None,
    "cd_k": 10,
    "deterministic": True,
    "optimizer": "sgd",
    "scheduler": None,
    "weight_decay": 0.0,
    "sampler": "auto",
    "sampler_steps": 5,
    "sampler_oh_mode": False,
}
_OF_LAYERS: dict[str, Any] = {
    "preprocessing_layers": None,
    "preprocessing_layer_widths": None,
    "preprocessing_activation": None,
    "preprocessing_init": "identity",
    "preprocessing_one_hot": False,
    "preprocessing_use_softmax": True,
    "preprocessing_jitter": 0.005,
}
_OF_CONSENSUS_MODELS: dict[str, Any] = {"init_method": None, "use_weighted": True, "hidden_dim": 1}
_WITHOUT_MOMENTUM = ("adam", "adamw")
_EXACT = 'pass solver="exact" with hidden_dim=1'


def warn_about_unused(
    params: Mapping[str, Any],
    model: LatentModel,
    solver: Solver,
    init_method: str | None,
    confusion_prior: Any,
) -> None:
    """Warn of every group of parameters that the model and the solver do not use.

    Parameters
    ----------
    params : mapping
        All constructor parameters of `DEEM`.
    model, solver : LatentModel, Solver
        Made from them.
    init_method : str or None
        The start in use; None keeps the parameters of the model.
    confusion_prior : array or None
        As in ``DEEM.fit``.
    """
    _warn_about_solver(params, solver)
    _warn_about_chains(params, solver)
    _warn_about_layers(params, model)
    _warn_about_restarts(params, model, solver, init_method)
    _warn_about_automatic(params)
    is_instance = isinstance(params["model"], LatentModel)
    consensus = isinstance(model, ConsensusModel)
    if is_instance:
        _warn(_set(params, {"hidden_dim": 1}), "a model instance has its own", "pass the class")
    elif consensus and "hidden_dim" not in inspect.signature(type(model)).parameters:
        name = type(model).__name__
        _warn(_set(params, {"hidden_dim": 1}), f"{name} has none", "leave it out")
    if not isinstance(model, StartsFromVotes):
        names = _set(params, {k: v for k, v in _OF_CONSENSUS_MODELS.items() if k != "hidden_dim"})
        if not is_instance:
            names += _set(params, {"hidden_dim": 1})
        _warn(names, f"{type(model).__name__} does not use it", "use model_params")
    elif init_method in (None, "shares"):
        cure = 'pass init_method="mv_rand"'
        _warn(_set(params, {"use_weighted": True}), "this start does not use it", cure)
    owned = consensus and not is_instance
    if params["class_prior"] is not None and not (owned and isinstance(solver, ExactEM)):
        _warn(["class_prior"], "only exact training of a new inverse RBM uses it", _EXACT)
    if confusion_prior is not None and not (owned and solver.full_batch):
        _warn(["confusion_prior"], "only exact training of a new inverse RBM uses it", _EXACT)


def _warn_about_solver(params: Mapping[str, Any], solver: Solver) -> None:
    names = _set(params, _STOCHASTIC)
    handed_in = isinstance(params["solver"], Solver)
    if handed_in:
        loop = ("epochs",) if solver.full_batch else ("epochs", "batch_size")
        names = [name for name in names if name not in loop]
    if solver.full_batch:
        _warn(names, "the exact solver does not use it", 'pass solver="cd"')
    elif handed_in:
        _warn(names, "a solver object has its own", "set it there")
    elif callable(params["optimizer"]):
        names = _set(params, {"learning_rate": None, "momentum": None, "weight_decay": 0.0})
        _warn(names, "an optimizer that is a callable has its own", "set it there")
    elif params["optimizer"] in _WITHOUT_MOMENTUM:
        cure = 'pass optimizer="sgd" or "rmsprop"'
        _warn(_set(params, {"momentum": None}), f"{params['optimizer']} has none", cure)


def _warn_about_chains(params: Mapping[str, Any], solver: Solver) -> None:
    if solver.full_batch or isinstance(params["solver"], Solver):
        return
    sampler = getattr(solver, "sampler", None)
    if sampler is None or isinstance(sampler, Gibbs):
        names = _set(params, {"sampler_steps": 5, "sampler_oh_mode": False})
        _warn(names, "Gibbs sweeps do not use it", 'pass cd_k, or sampler="dlp" or "gwg"')
    else:
        _warn(_set(params, {"cd_k": 10}), "it counts Gibbs sweeps", "pass sampler_steps")


def _warn_about_layers(params: Mapping[str, Any], model: LatentModel) -> None:
    names = _set(params, _OF_LAYERS)
    if isinstance(params["model"], LatentModel):
        names += _set(params, {"use_preprocessing": False})
        _warn(names, "a model instance has its own", "pass the class")
    elif not isinstance(model, MultinomialIRBM):
        names += _set(params, {"use_preprocessing": False})
        cure = "pass use_preprocessing=True as well"
        if params["model"] is not None:
            cure = 'leave out model, or pass model="MultinomialIRBM"'
        _warn(names, f"{type(model).__name__} has no layers", cure)
    elif "preprocessing_activation" in names and not params["preprocessing_use_softmax"]:
        cure = "pass preprocessing_use_softmax=True"
        _warn(["preprocessing_activation"], "the layers have no activation", cure)


def _warn_about_automatic(params: Mapping[str, Any]) -> None:
    if not params["auto_hyperparameters"]:
        names = _set(params, {"model_dir": None})
        _warn(names, "there is nothing to predict", "pass auto_hyperparameters=True as well")
    elif isinstance(params["solver"], Solver):
        _warn(["auto_hyperparameters"], "a solver object has its own", 'pass solver="cd"')


def _warn_about_restarts(
    params: Mapping[str, Any], model: LatentModel, solver: Solver, init_method: str | None
) -> None:
    if params["n_restarts"] in (None, 1) and not leaves_model_open(params):
        _warn(_set(params, {"n_jobs": None}), "there are no restarts", "pass n_restarts as well")
    elif solver.full_batch and init_method is None:
        started = isinstance(model, ConsensusModel)
        cure = 'pass init_method="mv_rand"' if started else 'pass solver="cd"'
        _warn(["n_restarts"], "every restart starts from the model as it is", cure)


def _set(params: Mapping[str, Any], unset: Mapping[str, Any]) -> list[str]:
    """Names of the parameters that differ from the value that means "not set"."""
    no_schedule = {"scheduler"} if params["scheduler"] == "none" else set()
    return [
        name
        for name in unset
        if not is_value(params[name], unset[name]) and name not in no_schedule
    ]


def _warn(names: list[str], reason: str, cure: str) -> None:
    if names:
        warn(f"{', '.join(names)} set, but {reason}; {cure}.", UnusedParameterWarning)
