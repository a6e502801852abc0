"""Harmoniums over the frames of a sequence whose hidden biases remember the frames before."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from deem.core.dataset import Dataset
from deem.core.model import LatentModel
from deem.core.solvers import ContrastiveDivergence, Solver, as_visible, weighted_mean
from deem.core.votes import Votes
from deem.math.random import as_generator, draw
from deem.models.harmonium import DenseHarmonium
from deem.models.temporal.partitions import log_partitions
from deem.utils.exception import ArgumentError, IntractableError, ShapeError, check_whole

__all__ = ["RecurrentHarmonium"]

AnyRecurrent = TypeVar("AnyRecurrent", bound="RecurrentHarmonium")


class RecurrentHarmonium(LatentModel):
    r"""A dense harmonium for every frame, whose hidden fields get what the frames before tell.

    .. math:: p(v_1, \dots, v_\tau) = \prod_t p(v_t \mid r_{t-1}) =
        \prod_t e^{-F(v_t \mid r_{t-1})} / Z(r_{t-1}), \qquad
        r_t = \mathbb{E}[h_t \mid v_t, r_{t-1}]

    The frame's hidden biases are :math:`b + r_{t-1} U`, all else is that of the frame. So p(h | v)
    and the likelihood of sequences are exact, but the log-partitions depend on the data: there is
    one for every frame, and none for the model. You write ``__init__``, which hands over the
    frame.

    Parameters
    ----------
    frame : DenseHarmonium
        Model of one frame given the past.
    random_state : int
        Seed of the first weights.

    Attributes
    ----------
    frame : DenseHarmonium
        Its visible bias, hidden bias and weights are shared by all frames.
    recurrent_weight : (n_hidden, n_hidden) Parameter
        U, from the units of the last frame (rows) to those of the present one.
    initial_state : (n_hidden,) Parameter
        :math:`r_0`, of any sign.

    References
    ----------
    .. [1] Sutskever, Hinton, Taylor (2008), The recurrent temporal restricted Boltzmann machine.
    """

    @abstractmethod
    def __init__(self, frame: DenseHarmonium, random_state: int = 0):
        super().__init__()
        self.frame = frame
        self.n_visible, self.n_hidden = frame.n_visible, frame.n_hidden
        self.temperature = frame.temperature
        self.random_state = random_state
        self.recurrent_weight = nn.Parameter(torch.empty(self.n_hidden, self.n_hidden))
        self.initial_state = nn.Parameter(torch.empty(self.n_hidden))
        self._held: Tensor | None = None
        self.reset(random_state)

    @torch.no_grad()
    def reset(self, random_state: object = None) -> None:
        """Draw all weights from N(0, 0.01^2), set biases and first state to 0.

        Parameters
        ----------
        random_state : None, int, numpy or torch generator
            Source of the draws.
        """
        generator = as_generator(random_state, self.device)
        self.frame.reset(generator)
        self.recurrent_weight.normal_(0, 0.01, generator=generator)
        self.initial_state.zero_()

    def free_energy(self, v: Tensor) -> Tensor:
        """Sum over the frames of the free energies given the past.

        Parameters
        ----------
        v : (batch, time, n_visible)
            Sequences.

        Returns
        -------
        (batch,)
            In nats; ``score_samples(v) = -free_energy(v) - log_partitions(v).sum(1)``.
        """
        return self._free_energy(v, self._unroll(v)[0])

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        _, past = self._unroll(v)
        own = self.frame.energy(v.flatten(0, 1), h.flatten(0, 1)).unflatten(0, v.shape[:2])
        return own.sum(1) - (h * past).flatten(1).sum(1)

    def p_h(self, v: Tensor) -> Distribution:
        """Conditional (batch, time, n_hidden): the units are independent given all frames."""
        given = self.frame.hidden_units.given(self._unroll(v)[0])
        return Independent(given, 2, validate_args=False)

    def log_partition(self) -> Tensor:
        """Always raises `IntractableError`: that of a frame depends on the past."""
        raise IntractableError(
            f"every frame of {type(self).__name__} has a log-partition of its own, which depends "
            "on the frames before; use log_partitions(v) or score_samples(v)."
        )

    def log_partitions(self, v: Tensor) -> Tensor:
        """Exact log-partitions of the frames given the past, the smaller binary layer listed.

        Parameters
        ----------
        v : (batch, time, n_visible)
            Sequences; the last frame does not matter.

        Returns
        -------
        (batch, time)
            In nats.

        Raises
        ------
        IntractableError
            If no layer of binary units has at most 20.
        """
        return self._log_partitions(self._unroll(v)[1])

    def score_samples(self, v: Tensor) -> Tensor:
        """Exact log-likelihood (batch,) of sequences, in nats, as far as `log_partitions` goes."""
        v = as_visible(v, self)
        field, past = self._unroll(v)
        return -self._free_energy(v, field) - self._log_partitions(past).sum(1)

    @torch.no_grad()
    def reconstruct(self, v: Tensor) -> Tensor:
        """Mean of every frame after one mean-field sweep given the past; (batch, time, ...)."""
        v = as_visible(v, self)
        h = self.frame.hidden_units.mean(self._field_given_held(v))
        return self.frame.p_v(h.flatten(0, 1)).mean.unflatten(0, v.shape[:2])

    def gibbs_step(self, v: Tensor, generator: torch.Generator) -> Tensor:
        r"""One sweep of every frame given what was before it, as in contrastive divergence.

        It leaves :math:`p(v_t \mid r_{t-1})` of each frame invariant where the past stays as it
        is, as it does within an update. It is no sampler of sequences, see `sample`.
        """
        given = self.frame.hidden_units.given(self._field_given_held(v))
        h = draw(given, generator)
        return self.frame.sample_v(h.flatten(0, 1), generator).unflatten(0, v.shape[:2])

    @torch.no_grad()
    def sample(
        self, n: int, n_steps: int, gibbs_steps: int = 50, random_state: object = None
    ) -> Tensor:
        """Draw sequences, frame by frame.

        Parameters
        ----------
        n, n_steps : int
            Numbers of sequences and of their frames, at least 1.
        gibbs_steps : int
            Sweeps of the chain that ends in a frame, at least 1; it starts at hidden units drawn
            given the past alone.
        random_state : None, int, numpy or torch generator
            Source of the draws.

        Returns
        -------
        (n, n_steps, n_visible)
        """
        check_whole(1, n=n, n_steps=n_steps, gibbs_steps=gibbs_steps)
        state = self.initial_state.expand(n, -1)
        return self._generate(state, n_steps, gibbs_steps, as_generator(random_state, self.device))

    @torch.no_grad()
    def extend(
        self,
        v: Tensor,
        n_steps: int = 1,
        gibbs_steps: int = 50,
        deterministic: bool = False,
        random_state: object = None,
    ) -> Tensor:
        """Go on with given beginnings of sequences.

        Parameters
        ----------
        v : (batch, time, n_visible)
            The beginnings, of at least one frame.
        n_steps : int
            Number of frames to add, at least 1.
        gibbs_steps : int
            Sweeps for each frame, as in `sample`.
        deterministic : bool
            Propagate means in place of draws: a mean-field forecast, the same every time.
        random_state : None, int, numpy or torch generator
            Source of the draws.

        Returns
        -------
        (batch, n_steps, n_visible)
            The frames that follow.
        """
        check_whole(1, n_steps=n_steps, gibbs_steps=gibbs_steps)
        generator = None if deterministic else as_generator(random_state, self.device)
        return self._generate(self(v)[:, -1], n_steps, gibbs_steps, generator)

    def check_data(self, data: Dataset) -> None:
        """Check shape, finiteness and range of sequences of one length.

        Raises
        ------
        ShapeError
            If the data are not (n_samples, time, n_visible) with at least one frame.
        ArgumentError
            If a value is NaN or infinite.

        Warns
        -----
        OutsideUnitIntervalWarning
            If units that live in [0, 1] get other values.
        """
        v = data.data
        self._check_shape(v)
        assert isinstance(v, Tensor)  # noqa: S101
        bad = int((~v.isfinite()).flatten(1).any(1).sum())
        if bad:
            raise ArgumentError(
                f"data holds NaN or infinity in {bad} of {len(v)} sequences; fill them, and cut "
                "sequences to one length."
            )
        self.frame.check_data(_frames_of(data))

    def prepare(self, data: Dataset) -> None:
        """Prepare the frame with all frames of the data."""
        self.frame.prepare(_frames_of(data))

    @torch.no_grad()
    def redraw(self, v: Tensor, generator: torch.Generator) -> None:
        """Hold the past of the data: the chains of an update move every frame given it."""
        self._held = self._unroll(v)[1]

    def contrast(
        self,
        v: Tensor,
        chains: Tensor,
        weights: Tensor | None = None,
        chain_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        r"""Add the gradient of an update, back through time, to those of the parameters.

        .. math:: \nabla_\theta \sum_i w_i \sum_t
            \Big(F(v_{it} \mid r_{i,t-1}) - F(\tilde v_{it} \mid r_{i,t-1})\Big)

        Both phases have the past of the data, which depends on the parameters too.

        Parameters
        ----------
        v, chains : (batch, time, n_visible)
            Sequences, and where the chain of each of their frames ended.
        weights, chain_weights : (batch,), optional
            Summing to one; None weighs all alike.

        Returns
        -------
        (batch,), (batch,)
            Free energies in nats, detached.
        """
        self._held = None
        with torch.enable_grad():
            field, past = self._unroll(v)
            positive = self._free_energy(v, field)
            negative = self._free_energy(chains, self._own_field(chains) + past)
            (weighted_mean(positive, weights) - weighted_mean(negative, chain_weights)).backward()
        return positive.detach(), negative.detach()

    @torch.no_grad()
    def monitor(
        self, v: Tensor, chains: Tensor | None, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Squared distance of each sequence (summed over frames and units) to its chains."""
        if chains is None:
            return {}
        return {"reconstruction_error": (v - chains).flatten(1).square().sum(1)}

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """CD-1 with Adam, whose steps do not depend on how many frames a sequence has."""
        rate = 0.01 if learning_rate is None else learning_rate
        return ContrastiveDivergence(learning_rate=rate, optimizer="adam")

    def fit(
        self: AnyRecurrent, data: object, *, solver: Solver | None = None, **settings: Any
    ) -> AnyRecurrent:
        """Train the model from its present parameters, as `Model.fit`.

        Parameters
        ----------
        data : Dataset, Tensor or array
            (n_samples, time, n_visible): sequences of one length, at least one frame.
        solver : Solver, optional
            The default is CD-1 with Adam.
        **settings
            As those of `Model.fit`.

        Raises
        ------
        ArgumentError
            If the chains of the solver do not start at the frames of the data or are moved by a
            sampler, or if it centres the gradient.
        """
        for name in ("persistent", "sampler", "centring"):
            value = getattr(solver, name, None)
            if value:
                found = value if isinstance(value, bool) else type(value).__name__
                raise ArgumentError(
                    f"{name}={found}, but every frame of {type(self).__name__} has a distribution "
                    "of its own, given the frames before: chains start at their frames, move by "
                    f"Gibbs sweeps, and gradients are not centred; leave out {name}=."
                )
        return super().fit(data, solver=solver, **settings)

    def train(self: AnyRecurrent, mode: bool = True) -> AnyRecurrent:
        """Choose training or evaluation mode; what was held for an update is dropped."""
        self._held = None
        return super().train(mode)

    def _unroll(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden fields of all frames, and what the past adds to them; (batch, time, n_hidden)."""
        self._check_shape(v)
        own, past = self._own_field(v), []
        state, weight = self.initial_state.expand(len(v), -1), self._scaled()
        for field in own.unbind(1):
            past.append(state @ weight)
            state = self.frame.hidden_units.mean(field + past[-1])
        drive = torch.stack(past, 1)
        return own + drive, drive

    def _scaled(self) -> Tensor:
        """U / T: hidden means times it add to the hidden fields of the frame that follows."""
        return self.recurrent_weight / self.temperature

    def _own_field(self, v: Tensor) -> Tensor:
        return self.frame.hidden_field(v.flatten(0, 1)).unflatten(0, v.shape[:2])

    def _field_given_held(self, v: Tensor) -> Tensor:
        return self._unroll(v)[0] if self._held is None else self._own_field(v) + self._held

    def _free_energy(self, v: Tensor, field: Tensor) -> Tensor:
        own = self.frame.visible_energy(v.flatten(0, 1)).unflatten(0, v.shape[:2])
        return own.sum(1) - self.frame.hidden_log_sum(field)

    def _generate(
        self, state: Tensor, n_steps: int, gibbs_steps: int, generator: torch.Generator | None
    ) -> Tensor:
        """Frames that follow hidden means (batch, n_hidden); without generator by mean field."""

        def settle(given: Distribution) -> Tensor:
            return given.mean if generator is None else draw(given, generator)

        frame, frames = self.frame, []
        for _ in range(n_steps):
            past = state @ self._scaled()
            field = past + frame.hidden_bias / self.temperature
            for _ in range(gibbs_steps):
                v = settle(frame.p_v(settle(frame.hidden_units.given(field))))
                field = frame.hidden_field(v) + past
            frames.append(v)
            state = frame.hidden_units.mean(field)
        return torch.stack(frames, 1)

    def _log_partitions(self, past: Tensor) -> Tensor:
        """Log-partitions (batch, time) of the frames, given what the past adds to their fields."""
        return log_partitions(self.frame, past.flatten(0, 1)).unflatten(0, past.shape[:2])

    def _check_shape(self, v: object) -> None:
        shape = None if isinstance(v, Votes) else tuple(getattr(v, "shape", ()))
        if shape is None or len(shape) != 3 or shape[2] != self.n_visible or shape[1] < 1:
            raise ShapeError(
                f"data has shape {shape or type(v).__name__}, but {type(self).__name__} expects "
                f"(n_samples, time, {self.n_visible}) with at least one frame; stack sequences of "
                "one length."
            )


def _frames_of(data: Dataset) -> Dataset:
    """All frames of sequences, each with the weight of its sequence."""
    v = data.data
    assert isinstance(v, Tensor)  # noqa: S101
    weights = None if data.weights is None else data.weights.repeat_interleave(v.shape[1])
    return Dataset(v.flatten(0, 1), weights=weights)
