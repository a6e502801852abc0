"""Model selection inside `DEEM`: when it applies, and what it puts into the plan."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deem.core.dataset import Dataset
from deem.core.votes import Votes
from deem.estimators.automatic import leaves_model_open, tell
from deem.estimators.plan import Plan
from deem.models.consensus import ConsensusModel
from deem.models.initialization import initialise
from deem.selection.candidates import Candidate
from deem.selection.choice import Choice, choose
from deem.selection.report import table

__all__ = ["with_chosen_model"]

_SEED = 0
"""Of the starts of candidates: a choice must not depend on the seed of the estimator."""


def with_chosen_model(
    params: Mapping[str, Any], plan: Plan, votes: Votes
) -> tuple[Plan, Choice | None]:
    """The plan with the model that the votes speak for, and the choice.

    Parameters
    ----------
    params : mapping
        All constructor parameters of `DEEM`.
    plan : Plan
        What they make; returned as it is, without a choice, where they settle the model.
    votes : Votes
        The training votes.
    """
    if not leaves_model_open(params):
        return plan, None
    settled: Any = plan.model

    def build(item: Candidate) -> ConsensusModel:
        arguments = {"pseudo_counts": settled.pseudo_counts, "class_prior": settled.class_prior}
        sizes = (votes.n_classifiers, votes.n_classes)
        return item.model_class(*sizes, **{**arguments, **item.options}).to(settled.device)

    def train(item: Candidate, some: Votes) -> ConsensusModel:
        model = build(item).to(settled.dtype)
        initialise(model, some, plan.init_method or "shares", random_state=_SEED)
        solver = copy.deepcopy(plan.solver)
        model.fit(Dataset(some), solver=solver, epochs=plan.epochs, random_state=_SEED)
        return model

    known = settled.class_prior is not None
    choice = choose(votes, train, class_prior=known, n_jobs=params["n_jobs"])
    if params["verbose"]:
        tell(table(choice.to_dict()))
    return replace(plan, model=build(choice.chosen).to(settled.dtype)), choice
