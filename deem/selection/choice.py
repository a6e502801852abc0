"""Choosing a model for votes without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from deem.core.votes import Votes
from deem.math.scale import normalise
from deem.models.consensus import ConsensusModel
from deem.selection.calibration import Calibration
from deem.selection.candidates import Candidate, Train, candidate
from deem.selection.dependence import DependenceMap, dependence_map
from deem.selection.evidence import (
    LeftOut,
    evidence_votes,
    halves,
    held_out,
    mean_and_error,
    posterior_of,
    predict,
)
from deem.selection.rule import Score, Thresholds, decide, is_gain

__all__ = ["Choice", "choose"]

_CLASSIFIERS, _SAMPLES = 3, 10
"""Below these, nothing in the votes can tell one model from another; samples by their weights."""

_TABLE = 2_000_000
_CONTEXT_TABLE = 100_000
"""Cells of all confusions, beyond which the evidence costs too much: any, that for contexts."""

_MAPPED = 300
"""Classifiers whose pairs are looked at."""

_NEIGHBOURS = 4
"""Witnesses of the class; with the three that it takes, any error in one of them is its own."""

_CLEARLY = 0.05
"""Nats a sample by which other groups must be better."""

_DOUBT = 0.5

Clusters = tuple[tuple[int, ...], ...]

Array = NDArray[np.float64]


@dataclass
class Choice:
    """What was chosen, and why.

    Attributes
    ----------
    chosen : Candidate
        The model to train.
    reason : str
        In a sentence.
    scores : dict of Score
        By the name of the candidate.
    vote_agreement : float
        Share of the left-out votes that the majority of the others agrees with.
    dependence : DependenceMap, optional
        Of the classifiers, under the inverse RBM.
    candidates : sequence of Candidate
        All that were looked at.
    few_votes : bool
        Whether there are fewer votes than cells of the confusions.
    """

    chosen: Candidate
    reason: str
    scores: Mapping[str, Score] = field(default_factory=dict)
    vote_agreement: float = np.nan
    dependence: DependenceMap | None = None
    candidates: Sequence[Candidate] = ()
    few_votes: bool = False

    @property
    def calibration(self) -> Calibration:
        """How far to trust the posterior of the chosen model.

        Contexts that make held-out samples more likely show that classifiers err together, and
        with fewer votes than cells no confusion is known for certain; half of the confidence is
        then taken from the fraction of the votes.
        """
        if self.chosen.name in ("group", "tempered"):
            # They count copies once already.
            return Calibration()
        dependence, context = self.dependence, self.scores.get("context")
        temperature, doubt = 1.0, 0.0
        if dependence is not None:
            temperature = max(len(dependence.order) / dependence.effective_voters, 1.0)
        if self.few_votes or (context is not None and is_gain(context, Thresholds())):
            doubt = _DOUBT
        return Calibration(temperature, doubt)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not known is None."""
        rows = [
            {name: _known(value) for name, value in asdict(score).items()}
            for score in self.scores.values()
        ]
        return {
            "chosen": self.chosen.name,
            "model": self.chosen.model_class.__name__,
            "reason": self.reason,
            "vote_agreement": _known(self.vote_agreement),
            "calibration": self.calibration._asdict(),
            "candidates": rows,
        }


def choose(
    votes: Votes,
    train: Train,
    *,
    class_prior: bool = False,
    deep: bool = False,
    n_jobs: int | None = None,
) -> Choice:
    """Choose a model by what the votes themselves can tell; see `decide` for the rule.

    Parameters
    ----------
    votes : Votes
        All training votes.
    train : callable
        Builds the model of a `Candidate` and trains it on votes.
    class_prior : bool
        Whether the class frequencies are known, so that no candidate has others.
    deep : bool
        Whether a model with layers competes, which takes seconds. Only hard votes have likelihoods
        that can be compared with its own.
    n_jobs : int, optional
        Threads, as in joblib.
    """
    plain = candidate("inverse_rbm", votes.n_classes)
    telling = evidence_votes(votes)
    reason = _too_little(telling)
    few_votes = _few_votes(telling)
    if reason:
        return Choice(plain, reason, few_votes=few_votes)
    evidence = _Evidence(telling, train, n_jobs)
    names = ["inverse_rbm", "weighted_vote"] if not class_prior else ["inverse_rbm"]
    names.append("one_coin")
    if votes.n_classifiers * votes.n_classes**2 <= _CONTEXT_TABLE:
        names.append("context")
    if deep and telling.values is None:
        names.append("deep")
    candidates = [candidate(name, votes.n_classes) for name in names]
    evidence.gather(candidates)
    dependence = evidence.dependence()
    if dependence is not None:
        if dependence.clusters:
            weights = dependence.vote_weights
            candidates.append(candidate("tempered", votes.n_classes, vote_weight=weights))
            evidence.gather(candidates[-1:])
        candidates += evidence.gather_groups(dependence)
    vote_agreement = float(np.average(evidence.left.vote_agreement(), weights=evidence.weights))
    name, reason = decide(evidence.scores, vote_agreement, soft=telling.is_soft)
    chosen = next(item for item in candidates if item.name == name)
    found = (evidence.scores, vote_agreement, dependence, candidates, few_votes)
    return Choice(chosen, reason, *found)


