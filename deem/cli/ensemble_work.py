"""What the commands on ensembles do, from settings to files and tables."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from deem.cli.ensemble_data import augmentation
from deem.cli.ensemble_folder import KeepConfig, Prepared, Request, prepare
from deem.cli.ensemble_grids import consensus_grid, headline, sweep_grid, table_grid
from deem.cli.ensemble_pictures import draw_consensus, draw_diagnosis, draw_sweep
from deem.cli.results import file_grid
from deem.core.training import Callback, ProgressBar
from deem.ensembles.collusion import CollusionReport, diagnose
from deem.ensembles.consensus import ConsensusResult, ConsensusSweep
from deem.ensembles.results import SweepResult
from deem.ensembles.sweep import BetaSweep
from deem.ensembles.table import ArchitectureTable, independent_vs_joint
from deem.utils.exception import ArgumentError

__all__ = ["run_consensus", "run_diagnose", "run_sweep", "run_table"]

_OF_TABLE = ("learners", "top_k")
_OF_CONSENSUS = ("n_dropped", "aggregators")

_SWEPT = [
    (Path("config.json"), "all settings, for --config"),
    (Path("rows.csv"), "what was measured, a number a row"),
    (Path("sweep.json"), "histories of the trainings"),
    (Path("*.cell"), "scores of the test samples, a file a seed and beta"),
]


def run_sweep(request: Request) -> SweepResult:
    """Train an ensemble at several degrees of joint training.

    Parameters
    ----------
    request : Request
        Of the user.

    Returns
    -------
    SweepResult
        Which is also in the folder, with pictures.
    """
    prepared = prepare(request, "sweep", ("beta", *_OF_TABLE, *_OF_CONSENSUS))
    result = _swept(prepared, request.verbose)
    files = [*_SWEPT, *draw_sweep(result, prepared.folder)]
    _show(prepared, sweep_grid(result, prepared.config.selection), files)
    return result


def run_table(request: Request) -> ArchitectureTable:
    """Compare independent with joint training over architectures; see `run_sweep`."""
    unused = ("beta", "betas", "learner", "learner_params", "checkpoint_every", *_OF_CONSENSUS)
    defaults = {"data": "digits_images", "n_learners": 4, "seeds": 3, "epochs": 20}
    prepared = prepare(request, "table", unused, True, True, **defaults)
    config, folder = prepared.config, prepared.folder
    _check_top_k(prepared)
    _check_folder_of_table(folder)
    folder.mkdir(parents=True, exist_ok=True)
    prepared.save_config()
    table = independent_vs_joint(
        config.learners,
        prepared.source,
        estimator=prepared.estimator,
        seeds=config.seed_list,
        top_k=config.top_k,
        selection=config.selection,
        folder=folder,
        callbacks=[ProgressBar()] if request.verbose else [],
        n_jobs=config.n_jobs,
        n_workers=config.n_workers,
        augment=augmentation(config, prepared.splits),
    )
    files = [
        _SWEPT[0],
        (Path("table.csv"), "the table"),
        *((Path(name), "folder of the sweep of this learner") for name in config.learners),
    ]
    _show(prepared, table_grid(table, config.selection), files)
    return table


def run_diagnose(request: Request) -> list[CollusionReport]:
    """Diagnose independent learners and those of another beta; see `run_sweep`."""
    unused = ("betas", *_OF_TABLE, *_OF_CONSENSUS)
    prepared = prepare(request, "diagnose", unused, seeds=1)
    betas = tuple(sorted({0.0, prepared.config.beta}))
    prepared = replace(prepared, config=replace(prepared.config, betas=betas))
    result, loss = _swept(prepared, request.verbose), prepared.loss
    selection = prepared.config.selection
    reports = {
        f"seed {cell.seed}, β = {cell.beta:g}": diagnose(
            cell.scores[selection].double(), cell.targets, cell.how, loss
        )
        for cell in result.cells
    }
    content = {name: report.to_dict() for name, report in reports.items()}
    path = prepared.folder / "report.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    console = Console()
    for name, report in reports.items():
        console.print(Text(f"\n{name}", style="bold"))
        console.print(Padding(Text("\n".join(report.summary())), (0, 0, 0, 2)))
    pictures = draw_diagnosis(result, reports, selection, prepared.folder)
    files = [*_SWEPT, (path, "all numbers of the diagnosis"), *pictures]
    console.print(file_grid(f"Written to {prepared.folder}", files))
    return list(reports.values())


def run_consensus(request: Request) -> ConsensusResult:
    """Fuse the learners of a sweep without labels; see `run_sweep`."""
    prepared = prepare(request, "sweep", ("beta", *_OF_TABLE), needs_classes=True)
    config = prepared.config
    if config.n_learners - max(config.n_dropped) < 2:
        raise ArgumentError(
            f"n_dropped={max(config.n_dropped)} of {config.n_learners} learners leaves less than "
            "two; a consensus needs more."
        )
    sweep = ConsensusSweep(config.aggregators, config.n_dropped, config.selection)
    result = _swept(prepared, request.verbose)
    with _said_once():
        found = sweep.run(result)
    path = prepared.folder / "consensus.csv"
    found.save(path)
    picture = draw_consensus(found, prepared.folder)
    files = [*_SWEPT, (path, "accuracy of every method, seed and beta"), *picture]
    _show(prepared, consensus_grid(found), files)
    return found


@contextmanager
def _said_once() -> Iterator[None]:
    """Warn once of what many fusions warn of; their cures are for users of one of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    counts = Counter(found.category for found in caught)
    for category, count in counts.items():
        first = next(str(found.message) for found in caught if found.category is category)
        text = f"{first.partition('; ')[0].rstrip('.')} ({count} fusions are alike)."
        warnings.warn(text, category, stacklevel=2)


def _swept(prepared: Prepared, verbose: bool) -> SweepResult:
    """Run a sweep, or what is left of it, in its folder."""
    config = prepared.config
    sweep = BetaSweep(
        prepared.estimator,
        betas=config.betas,
        seeds=config.seed_list,
        n_jobs=config.n_jobs,
        augment=augmentation(config, prepared.splits),
        n_workers=config.n_workers,
    )
    callbacks: list[Callback] = [KeepConfig(prepared), *([ProgressBar()] if verbose else [])]
    every = config.checkpoint_every
    result = sweep.run(
        prepared.source, prepared.folder, checkpoint_every=every, callbacks=callbacks
    )
    prepared.save_config()
    return result


def _show(prepared: Prepared, grid: object, files: list[tuple[Path, str]]) -> None:
    console = Console()
    console.print(Text(headline(prepared.config, prepared.splits)))
    console.print(grid)
    console.print(file_grid(f"Written to {prepared.folder}", files))


def _check_top_k(prepared: Prepared) -> None:
    k, classes = prepared.config.top_k, prepared.splits.classes or ()
    if k is not None and k > len(classes):
        raise ArgumentError(f"top_k={k}, but there are {len(classes)} classes; ask for less.")


def _check_folder_of_table(folder: Path) -> None:
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / "config.json").is_file() or (folder / "sweep.json").is_file():
        raise ArgumentError(f"folder='{folder}' holds no table; choose another --tag.")
