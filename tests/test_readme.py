"""The README is true: its code runs, and its table is that of the constructor."""

import ast
import inspect
import re

import numpy as np
import pandas as pd
import pytest
from pages import ROOT, blocks, run_page

from deem import DEEM
from deem.estimators.plan import make_plan
from deem.models import deep_start

README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", README, re.MULTILINE))
SIGNATURE = {
    name: parameter.default
    for name, parameter in inspect.signature(DEEM.__init__).parameters.items()
    if name != "self"
}


def documented_defaults():
    """Values that the docstring names for parameters whose default is None."""
    section = inspect.getdoc(DEEM).partition("Parameters\n----------\n")[2]
    section = section.partition("\n\nAttributes\n")[0]
    found = {}
    for names, text in re.findall(r"^(\w[^:\n]*) : [^\n]*\n((?: .*\n?)+)", section, re.MULTILINE):
        numbers = re.search(r": ((?:\d[\d.]*, )*\d[\d.]*?)\.\s*$", text)
        if numbers:
            values = [ast.literal_eval(value) for value in numbers[1].split(", ")]
            found |= dict(zip(names.split(", "), values, strict=True))
    return found


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("readme")
        patch.chdir(folder)
        # How near narrow layers start is asked where starts are tested.
        patch.setattr(deep_start, "_STEPS", 60)
        return run_page("README.md", {"__name__": "__main__", "folder": folder})


def test_every_block_runs(namespace):
    assert namespace["labels"].shape == namespace["digits"].truth.shape


def test_what_the_text_says_of_the_results(namespace):
    digits, model = namespace["digits"], namespace["model"]
    assert model.score(digits.votes, digits.truth) > 0.85
    assert namespace["crowd"].labels_.tolist() == ["cat", "dog", "cat", "dog"]
    assert namespace["probabilities"].shape == (89, 3)
    assert len(namespace["trained"].history_["accuracy"]) == 5
    assert np.array_equal(namespace["again"].predict(digits.votes), model.labels_)


def test_the_command_line_agrees_with_python(namespace):
    predicted = pd.read_csv(namespace["folder"] / "labels.csv")["label"]
    assert (predicted == namespace["model"].labels_).mean() > 0.99


def test_blocks_are_of_known_languages():
    fences = re.findall(r"^```(\w*)$", README, re.MULTILINE)
    assert set(fences) <= {"python", "sh", "bibtex", ""}
    assert len(blocks("README.md", "python", "sh", "bibtex")) == fences.count("")


def test_the_table_has_every_parameter_in_order():
    assert list(TABLE) == list(SIGNATURE)


def test_the_table_has_one_default_a_parameter():
    effective = documented_defaults()
    assert effective.keys() == {
        *("learning_rate", "momentum", "epochs", "batch_size", "n_restarts", "n_jobs"),
        "preprocessing_layers",
    }
    assert all(SIGNATURE[name] is None for name in effective)
    expected = SIGNATURE | effective
    assert {name: ast.literal_eval(value) for name, value in TABLE.items()} == expected


def test_the_documented_defaults_are_those_of_the_training():
    plan = make_plan(SIGNATURE | {"solver": "cd"}, n_classifiers=3, n_classes=2)
    found = {"epochs": plan.epochs, "batch_size": plan.batch_size}
    found |= {name: getattr(plan.solver, name) for name in ("learning_rate", "momentum")}
    assert found.items() <= documented_defaults().items()
    assert plan.init_method == "mv_rand"
    assert make_plan(SIGNATURE, n_classifiers=3, n_classes=2).init_method == "shares"


@pytest.mark.parametrize("name", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_lead_somewhere(name):
    assert (ROOT / name).exists()
