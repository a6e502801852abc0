"""One training, or several restarts of it, from a plan to a trained model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray

from deem.core.dataset import Dataset
from deem.core.model import LatentModel
from deem.core.training import Callback, Training
from deem.core.votes import Votes
from deem.estimators.plan import Plan
from deem.math.hungarian import assign_states, contingency
from deem.math.random import as_generator
from deem.models.initialization import initialise
from deem.models.irbm import InverseRBM
from deem.utils.exception import ArgumentError

__all__ = ["AccuracyMonitor", "class_map", "fit_plan"]

_MERGE_FROM = 2_000
_LARGEST_SEED = 2**62


def class_map(model: LatentModel, votes: Votes) -> NDArray[np.int64]:
    """Class of each hidden state, solved once against the majority vote of the votes."""
    states = model.predict_classes(votes).argmax(1).cpu().numpy()
    return assign_states(contingency(states, votes.vote_shares(), votes.weights))


class AccuracyMonitor(Callback):
    """Record the aligned accuracy of every epoch; it never touches the training.

    Parameters
    ----------
    votes : Votes
        The training votes.
    codes : (n_samples,)
        True class codes, -1 where the label is not among the classes.
    """

    def __init__(self, votes: Votes, codes: NDArray[np.int64]):
        self.votes, self.codes = votes, codes
        self.shares = votes.vote_shares()

    def on_epoch_end(self, training: Training) -> None:
        model: Any = training.model
        states = model.predict_classes(self.votes).argmax(1).cpu().numpy()
        found = assign_states(contingency(states, self.shares, self.votes.weights))[states]
        training.history.amend(accuracy=float((found == self.codes).mean()))


def fit_plan(
    plan: Plan,
    votes: Votes,
    *,
    gold: NDArray[np.int64] | None = None,
    use_weighted: bool = True,
    callbacks: Sequence[Callback] = (),
    n_restarts: int = 1,
    n_jobs: int | None = None,
    random_state: object = None,
    verbose: bool = False,
) -> LatentModel:
    """Train the model of a plan.

    Parameters
    ----------
    plan : Plan
        Model and solver; copied for every restart.
    votes : Votes
        The training votes.
    gold : (n_samples,), optional
        Known class codes, -1 for unknown.
    use_weighted : bool
        As in `deem.models.initialization.initialise`.
    callbacks : sequence of Callback
        Watch the first training.
    n_restarts : int
        Trainings from different seeds; the best exact objective wins.
    n_jobs : int, optional
        Threads, as in joblib.
    random_state : None, int, numpy or torch generator
        Gives every restart its seed.
    verbose : bool
        Show the progress of the first training.
    """
    data = _training_data(votes, gold, exact=plan.solver.full_batch)
    seeds = torch.randint(_LARGEST_SEED, (n_restarts,), generator=as_generator(random_state))

    def run(index: int) -> LatentModel:
        seed = int(seeds[index])
        model, solver = copy.deepcopy(plan.model), copy.deepcopy(plan.solver)
        if plan.init_method is not None and isinstance(model, InverseRBM):
            # Restarts must differ, which the shares of the vote would not.
            same = index > 0 and plan.init_method == "shares"
            method = "mv_rand" if same else plan.init_method
            initialise(model, votes, method, use_weighted=use_weighted, random_state=seed)
        return model.fit(
            data,
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            solver=solver,
            random_state=seed,
            callbacks=callbacks if index == 0 else (),
            verbose=verbose and index == 0,
        )

    if n_restarts == 1:
        return run(0)
    models = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(run)(i) for i in range(n_restarts))
    return max(models, key=lambda model: _objective(model, data))


def _training_data(votes: Votes, gold: NDArray[np.int64] | None, exact: bool) -> Dataset:
    if gold is not None:
        return Dataset(votes, targets=torch.from_numpy(gold))
    if exact and votes.n_samples >= _MERGE_FROM:
        merged, _ = votes.merged()
        if merged.n_samples <= votes.n_samples // 2:
            return Dataset(merged)
    return Dataset(votes)


def _objective(model: LatentModel, data: Dataset) -> float:
    if "objective" in model.history:
        return model.history["objective"][-1]
    if not (isinstance(model, InverseRBM) and model.is_listed):
        raise ArgumentError(
            "n_restarts needs an exact likelihood to compare restarts; use n_restarts=1 or a "
            "smaller hidden_dim."
        )
    with torch.no_grad():
        scores = model.log_likelihood(data)
        weights = 1.0 if data.weights is None else data.weights.to(scores)
        return float((scores * weights).mean())
