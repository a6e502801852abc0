"""What an estimator knows after a fit: aligned probabilities, confusions, skills, health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from deem.core.frames import is_long, open_frame, task_column
from deem.core.model import LatentModel
from deem.core.reading import read_votes
from deem.core.votes import Votes
from deem.estimators.alignment import Reference, aligned, state_probabilities
from deem.estimators.examination import Outcome, examine
from deem.estimators.health import training_facts, warn_about_consensus
from deem.estimators.uncertainty import expected_accuracy, standard_deviations
from deem.math.scale import normalise
from deem.math.vote import one_hot
from deem.models.latent_class import LatentClassModel
from deem.selection.calibration import Calibration

if TYPE_CHECKING:
    from deem.estimators.base import ConsensusEstimator

__all__ = ["become", "fitted_state", "read_known"]


def fitted_state(
    model: LatentModel,
    votes: Votes,
    reference: Reference,
    *,
    gold: NDArray[np.int64] | None = None,
    probas: NDArray[np.float64] | None = None,
    converged: bool = True,
    clusters: Sequence[Sequence[int]] = (),
    candidates: Sequence[Any] = (),
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
    probas : (n_samples, n_classes), optional
        Probabilities of the classes; those of the model by default.
    converged : bool
        Whether the stopping rule of the solver held.
    clusters, candidates
        As in `deem.estimators.examination.Outcome`.
    """
    states = state_probabilities(model, votes)
    mapping = reference.class_map(states)
    probas = aligned(states, mapping) if probas is None else probas
    if gold is not None:
        probas = np.where(gold[:, None] >= 0, one_hot(gold, votes.n_classes), probas)
    prior, confusion = _class_tables(model, votes, mapping, probas)
    pseudo_votes = _pseudo_votes(model, mapping)
    skills_std, confusion_std = standard_deviations(votes, probas, confusion, prior, pseudo_votes)
    skills = np.einsum("k,dkk->d", prior, confusion)
    outcome = Outcome(
        votes,
        probas,
        prior,
        confusion,
        skills,
        skills_std,
        converged,
        model.history.n_epochs,
        gold,
        mapping if _starts_named(model) else None,
        clusters,
        candidates,
    )
    health = examine(outcome) | training_facts(model.history)
    informed = reference.named or gold is not None
    warn_about_consensus(votes, health, informed=informed)
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
        "labels_": votes.classes[probas.argmax(1)],
        "probas_": probas,
        "confusion_": confusion,
        "confusion_std_": confusion_std,
        "skills_": skills,
        "skills_std_": skills_std,
        "expected_accuracy_": expected_accuracy(probas, votes.weights),
        "health_": health,
        "selection_": None,
        "calibration_": None,
    }
    # scikit-learn knows columns by name only if all names are strings
    if votes.form == "wide" and all(isinstance(x, str) for x in names):
        state["feature_names_in_"] = np.asarray(names, dtype=object)
    return state


def calibrate(
    state: dict[str, Any],
    votes: Votes,
    calibration: Calibration,
    gold: NDArray[np.int64] | None = None,
) -> None:
    """Put calibrated probabilities into fitted attributes.

    Parameters
    ----------
    state : dict
        From `fitted_state`; changed in place.
    votes : Votes
        The training votes.
    calibration : Calibration
        Kept as ``calibration_``.
    gold : (n_samples,), optional
        Class codes known for certain, -1 for unknown, whose probabilities stay.
    """
    probas = calibration.apply(state["probas_"], votes)
    if gold is not None:
        probas = np.where(gold[:, None] >= 0, state["probas_"], probas)
    state["probas_"] = probas
    state["expected_accuracy_"] = expected_accuracy(probas, votes.weights)
    state["calibration_"] = calibration._asdict()


def become(estimator: ConsensusEstimator, state: Mapping[str, Any]) -> None:
    """Give an estimator other attributes in one step; what the user set beside them stays."""
    kept = {name: value for name, value in vars(estimator).items() if name != "feature_names_in_"}
    estimator.__dict__ = {**kept, **state}


def read_known(estimator: ConsensusEstimator, predictions: Any) -> Votes:
    """Votes of the classifiers that a fitted estimator knows, on its classes."""
    check_is_fitted(estimator)
    named = estimator.classifiers_.dtype.kind in "OU"
    from_columns = hasattr(estimator, "feature_names_in_") or not named
    features = _features(predictions) if from_columns else None
    if features is not None:
        validate_data(estimator, features, reset=False, skip_check_array=True)
    return read_votes(predictions, classes=estimator.classes_, classifiers=estimator.classifiers_)


def _features(predictions: Any) -> Any:
    """Classifiers in columns, for scikit-learn's checks of columns; None where these do not apply.

    They would warn of workers from a long table, and not every version of them knows the columns
    of polars; `read_votes` matches both by name.
    """
    if not hasattr(type(predictions), "columns"):
        # Votes and lists have no shape; scikit-learn does not look into them
        return predictions if len(getattr(predictions, "shape", ())) == 2 else None
    if not hasattr(predictions, "iloc"):
        return None
    frame = open_frame(predictions)
    if is_long(frame, None):
        return None
    task = task_column(frame, None)
    return predictions if task is None else predictions.drop(columns=task)


def _class_tables(
    model: LatentModel, votes: Votes, mapping: NDArray[np.int64], probas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Class prior (K,) and confusion (D, class, vote) of every classifier."""
    if isinstance(model, LatentClassModel) and model.is_listed:
        prior, confusion = (x.cpu().double().numpy() for x in model.class_tables())
        order = np.argsort(mapping)
        return prior[order], confusion[:, order]
    mass = probas if votes.weights is None else probas * votes.weights[:, None]
    shape = (votes.n_classifiers, votes.n_classes, votes.n_classes)
    confusion = normalise((votes.matrix().T @ mass).reshape(shape).transpose(0, 2, 1))
    return normalise(mass.sum(0)), confusion


def _starts_named(model: LatentModel) -> bool:
    """Whether training started with state k as class k."""
    return model.history.settings.get("init_method") in ("shares", "mv", "mv_rand", "mv_lo")


def _pseudo_votes(model: LatentModel, mapping: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Pseudo-counts behind the confusions (D, class, vote); None where the model has none."""
    found: Tensor | None = getattr(model, "pseudo_votes", None)
    if found is None or found.shape[-1] != len(mapping) or not found.any():
        return None
    return found.cpu().double().numpy().transpose(0, 2, 1)[:, np.argsort(mapping)]
