"""Consensus of the learners of a sweep without labels, against their own averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deem.ensembles.collusion import error_correlation, oracle_accuracy
from deem.ensembles.results import Cell, SweepResult, pivoted, summary, write_rows
from deem.estimators.baselines import DawidSkene, MajorityVote
from deem.estimators.consensus import DEEM
from deem.math.decomposition import aggregate
from deem.utils.exception import ArgumentError, check_choice, check_whole

__all__ = ["AGGREGATORS", "ConsensusResult", "ConsensusSweep"]

_COLUMNS = ("seed", "beta", "n_learners", "method", "accuracy")

_LABELLED = ("mean individual", "best individual", "any learner right", "error correlation")
"""Methods besides the aggregators."""


def _hard(scores: Tensor) -> NDArray[np.int64]:
    return scores.argmax(-1).numpy()


def _soft(scores: Tensor) -> NDArray[np.float64]:
    return scores.softmax(-1).transpose(1, 2).contiguous().numpy()


def _vote(scores: Tensor, seed: int) -> NDArray[np.int64]:
    voter = MajorityVote(n_classes=scores.shape[-1], random_state=seed)
    return voter.fit_predict(_hard(scores))


def _average(how: str) -> Callable[[Tensor, int], NDArray[np.int64]]:
    return lambda scores, seed: aggregate(scores, how).argmax(-1).numpy()


def _dawid_skene(scores: Tensor, seed: int) -> NDArray[np.int64]:
    return DawidSkene(n_classes=scores.shape[-1]).fit_predict(_hard(scores))


def _deem_hard(scores: Tensor, seed: int) -> NDArray[np.int64]:
    return DEEM(n_classes=scores.shape[-1], random_state=seed).fit_predict(_hard(scores))


def _deem_soft(scores: Tensor, seed: int) -> NDArray[np.int64]:
    return DEEM(n_classes=scores.shape[-1], random_state=seed).fit_predict(_soft(scores))


AGGREGATORS: dict[str, Callable[[Tensor, int], NDArray[np.int64]]] = {
    "majority vote": _vote,
    "probability mean": _average("prob"),
    "score mean": _average("score"),
    "Dawid-Skene": _dawid_skene,
    "DEEM hard": _deem_hard,
    "DEEM soft": _deem_soft,
}
"""Ways from scores (n_samples, n_learners, n_classes) and a seed to class codes, label-free."""


@dataclass(frozen=True, eq=False)
class ConsensusResult:
    """Accuracies of several ways to a consensus.

    Parameters
    ----------
    rows : list of dict
        With seed, beta, n_learners, method and accuracy. Besides the aggregators there are the
        methods "mean individual", "best individual" and "any learner right", which look at the
        labels, and "error correlation", whose value is a mean correlation.
    """

    rows: list[dict[str, Any]]

    @property
    def betas(self) -> list[float]:
        """Degrees of joint training, sorted."""
        return sorted({row["beta"] for row in self.rows})

    @property
    def methods(self) -> list[str]:
        """Names of all methods."""
        return list(dict.fromkeys(row["method"] for row in self.rows))

    def values(self, method: str, n_learners: int | None = None) -> NDArray[np.float64]:
        """Accuracies (n_seeds, n_betas) of a method with so many learners, by default all."""
        check_choice("method", method, self.methods)
        sizes = sorted({row["n_learners"] for row in self.rows})
        n_learners = sizes[-1] if n_learners is None else n_learners
        check_choice("n_learners", n_learners, sizes)
        return pivoted(self.rows, "accuracy", method=method, n_learners=n_learners)

    def table(self, n_learners: int | None = None) -> list[dict[str, Any]]:
        """Mean, standard deviation and standard error of every method and beta."""
        return [
            {"method": method, "beta": beta, **summary(values)}
            for method in self.methods
            for beta, values in zip(self.betas, self.values(method, n_learners).T, strict=True)
        ]

    def save(self, path: str | Path) -> None:
        """Write the rows as CSV."""
        write_rows(Path(path), self.rows, _COLUMNS)


class ConsensusSweep:
    """Fuse the learners of every cell of a sweep by several ways that see no label.

    The learners' predictions of the test samples are all there is; see [1]_ for the vote by
    confusion tables. Where learners collude, they are poor on their own but in a structured way,
    which a model of every learner's confusions undoes.

    Parameters
    ----------
    aggregators : str, sequence of str, or dict of callables, optional
        Names of `AGGREGATORS`, by default all; or ways of one's own by name.
    n_dropped : int or sequence of int
        Numbers of learners that are left out at random.
    selection : {"last", "best"}
        Which parameters of the learners.

    References
    ----------
    .. [1] Dawid, Skene (1979), Maximum likelihood estimation of observer error-rates using the EM
       algorithm, Applied Statistics 28.
    """

    def __init__(
        self,
        aggregators: str | Sequence[str] | Mapping[str, Callable] | None = None,
        n_dropped: int | Sequence[int] = (0,),
        selection: str = "last",
    ):
        if isinstance(aggregators, Mapping):
            self.aggregators = dict(aggregators)
        else:
            names = list(AGGREGATORS if aggregators is None else _several(aggregators))
            for name in names:
                check_choice("aggregators", name, AGGREGATORS)
            self.aggregators = {name: AGGREGATORS[name] for name in names}
        for name in _LABELLED:
            if name in self.aggregators:
                raise ArgumentError(
                    f"aggregators holds {name!r}, the name of a method that looks at the labels; "
                    "choose another name."
                )
        check_choice("selection", selection, ("last", "best"))
        self.n_dropped, self.selection = tuple(dict.fromkeys(_several(n_dropped))), selection
        for n in self.n_dropped:
            check_whole(0, n_dropped=n)

    def run(self, result: SweepResult) -> ConsensusResult:
        """Fuse the test predictions of all cells.

        Parameters
        ----------
        result : SweepResult
            Of classifiers.

        Raises
        ------
        ArgumentError
            If it is of regressors, or fewer than two learners are left.
        """
        return ConsensusResult([row for cell in result.cells for row in self._of_cell(cell)])

    def _of_cell(self, cell: Cell) -> list[dict[str, Any]]:
        is_of_classes = all(scores.shape[-1] > 1 for scores in cell.scores.values())
        if cell.targets.is_floating_point() or not is_of_classes:
            raise ArgumentError("result is of regressors; a consensus of classes needs classes.")
        check_choice("selection", self.selection, cell.scores)
        scores = cell.scores[self.selection].double()
        # The same learners are left out for every beta.
        order = np.random.default_rng([cell.seed, 3]).permutation(scores.shape[1])
        rows = []
        for n in self.n_dropped:
            kept = np.sort(order[: max(scores.shape[1] - n, 0)])
            if len(kept) < 2:
                raise ArgumentError(
                    f"n_dropped={n} leaves {len(kept)} of {scores.shape[1]} learners; a "
                    "consensus needs two."
                )
            key = {"seed": cell.seed, "beta": cell.beta, "n_learners": len(kept)}
            found = self._accuracies(scores[:, kept], cell.targets, cell.seed)
            rows += [{**key, "method": k, "accuracy": v} for k, v in found.items()]
        return rows

    def _accuracies(self, scores: Tensor, y: Tensor, seed: int) -> dict[str, float]:
        each = (scores.argmax(-1) == y.unsqueeze(-1)).double().mean(0)
        found = {"mean individual": float(each.mean()), "best individual": float(each.max())}
        for name, way in self.aggregators.items():
            codes = np.asarray(way(scores, seed))
            if codes.shape != tuple(y.shape) or codes.dtype.kind not in "iu":
                raise ArgumentError(
                    f"aggregators[{name!r}] gives {codes.dtype} of shape {codes.shape}; it must "
                    f"return class codes {tuple(y.shape)}, whole numbers from 0."
                )
            found[name] = float((codes == y.numpy()).mean())
        found["any learner right"] = float(oracle_accuracy(scores, y))
        found["error correlation"] = float(error_correlation(scores, y))
        return found


def _several(values: Any) -> list[Any]:
    """A sequence, also of what is no sequence."""
    return (
        list(values) if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    )
