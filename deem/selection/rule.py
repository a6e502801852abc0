"""The rule by which a model is chosen from evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["Score", "Thresholds", "decide", "is_gain"]


_RICHER = {"context": "contexts", "deep": "layers"}
"""Candidates that leave the classes free, and what they add."""


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


def decide(
    scores: Mapping[str, Score],
    vote_agreement: float,
    thresholds: Thresholds | None = None,
    *,
    soft: bool = False,
) -> tuple[str, str]:
    """Take the candidate that the evidence speaks for.

    Likelihood alone misleads: a hidden state that explains the dependence between classifiers
    best need not be the class. So three kinds of evidence are taken together: the exact
    log-likelihood of held-out samples, how often the consensus of the others agrees with a
    left-out vote, and how well it foretells that vote through the confusion of its classifier.

    1. The inverse RBM is the model to beat. But if groups of copies make held-out samples more
       likely beyond doubt, each counts once, and nothing else is asked: left-out votes would be
       foretold by their copies.
    2. Contexts, or layers where they compete, are taken if they make held-out samples more likely
       beyond doubt, and their consensus agrees with left-out votes more often.
    3. Else, if classifiers copy each other, the tempered rule is taken if its most probable
       class tells more of the left-out votes beyond doubt.
    4. Instead of any of them, one weight a classifier is enough if its consensus agrees with
       left-out votes as often and foretells them nearly as well. The class prior is free if that
       makes held-out samples more likely, else uniform. On soft votes held-out samples must not
       be less likely beyond doubt either.
    5. If left-out votes agree with the vote of the others clearly more often than with the
       consensus, the consensus is not one of the labels, and one weight a classifier it is.

    Of a left-out soft vote, agreement and log score see the most probable class alone. Which
    classes a classifier wavers between is in the rest, and that is what whole confusions learn
    from soft votes and one weight cannot. The likelihood of held-out samples has the whole vote,
    and so it is asked in rule 4. A hard vote is seen whole when it is left out, and of hard votes
    likelihood is not asked there.

    Parameters
    ----------
    scores : mapping
        Of the candidates, by name; "inverse_rbm" and "one_coin" at least.
    vote_agreement : float
        Share of the left-out votes that the majority of the others agrees with.
    thresholds : Thresholds, optional
        What counts as a difference.
    soft : bool
        Whether votes are probabilities.

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
    richer = [other for other in _RICHER if other in scores and _pays(scores, other, limits)]
    if richer:
        name = max(richer, key=lambda other: scores[other].held_out)
        reason = (
            f"{_RICHER[name]} make held-out samples {scores[name].held_out:.2f} nats more likely, "
            "and their consensus agrees more often with left-out votes"
        )
    elif "tempered" in scores and _copies(scores, limits):
        name = "tempered"
        reason = "classifiers copy each other, and counting copies once tells more of other votes"
    unlikely = soft and _is_loss(scores[_with_prior(scores)], limits)
    if _one_weight(scores, name, limits) and not unlikely:
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
    return is_gain(score, limits) and score.correlation >= limits.copied


def is_gain(score: Score, limits: Thresholds) -> bool:
    """Whether held-out samples are more likely beyond doubt, and by enough."""
    return score.held_out > max(limits.sure * score.held_out_error, limits.gain)


def _is_loss(score: Score, limits: Thresholds) -> bool:
    return score.held_out < -limits.sure * score.held_out_error


def _pays(scores: Mapping[str, Score], name: str, limits: Thresholds) -> bool:
    score, plain = scores[name], scores["inverse_rbm"]
    return is_gain(score, limits) and score.agreement >= plain.agreement + limits.agreement


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
