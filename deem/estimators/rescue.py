"""Training of deep models that recovers from a collapse, in the end by the exact model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from deem.core.collapse import CollapseGuard
from deem.core.dataset import Dataset
from deem.core.model import LatentModel
from deem.core.solvers import ContrastiveDivergence, Solver
from deem.core.training import Callback
from deem.core.votes import Votes
from deem.math.random import as_generator
from deem.models.deep_start import exact_inverse_rbm
from deem.models.multinomial import MultinomialIRBM
from deem.samplers.monitor import LikelihoodMonitor
from deem.selection.candidates import candidate
from deem.utils.exception import DepthAbandonedWarning, NonFiniteError, SmallerStepsWarning
from deem.utils.warning import warn

__all__ = ["fit_guarded"]

_RESTARTS = 2
_SMALLER = 0.1


def fit_guarded(
    model: MultinomialIRBM,
    data: Dataset,
    solver: Solver,
    votes: Votes,
    *,
    epochs: int | None,
    seed: int,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> LatentModel:
    """Train a deep model; go back and take smaller steps when its class collapses.

    After two such restarts, or where the solver has no learning rate to lower, the exact inverse
    RBM is trained instead. ``history.settings`` tells: "restarts" is their number, "abandoned"
    why depth was given up, empty if it was not.

    Parameters
    ----------
    model : MultinomialIRBM
        Started; trained in place.
    data : Dataset
        Of the votes.
    solver : Solver
        Copied before its learning rate is changed.
    votes : Votes
        The training votes, which the class is watched on.
    epochs : int or None
        Of the whole training; a restart goes on where the model was still well.
    seed : int
        Of the draws.
    callbacks : sequence of Callback
        Called as well.
    **settings
        Further arguments of ``model.fit``.

    Returns
    -------
    LatentModel
        `model`, or the exact model.
    """
    guard, cause = CollapseGuard(votes), ""
    plain: Any = candidate("inverse_rbm", votes.n_classes).model_class
    exact = exact_inverse_rbm(votes, plain)
    monitor = LikelihoodMonitor(votes, exact, as_generator(seed))
    # The guard reads what the monitor records.
    callbacks = [monitor, guard, *callbacks]
    left = solver.default_epochs if epochs is None else epochs
    for attempt in range(1 + _RESTARTS):
        cause = _attempt(model, data, solver, guard, callbacks, left, seed + attempt, settings)
        if not cause:
            model.history.settings.update(restarts=attempt, abandoned="")
            return model
        left -= model.history.n_epochs - bool(guard.collapsed)
        if attempt == _RESTARTS or not isinstance(solver, ContrastiveDivergence):
            break
        solver = copy.deepcopy(solver)
        solver.learning_rate *= _SMALLER
        warn(
            f"{cause}; training goes on from the last good state with learning rate "
            f"{solver.learning_rate:g}. Pass a smaller learning_rate to avoid the detour.",
            SmallerStepsWarning,
        )
    warn(
        f"{cause}, also with smaller steps; the exact inverse RBM was trained instead. Leave out "
        "the layers, or lower learning_rate.",
        DepthAbandonedWarning,
    )
    exact.history.settings.update(restarts=attempt, abandoned=cause)
    return exact


def _attempt(
    model: MultinomialIRBM,
    data: Dataset,
    solver: Solver,
    guard: CollapseGuard,
    callbacks: Sequence[Callback],
    epochs: int,
    seed: int,
    settings: dict[str, Any],
) -> str:
    """Why a training failed; "" if it did not."""
    try:
        model.fit(
            data,
            epochs=epochs,
            solver=solver,
            random_state=seed,
            callbacks=callbacks,
            **settings,
        )
    except NonFiniteError:
        return "the training met NaN or infinity"
    return guard.collapsed
