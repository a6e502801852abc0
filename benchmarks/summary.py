"""What the cells of accuracy.json say together: means, ranks, worst losses, calibration, cost.

The results hold ``sets`` (name -> facts) and ``cells`` (method -> set -> figures); a cell without
``accuracy`` says in ``failed`` why. Pure functions; rows of tables are dicts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from metrics import (
    cliques,
    critical_difference,
    friedman,
    mean_ranks,
    wins_ties_losses,
    worst_loss,
)

OURS = "deem"
"""The method that the others are compared with."""

ENOUGH = 0.9
"""Share of the sets that a method must have run on to be ranked."""

TITLES = {
    "vote": "majority vote",
    "dawid_skene": "Dawid-Skene",
    "deem": "DEEM",
    "deem_plain": "inverse RBM",
    "context": "context",
    "tempered": "tempered",
    "one_coin": "one-coin",
    "weighted_vote": "weighted vote",
    "subclass_3": "3 subclasses",
    "subclass_10": "10 subclasses",
    "group": "groups",
    "own_vote": "`MajorityVote`",
    "own_dawid_skene": "`DawidSkene`",
    "own_one_coin": "`OneCoin`",
    "own_glad": "`GLAD`",
    "crowdkit_dawid_skene": "crowd-kit Dawid-Skene",
    "ebcc": "EBCC",
    "mmsr": "crowd-kit MMSR",
    "mace": "crowd-kit MACE",
    "glad": "crowd-kit GLAD",
}

MODELS = ("deem_plain", "context", "tempered", "group", "one_coin", "weighted_vote",
          "subclass_3", "subclass_10")  # fmt: skip
"""What `DEEM` can train; all but subclasses are candidates of its choice."""

CANDIDATES = {"inverse_rbm": "deem_plain"}
"""Methods that are candidates under another name."""

ASIDE = (*MODELS[1:], "own_vote", "own_dawid_skene")
"""Methods that are not compared with the others: relatives and repetitions of those that are."""

FIGURES = ("brier", "log_loss", "calibration_error", "skill_error")

Results = dict[str, Any]


def title(method: str) -> str:
    """Name of a method for readers."""
    return TITLES.get(method, method.replace("_", " "))


def column(results: Results, method: str, figure: str = "accuracy") -> dict[str, float]:
    """One figure of a method by set, of the sets that have it."""
    cells = results["cells"].get(method, {})
    return {name: cell[figure] for name, cell in cells.items() if figure in cell}


def mean(values: dict[str, float], names: Any = None) -> float | None:
    """Mean over some of the sets; None where one of them has no value, or there are none."""
    names = list(values if names is None else names)
    if not names or not set(names) <= values.keys():
        return None
    return float(np.mean([values[name] for name in names]))


def reference_sets(results: Results) -> list[str]:
    """The sets with a reference figure."""
    return [name for name, facts in results["sets"].items() if facts["reference"]]


def in_front(results: Results) -> Results:
    """The results without the methods that are not compared with the others."""
    cells = {name: found for name, found in results["cells"].items() if name not in ASIDE}
    return {**results, "cells": cells}


def chosen(results: Results) -> dict[str, str]:
    """Method of the model that `OURS` chose, by set."""
    cells = results["cells"].get(OURS, {})
    names = {name: cell["chosen"] for name, cell in cells.items() if "chosen" in cell}
    return {name: CANDIDATES.get(model, model) for name, model in names.items()}


def model_rows(results: Results) -> list[dict[str, Any]]:
    """What each model gives, on how many sets it was chosen; last the best model of each set."""
    columns = {m: column(results, m) for m in MODELS if m in results["cells"]}
    best: dict[str, float] = {}
    for values in columns.values():
        best |= {name: max(x, best.get(name, x)) for name, x in values.items()}
    ours, vote = column(results, OURS), column(results, "vote")
    picks = list(chosen(results).values())
    rows = []
    for method, values in ({OURS: ours} | columns | {"best": best}).items():
        shared = sorted(values.keys() & ours.keys())
        rows.append(
            {
                "method": method,
                "n_sets": len(values),
                "mean": mean(values),
                "ours_shared": mean(ours, shared),
                "reference": mean(values, reference_sets(results)),
                "vote": worst_loss(values, vote),
                "chosen": picks.count(method),
            }
        )
    return rows


def accuracy_rows(results: Results) -> list[dict[str, Any]]:
    """Means, and `OURS` over the same sets, of every method."""
    rows, ours = [], column(results, OURS)
    for method in results["cells"]:
        values = column(results, method)
        shared = sorted(values.keys() & ours.keys())
        rows.append(
            {
                "method": method,
                "n_sets": len(values),
                "mean": mean(values),
                "mean_shared": mean(values, shared),
                "ours_shared": mean(ours, shared),
                "reference": mean(values, reference_sets(results)),
            }
        )
    return rows


def versus_rows(results: Results) -> list[dict[str, Any]]:
    """Worst losses of every method, and how `OURS` fares against it."""
    rows, ours = [], column(results, OURS)
    for method in results["cells"]:
        values = column(results, method)
        shared = sorted(values.keys() & ours.keys())
        row = {"method": method}
        for rival in ("vote", "dawid_skene"):
            row[rival] = worst_loss(values, column(results, rival))
        pairs = [[one[name] for name in shared] for one in (ours, values)]
        row["wins_ties_losses"] = wins_ties_losses(*pairs)
        rows.append(row)
    return rows


def ranking(results: Results) -> dict[str, Any] | None:
    """Mean ranks and their test, over the sets where all methods with enough sets ran.

    Returns
    -------
    dict or None
        ``sets``, ``ranks`` (method -> mean rank), ``p`` of Friedman's test, the critical
        ``distance`` and the ``cliques`` that do not differ; None for fewer than three methods or
        two sets.
    """
    columns = {method: column(results, method) for method in results["cells"]}
    enough = ENOUGH * len(results["sets"])
    columns = {method: values for method, values in columns.items() if len(values) >= enough}
    sets = [name for name in results["sets"] if all(name in c for c in columns.values())]
    if len(columns) < 3 or len(sets) < 2:
        return None
    # Up to rounding, equal counts of right labels are equal.
    table = np.array([[round(c[name], 6) for c in columns.values()] for name in sets])
    ranks = mean_ranks(table)
    distance = critical_difference(len(columns), len(sets))
    return {
        "sets": sets,
        "ranks": dict(zip(columns, ranks.tolist(), strict=True)),
        "p": friedman(table),
        "distance": distance,
        "cliques": cliques(ranks, distance),
    }


def calibration_rows(results: Results) -> list[dict[str, Any]]:
    """Means of the figures of the probabilities, each beside that of `OURS` on the same sets."""
    rows = []
    for method in results["cells"]:
        row: dict[str, Any] = {"method": method, "n_sets": len(column(results, method, "brier"))}
        for figure in FIGURES:
            ours, values = column(results, OURS, figure), column(results, method, figure)
            shared = sorted(values.keys() & ours.keys())
            row[figure] = mean(values, shared), mean(ours, shared)
        if row["n_sets"]:
            rows.append(row)
    return rows


def cost_rows(results: Results) -> list[dict[str, Any]]:
    """Time, memory and the sets without a result."""
    rows = []
    for method, cells in results["cells"].items():
        seconds = list(column(results, method, "seconds").values())
        memory = column(results, method, "peak_mib").values()
        failed = [cell["failed"] for cell in cells.values() if "failed" in cell]
        failed += ["not run"] * len(results["sets"].keys() - cells.keys())
        rows.append(
            {
                "method": method,
                "median": float(np.median(seconds)) if seconds else None,
                "total": float(np.sum(seconds)) if seconds else None,
                "peak_mib": max(memory, default=None),
                "failed": {reason: failed.count(reason) for reason in sorted(set(failed))},
            }
        )
    return rows


def family_rows(results: Results) -> list[dict[str, Any]]:
    """Mean accuracies of the ranked methods by family, over the sets of the ranking."""
    ranked = ranking(results)
    if ranked is None:
        return []
    families: dict[str, list[str]] = {}
    for name in ranked["sets"]:
        families.setdefault(results["sets"][name]["family"], []).append(name)
    return [
        {
            "family": family,
            "n_sets": len(names),
            "means": {m: mean(column(results, m), names) for m in ranked["ranks"]},
        }
        for family, names in sorted(families.items())
    ]


def seed_means(results: Results) -> list[float]:
    """Mean accuracy of `OURS` over all its sets, for each random state."""
    runs = [cell["seeds"] for cell in results["cells"].get(OURS, {}).values() if "seeds" in cell]
    return np.mean(runs, axis=0).tolist() if runs else []


def lines(results: Results) -> list[str]:
    """The summary as lines of text for a terminal."""
    found = ranking(in_front(results))
    ranks = found["ranks"] if found else {}
    n_reference = len(reference_sets(results))
    head = ("sets", "mean", "DEEM same", f"the {n_reference}", "rank", "median s", "total s")
    text = [f"{'accuracy in %':22}" + "".join(f"{name:>11}" for name in head) + "  worst losses"]
    tables = (accuracy_rows(results), versus_rows(results), cost_rows(results))
    for row, rival, cost in zip(*tables, strict=True):
        method = row["method"]
        numbers = (row["mean"], row["ours_shared"], row["reference"], ranks.get(method))
        cells = [number(value, 2) for value in numbers]
        cells += [number(cost["median"], 3), number(cost["total"], 1)]
        losses = [f"{rival[who][0]:.2f} {rival[who][1] or ''}" for who in ("vote", "dawid_skene")]
        text.append(
            f"{title(method)[:22]:22}{row['n_sets']:11d}"
            + "".join(f"{cell:>11}" for cell in cells)
            + f"  vote {losses[0]}, Dawid-Skene {losses[1]}"
        )
    seeds = ", ".join(f"{value:.3f}" for value in seed_means(results))
    return [*text, f"DEEM by random_state: {seeds}"]


def number(value: float | None, digits: int) -> str:
    """A figure with so many digits after the point, a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
