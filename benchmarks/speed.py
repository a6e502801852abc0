"""Speed and memory: one EM pass, whole fits against published peers, import time.

    python benchmarks/speed.py [FOLDER] [--only PART ...]

Parts: pass, fit, deem020, crowdkit, many_classes, solvers, import. Ratios are medians of runs that
alternate. FOLDER, or $DEEM_VOTES, holds the vote files that ``deem020`` and ``many_classes`` read;
``deem020`` and ``crowdkit`` need the environment of ``make bench-env``. Prints tables and writes
benchmarks/results/speed.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from common import VoteFile, folder_argument, run_apart, versions, write_json
from plain_em import make_votes, plain_em

from deem.core.reading import read_votes
from deem.core.solvers import ExactEM, ExactGradient
from deem.math.latent import SparseRows, em_statistics, posterior
from deem.models import SoftIRBM
from deem.models.initialization import initialise
from deem.utils.exception import DeemWarning

REPEATS = 5
PASSES = 5


def rows_of(votes: np.ndarray) -> tuple[SparseRows, int]:
    """Sparse rows, unmerged, of a dense matrix of votes, and the number of classifiers."""
    read = read_votes(votes)
    arrays = (torch.from_numpy(read.indptr), torch.from_numpy(read.columns))
    return SparseRows(*arrays), votes.shape[1]


def our_em(rows: SparseRows, d: int, k: int, n_passes: int) -> tuple[np.ndarray, float]:
    """Posterior and seconds a pass of our EM, with the start and smoothing of the yardstick."""
    table = torch.eye(k, dtype=torch.float64).repeat(d, 1)
    votes = rows.products(d * k).spread(table)
    q = votes / votes.sum(1, keepdim=True).clamp(min=1)
    counts, states = rows.products(d * k).gather(q), q.sum(0)
    start = time.perf_counter()
    for _ in range(n_passes):
        smooth = counts.reshape(d, k, k) + 0.01
        table = (smooth / smooth.sum(1, keepdim=True)).log().reshape(d * k, k)
        bias = (states / len(rows)).log()
        _, counts, states = em_statistics(rows, table, bias)
    seconds = (time.perf_counter() - start) / n_passes
    return posterior(rows, table, bias)[0].numpy(), seconds


def measure_pass() -> dict[str, Any]:
    """One EM pass over 8 M unmerged votes against the yardstick, one thread, alternating."""
    votes, truth = make_votes()
    rows, d = rows_of(votes)
    our_em(rows, d, 5, 1)
    ours, plain = [], []
    for _ in range(REPEATS):
        q, seconds = our_em(rows, d, 5, PASSES)
        ours.append(seconds)
        expected, seconds = plain_em(votes, 5, PASSES)
        plain.append(seconds)
    result = {
        "ours_s": median(ours),
        "plain_s": median(plain),
        "ratio": median(a / b for a, b in zip(ours, plain, strict=True)),
        "largest_difference": float(np.abs(q - expected).max()),
        "accuracy": float((q.argmax(1) == truth).mean()),
    }
    print(
        "EM pass, 1 M x 10, K=5: {ours_s:.4f} s, plain_em {plain_s:.4f} s, ratio {ratio:.2f}, "
        "posterior within {largest_difference:.1e}".format(**result)
    )
    return result


def write_votes(path: Path, votes: np.ndarray, truth: np.ndarray, k: int) -> None:
    """Write a vote file."""
    item, worker = np.nonzero(votes >= 0)
    np.savez(
        path,
        item=item.astype(np.int32),
        worker=worker.astype(np.int32),
        label=votes[item, worker].astype(np.int32),
        gold=truth,
        n_items=len(votes),
        n_workers=votes.shape[1],
        n_classes=k,
    )


def measure_fit() -> dict[str, Any]:
    """Whole `DEEM` fit and predict on 8 M votes: seconds and memory over the data."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.npz"
        votes, truth = make_votes()
        write_votes(path, votes, truth, 5)
        figures = run_apart(path)
        figures["accuracy"] = float((figures.pop("labels") == truth).mean())
    figures["over_data_mib"] = figures["peak_mib"] - figures["base_mib"]
    print(
        "DEEM on 8 M votes: {seconds:.2f} s in {n_iter} passes, {over_data_mib:.0f} MiB over the "
        "data, accuracy {accuracy:.4f}".format(**figures)
    )
    return figures


def measure_deem020(folder: Path, repeats: int = 3) -> dict[str, Any]:
    """Fit and predict against deem 0.2.0, all with their defaults; one thread, alternating."""
    result = {}
    for name in ("paper-csgo", "paper-balance-scale", "rbm-condind_test"):
        file = VoteFile(folder / f"{name}.npz")
        runs: dict[str, list] = {"deem020": [], "deem": [], "deem_plain": []}
        for _ in range(repeats):
            for method, found in runs.items():
                found.append(run_apart(file.path, method))
        row = {}
        for method, found in runs.items():
            row[f"{method}_s"] = median(run["cpu_seconds"] for run in found)
            row[f"{method}_accuracy"] = file.accuracy(found[0]["labels"])
        for method in ("deem", "deem_plain"):
            ratios = (
                theirs["cpu_seconds"] / own["cpu_seconds"]
                for theirs, own in zip(runs["deem020"], runs[method], strict=True)
            )
            row[f"{method}_times_faster"] = median(ratios)
        result[name] = row
        print(
            "{0}: deem 0.2.0 {deem020_s:.2f} s {deem020_accuracy:.2f} %; ours {deem_s:.3f} s "
            "{deem_accuracy:.2f} %, {deem_times_faster:.0f} times faster; without selection "
            "{deem_plain_s:.4f} s {deem_plain_accuracy:.2f} %, {deem_plain_times_faster:.0f} "
            "times faster".format(name, **row),
            flush=True,
        )
    return result


