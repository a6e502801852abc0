"""Measure trainings with many hyperparameters, and what a predictor learns from them.

    python benchmarks/hyperparameters.py [FOLDER ...] [--every N] [--jobs N] [--out FILE]
    python benchmarks/hyperparameters.py [FOLDER ...] --only deep --add FILE [--out FILE]
    python benchmarks/hyperparameters.py --evaluate FILE

Trains on simulated votes, on votes of classifiers of digits, and on the vote files (.npz) of
every FOLDER (contrastive divergence, which is slow, on every N-th of them), and writes one row a
training as a table for `HyperparameterPredictor`. With --only it runs one kind of training, and
puts it in the place of such runs in the table that --add names. With --evaluate it measures
nothing and reads such a table. In any case it prints the mean score of the predicted, the default,
the best single and the best hyperparameters when each set in turn is left out of the training of
the predictor.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import VoteFile, vote_files
from joblib import Parallel, delayed

from deem import DEEM
from deem.core.reading import read_votes
from deem.core.votes import Votes
from deem.datasets import (
    class_experts,
    conditionally_independent,
    copying_groups,
    digits_votes,
    sparse_annotators,
)
from deem.selection.hyperparameters import HyperparameterPredictor
from deem.selection.meta_features import META_FEATURES, meta_features
from deem.selection.runs import SOLVERS, Runs, read_runs
from deem.utils.exception import DeemWarning, NonFiniteError

STARTS = ("shares", "mv_rand", "mv_lo", "mv", "rand")
NO_LAYERS = {"preprocessing_layers": 0, "preprocessing_activation": "none"}
GRADIENT = {"batch_size": 128, "epochs": 100, "learning_rate": 0.001, "momentum": 0.9}
GRADIENT |= {"init_method": "mv_rand", "scheduler": "none"}
DEEP = GRADIENT | {"epochs": 30, "init_method": "shares", "scheduler": "cosine"}
DEEP |= {"preprocessing_layers": 1, "preprocessing_activation": "sparsemax"}
DEFAULTS = {"exact": {"init_method": "shares"}, "cd": GRADIENT, "pcd": GRADIENT, "deep": DEEP}
PARAMETERS = {
    "cd": {"solver": "cd"},
    "pcd": {"solver": "pcd"},
    "deep": {"use_preprocessing": True},
}
MOST_SAMPLES, LEAST_SAMPLES = 300, 100
MOST_CELLS = {"cd": 8_000, "pcd": 8_000, "deep": 30_000}
"""Sizes that contrastive divergence is measured on: samples, and samples x classifiers x classes;
larger sets are cut to the first samples of a fixed draw, sets that would be too short left out."""
MOST_CLASSES = 100


def trajectory(
    learning_rate: float,
    momentum: float,
    batch_size: int,
    init_method: str,
    *epochs: int,
    scheduler: str = "none",
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """One training and the epochs after which it is scored.

    Without a schedule the first epochs of a long training are a short training.
    """
    names = ("learning_rate", "momentum", "batch_size", "init_method", "scheduler")
    values = (learning_rate, momentum, batch_size, init_method, scheduler)
    return dict(zip(names, values, strict=True)), epochs


def deep(**changed: Any) -> tuple[dict[str, Any], tuple[int, ...]]:
    """A training with layers, which under a schedule is scored at its end only."""
    settings = DEEP | changed
    return settings, (settings.pop("epochs"),)


TRAJECTORIES = {
    "cd": (
        trajectory(0.001, 0.9, 128, "mv_rand", 10, 30, 100),
        trajectory(0.05, 0.9, 128, "mv_rand", 10, 30),
        trajectory(0.003, 0.9, 512, "shares", 3, 10, 30),
        trajectory(0.02, 0.9, 256, "shares", 10, 30),
        trajectory(0.05, 0.5, 128, "mv", 10, 20),
        trajectory(0.05, 0.5, 64, "mv_lo", 20),
        trajectory(0.05, 0.9, 128, "shares", 20, scheduler="cosine"),
        trajectory(0.1, 0.9, 128, "rand", 20),
    ),
    "pcd": (
        trajectory(0.001, 0.9, 128, "mv_rand", 10, 30, 100),
        trajectory(0.05, 0.9, 128, "mv_rand", 10, 20),
        trajectory(0.003, 0.9, 512, "shares", 3, 10, 30),
        trajectory(0.05, 0.9, 128, "shares", 20, scheduler="cosine"),
    ),
    "deep": (
        deep(),
        deep(learning_rate=0.003),
        deep(learning_rate=0.01),
        deep(learning_rate=0.03),
        deep(epochs=10),
        deep(epochs=60),
        deep(batch_size=256),
        deep(preprocessing_activation="softmax"),
        deep(preprocessing_activation="entmax"),
        deep(preprocessing_layers=2),
    ),
}


def simulated() -> Iterator[tuple[str, Any]]:
    """Seeded votes of many kinds and sizes."""
    rng = np.random.default_rng(0)
    skills = ((0.3, 0.7), (0.4, 0.8), (0.55, 0.9), (0.7, 0.95))
    for i in range(7):
        n, d, k = (int(rng.choice(x)) for x in ((200, 400, 800), (5, 8, 12), (2, 3, 5)))
        skill = skills[i % 4] if k > 2 else (0.55, 0.85)
        missing = (0.0, 0.2)[i % 2]
        yield (
            f"independent-{i}",
            conditionally_independent(n, d, k, accuracy=skill, missing=missing, random_state=i),
        )
    for i, groups in enumerate(((4, 3, 1, 1), (3, 1, 1, 1, 1), (5, 5), (2, 2, 2, 1, 1))):
        n, k = (int(rng.choice(x)) for x in ((300, 600), (2, 3, 4)))
        skill = (0.55, 0.85) if k == 2 else (0.45, 0.85)
        yield (
            f"copying-{i}",
            copying_groups(
                n, k, groups=groups, copy_rate=(0.5, 0.8)[i % 2], accuracy=skill, random_state=i
            ),
        )
    for i, k in enumerate((2, 3, 4, 6)):
        n = int(rng.choice((300, 600)))
        yield f"experts-{i}", class_experts(n, k, experts_per_class=2, random_state=i)
    for i, k in enumerate((2, 3, 5)):
        yield f"annotators-{i}", sparse_annotators(300, 20, 4 + i, k, random_state=i)
    yield "digits", digits_votes()


def vote_sets(folders: list[Path], every: int) -> Iterator[tuple[str, Votes, np.ndarray, bool]]:
    """Name, votes and truth (-1 unknown) of every set; whether to run contrastive divergence."""
    for name, data in simulated():
        n_classes = len(data.classes) if hasattr(data, "classes") else len(data.prior)
        votes = read_votes(np.array(data.votes), n_classes=n_classes)
        yield name, votes, np.array(data.truth), True
    paths = [path for folder in folders for path in vote_files(folder)]
    for i, path in enumerate(paths):
        file = VoteFile(path)
        if file.n_classes <= MOST_CLASSES:
            yield file.name, file.votes, file.gold, i % every == 0


def cut(votes: Votes, truth: np.ndarray, cells: int) -> tuple[Votes, np.ndarray] | None:
    """Votes short enough for contrastive divergence, None if they would be too short."""
    limit = min(MOST_SAMPLES, cells // (votes.n_classifiers * votes.n_classes))
    rows = np.random.default_rng(0).permutation(votes.n_samples)[:limit]
    if len(rows) < LEAST_SAMPLES and len(rows) < votes.n_samples:
        return None
    return votes.take(np.sort(rows)), truth[np.sort(rows)]


def expected_accuracy(votes: Votes, truth: np.ndarray) -> float:
    """Accuracy of the majority vote in % under uniform ties."""
    known = np.flatnonzero(truth >= 0)
    shares = votes.vote_shares()
    shares[votes.empty_rows()] = 1 / votes.n_classes
    return 100 * float(shares[known, truth[known]].mean())


def exact_runs(votes: Votes, truth: np.ndarray) -> Iterator[dict[str, Any]]:
    """Every start with the exact solver."""
    for start in STARTS:
        begin = time.perf_counter()
        model = DEEM(init_method=start, random_state=0).fit(votes)
        seconds = time.perf_counter() - begin
        yield {"init_method": start, "score": accuracy(model, truth), "seconds": seconds}


def stochastic_runs(votes: Votes, truth: np.ndarray, kind: str) -> Iterator[dict[str, Any]]:
    """Every trajectory, scored where it stops."""
    for settings, stops in TRAJECTORIES[kind]:
        begin = time.perf_counter()
        parameters = PARAMETERS[kind] | settings
        model = DEEM(random_state=0, epochs=stops[-1], device="cpu", **parameters)
        try:
            model.fit(votes, truth)
        except NonFiniteError:
            continue
        seconds = (time.perf_counter() - begin) / stops[-1]
        for epochs in stops:
            score = accuracy(model, truth, epochs)
            yield {**settings, "epochs": epochs, "score": score, "seconds": seconds * epochs}


def accuracy(model: DEEM, truth: np.ndarray, epochs: int | None = None) -> float:
    """Accuracy in % after some epochs, by default after all."""
    known = truth >= 0
    if epochs in (None, model.history_.n_epochs):
        return 100 * (model.probas_.argmax(1)[known] == truth[known]).mean()
    # Unknown truth counts as wrong in the history.
    return 100 * model.history_["accuracy"][epochs - 1] / known.mean()


def measure(
    name: str, votes: Votes, truth: np.ndarray, slow: bool, kinds: tuple[str, ...]
) -> list[dict[str, Any]]:
    """All runs of some kinds on one set."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeemWarning)
    rows = []
    if "exact" in kinds:
        found = [{"solver": "exact", **row} for row in exact_runs(votes, truth)]
        rows += complete(found, name, votes, truth)
    for kind in kinds if slow else ():
        short = cut(votes, truth, MOST_CELLS[kind]) if kind in TRAJECTORIES else None
        if short is not None:
            found = [{"solver": kind, **row} for row in stochastic_runs(*short, kind)]
            rows += complete(found, name, *short)
    print(f"{name:45} {len(rows)} runs", flush=True)
    return rows


