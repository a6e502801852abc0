"""Deep inverse RBMs: multinomial layers between the votes and the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, OneHotCategorical

from deem.core.model import evaluating
from deem.core.solvers import ContrastiveDivergence, Solver
from deem.core.votes import Votes
from deem.math.activation import SIMPLEX, pull_back
from deem.math.random import draw_one_hot, normal_like
from deem.models.consensus import START_NOISE, StartsFromVotes
from deem.models.deep_start import (
    LARGEST_SYSTEM,
    approach,
    exact_inverse_rbm,
    nearest_weights,
)
from deem.models.latent_class import LatentClassModel
from deem.models.multinomial_layer import MultinomialLayer
from deem.samplers.dlp import DiscreteLangevin
from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["MultinomialIRBM"]

_LEARNING_RATE = 0.001


class MultinomialIRBM(StartsFromVotes):
    r"""Multinomial layers f in front of an inverse RBM.

    .. math:: E(v, h) = -\sum_j \Big(b_j[h_j] + \sum_i f(v)_i^\top W_{ij}[\cdot, h_j]\Big)

    The class is read from the first hidden unit, whose posterior is exact; the sum over v is not
    tractable, so training needs a sampler. The model starts as the exact inverse RBM of the votes,
    see `deem.models.deep_start`, and learns what that leaves out: what classifiers have in common.

    With missing votes every pattern of them is a model of its own: chains keep the pattern of the
    samples they start at, and likelihoods are those of a pattern. A missing output adds nothing.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    widths : sequence of int, optional
        Outputs of each layer; one layer as wide as the votes by default.
    activation, one_hot, rank, jitter
        As in `MultinomialLayer`.
    start : str
        Of the layers, see `MultinomialLayer`.
    hidden_dim : int
        Hidden units, at least 1.

    Attributes
    ----------
    layers : ModuleList of MultinomialLayer
        f.
    weight : (width, n_classes, hidden_dim, n_classes) Parameter
        W: output of the last layer, its vote, hidden unit, state; in nats.
    hidden_bias : (hidden_dim, n_classes) Parameter
        b, in nats.

    References
    ----------
    .. [1] Maymon, Buznah, Shaham (2026), Unsupervised ensemble learning through deep energy-based
       models, arXiv:2601.20556.
    """

    supports_missing = True

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        widths: Sequence[int] | None = None,
        activation: str | None = "sparsemax",
        start: str = "identity",
        jitter: float = 0.005,
        one_hot: bool = False,
        rank: int | None = None,
        hidden_dim: int = 1,
    ):
        super().__init__()
        self.n_classifiers, self.n_classes, self.hidden_dim = n_classifiers, n_classes, hidden_dim
        self.widths = [n_classifiers] if widths is None else [int(x) for x in widths]
        self.activation, self.one_hot, self.rank = activation, one_hot, rank
        self.start, self.jitter = start, jitter
        least = {"n_classifiers": n_classifiers, "n_classes": n_classes, "hidden_dim": hidden_dim}
        for name, value in {**least, "the number of layers": len(self.widths)}.items():
            if value < 1:
                raise ArgumentError(f"{name} is {value}; it must be at least 1.")
        sizes = zip([n_classifiers, *self.widths], self.widths, strict=False)
        self.layers = nn.ModuleList(self.build_layer(*pair) for pair in sizes)
        self.weight = nn.Parameter(torch.zeros(self.widths[-1], n_classes, hidden_dim, n_classes))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_dim, n_classes))

    def build_layer(self, before: int, after: int) -> MultinomialLayer:
        """Layer between numbers of classifiers; other kinds of layers override it."""
        settings = (self.activation, self.one_hot, self.rank, self.start, self.jitter)
        return MultinomialLayer(before, after, self.n_classes, None, *settings)

    def start_layers(
        self, exact: LatentClassModel, votes: Votes, generator: torch.Generator
    ) -> None:
        """Give the layers their start; others than from their own values override it.

        Parameters
        ----------
        exact : LatentClassModel
            Trained on the votes.
        votes : Votes
            The training votes.
        generator : torch.Generator
            On the CPU.
        """
        for layer in _layers(self):
            layer.restart(generator)

    def encode(self, v: Tensor) -> Tensor:
        """Votes after the layers, (batch, width, n_classes); missing outputs are rows of zeros."""
        self.check_shape(v)
        return _through(_stages(self, v), v)[-1]

    def unit_logits(self, v: Tensor) -> Tensor:
        """Negative energy of every state of each hidden unit, (batch, hidden_dim, n_classes)."""
        logits = self.encode(v).flatten(1) @ self.weight.flatten(2).flatten(0, 1)
        return logits.reshape(len(v), self.hidden_dim, self.n_classes) + self.hidden_bias

    def free_energy(self, v: Tensor) -> Tensor:
        return -self.unit_logits(v).logsumexp(-1).sum(-1)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """Energy of votes (batch, n_classifiers, n_classes) and one-hot hidden units.

        ``h`` has shape (batch, hidden_dim, n_classes); the result (batch,) is in nats.
        """
        return -(self.unit_logits(v) * h).sum((1, 2))

    def p_h(self, v: Tensor) -> Distribution:
        units = OneHotCategorical(logits=self.unit_logits(v), validate_args=False)
        return Independent(units, 1)

    def frozen(self, v: Tensor) -> _Frozen:  # type: ignore[override]
        """The energy at the present parameters, for chains with the missing sites of `v`."""
        return _Frozen(self, v)

    def predict_classes(self, votes: Votes) -> Tensor:
        # What layers draw while they are trained has no place in a posterior.
        with evaluating(self):
            return super().predict_classes(votes)

    @torch.no_grad()
    def start_from_energy(
        self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor, generator: torch.Generator
    ) -> None:
        for layer in _layers(self):
            layer.restart(generator)
            carriers = layer.carriers.to(weight)
            visible_bias = carriers.T @ visible_bias
            weight = torch.einsum("ij,ilus->jlus", carriers, weight)
        self.weight.copy_(weight + visible_bias[:, :, None, None] / self.hidden_dim)
        self.hidden_bias.copy_(hidden_bias)

    def start_from_shares(self, votes: Votes, generator: torch.Generator) -> None:
        """Start as near to the exact inverse RBM of the votes as the layers allow."""
        exact = exact_inverse_rbm(votes)
        self.start_layers(exact, votes, generator)
        width = self.widths[-1]
        weight, bias = nearest_weights(self._encode_exactly, width, exact, votes, generator)
        with torch.no_grad():
            for parameter, first in ((self.weight, weight.unsqueeze(2)), (self.hidden_bias, bias)):
                # Units that are equal would stay equal.
                parameter.copy_(START_NOISE * normal_like(parameter, generator))
                parameter[..., :1, :] = first.to(parameter)
        if self.starts_apart():
            trained = [self.weight, *self.layers.parameters()]
            approach(trained, lambda v: self.unit_logits(v)[:, 0], exact, votes, generator)

    def starts_apart(self) -> bool:
        """Whether the layers, too, have to be brought near to the exact model.

        Layers that copy every classifier are there, and very wide ones would take too long.
        """
        sizes = [self.n_classifiers, *self.widths]
        copies = self.start == "identity" and sizes == sorted(sizes)
        return not copies and self.widths[-1] * self.n_classes <= LARGEST_SYSTEM

    def _encode_exactly(self, v: Tensor) -> Tensor:
        return self.encode(v.to(self.weight)).double().cpu()

    def redraw(self, v: Tensor, generator: torch.Generator) -> None:
        if self.one_hot:
            for layer in _layers(self):
                layer.redraw(generator)

    def configurations(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """One draw from each soft vote, so that data and chains are states of one kind.

        An energy of soft votes that no chain ever takes could fall without limit.
        """
        return draw_one_hot(v, generator)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Smaller steps for the layers, whose changes the weights behind them magnify."""
        centred = self.weight.detach() - self.weight.detach().mean(1, keepdim=True)
        centred = centred - centred.mean(3, keepdim=True)
        share = 1 / (1 + float(centred.square().mean()))
        return [
            {"params": [self.weight, self.hidden_bias], "lr": learning_rate},
            {"params": list(self.layers.parameters()), "lr": share * learning_rate},
        ]

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """Contrastive divergence by five steps of the discrete Langevin sampler."""
        rate = _LEARNING_RATE if learning_rate is None else learning_rate
        sampler = DiscreteLangevin()
        return ContrastiveDivergence(5, rate, momentum=0.9, scheduler="cosine", sampler=sampler)

    def check_shape(self, v: Tensor) -> None:
        """Raise `ShapeError` unless `v` has shape (batch, n_classifiers, n_classes)."""
        if v.dim() != 3 or v.shape[1:] != (self.n_classifiers, self.n_classes):
            raise ShapeError(
                f"v has shape {tuple(v.shape)}; expected (batch, n_classifiers, n_classes) = "
                f"(batch, {self.n_classifiers}, {self.n_classes})."
            )


