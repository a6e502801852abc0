"""Accuracy, calibration and time of consensus on every vote file of a folder, peers included.

    python benchmarks/accuracy.py FOLDER [--methods NAME ...] [--only SET ...] [--refresh]

A vote file is an .npz with item, worker, label, gold (-1 unknown, only for scoring), n_items,
n_workers and n_classes. Our own methods are measured anew whenever they are asked for; what the
slow peers gave is kept by set, method and version in benchmarks/results/accuracy, and measured
again with --refresh only. Prints a table and writes benchmarks/results/accuracy.json, of which
benchmarks/report.py makes a page. If the folder has a reference_results.csv, the means are also
given over its sets with a figure for map_irbm.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import warnings
import zlib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import (
    HERE,
    RunError,
    VoteFile,
    folder_argument,
    peer_python,
    peer_version,
    run_apart,
    versions,
    vote_files,
    write_json,
)
from methods import MANY_CLASSES, OURS, SLOW
from metrics import (
    brier_score,
    calibration_error,
    expected_accuracy,
    log_loss,
    skill_error,
    true_skills,
)
from summary import lines

from deem import DEEM
from deem.utils.exception import DeemError, DeemWarning

FAMILIES = {
    "crowd-*": "crowd",
    "*_rf": "random forests",
    "*volcanoes*": "volcanoes",
    "tabrepo-*": "tabular models",
    "rbm-*": "simulated",
    "paper-condInd*": "simulated",
    "paper-tree3k*": "simulated",
    "paper-cardinality_*": "simulated",
    "paper-hs3*": "simulated",
    "*": "experts",
}
"""Family of a set: that of the first pattern its name fits."""

LIMITS = {"max_seconds": 60, "max_gib": 6}
"""Of a peer on one set, in processor time and memory; beyond, its cell stays empty."""

LARGE = 1_000_000
"""Votes times classes beyond which the memory of `DEEM` is measured, in a process of its own."""

SEEDS = {"deem": (0, 1, 2), "own_vote": (0, 1, 2)}
"""Random states of a method, others run once with 0; figures are means over them."""


PEERS = {
    "crowdkit_dawid_skene": "DawidSkene",
    "ebcc": "ebcc",
    "mmsr": "MMSR",
    "mace": "MACE",
    "glad": "GLAD",
}
"""Methods measured in a process of their own, by the names they have in runner.py."""


def figures(
    file: VoteFile, labels: np.ndarray | None, probas: np.ndarray | None, skills: Any = None
) -> dict[str, float]:
    """Figures of merit of one result; without `labels` ties of `probas` are shared."""
    gold, result = file.gold, {}
    if labels is None:
        result["accuracy"] = expected_accuracy(probas, gold)
    else:
        result["accuracy"] = file.accuracy(labels)
    if probas is not None:
        result["brier"] = brier_score(probas, gold)
        result["log_loss"] = log_loss(probas, gold)
        result["calibration_error"] = calibration_error(probas, gold)
    if skills is not None:
        truth = true_skills(file.item, file.worker, file.label, gold, len(skills))
        error = skill_error(np.asarray(skills), truth)
        result |= {} if error is None else {"skill_error": error}
    return result


def measure_here(file: VoteFile, method: str) -> dict[str, Any]:
    """Figures of one of our methods, means over its seeds, or why there are none."""
    if method in SLOW and file.n_classes > MANY_CLASSES:
        return {"failed": "not run"}
    runs, seeds = [], SEEDS.get(method, (0,))
    for seed in seeds:
        start, wall = time.process_time(), time.perf_counter()
        try:
            given = OURS[method](file.votes, seed)
        except DeemError as error:
            return {"failed": type(error).__name__}
        seconds, wall = time.process_time() - start, time.perf_counter() - wall
        found = figures(file, given.labels, given.probas, given.skills)
        runs.append({**found, "seconds": seconds, "wall_seconds": wall})
    cell: dict[str, Any] = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
    if len(seeds) > 1:
        cell["seeds"] = [run["accuracy"] for run in runs]
    if method == "deem" and len(file.item) * file.n_classes > LARGE:
        cell["peak_mib"] = run_apart(file.path, form="long")["peak_mib"]
    return cell if given.chosen is None else {**cell, "chosen": given.chosen}


def measure_apart(file: VoteFile, method: str) -> dict[str, Any]:
    """Figures of a peer, or why there are none."""
    try:
        run = run_apart(file.path, PEERS[method], probas=True, **LIMITS)
    except RunError as error:
        return {"failed": error.reason}
    cell = figures(file, run["labels"], run["probas"])
    return {**cell, "seconds": run["cpu_seconds"], "peak_mib": run["peak_mib"]}


@cache
def version_of(method: str) -> str | None:
    """Version of what a peer stands on, None if it is not installed."""
    if method == "ebcc":
        return f"ebcc {zlib.crc32((HERE / 'ebcc.py').read_bytes()):08x}"
    return peer_version("crowd-kit")


class Store:
    """Cells of the table on disk, one file a method: set -> figures."""

    def __init__(self, folder: Path):
        self.folder = folder

    def read(self, method: str) -> dict[str, dict[str, Any]]:
        """Every cell of a method."""
        path = self.folder / f"{method}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def write(self, method: str, name: str, cell: dict[str, Any]) -> None:
        """Put in one cell."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.read(method) | {name: cell}, indent=1, sort_keys=True)
        (self.folder / f"{method}.json").write_text(text + "\n", encoding="utf-8")

    def holds(self, method: str, name: str, key: dict[str, Any]) -> bool:
        """Whether there is a cell of these versions."""
        return key.items() <= self.read(method).get(name, {}).items()


