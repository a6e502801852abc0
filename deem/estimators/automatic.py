"""What `DEEM` finds by itself: hyperparameters where it is asked to, and where the model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from deem.core.model import LatentModel
from deem.core.solvers import Solver
from deem.core.votes import Votes

__all__ = ["is_value", "leaves_model_open", "tell", "with_predicted"]

_PREDICTED = ("batch_size", "epochs", "learning_rate", "momentum", "init_method", "scheduler")
_OF_SGD = ("learning_rate", "momentum")
_NO_LAYERS = {"preprocessing_layers": 0, "preprocessing_activation": "none"}
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
        Of the numbers. Learning rate and momentum are predicted for plain gradient descent only.
    start : str or None
        The default of ``init_method``.

    Raises
    ------
    ArgumentError, ModelFileError
        If `model_dir` holds no table of runs of this solver.
    """
    # imported late, as it takes scikit-learn's learners
    from deem.selection.hyperparameters import HyperparameterPredictor, shipped_predictor

    folder = params["model_dir"]
    predictor = shipped_predictor() if folder is None else HyperparameterPredictor.load(folder)
    settled = {name: params[name] for name in _PREDICTED if params[name] is not None}
    if params["optimizer"] != "sgd":
        settled = {name: defaults[name] for name in _OF_SGD} | settled
    kind = "exact" if solver.full_batch else "pcd" if params["solver"] == "pcd" else "cd"
    default = {**defaults, "scheduler": "none", "init_method": start} | settled | _NO_LAYERS
    found = predictor.predict(votes, kind, settled | _NO_LAYERS, default)
    free = [name for name in _PREDICTED if params[name] is None and name in found]
    if isinstance(params["model"], LatentModel) and "init_method" in free:
        # An instance starts from its own parameters.
        free.remove("init_method")
    chosen = {name: found[name] for name in free}
    if params["verbose"]:
        values = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
        tell(f"automatic hyperparameters: {values or 'none left to choose'}")
    return {**params, **chosen}
