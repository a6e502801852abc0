"""What `DEEM` knows after a fit: aligned probabilities, confusions, skills, health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from deem.core.model import LatentModel
from deem.core.reading import read_votes
from deem.core.votes import Votes
from deem.estimators.alignment import Reference, aligned, state_probabilities
from deem.estimators.health import report
from deem.math.scale import normalise
from deem.math.vote import one_hot
from deem.models.latent_class import LatentClassModel

if TYPE_CHECKING:
    from deem.estimators.consensus import DEEM

__all__ = ["fitted_state", "is_wide", "read_known"]


def fitted_state(
    model: LatentModel,
    votes: Votes,
    reference: Reference,
    *,
    gold: NDArray[np.int64] | None = None,
    converged: bool = True,
    wide: bool = False,
) -> dict[str, Any]:
    """Fitted attributes by name.

    Parameters
    ----------
    model : LatentModel
        Trained.
    votes : Votes
        The training votes.
    reference : Reference
        What the hidden states get their classes from.
    gold : (n_samples,), optional
        Class codes known for certain, -1 for unknown; they settle what they name.
    converged : bool
        Whether the stopping rule of the solver held.
    wide : bool
        Whether the votes came with one classifier a column.
    """
    states = state_probabilities(model, votes)
    mapping = reference.class_map(states)
    probas = aligned(states, mapping)
    if gold is not None:
        probas = np.where(gold[:, None] >= 0, one_hot(gold, votes.n_classes), probas)
    confusion, skills = _confusion(model, votes, mapping, probas)
    codes = probas.argmax(1)
    names = np.arange(votes.n_classifiers) if votes.classifiers is None else votes.classifiers
    state: dict[str, Any] = {
        "model_": model,
        "history_": model.history,
        "class_map_": mapping,
        "_fit_class_map": mapping.copy(),
        "classes_": votes.classes,
        "classifiers_": names,
        "n_classes_": votes.n_classes,
        "n_classifiers_": votes.n_classifiers,
        "n_features_in_": votes.n_classifiers,
        "labels_": votes.classes[codes],
        "probas_": probas,
        "confusion_": confusion,
        "skills_": skills,
        "health_": report(votes, codes, converged, model.history.n_epochs),
        "selection_": None,
    }
    # scikit-learn knows columns by name only if all names are strings
    if wide and votes.classifiers is not None and all(isinstance(x, str) for x in names):
        state["feature_names_in_"] = np.asarray(names, dtype=object)
    return state


def read_known(estimator: DEEM, predictions: Any) -> Votes:
    """Votes of the classifiers that a fitted estimator knows, on its classes."""
    check_is_fitted(estimator)
    named = estimator.classifiers_.dtype.kind in "OU"
    from_columns = hasattr(estimator, "feature_names_in_") or not named
    # scikit-learn would warn of workers from a long table, and not every version of it knows
    # the columns of polars; read_votes matches both by name.
    by_name = hasattr(type(predictions), "columns") and not hasattr(predictions, "iloc")
    if is_wide(predictions) and from_columns and not by_name:
        validate_data(estimator, predictions, reset=False, skip_check_array=True)
    return read_votes(predictions, classes=estimator.classes_, classifiers=estimator.classifiers_)


def is_wide(predictions: Any) -> bool:
    """Whether every column is a classifier, so that scikit-learn's checks of columns apply."""
    # Votes, lists and lazy frames have no shape; scikit-learn does not look into them
    if len(getattr(predictions, "shape", ())) != 2:
        return False
    columns = getattr(predictions, "columns", None)
    return columns is None or not {"task", "worker", "label"} <= set(columns)


def _confusion(
    model: LatentModel, votes: Votes, mapping: NDArray[np.int64], probas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confusion (D, class, vote) and skill (D,) of every classifier."""
    if isinstance(model, LatentClassModel) and model.is_listed:
        prior, confusion = (x.cpu().double().numpy() for x in model.class_tables())
        order = np.argsort(mapping)
        prior, confusion = prior[order], confusion[:, order]
    else:
        mass = probas if votes.weights is None else probas * votes.weights[:, None]
        shape = (votes.n_classifiers, votes.n_classes, votes.n_classes)
        confusion = normalise((votes.matrix().T @ mass).reshape(shape).transpose(0, 2, 1))
        prior = normalise(mass.sum(0))
    return confusion, np.einsum("k,dkk->d", prior, confusion)
