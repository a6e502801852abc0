"""Models with one layer of visible and one of hidden units, of any kinds, dense or not."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from deem.core.dataset import Dataset
from deem.core.solvers import ContrastiveDivergence, Solver, as_visible
from deem.core.votes import Votes
from deem.math.listing import bits_of, list_states, log_sum_of_bits
from deem.math.random import as_generator
from deem.math.units import Binary, Units
from deem.models.generation import Generative
from deem.utils.exception import (
    ArgumentError,
    IntractableError,
    OutsideUnitIntervalWarning,
    ShapeError,
    check_number,
    check_whole,
)
from deem.utils.warning import warn

__all__ = ["DenseHarmonium", "Harmonium", "add_gradient", "even_shares"]

MAX_LISTED_UNITS = 20
"""Binary units whose joint states are still listed for the exact log-partition."""


class Harmonium(Generative):
    r"""Exponential family harmonium: kinds of units, and fields between them.

    .. math:: E(v, h) = c_v(v) - a^\top v + c_h(h) - h^\top x(v), \qquad
        F(v) = c_v(v) - a^\top v - \sum_j A_h(x_j(v))

    The units are objects of `deem.math.units`, which know their own cost c, log-sum A and
    conditional; so energy, free energy and draws cannot come apart. You write ``hidden_field``,
    ``visible_field`` and ``visible_energy``.

    Attributes
    ----------
    visible_units, hidden_units : Units
        Kinds of the units.
    visible_shape, hidden_shape : tuple of int
        Of one configuration.
    """

    visible_units: Units = Binary()
    hidden_units: Units = Binary()
    visible_shape: tuple[int, ...]
    hidden_shape: tuple[int, ...]
    default_learning_rate: float = 0.1

    @abstractmethod
    def hidden_field(self, v: Tensor) -> Tensor:
        """Field x of the hidden units, (batch, ...): their bias and what v adds."""

    @abstractmethod
    def visible_field(self, h: Tensor) -> Tensor:
        """Field of the visible units, (batch, ...): their bias and what h adds."""

    @abstractmethod
    def visible_energy(self, v: Tensor) -> Tensor:
        """Energy of visible units by themselves, (batch,): cost minus bias, in nats."""

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        own = self.hidden_units.cost(h) - h * self.hidden_field(v)
        return self.visible_energy(v) + own.flatten(1).sum(1)

    def free_energy(self, v: Tensor) -> Tensor:
        log_sum = self.hidden_log_sum(self.hidden_field(v))  # which checks the shape
        return self.visible_energy(v) - log_sum

    def hidden_log_sum(self, field: Tensor) -> Tensor:
        """Log-sum (batch,) over all hidden states, given the fields of the units."""
        return self.hidden_units.log_sum(field).flatten(1).sum(1)

    def visible_log_sum(self, field: Tensor) -> Tensor:
        """Log-sum (batch,) over all visible states, given the fields of the units."""
        return self.visible_units.log_sum(field).flatten(1).sum(1)

    def hidden_given(self, field: Tensor) -> Distribution:
        """Distribution of hidden units with these fields (batch, ...)."""
        given = self.hidden_units.given(field)
        return Independent(given, len(self.hidden_shape), validate_args=False)

    def visible_given(self, field: Tensor) -> Distribution:
        """Distribution of visible units with these fields (batch, ...)."""
        given = self.visible_units.given(field)
        return Independent(given, len(self.visible_shape), validate_args=False)

    def p_h(self, v: Tensor) -> Distribution:
        return self.hidden_given(self.hidden_field(v))

    def p_v(self, h: Tensor) -> Distribution:
        return self.visible_given(self.visible_field(h))

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """CD-1 with the learning rate of the class."""
        rate = self.default_learning_rate if learning_rate is None else learning_rate
        return ContrastiveDivergence(learning_rate=rate)

    @torch.no_grad()
    def monitor(
        self, v: Tensor, chains: Tensor | None, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Squared distance of each sample (summed over its units) to the end of its chain."""
        if chains is None:
            return {}
        return {"reconstruction_error": (v - chains).flatten(1).square().sum(1)}

    def check_data(self, data: Dataset) -> None:
        """Check shape, finiteness and range of the data.

        Raises
        ------
        ShapeError
            If a sample does not have ``visible_shape``.
        ArgumentError
            If a value is NaN or infinite.

        Warns
        -----
        OutsideUnitIntervalWarning
            If units that live in [0, 1] get other values.
        """
        v = data.data
        found = "votes" if isinstance(v, Votes) else tuple(v.shape[1:])
        if isinstance(v, Votes) or found != self.visible_shape:
            raise ShapeError(
                f"data has samples of shape {found}, but the visible units of "
                f"{type(self).__name__} have shape {self.visible_shape}; reshape the data, or "
                "build the model for their size."
            )
        lowest, highest = self.visible_units.bounds
        smallest, largest = (float(x) for x in v.aminmax())
        if not (math.isfinite(smallest) and math.isfinite(largest)):
            bad = int((~v.isfinite()).flatten(1).any(1).sum())
            raise ArgumentError(
                f"data holds NaN or infinity in {bad} of {len(v)} samples; drop or fill them."
            )
        if smallest < lowest or largest > highest:
            warn(
                f"data lie in [{smallest:g}, {largest:g}], but the visible units of "
                f"{type(self).__name__} in [{lowest:g}, {highest:g}]; scale them, for example "
                "data / 255 for pixels, or use real units such as GaussianRBM.",
                OutsideUnitIntervalWarning,
            )


