"""One bank for a sweep against a Python loop over learners and cells; equality of the two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from zoo_data import verdict

from deem.core.dataset import Dataset
from deem.datasets import load_task
from deem.ensembles import LearnerBank, make_learner, train_cells

BETAS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
N_LEARNERS, BATCH = 8, 64
ROUNDS = 3

FACTORY = partial(make_learner, "mlp", (64,), 10)


def check(said: str, value: float, bound: float, at_least: bool = False) -> None:
    """Print a figure with its target."""
    sign = ">=" if at_least else "<="
    print(f"  {said:36s} {value:.4g} ({sign} {bound:g}: {verdict(value, bound, at_least)})")


def parts(seeds: Sequence[int]) -> list[Dataset]:
    """Training samples of each seed."""
    return [load_task("digits", s, label_noise=0.3).standardised().train for s in seeds]


def orders(seed: int, n: int, epochs: int) -> list[Tensor]:
    """Rows of every epoch in the order in which a bank takes them."""
    first = torch.from_numpy(np.random.default_rng([seed, 2]).permutation(n))
    generator = torch.Generator().manual_seed(0)
    return [first[torch.randperm(n, generator=generator)] for _ in range(epochs)]


def plain_cell(part: Dataset, seed: int, beta: float, epochs: int, dtype: Any, fused: bool):
    """Train an ensemble as one would by hand: a loop over its learners, one optimizer."""
    learners = LearnerBank(FACTORY, N_LEARNERS, [seed]).to(dtype).members()
    parameters = [p for learner in learners for p in learner.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=fused)
    x, y = part.data.to(dtype), part.targets
    for order in orders(seed, len(x), epochs):
        for rows in order.split(BATCH):
            scores = torch.stack([learner(x[rows]) for learner in learners])
            target = y[rows]
            loss = beta * N_LEARNERS * cross_entropy(scores.mean(0), target)
            each = sum(cross_entropy(score, target) for score in scores)
            loss = loss + (1 - beta) * each
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return learners


def cpu_seconds(function: Any) -> tuple[float, Any]:
    """CPU seconds of a call, and its result."""
    start = time.process_time()
    found = function()
    return time.process_time() - start, found


def measure_speed(seeds: Sequence[int] = (0,), epochs: int = 20) -> dict[str, Any]:
    """Seven cells a seed in one bank, and one after the other by hand."""
    data = parts(seeds)
    contenders = {
        "bank": lambda: _bank(data, seeds, epochs, "bmm"),
        "bank by vmap": lambda: _bank(data, seeds, epochs, "vmap"),
        "loop": lambda: _loop(data, seeds, epochs, fused=False),
        "loop, fused Adam": lambda: _loop(data, seeds, epochs, fused=True),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for contender in contenders.values():
        contender()
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            times[name].append(cpu_seconds(contender)[0])
    steps = len(seeds) * len(BETAS) * epochs * -(-len(data[0]) // BATCH)
    found: dict[str, Any] = {}
    for name, seconds in times.items():
        ratio = median(b / a for a, b in zip(times["bank"], seconds, strict=True))
        found[name] = {"ms_a_step": 1000 * median(seconds) / steps, "over_bank": ratio}
        print(f"  {name:20s} {found[name]['ms_a_step']:.2f} ms a step, {ratio:.2f} of the bank")
    check("loop / bank", found["loop"]["over_bank"], 2.5, at_least=True)
    return found


def _bank(data: list[Dataset], seeds: Sequence[int], epochs: int, backend: str) -> LearnerBank:
    return train_cells(
        FACTORY,
        data,
        seeds=seeds,
        beta=BETAS,
        n_learners=N_LEARNERS,
        epochs=epochs,
        batch_size=BATCH,
        backend=backend,
    )[0]


def _loop(data: list[Dataset], seeds: Sequence[int], epochs: int, fused: bool) -> None:
    for part, seed in zip(data, seeds, strict=True):
        for beta in BETAS:
            plain_cell(part, seed, beta, epochs, torch.float32, fused)


def measure_exact(epochs: int = 10) -> dict[str, Any]:
    """Largest differences of trained parameters, in float64."""
    [part] = parts([3])
    settings = {"n_learners": N_LEARNERS, "epochs": epochs, "dtype": torch.float64}
    banks = {
        backend: train_cells(FACTORY, [part], seeds=[3], beta=BETAS, backend=backend, **settings)[
            0
        ]
        for backend in ("bmm", "vmap", "loop")
    }
    found = {
        f"bmm and {name}, beta {BETAS[g]:g}": _gap(banks["bmm"].members(g), banks[name].members(g))
        for name in ("vmap", "loop")
        for g in (0, 6)
    }
    for group in (0, 5, 6):
        plain = plain_cell(part, 3, BETAS[group], epochs, torch.float64, fused=False)
        found[f"bank and loop by hand, beta {BETAS[group]:g}"] = _gap(
            banks["bmm"].members(group), plain
        )
    alone = [_alone(part, m, epochs) for m in range(N_LEARNERS)]
    found["beta 0 and separate trainings"] = _gap(banks["bmm"].members(0), alone)
    for name, gap in found.items():
        check(name, gap, 1e-6 if "separate" in name or "hand" in name else 1e-12)
    return found


def _alone(part: Dataset, m: int, epochs: int) -> torch.nn.Module:
    """Learner m trained with an optimizer of its own, as if there were no others."""
    learner = LearnerBank(FACTORY, N_LEARNERS, [3]).double().members()[m]
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-3)
    x = part.data.double()
    for order in orders(3, len(x), epochs):
        for rows in order.split(BATCH):
            optimizer.zero_grad()
            cross_entropy(learner(x[rows]), part.targets[rows]).backward()
            optimizer.step()
    return learner


def _gap(one: list[torch.nn.Module], other: list[torch.nn.Module]) -> float:
    pairs = zip(one, other, strict=True)
    return max(
        float((p - q).abs().max().detach())
        for a, b in pairs
        for p, q in zip(a.parameters(), b.parameters(), strict=True)
    )
