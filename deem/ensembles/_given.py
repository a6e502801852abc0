"""Settings as somebody gave them, in a file and by single assignments."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from deem.utils.exception import ArgumentError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["given_settings"]

_PUBLISHED = {
    "dataset": "data",
    "base_learner": "learner",
    "num_learners": "n_learners",
    "beta_vals": "betas",
    "probs": "aggregate, which is score or prob",
    "optimiser": "optimizer",
    "num_epochs": "epochs",
    "max_patience": "patience, with early_stopping",
    "lr_switch": "scheduler_epochs, or scheduler_patience",
    "gamma": "scheduler_gamma",
    "factor": "scheduler_factor",
    "num_workers": "n_workers",
    "num_classes": "nothing, classes are found in the data",
    "models": "nothing, models are in the folder of the results",
    "results": "the option --out",
    "tag": "the option --tag",
}
"""What the settings of the code that Jeffares et al. (2023) published are called here."""

_NESTED = ("learner_params", "class_weight")
"""Settings that have entries."""


def given_settings(
    known: Collection[str], path: Path | None, overrides: Iterable[str] = ()
) -> dict[str, Any]:
    """Settings of a file, and assignments ``key=value`` that win over it.

    Parameters
    ----------
    known : collection of str
        Names of all settings.
    path : Path, optional
        Of the file.
    overrides : iterable of str
        As `deem.ensembles.config.read_config` takes them.
    """
    given = {} if path is None else _read_file(path)
    _check_names(given, known)
    for assignment in overrides:
        _assign(given, assignment, known)
    return given


def _read_file(path: Path) -> dict[str, Any]:
    readers: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": json.loads}
    if path.suffix not in readers:
        raise ArgumentError(
            f"'{path}' is neither TOML nor JSON by its name; choose one that ends in .toml or "
            ".json."
        )
    try:
        found = readers[path.suffix](path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArgumentError(
            f"'{path}' is not {path.suffix[1:].upper()} ({error}); mend it."
        ) from error
    if not isinstance(found, dict):
        raise ArgumentError(f"'{path}' holds a {type(found).__name__}; expected keys and values.")
    return found


def _assign(given: dict[str, Any], assignment: str, known: Collection[str]) -> None:
    """Put an assignment key=value into settings."""
    key, equals, value = (part.strip() for part in assignment.partition("="))
    if not (key and equals and value):
        raise ArgumentError(f"{assignment!r} sets nothing; write key=value.")
    key, dot, entry = key.partition(".")
    _check_names([key], known)
    if not dot:
        given[key] = _value(value)
        return
    held = given.get(key)
    if key not in _NESTED:
        raise ArgumentError(f"setting {key!r} has no entries; write {key}=value.")
    given[key] = {**(held if isinstance(held, dict) else {}), entry: _value(value)}


def _value(text: str) -> Any:
    """A value of TOML, a list of bare words, or else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text[0] == "[" and text[-1] == "]":
            return [_value(entry) for entry in map(str.strip, text[1:-1].split(",")) if entry]
        return text


def _check_names(names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            cure = _PUBLISHED.get(name) or (near[0] if near else f"one of: {', '.join(known)}")
            raise ArgumentError(f"setting {name!r} is unknown; use {cure}.")
