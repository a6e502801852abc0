"""The models that a choice is made among."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deem.core.votes import Votes
from deem.models.consensus import StartsFromVotes
from deem.models.context import ContextIRBM
from deem.models.group import GroupIRBM
from deem.models.irbm import BinaryIRBM, SoftIRBM
from deem.models.multinomial import MultinomialIRBM
from deem.models.one_coin import OneCoinIRBM
from deem.models.tempered import TemperedIRBM

__all__ = ["Candidate", "Train", "candidate"]

Train = Callable[["Candidate", Votes], StartsFromVotes]
"""Builds the model of a candidate and trains it on votes."""


@dataclass(frozen=True)
class Candidate:
    """A model that may be chosen.

    Attributes
    ----------
    name : str
        What reports call it.
    model_class : type
        Of the model.
    options : dict
        Constructor arguments beside the sizes, the pseudo-counts and the class prior.
    meaning : str
        What it assumes of the classifiers, for reports.
    """

    name: str
    model_class: type[StartsFromVotes]
    options: Mapping[str, Any] = field(default_factory=dict)
    meaning: str = ""

    @property
    def has_likelihood(self) -> bool:
        """Whether the model belongs to a distribution of the votes."""
        return not issubclass(self.model_class, TemperedIRBM)


def candidate(name: str, n_classes: int, **options: Any) -> Candidate:
    """Candidate by name.

    Parameters
    ----------
    name : {"inverse_rbm", "context", "deep", "group", "tempered", "one_coin", "weighted_vote"}
        "weighted_vote" is the one-coin model with a uniform class prior, whose posterior follows
        from a vote in which every classifier has one weight.
    n_classes : int
        Of the votes.
    **options
        Further constructor arguments.
    """
    plain = BinaryIRBM if n_classes == 2 else SoftIRBM
    kinds: dict[str, tuple[type[StartsFromVotes], dict[str, Any], str]] = {
        "inverse_rbm": (plain, {}, "classifiers err independently, each in its own way"),
        "context": (ContextIRBM, {}, "some samples are hard for all classifiers at once"),
        "deep": (MultinomialIRBM, {}, "layers learn what classifiers have in common"),
        "group": (GroupIRBM, {}, "groups of classifiers copy one answer"),
        "tempered": (TemperedIRBM, {}, "some classifiers copy each other"),
        "one_coin": (OneCoinIRBM, {}, "classifiers differ only in how often they err"),
        "weighted_vote": (
            OneCoinIRBM,
            {"class_prior": [1 / n_classes] * n_classes},
            "the same, and all classes are equally frequent",
        ),
    }
    model_class, own, meaning = kinds[name]
    return Candidate(name, model_class, {**own, **options}, meaning)