def measure(path: Path, methods: list[str], store: Store, refresh: bool) -> dict[str, Any]:
    """Measure what is asked and not yet known on one file; return the facts of the file."""
    file, crc = VoteFile(path), zlib.crc32(path.read_bytes())
    for method in methods:
        if method in OURS:
            store.write(method, file.name, {"file": crc, **measure_here(file, method)})
            continue
        key = {"file": crc, "version": version_of(method)}
        if refresh or not store.holds(method, file.name, key):
            store.write(method, file.name, {**key, **measure_apart(file, method)})
    return {
        "items": len(file.gold),
        "classifiers": file.votes.n_classifiers,
        "classes": file.n_classes,
        "votes": len(file.item),
        "known": int((file.gold >= 0).sum()),
        "family": family_of(path.stem),
    }


def family_of(name: str) -> str:
    """Family of a set."""
    return next(family for pattern, family in FAMILIES.items() if fnmatch(name, pattern))


def reference_names(folder: Path) -> set[str]:
    """Sets with a figure for map_irbm in the folder's reference results."""
    path = folder / "reference_results.csv"
    if not path.exists():
        return set()
    with path.open(encoding="utf-8") as file:
        return {row["name"] for row in csv.DictReader(file) if row["map_irbm"]}


def collect(sets: dict[str, dict[str, Any]], store: Store) -> dict[str, Any]:
    """All known cells of these sets; a set or method without any is left out."""
    cells = {}
    for method in (*OURS, *PEERS):
        known = {name: cell for name, cell in store.read(method).items() if name in sets}
        cells[method] = {
            name: {key: value for key, value in cell.items() if key not in ("file", "version")}
            for name, cell in sorted(known.items())
        }
    cells = {method: known for method, known in cells.items() if known}
    sets = {name: facts for name, facts in sets.items() if any(name in c for c in cells.values())}
    limits = {**LIMITS, "many_classes": MANY_CLASSES}
    return {"versions": versions(), "limits": limits, "sets": sets, "cells": cells}


def main() -> None:
    """Measure what is asked, print the summary, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--methods", nargs="+", choices=(*OURS, *PEERS), metavar="NAME")
    parser.add_argument("--only", nargs="+", metavar="SET", help="names of sets")
    parser.add_argument("--refresh", action="store_true", help="measure also known peers anew")
    args = parser.parse_args()
    folder = folder_argument(args.folder)
    methods = args.methods or [*OURS, "ebcc", *(PEERS if peer_python() else ())]
    if set(methods) & set(PEERS) - {"ebcc"} and peer_python() is None:
        raise SystemExit("the peers are not there; run `make bench-env` first.")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeemWarning)
    DEEM().fit([[0, 0, 1], [1, 1, 1]])  # compiled loops and late imports are not timed
    store = Store(HERE / "results" / "accuracy")
    reference, sets = reference_names(folder), {}
    for path in vote_files(folder):
        asked = [] if args.only and path.stem not in args.only else methods
        sets[path.stem] = measure(path, list(dict.fromkeys(asked)), store, args.refresh)
        sets[path.stem]["reference"] = path.stem in reference
        if asked:
            print(path.stem, flush=True)
    results = collect(sets, store)
    print(*lines(results), sep="\n")
    print(write_json("accuracy.json", results))


if __name__ == "__main__":
    main()
