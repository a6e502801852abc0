"""What harmoniums whose weights are filters of images share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.nn.functional import conv2d, conv_transpose2d, one_hot
from torch.nn.grad import conv2d_weight

from deem.core.dataset import Dataset
from deem.core.solvers import as_visible
from deem.math.listing import list_states, log_sum_in_parts
from deem.math.pooling import MaxPooled, join_blocks
from deem.math.random import as_generator
from deem.math.units import Binary
from deem.models.harmonium import (
    MAX_LISTED_UNITS,
    Harmonium,
    add_gradient,
    even_shares,
)
from deem.utils.exception import ArgumentError, IntractableError, check_number, check_whole

__all__ = ["ConvHarmonium"]


class ConvHarmonium(Harmonium):
    r"""A harmonium of images, in which hidden units share filters.

    .. math:: x_k(v) = \Big(b_k + \sum_c W_{kc} * v_c\Big) / T, \qquad
        E(v, h) = c_v(v) - \sum_c a_c \sum_p v_{cp} / T + c_h(h)
        - \sum_k \langle h_k, x_k(v) \rangle

    Here * slides a filter over the image (a valid correlation of the padded image) and p are the
    pixels. The field of the visible units is the exact adjoint, whatever stride and padding.

    Attributes
    ----------
    weight : (n_filters, n_channels, filter_height, filter_width) Parameter
        W.
    visible_bias : (n_channels,) Parameter
        a, shared by the pixels of a channel.
    hidden_bias : (n_filters,) Parameter
        b, shared by the positions of a filter.
    visible_shape : (n_channels, height, width)
        Of one configuration; the argument of this name is (height, width).
    hidden_shape : (n_filters, height, width)
        Of the hidden units of one configuration.
    pooled_shape : (n_filters, height, width)
        Of what ``pooled`` gives of one configuration.
    default_learning_rate : float
        That of the class over the number of positions of a filter, as every weight takes part in
        all of them.
    """

    def __init__(
        self,
        visible_shape: Sequence[int] = (28, 28),
        filter_shape: Sequence[int] = (7, 7),
        n_filters: int = 5,
        n_channels: int = 1,
        stride: int = 1,
        padding: int = 0,
        pooling: int | None = None,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__()
        check_whole(1, n_filters=n_filters, n_channels=n_channels, stride=stride)
        check_number(temperature=temperature)
        if not temperature > 0:
            raise ArgumentError(f"temperature={temperature}; it must be above 0.")
        image = _as_sides("visible_shape", visible_shape)
        self.filter_shape = _as_sides("filter_shape", filter_shape)
        sides = _hidden_sides(image, self.filter_shape, stride, padding)
        blocks = _pooled_sides(sides, pooling)
        # Numbers of numpy would overflow where states are counted.
        self.n_filters, self.n_channels = int(n_filters), int(n_channels)
        self.stride, self.padding = int(stride), int(padding)
        self.pooling = None if pooling is None else int(pooling)
        self.temperature = temperature
        self.random_state = random_state
        self.visible_shape = (self.n_channels, *image)
        self.hidden_shape = (self.n_filters, *map(int, sides))
        self.pooled_shape = (self.n_filters, *map(int, blocks))
        self.hidden_units = Binary() if pooling is None else MaxPooled(pooling)
        self.default_learning_rate = type(self).default_learning_rate / prod(sides)
        self.weight = nn.Parameter(torch.empty(n_filters, n_channels, *self.filter_shape))
        self.visible_bias = nn.Parameter(torch.empty(n_channels))
        self.hidden_bias = nn.Parameter(torch.empty(n_filters))
        self.reset(random_state)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "visible_shape": self.visible_shape[1:]}

    @torch.no_grad()
    def reset(self, random_state: object = None) -> None:
        """Draw the filters from N(0, 0.01^2) and set the biases to 0, as before any training.

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
        """Start visible biases that are all 0 at the log-odds of the means of binary channels."""
        bias = self.visible_bias
        if not self.visible_units.is_binary or not bias.requires_grad or bias.any():
            return
        v = as_visible(data.data, self)
        weights = v.new_ones(len(v)) if data.weights is None else data.weights.to(v)
        mean = weights / weights.sum() @ v.mean((2, 3))
        # One pixel more of each state keeps channels that are never on finite.
        pixels = v[:, 0].numel()
        mean = (mean.clamp(0, 1) * pixels + 1) / (pixels + 2)
        bias.copy_(mean.logit() * self.temperature)

    def hidden_field(self, v: Tensor) -> Tensor:
        self.check_shape(v)
        weight, bias = self.weight / self.temperature, self.hidden_bias / self.temperature
        return conv2d(self.code(v), weight, bias, self.stride, self.padding)

    def visible_field(self, h: Tensor) -> Tensor:
        weight, bias = self.weight / self.temperature, self.visible_bias / self.temperature
        # Pixels that no filter reaches at the far ends, where the stride does not come out even.
        rest = [
            (side + 2 * self.padding - width) % self.stride
            for side, width in zip(self.visible_shape[1:], self.filter_shape, strict=True)
        ]
        return conv_transpose2d(h, weight, bias, self.stride, self.padding, rest)

    def visible_energy(self, v: Tensor) -> Tensor:
        code = self.code(v)
        own = code.sum((2, 3)) @ self.visible_bias / self.temperature
        if self.visible_units.has_cost:
            return self.visible_units.cost(code).flatten(1).sum(1) - own
        return -own

    def code(self, v: Tensor) -> Tensor:
        """What the filters see of visible units: themselves."""
        return v

    def hidden_given(self, field: Tensor) -> Distribution:
        given = self.hidden_units.given(field)
        # Distributions of blocks are over planes already.
        return Independent(given, len(given.batch_shape) - 1, validate_args=False)

    def pooled(self, v: Tensor) -> Tensor:
        r"""Probability that any hidden unit of a block is on, (batch, \*pooled_shape).

        Without pooling every unit is a block of its own.
        """
        if isinstance(self.hidden_units, MaxPooled):
            return self.hidden_units.pooled(self.hidden_field(v))
        return self(v)

    def activity(self, v: Tensor) -> Tensor:
        """Mean of the hidden units of each filter, (n_filters,), over batch and positions."""
        return self(v).mean((0, 2, 3))

    @torch.no_grad()
    def contrast(
        self,
        v: Tensor,
        chains: Tensor,
        weights: Tensor | None = None,
        chain_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The closed form: minus the means of units and of their products, data minus chains."""
        both = torch.cat([v, chains])
        code, field = self.code(both), self.hidden_field(both)
        signs = torch.cat([even_shares(v, weights), -even_shares(chains, chain_weights)])
        signs = signs / -self.temperature
        signed = self.hidden_units.mean(field) * signs[:, None, None, None]
        shape = self.weight.shape
        add_gradient(self.weight, conv2d_weight(code, shape, signed, self.stride, self.padding))
        add_gradient(self.hidden_bias, signed.sum((0, 2, 3)))
        add_gradient(self.visible_bias, signs @ code.sum((2, 3)))
        free_energy = self.visible_energy(both) - self.hidden_log_sum(field)
        return free_energy[: len(v)], free_energy[len(v) :]

    def log_partition(self) -> Tensor:
        """Exact log-partition where a layer of binary units has at most 2^20 states.

        Raises
        ------
        IntractableError
            If neither layer can be listed.
        """
        n_states, states, scores, _ = self._smaller_layer()
        return log_sum_in_parts(
            lambda codes: scores(states(codes)).logsumexp(0), self._codes(n_states)
        )

    @torch.no_grad()
    def exact_draws(self, n: int, generator: torch.Generator) -> Tensor:
        r"""Independent draws (n, \*visible_shape), where ``log_partition`` is exact.

        Raises
        ------
        IntractableError
            If neither layer can be listed.
        """
        n_states, states, scores, completed = self._smaller_layer()
        log = torch.cat([scores(states(codes)) for codes in self._codes(n_states)])
        drawn = torch.multinomial(
            log.double().softmax(0), n, replacement=True, generator=generator
        )
        return completed(states(drawn), generator)

    def _smaller_layer(self) -> tuple[int, Callable, Callable, Callable]:
        """Of a layer that can be listed the number of states, and functions.

        They give states by their numbers, log-weights of states, and visible draws by states.
        """
        side = self.pooling or 1
        n_states = (side**2 + 1) ** prod(self.pooled_shape)
        found: tuple[int, Callable, Callable, Callable]
        found = n_states, self._hidden_states, self._scores_of_hidden, self.sample_v
        n_images = 2 ** prod(self.visible_shape)
        if self.visible_units.is_binary and n_images < n_states:
            found = n_images, self._visible_states, self._scores_of_visible, lambda v, _: v
        if found[0] > 2**MAX_LISTED_UNITS:
            raise IntractableError(
                f"{type(self).__name__} of visible units {self.visible_shape} and hidden units "
                f"{self.hidden_shape} has no layer of at most 2^{MAX_LISTED_UNITS} states to sum "
                "over; use log_likelihood_of() of deem.samplers.likelihood."
            )
        return found

    def _codes(self, n_states: int) -> Sequence[Tensor]:
        """Numbers of all states, some at a time."""
        width = prod(self.visible_shape) + prod(self.hidden_shape)
        return list_states(n_states, width, self.device)

    def _visible_states(self, codes: Tensor) -> Tensor:
        """Binary images (n, *visible_shape) by their numbers, (n,) int64."""
        bits = _digits(codes, 2, prod(self.visible_shape))
        return bits.to(self.dtype).unflatten(1, self.visible_shape)

    def _hidden_states(self, codes: Tensor) -> Tensor:
        """Hidden states (n, *hidden_shape) by their numbers, (n,) int64."""
        side = self.pooling or 1
        blocks = _digits(codes, side**2 + 1, prod(self.pooled_shape))
        # State 0 of a block is all off.
        units = one_hot(blocks, side**2 + 1)[..., 1:].to(self.dtype)
        return join_blocks(units.unflatten(1, self.pooled_shape).movedim(-1, 0), side)

    def _scores_of_visible(self, v: Tensor) -> Tensor:
        return -self.free_energy(v)

    def _scores_of_hidden(self, h: Tensor) -> Tensor:
        own = h.sum((2, 3)) @ self.hidden_bias / self.temperature
        return own + self.visible_log_sum(self.visible_field(h))


def _digits(codes: Tensor, base: int, n_digits: int) -> Tensor:
    """Digits (n, n_digits) of numbers (n,) int64, the lowest first."""
    return codes.unsqueeze(1) // base ** torch.arange(n_digits, device=codes.device) % base


def _as_sides(name: str, shape: Sequence[int]) -> tuple[int, int]:
    sides = tuple(shape) if isinstance(shape, Sequence) else ()
    if len(sides) != 2:
        raise ArgumentError(f"{name}={shape!r}; expected (height, width), for example (8, 8).")
    check_whole(1, **{f"{name}[{i}]": side for i, side in enumerate(sides)})
    return int(sides[0]), int(sides[1])


def _hidden_sides(
    image: tuple[int, int], filters: tuple[int, int], stride: int, padding: int
) -> tuple[int, int]:
    """Height and width of the hidden units of each filter."""
    whole = isinstance(padding, Integral) and not isinstance(padding, bool)
    if not whole or not 0 <= padding < min(filters):
        raise ArgumentError(
            f"padding={padding!r}; expected a whole number from 0 to {min(filters) - 1}, less "
            f"than the sides of the filters {filters}, which else see nothing of the image."
        )
    height, width = (
        (side + 2 * padding - size) // stride + 1
        for side, size in zip(image, filters, strict=True)
    )
    if height < 1 or width < 1:
        raise ArgumentError(
            f"filter_shape={filters} is larger than visible_shape={image} with padding={padding}; "
            "use smaller filters or more padding."
        )
    return height, width


def _pooled_sides(sides: tuple[int, int], pooling: int | None) -> tuple[int, int]:
    """Height and width of the blocks of each filter."""
    if pooling is None:
        return sides
    check_whole(1, pooling=pooling)
    if sides[0] % pooling or sides[1] % pooling:
        raise ArgumentError(
            f"pooling={pooling}, but the {sides[0]} x {sides[1]} hidden units of a filter do not "
            f"fall into blocks of {pooling} x {pooling}; change filter_shape, stride, padding or "
            "pooling, or crop the images."
        )
    return sides[0] // pooling, sides[1] // pooling
