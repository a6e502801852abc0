"""Ensembles of several seeds and degrees of joint training, trained side by side in one bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from deem.core.devices import as_device
from deem.core.training import Callback, train
from deem.ensembles.bank import LearnerBank
from deem.ensembles.joint import JointTraining
from deem.ensembles.rows import Rows, Stream, as_rows
from deem.math.random import as_generator
from deem.utils.exception import ArgumentError, check_whole

__all__ = ["train_cells"]


def train_cells(
    factory: Callable[[], nn.Module] | Sequence[Callable[[], nn.Module]],
    train_parts: Sequence[Any],
    *,
    seeds: Sequence[int],
    beta: float | Sequence[float] = 0.0,
    n_learners: int = 8,
    validation_parts: Sequence[Any] | None = None,
    epochs: int = 60,
    batch_size: int = 64,
    bootstrap: bool = False,
    backend: str = "auto",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    n_workers: int = 0,
    callbacks: Sequence[Callback] = (),
    resume: str | Path | None = None,
    **settings: Any,
) -> tuple[LearnerBank, JointTraining]:
    """Train an ensemble for each seed and beta.

    What comes out for a seed and a beta does not depend on which others are trained beside it,
    but for rounding: first parameters, order of the samples and draws come from the seed. Train
    cells apart if layers draw, as dropout does, which cannot do so for each of them; and if some
    may diverge, which ends the training of all.

    Parameters
    ----------
    factory, n_learners, backend
        As in `LearnerBank`.
    train_parts, validation_parts : sequence of Dataset, or of one torch data set
        With targets, one a seed.
    seeds : sequence of int
        Of the ensembles.
    beta : float or sequence of float
        Degrees of joint training of each seed, in [0, 1].
    epochs, batch_size : int
        Length of the training, and samples a step.
    bootstrap : bool
        Whether every learner sees a sample of the training data of their size, drawn with
        replacement.
    device, dtype
        Where, and in which numbers.
    n_workers : int
        Processes that read a torch data set.
    callbacks, resume
        As in `deem.core.training.train`.
    **settings
        Of `JointTraining`.

    Returns
    -------
    bank : LearnerBank
        One group for each seed and beta, seeds first, as they were after the last epoch.
    solver : JointTraining
        With the history of each group, and its best parameters.
    """
    betas = np.ravel(np.asarray(beta)).tolist()
    if not betas:
        raise ArgumentError(f"beta={beta!r}; expected one number in [0, 1] or more.")
    check_whole(1, batch_size=batch_size)
    bank = LearnerBank(factory, n_learners, seeds, len(betas), backend)
    bank = bank.to(as_device(device), dtype)
    _check_parts("train_parts", train_parts, bank)
    rows = _shuffled(as_rows(train_parts, n_workers, bank.has_batch_norm), bank, bootstrap)
    _check_batches(bank, batch_size, len(rows))
    if validation_parts is not None:
        _check_parts("validation_parts", validation_parts, bank)
        settings["validation"] = as_rows(validation_parts, n_workers)
    solver = JointTraining(betas, **settings)
    # All seeds take their rows, each in its own order, by one permutation an epoch.
    generator = as_generator(0)
    train(
        bank,  # type: ignore[arg-type]
        rows,
        solver,
        epochs=epochs,
        batch_size=batch_size,
        generator=generator,
        callbacks=callbacks,
        resume=resume,
    )
    return bank.eval(), solver


def _check_parts(name: str, parts: Sequence[Any], bank: LearnerBank) -> None:
    if len(parts) != len(bank.seeds):
        raise ArgumentError(
            f"{name} has {len(parts)} entries, but there are {len(bank.seeds)} seeds; pass one "
            "each."
        )


def _check_batches(bank: LearnerBank, batch_size: int, n_samples: int) -> None:
    if bank.has_batch_norm and min(batch_size, n_samples) == 1:
        raise ArgumentError(
            f"batch_size={batch_size} with {n_samples} samples gives batches of one, from which "
            "batch normalisation cannot learn; pass larger batches, or networks normalised "
            "otherwise."
        )


def _shuffled(rows: Rows | Stream, bank: LearnerBank, bootstrap: bool) -> Rows | Stream:
    """Samples of each seed in an order of its own, with counts of a bootstrap if asked for."""
    if isinstance(rows, Stream):
        if bootstrap:
            raise ArgumentError("bootstrap=True needs data in memory; pass a Dataset.")
        order = np.random.default_rng([bank.seeds[0], 2]).permutation(len(rows))
        return Stream(rows.source, rows.n_workers, rows.joins_last, torch.from_numpy(order))
    n, orders, counts = len(rows), [], []
    for seed in bank.seeds:
        rng = np.random.default_rng([seed, 2])
        orders.append(torch.from_numpy(rng.permutation(n)))
        if bootstrap:
            drawn = rng.multinomial(n, np.full(n, 1 / n), size=bank.n_learners)
            counts.append(torch.from_numpy(drawn.T.copy()))
    data = torch.stack([rows.data[order, s] for s, order in enumerate(orders)], 1)
    targets = torch.stack([rows.targets[order, s] for s, order in enumerate(orders)], 1)
    found = torch.stack(counts, 1) if bootstrap else None
    return Rows(data, targets, found, rows.joins_last)
