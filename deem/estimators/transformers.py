"""RBMs as scikit-learn transformers, for pipelines and grid searches."""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from deem.core.model import BipartiteModel, Model
from deem.core.solvers import Solver
from deem.math.random import as_generator
from deem.models import DBN, ZOO
from deem.models.stack.building import stackable
from deem.utils.exception import ArgumentError, check_choice

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DBNTransformer", "RBMTransformer", "draw_seed"]

_ROWS = 4096
"""Rows that are transformed at a time."""

_FLOATS = (np.float32, np.float64)


class _Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Training and features; you write ``_built``, the model for rows of a width."""

    model_: Any
    epochs: Any
    batch_size: int
    learning_rate: Any
    solver: Any
    random_state: Any
    verbose: bool

    @abstractmethod
    def _built(self, n_features: int, generator: torch.Generator) -> Any:
        """The model to train."""

    def fit(self, X: Any, y: object = None) -> Self:
        """Train the model on rows X (n_samples, n_features); `y` is ignored."""
        X = validate_data(self, X, dtype=_FLOATS)
        generator = as_generator(self.random_state)
        model = self._built(X.shape[1], generator)
        v = _visible(model, X)
        model.fit(
            v,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            solver=self.solver,
            # A model on another device draws there.
            random_state=generator if model.device.type == "cpu" else draw_seed(generator),
            verbose=self.verbose,
        )
        self.model_ = model.eval()
        self.history_ = model.history
        self._n_features_out = _features(model, v[:1]).shape[1]
        return self

    def transform(self, X: Any) -> NDArray[np.floating[Any]]:
        """Means of the hidden units, (n_samples, n_features_out), in the precision of X."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        rows = _visible(self.model_, X).split(_ROWS)
        features = torch.cat([_features(self.model_, part) for part in rows])
        return features.cpu().numpy().astype(X.dtype)

    def reconstruct(self, X: Any) -> NDArray[np.floating[Any]]:
        """Means of the visible units given those of the hidden ones, in the shape of X."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        with torch.no_grad():
            found = self.model_.reconstruct(_visible(self.model_, X))
        return found.flatten(1).cpu().numpy().astype(X.dtype)


class RBMTransformer(_Transformer):
    """Features of any RBM of the library: the means of its hidden units.

    Parameters
    ----------
    model : str, class or instance
        A name of `deem.models.ZOO` that learns without labels and has two layers, a
        `BipartiteModel` class, or an instance, which is copied before it is trained.
    n_components : int
        Number of hidden units, of filters for convolutional models; not for an instance.
    model_params : dict, optional
        Further constructor arguments, such as ``{"dropout": 0.2}``. Models of images need their
        ``visible_shape`` here; rows are then flattened images.
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
    model_ : BipartiteModel
        The trained model, in evaluation mode.
    history_ : History
        Its training.
    n_features_in_ : int
        Columns seen in ``fit``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> x, y = load_digits(return_X_y=True)
    >>> features = RBMTransformer(n_components=64, random_state=0)
    >>> pipe = make_pipeline(features, LogisticRegression(max_iter=1000))
    >>> bool(pipe.fit(x[:900] / 16, y[:900]).score(x[900:] / 16, y[900:]) > 0.8)
    True
    """

    def __init__(
        self,
        model: str | type[BipartiteModel] | BipartiteModel = "RBM",
        n_components: int = 128,
        *,
        model_params: Mapping[str, Any] | None = None,
        epochs: int = 10,
        batch_size: int = 10,
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

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Minus the free energy of each row, (n_samples,), in nats: log-probability but for Z."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        with torch.no_grad():
            return -self.model_.free_energy(_visible(self.model_, X)).double().cpu().numpy()

    def _built(self, n_features: int, generator: torch.Generator) -> BipartiteModel:
        if isinstance(self.model, Model):
            if self.model_params is not None:
                raise ArgumentError(
                    "model_params was given with a model instance, which is built already; pass "
                    "the class instead."
                )
            return copy.deepcopy(self.model)
        model_class: Any = self.model
        if isinstance(model_class, str):
            check_choice("model", model_class, stackable())
            model_class = ZOO[model_class]
        if not (inspect.isclass(model_class) and issubclass(model_class, BipartiteModel)):
            raise ArgumentError(
                f"model={self.model!r}; pass a name ({', '.join(stackable())}), a BipartiteModel "
                "class or an instance of one."
            )
        taken = inspect.signature(model_class).parameters
        arguments = {
            "n_visible": n_features,
            "n_hidden": self.n_components,
            "n_filters": self.n_components,
            "random_state": draw_seed(generator),
        }
        arguments = {name: value for name, value in arguments.items() if name in taken}
        return model_class(**{**arguments, **(self.model_params or {})})


class DBNTransformer(_Transformer):
    """Features of a deep belief network: the means of the units on top.

    Parameters
    ----------
    model : str, class, one a layer, or a DBN
        Kinds of the dense layers, names of `deem.models.ZOO` or classes; or a `DBN`, which is
        copied before it is trained.
    n_hidden : sequence of int
        Hidden units of each layer; not for an instance.
    epochs : int, or one a layer
        Passes over the data.
    batch_size : int
        Rows a batch.
    learning_rate, solver : optional
        One for all layers, or one a layer; as in `DBN.fit`.
    random_state : None, int or numpy RandomState
        Of the first weights and of the training.
    verbose : bool
        Show progress bars.

    Attributes
    ----------
    model_ : DBN
        The trained network, in evaluation mode.
    history_ : History
        Its training.
    n_features_in_ : int
        Columns seen in ``fit``.
    """

    def __init__(
        self,
        model: Any = "RBM",
        n_hidden: Sequence[int] = (128, 64),
        *,
        epochs: int | Sequence[int] = 10,
        batch_size: int = 10,
        learning_rate: float | Sequence[float] | None = None,
        solver: Any = None,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.model = model
        self.n_hidden = n_hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.solver = solver
        self.random_state = random_state
        self.verbose = verbose

    def _built(self, n_features: int, generator: torch.Generator) -> DBN:
        if isinstance(self.model, DBN):
            return copy.deepcopy(self.model)
        seed = draw_seed(generator)
        return DBN.of(self.model, n_features, list(self.n_hidden), random_state=seed)


def draw_seed(generator: torch.Generator) -> int:
    """Draw the seed of a model's first weights."""
    return int(torch.randint(2**31, (), generator=generator))


def _visible(model: Any, X: np.ndarray) -> Tensor:
    """Rows as the model takes them: images in its shape, in its dtype, on its device."""
    v = torch.tensor(X, dtype=model.dtype, device=model.device)
    shape = getattr(model, "visible_shape", v.shape[1:])
    if v.shape[1] != int(np.prod(shape)):
        raise ArgumentError(
            f"X has {v.shape[1]} features, but {type(model).__name__} has visible units of shape "
            f"{tuple(shape)}; build it for their number."
        )
    return v.reshape(-1, *shape)


@torch.no_grad()
def _features(model: Any, v: Tensor) -> Tensor:
    features: Any = getattr(model, "pooled", model)
    return features(v).flatten(1)
