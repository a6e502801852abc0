"""Every example runs without a warning, in one process, and shows what it says."""

import ast
import importlib
import re
import runpy
import sys

import pytest
from example_checks import close_estimates, falling, has, numbers, rising
from pages import ROOT

FOLDER = ROOT / "examples"
EXAMPLES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py"))


FACTS = {
    "applications/copying_classifiers.py": [
        rising(r"accuracy ([\d.]+)"),
        falling(r"believed ([\d.]+)"),
    ],
    "applications/crowd_annotators.py": [
        close_estimates(r"estimated ([\d.]+), true ([\d.]+)", 0.1),
        lambda text: numbers(r", ([\d.]+) of the consensus is right", text)[0] > 0.85,
    ],
    "applications/deep_consensus.py": [
        lambda text: min(numbers(r"accuracy ([\d.]+)", text)) > 0.92,
        lambda text: numbers(r"log-likelihood: \+([\d.]+)", text)[0] > 0.02,
        lambda text: 0.01 < numbers(r"by ([\d.]+) of its length", text)[0] < 0.5,
    ],
    "applications/digits_consensus.py": [
        rising(r"(?:vote|consensus): accuracy ([\d.]+)"),
        falling(r"half: accuracy ([\d.]+)"),
        close_estimates(r"(?m)^  ([\d.]+)  ([\d.]+)  ", 0.15),
    ],
    "applications/fitted_classifiers.py": [
        lambda text: min(numbers(r"consensus of \w+: accuracy ([\d.]+)", text)) > 0.88,
    ],
    "applications/gold_questions.py": [rising(r"accuracy ([\d.]+)")],
    "applications/rare_class.py": [
        rising(r"accuracy ([\d.]+)"),
        falling(r"rare class ([\d.]+)"),
    ],
    "applications/soft_votes.py": [
        lambda text: min((found := numbers(r"accuracy ([\d.]+)", text))[1:]) > found[0] + 0.05,
    ],
    "core/checkpoint_and_resume.py": [has("after 10 epochs", "same weights: True")],
    "core/dataset_and_history.py": [
        has("[50, 50, 25]", "solver ExactEM", "the same after JSON: True"),
        rising(r"from (-[\d.]+) to (-[\d.]+) nats"),
    ],
    "core/votes_in_every_form.py": [
        lambda text: text.count("7 votes") == text.count("same: True") == 6,
        has("['ant', 'bee', 'cat']", "is_soft: True"),
    ],
    "core/your_own_model.py": [
        lambda text: all(
            abs(x - 0.5) < 0.11
            for x in ast.literal_eval(re.search(r"learned.*?(\[.*\])", text)[1])
        )
    ],
    "estimators/compare_baselines.py": [
        lambda text: (found := numbers(r"accuracy ([\d.]+)", text))[0] < found[1] < found[2],
    ],
    "estimators/hard_samples.py": [rising(r"wrong votes ([\d.]+)")],
    "loading/load_and_predict.py": [
        has("same predictions: True", "refused: ModelFileError"),
        lambda text: numbers(r"new votes: ([\d.]+)", text)[0] > 0.85,
    ],
    "math/alignment.py": [has("[0.5 0.5 0. ]", "hidden state: [2 0 1]")],
    "math/energy_and_partition.py": [
        has("729 vote patterns", "sum to 1.000000"),
        close_estimates(r"form ([\d.]+), listed ([\d.]+)", 1e-6),
    ],
    "math/structural_similarity.py": [
        lambda text: len(set(numbers(r"error ([\d.]+)", text))) == 1,
        rising(r"similarity ([\d.]+)"),
        has("unchanged: structural similarity 1.000"),
    ],
    "math/unitary_scaling.py": [
        has("from 0 to 16", "from 0 to 1\n", "becomes [[0. 0. 0.]]"),
        rising(r"up to ([\d.]+)"),
    ],
    "models/contexts.py": [
        lambda text: (
            (found := numbers(r"right on ([\d.]+) .* sure of ([\d.]+)", text))
            and found[1] - found[0] > 0.1 > 10 * abs(found[3] - found[2])
        ),
        close_estimates(r"on ([\d.]+), true ([\d.]+)", 0.05),
    ],
    "models/exact_or_contrastive.py": [
        lambda text: max(found := numbers(r"(-[\d.]+) nats", text)) == found[0],
        lambda text: max(found := numbers(r"accuracy ([\d.]+)", text)) == found[0] > 0.85,
    ],
    "models/missing_votes.py": [
        close_estimates(r"gap (-[\d.]+), summed over all fillings (-[\d.]+)", 1e-3),
        has("no votes at all -0.0000", "class prior: True"),
    ],
    "models/recover_confusions.py": [falling(r"probability ([\d.]+)")],
    "models/stacked.py": [
        rising(r"accuracy ([\d.]+)"),
        lambda text: (found := numbers(r"(-[\d.]+) nats", text))[1] < found[2],
    ],
    "models/subclasses.py": [
        rising(r"(-[\d.]+) nats"),
        lambda text: min(numbers(r"accuracy ([\d.]+)", text)) > 0.95,
    ],
    "samplers/annealed_importance.py": [
        lambda text: all(
            low < numbers(r"log-partition ([\d.]+)", text)[0] < high
            for low, high in zip(
                numbers(r"between ([\d.]+)", text), numbers(r"and ([\d.]+),", text), strict=True
            )
        ),
        rising(r"share of the chains ([\d.]+)"),
    ],
    "samplers/gibbs_chain.py": [
        lambda text: numbers(r"frequency of a vote: ([\d.]+)", text)[1] < 0.08,
        falling(r"frequency of a vote: ([\d.]+)"),
    ],
    "samplers/langevin_against_gibbs.py": [
        lambda text: (d := numbers(r"distance ([\d.]+)", text))[2] > 0.5 > 0.05 > sorted(d)[3],
        lambda text: abs(numbers(r"tuned: accepts ([\d.]+)", text)[0] - 0.574) < 0.1,
        lambda text: (n := numbers(r"([\d.]+) % of the draws", text))[2] < 2 < n[1] < n[4],
    ],
    "samplers/your_own_sampler.py": [
        lambda text: 0.1 < numbers(r"accepted ([\d.]+)", text)[0] < 0.9,
        lambda text: numbers(r"frequency: ([\d.]+)", text)[0] < 0.02,
    ],
    "selection/which_model.py": [
        has("independent classifiers: inverse_rbm, ", "copying classifiers: group, "),
        lambda text: (found := numbers(r"accuracy ([\d.]+)", text))[0] == found[1] < 1,
        lambda text: (found := numbers(r"accuracy ([\d.]+)", text))[2] < found[3] - 0.01,
        lambda text: text.rpartition("the evidence")[2].count("\n") >= 5,
    ],
    "visual/chains.py": [
        has("target 0.574)', 'chains that never moved', 'effective draws'", "'traces.png'"),
        lambda text: min(numbers(r": ([\d.]+) of the draws", text)) > 0.1,
    ],
    "visual/energies.py": [
        lambda text: abs(numbers(r"of the data (-?[\d.]+) nats", text)[0]) < 0.1,
        lambda text: (found := numbers(r"([\d.]+) times", text))[0] < 1.1 < 1.2 < found[1],
    ],
    "visual/layers.py": [
        has("saved layers.png"),
        lambda text: (
            min((found := numbers(r"vote: ([\d.]+), ([\d.]+), ([\d.]+)", text))[3:]) > 0.8
            and max(found[1:3]) < 0.5
        ),
    ],
    "visual/confusions.py": [has("6 confusions", "['confusions.png', 'weights.png']")],
    "visual/convergence.py": [
        has("'free energy of the data', 'accuracy'", "saved convergence.png")
    ],
    "visual/weight_mosaic.py": [
        has("(44, 71) pixels", "['weights_shared.png', 'weights_tile.png']"),
        lambda text: (found := numbers(r"correlation (-?[\d.]+)", text))[0] > 0.3 > found[1] + 0.2,
    ],
    "visual/reconstructions.py": [
        lambda text: (found := numbers(r"error ([\d.]+)", text))[0] > 1.5 * found[1],
        has("saved ['chains.png', 'reconstructions.png']"),
    ],
    "visual/tensor_picture.py": [
        has(
            "to the file 0.0000", "(176, 212) pixels", "['colours.png', 'digit.png', 'digits.png']"
        )
    ],
    "visual/skills_with_doubt.py": [
        lambda text: numbers(r"(\d+) of 20 true accuracies", text)[0] >= 17,
        close_estimates(r"expected ([\d.]+), found ([\d.]+)", 0.05),
        has("sample 50 is 1 and not 2", "spoke for 1 with 2.0 nats", "as it voted 2"),
    ],
    "visual/dependence.py": [
        has("classifiers 0, 1 and 2 vote as one", "classifiers 6 and 7 vote as one"),
        lambda text: min(found := numbers(r"accuracy ([\d.]+)", text)) == found[0] < found[2],
    ],
}
for path in sorted((ROOT / "tests").glob("facts_*.py")):
    FACTS |= importlib.import_module(path.stem).FACTS
"""What the printed lines of each example must show; families of models keep their own files."""


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run an example as a script that may write to a temporary folder; return what it prints."""

    def run_example(name):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, str(tmp_path)])
        runpy.run_path(str(FOLDER / name), run_name="__main__")
        return capsys.readouterr().out

    return run_example


def test_every_example_has_its_facts():
    assert sorted(FACTS) == EXAMPLES


@pytest.mark.filterwarnings("ignore::deem.utils.exception.CopiedClassifierWarning")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_shows_what_it_says(name, run, tmp_path):
    text = run(name)
    assert [check(text) for check in FACTS[name]] == [True] * len(FACTS[name]), text
    written = {path.suffix for path in tmp_path.iterdir()}
    assert written <= {".png", ".deem", ".damaged", ".ckpt"}
    # Where an example takes a folder, it writes there, and elsewhere it writes nothing.
    assert bool(written) == ("sys.argv[1]" in (FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short_and_says_what_it_shows(name):
    source = (FOLDER / name).read_text(encoding="utf-8")
    summary = ast.get_docstring(ast.parse(source)).splitlines()[0]
    assert summary.endswith(".")
    assert len(source.splitlines()) <= 65
