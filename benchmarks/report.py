"""Write docs/accuracy.md and its picture from what accuracy.py measured.

    python benchmarks/report.py [RESULTS]

RESULTS is benchmarks/results/accuracy.json, or where there was no run docs/accuracy.json, the copy
that is kept of the figures on the page. If benchmarks/results/families.json holds, by family,
``{"full": x, "left_out": y, "sets": n}`` as families.py writes them, accuracies in % with the
thresholds of the library and with those made on the other families only, they are shown too.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from common import HERE
from metrics import N_BINS
from summary import (
    ENOUGH,
    FIGURES,
    MODELS,
    OURS,
    Results,
    accuracy_rows,
    calibration_rows,
    chosen,
    column,
    cost_rows,
    family_rows,
    in_front,
    model_rows,
    number,
    ranking,
    reference_sets,
    seed_means,
    title,
    versus_rows,
)

DOCS = HERE.parent / "docs"
PICTURE = "_static/accuracy_ranks.svg"


def table(head: list[str], rows: list[list[str]], n_text: int = 1) -> str:
    """A Markdown table whose first `n_text` columns are text and the others numbers."""
    rule = ["---" if i < n_text else "---:" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def accuracy_table(results: Results) -> str:
    """Means and ranks."""
    found = ranking(results)
    ranks = found["ranks"] if found else {}
    n = len(reference_sets(results))
    head = ["method", "sets", "mean", "`DEEM` on the same", f"mean of the {n}", "mean rank"]
    rows = []
    for row in accuracy_rows(results):
        figures = (row["mean"], row["ours_shared"], row["reference"], ranks.get(row["method"]))
        rows.append([title(row["method"]), str(row["n_sets"]), *(number(f, 2) for f in figures)])
    return table(head, rows)


def versus_table(results: Results) -> str:
    """Worst losses, and who is ahead how often."""
    head = ["method", "most lost to the vote", "most lost to Dawid-Skene", "`DEEM` against it"]
    rows = []
    for row in versus_rows(results):
        losses = (row["vote"], row["dawid_skene"])
        cells = [f"{loss:.2f} ({name})" if name else "none" for loss, name in losses]
        score = "" if row["method"] == OURS else " / ".join(map(str, row["wins_ties_losses"]))
        rows.append([title(row["method"]), *cells, score])
    return table(head, rows, n_text=3)


def calibration_table(results: Results) -> str:
    """Figures of the probabilities, with ours beside them."""

    def cell(theirs: float | None, ours: float | None, is_ours: bool) -> str:
        return number(theirs, 3) + ("" if is_ours or ours is None else f" ({ours:.3f})")

    head = ["method", "sets", "Brier score", "log loss", "calibration error", "error of skills"]
    rows = [
        [title(row["method"]), str(row["n_sets"])]
        + [cell(*row[figure], row["method"] == OURS) for figure in FIGURES]
        for row in calibration_rows(results)
    ]
    return table(head, rows)


def cost_table(results: Results) -> str:
    """Seconds, memory, and what did not end."""
    head = ["method", "median s", "total s", "peak MiB", "sets without a result"]
    rows = []
    for row in cost_rows(results):
        failed = ", ".join(f"{count} ({reason})" for reason, count in row["failed"].items())
        cells = [number(row["median"], 3), number(row["total"], 1), number(row["peak_mib"], 0)]
        rows.append([title(row["method"]), *cells, failed or "none"])
    return table(head, rows)


def family_table(results: Results) -> str:
    """Means by family."""
    rows = family_rows(results)
    methods = list(rows[0]["means"])
    cells = [
        [row["family"], str(row["n_sets"]), *(number(row["means"][m], 2) for m in methods)]
        for row in rows
    ]
    return table(["family", "sets", *map(title, methods)], cells)


def model_table(results: Results) -> str:
    """Means of the models, and how often each was chosen."""
    n = len(reference_sets(results))
    head = ["model", "most lost to the vote", "sets", "mean", "`DEEM` on the same",
            f"mean of the {n}", "chosen on"]  # fmt: skip
    rows = []
    for row in model_rows(results):
        loss, where = row["vote"]
        name = "best of these on each set" if row["method"] == "best" else title(row["method"])
        picked = str(row["chosen"]) if row["method"] in MODELS else ""
        figures = [number(row[key], 2) for key in ("mean", "ours_shared", "reference")]
        lost = f"{loss:.2f} ({where})" if where else "none"
        rows.append([name, lost, str(row["n_sets"]), *figures, picked])
    return table(head, rows, n_text=2)


def left_out_table(families: dict[str, dict[str, float]]) -> str:
    """Accuracy with and without the family among those that thresholds were made on."""
    keys = {
        "plain": "inverse RBM",
        "full": "`DEEM`",
        "refit": "made on all",
        "left_out": "made on the others",
        "best": "best candidate",
    }
    rows = [
        [name, str(row["sets"]), *(number(row.get(key), 2) for key in keys)]
        for name, row in families.items()
    ]
    return table(["family", "sets", *keys.values()], rows)


def set_table(results: Results) -> str:
    """Accuracy of every method on every set."""
    columns = {method: column(results, method) for method in results["cells"]}
    rows = [
        [name, *(str(facts[key]) for key in ("items", "classifiers", "classes"))]
        + [number(values.get(name), 2) for values in columns.values()]
        for name, facts in results["sets"].items()
    ]
    return table(["set", "items", "classifiers", "classes", *map(title, columns)], rows)


def model_set_table(results: Results) -> str:
    """Accuracy of every model on every set, and which was chosen."""
    picks = chosen(results)
    columns = {m: column(results, m) for m in MODELS if m in results["cells"]}
    rows = [
        [name, title(picks[name]) if name in picks else "-"]
        + [number(values.get(name), 2) for values in columns.values()]
        for name in results["sets"]
    ]
    return table(["set", "chosen", *map(title, columns)], rows, n_text=2)


def page(results: Results) -> str:
    """The whole page."""
    n, versions, limits = len(results["sets"]), results["versions"], results["limits"]
    everything, results = results, in_front(results)
    numbers = ", ".join(f"{name} {version}" for name, version in versions.items())
    seeds = ", ".join(number(value, 3) for value in seed_means(results))
    parts = [
        "# Accuracy",
        f"`DEEM` and other methods on {n} sets of real votes whose truth is known: crowds of "
        "people, and trained classifiers of many kinds. The truth is used for scoring only. "
        "`benchmarks/accuracy.py FOLDER` measures, for any folder of vote files, and "
        "`benchmarks/report.py` writes this page. Measured with " + numbers + ".",
        "## Means",
        "Accuracy in % on the items with known truth, all sets counting alike. The majority vote "
        "has its expected accuracy under uniform ties. `DEEM` runs with its defaults and chooses "
        "its model by the votes; the inverse RBM is `DEEM(selection=None)`. Names set like `GLAD` "
        "are estimators of this library. The thresholds of the choice were set on these sets; for "
        "what they bring elsewhere see the families of sets below. The figures of `DEEM` "
        f"are means over the random states 0, 1 and 2, whose own means are {seeds}. A method that "
        "did not end on every set stands beside `DEEM` over the same sets; a dash in the column "
        f"of the {len(reference_sets(results))} sets that all methods of an earlier comparison "
        "could handle has the same reason.",
        accuracy_table(results),
        *ranks_part(results),
        "## Worst cases",
        "The largest loss, in points, against the majority vote and against plain Dawid-Skene; "
        "then on how many sets `DEEM` is ahead / level / behind, level being within 0.05 points.",
        versus_table(results),
        *models_part(everything),
        "## Probabilities and skills",
        "Means over the sets where the method gives probabilities; in brackets `DEEM` over the "
        "same sets. The Brier score is the squared distance to the truth summed over the classes, "
        "in [0, 2]. The log loss is in nats, with probabilities below 1e-15 clipped, so a sure "
        f"error costs 34.5. The calibration error takes {N_BINS} bins of equal width of the "
        "largest probability. The vote's probabilities are its shares. The error of the skills is "
        "the mean absolute difference between the estimated and the true accuracy of the "
        "classifiers with at least 20 votes on items with known truth.",
        calibration_table(results),
        "## Cost",
        "Processor time on one thread to fit and predict, and the peak memory of the process "
        "where a method runs in its own, that of `DEEM` on the largest sets. The peers may take "
        f"{limits['max_seconds']} s and {limits['max_gib']} GiB a set; beyond, they have no "
        "figure there.",
        cost_table(results),
        *families_part(results),
        "## Every set",
        set_table(results),
        *([model_set_table(everything)] if chosen(everything) else []),
    ]
    return "\n\n".join(parts) + "\n"


def models_part(results: Results) -> list[str]:
    """The models that `DEEM` can train, if it chose among them."""
    if not chosen(results):
        return []
    return [
        "## Models",
        "What `DEEM` gives with each of its models, and on how many sets it chooses it. The best "
        "of all on each set, which only the truth can tell, is the limit of any choice. Where no "
        "classifiers copy each other, the tempered rule and groups are the inverse RBM. Contexts "
        f"and subclasses are not run on sets with more than {results['limits']['many_classes']} "
        "classes, where they take minutes; so many classes are not chosen for, and the inverse "
        "RBM is taken.",
        model_table(results),
    ]


def ranks_part(results: Results) -> list[str]:
    """Picture of the mean ranks, if there is enough to rank."""
    found = ranking(results)
    if found is None:
        return []
    chance = "below 0.001" if found["p"] < 0.001 else f"{found['p']:.3f}"
    return [
        f"![Mean ranks with the critical difference]({PICTURE})",
        f"Mean ranks of the methods with a figure on at least {ENOUGH:.0%} of the sets, over the "
        f"{len(found['sets'])} sets on which all of these have one; 1 is best. Friedman's test "
        f"that all are alike: p {chance}. Methods that a bar joins do not differ at the 5 % level "
        "by Nemenyi's test, "
        f"whose critical difference is {found['distance']:.2f} (Demsar, 2006, Statistical "
        "comparisons of classifiers over multiple data sets).",
    ]


def families_part(results: Results) -> list[str]:
    """Tables by family of sets."""
    parts = []
    if family_rows(results):
        parts = ["## Families of sets", "Means over the sets of the ranking, by where they come "
                 "from.", family_table(results)]  # fmt: skip
    if results.get("families"):
        parts += [
            "Thresholds of the choice that are made on some sets may fit these only. Here are "
            "the means on each family with the thresholds of `DEEM`, with those of a grid that "
            "are best on all sets, and with those that are best on the other families alone "
            "(`benchmarks/families.py`). The kinds of evidence and the order in which they are "
            "asked stay the same, found on all sets. The best candidate is what the truth would "
            "choose.",
            left_out_table(results["families"]),
        ]
    return parts


def draw_ranks(found: dict[str, Any], path: Path) -> None:
    """Draw the critical-difference picture: an axis of ranks, names, bars over the alike."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ordered, distance = sorted(found["ranks"].items(), key=lambda pair: pair[1]), found["distance"]
    half = (len(ordered) + 1) // 2
    low = math.floor(ordered[0][1])
    high = math.ceil(max(ordered[-1][1], low + distance))
    first = 0.35 * len(found["cliques"]) + 0.9  # depth of the first name, below the bars
    bottom = first + 0.7 * half
    figure = Figure(figsize=(8, 0.45 * (bottom + 1.9)))
    axes = figure.add_axes((0.31, 0.02, 0.38, 0.96))
    axes.set(xlim=(high, low), ylim=(bottom, -1.9))
    axes.set_axis_off()

    def line(x: list[float], y: list[float], width: float = 1) -> None:
        axes.plot(x, y, color="black", lw=width, clip_on=False, solid_capstyle="round")

    line([low, high], [0, 0])
    for rank in range(low, high + 1):
        line([rank, rank], [0, -0.18])
        axes.text(rank, -0.3, str(rank), ha="center", va="bottom")
    line([low, low + distance], [-1.25, -1.25], 2)
    axes.text(low + distance / 2, -1.4, f"critical difference {distance:.2f}", ha="center")
    step = (high - low) / 100
    for i, (start, end) in enumerate(found["cliques"]):
        line([start - step, end + step], [0.35 * (i + 1)] * 2, 3.5)
    for i, (method, rank) in enumerate(ordered):
        is_right = i < half
        depth = first + 0.7 * (i if is_right else len(ordered) - 1 - i)
        end, away, side = (low, -step, "left") if is_right else (high, step, "right")
        line([rank, rank, end + 3 * away], [0, depth, depth], 0.8)
        text = [title(method).replace("`", ""), f"{rank:.2f}"]
        label = "  ".join(text if is_right else text[::-1])
        axes.text(end + 5 * away, depth, label, ha=side, va="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Text stays text, and the same figures give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deem"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def compact(results: Results) -> str:
    """The results as JSON, figures with 6 digits, one line a set or cell."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rounded(part) for key, part in value.items()}
        if isinstance(value, list):
            return [rounded(part) for part in value]
        return float(f"{value:.6g}") if isinstance(value, float) else value

    def nested(value: Any, depth: int) -> str:
        if depth == 0 or not isinstance(value, dict):
            return json.dumps(value)
        inner = ",\n".join(f"{json.dumps(k)}: {nested(v, depth - 1)}" for k, v in value.items())
        return "{\n" + inner + "\n}"

    return nested(rounded(results), 3) + "\n"


def read_results(path: Path | None) -> Results:
    """The results asked for, else those of the last run, else the copy in the docs."""
    folder = HERE / "results"
    places = [path] if path else [folder / "accuracy.json", DOCS / "accuracy.json"]
    results = json.loads(next(p for p in places if p.exists()).read_text(encoding="utf-8"))
    families = folder / "families.json"
    if families.exists():
        results["families"] = json.loads(families.read_text(encoding="utf-8"))
    return results


def main() -> None:
    """Write the page, its picture and its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder to write to")
    args = parser.parse_args()
    text = compact(read_results(args.results))
    results = json.loads(text)
    (args.docs / "accuracy.json").write_text(text, encoding="utf-8")
    (args.docs / "accuracy.md").write_text(page(results), encoding="utf-8")
    found = ranking(in_front(results))
    if found is not None:
        draw_ranks(found, args.docs / PICTURE)


if __name__ == "__main__":
    main()
