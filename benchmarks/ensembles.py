"""Ensembles from independent to joint training: accuracy, collusion, consensus, and speed.

    python benchmarks/ensembles.py [--only PART ...]

Parts: noise (digits with wrong labels, means of scores, and what consensus makes of the same
learners), mixture (the same with means of probabilities), clean, regression, table, speed, exact.
Data ship with scikit-learn; all cells of a seed share parameters and batches, and differences are
paired. Times are CPU seconds of one thread. Prints tables and writes
benchmarks/results/ensembles.json, where parts that were not run keep their figures.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from itertools import combinations
from typing import Any

import torch
from common import HERE, versions, write_json
from ensembles_speed import check, measure_exact, measure_speed
from threadpoolctl import threadpool_limits

from deem.datasets import load_task
from deem.ensembles import (
    BetaSweep,
    ConsensusSweep,
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    SweepResult,
    independent_vs_joint,
)
from deem.utils.exception import DeemWarning

BETAS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
N_SEEDS = 5


def digits(noise: float = 0.0):
    """Splits of digits by seed, standardised by the training samples."""
    return lambda seed: load_task("digits", seed, label_noise=noise).standardised()


def timed(sweep: BetaSweep, splits: Any) -> tuple[SweepResult, float]:
    """Result, and CPU seconds."""
    start = time.process_time()
    result = sweep.run(splits)
    return result, time.process_time() - start


def show(result: SweepResult, metrics: dict[str, tuple[str, str]], unit: str) -> dict[str, Any]:
    """Print means over seeds against beta; return them."""
    print(f"  {'beta':28s}" + "".join(f"{beta:>8g}" for beta in result.betas))
    found = {}
    for said, (metric, split) in metrics.items():
        values = result.values(metric, split)
        found[said] = {"mean": values.mean(0).tolist(), "std": values.std(0, ddof=1).tolist()}
        print(f"  {said:28s}" + "".join(f"{x:8.3f}" for x in found[said]["mean"]))
    for selection in ("last", "best"):
        rows = result.paired(unit, selection=selection)
        found[f"paired, {selection}"] = rows
        last = rows[-1]
        print(
            f"  {unit} at 1 less at 0, {selection} epoch: {last['mean']:+.4f} "
            f"± {last['sem']:.4f}, below in {last['n_below']} of {last['n_seeds']}"
        )
    return found


CLASSES = {
    "train accuracy": ("accuracy", "train"),
    "test accuracy": ("accuracy", "test"),
    "test accuracy of a learner": ("individual_accuracy", "test"),
    "train diversity": ("diversity", "train"),
    "test diversity": ("diversity", "test"),
    "share by constant offsets": ("debiased_drop", "test"),
    "half of them dropped": ("drop_half_accuracy", "test"),
    "error correlation": ("error_correlation", "test"),
}


def measure_noise() -> dict[str, Any]:
    """Digits with 30 % wrong labels and means of scores; consensus of the same learners."""
    result, seconds = timed(BetaSweep(betas=BETAS, seeds=N_SEEDS), digits(0.3))
    found = {"cpu_seconds": seconds, **show(result, CLASSES, "accuracy")}
    train, each = result.values("accuracy", "train"), result.values("individual_accuracy")
    diversity = result.values("diversity", "train").mean(0)
    last = result.paired()[-1]
    check("test accuracy lost at 1, points", -100 * last["mean"], 3, at_least=True)
    check("the same", -100 * last["mean"], 5)
    check("seeds in which it is below", last["n_below"], N_SEEDS, at_least=True)
    check("train accuracy gained at 1", (train[:, -1] - train[:, 0]).mean(), 0, at_least=True)
    check("accuracy of a learner at 1", each[:, -1].mean(), 0.45)
    check("train diversity at 1 / at 0", diversity[-1] / diversity[0], 30, at_least=True)
    offsets = result.values("debiased_drop")[:, -1].mean()
    check("share by constant offsets at 1", offsets, 0.3, at_least=True)
    check("CPU seconds of the sweep", seconds, 90)
    return {**found, "consensus": _consensus(result)}


def _consensus(result: SweepResult) -> dict[str, Any]:
    start = time.process_time()
    found = ConsensusSweep().run(result)
    seconds = time.process_time() - start
    print(f"  {'consensus, beta':28s}" + "".join(f"{beta:>8g}" for beta in found.betas))
    means = {}
    for method in found.methods:
        values = found.values(method)
        means[method] = {"mean": values.mean(0).tolist(), "std": values.std(0, ddof=1).tolist()}
        print(f"  {method:28s}" + "".join(f"{x:8.3f}" for x in means[method]["mean"]))
    at_0, at_1 = ({k: v["mean"][place] for k, v in means.items()} for place in (0, -1))
    check("majority vote at 1", at_1["majority vote"], 0.70)
    check("DEEM of hard votes at 1", at_1["DEEM hard"], 0.79, at_least=True)
    check("DEEM of soft votes at 1", at_1["DEEM soft"], 0.84, at_least=True)
    ahead = at_0["DEEM soft"] - at_0["score mean"]
    check("DEEM soft less score mean at 0", ahead, 0, at_least=True)
    return {"cpu_seconds": seconds, **means}


def measure_mixture() -> dict[str, Any]:
    """The same digits with means of probabilities, where joint training wins."""
    sweep = BetaSweep(DeepEnsembleClassifier(aggregate="prob"), BETAS, N_SEEDS)
    result, seconds = timed(sweep, digits(0.3))
    found = {"cpu_seconds": seconds, **show(result, CLASSES, "accuracy")}
    last = result.paired()[-1]
    check("seeds in which 1 is above 0", last["n_above"], N_SEEDS, at_least=True)
    return found


def measure_clean() -> dict[str, Any]:
    """Digits with true labels."""
    result, seconds = timed(BetaSweep(betas=BETAS, seeds=N_SEEDS), digits())
    return {"cpu_seconds": seconds, **show(result, CLASSES, "accuracy")}


def measure_regression() -> dict[str, Any]:
    """Diabetes with standardised values."""
    estimator = DeepEnsembleRegressor(epochs=100, batch_size=32)
    sweep = BetaSweep(estimator, BETAS, N_SEEDS)
    result, seconds = timed(sweep, lambda seed: load_task("diabetes", seed))
    metrics = {
        "train error": ("ensemble_loss", "train"),
        "test error": ("ensemble_loss", "test"),
        "test diversity": ("diversity", "test"),
        "share by constant offsets": ("debiased_drop", "test"),
        "half of them dropped": ("drop_half_loss", "test"),
    }
    found = {"cpu_seconds": seconds, **show(result, metrics, "ensemble_loss")}
    last = result.paired("ensemble_loss")[-1]
    check("seeds in which the error is above", last["n_above"], N_SEEDS, at_least=True)
    gap = max(
        _gap_of_dropping(cell.scores["last"].double(), cell.targets) for cell in result.cells
    )
    check("half dropped: all subsets, closed form", gap, 1e-6)
    gap = abs(result.values("debiased_drop") - result.values("collusion_index")).max()
    check("share of offsets less closed form", float(gap), 1e-6)
    return found


def _gap_of_dropping(scores: torch.Tensor, y: torch.Tensor) -> float:
    """Mean loss of all subsets of half of the learners, less what the closed form says."""
    n, kept, y = scores.shape[1], scores.shape[1] // 2, y.reshape(len(scores), -1).double()
    errors = torch.stack(
        [((scores[:, s].mean(1) - y) ** 2).mean() for s in combinations(range(n), kept)]
    )
    whole = ((scores.mean(1) - y) ** 2).mean()
    diversity = ((scores - scores.mean(1, keepdim=True)) ** 2).mean()
    form = diversity * (n - kept) / (kept * (n - 1))
    return float((errors.mean() - whole - form).abs())


def measure_table() -> dict[str, Any]:
    """Independent and joint training of small networks on images of digits."""
    start = time.process_time()
    table = independent_vs_joint(
        ["mlp", "cnn", "vgg_small", "resnet_small"],
        lambda seed: load_task("digits_images", seed, label_noise=0.3).standardised(),
        estimator=DeepEnsembleClassifier(n_learners=4, epochs=15),
        seeds=3,
        top_k=3,
    )
    for row in table.rows:
        print(
            f"  {row['learner']:14s} {row['n_parameters']:8d}  single {row['single']:.3f}  "
            f"independent {row['independent']:.3f}  joint {row['joint']:.3f}  "
            f"{100 * row['delta']:+.1f} ± {100 * row['sem']:.1f} points, "
            f"top 3 {row['independent_top_k']:.3f} and {row['joint_top_k']:.3f}"
        )
    return {"cpu_seconds": time.process_time() - start, "rows": table.rows}


PARTS = {
    "noise": measure_noise,
    "mixture": measure_mixture,
    "clean": measure_clean,
    "regression": measure_regression,
    "table": measure_table,
    "speed": measure_speed,
    "exact": measure_exact,
}


def main() -> None:
    """Measure the chosen parts and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to measure")
    chosen = parser.parse_args().only or list(PARTS)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeemWarning)
    print(", ".join(f"{name} {number}" for name, number in versions().items()))
    path = HERE / "results" / "ensembles.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in chosen:
        start = time.time()
        print(f"{name}:")
        with threadpool_limits(1):
            results[name] = {"versions": versions(), **PARTS[name]()}
        print(f"  {time.time() - start:.0f} s")
    print(write_json("ensembles.json", results))


if __name__ == "__main__":
    main()