def _too_little(votes: Votes) -> str:
    """Why models cannot be compared by these merged votes; "" if they can."""
    d, k = votes.n_classifiers, votes.n_classes
    n = votes.n_samples if votes.weights is None else votes.weights.sum()
    if d < _CLASSIFIERS or n < _SAMPLES or k == 1:
        return (
            f"samples with votes: {n:g}, classifiers: {d}, classes: {k} are too few to compare "
            "models by, so the inverse RBM was taken."
        )
    if d * k * k > _TABLE:
        return (
            f"the confusions of {d} classifiers with {k} classes are too large to compare models "
            "by, so the inverse RBM was taken."
        )
    return ""


def _few_votes(votes: Votes) -> bool:
    """Whether merged votes, of enough samples, are fewer than the cells of the confusions."""
    weights = np.ones(votes.n_samples) if votes.weights is None else votes.weights
    cells = votes.n_classifiers * votes.n_classes**2
    return bool(weights.sum() >= _SAMPLES and weights @ np.diff(votes.indptr) < cells)


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


class _Evidence:
    """Scores of candidates on the same votes, as they are gathered."""

    def __init__(self, votes: Votes, train: Train, n_jobs: int | None):
        self.votes, self.train, self.n_jobs = votes, train, n_jobs
        self.left, self.parts = LeftOut(votes), halves(votes)
        self.weights = self.left.weights
        self.majority = votes.vote_shares()
        self.scores: dict[str, Score] = {}

    def gather(self, candidates: Sequence[Candidate]) -> list[ConsensusModel]:
        """Score further candidates and return their models.

        The first one ever is what the others are measured by.
        """
        run = Parallel(n_jobs=self.n_jobs, prefer="threads")
        found = list(run(delayed(self._examine)(item) for item in candidates))
        for item, parts in zip(candidates, found, strict=True):
            self._keep(item, *parts)
        return [model for model, *_ in found]

    def gather_groups(self, first: DependenceMap) -> list[Candidate]:
        """Score the best model of groups, if there are any; return it as a candidate.

        A large group of copies draws the posterior of the inverse RBM to its side and hides
        there. So groups are looked for under the vote as well, and taken from there if held-out
        samples are then clearly more likely.

        Parameters
        ----------
        first : DependenceMap
            Under the inverse RBM.
        """
        found = [first.clusters, self._dependence_under_vote().clusters]
        k, best = self.votes.n_classes, None
        for clusters in dict.fromkeys(found):
            if not self._identified(clusters):
                continue
            item = candidate("group", k, groups=clusters)
            before = self.scores.pop("group", None)
            (model,) = self.gather([item])
            score = self.scores["group"]
            if best is None or before is None or score.held_out > before.held_out + _CLEARLY:
                best = item
                score.correlation = self._correlation_within(model, clusters)
            else:
                self.scores["group"] = before
        return [] if best is None else [best]

    def dependence(self, model: ConsensusModel | None = None) -> DependenceMap | None:
        """Correlations between the classifiers under a model, by default the first candidate's."""
        if self.votes.n_classifiers > _MAPPED:
            return None
        model = model or self.first
        states = model.predict_classes(self.votes).cpu().double().numpy()
        _, confusion = model.class_tables()
        return dependence_map(self.votes, states, confusion.cpu().double().numpy())

    def _dependence_under_vote(self) -> DependenceMap:
        counts, _ = self.votes.share_statistics
        confusion = normalise(counts.transpose(0, 2, 1) + 1 / self.votes.n_classes)
        return dependence_map(self.votes, self.majority, confusion)

    def _identified(self, clusters: Clusters) -> bool:
        n_neighbours = self.votes.n_classifiers - sum(map(len, clusters)) + len(clusters)
        return bool(clusters) and n_neighbours >= _NEIGHBOURS

    def _correlation_within(self, model: ConsensusModel, clusters: Clusters) -> float:
        found = self.dependence(model)
        assert found is not None  # noqa: S101
        pairs = [found.correlation[i, j] for c in clusters for i, j in combinations(c, 2)]
        return float(np.mean(pairs))

    def _examine(self, item: Candidate) -> tuple:
        model = self.train(item, self.votes)
        posterior = posterior_of(model, self.votes)
        likelihood = None
        if item.has_likelihood:
            likelihood = held_out(lambda votes: self.train(item, votes), self.parts)
        states = posterior(self.votes)
        return model, states, predict(self.left, posterior, states), likelihood

    def _keep(self, item: Candidate, model: ConsensusModel, states: Array, *found: Any) -> None:
        foretold, likelihood = found
        if not self.scores:
            self.first, self._foretold, self._likelihood = model, foretold, likelihood
        gained = foretold.information - self._foretold.information
        information, information_error = mean_and_error(gained, self.weights)
        won = np.take_along_axis(self.majority, states.argmax(1)[:, None], 1)[:, 0]
        score = Score(
            item.name,
            item.meaning,
            agreement=float(np.average(foretold.agreement, weights=self.weights)),
            log_score=float(
                np.average(foretold.log_score - self._foretold.log_score, weights=self.weights)
            ),
            information=information,
            information_error=information_error,
            same=float(np.average(won, weights=self.votes.weights)),
        )
        if likelihood is not None:
            (values, weights), (first, _) = likelihood, self._likelihood
            score.held_out, score.held_out_error = mean_and_error(values - first, weights)
        self.scores[item.name] = score
