"""Brackets of log-partitions against enumeration: how often they hold it, and how wide they are.

    python benchmarks/ais.py [--runs 100]

Every model has normal parameters and is small enough to enumerate. A run is a bracket from chains
of its own, forward and reverse, from independent uniform votes. Prints a table and writes
benchmarks/results/ais.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from common import versions, write_json

from deem.core.model import Model
from deem.math.energy import enumerate_one_hot, enumerated_log_partition
from deem.models import BinaryIRBM, GroupIRBM, SoftIRBM
from deem.models.multinomial import MultinomialIRBM
from deem.samplers.ais import (
    Bracket,
    PartitionEstimate,
    annealed_importance,
    reverse_annealed_importance,
)
from deem.samplers.path import SiteMixture, exact_draws

CASES: dict[str, tuple[Callable[[], Model], float, int]] = {
    "BinaryIRBM, 16 units": (lambda: BinaryIRBM(16, hidden_dim=2), 1.0, 500),
    "BinaryIRBM, 16 units, strong": (lambda: BinaryIRBM(16, hidden_dim=2), 2.0, 1200),
    "SoftIRBM, 16 x 2": (lambda: SoftIRBM(16, 2), 1.0, 1000),
    "SoftIRBM, 10 x 3, 2 hidden units": (lambda: SoftIRBM(10, 3, hidden_dim=2), 1.0, 1000),
    "GroupIRBM, 12 x 2": (lambda: GroupIRBM(12, 2, groups=((0, 1, 2), (4, 5))), 1.5, 400),
    "MultinomialIRBM, 12 x 2, sparsemax": (lambda: _deep(12, 2, "sparsemax"), 1.0, 200),
    "MultinomialIRBM, 12 x 2, softmax": (lambda: _deep(12, 2, "softmax"), 1.0, 200),
    "MultinomialIRBM, 8 x 3, sparsemax": (lambda: _deep(8, 3, "sparsemax"), 1.0, 200),
}
"""Model, spread of its parameters, steps."""


def _deep(d: int, k: int, activation: str) -> Model:
    return MultinomialIRBM(d, k, widths=[d, d // 2], activation=activation)


@torch.no_grad()
def build(make: Callable[[], Model], spread: float) -> Model:
    """A model with normal parameters in double precision."""
    model, generator = make().double(), torch.Generator().manual_seed(0)
    for p in model.parameters():
        p.copy_(spread * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return model


def estimates(found: PartitionEstimate, n_chains: int) -> list[PartitionEstimate]:
    """One estimate for as many chains each."""
    pairs = zip(found.log_weights.split(n_chains), found.chains.split(n_chains), strict=True)
    return [PartitionEstimate(*pair, found.reverse, found.is_bound) for pair in pairs]


@torch.no_grad()
def measure(model: Model, n_steps: int, runs: int, n_chains: int) -> dict[str, Any]:
    """What many brackets of one model say of its log-partition.

    Chains are independent, so that one long run is cut into the runs.
    """
    shape = (int(model.n_classifiers), int(model.n_classes))
    truth = enumerated_log_partition(model.free_energy, enumerate_one_hot(*shape)).item()
    base = SiteMixture.independent(torch.ones(shape))
    generator = torch.Generator().manual_seed(1)
    settings: dict[str, Any] = {"n_steps": n_steps, "generator": generator}
    n, start = runs * n_chains, time.perf_counter()
    forward = annealed_importance(model, base, n_chains=n, **settings)
    starts = exact_draws(model, n, shape, generator)
    back = reverse_annealed_importance(model, base, starts, exact_starts=True, **settings)
    seconds = time.perf_counter() - start
    sides = (estimates(one, n_chains) for one in (forward, back))
    found = [Bracket(*pair) for pair in zip(*sides, strict=True)]
    widths = [one.upper - one.lower for one in found]
    return {
        "truth": truth,
        "steps": n_steps,
        "chains": n_chains,
        "runs": runs,
        "inside": sum(one.lower <= truth <= one.upper for one in found),
        "mean_width": sum(widths) / runs,
        "largest_width": max(widths),
        "largest_error": max(abs(one.forward.log_partition - truth) for one in found),
        "effective_share": forward.effective_share,
        "seconds_a_run": seconds / runs,
    }


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--chains", type=int, default=256)
    arguments = parser.parse_args()
    results = {}
    for name, (make, spread, n_steps) in CASES.items():
        found = measure(build(make, spread), n_steps, arguments.runs, arguments.chains)
        results[name] = found
        print(
            "{name:36s} log Z {truth:8.3f}: {inside:3d} of {runs} inside, width {mean_width:.3f} "
            "(at most {largest_width:.3f}), forward within {largest_error:.3f}, "
            "{seconds_a_run:.2f} s a run".format(name=name, **found),
            flush=True,
        )
    write_json("ais.json", {"versions": versions(), "models": results})


if __name__ == "__main__":
    main()
