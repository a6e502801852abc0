"""Votes from the outputs of fitted classifiers."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.coding import to_array, union
from deem.core.hard import code_votes
from deem.core.labels import Known, listed
from deem.core.soft import read_soft
from deem.core.votes import Votes
from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError, LabelError, ShapeError, check_choice

__all__ = ["read_estimators"]


def read_estimators(
    estimators: Sequence[Any],
    X: Any,  # noqa: ANN401
    method: str = "predict",
) -> Votes:
    """Votes of fitted scikit-learn classifiers on the samples `X`.

    Parameters
    ----------
    estimators : sequence of n_classifiers estimators or (name, estimator) pairs
        Fitted, each with one output a sample; they may know different classes. What they predict
        is always a class: -1 is no missing vote here.
    X : (n_samples, ...)
        What each estimator predicts from.
    method : "predict" or "predict_proba"
        Hard or soft votes. A class that an estimator does not know has probability 0.

    Returns
    -------
    Votes
        The classes are the sorted union of those of the estimators.

    Raises
    ------
    ArgumentError
        If an estimator is not fitted, lacks the method, or predicts what is not in its
        ``classes_``.
    ShapeError
        If there is no estimator, or one has not a single output for each sample.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> X = [[0], [1], [2]]
    >>> yes, no = (DummyClassifier().fit(X, [label] * 3) for label in ("yes", "no"))
    >>> read_estimators([("a", yes), ("b", no)], X).to_dense()
    array([[1, 0], [1, 0], [1, 0]])
    """
    check_choice("method", method, ["predict", "predict_proba"])
    if hasattr(estimators, "predict") or not isinstance(estimators, Iterable):
        raise ArgumentError(
            f"estimators is a {type(estimators).__name__}, expected a list of fitted classifiers; "
            "pass [estimator] for a single one."
        )
    named = [pair if isinstance(pair, tuple) else (None, pair) for pair in estimators]
    if not named:
        raise ShapeError("estimators is empty; pass at least one fitted estimator.")
    given = [name for name, _ in named]
    names = None if None in given else to_array(given)
    whats = [f"estimators[{i}] ({type(each).__name__})" for i, (_, each) in enumerate(named)]
    known = [_classes_of(what, each, method) for what, (_, each) in zip(whats, named, strict=True)]
    outputs = [np.asarray(getattr(each, method)(X)) for _, each in named]
    for place, what in enumerate(whats):
        width = None if method == "predict" else len(known[place])
        outputs[place] = _checked(what, outputs[place], len(outputs[0]), width)
    codes, classes = union(known)
    if method == "predict":
        return _hard_votes(classes, whats, outputs, names)
    soft = np.zeros((len(outputs[0]), len(classes), len(named)))
    ends = np.cumsum([len(own) for own in known])
    for place, columns in enumerate(np.split(codes, ends[:-1])):
        soft[:, columns, place] = outputs[place]
    return read_soft(soft, Known(None, classes, names))


def _classes_of(what: str, estimator: Any, method: str) -> NDArray[Any]:  # noqa: ANN401
    """Classes of an estimator that can be asked for its votes."""
    if not hasattr(estimator, "classes_"):
        raise ArgumentError(f"{what} has no classes_; pass classifiers that are already fitted.")
    if not hasattr(estimator, method):
        other = "predict" if method == "predict_proba" else "predict_proba"
        raise ArgumentError(
            f"{what} has no {method}; pass method={other!r}, or a classifier that has it."
        )
    found = estimator.classes_
    # several outputs come as a list of arrays, which need not be of one length
    if isinstance(found, list) and any(np.ndim(each) for each in found) or np.ndim(found) != 1:
        raise ShapeError(
            f"{what} has several outputs, but one label a sample is expected; pass a classifier "
            "for each output, or the votes on one output as an array."
        )
    return np.asarray(found)


def _checked(
    what: str, output: NDArray[Any], n_samples: int, n_columns: int | None
) -> NDArray[Any]:
    """Output of an estimator, (n_samples,) labels or (n_samples, n_columns) probabilities."""
    if n_columns is None and output.ndim == 2 and output.shape[1] == 1:
        # some classifiers give their labels as a column
        output = output[:, 0]
    expected = (n_samples,) if n_columns is None else (n_samples, n_columns)
    if output.shape != expected:
        raise ShapeError(
            f"{what} gave an output of shape {output.shape}, expected {expected}; pass "
            "classifiers of one output, each fitted on the features of X."
        )
    return output


def _hard_votes(
    classes: NDArray[Any],
    whats: list[str],
    outputs: list[NDArray[Any]],
    names: NDArray[Any] | None,
) -> Votes:
    """Votes for the classes that the outputs name, each (n_samples,)."""
    found, distinct = union(outputs)
    codes = found.reshape(len(outputs), -1)
    position = {label: place for place, label in enumerate(classes.tolist())}
    labels = distinct.tolist()
    foreign = [code for code, label in enumerate(labels) if label not in position]
    if foreign:
        place = int(np.argmax((codes == foreign[0]).any(axis=1)))
        raise LabelError(
            f"{whats[place]} predicts {labels[foreign[0]]!r}, which is in no classes_ "
            f"({listed(classes)}); pass classifiers that predict labels of their classes_."
        )
    table = np.array([*map(position.get, labels), MISSING], dtype=np.int32)
    return code_votes(codes.T, table, classes, classifiers=names)
