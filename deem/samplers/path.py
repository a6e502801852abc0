"""Where annealing starts and the way it takes: bases with exact draws, geometric paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from deem.core.sampler import MetropolisSampler
from deem.core.solvers import as_visible
from deem.math.energy import enumerate_one_hot
from deem.math.random import draw_one_hot
from deem.samplers.gwg import GibbsWithGradients
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

if TYPE_CHECKING:
    from deem.core.model import Model

__all__ = [
    "Base",
    "Energies",
    "GeometricPath",
    "Path",
    "SiteMixture",
    "as_base",
    "exact_draws",
    "present_sites",
]

_MAX_LISTED = 2**18
"""Configurations listed to draw from them."""

_ROWS = 4096
"""Configurations whose free energies are computed at a time."""


class Energies(Protocol):
    """What an end of a path tells: a `Model`, what its ``frozen`` gives, or a base."""

    def free_energy(self, v: Tensor) -> Tensor:
        """Free energy (batch,) in nats."""

    def free_energy_and_gradient(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Free energy (batch,) in nats and its gradient by `v`."""


class Path(Protocol):
    """Distributions from a base at beta 0 to a model at beta 1, and moves that keep each."""

    def log_ratio(self, v: Tensor, low: float, high: float) -> Tensor:
        """Free energy at the lower beta less that at the higher one, (batch,) float64."""

    def move(self, v: Tensor, beta: float, generator: torch.Generator) -> Tensor:
        """Move chains (batch, ...) once, by a reversible kernel."""


class Base(Energies, Protocol):
    """A normalised distribution to start from.

    Its ``free_energy(v)`` (batch,) is minus the log-probability of the sites that are present,
    and ``free_energy_and_gradient(v)`` adds the gradient by `v`.

    Attributes
    ----------
    shape : tuple of int
        Of one configuration.
    """

    shape: tuple[int, ...]

    def sample(self, n: int, generator: torch.Generator, present: Tensor | None = None) -> Tensor:
        """Exact draws (n, ...); sites outside `present`, (D,) or (n, D) bool, are zero."""

    def present(self, v: Tensor) -> Tensor:
        """Which sites of chains (batch, ...) are there, (batch, D) bool."""
        return present_sites(v)

    def path_to(self, model: Model, sampler: MetropolisSampler | None) -> Path:
        """The way to a model, by a kernel; None is the one that suits the base."""
        path = GeometricPath(self, cast("Energies", model))
        return _KernelPath(path, GibbsWithGradients() if sampler is None else sampler)


class SiteMixture(Base):
    r"""Votes that are independent given one of S states, a base with exact draws.

    .. math:: q(v) = \sum_s \pi_s \prod_i \theta_i[v_i \mid s]

    Missing sites are summed out.

    Parameters
    ----------
    log_state : (S,)
        Finite, in nats; normalised here.
    table : (D, K, S)
        Log-probabilities of the votes given the state; finite, in nats, normalised here.
    """

    def __init__(self, log_state: Tensor, table: Tensor):
        if table.dim() != 3 or log_state.shape != table.shape[2:]:
            raise ShapeError(
                f"log_state has shape {tuple(log_state.shape)} and table {tuple(table.shape)}; "
                "expected (S,) and (D, K, S)."
            )
        if not (log_state.isfinite().all() and table.isfinite().all()):
            raise ArgumentError(
                "log_state and table must be finite, since a model may give weight to any votes; "
                "add a pseudo-count to frequencies that are 0."
            )
        self.log_state = log_state.detach().log_softmax(0)
        self.table = table.detach().log_softmax(1)
        self.shape = tuple(table.shape[:2])

    @classmethod
    def independent(cls, frequencies: Tensor) -> SiteMixture:
        """One state: every site by itself.

        Parameters
        ----------
        frequencies : (D, K)
            Above 0; normalised here. ``v.sum(0) + 1`` of one-hot votes v follows the data.
        """
        return cls(frequencies.new_zeros(1), frequencies.log().unsqueeze(2))

    @classmethod
    def of(cls, model: Model) -> SiteMixture:
        """The distribution of an exact model: one with ``log_tables``, such as `SoftIRBM`."""
        with torch.no_grad():
            return cls(*cast("Any", model).log_tables())

    def to(self, device: torch.device, dtype: torch.dtype) -> SiteMixture:
        """The same on a device, in a floating-point type."""
        return SiteMixture(self.log_state.to(device, dtype), self.table.to(device, dtype))

    def sample(self, n: int, generator: torch.Generator, present: Tensor | None = None) -> Tensor:
        state = draw_one_hot(self.log_state.exp().expand(n, -1), generator).argmax(1)
        v = draw_one_hot(self.table.exp().permute(2, 0, 1)[state], generator)
        return v if present is None else v * present.unsqueeze(-1)

    def free_energy(self, v: Tensor) -> Tensor:
        return -self._state_logits(v).logsumexp(1)

    def free_energy_and_gradient(self, v: Tensor) -> tuple[Tensor, Tensor]:
        logits = self._state_logits(v)
        log = logits.logsumexp(1)
        posterior = (logits - log.unsqueeze(1)).exp()
        return -log, -(posterior @ self.table.flatten(0, 1).T).reshape(v.shape)

    def _state_logits(self, v: Tensor) -> Tensor:
        return self.log_state + v.flatten(1) @ self.table.flatten(0, 1)


