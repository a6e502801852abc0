"""Summary, page and picture of a few made-up results."""

import json
import xml.etree.ElementTree as ET

import pytest
from report import compact, draw_ranks, page
from summary import (
    accuracy_rows,
    calibration_rows,
    chosen,
    cost_rows,
    family_rows,
    in_front,
    lines,
    model_rows,
    ranking,
    seed_means,
    versus_rows,
)


@pytest.fixture
def results():
    """Four sets; the peer has no figure on one, and no probabilities."""
    accuracies = {
        "vote": [70.0, 80.0, 60.0, 50.0],
        "dawid_skene": [75.0, 79.0, 66.0, 40.0],
        "deem": [76.0, 80.0, 65.0, 52.0],
        "mmsr": [71.0, 81.0, 60.0, None],
    }
    cells = {method: {} for method in accuracies}
    for method, values in accuracies.items():
        for name, value in zip("abcd", values, strict=True):
            cell = {"accuracy": value, "seconds": 2.0}
            if method != "mmsr":
                cell |= {"brier": 1 - value / 100, "log_loss": 1.0, "calibration_error": 0.1}
            if method == "deem":
                cell |= {"skill_error": 0.05, "seeds": [value - 1, value, value + 1]}
            cells[method][name] = {"failed": "time"} if value is None else cell
    cells["mmsr"]["a"]["peak_mib"] = 210.0
    facts = {"items": 9, "classifiers": 3, "classes": 2, "votes": 27, "known": 9}
    sets = {
        name: {**facts, "family": "crowd" if name < "c" else "rf", "reference": name != "d"}
        for name in "abcd"
    }
    limits = {"max_seconds": 60, "max_gib": 6, "many_classes": 500}
    return {"versions": {"deem": "1"}, "limits": limits, "sets": sets, "cells": cells}


@pytest.fixture
def with_models(results):
    """The same with two models, one of them not run everywhere, and a choice on three sets."""
    models = {"deem_plain": [76.0, 80.0, 66.0, 40.0], "context": [70.0, 82.0, 65.0, None]}
    for method, values in models.items():
        results["cells"][method] = {
            name: {"failed": "not run"} if value is None else {"accuracy": value, "seconds": 1.0}
            for name, value in zip("abcd", values, strict=True)
        }
    for name, model in (("a", "inverse_rbm"), ("b", "inverse_rbm"), ("c", "context")):
        results["cells"]["deem"][name]["chosen"] = model
    return results


def by_method(rows):
    return {row["method"]: row for row in rows}


def test_a_peer_stands_beside_ours_on_the_same_sets(results):
    rows = by_method(accuracy_rows(results))
    assert rows["deem"]["mean"] == pytest.approx(68.25)
    assert rows["mmsr"]["n_sets"] == 3
    assert rows["mmsr"]["mean"] == pytest.approx(212 / 3)
    assert rows["mmsr"]["ours_shared"] == pytest.approx(221 / 3)
    assert rows["vote"]["reference"] == pytest.approx(70)
    del results["cells"]["mmsr"]["c"]
    assert by_method(accuracy_rows(results))["mmsr"]["reference"] is None


def test_worst_losses_and_wins(results):
    rows = by_method(versus_rows(results))
    assert rows["dawid_skene"]["vote"] == (10.0, "d")
    assert rows["deem"]["vote"] == (0.0, None)
    assert rows["deem"]["dawid_skene"] == (1.0, "c")
    assert rows["vote"]["wins_ties_losses"] == (3, 1, 0)
    assert rows["mmsr"]["wins_ties_losses"] == (2, 0, 1)


def test_ranking_is_over_complete_sets_of_methods_with_enough(results):
    found = ranking(results)
    assert found["sets"] == ["a", "b", "c", "d"]
    assert found["ranks"] == pytest.approx({"vote": 2.375, "dawid_skene": 2.25, "deem": 1.375})
    results["cells"]["mmsr"]["d"] = {"accuracy": 45.0}
    assert "mmsr" in ranking(results)["ranks"]
    results["cells"] = {method: results["cells"][method] for method in ("vote", "deem")}
    assert ranking(results) is None


