"""Multinomial layers: votes of some classifiers become votes of others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from deem.math.activation import ACTIVATIONS, SIMPLEX, straight_through
from deem.math.random import normal_like
from deem.utils.exception import ArgumentError, check_choice

__all__ = ["LAYER_STARTS", "MultinomialLayer"]

LAYER_STARTS = ("identity", "rand", "mv", "default")
"""Names that a layer may start from."""

LARGEST_WEIGHT = 20_000_000
"""Numbers in a full weight, beyond which only the factorised form is built."""

_VOTE_WEIGHT = 2.0
_TEMPERATURE = 0.1


class MultinomialLayer(nn.Module):
    r"""Votes (batch, n_in, K) to votes (batch, n_out, K') through a tensor and an activation.

    .. math:: u_j = \sigma\Big(\sum_{i, l} v_{il} W_{iljm}\Big)_m

    A missing vote adds nothing. An output is missing if all classifiers it starts from are: with
    the start "identity" those it copies or averages, else all.

    Parameters
    ----------
    n_in, n_out : int
        Classifiers before and after, at least 1.
    n_categories : int
        K, at least 1.
    n_out_categories : int, optional
        K'; K by default.
    activation : str or None
        A name of `deem.math.activation.ACTIVATIONS`; those of ``SIMPLEX`` give probabilities,
        "relu", "gelu" and "silu" do not. None is linear.
    one_hot : bool
        Give one category each in place of probabilities, with the gradients of a softmax
        (straight-through). In training Gumbel noise makes it a draw, held fixed until ``redraw``.
    rank : int, optional
        The factorised form: the fixed start "identity" plus a product of two matrices of this
        rank, with ``rank * (n_in * K + n_out * K')`` numbers in place of ``n_in K n_out K'``.
    start : {"identity", "rand", "mv", "default"}
        Values that ``restart`` gives. "identity": each output copies the nearest classifier, or
        the average of those it stands for where there are fewer outputs. "mv": 2 on equal classes
        of every pair of classifiers. "rand": N(0, 1). "default": that of `torch.nn.Linear`.
    jitter : float
        Standard deviation of the noise on "identity", at least 0.
    bias : bool
        Whether a bias (n_out, K'), which starts at 0, is added to the logits.

    Attributes
    ----------
    weight : (n_in, K, n_out, K') Parameter
        W; in the order of the published implementation it is W[l, m, i, j]. Not in the factorised
        form, which has ``left`` (n_in * K, rank) and ``right`` (rank, n_out * K').
    carriers : (n_in, n_out) Tensor
        What an output starts from; every column sums to one.

    References
    ----------
    .. [1] Maymon, Buznah, Shaham (2026), Unsupervised ensemble learning through deep energy-based
       models, arXiv:2601.20556.
    """

    carriers: Tensor
    noise: Tensor

    def __init__(
        self,
        n_in: int,
        n_out: int,
        n_categories: int,
        n_out_categories: int | None = None,
        activation: str | None = "sparsemax",
        one_hot: bool = False,
        rank: int | None = None,
        start: str = "identity",
        jitter: float = 0.005,
        bias: bool = False,
    ):
        super().__init__()
        out = n_categories if n_out_categories is None else n_out_categories
        _check(n_in, n_out, n_categories, out, activation, rank, start, jitter)
        self.n_in, self.n_out, self.n_categories, self.n_out_categories = (
            n_in,
            n_out,
            n_categories,
            out,
        )
        self.activation, self.one_hot, self.rank = activation, one_hot, rank
        self.start, self.jitter = start, jitter
        carriers = _nearest(n_in, n_out)
        if start != "identity":
            carriers = torch.full_like(carriers, 1 / n_in)
        self.bias = nn.Parameter(torch.zeros(n_out, out)) if bias else None
        self.register_buffer("carriers", carriers, persistent=False)
        self.register_buffer("noise", torch.zeros(n_out, out), persistent=False)
        if rank is None:
            self.weight = nn.Parameter(torch.empty(n_in, n_categories, n_out, out))
        else:
            self.left = nn.Parameter(torch.empty(n_in * n_categories, rank))
            self.right = nn.Parameter(torch.empty(rank, n_out * out))
        self.restart(None)

    @property
    def on_simplex(self) -> bool:
        """Whether outputs are probabilities."""
        return self.one_hot or self.activation in SIMPLEX

    @torch.no_grad()
    def restart(self, generator: torch.Generator | None) -> None:
        """Give the weights their start.

        Parameters
        ----------
        generator : torch.Generator or None
            Of the noise, on the CPU; None leaves out the noise of "identity" and draws that of
            the other starts from seed 0.
        """
        if self.bias is not None:
            self.bias.zero_()
        quiet = generator is None
        generator = generator or torch.Generator().manual_seed(0)
        if self.rank is not None:
            self.left.copy_(normal_like(self.left, generator) / math.sqrt(self.rank * self.n_in))
            self.right.copy_(normal_like(self.right, generator) * (0 if quiet else self.jitter))
            return
        if self.start == "rand":
            self.weight.copy_(normal_like(self.weight, generator))
        elif self.start == "default":
            bound = 1 / math.sqrt(self.n_in * self.n_categories)
            uniform = torch.rand(self.weight.shape, generator=generator, dtype=torch.float64)
            self.weight.copy_((2 * uniform - 1) * bound)
        else:
            scale = _VOTE_WEIGHT * self.n_in if self.start == "mv" else 1.0
            same = torch.eye(self.n_categories, self.n_out_categories).to(self.carriers)
            self.weight.copy_(scale * torch.einsum("ij,lm->iljm", self.carriers, same))
            if self.start == "identity" and not quiet:
                self.weight.add_(self.jitter * normal_like(self.weight, generator).to(self.weight))

    @torch.no_grad()
    def redraw(self, generator: torch.Generator) -> None:
        """New Gumbel noise for the draws of ``one_hot``."""
        uniform = torch.rand(
            self.noise.shape, generator=generator, dtype=self.noise.dtype, device=self.noise.device
        )
        self.noise.copy_(-(-uniform.clamp(min=1e-30).log()).clamp(min=1e-30).log())

    def present(self, known: Tensor) -> Tensor:
        """Which outputs (batch, n_out) are there, given which inputs (batch, n_in) are."""
        return known.to(self.carriers) @ (self.carriers > 0).to(self.carriers) > 0

    def logits(self, v: Tensor) -> Tensor:
        """What the activation is taken of, (batch, n_out, K')."""
        flat, shape = v.flatten(1), (-1, self.n_out, self.n_out_categories)
        if self.rank is None:
            logits = (flat @ self.weight.flatten(2).flatten(0, 1)).reshape(shape)
        else:
            logits = self.carried(v) + (flat @ self.left @ self.right).reshape(shape)
        return logits if self.bias is None else logits + self.bias

    def carried(self, v: Tensor) -> Tensor:
        """What the start "identity" makes of votes, (batch, n_out, K)."""
        return torch.einsum("nil,ij->njl", v, self.carriers)

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Gradient by the votes, (batch, n_in, K), from the gradient by the logits."""
        flat, shape = gradient.flatten(1), (-1, self.n_in, self.n_categories)
        if self.rank is None:
            return (flat @ self.weight.flatten(2).flatten(0, 1).T).reshape(shape)
        carried = torch.einsum("njl,ij->nil", gradient, self.carriers)
        return carried + (flat @ self.right.T @ self.left.T).reshape(shape)

    def forward(self, v: Tensor) -> Tensor:
        """Votes of the next classifiers, (batch, n_out, K'), also where they are missing."""
        return self.activate(self.logits(v))

    def activate(self, logits: Tensor) -> Tensor:
        """Activation of (batch, n_out, K') logits."""
        if self.one_hot:
            return straight_through(logits + self.noise if self.training else logits, _TEMPERATURE)
        return logits if self.activation is None else ACTIVATIONS[self.activation](logits)

    def extra_repr(self) -> str:
        """Sizes, for ``repr``."""
        return (
            f"{self.n_in} x {self.n_categories} -> {self.n_out} x {self.n_out_categories}, "
            f"activation={self.activation!r}, rank={self.rank}"
        )


def _nearest(n_in: int, n_out: int) -> Tensor:
    """Share of each of n_in neighbours in each of n_out places, (n_in, n_out)."""
    i, j = torch.arange(n_in)[:, None], torch.arange(n_out)[None]
    if n_out >= n_in:
        return (i == j * n_in // n_out).to(torch.get_default_dtype())
    own = (i * n_out // n_in == j).to(torch.get_default_dtype())
    return own / own.sum(0)


def _check(
    n_in: int,
    n_out: int,
    n_categories: int,
    n_out_categories: int,
    activation: str | None,
    rank: int | None,
    start: str,
    jitter: float,
) -> None:
    sizes = {"n_in": n_in, "n_out": n_out, "n_categories": n_categories}
    sizes |= {"n_out_categories": n_out_categories, "rank": 1 if rank is None else rank}
    for name, value in sizes.items():
        if value < 1:
            raise ArgumentError(f"{name}={value}; it must be at least 1.")
    if activation is not None:
        check_choice("activation", activation, ACTIVATIONS)
    check_choice("start", start, LAYER_STARTS)
    if not jitter >= 0:
        raise ArgumentError(f"jitter={jitter}; it must be at least 0.")
    aligned = start == "identity" or start == "mv"
    if aligned and n_out_categories != n_categories:
        raise ArgumentError(
            f"start={start!r} needs as many categories after the layer as before, found "
            f'{n_out_categories} and {n_categories}; pass start="rand" or leave out '
            "n_out_categories."
        )
    size = n_in * n_categories * n_out * n_out_categories
    if rank is None and size > LARGEST_WEIGHT:
        raise ArgumentError(
            f"a full weight would have {size} numbers, more than {LARGEST_WEIGHT}; pass rank=8, "
            "the factorised form, or fewer outputs."
        )
    if rank is not None and start != "identity":
        raise ArgumentError(
            f'start={start!r} has no factorised form, which starts from "identity"; pass '
            'start="identity" or leave out rank.'
        )
