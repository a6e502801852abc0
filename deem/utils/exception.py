"""Errors and warnings raised by the library.

Every error also subclasses the builtin a caller would expect, so ``except ValueError`` works.
The text names the argument, the value found, what was expected and the cure.
"""

from collections.abc import Iterable
from math import isfinite
from numbers import Integral, Real

__all__ = [
    "ArgumentError",
    "CollapsedConsensusWarning",
    "ConstantClassifierWarning",
    "CopiedClassifierWarning",
    "DeadClassWarning",
    "DeemError",
    "DeemWarning",
    "DepthAbandonedWarning",
    "DeviceError",
    "DuplicateVotesWarning",
    "EmptySampleWarning",
    "FewClassifiersWarning",
    "FewSamplesWarning",
    "FewVotesWarning",
    "FlippedConsensusWarning",
    "IgnoredClassifierWarning",
    "IntractableError",
    "LabelError",
    "MergedClassesWarning",
    "MinusOneWarning",
    "ModelFileError",
    "MonitorLabelWarning",
    "NonFiniteError",
    "NotConvergedWarning",
    "OutsideUnitIntervalWarning",
    "OverruledVotesWarning",
    "RestartsDisagreeWarning",
    "ShapeError",
    "SilentClassifierWarning",
    "SingleClassWarning",
    "SingleClassifierWarning",
    "SmallerStepsWarning",
    "SoftVotesWarning",
    "StuckChainsWarning",
    "UnknownWorkerWarning",
    "UnusedParameterWarning",
    "check_choice",
    "check_number",
    "check_whole",
]


class DeemError(Exception):
    """Base of all errors of the library."""


class ArgumentError(DeemError, ValueError):
    """An argument has a value outside its documented range."""


class ShapeError(ArgumentError):
    """An array has the wrong shape or layout."""


class LabelError(ArgumentError):
    """A vote carries a label that is not among the classes."""


class DeviceError(ArgumentError):
    """The requested device is not present on this machine."""


class IntractableError(DeemError, NotImplementedError):
    """The model has no exact form of the requested quantity."""


class NonFiniteError(DeemError, FloatingPointError):
    """NaN or infinity appeared in training; the model keeps its last finite parameters."""


class ModelFileError(DeemError, ValueError):
    """A model file is damaged, of another version or class, or not one of ours."""


class DeemWarning(UserWarning):
    """Base of all warnings of the library."""


class UnusedParameterWarning(DeemWarning):
    """A parameter was set that the chosen solver does not use."""


class MinusOneWarning(DeemWarning):
    """The labels are exactly -1 and +1, and -1 is read as a missing vote."""


class SoftVotesWarning(DeemWarning):
    """Soft votes were normalised, or an empty column was read as a missing vote."""


class EmptySampleWarning(DeemWarning):
    """Some samples carry no vote; they get the class prior."""


class SilentClassifierWarning(DeemWarning):
    """Some classifiers cast no vote; they have no influence."""


class ConstantClassifierWarning(DeemWarning):
    """Some classifiers always cast the same vote and carry no information."""


class SingleClassifierWarning(DeemWarning):
    """There is only one classifier, so its votes are the consensus."""


class SingleClassWarning(DeemWarning):
    """Only one class is present in the votes."""


class FewSamplesWarning(DeemWarning):
    """There are so few samples a class that the result rests on the prior."""


class DuplicateVotesWarning(DeemWarning):
    """A (task, worker) pair occurs more than once; each occurrence counts as a vote."""


class UnknownWorkerWarning(DeemWarning):
    """Votes of workers unseen in fit were ignored."""


class MonitorLabelWarning(DeemWarning):
    """Monitoring labels outside the classes count as wrong."""


class NotConvergedWarning(DeemWarning):
    """Training stopped at its limit before its stopping rule held."""


class CollapsedConsensusWarning(DeemWarning):
    """The consensus is one class for all samples, or not finite, though the votes are not."""


class CopiedClassifierWarning(DeemWarning):
    """Some classifiers cast the same votes, or nearly so, errors included."""


class DeadClassWarning(DeemWarning):
    """Samples of a class by majority vote go mostly to another class."""


class FewClassifiersWarning(DeemWarning):
    """There are two classifiers; where they differ, nothing says who is right."""


class FewVotesWarning(DeemWarning):
    """Most votes are of classifiers with too few votes to know each of them."""


class FlippedConsensusWarning(DeemWarning):
    """The consensus contradicts the votes; classes may be swapped."""


class IgnoredClassifierWarning(DeemWarning):
    """Most votes are of classifiers that tell almost nothing about the class."""


class MergedClassesWarning(DeemWarning):
    """The votes do not tell some classes apart."""


class OutsideUnitIntervalWarning(DeemWarning):
    """Units that live in [0, 1] got other values."""


class OverruledVotesWarning(DeemWarning):
    """The consensus overrules samples whose votes all agree."""


class RestartsDisagreeWarning(DeemWarning):
    """Restarts or models give many samples different classes."""


class DepthAbandonedWarning(DeemWarning):
    """A deep model collapsed again and again; the exact inverse RBM was trained instead."""


class SmallerStepsWarning(DeemWarning):
    """A deep model collapsed; training went on from its last good state with smaller steps."""


class StuckChainsWarning(DeemWarning):
    """Most chains of a sampler hardly ever move, so the negative phase learns nothing new."""


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise `ArgumentError` unless `value` is one of `choices`.

    Examples
    --------
    >>> check_choice("solver", "magic", ["auto", "exact"])
    Traceback (most recent call last):
    ...
    deem.utils.exception.ArgumentError: solver='magic' is unknown; choose one of: auto, exact.
    """
    choices = list(choices)
    if value not in choices:
        known = ", ".join(map(str, choices))
        raise ArgumentError(f"{name}={value!r} is unknown; choose one of: {known}.")


def check_number(**values: object) -> None:
    """Raise `ArgumentError` unless every value is a finite real number.

    Examples
    --------
    >>> check_number(temperature="high")
    Traceback (most recent call last):
    ...
    deem.utils.exception.ArgumentError: temperature='high'; expected a finite number.
    """
    for name, value in values.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not isfinite(value):
            raise ArgumentError(f"{name}={value!r}; expected a finite number.")


def check_whole(lowest: int, **values: object) -> None:
    """Raise `ArgumentError` unless every value is a whole number of at least `lowest`.

    Examples
    --------
    >>> check_whole(1, n_hidden=3.5)
    Traceback (most recent call last):
    ...
    deem.utils.exception.ArgumentError: n_hidden=3.5; expected a whole number of at least 1.
    """
    for name, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < lowest:
            raise ArgumentError(f"{name}={value!r}; expected a whole number of at least {lowest}.")
