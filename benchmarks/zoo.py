"""RBMs and deep belief networks against Learnergy, scikit-learn and minimal loops.

    python benchmarks/zoo.py [--only PART ...]

Parts: likelihood, flipped, epoch, dbn, ais, classify, seeds. Likelihoods are exact, by one sum
over all hidden states for everybody. Times are CPU seconds of one thread; contenders alternate in
one process, the first round is thrown away, and ratios are medians over the rounds. Learnergy is
read from the environment of ``make bench-env``, and left out without it. Prints tables and writes
benchmarks/results/zoo.json, where parts that were not run keep their figures.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from typing import Any

import torch
from common import HERE, versions, write_json
from threadpoolctl import threadpool_limits
from zoo_checks import measure_ais, measure_seeds
from zoo_classify import measure_classify
from zoo_likelihood import measure_flipped, measure_likelihood
from zoo_peers import learnergy_version
from zoo_speed import measure_dbn, measure_epoch

from deem.utils.exception import DeemWarning

PARTS: dict[str, Callable[[], Any]] = {
    "likelihood": measure_likelihood,
    "flipped": measure_flipped,
    "epoch": measure_epoch,
    "dbn": measure_dbn,
    "ais": measure_ais,
    "classify": measure_classify,
    "seeds": measure_seeds,
}


def kept() -> dict[str, Any]:
    """Figures of earlier runs, none where there was no run."""
    path = HERE / "results" / "zoo.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def all_versions() -> dict[str, str]:
    """Versions of what is measured, Learnergy's too where there is one."""
    peer = learnergy_version()
    return {**versions(), **({"learnergy": peer.split()[1]} if peer else {})}


def main() -> None:
    """Measure the chosen parts and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to measure")
    chosen = parser.parse_args().only or list(PARTS)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeemWarning)
    found = all_versions()
    print(", ".join(f"{name} {number}" for name, number in found.items()))
    results = {}
    for name in chosen:
        print(f"{name}:")
        with threadpool_limits(1):
            results[name] = {"versions": found, **PARTS[name]()}
    print(write_json("zoo.json", {**kept(), **results}))


if __name__ == "__main__":
    main()
