"""Warnings that point at the caller of the library, and a record of those of one call.

The filters of the process are never touched: `warnings.catch_warnings` would change them for every
thread.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from deem.utils.exception import DeemWarning

__all__ = ["collecting", "warn"]

_COLLECTED: ContextVar[list[str] | None] = ContextVar("collected", default=None)
_PASSED_OVER = {"deem", "sklearn", "joblib"}
"""Packages whose frames lie between a warning and the line that the user wrote."""


def warn(text: str, category: type[DeemWarning]) -> None:
    """Warn at the first line outside the library.

    Parameters
    ----------
    text : str
        What is unusual, and the cure.
    category : type
        The named warning.
    """
    collected = _COLLECTED.get()
    if collected is not None:
        collected.append(f"{category.__name__}: {text}")
    warnings.warn(text, category, stacklevel=_level_outside())


@contextmanager
def collecting() -> Iterator[list[str]]:
    """Record names and texts of the warnings of the library, which are shown all the same.

    What other threads warn of, such as those of restarts, is shown but not recorded.

    Examples
    --------
    >>> import pytest
    >>> with collecting() as found, pytest.warns(DeemWarning):
    ...     warn("there are no votes.", DeemWarning)
    >>> found
    ['DeemWarning: there are no votes.']
    """
    found: list[str] = []
    token = _COLLECTED.set(found)
    try:
        yield found
    finally:
        _COLLECTED.reset(token)


def _level_outside() -> int:
    """``stacklevel`` for a `warnings.warn` in the caller of this function."""
    frame, level = sys._getframe(1), 1
    while str(frame.f_globals.get("__name__")).partition(".")[0] in _PASSED_OVER:
        if frame.f_back is None:
            break
        frame, level = frame.f_back, level + 1
    return level
