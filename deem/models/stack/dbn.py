"""Deep belief networks: harmoniums stacked, each on the means of the one below."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.model import evaluating
from deem.core.module import Module
from deem.core.solvers import Solver, as_visible
from deem.core.training import Callback
from deem.math.random import as_generator
from deem.models.harmonium import Harmonium
from deem.models.stack.building import (
    check_layers,
    check_shapes,
    check_units,
    dense_layers,
    harmoniums,
    hidden_units,
    output_shape,
    plan,
)
from deem.utils.exception import ArgumentError, check_whole

__all__ = ["DBN"]

_BATCH = 4096

AnyDBN = TypeVar("AnyDBN", bound="DBN")


class DBN(Module):
    r"""Deep belief network of harmoniums, trained one after the other.

    .. math:: p(v, h_1, \dots, h_L) = p(v \mid h_1) \cdots p(h_{L-2} \mid h_{L-1}) \,
        p(h_{L-1}, h_L)

    Layer l learns the means of the hidden units of layer l - 1, which are computed once; the last
    layer is the undirected top of the network, the others are read downwards only.

    Parameters
    ----------
    layers : sequence of Harmonium
        From the data upwards, such as `RBM`; each takes as many visible units as the one below
        hands on: its hidden ones, or their blocks if they are pooled. They are trained in place.

    Attributes
    ----------
    history : History
        One entry for every epoch of every layer, in the order of training, with the series of the
        layers and ``layer``, the index of the one that was trained.

    References
    ----------
    .. [1] Hinton, Osindero, Teh (2006), A fast learning algorithm for deep belief nets.
    .. [2] Salakhutdinov, Murray (2008), On the quantitative analysis of deep belief networks.

    Examples
    --------
    >>> v = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]).repeat(50, 1)
    >>> model = DBN.of("RBM", n_visible=4, n_hidden=[3, 2])
    >>> model.fit(v, epochs=(20, 10), learning_rate=0.5, random_state=0).transform(v).shape
    torch.Size([100, 2])
    """

    layers: nn.ModuleList

    def __init__(self, layers: Sequence[Harmonium]):
        super().__init__()
        check_layers(layers)
        check_shapes([(layer.visible_shape, output_shape(layer)) for layer in layers])
        self.layers = nn.ModuleList(layers)

    @classmethod
    def of(
        cls: type[AnyDBN],
        kinds: str | type[Harmonium] | Sequence[str | type[Harmonium]],
        n_visible: int,
        n_hidden: Sequence[int],
        *,
        random_state: int = 0,
        **arguments: Any,
    ) -> AnyDBN:
        """Stack of dense layers by the names of their classes.

        Parameters
        ----------
        kinds : str, class, or one a layer
            Names in ``deem.models.ZOO``, or classes.
        n_visible : int
            Visible units of the first layer.
        n_hidden : sequence of int
            Hidden units of each layer.
        random_state : int
            Seed of the first weights; layer l gets ``random_state + l``.
        **arguments
            Of the layers, such as ``temperature``: a list has one value for each layer, anything
            else goes to all of them.

        Raises
        ------
        ArgumentError
            If a name is unknown, or the lists are of different lengths.
        """
        return cls(dense_layers(kinds, n_visible, n_hidden, random_state, arguments))

    @property
    def n_layers(self) -> int:
        """Number of layers of hidden units."""
        return len(self.layers)

    @property
    def n_outputs(self) -> int:
        """Number of units that ``transform`` gives of a sample."""
        return math.prod(output_shape(self._layer(-1)))

    def check_data(self, data: Dataset) -> None:
        """Raise, or warn, if data do not suit the first layer."""
        self._layer(0).check_data(data)

    @property
    def histories(self) -> list[History]:
        """What each layer recorded in its own training."""
        return [layer.history for layer in self._all()]

    def config(self) -> dict[str, Any]:
        """Constructor arguments besides the layers."""
        names = super().config()
        del names["layers"]
        return names

    def to_content(self) -> dict[str, Any]:
        """Everything ``save`` writes; each layer with its class and content."""
        layers = [{"class": type(layer).__name__, **layer.to_content()} for layer in self._all()]
        own = {k: v for k, v in self.state_dict().items() if not k.startswith("layers.")}
        history = self.history.to_dict()
        return {"arguments": self.config(), "layers": layers, "state": own, "history": history}

    @classmethod
    def from_content(cls: type[AnyDBN], content: dict[str, Any]) -> AnyDBN:
        known = harmoniums()
        layers = [known[layer["class"]].from_content(layer) for layer in content["layers"]]
        model = cls(layers, **content["arguments"])
        model.to(layers[0].dtype).load_state_dict(content["state"], strict=False)
        model.history = History.from_dict(content["history"])
        return model

    def fit(
        self: AnyDBN,
        data: object,
        *,
        epochs: int | Sequence[int] | None = None,
        batch_size: int | None = 128,
        learning_rate: float | Sequence[float] | None = None,
        solver: Solver | Sequence[Solver] | None = None,
        random_state: object = None,
        callbacks: Sequence[Callback] = (),
        verbose: bool = False,
    ) -> AnyDBN:
        """Train the layers one after the other, from their present parameters.

        Parameters
        ----------
        data : Dataset, Tensor or array
            (n_samples, ...), as the first layer takes them; weights count in all layers.
        epochs : int, or one a layer
            Passes over the data; None is 10.
        batch_size : int, optional
            Rows a batch; None takes all at once.
        learning_rate : float, or one a layer, optional
            Of the default solvers.
        solver : Solver, or one a layer, optional
            How parameters are found, by default CD-1.
        random_state : None, int, numpy or torch generator
            Source of every draw.
        callbacks : sequence of Callback
            Called in the training of every layer.
        verbose : bool
            Show a progress bar for each layer.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError
            If there are more or fewer values than layers, or one of them makes no sense.
        NonFiniteError
            If NaN or infinity appears; the layers below stay trained.
        """
        options = plan(self.n_layers, epochs=epochs, learning_rate=learning_rate, solver=solver)
        generator = as_generator(random_state, self.device)
        below = Dataset.wrap(data)  # type: ignore[arg-type]
        shared = {"batch_size": batch_size, "callbacks": callbacks, "verbose": verbose}
        for i, own in enumerate(options):
            self._layer(i).fit(below, random_state=generator, **shared, **own)  # type: ignore[arg-type]
            if i == 0:
                self.history = History({"n_layers": self.n_layers, "batch_size": batch_size})
            self._record(i)
            self._prepare_features(i, below)
            if i + 1 < self.n_layers:
                below = Dataset(self._features(i, below), below.targets, below.weights)
        return self

    def encode(self, v: Tensor, n_layers: int | None = None) -> Tensor:
        """Means of the hidden units of a layer, computed upwards; keeps gradients.

        Parameters
        ----------
        v : (batch, ...)
            Visible configurations.
        n_layers : int, optional
            How many layers up, at least 0; None is all of them.
        """
        for i in range(self._checked(n_layers)):
            v = self.up(i, v)
        return v

    def decode(self, h: Tensor, n_layers: int | None = None) -> Tensor:
        """Means of the visible units, computed downwards from the means of a layer.

        Parameters
        ----------
        h : (batch, ...)
            Hidden units of layer `n_layers`, counted from 1.
        n_layers : int, optional
            As in `encode`.
        """
        h = as_visible(h, self._layer(0))
        for i in reversed(range(self._checked(n_layers))):
            h = self.down(i, h)
        return h

    def forward(self, v: Tensor) -> Tensor:
        """Means (batch, ...) of the units on top."""
        return self.encode(v)

    @torch.no_grad()
    def transform(self, data: object) -> Tensor:
        """Means of the units on top, in evaluation mode and without gradients.

        Parameters
        ----------
        data : Dataset, Tensor or array
            (n_samples, ...).
        """
        parts = Dataset.wrap(data).batches(_BATCH)  # type: ignore[arg-type]
        with evaluating(self):
            return torch.cat([self.encode(as_visible(x.data, self._layer(0))) for x in parts])

    @torch.no_grad()
    def reconstruct(self, v: Tensor) -> Tensor:
        """Means of the visible units after a mean-field pass up and down, without any draw."""
        return self.decode(self.encode(v))

    @torch.no_grad()
    def sample(
        self, n: int, *, steps: int = 1000, random_state: object = None, means: bool = False
    ) -> Tensor:
        """Draw visible configurations: Gibbs sweeps in the top layer, then down once.

        Parameters
        ----------
        n : int
            Number of independent chains, at least 1.
        steps : int
            Sweeps of the top layer, at least 0, from where its hidden units are all 0.
        random_state : None, int, numpy or torch generator
            Source of every draw.
        means : bool
            Whether to give the means of the visible units in place of draws.

        Returns
        -------
        (n, ...)
        """
        check_whole(1, n=n)
        check_whole(0, steps=steps)
        generator, top = as_generator(random_state, self.device), self._layer(-1)
        with evaluating(self):
            h = torch.zeros(n, *top.hidden_shape, dtype=self.dtype, device=self.device)
            for _ in range(steps):
                h = top.sample_h(top.sample_v(h, generator), generator)
            for i in reversed(range(1, self.n_layers)):
                v = self._layer(i).sample_v(h, generator)
                h = hidden_units(self._layer(i - 1), v, generator)
            bottom = self._layer(0)
            return bottom.p_v(h).mean if means else bottom.sample_v(h, generator)

    @torch.no_grad()
    def log_likelihood_bound(
        self,
        v: Tensor,
        *,
        log_partition: float | Tensor | None = None,
        n_draws: int = 20,
        random_state: object = None,
    ) -> Tensor:
        r"""Variational lower bound of the log-likelihood of each sample.

        .. math:: \log p(v) \ge \mathbb{E}_q \Big[\log p(v \mid h_1) + \dots - F_L(h_{L-1})
            - \log q(h_1 \mid v) - \dots\Big] - \log Z_L

        q are the conditionals of the layers upwards. The expectation is the mean over draws, so
        what is returned has the bound as its own expectation. If the top layer is the layer below
        turned upside down, every draw gives the log-likelihood itself.

        Parameters
        ----------
        v : (batch, ...)
            Visible configurations.
        log_partition : float, optional
            Of the top layer, in nats; None takes its exact one.
        n_draws : int
            At least 1.
        random_state : None, int, numpy or torch generator
            Source of the draws.

        Returns
        -------
        (batch,)
            In nats.

        Raises
        ------
        ArgumentError
            If hidden units are of another kind than the visible ones above them.
        IntractableError
            If no log-partition was given and the top layer has no exact one.
        """
        check_units(self._all())
        check_whole(1, n_draws=n_draws)
        v = as_visible(v, self._layer(0))
        generator, top = as_generator(random_state, self.device), self._layer(-1)
        with evaluating(self):
            log_z = top.log_partition() if log_partition is None else log_partition
            draws = [self._log_weight(v, generator) for _ in range(n_draws)]
        return torch.stack(draws).mean(0) - log_z

    def up(self, index: int, v: Tensor) -> Tensor:
        """What layer `index` hands to the one above, (batch, ...), of its visible units."""
        layer, v = self._layer(index), self._arrange(index, v)
        means: Callable[[Tensor], Tensor] = getattr(layer, "pooled", layer)
        return means(v)

    def down(self, index: int, h: Tensor) -> Tensor:
        """Means of the visible units of layer `index`, (batch, ...), inverse to ``up``."""
        layer = self._layer(index)
        return layer.p_v(hidden_units(layer, h)).mean

    def _log_weight(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Logarithm of p(v, h) / q(h | v), but for the log-partition, of one draw of all h."""
        total = v.new_zeros(len(v))
        for i in range(self.n_layers - 1):
            layer, v = self._layer(i), self._arrange(i, v)
            h = layer.sample_h(v, generator)
            total = total + layer.p_v(h).log_prob(v) - layer.p_h(v).log_prob(h)
            v = h
        return total - self._layer(-1).free_energy(self._arrange(self.n_layers - 1, v))

    def _prepare_features(self, index: int, data: Dataset) -> None:
        """Fit what ``up`` needs besides the trained layer."""

    @torch.no_grad()
    def _features(self, index: int, data: Dataset) -> Tensor:
        """What the layer above is trained on: all samples once, in evaluation mode."""
        layer = self._layer(index)
        with evaluating(layer):
            parts = [self.up(index, as_visible(part.data, layer)) for part in data.batches(_BATCH)]
        return self._arrange(index + 1, torch.cat(parts))

    def _record(self, index: int) -> None:
        history = self._layer(index).history
        for epoch in range(history.n_epochs):
            self.history.append(layer=index, **{name: history[name][epoch] for name in history})

    def _checked(self, n_layers: int | None) -> int:
        if n_layers is None:
            return self.n_layers
        if not 0 <= n_layers <= self.n_layers:
            raise ArgumentError(f"n_layers={n_layers}; expected 0 to {self.n_layers}.")
        return n_layers

    def _arrange(self, index: int, v: Tensor) -> Tensor:
        """What the layer below gives, in the shape that layer `index` takes."""
        return v if index == 0 else v.reshape(len(v), *self._layer(index).visible_shape)

    def _layer(self, index: int) -> Harmonium:
        return cast("Harmonium", self.layers[index])

    def _all(self) -> list[Harmonium]:
        return [self._layer(i) for i in range(self.n_layers)]
