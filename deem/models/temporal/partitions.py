"""Exact log-partitions of a harmonium under many different hidden biases."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from deem.math.listing import log_sum_of_bits
from deem.models.harmonium import MAX_LISTED_UNITS, DenseHarmonium
from deem.utils.exception import IntractableError

__all__ = ["log_partitions"]


def log_partitions(model: DenseHarmonium, past: Tensor) -> Tensor:
    """Log-partitions of a model to whose hidden fields something is added.

    Parameters
    ----------
    model : DenseHarmonium
        Its smaller layer of binary units is listed; what does not depend on `past` only once.
    past : (m, n_hidden)
        Added to the fields, in nats.

    Returns
    -------
    (m,)
        In nats.

    Raises
    ------
    IntractableError
        If no layer of binary units has at most 20.
    """

    def of_hidden(h: Tensor) -> Tensor:
        return model._scores_of_hidden(h) + past @ h.t()

    def of_visible(v: Tensor) -> Tensor:
        field = model.hidden_field(v) + past.unsqueeze(1)
        return model.hidden_units.log_sum(field).sum(2) - model.visible_energy(v)

    # Number of units, scores of their states, and how many numbers a state takes.
    sides: list[tuple[int, Callable[[Tensor], Tensor], int]] = []
    if model.hidden_units.is_binary:
        sides.append((model.n_hidden, of_hidden, model.n_visible + len(past)))
    if model.visible_units.is_binary:
        sides.append((model.n_visible, of_visible, model.n_hidden * len(past)))
    sides = [side for side in sides if side[0] <= MAX_LISTED_UNITS]
    if not sides:
        raise IntractableError(
            f"frames of {type(model).__name__}({model.n_visible}, {model.n_hidden}) have no layer "
            f"of at most {MAX_LISTED_UNITS} binary units to sum over."
        )
    n_units, scores, numbers = min(sides, key=lambda side: side[0])
    return log_sum_of_bits(n_units, scores, numbers, past)