def test_calibration_leaves_out_what_has_no_probabilities(results):
    rows = by_method(calibration_rows(results))
    assert rows.keys() == {"vote", "dawid_skene", "deem"}
    assert rows["vote"]["brier"] == pytest.approx((0.35, 0.3175))
    assert rows["vote"]["skill_error"] == (None, None)


def test_cost_counts_what_did_not_end(results):
    row = by_method(cost_rows(results))["mmsr"]
    assert (row["median"], row["total"], row["peak_mib"]) == (2, 6, 210)
    assert row["failed"] == {"time": 1}
    del results["cells"]["mmsr"]["c"]
    assert by_method(cost_rows(results))["mmsr"]["failed"] == {"not run": 1, "time": 1}


def test_families_and_seeds(results):
    rows = {row["family"]: row for row in family_rows(results)}
    assert rows["crowd"]["n_sets"] == 2
    assert rows["rf"]["means"]["deem"] == pytest.approx(58.5)
    assert seed_means(results) == pytest.approx([67.25, 68.25, 69.25])


def test_models_are_counted_and_the_best_is_found(with_models):
    assert chosen(with_models) == {"a": "deem_plain", "b": "deem_plain", "c": "context"}
    rows = by_method(model_rows(with_models))
    assert list(rows) == ["deem", "deem_plain", "context", "best"]
    assert [rows[m]["chosen"] for m in ("deem_plain", "context")] == [2, 1]
    assert rows["best"]["mean"] == pytest.approx((76 + 82 + 66 + 40) / 4)
    assert rows["deem_plain"]["vote"] == (10.0, "d")
    assert rows["context"]["n_sets"] == 3
    assert rows["context"]["ours_shared"] == pytest.approx(221 / 3)


def test_relatives_are_not_ranked(with_models):
    assert in_front(with_models)["cells"].keys() == with_models["cells"].keys() - {"context"}
    text = page(with_models)
    means = text[text.index("## Means") : text.index("## Worst")]
    assert "inverse RBM" in means
    assert "| context" not in means
    assert "| inverse RBM | 10.00 (d) | 4 | 65.50 | 68.25 | 74.00 | 2 |" in text
    assert "| best of these on each set | 10.00 (d) | 4 | 66.00 | 68.25 | 74.67 |  |" in text
    assert "| c | context | 66.00 | 65.00 |" in text
    assert "| d | - | 40.00 | - |" in text


def test_the_page_has_every_table(results):
    text = page(results)
    assert "## Models" not in text
    assert "| DEEM | 4 | 68.25 | 68.25 | 73.67 | 1.38 |" in text
    assert "| Dawid-Skene | 10.00 (d) | none | 3 / 0 / 1 |" in text
    assert "| crowd-kit MMSR | 2.000 | 6.0 | 210 | 1 (time) |" in text
    assert "| majority vote | 4 | 0.350 (0.318) | 1.000 (1.000) | 0.100 (0.100) | - |" in text
    assert "| d | 9 | 3 | 2 | 50.00 | 40.00 | 52.00 | - |" in text
    assert "made on the others" not in text
    results["families"] = {"crowd": {"full": 80.0, "left_out": 79.5, "sets": 2}}
    assert "| crowd | 2 | - | 80.00 | - | 79.50 | - |" in page(results)


def test_a_single_set_is_no_ranking_but_a_page(results):
    results["sets"] = {"a": results["sets"]["a"]}
    results["cells"] = {m: {"a": cells["a"]} for m, cells in results["cells"].items()}
    assert "svg" not in page(results)
    assert len(lines(results)) == 6


def test_the_copy_of_the_figures_is_short_and_whole(results):
    results["cells"]["deem"]["a"]["seconds"] = 0.123456789
    text = compact(results)
    again = json.loads(text)
    assert again["cells"]["deem"]["a"]["seconds"] == 0.123457
    assert again["cells"].keys() == results["cells"].keys()
    assert again["cells"]["mmsr"]["d"] == {"failed": "time"}
    assert again["sets"] == results["sets"]
    assert compact(again) == text


def test_the_picture_is_small_and_repeatable(results, tmp_path):
    found = ranking(results)
    for name in ("one.svg", "two.svg"):
        draw_ranks(found, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert first == second
    assert len(first) < 60_000
    texts = [node.text for node in ET.fromstring(first).iter() if node.tag.endswith("text")]
    assert "DEEM  1.38" in texts
