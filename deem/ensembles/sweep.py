"""Ensembles from independent to joint training, over several seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deem.core.splits import Splits
from deem.core.training import Callback
from deem.ensembles._described import digest_of_networks, plain
from deem.ensembles._seed_cells import SeedCells
from deem.ensembles._sweep_folder import check_data, done_cells, opened
from deem.ensembles.base import DeepEnsemble
from deem.ensembles.classifier import DeepEnsembleClassifier
from deem.ensembles.regressor import DeepEnsembleRegressor
from deem.ensembles.results import Cell, SweepResult, load_cells
from deem.utils.exception import ArgumentError, check_whole

__all__ = ["BetaSweep"]


class BetaSweep:
    """Train the same ensemble at several degrees of joint training.

    All degrees of a seed start from the same parameters and see the same batches, and are trained
    side by side in one bank. A cell, which is a seed and a beta, does not depend on which others
    are trained, but for rounding.

    Parameters
    ----------
    estimator : DeepEnsembleClassifier or DeepEnsembleRegressor, optional
        Its parameters are those of all ensembles, but for ``beta``, ``random_state`` and what
        holds samples out. By default a classifier or regressor as the targets ask for.
    betas : sequence of float
        In [0, 1].
    seeds : int or sequence of int
        Of parameters, draws and data; an int n stands for 0, ..., n - 1.
    n_jobs : int, optional
        Processes that train seeds side by side; see joblib.
    augment : callable, optional
        Changes samples in training, as `JointTraining` has it.
    n_workers : int
        Processes that read torch data sets.

    Examples
    --------
    >>> from deem.datasets import load_task
    >>> estimator = DeepEnsembleClassifier(n_learners=3, epochs=5)
    >>> sweep = BetaSweep(estimator, betas=[0, 1], seeds=2)
    >>> result = sweep.run(lambda seed: load_task("wine", seed))
    >>> result.values("accuracy").shape
    (2, 2)
    """

    def __init__(
        self,
        estimator: DeepEnsemble | None = None,
        betas: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0),
        seeds: int | Sequence[int] = 5,
        n_jobs: int | None = None,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        n_workers: int = 0,
    ):
        if not (estimator is None or isinstance(estimator, DeepEnsemble)):
            raise ArgumentError(
                f"estimator={estimator!r}; pass a DeepEnsembleClassifier or -Regressor, or None."
            )
        self.estimator, self.n_jobs = estimator, n_jobs
        self.training = {"augment": augment, "n_workers": n_workers}
        self.betas, self.seeds = _checked_betas(betas), _checked_seeds(seeds)

    def run(
        self,
        splits: Splits | Callable[[int], Splits],
        folder: str | Path | None = None,
        *,
        checkpoint_every: int = 10,
        callbacks: Sequence[Callback] = (),
    ) -> SweepResult:
        """Train and measure all cells.

        Parameters
        ----------
        splits : Splits or callable
            Data of all seeds, or a function from a seed to its data.
        folder : str or Path, optional
            Where every seed is written as soon as it is done. A sweep that was interrupted goes
            on where it was, and cells that are there are not trained again; the settings, and
            what networks and functions do, must be the same, the betas and seeds need not.
        checkpoint_every : int
            Epochs between two states of a running training in `folder`.
        callbacks : sequence of Callback
            Of every training.

        Returns
        -------
        SweepResult
            Of the cells of this sweep.

        Raises
        ------
        ArgumentError
            If the folder holds something else, or a sweep of other settings or data.
        NonFiniteError
            If a training diverged; cells that were done are in the folder.
        """
        from joblib import Parallel, delayed

        check_whole(1, checkpoint_every=checkpoint_every)
        of_seed = _Source(splits)
        settings = self._settings(of_seed(self.seeds[0]))
        place = None
        if folder is not None:
            place = opened(Path(folder), settings)
            check_data(place, self.seeds, of_seed)
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(self._of_seed)(seed, of_seed, place, checkpoint_every, callbacks)
            for seed in self.seeds
        )
        result = SweepResult([cell for cells in found for cell in cells], settings)
        if place is not None:
            everything = sorted(load_cells(place), key=lambda c: (c.seed, c.beta))
            SweepResult(everything, settings).write_tables(place)
        return result

    def _settings(self, splits: Splits) -> dict[str, Any]:
        trainer = SeedCells(self._estimator(splits), splits, self.seeds[0])
        left_out = ("beta", "random_state", "verbose", "device", "backend")
        params = trainer.estimator.get_params(deep=False).items()
        factories = [trainer.factory] if callable(trainer.factory) else trainer.factory
        return {
            "estimator": type(trainer.estimator).__name__,
            "data": splits.name,
            "params": {name: plain(value) for name, value in params if name not in left_out},
            # A name may stand for another network than it did.
            "network": digest_of_networks(factories),
            "augment": plain(self.training["augment"]),
        }

    def _estimator(self, splits: Splits) -> DeepEnsemble:
        if self.estimator is not None:
            return self.estimator
        return DeepEnsembleRegressor() if splits.classes is None else DeepEnsembleClassifier()

    def _of_seed(
        self,
        seed: int,
        of_seed: Callable[[int], Splits],
        place: Path | None,
        every: int,
        callbacks: Sequence[Callback],
    ) -> list[Cell]:
        splits = of_seed(seed)
        trainer = SeedCells(self._estimator(splits), splits, seed, **self.training)
        done = {} if place is None else done_cells(place, seed, self.betas, trainer.digest)
        left = [beta for beta in self.betas if beta not in done]
        for betas in trainer.together(left):
            for cell in trainer.cells(betas, place, every, callbacks):
                done[cell.beta] = cell
        return [done[beta] for beta in self.betas]


def _checked_betas(betas: Iterable[float]) -> list[float]:
    try:
        # Minus zero is zero.
        found = sorted({float(beta) + 0.0 for beta in betas})
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"betas={betas!r}; expected numbers in [0, 1].") from error
    if not found or not all(0 <= beta <= 1 for beta in found):
        raise ArgumentError(f"betas={found}; expected at least one number, all in [0, 1].")
    return found


def _checked_seeds(seeds: int | Iterable[int]) -> list[int]:
    if isinstance(seeds, Integral):
        seeds = range(int(seeds))
    if not isinstance(seeds, Iterable):
        raise ArgumentError(f"seeds={seeds!r}; expected a number of seeds, or a list of them.")
    found = list(dict.fromkeys(seeds))
    for seed in found:
        check_whole(0, seed=seed)
    if not found:
        raise ArgumentError("seeds holds no seed; pass at least one.")
    return [int(seed) for seed in found]


class _Source:
    """Checked data of a seed; asked for again at once they are not read again."""

    def __init__(self, splits: Any):
        self.splits = splits
        self._last: tuple[int, Splits] | None = None

    def __call__(self, seed: int) -> Splits:
        if self._last is None or self._last[0] != seed:
            found = self.splits(seed) if callable(self.splits) else self.splits
            self._last = seed, _checked_splits(found)
        return self._last[1]

    def __reduce__(self) -> tuple[Any, ...]:
        # Other processes read for themselves.
        return _Source, (self.splits,)


def _checked_splits(found: Any) -> Splits:
    if not isinstance(found, Splits):
        raise ArgumentError(
            f"splits gives a {type(found).__name__}; pass deem.core.splits.Splits, or a function "
            "from a seed to them."
        )
    for name in ("train", "test"):
        part = getattr(found, name)
        if not hasattr(part, "__len__") or not len(part):
            raise ArgumentError(
                f"splits '{found.name}' has no samples in {name}, or no number of them; pass some."
            )
    return found
