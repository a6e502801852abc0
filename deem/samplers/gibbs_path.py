"""The way from independent units to a harmonium, taken by block Gibbs sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution

from deem.core.sampler import MetropolisSampler
from deem.math.random import draw
from deem.samplers.path import Base
from deem.utils.exception import ArgumentError, ShapeError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = [
    "GibbsPath",
    "IndependentUnits",
    "TwoLayers",
    "as_two_layers",
    "checked_field",
    "own_field",
]

_HALVINGS = 60
"""Of an interval of fields: more than its numbers have digits."""


class TwoLayers(Protocol):
    """What a path needs of a model: a `Harmonium` of any units has it."""

    visible_shape: tuple[int, ...]
    hidden_shape: tuple[int, ...]

    def hidden_field(self, v: Tensor) -> Tensor:
        """Fields of the hidden units."""

    def visible_field(self, h: Tensor) -> Tensor:
        """Fields of the visible units."""

    def visible_energy(self, v: Tensor) -> Tensor:
        """Energy of the visible units by themselves."""

    def hidden_log_sum(self, field: Tensor) -> Tensor:
        """Log-sum over all hidden states."""

    def hidden_given(self, field: Tensor) -> Distribution:
        """Distribution of hidden units with these fields."""

    def visible_given(self, field: Tensor) -> Distribution:
        """Distribution of visible units with these fields."""


class GibbsPath:
    r"""Harmoniums between independent visible units and a harmonium.

    At :math:`\beta` the hidden units have the fields :math:`\beta x(v)` and the visible ones
    :math:`(1 - \beta) a_0 + \beta a(h)`; the costs of all units stay. So both layers can be drawn
    at any :math:`\beta`, and with the costs :math:`c`, the bias :math:`a` and the log-sum
    :math:`A` of the hidden units

    .. math:: F_\beta(v) = c(v) - \big((1 - \beta) a_0 + \beta a\big)^\top v
        - \sum_j A\big(\beta x_j(v)\big)

    up to a constant, which is chosen so that :math:`F_0` is normalised and :math:`F_1` is the
    free energy of the model.

    Parameters
    ----------
    model : Harmonium
        Left untouched.
    field : (...) Tensor
        :math:`a_0`, of the visible units of one configuration.

    References
    ----------
    .. [1] Salakhutdinov, Murray (2008), On the quantitative analysis of deep belief networks,
       equations 15 to 18.
    """

    def __init__(self, model: TwoLayers, field: Tensor):
        self.model = model
        self.field = field
        self._nothing = model.hidden_log_sum(field.new_zeros(1, *model.hidden_shape))
        self._last: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    def free_energy(self, v: Tensor, beta: float | Tensor) -> Tensor:
        r"""Free energy (batch,) at a :math:`\beta`, or at one for each row (batch,), in nats."""
        base, own, field = self._look(v)
        hidden = self.model.hidden_log_sum(_wide(beta, field) * field)
        return (1 - beta) * (base + self._nothing) + beta * own - hidden

    def log_ratio(self, v: Tensor, low: float, high: float) -> Tensor:
        r"""Free energy at the lower :math:`\beta` less that at the higher, (batch,) float64."""
        return (self.free_energy(v, low) - self.free_energy(v, high)).double()

    def move(self, v: Tensor, beta: float | Tensor, generator: torch.Generator) -> Tensor:
        r"""One sweep, hidden units first, at a :math:`\beta` or at one for each row."""
        field = self._look(v)[2]
        h = draw(self.model.hidden_given(_wide(beta, field) * field), generator)
        reached = self.model.visible_field(h)
        mixed = self.field + _wide(beta, reached) * (reached - self.field)
        return draw(self.model.visible_given(mixed), generator)

    def take(self, v: Tensor, rows: Tensor) -> Tensor:
        """Chosen rows of chains; what is known of them goes along."""
        base, own, field = (x.index_select(0, rows) for x in self._look(v))
        v = v.index_select(0, rows)
        self._last = v, base, own, field
        return v

    def _look(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Energies of v by itself at both ends, and the hidden fields; the last are remembered."""
        if self._last is None or self._last[0] is not v:
            given = self.model.visible_given(self.field.expand(len(v), *self.field.shape))
            own, field = self.model.visible_energy(v), self.model.hidden_field(v)
            self._last = v, -given.log_prob(v), own, field
        return self._last[1:]


