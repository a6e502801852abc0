"""What every consensus estimator does once it is fitted: predict, score, save and load."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deem.core.dataset import Dataset
from deem.core.model import LatentModel
from deem.core.persistence import read_file, write_file
from deem.core.reading import wrap_labels, wrap_probabilities
from deem.core.votes import Votes
from deem.estimators.alignment import class_probabilities, solve_map
from deem.estimators.explanation import Explanation, class_scores, explain
from deem.estimators.files import from_content, to_content
from deem.estimators.likelihood import mean_log_likelihood
from deem.estimators.state import become, read_known
from deem.estimators.truth import one_of, truth_codes
from deem.selection.calibration import Calibration
from deem.selection.dependence import DependenceMap, dependence_map
from deem.utils.warning import collecting

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ConsensusEstimator"]


class ConsensusEstimator(TransformerMixin, BaseEstimator, ABC):
    """Labels, probabilities, skills and files from a trained model of the votes.

    You write ``_learn`` and ``fit``, which calls ``_fit``. You inherit prediction, scores, files
    and scikit-learn's contract.
    """

    model_: LatentModel
    classes_: NDArray[Any]
    labels_: NDArray[Any]
    confusion_: NDArray[np.float64]
    calibration_: dict[str, float] | None
    class_map_: NDArray[np.int64]
    _fit_class_map: NDArray[np.int64]

    @abstractmethod
    def _learn(
        self, params: dict[str, Any], predictions: Any, truth: Any, **known: Any
    ) -> tuple[Votes, dict[str, Any]]:
        """Train on votes; return them as read, with the fitted attributes by name.

        Parameters
        ----------
        params : dict
            Constructor parameters, those given to ``fit`` already put in.
        predictions, truth
            As in ``fit``; `truth` is there `y` or `labels`.
        **known
            The other arguments of ``fit``.
        """

    def _fit(self, predictions: Any, y: Any = None, labels: Any = None, **given: Any) -> Votes:
        """Do what ``fit`` promises; return the votes as they were read."""
        params = self.get_params(deep=False)
        known = {name: value for name, value in given.items() if name not in params}
        params |= {name: given[name] for name in params.keys() & given if given[name] is not None}
        with collecting() as raised:
            votes, state = self._learn(
                params, predictions, one_of("y", y, "labels", labels), **known
            )
        state["health_"]["warnings"] = raised
        become(self, state)
        return votes

    def _posterior(self, votes: Votes) -> NDArray[np.float64]:
        """What the model says of the classes of votes as read, (n_samples, n_classes)."""
        return class_probabilities(self.model_, votes, self.class_map_)

    def _probabilities(self, votes: Votes) -> NDArray[np.float64]:
        """The same, calibrated."""
        posterior = self._posterior(votes)
        if self.calibration_ is None:
            return posterior
        return Calibration(**self.calibration_).apply(posterior, votes)

    def _class_scores(self, votes: Votes) -> NDArray[np.float64]:
        """Logarithm of ``_posterior`` up to one constant a sample; override both or none."""
        return class_scores(self.model_, votes, self.class_map_)

    def predict(self, predictions: Any, return_probs: bool = False, align_to: Any = None) -> Any:
        """Consensus labels of votes.

        Parameters
        ----------
        predictions : votes in any form
            By the classifiers of ``fit``.
        return_probs : bool
            Return the probabilities in place of the labels.
        align_to : votes, optional
            Solve the assignment of hidden states to classes anew against the majority vote of
            these votes, and keep it for later calls; without it nothing is ever changed.

        Returns
        -------
        (n_samples,) labels in the user's own names, or (n_samples, n_classes) probabilities
            An array, or a pandas or polars object by task for data frames.
        """
        votes = read_known(self, predictions)
        if align_to is not None:
            self.class_map_ = solve_map(self.model_, read_known(self, align_to))
        probas = self._probabilities(votes)
        if return_probs:
            return wrap_probabilities(votes, probas)
        return wrap_labels(votes, self.classes_[probas.argmax(1)])

    def predict_proba(self, predictions: Any) -> Any:
        """Probabilities of the classes, (n_samples, n_classes), in the order of ``classes_``."""
        return self.predict(predictions, return_probs=True)

    def transform(self, predictions: Any) -> Any:
        """Probabilities for pipelines, (n_samples, n_classes), as a plain array.

        Of a long pandas frame, whose rows are votes, it is a frame indexed by task.
        """
        votes = read_known(self, predictions)
        probas = self._probabilities(votes)
        if votes.frame == "pandas" and votes.form == "long":
            return wrap_probabilities(votes, probas)
        return probas

    def explain(self, predictions: Any, samples: Any = None) -> Explanation:
        """Which vote drove which answer; see `deem.estimators.explanation.Explanation`.

        Parameters
        ----------
        predictions : votes in any form
            By the classifiers of ``fit``.
        samples : sequence, optional
            Samples to explain: their names, or places where they have none; all by default.
        """
        votes = read_known(self, predictions)
        return explain(votes, samples, self._class_scores, self.classifiers_)

    def dependence(self, predictions: Any) -> DependenceMap:
        """Who copies whom; see `deem.selection.dependence.DependenceMap`.

        Parameters
        ----------
        predictions : votes in any form
            By the classifiers of ``fit``.
        """
        votes = read_known(self, predictions)
        return dependence_map(votes, self._posterior(votes), self.confusion_)

    def fit_predict(self, predictions: Any, y: Any = None, **fit_params: Any) -> Any:
        """Learn from votes as ``fit`` does and return their consensus labels."""
        inspect.signature(self.fit).bind(predictions, y, **fit_params)
        return wrap_labels(self._fit(predictions, y, **fit_params), self.labels_)

    def score(self, predictions: Any, y: Any = None, *, true_labels: Any = None) -> float:
        """Accuracy in [0, 1], or without labels the mean log-likelihood of a sample, in nats.

        Parameters
        ----------
        predictions : votes in any form
            By the classifiers of ``fit``.
        y, true_labels : (n_samples,), optional
            True labels, by either name; classes are aligned to the vote in ``fit``, never to them.
        """
        truth = one_of("y", y, "true_labels", true_labels)
        votes = read_known(self, predictions)
        if truth is None:
            return mean_log_likelihood(self.model_, Dataset(votes))
        probas = self._probabilities(votes)
        return float((probas.argmax(1) == truth_codes(votes, truth)).mean())

    def get_class_mapping(self) -> dict[int, Any]:
        """Label of each hidden state, as last solved."""
        check_is_fitted(self)
        return dict(enumerate(self.classes_[self.class_map_].tolist()))

    def reset_class_mapping(self) -> Self:
        """Return to the map that ``fit`` found."""
        check_is_fitted(self)
        self.class_map_ = self._fit_class_map.copy()
        return self

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to one file.

        Raises
        ------
        ArgumentError
            If a parameter holds an object of an unregistered class; nothing is written.
        OSError
            If the folder cannot be written to.
        """
        check_is_fitted(self)
        write_file(path, type(self).__name__, to_content(self))

    def load(self, path: str | Path) -> Self:
        """Fill this estimator from a file that ``save`` wrote.

        Raises
        ------
        ModelFileError
            If the file is damaged, foreign or of another class; the estimator stays as it was.
        """
        from_content(self, read_file(path, type(self).__name__)[1])
        return self

    @property
    def is_fitted_(self) -> bool:
        """Whether the estimator has been fitted or loaded."""
        return "model_" in vars(self)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns of ``transform``: the labels."""
        check_is_fitted(self)
        return np.array([str(label) for label in self.classes_], dtype=object)

    def __sklearn_tags__(self) -> Any:  # noqa: PLW3201
        tags = super().__sklearn_tags__()
        inputs = tags.input_tags
        inputs.categorical = inputs.allow_nan = inputs.string = True
        inputs.sparse = inputs.three_d_array = True
        return tags
