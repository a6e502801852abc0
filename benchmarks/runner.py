"""Run one method on one vote file in a process of its own and print one JSON line.

The same clock and the same memory meter for everybody. Peers run with the interpreter of their
environment, isolated (``python -I runner.py``), because one of them has our import name. Only
fitting and predicting is timed, not importing and reading the file.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def main() -> None:
    """Read the file, fit, predict, write the labels, print the figures."""
    args = parse_args()
    for name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(args.threads)
    import numpy as np

    votes = {name: value for name, value in np.load(args.votes).items()}
    run, libraries = prepare(args, votes)
    base = peak_mib()
    limit(args)
    with contextlib.redirect_stdout(sys.stderr):
        start, cpu = time.perf_counter(), time.process_time()
        labels, n_iter, *probas = run()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if args.labels is not None:
        np.save(args.labels, np.asarray(labels, dtype=np.int64))
    if args.probas is not None and probas:
        np.save(args.probas, np.asarray(probas[0], dtype=np.float64))
    figures = {
        "method": args.method,
        "versions": {name: version(name) for name in (*libraries, "numpy")},
        "threads": args.threads,
        "n_iter": n_iter,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mib": peak_mib(),
        "base_mib": base,
    }
    print(json.dumps(figures))


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("votes", type=Path, help=".npz with item, worker, label and the sizes")
    parser.add_argument("--labels", type=Path, help=".npy to write, one label an item")
    parser.add_argument("--probas", type=Path, help=".npy to write, if the method has them")
    parser.add_argument(
        "--method",
        default="deem",
        help="deem, deem_plain, deem_layers, ebcc, deem020 or a crowd-kit class",
    )
    parser.add_argument("--form", choices=("dense", "long"), default="dense", help="for deem")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--n-iter", type=int, help="passes to run in any case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="of deem_layers")
    parser.add_argument("--widths", help="of deem_layers, with commas between them")
    parser.add_argument("--max-seconds", type=int, help="processor time after which it is killed")
    parser.add_argument("--max-gib", type=int, help="memory beyond which it fails")
    return parser.parse_args()


def prepare(args: argparse.Namespace, votes: dict[str, Any]) -> tuple[Callable, tuple[str, ...]]:
    """What is to be timed, and the libraries it stands on."""
    if args.method in ("deem", "deem_plain", "deem_layers"):
        return prepare_ours(args, votes), ("deem", "torch")
    if args.method == "deem020":
        return prepare_deem020(args, votes), ("deem", "torch")
    if args.method == "ebcc":
        return prepare_ebcc(args, votes), ("scipy",)
    return prepare_crowdkit(args, votes), ("crowd-kit", "pandas")


def prepare_ours(args: argparse.Namespace, votes: dict[str, Any]) -> Callable:
    """Our `DEEM` with its defaults, without selection, or with a fixed number of passes."""
    import torch

    from deem import DEEM
    from deem.core.solvers import ExactEM

    torch.set_num_threads(args.threads)
    given = table(votes) if args.form == "long" else dense(votes)
    fixed: dict[str, Any] = (
        {} if args.n_iter is None else {"solver": ExactEM(tolerance=0), "epochs": args.n_iter}
    )
    if args.method == "deem_plain":
        fixed["selection"] = None
    if args.method == "deem_layers":
        fixed = {"use_preprocessing": True, "epochs": args.epochs}
        if args.widths is not None:
            fixed["preprocessing_layer_widths"] = [int(x) for x in args.widths.split(",")]

    def run() -> tuple[Any, int]:
        model = DEEM(random_state=args.seed, **fixed)
        return model.fit_predict(given), model.health_["n_iter"]

    return run


def prepare_deem020(args: argparse.Namespace, votes: dict[str, Any]) -> Callable:
    """The published deem 0.2.0 with its defaults."""
    import torch

    import deem

    if version("deem") != "0.2.0":
        raise SystemExit(f"not deem 0.2.0: {deem.__file__}")
    torch.set_num_threads(args.threads)
    given = dense(votes)

    def run() -> tuple[Any, int]:
        model = deem.DEEM(random_state=args.seed).fit(given)
        return model.predict(given), len(model.history_["loss"])

    return run


def prepare_ebcc(args: argparse.Namespace, votes: dict[str, Any]) -> Callable:
    """EBCC as its paper has it."""
    from ebcc import EBCC

    long = (votes[name].astype(int) for name in ("item", "worker", "label"))
    sizes = (int(votes[name]) for name in ("n_items", "n_workers", "n_classes"))
    given = (*long, *sizes)

    def run() -> tuple[Any, int, Any]:
        model = EBCC(random_state=args.seed).fit(*given)
        return model.probas_.argmax(1), len(model.bounds_), model.probas_

    return run


def prepare_crowdkit(args: argparse.Namespace, votes: dict[str, Any]) -> Callable:
    """An aggregator of crowd-kit, on its long table."""
    import crowdkit.aggregation

    method = getattr(crowdkit.aggregation, args.method)
    # A tolerance of minus infinity keeps it from stopping before n_iter.
    params = {} if args.n_iter is None else {"n_iter": args.n_iter, "tol": -float("inf")}
    if "random_state" in inspect.signature(method).parameters:
        params["random_state"] = args.seed
    model, given = method(**params), table(votes)
    items, classes = range(int(votes["n_items"])), range(int(votes["n_classes"]))

    def run() -> tuple[Any, ...]:
        labels = model.fit_predict(given)
        passes = len(getattr(model, "loss_history_", [])) or None
        labels = labels.reindex(items, fill_value=-1).to_numpy()
        if getattr(model, "probas_", None) is None:
            return labels, passes
        # A label that nobody gave has no column, an item without votes no row.
        probas = model.probas_.reindex(columns=classes, fill_value=0.0)
        return labels, passes, probas.reindex(items, fill_value=1 / len(classes)).to_numpy()

    return run


def limit(args: argparse.Namespace) -> None:
    """Set the limits asked for, the time from now on."""
    if args.max_seconds is not None:
        until = int(time.process_time()) + 1 + args.max_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
    if args.max_gib is not None:
        resource.setrlimit(resource.RLIMIT_AS, (args.max_gib << 30, resource.RLIM_INFINITY))


def dense(votes: dict[str, Any]) -> Any:
    """Matrix of votes, -1 for missing."""
    import numpy as np

    matrix = np.full((int(votes["n_items"]), int(votes["n_workers"])), -1)
    matrix[votes["item"], votes["worker"]] = votes["label"]
    return matrix


def table(votes: dict[str, Any]) -> Any:
    """Long data frame of the votes."""
    import pandas as pd

    names = {"task": "item", "worker": "worker", "label": "label"}
    return pd.DataFrame({name: votes[key] for name, key in names.items()})


def peak_mib() -> float:
    """Peak resident memory of this process in MiB, without what it inherits from its parent."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
