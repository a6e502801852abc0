"""Model selection inside `DEEM`: when it applies, and what it puts into the plan."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deem.core.dataset import Dataset
from deem.core.votes import Votes
from deem.estimators.automatic import leaves_model_open, tell
from deem.estimators.plan import Plan, layered_plan
from deem.estimators.rescue import fit_guarded
from deem.models.consensus import StartsFromVotes
from deem.models.initialization import initialise
from deem.models.multinomial import MultinomialIRBM
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

    def plan_of(item: Candidate) -> Plan:
        if item.name == "deep":
            return layered_plan(params, votes.n_classifiers, votes.n_classes)
        arguments = {"pseudo_counts": settled.pseudo_counts, "class_prior": settled.class_prior}
        sizes = (votes.n_classifiers, votes.n_classes)
        model_class: Any = item.model_class
        model = model_class(*sizes, **{**arguments, **item.options})
        return replace(plan, model=model.to(settled.device, settled.dtype))

    def train(item: Candidate, some: Votes) -> StartsFromVotes:
        chosen = plan_of(item)
        model: Any = copy.deepcopy(chosen.model)
        initialise(model, some, chosen.init_method or "shares", random_state=_SEED)
        solver = copy.deepcopy(chosen.solver)
        settings: Any = {"epochs": chosen.epochs, "batch_size": chosen.batch_size}
        if isinstance(model, MultinomialIRBM):
            model = fit_guarded(model, Dataset(some), solver, some, seed=_SEED, **settings)
        else:
            model.fit(Dataset(some), solver=solver, random_state=_SEED, **settings)
        return model

    choice = choose(
        votes,
        train,
        class_prior=settled.class_prior is not None,
        deep=params["selection"] == "deep",
        n_jobs=params["n_jobs"],
    )
    if params["verbose"]:
        tell(table(choice.to_dict()))
    return plan_of(choice.chosen), choice
