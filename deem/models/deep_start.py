"""Where deep models start: as near to the exact inverse RBM of the votes as layers allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deem.core.dataset import Dataset
from deem.core.solvers import ExactEM
from deem.core.votes import Votes
from deem.math.random import as_generator, draw_one_hot, normal_like
from deem.models.consensus import ConsensusModel
from deem.models.irbm import SoftIRBM
from deem.models.latent_class import LatentClassModel
from deem.models.pseudo_counts import PseudoCounts
from deem.utils.constants import EPSILON

__all__ = ["LARGEST_SYSTEM", "approach", "exact_inverse_rbm", "nearest_weights"]

_ROWS = 20_000
LARGEST_SYSTEM = 2_000
"""Weights a class, beyond which confusions are counted in place of solving for them."""

_PER_WEIGHT = 4
"""Equations for each weight, at least."""

_RIDGE = 1e-6
_BATCH = 1024

_STEPS, _ROWS_A_STEP, _LEARNING_RATE = 300, 256, 0.02
"""Of the descent of layers and weights."""

_NOISE = 0.01

Encode = Callable[[Tensor], Tensor]


def exact_inverse_rbm(
    votes: Votes, model_class: type[ConsensusModel] = SoftIRBM
) -> ConsensusModel:
    """Inverse RBM in float64 that EM has trained on votes, from the shares of the vote.

    Parameters
    ----------
    votes : Votes
        With their weights.
    model_class : type
        `SoftIRBM`, or `BinaryIRBM` for two classes.
    """
    sizes: Any = {"n_classifiers": votes.n_classifiers, "n_classes": votes.n_classes}
    exact = model_class(**sizes).double()
    # A start from the shares with one hidden unit draws nothing.
    exact.start_from_shares(votes, as_generator(0))
    return exact.fit(Dataset(votes), solver=ExactEM())


@torch.no_grad()
def nearest_weights(
    encode: Encode,
    width: int,
    exact: LatentClassModel,
    votes: Votes,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    r"""Weights and bias behind layers f that come nearest to an exact model.

    The logits of the classes are linear in the weights, so these solve

    .. math:: \min_W \sum_n \sum_h \Big(b_h + f(v_n)^\top W_h - \log p(v_n, h)\Big)^2

    over the votes and over random ones with the same missing sites, which hold the weights down
    where no votes are. The bias b is the class prior, which a sample without any vote gets. Layers
    without noise that start at the identity give the exact model itself, whatever the activation.
    Very wide layers get confusions that are counted with the posterior of the exact model instead.

    Parameters
    ----------
    encode : callable
        f: votes (batch, n_classifiers, n_classes) to (batch, width, n_classes).
    width : int
        Outputs of the last layer.
    exact : LatentClassModel
        Trained on the votes, with one state a class; on the CPU.
    votes : Votes
        The training votes, with their weights; a sample of them if there are many.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    weight : (width, n_classes, n_classes)
        Vote by class, in nats.
    bias : (n_classes,)
        In nats.
    """
    if votes.n_samples > _ROWS:
        chosen = torch.randperm(votes.n_samples, generator=generator)[:_ROWS]
        votes = votes.take(chosen.numpy())
    if width * votes.n_classes <= LARGEST_SYSTEM:
        weight = _solved(encode, width, exact, votes, generator)
    else:
        weight = _counted(encode, width, exact, votes)
    return weight, _log_prior(exact)


def _solved(
    encode: Encode, width: int, exact: LatentClassModel, votes: Votes, generator: torch.Generator
) -> Tensor:
    k, prior = votes.n_classes, _log_prior(exact)
    repeats = max(1, -(-_PER_WEIGHT * width * k // votes.n_samples))
    square, target = torch.zeros(width * k, width * k).double(), torch.zeros(width * k, k).double()
    total = 0.0
    for start in range(0, votes.n_samples, _BATCH):
        real = votes.one_hot(slice(start, start + _BATCH), torch.float64)
        counts = _counts(votes, start, len(real))
        for v in (real, *(_random_votes(real, generator) for _ in range(repeats))):
            encoded = encode(v).flatten(1)
            counted = (counts * encoded).T
            square += counted @ encoded
            target += counted @ (exact.class_logits(v) - prior)
            total += float(counts.sum())
    square.diagonal().add_(_RIDGE * total)
    return torch.linalg.solve(square, target).reshape(width, k, k)


def _log_prior(exact: LatentClassModel) -> Tensor:
    return exact.class_tables()[0].clamp(min=EPSILON).log()


def approach(
    parameters: Sequence[nn.Parameter],
    logits: Callable[[Tensor], Tensor],
    exact: LatentClassModel,
    votes: Votes,
    generator: torch.Generator,
) -> None:
    """Bring layers, too, nearer to an exact model, by descent on the squares of `nearest_weights`.

    Layers that start at random, or are narrower than the votes, lose what the weights behind them
    cannot make up for.

    Parameters
    ----------
    parameters : sequence of Parameter
        Of layers and weights; changed in place, with a little noise first, as equal outputs would
        stay equal.
    logits : callable
        Votes (batch, n_classifiers, n_classes) to logits of the class (batch, n_classes).
    exact, votes, generator
        As in `nearest_weights`.
    """
    # Distinct rows come in an order that does not depend on that of the samples.
    votes, _ = votes.merged()
    counts = torch.ones(votes.n_samples) if votes.weights is None else votes.weights
    counts = torch.as_tensor(counts, dtype=torch.float64)
    optimizer = torch.optim.Adam(parameters, _LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / _STEPS, _STEPS)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(_NOISE * normal_like(parameter, generator).to(parameter))
    for _ in range(_STEPS):
        chosen = torch.multinomial(counts, _ROWS_A_STEP, replacement=True, generator=generator)
        real = votes.one_hot(chosen.numpy(), torch.float64)
        v = torch.cat([real, _random_votes(real, generator)])
        with torch.no_grad():
            target = exact.class_logits(v)
        found = logits(v.to(parameters[0]))
        optimizer.zero_grad()
        (found - target.to(found)).square().mean().backward()
        optimizer.step()
        schedule.step()
    optimizer.zero_grad()


def _counts(votes: Votes, start: int, n: int) -> Tensor:
    """How often each of n samples counts, (n, 1)."""
    if votes.weights is None:
        return torch.ones(n, 1).double()
    return torch.from_numpy(votes.weights[start : start + n]).double().unsqueeze(1)


def _random_votes(v: Tensor, generator: torch.Generator) -> Tensor:
    """Votes for any class alike, missing where `v` is."""
    known = (v.sum(-1, keepdim=True) > 0).to(v)
    return draw_one_hot(known.expand_as(v), generator)


def _counted(encode: Encode, width: int, exact: LatentClassModel, votes: Votes) -> Tensor:
    k = votes.n_classes
    counts = torch.zeros(width, k, k).double()
    for start in range(0, votes.n_samples, _BATCH):
        batch = votes.take(slice(start, start + _BATCH))
        encoded = encode(batch.one_hot(dtype=torch.float64)).flatten(1)
        own = _counts(votes, start, len(encoded)) * exact.predict_classes(batch)
        counts += (encoded.T @ own).reshape(counts.shape)
    counts += torch.from_numpy(PseudoCounts().tables(counts.numpy(), votes.n_samples)[0])
    confusion = counts / counts.sum(1, keepdim=True).clamp(min=EPSILON)
    return confusion.clamp(min=EPSILON).log()
