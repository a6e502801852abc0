"""From parameters and votes to the fitted attributes: one training, or several restarts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray

from deem.core.dataset import Dataset
from deem.core.model import LatentModel
from deem.core.reading import match_labels, read_votes
from deem.core.solvers import ExactEM
from deem.core.training import Callback, Training
from deem.core.votes import Votes
from deem.estimators.alignment import (
    Reference,
    aligned,
    solve_map,
    state_probabilities,
)
from deem.estimators.building import as_numbers
from deem.estimators.health import warn_about_copies, warn_about_training, warn_about_votes
from deem.estimators.likelihood import check_comparable, mean_log_likelihood
from deem.estimators.plan import Plan, make_plan
from deem.estimators.rescue import fit_guarded
from deem.estimators.selecting import with_chosen_model
from deem.estimators.state import calibrate, fitted_state
from deem.estimators.truth import gold_codes, truth_codes
from deem.math.random import as_generator
from deem.models.consensus import ConsensusModel, StartsFromVotes
from deem.models.initialization import initialise
from deem.models.latent_class import LatentClassModel
from deem.models.multinomial import MultinomialIRBM
from deem.selection.choice import Choice
from deem.utils.exception import ArgumentError, UnusedParameterWarning
from deem.utils.warning import warn

__all__ = [
    "AccuracyMonitor",
    "fit_plan",
    "learn",
    "trained_state",
    "training_votes",
]

_MERGE_FROM = 2_000
_LARGEST_SEED = 2**62


def learn(
    params: Mapping[str, Any],
    predictions: Any,
    truth: Any = None,
    *,
    sample_weight: Any = None,
    gold: Any = None,
    confusion_prior: Any = None,
) -> tuple[Votes, dict[str, Any]]:
    """Read votes, train on them and return them with the fitted attributes by name.

    Parameters
    ----------
    params : mapping
        All constructor parameters of `DEEM`, those given to ``fit`` already put in.
    predictions, truth, sample_weight, gold, confusion_prior
        As in ``DEEM.fit``; `truth` is there `y` or `labels`.
    """
    votes = training_votes(predictions, params["n_classes"], sample_weight)
    plan = make_plan(params, votes.n_classifiers, votes.n_classes, confusion_prior, votes)
    known = None if gold is None else _usable_gold(plan, votes, gold)
    # What the user knows of the classes names them, not what the chosen model assumes.
    reference = Reference.of(votes, known, named=_names_states(plan))
    plan, choice = with_chosen_model(params, plan, votes)
    state = trained_state(
        plan,
        votes,
        reference,
        truth,
        gold=known,
        clusters=_clusters(choice),
        use_weighted=params["use_weighted"],
        n_restarts=params["n_restarts"] or 1,
        n_jobs=params["n_jobs"],
        random_state=params["random_state"],
        verbose=params["verbose"],
    )
    if choice is not None:
        state["selection_"] = choice.to_dict()
        calibrate(state, votes, choice.calibration, known)
        if not state["health_"]["copies"]:
            warn_about_copies(votes, choice.chosen.options.get("groups", ()))
    return votes, state


def _aligned_probabilities(
    model: LatentModel, votes: Votes, reference: Reference
) -> NDArray[np.float64]:
    states = state_probabilities(model, votes)
    return aligned(states, reference.class_map(states))


def _clusters(choice: Choice | None) -> tuple[tuple[int, ...], ...]:
    if choice is None or choice.dependence is None:
        return ()
    return choice.chosen.options.get("groups", choice.dependence.clusters)


def training_votes(predictions: Any, n_classes: int | None, sample_weight: Any = None) -> Votes:
    """Read the votes of ``fit``, with warnings of what is unusual about them.

    Raises
    ------
    ArgumentError
        If the votes or the weights are invalid, or all weights are zero.
    """
    votes = read_votes(predictions, n_classes=n_classes)
    if sample_weight is not None:
        given = as_numbers("sample_weight", match_labels(votes, sample_weight, "sample_weight"))
        votes = votes.with_weights(given)
    if votes.weights is not None and not votes.weights.any():
        name = "the weight of the votes" if sample_weight is None else "sample_weight"
        raise ArgumentError(
            f"{name} is zero for every sample; give at least one a weight above 0."
        )
    warn_about_votes(votes)
    return votes


def trained_state(
    plan: Plan,
    votes: Votes,
    reference: Reference,
    truth: Any = None,
    *,
    gold: NDArray[np.int64] | None = None,
    clusters: Sequence[Sequence[int]] = (),
    **settings: Any,
) -> dict[str, Any]:
    """Train the model of a plan and return the fitted attributes by name.

    Parameters
    ----------
    plan, votes, gold
        As in `fit_plan`.
    reference : Reference
        What the hidden states get their classes from.
    truth : (n_samples,), optional
        True labels, to record the accuracy of every epoch.
    clusters : sequence of sequences of int
        Classifiers that vote as one, for the health report.
    **settings
        The other arguments of `fit_plan`.
    """
    monitors = []
    if truth is not None:
        monitors = [AccuracyMonitor(votes, truth_codes(votes, truth), reference)]
    model, *others = fit_plan(plan, votes, gold=gold, callbacks=monitors, **settings)
    # A stochastic training runs its epochs and is done; an exact one has a stopping rule.
    converged = not plan.solver.full_batch or plan.solver.finished(model.history)
    warn_about_training(converged, model.history.n_epochs)
    return fitted_state(
        model,
        votes,
        reference,
        gold=gold,
        converged=converged,
        clusters=clusters,
        candidates=[_aligned_probabilities(other, votes, reference) for other in others],
    )


def _names_states(plan: Plan) -> bool:
    """Whether the training knows something of the classes by name, so that state k is class k."""
    model, solver = plan.model, plan.solver
    if not (isinstance(model, ConsensusModel) and solver.full_batch):
        return False
    prior = isinstance(solver, ExactEM) and model.class_prior is not None
    return prior or model.pseudo_counts.confusion_votes is not None


def _usable_gold(plan: Plan, votes: Votes, gold: Any) -> NDArray[np.int64] | None:
    if isinstance(gold, Mapping):
        raise ArgumentError(
            f"gold is a {type(gold).__name__}; pass an array with one entry a sample, or a pandas "
            "Series with every task in its index, None where unknown."
        )
    codes = gold_codes(votes, gold)
    if plan.solver.full_batch and isinstance(plan.model, LatentClassModel):
        return codes
    warn(
        'gold is used by the exact solvers of inverse RBMs only; pass solver="exact" to use it.',
        UnusedParameterWarning,
    )
    return None


class AccuracyMonitor(Callback):
    """Record the aligned accuracy of every epoch; it never touches the training.

    Parameters
    ----------
    votes : Votes
        The training votes.
    codes : (n_samples,)
        True class codes, -1 where the label is not among the classes.
    reference : Reference
        What the hidden states get their classes from.
    """

    def __init__(self, votes: Votes, codes: NDArray[np.int64], reference: Reference):
        self.votes, self.codes, self.reference = votes, codes, reference

    def on_epoch_end(self, training: Training) -> None:
        model: Any = training.model
        states = state_probabilities(model, self.votes)
        found = self.reference.class_map(states)[states.argmax(1)]
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
) -> list[LatentModel]:
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
        Watch every training.
    n_restarts : int
        Trainings from different seeds; the best exact objective wins.
    n_jobs : int, optional
        Threads, as in joblib.
    random_state : None, int, numpy or torch generator
        Gives every restart its seed.
    verbose : bool
        Show the progress of the first training.

    Returns
    -------
    list of LatentModel
        The restarts, the best first.
    """
    data = _training_data(votes, gold, exact=plan.solver.full_batch)
    if n_restarts > 1:
        check_comparable(plan.model)
    seeds = torch.randint(_LARGEST_SEED, (n_restarts,), generator=as_generator(random_state))

    def run(index: int) -> LatentModel:
        seed = int(seeds[index])
        model, solver = copy.deepcopy(plan.model), copy.deepcopy(plan.solver)
        method = None
        if isinstance(model, StartsFromVotes):
            # Equal rows are merged there, and the solver finds the statistics of the start.
            rows = model.as_votes(data) if isinstance(model, ConsensusModel) else votes
            method = _start(model, rows, plan, use_weighted, index, seed)
        settings: dict[str, Any] = {
            "epochs": plan.epochs,
            "batch_size": plan.batch_size,
            "callbacks": callbacks,
            "verbose": verbose and index == 0,
        }
        if isinstance(model, MultinomialIRBM):
            model = fit_guarded(model, data, solver, votes, seed=seed, **settings)
        else:
            model.fit(data, solver=solver, random_state=seed, **settings)
        model.history.settings["init_method"] = method
        return model

    if n_restarts == 1:
        return [run(0)]
    models = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(run)(i) for i in range(n_restarts))
    return sorted(models, key=_measure(models, data), reverse=True)