def measure_crowdkit(n_iter: int = 10) -> dict[str, Any]:
    """Fit of 5 M votes in a long data frame against crowd-kit's DawidSkene, equal passes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.npz"
        votes, truth = make_votes(500_000, missing=0.0)
        write_votes(path, votes, truth, 5)
        runs: dict[str, list] = {"ours": [], "crowdkit": []}
        for _ in range(3):
            runs["ours"].append(run_apart(path, form="long", n_iter=n_iter))
            runs["crowdkit"].append(run_apart(path, "DawidSkene", n_iter=n_iter))
    result: dict[str, Any] = {"n_iter": n_iter}
    for who, figures in runs.items():
        result[f"{who}_s"] = median(run["seconds"] for run in figures)
        result[f"{who}_mib"] = median(run["peak_mib"] - run["base_mib"] for run in figures)
        result[f"{who}_accuracy"] = float((figures[0]["labels"] == truth).mean())
        result[f"{who}_passes"] = figures[0]["n_iter"]
    result["times_faster"] = result["crowdkit_s"] / result["ours_s"]
    result["memory_ratio"] = result["ours_mib"] / result["crowdkit_mib"]
    print(
        "5 M votes, long frame: crowd-kit {crowdkit_s:.2f} s {crowdkit_mib:.0f} MiB accuracy "
        "{crowdkit_accuracy:.4f}; ours {ours_s:.2f} s {ours_mib:.0f} MiB {ours_accuracy:.4f}; "
        "{times_faster:.1f} times faster, {memory_ratio:.2f} of the memory".format(**result)
    )
    return result


def measure_many_classes(folder: Path) -> dict[str, Any]:
    """The file with 995 classes: seconds, memory, accuracy."""
    file = VoteFile(folder / "paper-imagenet_filtered_unique.npz")
    figures = run_apart(file.path)
    figures["accuracy"] = file.accuracy(figures.pop("labels"))
    print(
        "995 classes: {seconds:.1f} s, peak {peak_mib:.0f} MiB, accuracy {accuracy:.2f} %".format(
            **figures
        )
    )
    return figures


def measure_solvers() -> list[dict[str, Any]]:
    """EM against L-BFGS on the same objective, to the same tolerance."""
    rows = []
    for n, d, k in ((500, 11, 3), (5000, 11, 3), (5000, 10, 10), (50_000, 10, 5)):
        votes = read_votes(make_votes(n, d, k)[0])
        row: dict[str, Any] = {"n": n, "d": d, "k": k}
        for solver in (ExactEM(1e-7), ExactGradient(tolerance=1e-7)):
            model = initialise(SoftIRBM(d, k).double(), votes, "shares")
            start = time.perf_counter()
            model.fit(votes, solver=solver)
            name = type(solver).__name__
            row[f"{name}_s"] = time.perf_counter() - start
            row[f"{name}_objective"] = model.history["objective"][-1]
        rows.append(row)
        print(
            "n={n} d={d} k={k}: EM {ExactEM_s:.3f} s to {ExactEM_objective:.6f}, L-BFGS "
            "{ExactGradient_s:.3f} s to {ExactGradient_objective:.6f}".format(**row)
        )
    return rows


def measure_import() -> dict[str, float]:
    """`import deem` against `import torch, sklearn`, alternating."""
    seconds: dict[str, list[float]] = {"import deem": [], "import torch, sklearn": []}
    for _ in range(7):
        for statement, times in seconds.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            times.append(time.perf_counter() - start)
    ours, base = (median(times) for times in seconds.values())
    print(f"import deem {ours:.2f} s, import torch, sklearn {base:.2f} s, ratio {ours / base:.2f}")
    return {"ours_s": ours, "base_s": base, "ratio": ours / base}


def main() -> None:
    """Measure the chosen parts and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", nargs="+", help="parts to measure")
    args = parser.parse_args()
    parts: dict[str, Callable[[], Any]] = {
        "pass": measure_pass,
        "fit": measure_fit,
        "deem020": lambda: measure_deem020(folder_argument(args.folder)),
        "crowdkit": measure_crowdkit,
        "many_classes": lambda: measure_many_classes(folder_argument(args.folder)),
        "solvers": measure_solvers,
        "import": measure_import,
    }
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeemWarning)
    print(", ".join(f"{name} {number}" for name, number in versions().items()))
    chosen = args.only or list(parts)
    results = {name: parts[name]() for name in chosen}
    print(write_json("speed.json", {"versions": versions(), **results}))


if __name__ == "__main__":
    main()
