"""What `DEEM` finds by itself: hyperparameters where it is asked to, and where the model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from deem.core.model import LatentModel
from deem.core.solvers import Solver
from deem.core.votes import Votes
from deem.models.multinomial import MultinomialIRBM

if TYPE_CHECKING:
    from deem.selection.hyperparameters import HyperparameterPredictor

__all__ = ["is_value", "leaves_model_open", "tell", "with_predicted"]

_PREDICTED = ("batch_size", "epochs", "learning_rate", "momentum", "init_method", "scheduler")
_OF_SGD = ("learning_rate", "momentum")
_OPEN: dict[str, tuple[Any, ...]] = {
    "selection": ("auto", "deep"),
    "model": (None,),
    "model_params": (None,),
    "hidden_dim": (1,),
    "solver": ("auto", "exact"),
    "init_method": (None,),
    "n_restarts": (None, 1),
    "use_preprocessing": (False,),
    "sampler": ("auto", "gibbs"),
}


def is_value(given: Any, value: Any) -> bool:
    """Whether a parameter has a value; arrays, which compare entry by entry, never do."""
    return given is value or (np.ndim(given) == 0 and given == value)


def leaves_model_open(params: Mapping[str, Any]) -> bool:
    """Whether parameters of `DEEM` leave the choice of the model to the votes."""
    return all(
        any(is_value(params[name], value) for value in values) for name, values in _OPEN.items()
    )


def tell(text: str) -> None:
    """Say what was chosen, beside the progress bars."""
    from tqdm.auto import tqdm

    tqdm.write(text, file=sys.stderr)


def with_predicted(
    params: Mapping[str, Any],
    model: LatentModel,
    solver: Solver,
    votes: Votes,
    defaults: Mapping[str, Any],
    start: str | None,
) -> dict[str, Any]:
    """Parameters of `DEEM` with predicted values where None was.

    Parameters
    ----------
    params : mapping
        All constructor parameters; what is set stays, and the others are chosen to go with it.
    model, solver : LatentModel, Solver
        What they make without prediction.
    votes : Votes
        The training votes.
    defaults : mapping
        Of the model. Learning rate and momentum are predicted for plain gradient descent only.
    start : str or None
        The default of ``init_method``.

    Raises
    ------
    ArgumentError, ModelFileError
        If `model_dir` holds no table of runs of this solver.
    """
    predictor = _predictor(params["model_dir"])
    layers = _layers(model)
    default = {**defaults, "init_method": start, **layers}
    free = [name for name in (*_PREDICTED, *_open_layers(params, model)) if params[name] is None]
    settled = {name: params[name] for name in _PREDICTED if params[name] is not None}
    settled |= {name: value for name, value in layers.items() if name not in free}
    if params["optimizer"] != "sgd":
        settled = {name: defaults[name] for name in _OF_SGD} | settled
    found = predictor.predict(votes, _kind(params, model, solver), settled, default | settled)
    if isinstance(params["model"], LatentModel) and "init_method" in free:
        # An instance starts from its own parameters.
        free.remove("init_method")
    chosen = {name: found[name] for name in free if name in found}
    if params["verbose"]:
        values = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
        tell(f"automatic hyperparameters: {values or 'none left to choose'}")
    return {**params, **chosen}


def _predictor(folder: Any) -> HyperparameterPredictor:
    # Imported late, as it takes scikit-learn's learners.
    from deem.selection.hyperparameters import HyperparameterPredictor, shipped_predictor

    return shipped_predictor() if folder is None else HyperparameterPredictor.load(folder)


def _kind(params: Mapping[str, Any], model: LatentModel, solver: Solver) -> str:
    """What trains, as a table names it."""
    if isinstance(model, MultinomialIRBM):
        return "deep"
    return "exact" if solver.full_batch else "pcd" if params["solver"] == "pcd" else "cd"


def _layers(model: LatentModel) -> dict[str, Any]:
    """The layers of a model, as a table names them."""
    if not isinstance(model, MultinomialIRBM):
        return {"preprocessing_layers": 0, "preprocessing_activation": "none"}
    activation = model.activation or "none"
    return {"preprocessing_layers": len(model.layers), "preprocessing_activation": activation}


def _open_layers(params: Mapping[str, Any], model: LatentModel) -> tuple[str, ...]:
    """What of the layers the parameters leave open, where they make them."""
    if type(model) is not MultinomialIRBM or isinstance(params["model"], LatentModel):
        return ()
    extra = params["model_params"] or {}
    layers = params["preprocessing_layer_widths"] is None and "widths" not in extra
    activation = params["preprocessing_use_softmax"] and "activation" not in extra
    names = {"preprocessing_layers": layers, "preprocessing_activation": activation}
    return tuple(name for name, is_open in names.items() if is_open)