def _start(
    model: StartsFromVotes, votes: Votes, plan: Plan, use_weighted: bool, index: int, seed: int
) -> str | None:
    """Give the model its start; return the method, None if its own parameters stay."""
    if plan.init_method is not None:
        # Restarts must differ, which starts from the vote alone would not.
        fixed = ("mv",) if model.splits_at_random else ("shares", "mv")
        same = index > 0 and plan.init_method in fixed
        method = "mv_rand" if same else plan.init_method
        initialise(model, votes, method, use_weighted=use_weighted, random_state=seed)
        return method
    if plan.solver.full_batch and isinstance(model, ConsensusModel):
        # The prior of exact training takes state k for class k.
        model.rename_classes(torch.from_numpy(np.argsort(solve_map(model, votes))))
    return None


def _training_data(votes: Votes, gold: NDArray[np.int64] | None, exact: bool) -> Dataset:
    if votes.weights is not None and not votes.weights.all():
        # A batch of samples without weight would have no mean.
        counted = np.flatnonzero(votes.weights)
        votes, gold = votes.take(counted), None if gold is None else gold[counted]
    if gold is not None:
        return Dataset(votes, targets=torch.from_numpy(gold))
    if exact and votes.n_samples >= _MERGE_FROM:
        merged, _ = votes.merged()
        if merged.n_samples <= votes.n_samples // 2:
            return Dataset(merged)
    return Dataset(votes)


def _measure(models: Sequence[LatentModel], data: Dataset) -> Callable[[LatentModel], float]:
    """What all of these models can be compared by: layers that were given up have another one."""
    if all("objective" in model.history for model in models):
        return lambda model: model.history["objective"][-1]
    return lambda model: mean_log_likelihood(model, data)
