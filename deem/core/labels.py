"""Labels as codes of classes."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deem.core.coding import family, to_array
from deem.utils.constants import MISSING
from deem.utils.exception import ArgumentError, LabelError, MinusOneWarning, ShapeError
from deem.utils.warning import warn

__all__ = ["Known", "label_codes", "listed", "pair_count"]

_SHOWN = 5
"""How many names an error or warning lists."""


class Known(NamedTuple):
    """What is known of the votes before they are read.

    Attributes
    ----------
    n_classes : int or None
        Number of classes.
    classes : (n_classes,) or None
        Their names.
    classifiers : (n_classifiers,) or None
        Names of the classifiers.
    """

    n_classes: int | None
    classes: NDArray[Any] | None
    classifiers: NDArray[Any] | None

    @classmethod
    def check(cls, n_classes: Any, classes: Any, classifiers: Any) -> "Known":
        """Validate the arguments of `deem.core.reading.read_votes` with these names."""
        names = None if classes is None else to_array(classes)
        if n_classes is not None and (not isinstance(n_classes, Integral) or n_classes < 1):
            raise ArgumentError(
                f"n_classes={n_classes!r}, expected a positive integer; pass the number of "
                "classes, or None to find them in the votes."
            )
        if names is not None and len(set(names.tolist())) < len(names):
            raise LabelError(f"classes={names.tolist()} repeats a label; name each class once.")
        if names is not None and n_classes not in (None, len(names)):
            raise ArgumentError(
                f"n_classes={n_classes}, but classes names {len(names)}; leave n_classes out."
            )
        workers = None if classifiers is None else to_array(classifiers)
        return cls(None if n_classes is None else int(n_classes), names, workers)

    def check_width(self, found: int) -> None:
        """Raise `ShapeError` unless `found` is the number of known classifiers."""
        if self.classifiers is not None and found != len(self.classifiers):
            expected = len(self.classifiers)
            raise ShapeError(
                f"the votes have {found} classifiers, but {expected} are expected; pass the "
                f"votes of the same {expected} classifiers, with -1 where one did not vote."
            )


def label_codes(distinct: NDArray[Any], known: Known) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Classes, and the class code of each distinct label.

    Parameters
    ----------
    distinct : (u,)
        Sorted distinct entries of the votes; -1 means "no vote".
    known : Known
        Given classes, or their number, decide which labels may occur.

    Returns
    -------
    (n_classes,)
        The classes.
    (u,)
        In 0..n_classes - 1, or -1 for no vote.

    Examples
    --------
    >>> label_codes(np.array([-1, 0, 2]), Known(None, None, None))
    (array([0, 2]), array([-1,  0,  1], dtype=int32))
    """
    absent = _means_no_vote(distinct)
    found = distinct[~absent]
    _check_labels(found)
    if known.classes is not None:
        classes = known.classes
        if _means_no_vote(classes).any():
            raise LabelError(
                f"classes={classes.tolist()} contains -1, which means no vote among labels; "
                "recode the labels as 0, 1, 2, ... or as strings."
            )
    else:
        if known.n_classes in (None, 2):
            _warn_minus_one(found, absent)
        classes = _find_classes(found, known.n_classes)
    code = {label: place for place, label in enumerate(classes.tolist())}
    unseen = [label for label in found.tolist() if label not in code]
    if unseen:
        raise LabelError(
            f"the votes contain labels that are not among the classes: {listed(unseen)}; "
            f"expected {listed(code)}. Recode them, or mark them as missing by -1 or None."
        )
    table = np.full(len(distinct), MISSING, dtype=np.int32)
    table[~absent] = [code[label] for label in found.tolist()]
    return classes, table


def _means_no_vote(distinct: NDArray[Any]) -> NDArray[np.bool_]:
    if distinct.dtype.kind in "if":
        return distinct == MISSING
    numbers = [family(type(entry)) in "if" and entry == MISSING for entry in distinct.tolist()]
    return np.array(numbers, dtype=bool)


def _check_labels(found: NDArray[Any]) -> None:
    """Raise unless numbers, those among other objects too, are whole, finite and non-negative."""
    if found.dtype.kind not in "ifO":
        return
    numbers = [label for label in found.tolist() if family(type(label)) in "if"]
    floats = [label for label in numbers if family(type(label)) == "f"]
    odd = [label for label in floats if not float(label).is_integer()]
    if odd:
        raise ArgumentError(
            f"the votes contain {odd[0]} (finite whole numbers expected, not inf or "
            "fractions); recode the labels, or pass soft votes as an array "
            "(n_samples, n_classes, n_classifiers)."
        )
    if min(numbers, default=0) < 0:
        raise LabelError(
            f"the votes contain the label {min(numbers)}, but labels must be non-negative and "
            "only -1 means a missing vote; recode them as 0, 1, 2, ... or as strings."
        )


def _warn_minus_one(found: NDArray[Any], absent: NDArray[np.bool_]) -> None:
    if found.dtype.kind in "if" and absent.any() and found.tolist() == [1]:
        warn(
            "the labels are exactly -1 and +1, and -1 is read as a missing vote; recode them as "
            "0 and 1 if both are classes.",
            MinusOneWarning,
        )


def _find_classes(found: NDArray[Any], n_classes: int | None) -> NDArray[Any]:
    """Classes from the labels found and, if given, their number."""
    if n_classes is None:
        if len(found):
            return found
        raise LabelError(
            "the votes contain no vote at all, every entry is missing; pass data with votes, or "
            "n_classes."
        )
    if not len(found) or found.dtype.kind in "iuf":
        if len(found) and found.max() >= n_classes:
            top = int(found.max())
            raise LabelError(
                f"n_classes={n_classes}, but the votes contain label {top}; pass "
                f"n_classes={top + 1}."
            )
        return np.arange(n_classes)
    if found.dtype.kind == "b" and n_classes == 2:
        return np.array([False, True])
    if len(found) != n_classes:
        raise LabelError(
            f"n_classes={n_classes}, but the votes contain {len(found)} distinct labels "
            f"({listed(found)}); pass n_classes={len(found)}, or name all of them by classes."
        )
    return found


def pair_count(n_classifiers: int, n_classes: int) -> int:
    """Count the (classifier, label) pairs, which must fit the 32-bit columns of `Votes`."""
    width = n_classifiers * n_classes
    if width > np.iinfo(np.int32).max:
        raise ShapeError(
            f"{n_classifiers} classifiers times {n_classes} classes exceed 2**31 - 1; check that "
            "the labels are classes and not measurements."
        )
    return width


def listed(names: Iterable[Any]) -> str:
    """First few of some names, as text.

    Examples
    --------
    >>> listed(range(8))
    '0, 1, 2, 3, 4, ... (8 in all)'
    """
    entries = names.tolist() if isinstance(names, np.ndarray) else list(names)
    more = f", ... ({len(entries)} in all)" if len(entries) > _SHOWN else ""
    return ", ".join(map(repr, entries[:_SHOWN])) + more
