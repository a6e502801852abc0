"""Our own methods, as accuracy.py measures them: of votes and a seed, a `Consensus`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deem import DEEM
from deem.core.votes import Votes
from deem.estimators import GLAD, DawidSkene, MajorityVote, OneCoin
from deem.selection.candidates import candidate

MANY_CLASSES = 500
MANY_CLASSIFIERS = 300
"""Beyond these, what takes minutes is not run, and no copies are looked for."""


class Consensus(NamedTuple):
    """What a method gives.

    Attributes
    ----------
    probas : (n, n_classes)
        Probabilities of the classes.
    labels : (n,), optional
        Class codes; None where ties of the probabilities are to be shared.
    skills : (n_classifiers,), optional
        Estimated accuracy of the classifiers.
    chosen : str, optional
        Name of the model that was chosen.
    """

    probas: np.ndarray
    labels: np.ndarray | None = None
    skills: np.ndarray | None = None
    chosen: str | None = None


Method = Callable[[Votes, int], Consensus]


def vote(votes: Votes, seed: int) -> Consensus:
    """Shares of the votes on each item, uniform where there are none."""
    counts = votes.vote_counts()
    counts[votes.empty_rows()] = 1
    return Consensus(counts / counts.sum(1, keepdims=True))


def dawid_skene(
    votes: Votes, seed: int, n_passes: int = 100, smoothing: float = 0.01
) -> Consensus:
    """Plain EM of Dawid and Skene, started from the vote."""
    matrix, k = votes.matrix(), votes.n_classes
    transposed = matrix.T.tocsr()
    q = votes.vote_shares()
    for _ in range(n_passes):
        confusion = (transposed @ q).reshape(votes.n_classifiers, k, k) + smoothing
        confusion /= confusion.sum(1, keepdims=True)
        prior = q.mean(0) + 1e-12
        # In place: with a thousand classes, fresh memory costs more than the sums.
        new = matrix @ np.log(confusion).reshape(-1, k)
        new += np.log(prior)
        new -= new.max(1, keepdims=True)
        np.exp(new, out=new)
        new /= new.sum(1, keepdims=True)
        q -= new
        change, q = max(q.max(), -q.min()), new
        if change < 1e-6:
            break
    return Consensus(q, q.argmax(1), np.einsum("dkk,k->d", confusion, prior / prior.sum()))


def fitted(model: Any, votes: Votes) -> Consensus:
    """Consensus of an estimator."""
    model.fit(votes)
    chosen = (getattr(model, "selection_", None) or {}).get("chosen")
    labels = np.searchsorted(model.classes_, model.labels_)
    return Consensus(model.probas_, labels, model.skills_, chosen)


def estimator(build: Callable[..., Any], **params: Any) -> Method:
    """A consensus estimator with these parameters."""

    def run(votes: Votes, seed: int) -> Consensus:
        model = build(n_classes=votes.n_classes, **params)
        if "random_state" in model.get_params():
            model.set_params(random_state=seed)
        return fitted(model, votes)

    return run


def one(name: str) -> Method:
    """`DEEM` with one of the candidates of the selection."""

    def run(votes: Votes, seed: int) -> Consensus:
        item = candidate(name, votes.n_classes)
        settled = {"model": item.model_class, "model_params": dict(item.options)}
        return estimator(DEEM, **settled)(votes, seed)

    return run


def allowing_for_copies(name: str) -> Method:
    """`DEEM` that tempers or groups the copies found under the inverse RBM, else is that one."""

    def run(votes: Votes, seed: int) -> Consensus:
        plain = DEEM(n_classes=votes.n_classes, selection=None, random_state=seed)
        consensus = fitted(plain, votes)
        if votes.n_classifiers > MANY_CLASSIFIERS:
            return consensus
        found = plain.dependence(votes)
        if not found.clusters:
            return consensus
        params = {
            "TemperedIRBM": {"vote_weight": found.vote_weights.tolist()},
            "GroupIRBM": {"groups": found.clusters},
        }
        return estimator(DEEM, model=name, model_params=params[name])(votes, seed)

    return run


def subclasses(n: int) -> Method:
    """`DEEM` with so many states a class."""
    return estimator(DEEM, model="SubclassIRBM", model_params={"n_subclasses": n})


OURS: dict[str, Method] = {
    "vote": vote,
    "dawid_skene": dawid_skene,
    "deem": estimator(DEEM),
    "deem_plain": estimator(DEEM, selection=None),
    "context": one("context"),
    "tempered": allowing_for_copies("TemperedIRBM"),
    "one_coin": one("one_coin"),
    "weighted_vote": one("weighted_vote"),
    "subclass_3": subclasses(3),
    "subclass_10": subclasses(10),
    "group": allowing_for_copies("GroupIRBM"),
    "own_vote": estimator(MajorityVote),
    "own_dawid_skene": estimator(DawidSkene),
    "own_one_coin": estimator(OneCoin),
    "own_glad": estimator(GLAD),
}
"""Methods that are measured in the process of the benchmark."""

SLOW = ("context", "subclass_3", "subclass_10")
"""Methods that are not run with more than `MANY_CLASSES`."""
