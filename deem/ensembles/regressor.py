"""Ensembles of neural regressors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data
from torch import Tensor

from deem.ensembles.base import _FLOATS, DeepEnsemble, unchanged_by_errors
from deem.utils.exception import ArgumentError, ShapeError

if TYPE_CHECKING:
    from typing_extensions import Self

    from deem.ensembles.collusion import CollusionReport

__all__ = ["DeepEnsembleRegressor"]


class DeepEnsembleRegressor(RegressorMixin, DeepEnsemble):
    r"""Neural regressors, trained independently (``beta=0``), jointly (``beta=1``) or in between.

    .. math:: L_\beta = (1 - \beta)\,\frac1M \sum_m \lVert f_m - y \rVert^2
        + \beta\,\lVert \bar f - y \rVert^2

    which is negative correlation learning [1]_. Targets are standardised for the training, and
    predictions are in the units of y; losses in ``history_`` are of standardised targets.

    See `DeepEnsembleClassifier` for parameters and attributes; there are no classes, and what is
    averaged are the predictions.

    References
    ----------
    .. [1] Liu, Yao (1999), Ensemble learning via negative correlation, Neural Networks 12.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X = scale(X)
    >>> ensemble = DeepEnsembleRegressor(epochs=20, random_state=0).fit(X[:300], y[:300])
    >>> bool(ensemble.score(X[300:], y[300:]) > 0.3)
    True
    """

    def __init__(
        self,
        n_learners: int = 8,
        learner: str | Callable | Sequence[str | Callable] = "mlp",
        *,
        learner_params: Mapping[str, Any] | None = None,
        beta: float = 0.0,
        reduction: str = "sum",
        optimizer: str | Callable = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        scheduler: str | Callable | None = None,
        epochs: int = 60,
        batch_size: int = 64,
        learner_dropout: float = 0.0,
        bootstrap: bool = False,
        early_stopping: bool = False,
        patience: int = 10,
        monitor: str = "val_ensemble_loss",
        validation_fraction: float = 0.1,
        backend: str = "auto",
        device: str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.n_learners = n_learners
        self.learner = learner
        self.learner_params = learner_params
        self.beta = beta
        self.reduction = reduction
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.scheduler = scheduler
        self.epochs = epochs
        self.batch_size = batch_size
        self.learner_dropout = learner_dropout
        self.bootstrap = bootstrap
        self.early_stopping = early_stopping
        self.patience = patience
        self.monitor = monitor
        self.validation_fraction = validation_fraction
        self.backend = backend
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, eval_set: tuple[Any, Any] | None = None) -> Self:
        """Train the learners from new parameters.

        Parameters
        ----------
        X : (n_samples, n_features) or (n_samples, channels, height, width)
            As the learners take them.
        y : (n_samples,) or (n_samples, n_outputs)
            Values.
        eval_set : (X, y), optional
            Held-out samples, as in `DeepEnsembleClassifier.fit`.

        Returns
        -------
        self
        """
        with unchanged_by_errors(self):
            X, y = validate_data(
                self, X, y, dtype=_FLOATS, allow_nd=True, multi_output=True, y_numeric=True
            )
            return self._fit(X, y, eval_set)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Mean prediction of the learners, in the shape and the units of y."""
        found = self._values(X).mean(1).numpy()
        return found if self.y_is_matrix_ else found[:, 0]

    def predict_learners(self, X: Any) -> NDArray[np.float64]:
        """Prediction of each learner, (n_samples, n_outputs, n_learners), in the units of y.

        For y (n_samples,) it is (n_samples, n_learners).
        """
        found = self._values(X).transpose(1, 2).contiguous().numpy()
        return found if self.y_is_matrix_ else found[:, 0]

    def diagnose(self, X: Any, y: Any = None, **settings: Any) -> CollusionReport:
        """Diversity of the learners on samples, and whether they collude; losses in units of y.

        Parameters
        ----------
        X, y
            As in ``fit``; without values what needs them is None.
        **settings
            Of `deem.ensembles.diagnose`.
        """
        from deem.ensembles.collusion import diagnose

        if y is not None:
            y = np.asarray(y, dtype=np.float64).reshape(-1, len(self.y_location_))
        return diagnose(self._values(X), y, loss="mse", **settings)

    def _values(self, X: Any) -> Tensor:
        """Predictions (n_samples, n_learners, n_outputs) in the units of y."""
        scores = self._scores(X)
        return scores * scores.new_tensor(self.y_scale_) + scores.new_tensor(self.y_location_)

    def _learned(self, y: NDArray[Any]) -> dict[str, Any]:
        matrix = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            scale = matrix.std(0)
        if not np.isfinite(scale).all():
            raise ArgumentError(
                f"y holds numbers up to {np.abs(matrix).max():.3g}, whose squares are beyond "
                "float64; scale y."
            )
        return {
            "y_location_": matrix.mean(0),
            "y_scale_": np.where(scale > 0, scale, 1.0),
            "y_is_matrix_": y.ndim == 2,
        }

    def _coded(self, y: Any, learned: dict[str, Any], name: str) -> NDArray[np.float32]:
        matrix = np.asarray(y, dtype=np.float64)
        matrix = matrix.reshape(len(matrix), -1)
        if matrix.shape[1] != len(learned["y_location_"]):
            raise ShapeError(
                f"{name} has {matrix.shape[1]} values a sample, but y has "
                f"{len(learned['y_location_'])}; pass as many."
            )
        if not np.isfinite(matrix).all():
            raise ArgumentError(f"{name} holds NaN or infinite values; leave these samples out.")
        return ((matrix - learned["y_location_"]) / learned["y_scale_"]).astype(np.float32)

    def _settings(self, learned: dict[str, Any], targets: NDArray[Any]) -> dict[str, Any]:
        return {"loss": "mse"}

    def _n_outputs(self, learned: dict[str, Any]) -> int:
        return len(learned["y_location_"])
