"""The RBM over data and a class, trained to tell the class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import one_hot, softplus

from deem.core.dataset import Dataset
from deem.core.solvers import ConditionalLikelihood, Solver, as_visible
from deem.core.votes import Votes
from deem.math.labelled import LabelledBits
from deem.math.units import Binary
from deem.models.harmonium import DenseHarmonium
from deem.utils.exception import ArgumentError, ShapeError, check_whole

__all__ = ["DiscriminativeRBM"]

_ENTRIES = 2**23
"""Numbers of fields, samples times classes times units, that prediction looks at in one go."""


class _LabelledBinary(Binary):
    """Binary units beside a class, so their joint states are not all rows of bits."""

    is_binary = False


class DiscriminativeRBM(DenseHarmonium):
    r"""RBM over binary units and a class, trained on the probability of the class given the units.

    .. math:: E(v, y, h) = -\big(a^\top v + b^\top h + c_y + v W h + U_y h\big) / T, \qquad
        p(y \mid v) \propto \exp \Big( \frac{c_y}{T} + \sum_j
        \operatorname{softplus}\big((b_j + (v W)_j + U_{yj}) / T\big) \Big)

    Configurations of the joint model are rows of n_visible units and a one-hot class. What U and
    c have in common over the classes would act as b or not at all; so they sum to zero over the
    classes by their parametrisation, ``weight`` and ``visible_bias`` hold n_classes - 1 rows of
    them.

    ``fit`` takes ``Dataset(data, targets)`` with labels 0 to n_classes - 1, or joint
    configurations.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
    n_classes : int
        At least 2.
    temperature : float
        T, above 0.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    Attributes
    ----------
    weight : (n_visible + n_classes - 1, n_hidden) Parameter
        W, then U in coordinates of the zero-sum vectors.
    visible_bias : (n_visible + n_classes - 1,) Parameter
        a, then c in such coordinates.
    hidden_bias : (n_hidden,) Parameter
        b.

    References
    ----------
    .. [1] Larochelle, Bengio (2008), Classification using discriminative restricted Boltzmann
       machines.

    Examples
    --------
    >>> v = torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]).repeat(50, 1)
    >>> labels = torch.tensor([1, 0]).repeat(50)
    >>> model = DiscriminativeRBM(3, 2, n_classes=2)
    >>> model.fit(Dataset(v, labels), epochs=30, random_state=0).predict(v[:2])
    tensor([1, 0])
    """

    default_learning_rate = 0.02

    basis: Tensor

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        n_classes: int,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        check_whole(1, n_visible=n_visible, n_classes=n_classes)
        if n_classes < 2:
            raise ArgumentError(f"n_classes={n_classes}; a classifier needs at least 2.")
        super().__init__(n_visible + n_classes - 1, n_hidden, temperature, random_state)
        self.n_visible = n_visible
        self.n_classes = n_classes
        self.visible_shape = (n_visible + n_classes,)
        self.visible_units = _LabelledBinary()
        self.register_buffer("basis", _zero_sum_basis(n_classes), persistent=False)

    @property
    def class_weight(self) -> Tensor:
        """U, (n_classes, n_hidden), summing to zero over the classes."""
        return self.basis @ self.weight[self.n_visible :]

    @property
    def class_bias(self) -> Tensor:
        """The biases c of the classes, (n_classes,), summing to zero."""
        return self.basis @ self.visible_bias[self.n_visible :]

    def code(self, v: Tensor) -> Tensor:
        """Units, then the class in coordinates of the zero-sum vectors."""
        x, y = self.split(v)
        return torch.cat([x, y @ self.basis], 1)

    def split(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Units (batch, n_visible) and one-hot classes (batch, n_classes) of configurations."""
        return v[:, : self.n_visible], v[:, self.n_visible :]

    def visible_given(self, field: Tensor) -> Distribution:
        return LabelledBits(*self._logits(field))

    def visible_log_sum(self, field: Tensor) -> Tensor:
        bits, classes = self._logits(field)
        return softplus(bits).sum(1) + classes.logsumexp(1)

    def _logits(self, field: Tensor) -> tuple[Tensor, Tensor]:
        bits, coordinates = self.split(field)
        return bits, coordinates @ self.basis.t()

    def class_logits(self, v: Tensor) -> Tensor:
        """Log-probability of every class given the units, up to a constant of each sample.

        Parameters
        ----------
        v : (batch, n_visible)
            In [0, 1].

        Returns
        -------
        (batch, n_classes)
            In nats.
        """
        seen = torch.addmm(self.hidden_bias, v, self.weight[: self.n_visible])
        field = (seen.unsqueeze(1) + self.class_weight) / self.temperature
        return self.class_bias / self.temperature + softplus(field).sum(2)

    @torch.no_grad()
    def predict_proba(self, v: Tensor) -> Tensor:
        """Probability of every class, (n_samples, n_classes), of units (n_samples, n_visible)."""
        self._check_width(v)
        size = max(1, _ENTRIES // (self.n_classes * self.n_hidden))
        parts = [self.class_logits(x).softmax(1) for x in as_visible(v, self).split(size)]
        return torch.cat(parts)

    def predict(self, v: Tensor) -> Tensor:
        """Most probable class, (n_samples,) int64, of units (n_samples, n_visible)."""
        return self.predict_proba(v).argmax(1)

    def joined(self, data: Dataset) -> Dataset:
        """Joint configurations of data and labels; data without labels are such already.

        Parameters
        ----------
        data : Dataset
            (n_samples, n_visible) with targets, or (n_samples, n_visible + n_classes).
        """
        if data.targets is None:
            return data
        y = one_hot(data.targets.long(), self.n_classes).to(data.data)  # type: ignore[arg-type]
        return Dataset(torch.cat([data.data, y], 1), weights=data.weights)  # type: ignore[list-item]

    def check_data(self, data: Dataset) -> None:
        """Check data and labels.

        Raises
        ------
        ShapeError
            If data or labels have the wrong shape.
        ArgumentError
            If labels are missing or no classes of the model, or data not finite.

        Warns
        -----
        OutsideUnitIntervalWarning
            If data are not in [0, 1].
        """
        v = data.data
        if data.targets is not None and not isinstance(v, Votes):
            self._check_width(v)
            self._check_labels(data.targets)
        elif not isinstance(v, Votes) and v.shape[1:] == (self.n_visible,):
            raise ArgumentError(
                f"data has no labels, from which {type(self).__name__} learns; pass "
                "Dataset(data, targets)."
            )
        joint = self.joined(data)
        super().check_data(joint)
        y = self.split(joint.data)[1]  # type: ignore[arg-type]
        if not (((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all()):
            raise ArgumentError(
                f"the last {self.n_classes} columns of data must be a one-hot class; pass "
                "Dataset(data, targets) if they are not."
            )

    @torch.no_grad()
    def prepare(self, data: Dataset) -> None:
        """Start biases of units and classes that are all 0 at the log-odds of the data."""
        if self.visible_bias.any() or not self.visible_bias.requires_grad:
            return
        joint = self.joined(data)
        v = as_visible(joint.data, self)
        shares = v.new_ones(len(v)) if joint.weights is None else joint.weights.to(v)
        # One sample more of each state keeps units that are never on, and lost classes, finite.
        x, y = self.split((shares * len(v) / shares.sum()).unsqueeze(0) @ v)
        odds = ((x.clamp(0, len(v)) + 1) / (len(v) + 2)).logit()
        bias = torch.cat([odds, (y + 1).log() @ self.basis], 1).squeeze(0)
        self.visible_bias.copy_(bias * self.temperature)

    def log_likelihood(self, batch: Dataset) -> Tensor:
        return super().log_likelihood(self.joined(batch))

    def configurations(self, v: Tensor, generator: torch.Generator) -> Tensor:
        if v.shape[1] == self.n_visible:
            raise ShapeError(
                f"this solver sees no labels; give {type(self).__name__} joint configurations, "
                "joined(Dataset(data, targets)).data, or its own solver."
            )
        return v

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """The conditional likelihood, by Adam."""
        rate = self.default_learning_rate if learning_rate is None else learning_rate
        return ConditionalLikelihood(rate)

    def sample_class(
        self, labels: Tensor, steps: int = 200, random_state: object = None
    ) -> Tensor:
        """Draw units given classes, by Gibbs sweeps with the classes held.

        Parameters
        ----------
        labels : (n_draws,) int
            In 0 to n_classes - 1.
        steps : int
            Sweeps, at least 1.
        random_state : None, int, numpy or torch generator
            Source of the draws.

        Returns
        -------
        (n_draws, n_visible)
            Bits. They look like the data where the joint model was trained, as by
            `HybridDiscriminativeRBM`.
        """
        labels = torch.as_tensor(labels, device=self.device)
        self._check_labels(labels)
        empty = torch.zeros(len(labels), self.n_visible, dtype=self.dtype, device=self.device)
        joint = as_visible(self.joined(Dataset(empty, labels)).data, self)
        missing = torch.arange(joint.shape[1], device=self.device) < self.n_visible
        return self.split(self.clamp(joint, missing, steps, random_state))[0]

    def _check_width(self, v: Tensor) -> None:
        if v.shape[1:] != (self.n_visible,):
            raise ShapeError(
                f"data has samples of shape {tuple(v.shape[1:])}, but the units of "
                f"{type(self).__name__} without the class have shape ({self.n_visible},); "
                "reshape the data, or build the model for their size."
            )

    def _check_labels(self, labels: Tensor) -> None:
        if labels.dim() != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
            raise ShapeError(
                f"targets have shape {tuple(labels.shape)} and type {labels.dtype}; expected "
                "whole numbers (n_samples,), one label a sample."
            )
        lowest, highest = (int(x) for x in labels.aminmax())
        if lowest < 0 or highest >= self.n_classes:
            raise ArgumentError(
                f"n_classes={self.n_classes}, but targets lie between {lowest} and {highest}; "
                "number the classes from 0, or pass a larger n_classes."
            )


def _zero_sum_basis(n: int) -> Tensor:
    """Orthonormal columns (n, n - 1) of the vectors that sum to zero (Helmert)."""
    basis = torch.zeros(n, n - 1)
    for k in range(1, n):
        basis[:k, k - 1] = 1
        basis[k, k - 1] = -k
        basis[:, k - 1] /= (k * (k + 1)) ** 0.5
    return basis
