"""Choosing a model for votes without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

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

__all__ = ["Choice", "Score", "Thresholds", "choose", "decide"]

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


class Thresholds(NamedTuple):
    """How much evidence it takes to leave the inverse RBM.

    Attributes
    ----------
    sure : float
        Standard errors by which a richer model must do better.
    gain : float
        Nats a sample that it must gain at least; less is not worth a richer model.
    agreement : float
        Share of the left-out votes that counts as a difference.
    loss : float
        Nats a vote that a simpler model may lose in foretelling left-out votes.
    against : float
        Share of the left-out votes by which a consensus may agree less often than the vote does.
    copied : float
        Mean residual correlation from which the classifiers of a group are copies.
    """

    sure: float = 2.0
    gain: float = 0.005
    agreement: float = 0.001
    loss: float = 0.025
    against: float = 0.025
    copied: float = 0.65


@dataclass
class Score:
    """Evidence for one candidate; NaN where there is none.

    Attributes
    ----------
    name, meaning : str
        Of the candidate.
    held_out, held_out_error : float
        Log-likelihood of held-out samples beyond the inverse RBM's, in nats a sample, and its
        standard error.
    agreement : float
        Share of the left-out votes that the consensus of the others agrees with.
    log_score, information : float
        Means of `deem.selection.evidence.Prediction` beyond the inverse RBM's, in nats a vote.
    information_error : float
        Standard error of `information`.
    same : float
        Share of the samples that get the class of the majority.
    correlation : float
        Mean residual correlation within the groups of a model of groups, under that model.
    """

    name: str
    meaning: str
    agreement: float
    log_score: float
    information: float
    information_error: float
    same: float
    held_out: float = np.nan
    held_out_error: float = np.nan
    correlation: float = np.nan


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
    """

    chosen: Candidate
    reason: str
    scores: Mapping[str, Score] = field(default_factory=dict)
    vote_agreement: float = np.nan
    dependence: DependenceMap | None = None
    candidates: Sequence[Candidate] = ()

    @property
    def calibration(self) -> Calibration:
        """How far to trust the posterior of the chosen model.

        Contexts that make held-out samples more likely show that classifiers err together; half
        of the confidence is then taken from the fraction of the votes.
        """
        if self.chosen.name in ("group", "tempered"):
            # They count copies once already.
            return Calibration()
        dependence, context = self.dependence, self.scores.get("context")
        temperature, doubt = 1.0, 0.0
        if dependence is not None:
            temperature = max(len(dependence.order) / dependence.effective_voters, 1.0)
        if context is not None and _gains(context, Thresholds()):
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
    votes: Votes, train: Train, *, class_prior: bool = False, n_jobs: int | None = None
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
    n_jobs : int, optional
        Threads, as in joblib.
    """
    plain = candidate("inverse_rbm", votes.n_classes)
    telling = evidence_votes(votes)
    reason = _too_little(telling)
    if reason:
        return Choice(plain, reason)
    evidence = _Evidence(telling, train, n_jobs)
    names = ["inverse_rbm", "weighted_vote"] if not class_prior else ["inverse_rbm"]
    names.append("one_coin")
    if votes.n_classifiers * votes.n_classes**2 <= _CONTEXT_TABLE:
        names.append("context")
    candidates = [candidate(name, votes.n_classes) for name in names]
    evidence.gather(candidates)
    dependence = evidence.dependence()
    if dependence is not None and dependence.clusters:
        weights = dependence.vote_weights
        candidates.append(candidate("tempered", votes.n_classes, vote_weight=weights))
        evidence.gather(candidates[-1:])
    candidates += evidence.gather_groups()
    vote_agreement = float(np.average(evidence.left.vote_agreement(), weights=evidence.weights))
    name, reason = decide(evidence.scores, vote_agreement)
    chosen = next(item for item in candidates if item.name == name)
    return Choice(chosen, reason, evidence.scores, vote_agreement, dependence, candidates)


def decide(
    scores: Mapping[str, Score], vote_agreement: float, thresholds: Thresholds | None = None
) -> tuple[str, str]:
    """Take the candidate that the evidence speaks for.

    Likelihood alone misleads: a hidden state that explains the dependence between classifiers
    best need not be the class. So three kinds of evidence are taken together: the exact
    log-likelihood of held-out samples, how often the consensus of the others agrees with a
    left-out vote, and how well it foretells that vote through the confusion of its classifier.

    1. The inverse RBM is the model to beat. But if groups of copies make held-out samples more
       likely beyond doubt, each counts once, and nothing else is asked: left-out votes would be
       foretold by their copies.
    2. Contexts are taken if they make held-out samples more likely beyond doubt, and their
       consensus agrees with left-out votes more often.
    3. Else, if classifiers copy each other, the tempered rule is taken if its most probable
       class tells more of the left-out votes beyond doubt.
    4. Instead of any of them, one weight a classifier is enough if its consensus agrees with
       left-out votes as often and foretells them nearly as well. The class prior is free if that
       makes held-out samples more likely, else uniform.
    5. If left-out votes agree with the vote of the others clearly more often than with the
       consensus, the consensus is not one of the labels, and one weight a classifier it is.

    Parameters
    ----------
    scores : mapping
        Of the candidates, by name; "inverse_rbm" and "one_coin" at least.
    vote_agreement : float
        Share of the left-out votes that the majority of the others agrees with.
    thresholds : Thresholds, optional
        What counts as a difference.

    Returns
    -------
    name, reason : str
        Of the candidate; in a sentence.
    """
    limits = thresholds or Thresholds()
    if "group" in scores and _groups(scores["group"], limits):
        score = scores["group"]
        return "group", (
            f"some classifiers are copies (residual correlation {score.correlation:.2f}); "
            f"held-out samples are {score.held_out:.2f} nats more likely if a group counts once."
        )
    name, reason = "inverse_rbm", "no other model has the evidence for it"
    if "context" in scores and _contexts(scores, limits):
        name = "context"
        reason = (
            f"contexts make held-out samples {scores[name].held_out:.2f} nats more likely, and "
            "their consensus agrees more often with left-out votes"
        )
    elif "tempered" in scores and _copies(scores, limits):
        name = "tempered"
        reason = "classifiers copy each other, and counting copies once tells more of other votes"
    if _one_weight(scores, name, limits):
        name = _with_prior(scores)
        reason = "one weight a classifier foretells left-out votes as well as whole confusions do"
    simple = _with_prior(scores)
    refuted = scores[name].agreement < vote_agreement - limits.against
    if refuted and scores[simple].agreement > scores[name].agreement:
        name = simple
        reason = (
            "left-out votes agree with the vote of the others more often than with a consensus, "
            "so the vote was kept, with one weight a classifier"
        )
    return name, reason + "."


def _groups(score: Score, limits: Thresholds) -> bool:
    return _gains(score, limits) and score.correlation >= limits.copied


def _gains(score: Score, limits: Thresholds) -> bool:
    return score.held_out > max(limits.sure * score.held_out_error, limits.gain)


def _contexts(scores: Mapping[str, Score], limits: Thresholds) -> bool:
    score, plain = scores["context"], scores["inverse_rbm"]
    return _gains(score, limits) and score.agreement >= plain.agreement + limits.agreement


def _copies(scores: Mapping[str, Score], limits: Thresholds) -> bool:
    score = scores["tempered"]
    return score.information > limits.sure * score.information_error


def _one_weight(scores: Mapping[str, Score], name: str, limits: Thresholds) -> bool:
    # With a free prior it may follow the larger class, which says nothing of the weights.
    simple, other = scores.get("weighted_vote", scores["one_coin"]), scores[name]
    return (
        simple.agreement >= other.agreement - limits.agreement
        and simple.log_score >= other.log_score - limits.loss
    )


def _with_prior(scores: Mapping[str, Score]) -> str:
    """The one-coin model with the class prior under which held-out samples are more likely."""
    names = [name for name in ("weighted_vote", "one_coin") if name in scores]
    return max(names, key=lambda name: scores[name].held_out)


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

    def gather(self, candidates: Sequence[Candidate]) -> None:
        """Score further candidates; the first one ever is what the others are measured by."""
        run = Parallel(n_jobs=self.n_jobs, prefer="threads")
        for item, found in zip(
            candidates, run(delayed(self._examine)(item) for item in candidates), strict=True
        ):
            self._keep(item, *found)

    def gather_groups(self) -> list[Candidate]:
        """Score the best model of groups, if there are any; return it as a candidate.

        A large group of copies draws the posterior of the inverse RBM to its side and hides
        there. So groups are looked for under the vote as well, and taken from there if held-out
        samples are then clearly more likely.
        """
        first = self.dependence()
        if first is None:
            return []
        found = [first.clusters, self._dependence_under_vote().clusters]
        k, best = self.votes.n_classes, None
        for clusters in dict.fromkeys(found):
            if not self._identified(clusters):
                continue
            item = candidate("group", k, groups=clusters)
            before = self.scores.pop("group", None)
            self.gather([item])
            score = self.scores["group"]
            if best is None or before is None or score.held_out > before.held_out + _CLEARLY:
                best = item
                score.correlation = self._correlation_within(clusters)
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

    def _correlation_within(self, clusters: Clusters) -> float:
        found = self.dependence(self._last)
        assert found is not None  # noqa: S101
        pairs = [found.correlation[i, j] for c in clusters for i, j in combinations(c, 2)]
        return float(np.mean(pairs))

    def _examine(self, item: Candidate) -> tuple:
        model = self.train(item, self.votes)
        posterior = posterior_of(model, self.votes)
        likelihood = None
        if item.has_likelihood:
            likelihood = held_out(lambda votes: self.train(item, votes), self.parts)
        return model, posterior(self.votes), predict(self.left, posterior), likelihood

    def _keep(self, item: Candidate, model: ConsensusModel, states: Array, *found: Any) -> None:
        foretold, likelihood = found
        self._last = model
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
