"""Independent against joint training over several architectures, a row each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from torch import Tensor

from deem.core.splits import Splits
from deem.core.training import Callback
from deem.ensembles.base import DeepEnsemble
from deem.ensembles.classifier import DeepEnsembleClassifier
from deem.ensembles.results import SweepResult, summary, write_rows
from deem.ensembles.sweep import BetaSweep
from deem.math.decomposition import aggregate
from deem.utils.exception import ArgumentError, check_choice, check_whole

__all__ = ["ArchitectureTable", "independent_vs_joint"]

_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*%]')


@dataclass(frozen=True, eq=False)
class ArchitectureTable:
    """Accuracies of independent and joint training by architecture.

    Parameters
    ----------
    rows : list of dict
        For every architecture its name (learner), n_parameters of a learner, n_learners, n_seeds,
        and the mean accuracy of a single learner that was trained alone (single), of independent
        and joint training; the mean of the paired differences between the two (delta), its
        standard error (sem), and the number of seeds in which joint training is below (n_below).
        With `top_k` also independent_top_k, joint_top_k and the k.
    sweeps : dict of SweepResult
        What they were computed from.
    """

    rows: list[dict[str, Any]]
    sweeps: dict[str, SweepResult]

    def save(self, folder: str | Path) -> None:
        """Write ``table.csv`` and a sweep an architecture into a folder.

        Characters that names of folders cannot have become their number, as in ``a%2Fb``.
        """
        folder = Path(folder)
        for name, sweep in self.sweeps.items():
            sweep.save(folder / _folder_name(name))
        self.write_table(folder)

    def write_table(self, folder: Path) -> None:
        """Write ``table.csv``."""
        write_rows(folder / "table.csv", self.rows, list(self.rows[0]))


def independent_vs_joint(
    architectures: Sequence[str] | Mapping[str, Any],
    splits: Splits | Callable[[int], Splits],
    *,
    estimator: DeepEnsemble | None = None,
    seeds: int | Sequence[int] = 3,
    top_k: int | None = None,
    selection: str = "last",
    folder: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> ArchitectureTable:
    """Train every architecture independently and jointly and compare.

    Parameters
    ----------
    architectures : sequence of str, or dict
        Names of `deem.ensembles.learners.LEARNERS`; or learners by a name of one's own, each a
        name, a factory, a pair of one of these and a dict of parameters, or an estimator with all
        of its settings.
    splits : Splits or callable
        Data in memory, or torch data sets, such as folders of images; of all seeds, or a function
        from a seed to its data.
    estimator : DeepEnsembleClassifier, optional
        Settings, but for the learner and its parameters, of all architectures that are no
        estimators.
    seeds : int or sequence of int
        As in `BetaSweep`.
    top_k : int, optional
        Also report how often the true class is among the k most probable ones.
    selection : {"last", "best"}
        Parameters after the last epoch, or where the validation samples were best.
    folder : str or Path, optional
        Of the sweeps, each in a folder of the name of its architecture, and of the table; an
        interrupted call goes on where it was.
    callbacks : sequence of Callback
        Of every training.
    **settings
        Further ones of `BetaSweep`.

    Returns
    -------
    ArchitectureTable
    """
    check_choice("selection", selection, ("last", "best"))
    if top_k is not None:
        check_whole(1, top_k=top_k)
    if isinstance(splits, Splits):
        _check_report(splits, selection, top_k)
    base = DeepEnsembleClassifier() if estimator is None else estimator
    entries = _entries(architectures).items()
    estimators = {name: _estimator(name, base, entry) for name, entry in entries}
    if folder is not None and Path(folder).is_file():
        raise ArgumentError(f"folder='{folder}' is a file; choose a folder.")
    sweeps, rows = {}, []
    for name, found in estimators.items():
        place = None if folder is None else Path(folder) / _folder_name(name)
        sweep = BetaSweep(found, betas=(0.0, 1.0), seeds=seeds, **settings)
        sweeps[name] = sweep.run(splits, place, callbacks=callbacks)
        rows.append(_row(name, sweeps[name], selection, top_k))
    table = ArchitectureTable(rows, sweeps)
    if folder is not None:
        table.write_table(Path(folder))
    return table


def _entries(architectures: Any) -> dict[str, Any]:
    """Learners by name."""
    if isinstance(architectures, Mapping):
        found = dict(architectures)
    elif isinstance(architectures, Iterable) and not isinstance(architectures, str):
        names = list(architectures)
        found = dict(zip(map(str, names), names, strict=True))
        if not all(isinstance(name, str) for name in names):
            raise ArgumentError(f"architectures={names!r}; pass names, or a dict of learners.")
    else:
        found = {}
    if not found or not all(isinstance(name, str) and name for name in found):
        raise ArgumentError(
            f"architectures={architectures!r}; pass a sequence of names, or a dict of learners by "
            "names that are not empty."
        )
    return found


def _estimator(name: str, base: DeepEnsemble, entry: Any) -> DeepEnsemble:
    if isinstance(entry, tuple) and len(entry) != 2:
        raise ArgumentError(
            f"architectures[{name!r}] has {len(entry)} entries; expected a learner and a dict of "
            "its parameters, or a list of one learner each."
        )
    if not isinstance(entry, DeepEnsemble):
        learner, params = entry if isinstance(entry, tuple) else (entry, None)
        entry = clone(base).set_params(learner=learner, learner_params=params)
    if not isinstance(entry, DeepEnsembleClassifier):
        raise ArgumentError(
            f"architectures[{name!r}] is a {type(entry).__name__}, which has no accuracy; pass a "
            "DeepEnsembleClassifier."
        )
    return entry


def _check_report(splits: Splits, selection: str, top_k: int | None) -> None:
    """Raise before any training for what cannot be reported after it."""
    if selection == "best" and splits.validation is None:
        raise ArgumentError("selection='best', but splits has no validation part; pass one.")
    if top_k is not None and splits.classes is not None and top_k > len(splits.classes):
        raise ArgumentError(f"top_k={top_k}, but there are {len(splits.classes)} classes.")


def _folder_name(name: str) -> str:
    """A name as a folder can have it, on all systems and another one for every name."""
    dots = len(name) - len(name.rstrip(". "))
    found = _FORBIDDEN.sub(_numbered, name[: len(name) - dots])
    return found + re.sub(".", _numbered, name[len(name) - dots :])


def _numbered(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"


def _row(name: str, sweep: SweepResult, selection: str, top_k: int | None) -> dict[str, Any]:
    independent, joint = sweep.values("accuracy", selection=selection).T
    # With nothing of the others in its gradient, a learner of an independent ensemble is one that
    # was trained alone.
    single = sweep.values("individual_accuracy", selection=selection)[:, 0]
    difference = summary(joint - independent)
    row = {
        "learner": name,
        "n_parameters": sweep.cells[0].n_parameters,
        "n_learners": sweep.cells[0].scores[selection].shape[1],
        "n_seeds": difference["n_seeds"],
        "single": float(single.mean()),
        "independent": float(independent.mean()),
        "joint": float(joint.mean()),
        "delta": difference["mean"],
        "sem": difference["sem"],
        "n_below": int((joint < independent).sum()),
    }
    if top_k is not None:
        row["k"] = top_k
        for beta, column in ((0.0, "independent_top_k"), (1.0, "joint_top_k")):
            cells = [cell for cell in sweep.cells if cell.beta == beta]
            row[column] = float(
                np.mean([_top_k(c.scores[selection], c.targets, c.how, top_k) for c in cells])
            )
    return row


def _top_k(scores: Tensor, y: Tensor, how: str, k: int) -> float:
    if k > scores.shape[-1]:
        raise ArgumentError(f"top_k={k}, but there are {scores.shape[-1]} classes.")
    best = aggregate(scores, how).topk(k, -1).indices
    return float((best == y.unsqueeze(-1)).any(-1).double().mean())
