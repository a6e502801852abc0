"""Checks that the factories of networks share."""

from collections.abc import Iterable

from deem.utils.exception import ArgumentError, check_number, check_whole

__all__ = ["check_dropout", "checked_shape", "checked_sizes"]


def checked_sizes(name: str, sizes: object, least: int = 0) -> tuple[int, ...]:
    """Whole numbers of at least 1, `least` or more of them, as numbers of Python."""
    if not isinstance(sizes, Iterable) or isinstance(sizes, str):
        raise ArgumentError(f"{name}={sizes!r}; expected a tuple of whole numbers, as (64, 64).")
    found = tuple(sizes)
    if len(found) < least:
        raise ArgumentError(f"{name}={sizes!r}; expected at least {least} of them.")
    for i, size in enumerate(found):
        check_whole(1, **{f"{name}[{i}]": size})
    return tuple(map(int, found))


def checked_shape(input_shape: object, n_outputs: object) -> tuple[int, ...]:
    """Shape of a sample, checked together with the number of scores."""
    check_whole(1, n_outputs=n_outputs)
    return checked_sizes("input_shape", input_shape, 1)


def check_dropout(**shares: float) -> None:
    """Raise `ArgumentError` unless every share lies in [0, 1)."""
    check_number(**shares)
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ArgumentError(f"{name}={share}; expected a share in [0, 1).")
