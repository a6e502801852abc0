"""The E-step of a latent class model in one fused loop; needs numba, so import it only on demand.

Votes, logits and counts of a block of samples stay in the processor's first cache, posteriors
are never stored, and the exponential is a polynomial that the compiler turns into vector code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np
from numba import extending, njit, types

__all__ = ["em_sums"]

Array = np.ndarray
Votes = tuple[Array, Array, Array | None, Array | None]

# Its stubs do not know that the typing context is left out of calls.
_intrinsic: Any = extending.intrinsic

_BLOCK = 2048
"""Logits held at a time, 16 KiB."""

_UNROLLED_STATES = 8
"""Up to here a kernel of its own for each number of states gains 20 to 40 %, above it nothing."""

_PART_WORK = 1_000_000
"""Table entries read by one part, about a millisecond."""

_MAX_PARTS = 16

# No reassociation and no finite-only maths: the range reduction of `_exp` and -inf need them off.
_FASTMATH = {"contract", "nsz"}

# Functions that only kernels call need no door from Python, which takes a quarter of compiling.
_inner: Any = partial(
    njit,
    fastmath=_FASTMATH,
    error_model="numpy",
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)


def em_sums(
    votes: Votes, table: Array, bias: Array, n_threads: int = 1
) -> tuple[float, Array, Array]:
    """Run the E-step; the result does not depend on the number of threads.

    Parameters
    ----------
    votes : tuple of indptr (n + 1,) int64, columns (m,) int32, values (m,), weights (n,)
        As in `deem.math.latent.SparseRows`; values and weights may be None. The columns are not
        checked against the table.
    table : (C, S) float64, C-contiguous
        Log-probability each vote adds to each state, in nats.
    bias : (S,) float64
        Log prior of the states, in nats.
    n_threads : int
        Threads that share the parts, at least 1.

    Returns
    -------
    log_likelihood : float
        In nats.
    counts : (C, S)
        Expected votes.
    state_counts : (S,)
        Expected samples.
    """
    indptr, columns, *optional = votes
    n_states = table.shape[1]
    width = n_states if n_states <= _UNROLLED_STATES else 0
    kernel = _kernel(width, *(None if x is None else x.dtype for x in optional))
    edges = _part_edges(len(indptr) - 1, len(columns), table)
    counts = np.zeros((len(edges) - 1, *table.shape))
    state_counts = np.zeros((len(edges) - 1, n_states))

    def run(part: int) -> float:
        span = (edges[part], edges[part + 1])
        return kernel(votes, table, bias, *span, counts[part], state_counts[part])

    if len(counts) == 1 or n_threads == 1:
        likelihoods = list(map(run, range(len(counts))))
    else:
        with ThreadPoolExecutor(min(n_threads, len(counts))) as pool:
            likelihoods = list(pool.map(run, range(len(counts))))
    for part in range(1, len(counts)):
        counts[0] += counts[part]
    return sum(likelihoods), counts[0], state_counts.sum(0)


def _part_edges(n_samples: int, n_votes: int, table: Array) -> list[int]:
    """Split by the problem alone: the order of the sums must not depend on the machine."""
    # Each part has a table of counts of its own, which must stay small beside the work on it.
    work = max(_PART_WORK, 16 * table.size)
    n_parts = min(_MAX_PARTS, max(1, n_votes * table.shape[1] // work))
    return [n_samples * part // n_parts for part in range(n_parts + 1)]


@cache
def _kernel(
    width: int, values_type: np.dtype | None, weights_type: np.dtype | None
) -> Callable[..., float]:
    """Compiled loop for `width` states, or for any number if 0; kept on disk where allowed."""
    indptr, columns = np.zeros(1, np.int64), np.zeros(0, np.int32)
    optional = (None if x is None else np.zeros(0, x) for x in (values_type, weights_type))
    votes = (indptr, columns, *optional)
    table = np.zeros((1, max(width, 1)))
    try:
        kernel = _compiled(width, cache=True)
        # The disk is touched at the first call of each type, not at the declaration.
        kernel(votes, table, table[0], 0, 0, table, table[0])
    except (RuntimeError, OSError):
        kernel = _compiled(width, cache=False)
    return kernel


def _compiled(width: int, *, cache: bool) -> Callable[..., float]:
    @njit(nogil=True, cache=cache, fastmath=_FASTMATH)
    def kernel(  # pragma: no cover - compiled code is not traced, here and below
        votes: Votes,
        table: Array,
        bias: Array,
        start: int,
        stop: int,
        counts: Array,
        state_counts: Array,
    ) -> float:
        # A constant width lets the compiler unroll the loops over the states.
        n_states = width if width > 0 else table.shape[1]
        block = max(1, _BLOCK // n_states)
        scores = np.empty(block * n_states)
        state = np.empty(n_states)
        likelihood = 0.0
        for first in range(start, stop, block):
            last = min(first + block, stop)
            likelihood += _fill(votes, table, bias, first, last, n_states, state, scores)
            for i in range((last - first) * n_states):
                scores[i] = _exp(scores[i])
            likelihood += _collect(
                votes, scores, first, last, n_states, state, counts, state_counts
            )
        return likelihood

    return kernel


@_inner()
def _fill(  # pragma: no cover
    votes: Votes,
    table: Array,
    bias: Array,
    first: int,
    last: int,
    n_states: int,
    state: Array,
    scores: Array,
) -> float:
    """Write logits less the largest of their sample; return the weighted sum of the largest."""
    indptr, columns, values, weights = votes
    total = 0.0
    for row in range(first, last):
        for s in range(n_states):
            state[s] = bias[s]
        for vote in range(indptr[row], indptr[row + 1]):
            value = _entry(values, vote)
            column = columns[vote]
            for s in range(n_states):
                state[s] += value * table[column, s]
        top = state[0]
        for s in range(1, n_states):
            top = state[s] if state[s] > top else top
        offset = (row - first) * n_states
        for s in range(n_states):
            scores[offset + s] = state[s] - top
        total += _entry(weights, row) * top
    return total


@_inner()
def _collect(  # pragma: no cover
    votes: Votes,
    odds: Array,
    first: int,
    last: int,
    n_states: int,
    state: Array,
    counts: Array,
    state_counts: Array,
) -> float:
    """Add normalised odds to the counts; return the weighted log of what they summed to."""
    indptr, columns, values, weights = votes
    total = 0.0
    for row in range(first, last):
        offset = (row - first) * n_states
        scale = 0.0
        for s in range(n_states):
            scale += odds[offset + s]
        total += _entry(weights, row) * math.log(scale)
        share = _entry(weights, row) / scale
        for s in range(n_states):
            state[s] = odds[offset + s] * share
            state_counts[s] += state[s]
        for vote in range(indptr[row], indptr[row + 1]):
            value = _entry(values, vote)
            column = columns[vote]
            for s in range(n_states):
                counts[column, s] += value * state[s]
    return total


@_inner()
def _entry(array: Array | None, index: int) -> float:  # pragma: no cover
    """Entry of an optional array; the constant 1 vanishes from hard and unweighted loops."""
    return 1.0 if array is None else array[index]


@_inner()
def _exp(x: float) -> float:  # pragma: no cover
    """Exponential of x <= 0 within 2 units in the last place, 0 below -708 and for NaN."""
    safe = x if x > -708.0 else -708.0
    k = math.floor(safe * 1.4426950408889634 + 0.5)
    # ln 2 in two parts: the first has enough trailing zeros to make its product with k exact.
    r = (safe - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10
    p = 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    # Adding 2^52 + 1023 leaves the biased exponent of 2^k in the low bits.
    power = _as_float(_as_bits(k + 4503599627371519.0) << 52)
    return p * power if x > -708.0 else 0.0


def _bitcast(source: types.Type, target: types.Type) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
        return builder.bitcast(args[0], context.get_value_type(target))

    return target(source), emit


@_intrinsic
def _as_bits(_typing: object, x: object) -> tuple[Any, Callable[..., Any]]:
    return _bitcast(types.float64, types.int64)


@_intrinsic
def _as_float(_typing: object, x: object) -> tuple[Any, Callable[..., Any]]:
    return _bitcast(types.int64, types.float64)
