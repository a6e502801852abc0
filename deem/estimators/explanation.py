"""Which vote drove which answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deem.core.left_out import leave_one_out, vote_pairs
from deem.core.model import LatentModel
from deem.core.votes import Votes
from deem.estimators.alignment import aligned, state_probabilities
from deem.utils.exception import ArgumentError

__all__ = ["Explanation", "class_scores", "explain"]

_SMALLEST = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Explanation:
    r"""What each vote contributed to the consensus on its sample.

    The contribution of classifier i is how far the log-odds of the consensus c against the
    runner-up r fall if its vote is left out:

    .. math:: \log\frac{p(c | v)}{p(r | v)} - \log\frac{p(c | v_{-i})}{p(r | v_{-i})}

    For an inverse RBM with one hidden unit it is
    :math:`\log \theta_i[v_i | c] - \log \theta_i[v_i | r]`. A missing vote contributes nothing
    and is not listed.

    Attributes
    ----------
    samples : (n,)
        Names of the samples, else their places.
    labels, runners_up : (n,)
        The most and the second most probable label of each sample; the same one of a single class.
    margins : (n,)
        Log-odds of the first against the second, at least 0, in nats.
    classifiers : (n_classifiers,)
        Names of the classifiers, else 0..n_classifiers-1.
    rows, columns : (m,)
        Sample (0..n-1) and classifier (0..n_classifiers-1) of each vote, in ascending order.
    votes : (m,)
        The label voted for, of a soft vote the most probable one.
    contributions : (m,)
        In nats; negative where the vote spoke for the runner-up.

    Examples
    --------
    >>> from deem import DEEM
    >>> votes = [["cat", "cat", "dog"], ["dog", "dog", "dog"], ["cat", "cat", "cat"]] * 9
    >>> found = DEEM(selection=None).fit(votes).explain(votes[:1])
    >>> for sentence in found.describe(0):
    ...     print(sentence)
    sample 0 is 'cat' and not 'dog' by 5.1 nats
    classifier 0 spoke for 'cat' with 2.7 nats
    classifier 1 spoke for 'cat' with 2.7 nats
    classifier 2 spoke against 'cat' with 0.7 nats, as it voted 'dog'
    """

    samples: NDArray[Any]
    labels: NDArray[Any]
    runners_up: NDArray[Any]
    margins: NDArray[np.float64]
    classifiers: NDArray[Any]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    votes: NDArray[Any]
    contributions: NDArray[np.float64]

    def matrix(self) -> NDArray[np.float64]:
        """Contributions as a matrix (n, n_classifiers), in nats; 0 for missing votes."""
        dense = np.zeros((len(self.samples), len(self.classifiers)))
        dense[self.rows, self.columns] = self.contributions
        return dense

    def to_dict(self) -> list[dict[str, Any]]:
        """One record a sample, with one a vote in it, as plain values for JSON."""
        bounds = np.searchsorted(self.rows, np.arange(len(self.samples) + 1))
        return [self._record(row, slice(*bounds[row : row + 2])) for row in range(len(bounds) - 1)]

    def describe(self, sample: Any) -> list[str]:
        """Sentences on one sample, the strongest vote first.

        Parameters
        ----------
        sample : name or int
            One of ``samples``.

        Raises
        ------
        ArgumentError
            If it is none of them.
        """
        row = int(_places(self.samples, [sample])[0])
        part = slice(*np.searchsorted(self.rows, [row, row + 1]))
        label, other = _plain(self.labels[row]), _plain(self.runners_up[row])
        named = self.samples.dtype.kind not in "iu"
        name = self.samples[row] if named else f"sample {self.samples[row]}"
        first = f"{name} is {label!r}"
        if label != other:
            first += f" and not {other!r} by {self.margins[row]:.1f} nats"
        order = part.start + np.argsort(-np.abs(self.contributions[part]), kind="stable")
        return [first, *(self._sentence(place, label) for place in order)]

    def _sentence(self, place: int, label: Any) -> str:
        classifier, vote = self.classifiers[self.columns[place]], _plain(self.votes[place])
        named = self.classifiers.dtype.kind not in "iu"
        nats = self.contributions[place]
        side = "for" if nats >= 0 else "against"
        text = f"{classifier if named else f'classifier {classifier}'} spoke {side} {label!r}"
        text += f" with {abs(nats):.1f} nats"
        return text if vote == label else f"{text}, as it voted {vote!r}"

    def _record(self, row: int, part: slice) -> dict[str, Any]:
        votes = zip(self.columns[part], self.votes[part], self.contributions[part], strict=True)
        return {
            "sample": _plain(self.samples[row]),
            "label": _plain(self.labels[row]),
            "runner_up": _plain(self.runners_up[row]),
            "margin": float(self.margins[row]),
            "votes": [
                {
                    "classifier": _plain(self.classifiers[column]),
                    "vote": _plain(vote),
                    "contribution": float(nats),
                }
                for column, vote, nats in votes
            ],
        }


@torch.no_grad()
def class_scores(
    model: LatentModel, votes: Votes, mapping: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Log-probabilities of the classes, up to one constant a sample.

    Parameters
    ----------
    model : LatentModel
        Asked for its ``class_logits`` where it has them, as probabilities round to 0 and 1.
    votes : Votes
        Of any samples.
    mapping : (n_classes,)
        Class of each hidden state.

    Returns
    -------
    (n_samples, n_classes)
        In nats.
    """
    logits = getattr(model, "class_logits", None)
    if logits is not None and getattr(model, "is_listed", True):
        return aligned(logits(votes).cpu().double().numpy(), mapping)
    return np.log(np.maximum(aligned(state_probabilities(model, votes), mapping), _SMALLEST))


