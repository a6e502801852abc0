"""Deep Boltzmann machines: binary layers, each connected with its neighbours, both ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from deem.core.dataset import Dataset
from deem.core.solvers import ContrastiveDivergence, Solver, as_visible
from deem.core.votes import Votes
from deem.math.listing import log_sum_of_bits
from deem.math.random import as_generator
from deem.models.harmonium import MAX_LISTED_UNITS, Harmonium
from deem.models.stack.copied_rbm import greedy_start
from deem.utils.exception import (
    ArgumentError,
    IntractableError,
    ShapeError,
    check_number,
    check_whole,
)

__all__ = ["DBM"]


class DBM(Harmonium):
    r"""Deep Boltzmann machine of binary units.

    .. math:: E(v, h_1, \dots, h_L) = -\sum_l b_l^\top h_l - \sum_l h_{l-1}^\top W_l h_l,
        \qquad h_0 = v

    The layers of even number, the data among them, are independent of each other given those of
    odd number, and the other way round. So the machine is a harmonium: its visible side x is
    (v, h_2, h_4, ...) side by side, its hidden side y is (h_1, h_3, ...), and Gibbs sweeps draw
    all of x, then all of y. Wherever a method takes visible configurations, they may be data
    (batch, n_visible), in which the hidden units of x are summed out, or all of x.

    Training follows the gradient of the variational bound: of the data, x holds the mean-field
    posterior of h_2, h_4, ...; persistent chains stand for the machine [1]_. Start it by
    ``pretrain``.

    Parameters
    ----------
    n_visible : int
        At least 1.
    n_hidden : sequence of int
        Units of each hidden layer.
    tolerance : float
        The mean-field posterior has converged when no probability changes by more.
    max_steps : int
        Sweeps of the mean-field posterior at most.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    Attributes
    ----------
    weights : L Parameters (n_{l-1}, n_l)
        W.
    biases : L + 1 Parameters (n_l,)
        b, those of the data first.

    References
    ----------
    .. [1] Salakhutdinov, Hinton (2009), Deep Boltzmann machines.

    Examples
    --------
    >>> v = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]).repeat(50, 1)
    >>> model = DBM(n_visible=4, n_hidden=(3, 2))
    >>> model = model.pretrain(v, batch_size=10, learning_rate=0.2, random_state=0)
    >>> model = model.fit(v, batch_size=10, random_state=0)
    >>> model.score_samples(v[:2]).exp().sum() > 0.7
    tensor(True)
    """

    default_learning_rate = 0.05

    def __init__(
        self,
        n_visible: int,
        n_hidden: Sequence[int] = (500, 1000),
        tolerance: float = 1e-4,
        max_steps: int = 50,
        random_state: int = 0,
    ):
        super().__init__()
        if not isinstance(n_hidden, Sequence) or len(n_hidden) == 0:
            raise ArgumentError(f"n_hidden={n_hidden!r}; expected the size of each hidden layer.")
        sizes = [n_visible, *n_hidden]
        check_whole(1, n_visible=n_visible, max_steps=max_steps)
        check_whole(1, **{f"n_hidden[{i}]": n for i, n in enumerate(n_hidden)})
        check_number(tolerance=tolerance)
        if not tolerance > 0:
            raise ArgumentError(f"tolerance={tolerance}; it must be above 0.")
        self.n_visible, self.n_hidden = n_visible, tuple(n_hidden)
        self.tolerance, self.max_steps, self.random_state = tolerance, max_steps, random_state
        self._sides = sizes[::2], sizes[1::2]
        self._n_even, self._n_odd = sum(sizes[::2]), sum(sizes[1::2])
        self.visible_shape, self.hidden_shape = (self._n_even,), (self._n_odd,)
        generator = as_generator(random_state)
        self.weights = nn.ParameterList(
            0.01 * torch.randn(a, b, generator=generator)
            for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.biases = nn.ParameterList(torch.zeros(n) for n in sizes)

    def join(self, layers: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Sides x and y of states (batch, n_l) of all layers, the data first."""
        return torch.cat(list(layers[::2]), 1), torch.cat(list(layers[1::2]), 1)

    def split(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """Inverse of ``join``."""
        layers = [x[:, :0]] * len(self.biases)
        layers[::2], layers[1::2] = x.split(self._sides[0], 1), y.split(self._sides[1], 1)
        return layers

    def hidden_field(self, v: Tensor) -> Tensor:
        return self._field(self._whole(v), 0)

    def visible_field(self, h: Tensor) -> Tensor:
        return self._field(h, 1)

    def visible_energy(self, v: Tensor) -> Tensor:
        return -self._whole(v) @ torch.cat(list(self.biases[::2]))

    def energy(self, v: Tensor, *h: Tensor) -> Tensor:
        """Energy of joint configurations, of both sides or of all layers.

        Parameters
        ----------
        v : (batch, n_visible), or all of x
            Visible configurations.
        *h : (batch, n_l) each, or all of y
            States of every hidden layer, or the other side as a whole.
        """
        x, y = (v, *h) if len(h) == 1 else self.join([v, *h])
        return super().energy(x, y)

    def free_energy(self, v: Tensor) -> Tensor:
        """Free energy (batch,), exact.

        Raises
        ------
        IntractableError
            If hidden units of x are to be summed out, and there are more than 20 of them and of
            those of y.
        """
        if v.dim() == 2 and v.shape[1] == self._n_even:
            return super().free_energy(v)
        self._check_width(v)
        inner, outer = self._n_even - self.n_visible, self._n_odd
        if inner <= outer:
            return -self._log_sum(inner, lambda h: self._scores_of_even(v, h), len(v))
        return -self._log_sum(outer, lambda y: self._scores_of_odd(v, y), len(v))

    def log_partition(self) -> Tensor:
        """Exact log-partition where one side has at most 20 units."""
        if self._n_even <= self._n_odd:
            return self._log_sum(self._n_even, lambda x: -self.free_energy(x)[None], 1)[0]
        empty = self.biases[0].new_zeros(1, 0)
        return self._log_sum(self._n_odd, lambda y: self._scores_of_odd(empty, y), 1)[0]

    @torch.no_grad()
    def mean_field(self, v: Tensor) -> list[Tensor]:
        """Mean-field posterior of the hidden layers.

        Both sides are renewed in turns. No two units of a side are connected, so every turn
        raises the variational bound and the sweeps converge without damping.

        Parameters
        ----------
        v : (batch, n_visible)

        Returns
        -------
        list of (batch, n_l)
            Probabilities.
        """
        v = as_visible(v, self)
        self._check_width(v)
        layers = [v]
        for i, weight in enumerate(self.weights):
            # Going up, the layer below stands in for the one above that is not known yet.
            copies = 1 if i + 1 == len(self.weights) else 2
            layers.append((copies * layers[-1] @ weight + self.biases[i + 1]).sigmoid())
        x, y = self.join(layers)
        for _ in range(self.max_steps):
            y_new = self.hidden_field(x).sigmoid()
            x_new = torch.cat([v, self.visible_field(y_new)[:, self.n_visible :].sigmoid()], 1)
            change = max(_largest(x_new - x), _largest(y_new - y))
            x, y = x_new, y_new
            if change < self.tolerance:
                break
        return self.split(x, y)[1:]

    def configurations(self, v: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """All of x: the data beside the mean-field posterior of their even hidden layers."""
        if v.shape[1] == self._n_even:
            return v
        return torch.cat([v, *self.mean_field(v)[1::2]], 1)

    def transform(self, v: Tensor) -> Tensor:
        """Mean-field posterior (batch, n_L) of the units on top."""
        return self.mean_field(v)[-1]

    @torch.no_grad()
    def reconstruct(self, v: Tensor) -> Tensor:
        """Means of the visible units given the mean-field posterior of the layers above."""
        if v.shape[1] == self._n_even:
            return super().reconstruct(v)
        return self.p_v(torch.cat(self.mean_field(v)[::2], 1)).mean[:, : self.n_visible]

    def sample(
        self,
        n: int,
        steps: int = 1000,
        start: Tensor | None = None,
        random_state: object = None,
    ) -> Tensor:
        return super().sample(n, steps, start, random_state)[:, : self.n_visible]

    def clamp(
        self, v: Tensor, missing: Tensor, steps: int = 200, random_state: object = None
    ) -> Tensor:
        return super().clamp(v, missing, steps, random_state)[:, : self.n_visible]

    def impute(
        self,
        v: Tensor,
        missing: Tensor,
        steps: int = 200,
        burn_in: int = 50,
        random_state: object = None,
    ) -> Tensor:
        return super().impute(v, missing, steps, burn_in, random_state)[:, : self.n_visible]

    def denoise(self, v: Tensor, steps: int = 1) -> Tensor:
        return super().denoise(v, steps)[:, : self.n_visible]

    @torch.no_grad()
    def log_likelihood_bound(
        self, v: Tensor, *, log_partition: float | Tensor | None = None
    ) -> Tensor:
        r"""Variational lower bound of the log-likelihood of each sample, by the mean field.

        .. math:: \log p(v) \ge -E(v, \mu) + H(\mu) - \log Z

        Parameters
        ----------
        v : (batch, n_visible)
            Data.
        log_partition : float, optional
            In nats; None takes the exact one.
        """
        v = as_visible(v, self)
        means = self.mean_field(v)
        log_z = self.log_partition() if log_partition is None else log_partition
        entropy = torch.cat([torch.special.entr(m) + torch.special.entr(1 - m) for m in means], 1)
        return entropy.sum(1) - self.energy(*self.join([v, *means])) - log_z

    def pretrain(
        self,
        data: object,
        *,
        epochs: int = 10,
        batch_size: int | None = 128,
        learning_rate: float = 0.05,
        random_state: object = None,
    ) -> DBM:
        """Set the parameters by RBMs, one a layer, trained one after the other.

        Their units are doubled, as hidden ones will hear from two neighbours.

        Parameters
        ----------
        data : Dataset, Tensor or array
            (n_samples, n_visible).
        epochs : int
            For each layer.
        batch_size : int, optional
            Rows a batch.
        learning_rate : float
            Of CD-1.
        random_state : None, int, numpy or torch generator
            Source of every draw.
        """
        whole = Dataset.wrap(data)  # type: ignore[arg-type]
        if len(whole) == 0:
            raise ArgumentError("data has no rows; pass at least one sample.")
        self.check_data(whole)
        v = as_visible(whole.data, self)[:, : self.n_visible]
        found = greedy_start(
            list(self.weights),
            Dataset(v, weights=whole.weights),
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            random_state=as_generator(random_state, self.device),
        )
        for own, values in zip((self.weights, self.biases), found, strict=True):
            for parameter, value in zip(own, values, strict=True):
                parameter.data.copy_(value)
        return self

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """Persistent chains of five sweeps a step."""
        rate = self.default_learning_rate if learning_rate is None else learning_rate
        return ContrastiveDivergence(5, rate, persistent=True)

    @torch.no_grad()
    def monitor(
        self, v: Tensor, chains: Tensor | None, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Squared distance of each sample (summed over its units) to its reconstruction."""
        means = super().reconstruct(v)[:, : self.n_visible]
        return {"reconstruction_error": (v[:, : self.n_visible] - means).square().sum(1)}

    def check_data(self, data: Dataset) -> None:
        """Check shape, finiteness and range of data, which may be all of x."""
        v = data.data
        if isinstance(v, Votes) or v.dim() != 2 or v.shape[1] == self._n_even:
            super().check_data(data)
        else:
            self._check_width(v)
            super().check_data(Dataset(self._beside(v, v.new_zeros(1, self._n_even))))

    @torch.no_grad()
    def prepare(self, data: Dataset) -> None:
        """Start biases of the data that are all 0 at the log-odds of their means."""
        bias = self.biases[0]
        if not bias.requires_grad or bias.any():
            return
        v = as_visible(data.data, self)[:, : self.n_visible]
        shares = v.new_ones(len(v)) if data.weights is None else data.weights.to(v)
        mean = (shares / shares.sum()) @ v
        # One sample more of each state keeps units that are never on finite.
        bias.copy_(((mean.clamp(0, 1) * len(v) + 1) / (len(v) + 2)).logit())

    def _field(self, side: Tensor, first: int) -> Tensor:
        """Fields of one side, given the layers of the other, the lowest of which is `first`."""
        layers = range(first, len(self.biases), 2)
        states = dict(zip(layers, side.split(self._sides[first], 1), strict=True))
        fields = []
        for i in range(1 - first, len(self.biases), 2):
            field = self.biases[i].expand(len(side), -1)
            if i > 0:
                field = torch.addmm(field, states[i - 1], self.weights[i - 1])
            if i + 1 < len(self.biases):
                field = torch.addmm(field, states[i + 1], self.weights[i].t())
            fields.append(field)
        return torch.cat(fields, 1)

    def _started(
        self, v: Tensor, missing: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        # The hidden units of x are never known.
        missing = torch.as_tensor(missing, device=self.device)
        hidden = missing.new_ones(*missing.shape[:-1], self._n_even - self.n_visible)
        return super()._started(v, torch.cat([missing, hidden], -1), generator)

    def _checked(self, v: Tensor, name: str) -> Tensor:
        v = torch.as_tensor(v).to(self.device, self.dtype)
        if v.dim() == 2 and v.shape[1] == self.n_visible:
            v = self._beside(v, self.configurations(v.nan_to_num(0, 0, 0)))
        return super()._checked(v, name)

    def _beside(self, v: Tensor, x: Tensor) -> Tensor:
        """Data beside the hidden units of x."""
        return torch.cat([v, x[:, self.n_visible :].expand(len(v), -1)], 1)

    def _whole(self, x: Tensor) -> Tensor:
        if x.shape[1] != (width := self._n_even):
            raise ShapeError(
                f"v has {x.shape[1]} units; expected the {width} of all layers of even number; "
                "complete data by configurations(), or use mean_field()."
            )
        return x

    def _check_width(self, v: Tensor) -> None:
        if v.dim() != 2 or v.shape[1] != self.n_visible:
            raise ShapeError(
                f"v has shape {tuple(v.shape)}; expected (batch, n_visible={self.n_visible})."
            )

    def _scores_of_even(self, v: Tensor, h: Tensor) -> Tensor:
        """Log-sum (batch, n_states) over y, of data and states of the other units of x."""
        pairs = v.repeat_interleave(len(h), 0), h.repeat(len(v), 1)
        return -super().free_energy(torch.cat(pairs, 1)).reshape(len(v), len(h))

    def _scores_of_odd(self, v: Tensor, y: Tensor) -> Tensor:
        """Log-sum (batch, n_states) over the units of x beside `v`, of states of y."""
        field, width = self.visible_field(y), v.shape[1]
        own = y @ torch.cat(list(self.biases[1::2])) + softplus(field[:, width:]).sum(1)
        return v @ field[:, :width].t() + own

    def _log_sum(self, n_units: int, scores: Callable[[Tensor], Tensor], batch: int) -> Tensor:
        """Log-sum (batch,) of scores (batch, n_states) over all states of binary units."""
        if n_units > MAX_LISTED_UNITS:
            raise IntractableError(
                f"{type(self).__name__}({self.n_visible}, {self.n_hidden}) has {n_units} units to "
                f"sum over, more than {MAX_LISTED_UNITS}; use log_likelihood_bound(), with "
                "bracket() of deem.samplers.ais for the log-partition."
            )
        return log_sum_of_bits(
            n_units, scores, batch * (self._n_even + self._n_odd), self.biases[0]
        )


def _largest(change: Tensor) -> float:
    return float(change.abs().max()) if change.numel() else 0.0
