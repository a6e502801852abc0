"""Ensembles of neural classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from deem.ensembles.base import _FLOATS, DeepEnsemble, unchanged_by_errors
from deem.math.decomposition import aggregate
from deem.utils.exception import ArgumentError, LabelError, ShapeError, check_choice

if TYPE_CHECKING:
    from typing_extensions import Self

    from deem.ensembles.collusion import CollusionReport

__all__ = ["DeepEnsembleClassifier"]


class DeepEnsembleClassifier(ClassifierMixin, DeepEnsemble):
    r"""Neural classifiers, trained independently (``beta=0``), jointly (``beta=1``) or in between.

    .. math:: L_\beta = (1 - \beta)\,\frac1M \sum_m \ell(f_m, y) + \beta\,\ell(\bar f, y)

    with the cross-entropy as loss. At 0 every learner is trained as if it were alone. At 1 only
    the error of their aggregate counts, and learners tend to collude: they err apart from each
    other on the training data in ways that do not carry over to new data [1]_.

    Parameters
    ----------
    n_learners : int
        Number of networks.
    learner : str, callable, or list of them
        Name in `deem.ensembles.learners.LEARNERS`; a callable that takes the shape of a sample and
        the number of classes and returns a network that gives scores; or one of these a learner.
    learner_params : dict, optional
        Further arguments of the learner, such as ``{"hidden": (128,)}``.
    beta : float
        In [0, 1].
    aggregate : {"score", "prob"}
        Whether scores are averaged over learners, or probabilities.
    reduction : {"sum", "mean"}
        Over learners; with "sum" the pace at which each of them learns does not depend on their
        number.
    class_weight : dict, "balanced" or None
        How often samples of each class count.
    optimizer, scheduler
        As in `deem.core.optimizers`.
    learning_rate, weight_decay, momentum : float
        Of optimizers by name.
    epochs, batch_size : int
        Passes over the data, at most, and samples a step.
    learner_dropout : float
        Share of the learners that a sample does not reach in training, in [0, 1).
    bootstrap : bool
        Whether each learner learns from as many samples as there are, drawn with replacement.
    early_stopping : bool
        Whether to hold samples out, to stop when they have not improved for `patience` epochs, and
        to keep the parameters of the best epoch.
    patience : int
        Epochs without improvement.
    monitor : str
        Series of ``history_`` that says so, such as "val_ensemble_loss" or "val_accuracy".
    validation_fraction : float
        Share of the samples that is held out, unless ``fit`` gets an `eval_set`.
    backend : {"auto", "bmm", "vmap", "loop"}
        See `deem.ensembles.LearnerBank`.
    device : str
        "auto", "cpu", "cuda", ...
    random_state : None, int or numpy RandomState
        Of first parameters, order and all draws. Learner m has the same first parameters whatever
        the number of learners and `beta` are.
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    classes_ : (n_classes,)
        Labels, sorted.
    bank_ : LearnerBank
        All learners as one network.
    learners_ : list of torch.nn.Module
        Each of them as a network of its own.
    history_ : History
        Objective (``train_loss``), losses of learners and ensemble, diversity and accuracies of
        every epoch, with ``val_`` in front those of held-out samples.
    best_epoch_ : int or None
        Epoch from 1 at which held-out samples were best; None without them.
    n_features_in_ : int
        Length of the second axis of X.

    References
    ----------
    .. [1] Jeffares, Liu, Crabbé, van der Schaar (2023), Joint training of deep ensembles fails due
       to learner collusion, NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> ensemble = DeepEnsembleClassifier(n_learners=4, epochs=20, random_state=0)
    >>> ensemble = ensemble.fit(X[:900] / 16, y[:900])
    >>> bool(ensemble.score(X[900:] / 16, y[900:]) > 0.85)
    True
    >>> ensemble.predict_learners(X[900:] / 16).shape
    (897, 4)
    """

    def __init__(
        self,
        n_learners: int = 8,
        learner: str | Callable | Sequence[str | Callable] = "mlp",
        *,
        learner_params: Mapping[str, Any] | None = None,
        beta: float = 0.0,
        aggregate: str = "score",
        reduction: str = "sum",
        class_weight: Mapping[Any, float] | str | None = None,
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
        self.aggregate = aggregate
        self.reduction = reduction
        self.class_weight = class_weight
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
        y : (n_samples,)
            Labels of any type, at least two classes.
        eval_set : (X, y), optional
            Held-out samples, measured after every epoch; with `early_stopping` they say when to
            stop, and nothing is held out of X.

        Returns
        -------
        self
        """
        with unchanged_by_errors(self):
            X, y = validate_data(self, X, y, dtype=_FLOATS, allow_nd=True)
            check_classification_targets(y)
            return self._fit(X, y, eval_set)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-probabilities (n_samples, n_classes); for two classes their difference (n_samples,).

        In nats.
        """
        found = self._log_probabilities(X)
        return found[:, 1] - found[:, 0] if len(self.classes_) == 2 else found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (n_samples, n_classes) by the ensemble, in the order of ``classes_``."""
        return np.exp(self._log_probabilities(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable label (n_samples,) by the ensemble."""
        best = self._log_probabilities(X).argmax(1)
        return self.classes_[best]

    def predict_learners(self, X: Any, kind: str = "label") -> NDArray[Any]:
        """Predictions of each learner, as `deem.DEEM` takes them.

        Parameters
        ----------
        X : (n_samples, ...)
            As in ``fit``.
        kind : {"label", "proba", "score"}
            Labels (n_samples, n_learners); probabilities or scores
            (n_samples, n_classes, n_learners).
        """
        check_choice("kind", kind, ("label", "proba", "score"))
        scores = self._scores(X)
        if kind == "label":
            return self.classes_[scores.argmax(-1).numpy()]
        found = scores if kind == "score" else scores.softmax(-1)
        return found.transpose(1, 2).contiguous().numpy()

    def diagnose(self, X: Any, y: Any = None, **settings: Any) -> CollusionReport:
        """Diversity of the learners on samples, and whether they collude.

        Parameters
        ----------
        X, y
            As in ``fit``; without labels what needs them is None.
        **settings
            Of `deem.ensembles.diagnose`.
        """
        from deem.ensembles.collusion import diagnose

        scores = self._scores(X)
        codes = None if y is None else self._coded(np.asarray(y), {"classes_": self.classes_}, "y")
        return diagnose(scores, codes, how=self.aggregate, **settings)

    def _log_probabilities(self, X: Any) -> NDArray[np.float64]:
        return aggregate(self._scores(X), self.aggregate).numpy()

    def _learned(self, y: NDArray[Any]) -> dict[str, Any]:
        classes = np.unique(y)
        if len(classes) < 2:
            raise LabelError(
                f"y has one class, {classes.tolist()[0]!r}; a classifier needs at least two."
            )
        return {"classes_": classes}

    def _coded(self, y: NDArray[Any], learned: dict[str, Any], name: str) -> NDArray[np.int64]:
        classes = learned["classes_"]
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.ndim != 1:
            raise ShapeError(f"{name} has labels of shape {y.shape}; expected (n_samples,).")
        unknown = sorted(set(np.unique(y).tolist()) - set(classes.tolist()), key=str)
        if unknown:
            raise LabelError(
                f"{name} holds labels {unknown[:5]} that are not among the classes of fit "
                f"({classes.tolist()[:10]}); leave these samples out."
            )
        return np.searchsorted(classes, y).astype(np.int64)

    def _settings(self, learned: dict[str, Any], targets: NDArray[Any]) -> dict[str, Any]:
        return {
            "loss": "ce",
            "aggregate": self.aggregate,
            "class_weight": self._class_weights(learned["classes_"], targets),
        }

    def _class_weights(
        self, classes: NDArray[Any], targets: NDArray[np.int64]
    ) -> list[float] | None:
        if self.class_weight is None:
            return None
        if not (self.class_weight == "balanced" or isinstance(self.class_weight, Mapping)):
            raise ArgumentError(
                f"class_weight={self.class_weight!r}; expected None, 'balanced' or a dict of "
                "label to weight."
            )
        try:
            weights = compute_class_weight(self.class_weight, classes=classes, y=classes[targets])
        except ValueError as error:
            raise ArgumentError(
                f"class_weight={self.class_weight!r} does not fit the classes "
                f"{classes.tolist()[:10]} ({error}); pass a number for each."
            ) from error
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise ArgumentError(
                f"class_weight={self.class_weight!r}; weights are at least 0, and one is above."
            )
        return weights.tolist()

    def _n_outputs(self, learned: dict[str, Any]) -> int:
        return len(learned["classes_"])