def explain(
    votes: Votes,
    samples: Any,
    scores: Callable[[Votes], NDArray[np.float64]],
    classifiers: NDArray[Any],
) -> Explanation:
    """Leave each vote out in turn and see how the answer changes.

    Parameters
    ----------
    votes : Votes
        Of any samples.
    samples : sequence or None
        Names of the samples to explain, or their places where they have no names; all by default.
    scores : callable
        Gives log-probabilities of the classes up to one constant a sample, (n, n_classes).
    classifiers : (n_classifiers,)
        Their names.

    Raises
    ------
    ArgumentError
        If a sample is unknown.
    """
    names = np.arange(votes.n_samples) if votes.tasks is None else votes.tasks
    if samples is not None:
        chosen = _places(names, samples)
        votes, names = votes.take(chosen), names[chosen]
    top = scores(votes)
    best, second = _first_two(top)
    every = np.arange(len(top))
    rows, columns, labels = vote_pairs(votes)
    margins = top[every, best] - top[every, second]
    without = np.empty(len(rows))
    for part, rest in leave_one_out(votes, rows, columns):
        left, of = scores(rest), rows[part]
        pair = np.arange(len(left))
        without[part] = left[pair, best[of]] - left[pair, second[of]]
    return Explanation(
        samples=names,
        labels=votes.classes[best],
        runners_up=votes.classes[second],
        margins=margins,
        classifiers=classifiers,
        rows=rows,
        columns=columns,
        votes=votes.classes[labels],
        contributions=margins[rows] - without,
    )


def _first_two(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of the best and the second best class of each sample."""
    best = scores.argmax(1)
    if scores.shape[1] == 1:
        return best, best
    others = scores.copy()
    np.put_along_axis(others, best[:, None], -np.inf, axis=1)
    return best, others.argmax(1)


def _places(names: NDArray[Any], wanted: Any) -> NDArray[np.int64]:
    """Place of each wanted name."""
    known = {name: place for place, name in enumerate(names.tolist())}
    wanted = np.asarray(wanted, dtype=names.dtype if names.dtype.kind in "mM" else None).tolist()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        shown = ", ".join(repr(name) for name in names[:3].tolist())
        raise ArgumentError(
            f"samples holds {unknown[0]!r}, which is none of the {len(names)} samples ({shown}, "
            "...); pass names of samples, or their places where they have none."
        )
    return np.array([known[name] for name in wanted], dtype=np.int64)


def _plain(value: Any) -> Any:
    """A value for JSON and sentences: numpy's scalars as Python's, dates as text."""
    if isinstance(value, np.generic):
        value = str(value) if value.dtype.kind in "mM" else value.item()
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
