"""The tables of deep.py, as plain text and as a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from statistics import mean
from typing import Any

LARGE_SETS = 500
"""Samples from which a set counts for the mean accuracy."""


def tables(results: dict[str, Any]) -> list[str]:
    """Tables of what was measured, in Markdown."""
    cells = defaultdict(dict)
    for name, figures in results["cells"].items():
        part, rest = name.split(" ", 1)
        cells[part][rest] = figures
    makers: dict[str, Callable[[dict[str, Any]], list[str]]] = {
        "fits": _fits,
        "stacked": _fits,
        "held_out": _held_out,
        "starts": _starts,
        "large": _starts,
    }
    titles = {
        "fits": "**One layer, started at the identity**",
        "stacked": "**A stack of inverse RBMs**",
        "held_out": "**Held-out likelihood of half of the samples, in nats a sample**",
        "starts": "**Other starts of the layer**",
        "large": "**Factorised layers on large sets**",
    }
    found = []
    for part, maker in makers.items():
        if cells[part]:
            found += [titles[part], *maker(cells[part])]
    for name in ("step", "fit", "memory"):
        if name in results:
            found.append(f"{name}: {results[name]}")
    return found


def page(results: dict[str, Any]) -> str:
    """The tables as a page fragment."""
    return "\n\n".join(tables(results)) + "\n"


def _fits(cells: dict[str, dict[str, Any]]) -> list[str]:
    """Accuracy a set, and what went wrong, of "form seed set" cells."""
    sets: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for name, row in cells.items():
        form, _, file = name.split(" ", 2)
        sets[file][form].append(row)
    rows = [_fit_row(file, forms) for file, forms in sorted(sets.items())]
    head = ["set", "exact", "deep", "range", "soft", "epochs", "seconds"]
    return [_summary(cells), _markdown(head, rows), _where_depth_wins(sets)]


def _fit_row(file: str, forms: dict[str, list[dict[str, Any]]]) -> list[str]:
    hard, soft = forms["hard"], forms.get("soft", [])
    kept = [row["deep"] for row in hard if not row["abandoned"]]
    return [
        file,
        f"{hard[0]['exact']:.2f}",
        f"{mean(kept):.2f}" if kept else "abandoned",
        f"{max(kept) - min(kept):.2f}" if kept else "",
        f"{mean(row['deep'] for row in soft):.2f}" if soft else "",
        f"{mean(row['epochs'] for row in hard):.0f}",
        f"{mean(row['seconds'] for row in hard):.1f}",
    ]


def _summary(cells: dict[str, dict[str, Any]]) -> str:
    rows = list(cells.values())
    failed = [name for name, row in cells.items() if row["abandoned"]]
    restarted = sum(row["restarts"] > 0 for row in rows)
    constant = [
        name
        for name, row in cells.items()
        if not row["finite"] or row["classes_used"] == 1 < row["classes_used_by_exact"]
    ]
    counted = [row for row in rows if row["n_samples"] >= LARGE_SETS and not row["abandoned"]]
    difference = mean(row["deep"] - row["exact"] for row in counted)
    minutes = sum(row["seconds"] for row in rows) / 60
    return (
        f"{len(rows)} fits in {minutes:.1f} minutes of processor time: {len(constant)} constant "
        f"or not finite {constant}, {restarted} restarted, {len(failed)} abandoned {failed}. "
        f"Accuracy against the exact inverse RBM on sets of {LARGE_SETS} samples and more: "
        f"{difference:+.3f} points."
    )


def _where_depth_wins(sets: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    found = []
    for file, forms in sets.items():
        kept = [row for row in forms["hard"] if not row["abandoned"]]
        gain = mean(row["deep"] - row["exact"] for row in kept) if kept else 0.0
        found.append((gain, file))
    best = [f"{file} {gain:+.2f}" for gain, file in sorted(found, reverse=True) if gain > 0.05]
    worst = [f"{file} {gain:+.2f}" for gain, file in sorted(found) if gain < -0.05]
    return (
        f"Depth wins on {len(best)} sets: {', '.join(best) or 'none'}. "
        f"It loses on {len(worst)}: {', '.join(worst) or 'none'}."
    )


def _held_out(cells: dict[str, dict[str, Any]]) -> list[str]:
    kept = {name: row for name, row in sorted(cells.items()) if not row["abandoned"]}
    rises = sum(row["trained"] > row["start"] for row in kept.values())
    rows = [
        [
            name,
            f"{row['exact']:.3f}",
            f"{row['start']:.3f}",
            f"{row['trained']:.3f}",
            f"{row['trained'] - row['start']:+.4f}",
            f"{row['start_error']:.4f}",
            f"{row['trained_error']:.4f}",
            ", ".join(f"{x:.3f}" for x in row["moved"]),
        ]
        for name, row in kept.items()
    ]
    head = ["set", "exact", "start", "trained", "gain", "se", "se trained", "‖W − W₀‖/‖W₀‖"]
    text = f"Held-out log-likelihood rises on {rises} of {len(kept)} sets."
    return [text, _markdown(head, rows)]


def _starts(cells: dict[str, dict[str, Any]]) -> list[str]:
    rows = [
        [
            name,
            f"{row['exact']:.2f}",
            f"{row['deep']:.2f}",
            f"{row['epochs']}",
            f"{row['seconds']:.1f}",
            row["abandoned"] or "–",
        ]
        for name, row in sorted(cells.items())
    ]
    return [_markdown(["fit", "exact", "deep", "epochs", "seconds", "abandoned"], rows)]


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