class DenseHarmonium(Harmonium):
    r"""A harmonium in which every visible unit is connected with every hidden one.

    .. math:: x(v) = (b + v W) / T, \qquad E(v, h) = c_v(v) + c_h(h) - \big(a^\top v + b^\top h
        + v W h\big) / T

    The temperature stands in energy, draws and gradient alike. Units with a cost have to be those
    at T, as ``Gaussian(variance=T)`` are.

    Attributes
    ----------
    weight : (n_visible, n_hidden) Parameter
        W.
    visible_bias : (n_visible,) Parameter
        a.
    hidden_bias : (n_hidden,) Parameter
        b.
    """

    _seen: tuple[Tensor, Tensor] | None = None

    def __init__(
        self, n_visible: int, n_hidden: int, temperature: float = 1.0, random_state: int = 0
    ):
        super().__init__()
        check_whole(1, n_visible=n_visible, n_hidden=n_hidden)
        check_number(temperature=temperature)
        if not temperature > 0:
            raise ArgumentError(f"temperature={temperature}; it must be above 0.")
        self.n_visible, self.n_hidden = int(n_visible), int(n_hidden)
        self.temperature = temperature
        self.random_state = random_state
        self.visible_shape, self.hidden_shape = (self.n_visible,), (self.n_hidden,)
        self.weight = nn.Parameter(torch.empty(n_visible, n_hidden))
        self.visible_bias = nn.Parameter(torch.empty(n_visible))
        self.hidden_bias = nn.Parameter(torch.empty(n_hidden))
        self.reset(random_state)

    @torch.no_grad()
    def reset(self, random_state: object = None) -> None:
        """Draw the weights from N(0, 0.01^2) and set the biases to 0, as before any training.

        Parameters
        ----------
        random_state : None, int, numpy or torch generator
            Source of the draws.
        """
        self.weight.normal_(0, 0.01, generator=as_generator(random_state, self.device))
        self.visible_bias.zero_()
        self.hidden_bias.zero_()

    @torch.no_grad()
    def prepare(self, data: Dataset) -> None:
        """Start visible biases that are all 0 at the log-odds of the means of binary data.

        Else the weights would have to learn how often each unit is on. Frozen biases stay.
        """
        bias = self.visible_bias
        if self.visible_units.is_binary and bias.requires_grad and not bias.any():
            shares = None if data.weights is None else data.weights / data.total_weight
            v = as_visible(data.data, self)
            mean = v.mean(0) if shares is None else shares.to(v) @ v
            # One sample more of each state keeps units that are never on finite.
            mean = (mean.clamp(0, 1) * len(v) + 1) / (len(v) + 2)
            bias.copy_(mean.logit() * self.temperature)

    def hidden_field(self, v: Tensor) -> Tensor:
        if self._seen is not None and self._seen[0] is v and not torch.is_grad_enabled():
            return self._seen[1]
        return self.field_from(v)

    def field_from(self, v: Tensor) -> Tensor:
        """What ``hidden_field`` gives, computed anew even while it is remembered."""
        if v.shape[1:].numel() != math.prod(self.visible_shape):
            self.check_shape(v)
        scale = 1 / self.temperature
        return torch.addmm(
            self.hidden_bias, self.code(v), self.coupling(), beta=scale, alpha=scale
        )

    def visible_field(self, h: Tensor) -> Tensor:
        scale = 1 / self.temperature
        return torch.addmm(self.visible_bias, h, self.coupling().t(), beta=scale, alpha=scale)

    def visible_energy(self, v: Tensor) -> Tensor:
        code = self.code(v)
        own = code @ self.visible_bias
        if self.visible_units.has_cost:
            return self.visible_units.cost(code).sum(1) - own / self.temperature
        return -own / self.temperature

    def code(self, v: Tensor) -> Tensor:
        """What the weights see of visible units: themselves."""
        return v

    def coupling(self) -> Tensor:
        """Weights (n_visible, n_hidden) as they stand now: all of them."""
        return self.weight

    def weight_gradient(self, code: Tensor, signed: Tensor) -> Tensor:
        """Gradient of the weights from codes and signed hidden means, (batch, ...) each."""
        return code.t() @ signed

    @torch.no_grad()
    def contrast(
        self,
        v: Tensor,
        chains: Tensor,
        weights: Tensor | None = None,
        chain_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The closed form: minus the means of units and of their products, data minus chains."""
        ends = (even_shares(v, weights), v), (-even_shares(chains, chain_weights), chains)
        return tuple(self._accumulate(signs / -self.temperature, end) for signs, end in ends)  # type: ignore[return-value]

    def _accumulate(self, signs: Tensor, v: Tensor) -> Tensor:
        """Add the signed (batch,) means of units and of their products; return free energies."""
        code, field = self.code(v), self.hidden_field(v)
        signed = self.hidden_units.mean(field) * signs.unsqueeze(1)
        add_gradient(self.weight, self.weight_gradient(code, signed))
        add_gradient(self.hidden_bias, signed.sum(0))
        add_gradient(self.visible_bias, signs @ code)
        return self.visible_energy(v) - self.hidden_log_sum(field)

    @contextmanager
    def remembering(self, v: Tensor) -> Iterator[None]:
        with torch.no_grad():
            # Not ``hidden_field``, on which a subclass may build.
            self._seen = v, self.field_from(v)
        try:
            yield
        finally:
            self._seen = None

    def unit_means(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Means over a batch of what the weights see, (n_visible,), and of hidden units."""
        return self.code(v).mean(0), self.hidden_units.mean(self.hidden_field(v)).mean(0)

    @torch.no_grad()
    def centre_gradient(self, visible_offset: Tensor, hidden_offset: Tensor) -> None:
        """Turn the gradients held into those of centred units, see `Centring`."""
        w, a, b = (p.grad for p in (self.weight, self.visible_bias, self.hidden_bias))
        if w is None or a is None or b is None:
            raise ArgumentError(
                "centring= mixes the gradients of weight, visible_bias and hidden_bias, of which "
                "one is frozen; train all three, or leave out centring=."
            )
        w.addr_(visible_offset, b, alpha=-1).addr_(a, hidden_offset, alpha=-1)
        a.sub_(w @ hidden_offset)
        b.sub_(visible_offset @ w)

    def log_partition(self) -> Tensor:
        """Exact log-partition where the smaller layer of binary units has at most 20.

        Raises
        ------
        IntractableError
            If neither layer can be listed.
        """
        n_units, scores, _ = self._smaller_layer()
        return log_sum_of_bits(n_units, scores, self._width, self.weight)

    @torch.no_grad()
    def exact_draws(self, n: int, generator: torch.Generator) -> Tensor:
        """Independent draws (n, n_visible), where ``log_partition`` is exact.

        Raises
        ------
        IntractableError
            If neither layer can be listed.
        """
        n_units, scores, completed = self._smaller_layer()
        parts = list_states(2**n_units, self._width, self.device)
        log = torch.cat([scores(bits_of(part, n_units, self.dtype)) for part in parts])
        codes = torch.multinomial(
            log.double().softmax(0), n, replacement=True, generator=generator
        )
        return completed(bits_of(codes, n_units, self.dtype), generator)

    def _smaller_layer(self) -> tuple[int, Callable, Callable]:
        """Of a layer that can be listed the size, the log-weights of states, and their draws."""
        sides: list[tuple[int, Callable, Callable]] = []
        if self.hidden_units.is_binary:
            sides.append((self.n_hidden, self._scores_of_hidden, self.sample_v))
        if self.visible_units.is_binary:
            sides.append((self.n_visible, lambda v: -self.free_energy(v), lambda v, _: v))
        sides = [side for side in sides if side[0] <= MAX_LISTED_UNITS]
        if not sides:
            raise IntractableError(
                f"{type(self).__name__}({self.n_visible}, {self.n_hidden}) has no layer of at "
                f"most {MAX_LISTED_UNITS} binary units to sum over; use log_likelihood_of() of "
                "deem.samplers.likelihood."
            )
        return min(sides, key=lambda side: side[0])

    @property
    def _width(self) -> int:
        """Numbers that the fields of one state hold in memory."""
        return max(self.n_visible, self.n_hidden)

    def _scores_of_hidden(self, h: Tensor) -> Tensor:
        """Log-sum over the visible units of each hidden state (batch, n_hidden)."""
        return h @ self.hidden_bias / self.temperature + self.visible_log_sum(
            self.visible_field(h)
        )


def even_shares(v: Tensor, weights: Tensor | None) -> Tensor:
    """Shares (batch,) of samples: the weights given, or all alike."""
    return v.new_full((len(v),), 1 / len(v)) if weights is None else weights


def add_gradient(parameter: nn.Parameter, gradient: Tensor) -> None:
    """Add to the gradient that a parameter holds, if it is trained at all."""
    if parameter.requires_grad:
        parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