class _Ends(NamedTuple):
    """Free energies, and gradients if looked at, of both ends of a path at the same chains."""

    base: Tensor
    model: Tensor
    base_gradient: Tensor | None = None
    model_gradient: Tensor | None = None

    def where(self, accepted: Tensor, other: _Ends) -> _Ends:
        """These where accepted (batch,), else the other ones."""
        pairs = zip(self, other, strict=True)
        return _Ends(*(_pick(accepted, new, old) for new, old in pairs))


def _pick(accepted: Tensor, new: Tensor | None, old: Tensor | None) -> Any:
    if new is None or old is None:
        return None
    return torch.where(accepted.reshape(-1, *[1] * (new.dim() - 1)), new, old)


class GeometricPath:
    r"""Distributions between a base and a model, on which every Metropolis kernel works.

    .. math:: F_\beta(v) = (1 - \beta) F_0(v) + \beta F_1(v)

    Parameters
    ----------
    base, model
        Ends with ``free_energy`` and ``free_energy_and_gradient``.
    beta : float
        In [0, 1]; may be set anew at any time.
    """

    def __init__(self, base: Energies, model: Energies, beta: float = 0.0):
        self.base, self.model, self.beta = base, model, beta
        self._last: tuple[Tensor, _Ends] | None = None

    def frozen(self, v: Tensor) -> GeometricPath:
        """The path itself; build it with a frozen model where that pays."""
        return self

    def free_energy(self, v: Tensor) -> Tensor:
        """Free energy (batch,) at the present beta, in nats."""
        ends = self.look(v, gradient=False)
        return torch.lerp(ends.base, ends.model, self.beta)

    def free_energy_and_gradient(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Free energy (batch,) at the present beta and its gradient by `v`, (batch, ...)."""
        ends = self.look(v, gradient=True)
        gradient = torch.lerp(
            cast("Tensor", ends.base_gradient), cast("Tensor", ends.model_gradient), self.beta
        )
        return torch.lerp(ends.base, ends.model, self.beta), gradient

    def look(self, v: Tensor, gradient: bool) -> _Ends:
        """What both ends say of chains; asked for the same tensor again, it is remembered."""
        last = self._last
        if last is not None and last[0] is v and not (gradient and last[1].base_gradient is None):
            return last[1]
        if gradient:
            base, by_base = self.base.free_energy_and_gradient(v)
            model, by_model = self.model.free_energy_and_gradient(v)
            ends = _Ends(base, model, by_base, by_model)
        else:
            ends = _Ends(self.base.free_energy(v), self.model.free_energy(v))
        self._last = v, ends
        return ends

    def move(self, sampler: MetropolisSampler, v: Tensor, generator: torch.Generator) -> Tensor:
        """Move chains (batch, ...) once; what was seen of accepted proposals is remembered."""
        before = self.look(v, sampler.uses_gradient)
        path = cast("Any", self)
        state = sampler.step(path, sampler.init(path, v), generator)
        # Only of the inherited step it is known that the last look was at the proposals.
        if type(sampler).step is MetropolisSampler.step and state.accepted is not None:
            proposed = cast("tuple[Tensor, _Ends]", self._last)[1]
            self._last = state.v, proposed.where(state.accepted, before)
        return state.v


class _KernelPath(Path):
    """A geometric path along which a Metropolis kernel moves chains."""

    def __init__(self, path: GeometricPath, sampler: MetropolisSampler):
        self.path, self.sampler = path, sampler

    def log_ratio(self, v: Tensor, low: float, high: float) -> Tensor:
        ends = self.path.look(v, self.sampler.uses_gradient)
        return (high - low) * (ends.base - ends.model).double()

    def move(self, v: Tensor, beta: float, generator: torch.Generator) -> Tensor:
        self.path.beta = beta
        return self.path.move(self.sampler, v, generator)


def present_sites(v: Tensor) -> Tensor:
    """Which sites of (batch, D, K) votes are there, (batch, D) bool; of (batch, D) units all."""
    return v.sum(-1) > 0 if v.dim() == 3 else torch.ones_like(v, dtype=torch.bool)


def as_base(base: Base | Model, model: Model) -> Base:
    """A base, from an exact model if need be, on the device and in the dtype of a model."""
    if hasattr(base, "log_tables"):
        base = SiteMixture.of(cast("Model", base))
    if not hasattr(base, "path_to"):
        raise ArgumentError(
            f"base is {type(base).__name__}, which has neither log_tables() nor path_to(); pass "
            "an exact model such as SoftIRBM, a SiteMixture, or IndependentUnits of a harmonium."
        )
    if isinstance(base, SiteMixture):
        base = base.to(model.device, model.dtype)
    found = base.shape
    sizes = tuple(getattr(model, name, None) for name in ("n_classifiers", "n_classes"))
    expected = tuple(getattr(model, "visible_shape", sizes))
    if None not in expected and found != expected:
        raise ShapeError(
            f"base is over configurations of shape {found}, but the model over {expected}; build "
            "it for the sizes of the model."
        )
    return base


@torch.no_grad()
def exact_draws(
    model: Model,
    n: int,
    shape: tuple[int, ...],
    generator: torch.Generator,
    present: Tensor | None = None,
) -> Tensor:
    """Independent draws of a model that has listed hidden states or few configurations.

    Parameters
    ----------
    model : Model
        One with ``log_tables`` is drawn state first, votes second; one with ``exact_draws``, such
        as an `RBM`, by itself; of any other one with at most 2**18 configurations all are listed.
    n : int
        Number of draws.
    shape : (D, K)
        Of one configuration.
    generator : torch.Generator
        On the model's device.
    present : (D,) bool, optional
        Which sites have a vote, by default all.

    Returns
    -------
    (n, D, K)
        One-hot, with rows of zeros at the missing sites.

    Raises
    ------
    IntractableError
        If the model has neither.
    """
    if hasattr(model, "exact_draws"):
        return cast("Any", model).exact_draws(n, generator)
    if hasattr(model, "log_tables") and getattr(model, "is_listed", True):
        return SiteMixture.of(model).sample(n, generator, present)
    listed = _listed(shape, present)
    states = as_visible(listed, model)
    log = torch.cat([-model.free_energy(part) for part in states.split(_ROWS)])
    chosen = torch.multinomial(log.double().softmax(0), n, replacement=True, generator=generator)
    return states[chosen]


def _listed(shape: tuple[int, ...], present: Tensor | None) -> Tensor:
    """All configurations (n, D, K), with zeros outside `present`."""
    n_sites = shape[0] if present is None else int(present.sum())
    if len(shape) != 2 or shape[1] ** n_sites > _MAX_LISTED:
        raise IntractableError(
            f"the model has no log_tables(), and its configurations of shape {shape} are too "
            f"many to list (limit {_MAX_LISTED}); pass starts that you have drawn."
        )
    states = torch.zeros(shape[1] ** n_sites, *shape)
    if n_sites:
        chosen = slice(None) if present is None else present.cpu()
        states[:, chosen] = enumerate_one_hot(n_sites, shape[1], states.dtype)
    return states
