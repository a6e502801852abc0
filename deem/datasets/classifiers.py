"""Votes of real classifiers, trained on the spot on data that ships with scikit-learn."""

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from deem.datasets._panels import Voter, breast_cancer_panel, digits_panel, wine_panel
from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError

__all__ = ["ClassifierVotes", "breast_cancer_votes", "digits_votes", "wine_votes"]

_LARGEST_SEED = 2**32 - 1

_TRAIN_SHARE = 0.3
"""Fraction of the data that is trained on; the classifiers vote on the rest."""

_VOTER_SHARE = 0.6
"""Fraction of the training data it may use that each classifier draws for itself."""


@dataclass(frozen=True, eq=False)
class ClassifierVotes:
    """Votes of fitted classifiers on samples that none of them has seen.

    All arrays are read-only, because equal calls share them; copy what you want to change.

    Parameters
    ----------
    votes : (n_samples, n_classifiers)
        Class codes, -1 where a classifier abstains.
    truth : (n_samples,)
        True class codes, for evaluation only.
    classifiers : tuple of n_classifiers str
        What each classifier is, and what it was denied.
    classes : (n_classes,)
        Names of the classes, in the order of their codes.
    X : (n_samples, n_features)
        Features of the samples that were voted on.
    estimators : tuple of n_classifiers fitted estimators
        They take all features and never abstain; the abstentions are in `votes` alone.
    """

    votes: NDArray[np.int64]
    truth: NDArray[np.int64]
    classifiers: tuple[str, ...]
    classes: NDArray[Any]
    X: NDArray[np.float64]
    estimators: tuple[Any, ...]


def digits_votes(random_state: int = 0) -> ClassifierVotes:
    """Votes of twelve classifiers on 1258 handwritten digits (8 x 8 pixels, 10 classes).

    A few classifiers are good at all digits. The others see few pixels, or were shown few samples
    or few digits and vote for the likest digit they know; two abstain at times. The panel was put
    together so that the majority vote falls behind the best classifier, while the confusions tell
    a model how to read every vote.

    Parameters
    ----------
    random_state : int
        Seed of the split, the training and the abstentions.

    Returns
    -------
    ClassifierVotes
        1258 samples, 12 classifiers; made once a seed and then kept in memory.

    Examples
    --------
    >>> data = digits_votes()
    >>> data.votes.shape, len(data.classes)
    ((1258, 12), 10)
    """
    return _votes_on(load_digits, digits_panel, _checked_seed(random_state))


def breast_cancer_votes(random_state: int = 0) -> ClassifierVotes:
    """Votes of twelve classifiers on 399 tumours (malignant or benign, 30 measurements).

    See `digits_votes` for the parameters and the result.
    """
    return _votes_on(load_breast_cancer, breast_cancer_panel, _checked_seed(random_state))


def wine_votes(random_state: int = 0) -> ClassifierVotes:
    """Votes of twelve classifiers on 125 wines (3 cultivars, 13 measurements).

    See `digits_votes` for the parameters and the result.
    """
    return _votes_on(load_wine, wine_panel, _checked_seed(random_state))


def _checked_seed(random_state: object) -> int:
    if isinstance(random_state, numbers.Integral) and 0 <= int(random_state) <= _LARGEST_SEED:
        return int(random_state)
    raise ArgumentError(
        f"random_state={random_state!r} cannot name a set of votes; pass an int from 0 to "
        f"{_LARGEST_SEED}."
    )


@lru_cache(maxsize=8)
def _votes_on(
    load: Callable[[], Any], panel: Callable[[np.random.Generator], list[Voter]], seed: int
) -> ClassifierVotes:
    data, rng = load(), np.random.default_rng(seed)
    X_train, X, y_train, truth = train_test_split(
        data.data, data.target, train_size=_TRAIN_SHARE, stratify=data.target, random_state=seed
    )
    voters = panel(rng)
    estimators = tuple(_trained(voter, X_train, y_train, rng) for voter in voters)
    votes = [_cast(voter, e, X, rng) for voter, e in zip(voters, estimators, strict=True)]
    arrays = {
        "votes": np.stack(votes, axis=1).astype(np.int64),
        "truth": truth.astype(np.int64),
        "classes": data.target_names.copy(),
        "X": X,
    }
    for array in arrays.values():
        array.flags.writeable = False
    names = tuple(voter.name for voter in voters)
    return ClassifierVotes(classifiers=names, estimators=estimators, **arrays)


def _trained(
    voter: Voter, X: NDArray[np.float64], y: NDArray[np.int64], rng: np.random.Generator
) -> Pipeline:
    """Fitted pipeline of the voter, which takes all features."""
    allowed = np.arange(len(y))
    if voter.classes is not None:
        allowed = allowed[np.isin(y, list(voter.classes))]
    seed = int(rng.integers(_LARGEST_SEED))
    rows, _ = train_test_split(
        allowed,
        train_size=voter.n_train or _VOTER_SHARE,
        stratify=y[allowed],
        random_state=seed,
    )
    features = np.arange(X.shape[1]) if voter.features is None else voter.features
    chosen = ColumnTransformer([("features", "passthrough", list(features))])
    pipeline = Pipeline([("choose", chosen), ("classify", voter.learner)])
    # Without a seed even learners that need no randomness draw from the global generator.
    seeds = [name for name in pipeline.get_params() if name.endswith("__random_state")]
    return pipeline.set_params(**dict.fromkeys(seeds, seed)).fit(X[rows], y[rows])


def _cast(
    voter: Voter, estimator: Pipeline, X: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Votes of one classifier, -1 where it abstains."""
    abstains = rng.random(len(X)) < voter.silent
    if voter.unsure:
        confidence = estimator.predict_proba(X).max(axis=1)
        abstains |= confidence < np.quantile(confidence, voter.unsure)
    return np.where(abstains, MISSING, estimator.predict(X))