class IndependentUnits(Base):
    r"""Visible units of a harmonium without any hidden ones, a base with exact draws.

    Chains go from it to the harmonium by block Gibbs sweeps, see `GibbsPath`.

    Parameters
    ----------
    model : Harmonium
        Whose visible units they are.
    field : (...) Tensor, optional
        Field of each unit, for binary ones its log-odds. By default the visible biases of the
        model.
    """

    def __init__(self, model: Model, field: Tensor | None = None):
        self.model = as_two_layers(model)
        self.shape = tuple(self.model.visible_shape)
        own = own_field(model)
        self.field = own if field is None else checked_field(field, own)

    @classmethod
    @torch.no_grad()
    def of(cls, model: Model, v: Tensor) -> IndependentUnits:
        """Units with the means of data (batch, ...), and one sample more at field 0.

        Where a unit has no field of its own, as beside a class, those of ``field=None``.
        """
        units = cls(model)
        if units.field.shape != units.shape:
            return units
        centre = torch.zeros_like(units.field)

        def mean(field: Tensor) -> Tensor:
            return units.model.visible_given(field.unsqueeze(0)).mean.squeeze(0)

        wanted = (v.to(units.field).sum(0) + mean(centre)) / (len(v) + 1)
        width = torch.ones_like(centre)
        for _ in range(_HALVINGS):
            outside = (mean(-width) > wanted) | (mean(width) < wanted)
            width = torch.where(outside, 2 * width, width)
        low, high = -width, width
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = mean(middle) < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return cls(model, (low + high) / 2)

    def sample(self, n: int, generator: torch.Generator, present: Tensor | None = None) -> Tensor:
        if present is not None and not present.all():
            raise ArgumentError("present has missing sites, but a unit is always there; leave it.")
        return draw(self.model.visible_given(self.field.expand(n, *self.field.shape)), generator)

    def free_energy(self, v: Tensor) -> Tensor:
        return -self.model.visible_given(self.field.expand(len(v), *self.field.shape)).log_prob(v)

    def free_energy_and_gradient(self, v: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = v.detach().requires_grad_()
            free_energy = self.free_energy(leaf)
            (gradient,) = torch.autograd.grad(free_energy.sum(), leaf)
        return free_energy.detach(), gradient

    def present(self, v: Tensor) -> Tensor:
        return torch.ones(len(v), self.shape[0], dtype=torch.bool, device=v.device)

    def path_to(self, model: Any, sampler: MetropolisSampler | None) -> GibbsPath:
        if sampler is not None:
            raise ArgumentError(
                f"sampler={type(sampler).__name__}, but from IndependentUnits chains go by Gibbs "
                "sweeps; leave it out."
            )
        return GibbsPath(as_two_layers(model), self.field)


@torch.no_grad()
def own_field(model: Any) -> Tensor:
    """Fields of the visible units without any hidden ones: their biases."""
    layers = as_two_layers(model)
    off = torch.zeros(1, *layers.hidden_shape, dtype=model.dtype, device=model.device)
    return layers.visible_field(off).squeeze(0)


def checked_field(field: Tensor, like: Tensor) -> Tensor:
    """A field on the device and in the dtype of another one, whose shape it must have."""
    if field.shape != like.shape:
        raise ShapeError(
            f"field has shape {tuple(field.shape)}; expected {tuple(like.shape)}, that of the "
            "fields of the visible units."
        )
    return field.detach().to(like)


def as_two_layers(model: Any) -> TwoLayers:
    """The model itself, if it has fields between two layers of units."""
    if not hasattr(model, "hidden_given"):
        raise ArgumentError(
            f"{type(model).__name__} has no fields between two layers of units; pass a harmonium "
            "such as RBM."
        )
    return model


def _wide(beta: float | Tensor, like: Tensor) -> float | Tensor:
    """A number for each row, in the dimensions of what it multiplies."""
    if isinstance(beta, float):
        return beta
    return torch.as_tensor(beta).reshape(-1, *[1] * (like.dim() - 1))
