"""Deep models on every vote file: collapse, likelihood, accuracy, seeds, speed, memory.

    python benchmarks/deep.py FOLDER [--only SET ...] [--parts PART ...] [--jobs N] [--page FILE]

Parts: fits, held_out, seeds, starts, stacked, large, memory, step, fit. Figures are kept by set
and setting in benchmarks/results/deep and measured once; delete it to measure anew. ``step``
and ``fit`` alternate with deem 0.2.0 in the environment of ``make bench-env``. Prints tables,
writes benchmarks/results/deep.json, and with --page the tables as Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
import warnings
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from common import (
    HERE,
    VoteFile,
    folder_argument,
    peer_python,
    peer_version,
    run_apart,
    versions,
    vote_files,
    write_json,
)
from deep_tables import page, tables
from joblib import Parallel, delayed

from deem import DEEM
from deem.core.votes import Votes
from deem.math.random import as_generator, draw_one_hot
from deem.models import MultinomialIRBM
from deem.models.deep_start import exact_inverse_rbm
from deem.models.initialization import initialise
from deem.samplers.likelihood import estimate_log_likelihood

MOST_CELLS = 1000
"""Classifiers times classes up to which a set takes a full layer."""

SEEDS, MANY_SEEDS = (0, 1, 2), (0, 1, 2, 3, 4)
CHAINS = 5000
"""Of annealing, shared by the patterns of missing votes."""

SMOOTHING = 0.1
"""Probability that soft votes spread over all classes."""

SPREAD = ("paper-csgo", "paper-balance-scale", "paper-tree3k", "paper-dataset_petfinder")
LARGE = ("crowd-CF", "paper-dataset_isolet_rf", "paper-imagenet_filtered_unique", "crowd-s4_*")
LARGE_EPOCHS = 1
MEMORY = ("paper-imagenet_filtered_unique", [10, 5])
RANDOM_START, WHOLE_FIT = "rbm-condind_test", "rbm-condind_test"
STEPS = ((12, 3), (15, 10))
RESULTS = HERE / "results" / "deep"


def smoothed(file: VoteFile) -> np.ndarray:
    """Soft votes (n_samples, n_classes, n_classifiers) made from hard ones by label smoothing."""
    v = file.votes.one_hot(dtype=torch.float64)
    soft = (1 - SMOOTHING) * v + SMOOTHING / v.shape[2] * (v.sum(-1, keepdim=True) > 0)
    return soft.transpose(1, 2).numpy()


def fit(file: VoteFile, seed: int, form: str, **settings: Any) -> dict[str, Any]:
    """One fit of the deep model with its defaults, and the exact one beside it."""
    given = file.votes if form == "hard" else smoothed(file)
    classes = None if form == "hard" else file.n_classes
    exact = DEEM(n_classes=classes, selection=None).fit(given)
    start = time.process_time()
    settings = settings or {"use_preprocessing": True}
    deep = DEEM(n_classes=classes, random_state=seed, **settings).fit(given)
    seconds = time.process_time() - start
    history, found = deep.history_, deep.history_.settings
    abandoned = found["abandoned"]
    return {
        "exact": file.accuracy(exact.labels_),
        "deep": file.accuracy(deep.labels_),
        "seconds": seconds,
        "epochs": history.n_epochs,
        "restarts": found["restarts"],
        "abandoned": abandoned,
        "finite": bool(np.isfinite(deep.probas_).all()),
        "classes_used": len(np.unique(deep.labels_)),
        "classes_used_by_exact": len(np.unique(exact.labels_)),
        "acceptance": None if abandoned else history["acceptance"][-1],
        "n_samples": file.votes.n_samples,
        "cells": file.votes.n_classifiers * file.n_classes,
    }


def held_out(file: VoteFile, seed: int = 0) -> dict[str, Any]:
    """Log-likelihood of held-out samples before and after training, and how far layers went."""
    votes = file.votes.take(~file.votes.empty_rows())
    order = as_generator(seed)
    rows = torch.randperm(votes.n_samples, generator=order).numpy()
    learnt, judged = votes.take(rows[::2]), _hard(votes.take(rows[1::2]))
    exact = exact_inverse_rbm(learnt)
    trained: Any = DEEM(use_preprocessing=True, random_state=seed).fit(learnt)
    start = _at_start(trained.model_, learnt, seed)
    result = {"n_rows": judged.shape[0], "abandoned": trained.history_.settings["abandoned"]}
    if result["abandoned"]:
        return result
    judged = judged[:2000]
    patterns = len((judged.sum(-1) > 0).unique(dim=0))
    for name, model in (("start", start), ("trained", trained.model_)):
        found = estimate_log_likelihood(
            model,
            judged.to(model.dtype),
            exact,
            generator=as_generator(1),
            n_steps=10,
            n_chains=max(CHAINS // patterns, 16),
        )
        result[name], result[f"{name}_error"] = found.mean - found.bias, found.standard_error
    result["exact"] = float(exact.score_samples(judged).mean())
    result["moved"] = [
        float((after.weight - before.weight).norm() / before.weight.norm())
        for before, after in zip(start.layers, trained.model_.layers, strict=True)
    ]
    return result


def _hard(votes: Votes) -> torch.Tensor:
    return draw_one_hot(votes.one_hot(dtype=torch.float64), as_generator(0))


def _at_start(model: MultinomialIRBM, votes: Votes, seed: int) -> MultinomialIRBM:
    """The model as the training of `DEEM` with that seed found it."""
    (first,) = torch.randint(2**62, (1,), generator=as_generator(seed))
    fresh = MultinomialIRBM(**model.config())
    return initialise(fresh, votes, "shares", random_state=int(first))


def measure_step(repeats: int = 3) -> dict[str, Any]:
    """One training step against deem 0.2.0, both in processes of their own, alternating."""
    result = {}
    for d, k in STEPS:
        runs: dict[str, list[float]] = {"ours": [], "deem020": []}
        for _ in range(repeats):
            for who, python in (("ours", None), ("deem020", peer_python())):
                runs[who].append(_step_seconds(python, d, k))
        ratios = [b / a for a, b in zip(runs["ours"], runs["deem020"], strict=True)]
        result[f"{d} x {k}"] = {
            "ours_ms": 1e3 * median(runs["ours"]),
            "deem020_ms": 1e3 * median(runs["deem020"]),
            "times_faster": median(ratios),
        }
    return result


def _step_seconds(python: Path | None, d: int, k: int) -> float:
    import sys

    command = [sys.executable] if python is None else [str(python), "-I"]
    command += [str(HERE / "deep_step.py"), str(d), str(k)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure_fit(folder: Path, repeats: int = 3) -> dict[str, Any]:
    """Whole fit with layers against the default fit of deem 0.2.0, which has none."""
    file = VoteFile(folder / f"{WHOLE_FIT}.npz")
    runs: dict[str, list] = {"deem020": [], "deem_layers": []}
    for _ in range(repeats):
        for method, found in runs.items():
            found.append(run_apart(file.path, method))
    ratios = [
        theirs["cpu_seconds"] / ours["cpu_seconds"]
        for theirs, ours in zip(runs["deem020"], runs["deem_layers"], strict=True)
    ]
    row: dict[str, Any] = {"times_faster": median(ratios)}
    for method, found in runs.items():
        row[f"{method}_s"] = median(run["cpu_seconds"] for run in found)
        row[f"{method}_accuracy"] = file.accuracy(found[0]["labels"])
    return row


def measure_memory(folder: Path) -> dict[str, Any]:
    """Peak memory of a fit with narrow layers and a thousand classes, one epoch."""
    name, widths = MEMORY
    file = VoteFile(folder / f"{name}.npz")
    options = {"widths": ",".join(map(str, widths)), "epochs": 1}
    figures = run_apart(file.path, "deem_layers", **options)
    figures["accuracy"] = file.accuracy(figures.pop("labels"))
    return figures


def cells(folder: Path, only: list[str], parts: list[str]) -> Iterator[tuple[str, Any]]:
    """Name and measurement of every cell."""
    for path in sorted(vote_files(folder), key=lambda path: path.stat().st_size):
        if only and not _among(path, only):
            continue
        file = VoteFile(path)
        if file.votes.n_classifiers * file.n_classes <= MOST_CELLS:
            yield from small_cells(file, parts)
        elif "large" in parts and _among(path, LARGE):
            settings = {"model": "MultinomialIRBM", "model_params": {"rank": 8}}
            work = (fit, file, 0, "hard", {**settings, "epochs": LARGE_EPOCHS})
            yield f"large {file.name}", work


def small_cells(file: VoteFile, parts: list[str]) -> Iterator[tuple[str, Any]]:
    """Cells of a set that takes full layers."""
    if "held_out" in parts:
        yield f"held_out {file.name}", (held_out, file)
    if "starts" in parts and file.name == RANDOM_START:
        for start in ("rand", "mv", "default"):
            settings = {"use_preprocessing": True, "preprocessing_init": start}
            yield f"starts {start} {file.name}", (fit, file, 0, "hard", settings)
    if "fits" in parts:
        for form, seed in product(("hard", "soft"), SEEDS):
            yield f"fits {form} {seed} {file.name}", (fit, file, seed, form)
    if "stacked" in parts:
        for seed in SEEDS:
            settings = {"model": "StackedIRBM"}
            yield f"stacked hard {seed} {file.name}", (fit, file, seed, "hard", settings)
    if "seeds" in parts and file.name in SPREAD:
        for seed in MANY_SEEDS:
            yield f"fits hard {seed} {file.name}", (fit, file, seed, "hard")


def _among(path: Path, patterns: Sequence[str]) -> bool:
    return any(path.match(f"{pattern}.npz") for pattern in patterns)


def cell_file(name: str) -> Path:
    """Where the figures of a cell are kept."""
    return RESULTS / f"{name.replace(' ', '__')}.json"


def measured(name: str, work: Any) -> tuple[str, dict[str, Any]]:
    """Figures of one cell, from its file if there is one."""
    path = cell_file(name)
    if path.exists():
        return name, json.loads(path.read_text())
    function, *arguments = work
    settings = arguments.pop() if isinstance(arguments[-1], dict) else {}
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures = function(*arguments, **settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures))
    print(name, json.dumps(figures), flush=True)
    return name, figures


def main() -> None:
    """Measure the chosen parts, print tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", nargs="+", default=[], help="sets, with * for any text")
    everything = ["fits", "held_out", "seeds", "starts", "stacked", "large"]
    everything += ["memory", "step", "fit"]
    parser.add_argument("--parts", nargs="+", default=everything, choices=everything)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--kept", action="store_true", help="take kept figures alone")
    parser.add_argument("--page", type=Path, help="Markdown file to write the tables to")
    args = parser.parse_args()
    folder = folder_argument(args.folder)
    warnings.simplefilter("ignore")
    run = Parallel(n_jobs=args.jobs)
    chosen = cells(folder, args.only, args.parts)
    if args.kept:
        chosen = (cell for cell in chosen if cell_file(cell[0]).exists())
    found = dict(run(delayed(measured)(*cell) for cell in chosen))
    single = {
        "memory": lambda: measure_memory(folder),
        "step": measure_step,
        "fit": lambda: measure_fit(folder),
    }
    results = {
        "versions": {**versions(), "peer": peer_version("deem")},
        "cells": found,
        **{name: work() for name, work in single.items() if name in args.parts},
    }
    for text in tables(results):
        print(text, end="\n\n")
    if args.page is not None:
        args.page.write_text(page(results), encoding="utf-8")
    print(write_json("deep.json", results))


if __name__ == "__main__":
    main()