def complete(
    rows: list[dict[str, Any]], name: str, votes: Votes, truth: np.ndarray
) -> list[dict[str, Any]]:
    """Rows with all columns; numbers keep the digits that matter."""
    features = {key: float(f"{x:.4g}") for key, x in meta_features(votes).items()}
    vote = expected_accuracy(votes, truth)
    empty = dict.fromkeys(("batch_size", "epochs", "learning_rate", "momentum", "scheduler"))
    return [
        {"set": name, **features, **empty, **NO_LAYERS, **row}
        | {"score": round(row["score"] - vote, 2), "seconds": round(row["seconds"], 3)}
        for row in rows
    ]


def evaluate(runs: Runs) -> None:
    """Print the mean scores of predicted hyperparameters on sets that were left out."""
    print(f"{'solver':6} {'sets':>4}  default  single  predicted    best  worst loss to default")
    for solver in [name for name in SOLVERS if name in runs.solvers]:
        part = runs.take(runs.solvers == solver)
        names = sorted(set(part.sets.tolist()))
        found = np.array([left_out(part, name, solver) for name in names])
        means, worst = found.mean(0), (found[:, 2] - found[:, 0]).min()
        print(f"{solver:6} {len(names):4}", *(f"{x:8.2f}" for x in means), f"{worst:10.2f}")


