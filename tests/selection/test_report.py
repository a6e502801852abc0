"""The printed table of a choice."""

from dataclasses import replace

import numpy as np
import pytest
from pages import ROOT, run_page

from deem.selection.candidates import candidate
from deem.selection.choice import Choice
from deem.selection.report import table
from deem.selection.rule import Score

PLAIN = Score("inverse_rbm", "", 0.7, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0)
TEMPERED = replace(PLAIN, name="tempered", agreement=0.71, information=0.012345, held_out=np.nan)


def test_one_line_a_candidate_and_the_reason():
    chosen = candidate("tempered", 3)
    text = table(Choice(chosen, "why.", {"a": PLAIN, "b": TEMPERED}, 0.7).to_dict())
    assert text == (
        "                held-out gain  agreement  log score  information  as the vote\n"
        "   inverse_rbm          0.000     0.7000     0.0000       0.0000        0.900\n"
        "*  tempered                 -     0.7100     0.0000       0.0123        0.900\n"
        "tempered: why."
    )


def test_without_candidates_there_is_the_reason_alone():
    assert table(Choice(candidate("inverse_rbm", 3), "why.").to_dict()) == "inverse_rbm: why."


@pytest.mark.filterwarnings("ignore::deem.utils.exception.CopiedClassifierWarning")
def test_the_page_shows_what_is_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run_page("docs/selection.md")
    page = (ROOT / "docs" / "selection.md").read_text(encoding="utf-8")
    assert f"```text\n{table(found['model'].selection_)}\n```" in page
    assert found["accuracy"]["chosen"] > max(
        found["accuracy"]["inverse RBM"], found["accuracy"]["contexts"]
    )
