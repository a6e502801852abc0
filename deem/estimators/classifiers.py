"""RBMs that learn from labels as scikit-learn classifiers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from deem.core.dataset import Dataset
from deem.core.solvers import Solver
from deem.estimators.transformers import draw_seed
from deem.math.random import as_generator
from deem.models import DiscriminativeRBM, HybridDiscriminativeRBM
from deem.utils.exception import ArgumentError, check_choice

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RBMClassifier"]

_KINDS: dict[str, type[DiscriminativeRBM]] = {
    cls.__name__: cls for cls in (DiscriminativeRBM, HybridDiscriminativeRBM)
}


class RBMClassifier(ClassifierMixin, BaseEstimator):
    """Classifier by an RBM over data and class.

    Parameters
    ----------
    model : {"DiscriminativeRBM", "HybridDiscriminativeRBM"}
        Learns the class alone, or the data beside it.
    n_components : int
        Number of hidden units.
    model_params : dict, optional
        Further constructor arguments, such as ``{"alpha": 0.05}``.
    epochs, batch_size : int
        As in ``Model.fit``.
    learning_rate : float, optional
        None is the default of the model.
    solver : Solver, optional
        In place of a learning rate.
    random_state : None, int or numpy RandomState
        Of the first weights and of the training.
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    model_ : DiscriminativeRBM
        The trained model, in evaluation mode.
    classes_ : (n_classes,)
        Labels, sorted.
    history_ : History
        The training.
    n_features_in_ : int
        Columns seen in ``fit``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> x, y = load_digits(return_X_y=True)
    >>> model = RBMClassifier(epochs=10, random_state=0).fit(x[:900] / 16, y[:900])
    >>> bool(model.score(x[900:] / 16, y[900:]) > 0.9)
    True
    """

    def __init__(
        self,
        model: str = "HybridDiscriminativeRBM",
        n_components: int = 128,
        *,
        model_params: Mapping[str, Any] | None = None,
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float | None = None,
        solver: Solver | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.model = model
        self.n_components = n_components
        self.model_params = model_params
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.solver = solver
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows X (n_samples, n_features) and labels y (n_samples,)."""
        X, y = validate_data(self, X, y, dtype=(np.float32, np.float64))
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ArgumentError(
                f"y has one class, {self.classes_[0]!r}; a classifier needs at least two."
            )
        check_choice("model", self.model, _KINDS)
        generator = as_generator(self.random_state)
        seed, params = draw_seed(generator), dict(self.model_params or {})
        sizes = X.shape[1], self.n_components, len(self.classes_)
        model = _KINDS[self.model](*sizes, **{"random_state": seed, **params})
        model.fit(
            Dataset(torch.tensor(X, dtype=model.dtype), torch.as_tensor(codes)),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            solver=self.solver,
            random_state=generator,
            verbose=self.verbose,
        )
        self.model_, self.history_ = model.eval(), model.history
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float32, np.float64), reset=False)
        # In float64 a row has the same digits whatever rows stand beside it.
        model = copy.deepcopy(self.model_).double()
        return model.predict_proba(torch.tensor(X, dtype=model.dtype)).numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable label (n_samples,) of each row."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(1)]
