"""Checks of single settings; each returns the value in the form that is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from numbers import Integral
from typing import Any

from deem.utils.exception import ArgumentError, check_choice, check_number, check_whole

__all__ = [
    "Check",
    "choice",
    "class_weights",
    "flag",
    "mapping",
    "number",
    "one_or_several",
    "optional",
    "seeds",
    "several",
    "size",
    "text",
    "whole",
]

Check = Callable[[str, Any], Any]
"""From a name and a value to the value as it is kept; an `ArgumentError` if it is none."""


def text(name: str, value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ArgumentError(f"{name}={value!r}; expected a text that is not empty.")
    return value


def flag(name: str, value: Any) -> bool:
    """A truth value."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name}={value!r}; expected true or false.")
    return value


def choice(choices: Collection[str]) -> Check:
    """One of some names; they are looked up at the time of the check."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise ArgumentError(f"{name}={value!r}; expected one of: {', '.join(choices)}.")
        check_choice(name, value, choices)
        return value

    return check


def whole(lowest: int) -> Check:
    """A whole number of at least `lowest`."""

    def check(name: str, value: Any) -> int:
        check_whole(lowest, **{name: value})
        return int(value)

    return check


def number(expected: str, holds: Callable[[float], bool]) -> Check:
    """A number for which a condition holds, which `expected` says in words."""

    def check(name: str, value: Any) -> float:
        check_number(**{name: value})
        if not holds(value):
            raise ArgumentError(f"{name}={value!r}; expected a number {expected}.")
        return float(value)

    return check


def size(name: str, value: Any) -> float:
    """A count, or a fraction in [0, 1)."""
    if isinstance(value, float) and 0 <= value < 1:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ArgumentError(
            f"{name}={value!r}; expected a whole number of samples, or a fraction in [0, 1)."
        )
    return int(value)


def optional(check: Check) -> Check:
    """What a check takes, or None."""
    return lambda name, value: None if value is None else check(name, value)


def several(check: Check, lowest: int = 1) -> Check:
    """A list of at least so many entries that a check takes, kept as a tuple."""

    def checked(name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) < lowest:
            wanted = "a list of at least one entry" if lowest else "a list"
            raise ArgumentError(f"{name}={value!r}; expected {wanted}, such as [a, b].")
        return tuple(check(name, entry) for entry in value)

    return checked


def one_or_several(check: Check) -> Check:
    """What a check takes, or a list of it."""
    listed = several(check)
    return lambda name, value: (
        listed(name, value) if isinstance(value, (list, tuple)) else check(name, value)
    )


def seeds(name: str, value: Any) -> int | tuple[int, ...]:
    """A number of seeds, or a list of them."""
    if isinstance(value, (list, tuple)):
        found: tuple[int, ...] = several(whole(0))(name, value)
        return found
    check_whole(1, **{name: value})
    return int(value)


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Parameters by name."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ArgumentError(f"{name}={value!r}; expected parameters by name.")
    return dict(value)


def class_weights(name: str, value: Any) -> str | dict[int, float]:
    """The word "balanced", or weights by the codes of the classes, from 0."""
    if value == "balanced":
        return "balanced"
    if not isinstance(value, dict) or not value:
        raise ArgumentError(
            f"{name}={value!r}; expected 'balanced', or a weight for each code of a class."
        )
    found = {}
    for code, weight in value.items():
        # JSON and TOML have texts as keys.
        if not str(code).isdecimal():
            raise ArgumentError(f"{name} has the class {code!r}; expected its code, from 0.")
        found[int(code)] = number("of at least 0", lambda x: x >= 0)(name, weight)
    return found