def _layers(model: MultinomialIRBM) -> list[MultinomialLayer]:
    return cast("list[MultinomialLayer]", list(model.layers))


_Stage = tuple[MultinomialLayer, Tensor]


def _stages(model: MultinomialIRBM, v: Tensor) -> list[_Stage]:
    """Every layer with the mask (batch, n_out, 1) of the outputs that are there."""
    known, stages = v.sum(-1) > 0, []
    for layer in _layers(model):
        known = layer.present(known)
        stages.append((layer, known.unsqueeze(-1).to(v)))
    return stages


def _through(stages: list[_Stage], v: Tensor) -> list[Tensor]:
    """Outputs of every layer."""
    outputs = []
    for layer, mask in stages:
        v = layer(v) * mask
        outputs.append(v)
    return outputs


class _Frozen:
    """Free energy and gradient of a model whose parameters and missing sites stay."""

    def __init__(self, model: MultinomialIRBM, v: Tensor):
        self.model = model
        with torch.no_grad():
            self.stages = _stages(model, v)
        self.weight = model.weight.detach().flatten(2).flatten(0, 1)
        self.smooth = not model.one_hot and model.activation in SIMPLEX

    def frozen(self, v: Tensor) -> _Frozen:
        return self

    @torch.no_grad()
    def free_energy(self, v: Tensor) -> Tensor:
        return self._look(v)[0]

    def _look(self, v: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        outputs = _through(self.stages, v)
        shape = (len(v), *self.model.hidden_bias.shape)
        logits = (outputs[-1].flatten(1) @ self.weight).reshape(shape) + self.model.hidden_bias
        log = logits.logsumexp(-1, keepdim=True)
        return -log.sum((1, 2)), (logits - log).exp().flatten(1), outputs

    def free_energy_and_gradient(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """By the chain rule: automatic differentiation takes twice as long on small batches."""
        if not self.smooth:
            return self.model.free_energy_and_gradient(v)
        with torch.no_grad():
            free_energy, posterior, outputs = self._look(v)
            gradient = -posterior @ self.weight.T
            alpha = SIMPLEX[str(self.model.activation)]
            for (layer, mask), output in zip(self.stages[::-1], outputs[::-1], strict=True):
                pulled = pull_back(alpha, output, gradient.reshape(output.shape) * mask)
                gradient = layer.pull_back(pulled)
            return free_energy, gradient.reshape(v.shape)
