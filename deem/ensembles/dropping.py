"""What an ensemble loses when some of its learners are dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from deem.ensembles._scores import as_scores, consensus, split_loss
from deem.math.random import as_generator
from deem.utils.exception import ArgumentError, check_number, check_whole

__all__ = ["DropPoint", "drop_curve"]

_MOST_SUBSETS = 100_000


@dataclass(frozen=True)
class DropPoint:
    """What happens to an ensemble when a share of its learners is dropped.

    Parameters
    ----------
    fraction : float
        Share that was to be dropped.
    n_kept : int
        Learners that stay.
    n_subsets : int
        Subsets of them that were looked at.
    is_exact : bool
        Whether the loss is the mean over all subsets, not over draws of them.
    loss_increase, loss_increase_std : float
        Mean and standard deviation over subsets, in nats or squared units.
    accuracy_change, accuracy_change_std : float or None
        The same of the accuracy, a fraction; None for squared errors.
    """

    fraction: float
    n_kept: int
    n_subsets: int
    is_exact: bool
    loss_increase: float
    loss_increase_std: float
    accuracy_change: float | None
    accuracy_change_std: float | None


def drop_curve(
    scores: Any,
    y: Any,
    fractions: Sequence[float] = (0.25, 0.5, 0.75),
    n_draws: int = 20,
    how: str = "score",
    loss: str = "ce",
    random_state: object = 0,
    exact: bool | None = None,
) -> list[DropPoint]:
    r"""Loss and accuracy of an ensemble of which a random share of the learners is dropped.

    For squared errors the loss of K of M learners rises in the mean by

    .. math:: \mathrm{DIV}\, \frac{M - K}{K (M - 1)}

    so that it tells no more than the diversity does. For cross-entropy it has to be measured.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_outputs)
        Logits, or predicted values.
    y : (n_samples,) int; (n_samples, n_outputs) or, for one output, (n_samples,)
        True classes, or values.
    fractions : sequence of float
        Shares to drop, in [0, 1), rounded to whole learners; one always stays.
    n_draws : int
        Subsets of learners a fraction. Where there are no more than that, all are taken.
    how : {"score", "prob"}
        What is averaged; squared errors take means of scores only.
    loss : {"ce", "mse"}
        What the scores are for.
    random_state : None, int, numpy or torch generator
        Of the subsets, which do not depend on the other fractions.
    exact : bool, optional
        True takes all subsets, however many, for cross-entropy; False draws even where all could
        be taken, and uses no formula.

    Returns
    -------
    list of DropPoint
        One a fraction.

    Raises
    ------
    ArgumentError
        If a fraction is outside [0, 1), or there are more than 100000 subsets to take.
    """
    found = as_scores(scores, loss)
    _check_arguments(fractions, n_draws, exact)
    if y is None:
        raise ArgumentError("y=None; the loss of fewer learners needs the truth, pass y.")
    n_learners, by_formula = found.shape[1], loss == "mse" and exact is not False
    diversity = float(split_loss(found, y, how, loss).diversity)
    whole = _measured(found, y, how, loss)
    generator = as_generator(random_state)
    orders = [torch.randperm(n_learners, generator=generator).tolist() for _ in range(n_draws)]
    points = []
    for fraction in fractions:
        n_kept = max(1, n_learners - int(fraction * n_learners + 0.5))
        subsets, is_all = _subsets(orders, n_kept, None if by_formula else exact)
        found_now = torch.stack([_measured(found[:, kept], y, how, loss) for kept in subsets])
        change = (found_now - whole).mean(0).tolist()
        spread = found_now.std(0, correction=0).tolist()
        if by_formula:
            change[0] = diversity * (n_learners - n_kept) / (n_kept * max(n_learners - 1, 1))
        accuracy = (change[1], spread[1]) if loss == "ce" else (None, None)
        exactly = is_all or by_formula
        points.append(
            DropPoint(
                float(fraction), n_kept, len(subsets), exactly, change[0], spread[0], *accuracy
            )
        )
    return points


def _check_arguments(fractions: Sequence[float], n_draws: int, exact: object) -> None:
    check_whole(1, n_draws=n_draws)
    if not (exact is None or isinstance(exact, bool)):
        raise ArgumentError(f"exact={exact!r}; expected True, False or None.")
    for fraction in fractions:
        check_number(fractions=fraction)
        if not 0 <= fraction < 1:
            raise ArgumentError(f"fractions holds {fraction}; expected shares in [0, 1).")


def _measured(scores: Tensor, y: Any, how: str, loss: str) -> Tensor:
    """Loss and accuracy of an ensemble, (2,); the latter is 0 for squared errors."""
    mean = consensus(scores, how, loss)
    found = split_loss(mean.unsqueeze(1), y, "score", loss).ensemble
    right = 0.0
    if loss == "ce":
        right = float((mean.argmax(-1) == torch.as_tensor(y).cpu()).double().mean())
    return torch.stack([found, found.new_tensor(right)])


def _subsets(
    orders: list[list[int]], n_kept: int, exact: bool | None
) -> tuple[list[list[int]], bool]:
    """Subsets of the learners, and whether they are all there are."""
    n_learners = len(orders[0])
    count = math.comb(n_learners, n_kept)
    if exact is False or (exact is None and count > len(orders)):
        return [order[:n_kept] for order in orders], False
    if count > _MOST_SUBSETS:
        raise ArgumentError(
            f"exact=True, but {n_kept} of {n_learners} learners make {count} subsets, more than "
            f"{_MOST_SUBSETS}; pass exact=None and n_draws."
        )
    return [list(kept) for kept in combinations(range(n_learners), n_kept)], True
