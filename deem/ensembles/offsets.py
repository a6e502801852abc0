"""Constant offsets between learners, which raise diversity and change nothing in the ensemble."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from deem.ensembles._scores import as_scores, share, split_loss
from deem.utils.exception import ArgumentError

__all__ = ["collusion_index", "debias", "debiased_diversity_drop", "learner_offsets"]

_ROUNDING = 1e-14
"""Of float64: diversities below it, next to losses, are none."""


def learner_offsets(scores: Any, loss: str = "ce") -> Tensor:
    r"""What each learner adds to the mean of all, whatever the sample.

    .. math:: b_m = \operatorname{mean}_x z_m(x)
        - \operatorname{mean}_j \operatorname{mean}_x z_j(x)

    For cross-entropy the scores of a sample are centred over the classes first: softmax does not
    see what is added to all of them.

    Parameters
    ----------
    scores : (n_samples, n_learners, n_outputs)
        Logits, or predicted values.
    loss : {"ce", "mse"}
        What the scores are for.

    Returns
    -------
    (n_learners, n_outputs)
        In float64 and units of the scores; sums to zero over learners, and for cross-entropy over
        classes.
    """
    return _deviations(as_scores(scores, loss), loss).mean(0)


def debias(scores: Any, loss: str = "ce") -> Tensor:
    """Scores without the constant offsets between learners.

    Means of the scores over learners stay as they are; means of probabilities need not.

    Parameters
    ----------
    scores, loss
        As in `learner_offsets`.

    Returns
    -------
    (n_samples, n_learners, n_outputs)
        In float64.
    """
    found = as_scores(scores, loss)
    return found - _deviations(found, loss).mean(0)


def collusion_index(scores: Any, loss: str = "ce") -> float:
    r"""Share of the spread between learners that is constant offsets.

    .. math:: \frac{\sum_m \lVert b_m \rVert^2}
        {\operatorname{mean}_x \sum_m \lVert z_m(x) - \bar z(x) \rVert^2}

    with scores that are centred over classes for cross-entropy, see `learner_offsets`. For squared
    errors it is `debiased_diversity_drop`.

    Parameters
    ----------
    scores, loss
        As in `learner_offsets`.

    Returns
    -------
    float
        In [0, 1]; 0 where learners are alike. Learners that differ at random have one over the
        number of samples, so that a single sample tells nothing.

    Examples
    --------
    >>> import numpy as np
    >>> f = np.array([0.0, 1.0, 5.0])
    >>> collusion_index(np.stack([f + 2, f - 2], 1)[..., None], loss="mse")
    1.0
    """
    found = as_scores(scores, loss)
    deviations = _deviations(found, loss)
    spread = deviations.square().mean(0).sum()
    rounding = _ROUNDING**2 * found.square().mean()
    return min(share(deviations.mean(0).square().sum(), spread, rounding), 1.0)


def debiased_diversity_drop(
    scores: Any, y: Any = None, how: str = "score", loss: str = "ce"
) -> float:
    r"""Share of the diversity that goes when constant offsets are taken away.

    .. math:: 1 - \mathrm{DIV}_\text{debiased} / \mathrm{DIV}

    Parameters
    ----------
    scores : (n_samples, n_learners, n_outputs)
        Logits, or predicted values.
    y : (n_samples,) int, optional
        True classes. Needed for means of probabilities only: in all other cases diversity does not
        depend on them.
    how : {"score", "prob"}
        What is averaged; squared errors take means of scores only.
    loss : {"ce", "mse"}
        What the scores are for.

    Returns
    -------
    float
        At most 1, and 0 where there is no diversity. At least 0 for squared errors; for
        cross-entropy below 0 where the offsets had brought learners together.

    Raises
    ------
    ArgumentError
        If means of probabilities come without labels.

    References
    ----------
    .. [1] Jeffares, Liu, Crabbé, van der Schaar (2023), Joint training of deep ensembles fails due
       to learner collusion, NeurIPS.
    """
    if how == "prob" and loss == "ce" and y is None:
        raise ArgumentError(
            "y=None, but with how='prob' diversity depends on the labels; pass y, or how='score'."
        )
    y = y if how == "prob" else None
    before = split_loss(scores, y, how, loss)
    after = split_loss(debias(scores, loss), y, how, loss)
    if loss == "mse":
        rounding = _ROUNDING**2 * as_scores(scores, loss).square().mean()
    else:
        rounding = _ROUNDING * (1 + before.individual)
    return min(share(before.diversity - after.diversity, before.diversity, rounding), 1.0)


def _deviations(scores: Tensor, loss: str) -> Tensor:
    """Differences between learners and their mean, as far as the loss sees them."""
    seen = scores - scores.mean(-1, keepdim=True) if loss == "ce" else scores
    return seen - seen.mean(1, keepdim=True)