def left_out(runs: Runs, name: str, solver: str) -> tuple[float, float, float, float]:
    """Scores on one set: default, best on average elsewhere, predicted, best."""
    own, others = runs.take(runs.sets == name), runs.take(runs.sets != name)
    scores = dict(zip(map(frozen, own.settings), own.scores.tolist(), strict=True))
    means: dict[Any, list[float]] = {}
    for settings, score in zip(others.settings, others.scores, strict=True):
        means.setdefault(frozen(settings), []).append(score)
    single = max(means, key=lambda key: np.mean(means[key]))
    features = dict(zip(META_FEATURES, own.features[0], strict=True))
    default = NO_LAYERS | DEFAULTS[solver]
    predicted = HyperparameterPredictor().fit(others).predict(features, solver, default=default)
    return (
        scores[frozen(default)],
        scores[single],
        scores[frozen(predicted)],
        max(scores.values()),
    )


def frozen(settings: dict[str, Any]) -> frozenset:
    """Settings as a key."""
    return frozenset(settings.items())


def kept(path: Path, kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of a table of other kinds than these."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["solver"] not in kinds]


def main() -> None:
    """Measure or read, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", help="folders of vote files (.npz)")
    parser.add_argument("--every", type=int, default=4, help="vote files per slow one")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--most", type=int, help="number of sets")
    parser.add_argument("--only", choices=SOLVERS, help="kind of training to measure")
    parser.add_argument("--add", type=Path, help="table whose other runs are kept")
    parser.add_argument("--out", type=Path, default=Path("runs.csv"))
    parser.add_argument("--evaluate", type=Path, help="table to evaluate")
    args = parser.parse_args()
    if args.evaluate is None:
        sets = islice(vote_sets(args.folders, args.every), args.most)
        kinds = SOLVERS if args.only is None else (args.only,)
        rows = [] if args.add is None else kept(args.add, kinds)
        parallel = Parallel(n_jobs=args.jobs, return_as="generator")
        for found in parallel(delayed(measure)(*one, kinds) for one in sets):
            rows += found
            runs = Runs.from_rows(rows)
            args.out.write_text(runs.to_csv(), encoding="utf-8")
        print(f"{len(runs)} runs in {args.out}")
    else:
        runs = read_runs(args.evaluate)
    evaluate(runs)


if __name__ == "__main__":
    main()
