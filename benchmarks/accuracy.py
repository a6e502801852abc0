"""Accuracy of consensus on every vote file of a folder, against the vote, Dawid-Skene, crowd-kit.

    python benchmarks/accuracy.py FOLDER [--crowdkit] [--only NAME ...]

A vote file is an .npz with item, worker, label, gold (-1 unknown, only for scoring), n_items,
n_workers and n_classes. Prints a table and writes benchmarks/results/accuracy.json. If the folder
has a reference_results.csv, the mean is also given over the sets with a figure for map_irbm.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import (
    VoteFile,
    folder_argument,
    peer_python,
    run_apart,
    versions,
    vote_files,
    write_json,
)

from deem import DEEM
from deem.core.votes import Votes
from deem.utils.exception import DeemWarning

SEEDS = (0, 1, 2)
METHODS = ("vote", "dawid_skene", "crowdkit", "deem")


def dawid_skene(votes: Votes, n_passes: int = 100, smoothing: float = 0.01) -> np.ndarray:
    """Labels by the plain EM of Dawid and Skene, started from the vote."""
    matrix, k = votes.matrix(), votes.n_classes
    transposed = matrix.T.tocsr()
    q = votes.vote_shares()
    for _ in range(n_passes):
        confusion = (transposed @ q).reshape(votes.n_classifiers, k, k) + smoothing
        confusion /= confusion.sum(1, keepdims=True)
        logits = matrix @ np.log(confusion).reshape(-1, k) + np.log(q.mean(0) + 1e-12)
        new = np.exp(logits - logits.max(1, keepdims=True))
        new /= new.sum(1, keepdims=True)
        change, q = np.abs(new - q).max(), new
        if change < 1e-6:
            break
    return q.argmax(1)


def measure(path: Path, crowdkit: bool) -> dict[str, Any]:
    """Accuracies in % and seconds on one file."""
    file = VoteFile(path)
    row: dict[str, Any] = {"set": file.name, "vote": file.vote_accuracy()}
    row["n"], row["d"], row["k"] = len(file.gold), file.votes.n_classifiers, file.n_classes
    row["dawid_skene"] = file.accuracy(dawid_skene(file.votes))
    runs = []
    start = time.perf_counter()
    for seed in SEEDS:
        model = DEEM(n_classes=file.n_classes, random_state=seed).fit(file.votes)
        runs.append(file.accuracy(model.classes_[model.probas_.argmax(1)]))
    row["deem_seconds"] = (time.perf_counter() - start) / len(SEEDS)
    row["deem"], row["deem_seeds"] = float(np.mean(runs)), runs
    if crowdkit:
        row["crowdkit"] = crowdkit_accuracy(file)
    return row


def crowdkit_accuracy(file: VoteFile) -> float | None:
    """Accuracy of crowd-kit's Dawid-Skene, None where it fails."""
    try:
        return file.accuracy(run_apart(file.path, "DawidSkene")["labels"])
    except RuntimeError as error:
        print(f"  crowd-kit failed on {file.name}: {str(error).splitlines()[-1]}")
        return None


def reference_names(folder: Path) -> set[str]:
    """Sets with a figure for map_irbm in the folder's reference results."""
    path = folder / "reference_results.csv"
    if not path.exists():
        return set()
    with path.open(encoding="utf-8") as file:
        return {row["name"] for row in csv.DictReader(file) if row["map_irbm"]}


def mean_row(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over sets; a method counts only where it has a figure for all of them."""
    means: dict[str, Any] = {"set": name, "n_sets": len(rows)}
    for method in METHODS:
        values = [row.get(method) for row in rows]
        means[method] = None if None in values else float(np.mean(values))
    means["deem_seconds"] = float(np.mean([row["deem_seconds"] for row in rows]))
    means["deem_seeds"] = np.mean([row["deem_seeds"] for row in rows], axis=0).tolist()
    return means


def show(row: dict[str, Any]) -> None:
    """Print one line of the table."""
    cells = ["     -" if row.get(m) is None else f"{row[m]:6.2f}" for m in METHODS]
    print(f"{row['set'][:40]:40}", *cells, f"{row['deem_seconds']:8.3f}", sep="  ", flush=True)


def main() -> None:
    """Measure every set, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--crowdkit", action="store_true", help="also run crowd-kit's DawidSkene")
    parser.add_argument("--only", nargs="+", help="names of sets")
    args = parser.parse_args()
    folder = folder_argument(args.folder)
    if args.crowdkit and peer_python() is None:
        raise SystemExit("crowd-kit is not there; run `make bench-env` first.")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeemWarning)
    print(", ".join(f"{name} {number}" for name, number in versions().items()))
    print(f"{'accuracy in %':40}", *(f"{m[:6]:>6}" for m in METHODS), " seconds", sep="  ")
    paths = [p for p in vote_files(folder) if not args.only or p.stem in args.only]
    rows = []
    for path in paths:
        rows.append(measure(path, args.crowdkit))
        show(rows[-1])
    means = [mean_row(f"mean of {len(rows)}", rows)]
    chosen = [row for row in rows if row["set"] in reference_names(folder)]
    if chosen:
        means.append(mean_row(f"mean of the {len(chosen)} with map_irbm", chosen))
    for row in means:
        show(row)
        print(f"{'':40}  by random_state {np.round(row['deem_seeds'], 3).tolist()}")
    print(write_json("accuracy.json", {"versions": versions(), "rows": rows, "means": means}))


if __name__ == "__main__":
    main()
