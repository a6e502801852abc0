"""The command line: files in, files out, and one line for every failure."""

import inspect
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

import deem
from deem import DEEM
from deem.cli import commands, tables
from deem.cli.commands import app
from deem.cli.inputs import ColumnNames, read_truth_file, read_votes_file
from deem.cli.results import accuracies, vote_accuracy
from deem.cli.tables import read_table, write_table
from deem.core.reading import read_votes
from deem.datasets import copying_groups

JUDGES = ["ann", "bob", "cy", "dee", "eve"]
FILES = {
    *("model.deem", "history.json", "report.json", "convergence.png", "confusions.png"),
    *("skills.png", "dependence.png", "labels", "probabilities", "skills"),
}


def run(*args):
    """Exit code, standard output and standard error of a command."""
    # click before 8.2 mixes the two unless told
    mixes = "mix_stderr" in inspect.signature(CliRunner.__init__).parameters
    runner = CliRunner(**({"mix_stderr": False} if mixes else {}), env={"COLUMNS": "80"})
    result = runner.invoke(app, [str(arg) for arg in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def truth():
    return np.random.default_rng(0).choice(["bird", "cat", "dog"], 80)


@pytest.fixture(scope="module")
def wide(truth):
    """Frame of tasks and judges, of whom the later ones are wrong more often."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"task": np.arange(100, 180)})
    for place, judge in enumerate(JUDGES):
        votes = np.where(rng.random(80) < 0.1 + 0.1 * place, rng.permutation(truth), truth)
        frame[judge] = np.where(rng.random(80) < 0.1, None, votes)
    return frame


@pytest.fixture(scope="module")
def long(wide):
    frame = wide.melt("task", var_name="worker", value_name="label").dropna()
    return frame.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, wide, long, truth):
    """Folder of the votes in four forms, of the truth in two, and of one trained model."""
    folder = tmp_path_factory.mktemp("files")
    wide.to_csv(folder / "wide.csv", index=False)
    wide.to_parquet(folder / "wide.parquet", index=False)
    long.to_csv(folder / "long.csv", index=False)
    long.to_parquet(folder / "long.parquet", index=False)
    pd.DataFrame({"label": truth}).to_csv(folder / "truth.csv", index=False)
    by_task = pd.DataFrame({"task": wide["task"], "label": truth})
    by_task.sample(frac=1, random_state=0).to_parquet(folder / "truth.parquet")
    DEEM().fit(read_votes_file(folder / "wide.csv")).save(folder / "model.deem")
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return deem.load(folder / "model.deem")


@pytest.mark.parametrize("name", ["wide.csv", "long.parquet"])
def test_fit_writes_what_deem_finds(folder, tmp_path, wide, name):
    code, shown, errors = run("fit", folder / name, "--out", tmp_path / "new" / "out")
    assert (code, errors) == (0, "")
    assert all(judge in shown for judge in JUDGES)
    out, suffix = tmp_path / "new" / "out", Path(name).suffix
    assert {path.name.removesuffix(suffix) for path in out.iterdir()} == FILES
    expected = DEEM().fit(wide.set_index("task"))
    found = {name: read_table(out / f"{name}{suffix}") for name in FILES if "." not in name}
    labels, probas, skills = found["labels"], found["probabilities"], found["skills"]
    assert labels["task"].astype(int).tolist() == wide["task"].tolist()
    assert labels["label"].tolist() == expected.labels_.tolist()
    confidence = labels["confidence"].astype(float)
    np.testing.assert_allclose(confidence, expected.probas_.max(1), rtol=1e-12)
    assert list(probas) == ["task", "bird", "cat", "dog"]
    columns = np.stack([probas[label].astype(float) for label in expected.classes_], axis=1)
    np.testing.assert_allclose(columns, expected.probas_, rtol=1e-9, atol=1e-15)
    assert skills["worker"].tolist() == JUDGES
    np.testing.assert_allclose(skills["skill"].astype(float), expected.skills_, rtol=1e-12)
    np.testing.assert_allclose(skills["std"].astype(float), expected.skills_std_, rtol=1e-9)
    votes = wide[JUDGES].notna().sum()
    assert skills["votes"].astype(int).tolist() == votes.tolist()
    loaded = deem.load(out / "model.deem")
    assert loaded.predict(read_votes_file(folder / name)).tolist() == expected.labels_.tolist()
    history = deem.core.history.History.from_json(out / "history.json")
    assert history["objective"] == loaded.history_["objective"]


def test_fit_passes_its_options_on(folder, tmp_path):
    options = {
        **{"solver": "cd", "epochs": 2, "learning_rate": 0.01, "batch_size": 16, "cd_k": 3},
        **{"momentum": 0.5, "init_method": "mv", "hidden_dim": 2, "random_state": 7},
    }
    words = [str(x) for k, v in options.items() for x in (f"--{k.replace('_', '-')}", v)]
    code, _, errors = run("fit", folder / "wide.csv", "--out", tmp_path, "--device", "cpu", *words)
    assert (code, errors) == (0, "")
    found = deem.load(tmp_path / "model.deem")
    expected = DEEM(device="cpu", **options).fit(read_votes_file(folder / "wide.csv"))
    assert {name: found.get_params()[name] for name in options} == options
    np.testing.assert_array_equal(found.probas_, expected.probas_)


def test_fit_tells_which_model_was_chosen_and_why(folder, tmp_path):
    votes = read_votes_file(folder / "wide.csv")
    expected = DEEM(random_state=0).fit(votes)
    code, shown, errors = run("fit", folder / "wide.csv", "--out", tmp_path, "--verbose")
    text = " ".join(shown.split())
    chosen, model = expected.selection_["chosen"], type(expected.model_).__name__
    assert code == 0
    assert f"Model: {chosen} ({model}), {expected.selection_['reason']}" in text
    assert all(row["name"] in errors for row in expected.selection_["candidates"])
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["selection"] == expected.selection_
    assert report["health"] == expected.health_
    assert report["expected_accuracy"] == pytest.approx(expected.expected_accuracy_)
    found = expected.dependence(votes)
    assert report["dependence"]["vote_weights"].keys() == set(JUDGES)
    assert report["dependence"]["effective_voters"] == pytest.approx(found.effective_voters)
    ann = f"{100 * expected.skills_[0]:.1f} ± {100 * expected.skills_std_[0]:.1f} %"
    assert ann in shown


@pytest.mark.parametrize(
    ("words", "name"),
    [("--selection none", "SoftIRBM"), ("--model OneCoinIRBM", "OneCoinIRBM")],
)
def test_fit_takes_the_model_it_is_told(folder, tmp_path, words, name):
    code, shown, errors = run("fit", folder / "wide.csv", "--out", tmp_path, *words.split())
    assert (code, errors) == (0, "")
    assert f"Model: {name}." in shown
    loaded = deem.load(tmp_path / "model.deem")
    assert (type(loaded.model_).__name__, loaded.selection_) == (name, None)


def test_fit_names_the_judges_that_vote_as_one(tmp_path):
    data = copying_groups(500, 3, groups=(3, *[1] * 7), random_state=0)
    names = ["ann", "bob", "cy", *"defghij"]
    pd.DataFrame(data.votes, columns=names).to_csv(tmp_path / "votes.csv", index=False)
    code, shown, _ = run("fit", tmp_path / "votes.csv", "--out", tmp_path)
    assert code == 0
    assert "classifiers ann, bob and cy vote as one" in " ".join(shown.split())
    report = json.loads((tmp_path / "report.json").read_text())["dependence"]
    assert report["clusters"] == [["ann", "bob", "cy"]]
    assert report["vote_weights"]["ann"] < 0.6 < 0.9 < report["vote_weights"]["j"]


def test_a_single_classifier_has_no_picture_of_dependence(tmp_path):
    (tmp_path / "votes.csv").write_text("a\n" + "0\n1\n" * 20)
    code, shown, _ = run("fit", tmp_path / "votes.csv", "--out", tmp_path)
    assert (code, "Dependence" in shown) == (0, False)
    assert json.loads((tmp_path / "report.json").read_text())["dependence"] is None
    assert not (tmp_path / "dependence.png").exists()


def test_fit_learns_from_known_labels_and_frequencies(folder, tmp_path, wide, truth):
    gold = pd.DataFrame({"task": wide["task"], "label": truth})[::2]
    gold.sample(frac=1, random_state=0).to_csv(tmp_path / "gold.csv", index=False)
    words = ["--gold", tmp_path / "gold.csv", "--class-prior", "dog=0.5, bird=0.2,cat=0.3"]
    code, _, errors = run("fit", folder / "wide.csv", "--out", tmp_path, *words)
    assert (code, errors) == (0, "")
    known = np.where(np.arange(80) % 2, None, truth)
    expected = DEEM(class_prior=[0.2, 0.3, 0.5]).fit(wide.set_index("task"), gold=known)
    found = deem.load(tmp_path / "model.deem")
    np.testing.assert_allclose(found.probas_, expected.probas_, atol=1e-12)
    assert (found.labels_ == truth)[::2].all()
    assert found.class_prior == [0.2, 0.3, 0.5]


def test_fit_chooses_hyperparameters_when_asked(folder, tmp_path):
    words = ["--solver", "cd", "--epochs", "2", "--auto-hyperparameters"]
    code, _, errors = run("fit", folder / "wide.csv", "--out", tmp_path, *words)
    assert (code, errors) == (0, "")
    found = deem.load(tmp_path / "model.deem")
    assert (found.auto_hyperparameters, found.epochs) == (True, 2)


def test_explain_tells_which_votes_drove_a_label(folder, model, wide, tmp_path):
    out = tmp_path / "why.json"
    words = ["explain", folder / "model.deem", folder / "wide.csv"]
    code, shown, errors = run(*words, "103", "101", "--out", out)
    assert (code, errors) == (0, "")
    expected = model.explain(wide.set_index("task"), [103, 101])
    assert all(sentence in shown for task in (103, 101) for sentence in expected.describe(task))
    assert json.loads(out.read_text()) == expected.to_dict()
    # without a task, those with the least sure labels
    code, shown, _ = run(*words)
    doubtful = np.argsort(model.probas_.max(axis=1), kind="stable")[:5] + 100
    places = [shown.index(f"sample {task} is") for task in doubtful]
    assert (code, places) == (0, sorted(places))
    assert shown.count("sample") == 5


def test_fit_keeps_integers_and_other_column_names(tmp_path):
    rows = ["item;judge;value"] + [
        f"{item};{judge};{(item + (judge == 'x' and item == 3)) % 3}"
        for item in range(12)
        for judge in "xyz"
    ]
    (tmp_path / "v.csv").write_text("\ufeff" + "\r\n".join(rows), encoding="utf-8")
    words = ["--task-column", "item", "--worker-column", "judge", "--label-column", "value"]
    code, _, errors = run("fit", tmp_path / "v.csv", "--out", tmp_path, "--n-classes", 4, *words)
    assert (code, errors) == (0, "")
    table = read_table(tmp_path / "labels.csv")
    assert list(table) == ["item", "label", "confidence"]
    assert table["label"].tolist() == [str(item % 3) for item in range(12)]
    assert deem.load(tmp_path / "model.deem").classes_.tolist() == [0, 1, 2, 3]


def test_predict_matches_columns_by_name(folder, model, wide, tmp_path):
    new = wide.sample(30, random_state=3)
    new[["eve", "task", "bob", "ann", "dee", "cy"]].to_csv(tmp_path / "new.csv", index=False)
    out, probas = tmp_path / "out.csv", tmp_path / "probas.parquet"
    words = ["--out", out, "--probabilities", probas]
    code, shown, errors = run("predict", folder / "model.deem", tmp_path / "new.csv", *words)
    assert (code, errors) == (0, "")
    assert "and 10 more" in shown
    expected = model.predict(new.set_index("task"))
    found = read_table(out)
    assert found["task"].astype(int).tolist() == new["task"].tolist()
    assert found["label"].tolist() == expected.tolist()
    columns = list(read_table(probas).values())[1:]
    expected = model.predict_proba(new.set_index("task")).to_numpy()
    np.testing.assert_allclose(np.stack(columns, axis=1), expected, rtol=1e-12)


def test_predict_warns_of_an_unknown_worker_in_one_line(folder, model, long, tmp_path):
    extra = pd.DataFrame({"task": [100], "worker": ["zoe"], "label": ["cat"]})
    pd.concat([long, extra]).to_csv(tmp_path / "new.csv", index=False)
    code, shown, errors = run("predict", folder / "model.deem", tmp_path / "new.csv")
    assert code == 0
    assert errors.startswith("deem: warning: 1 workers unseen in fit ('zoe')")
    assert errors.count("\n") == 1
    assert model.labels_[0] in shown.splitlines()[4]


@pytest.mark.parametrize("name", ["wide.csv", "long.parquet"])
@pytest.mark.parametrize("known", ["truth.csv", "truth.parquet"])
def test_score_is_the_accuracy(folder, model, wide, truth, name, known):
    words = ["--truth", folder / known]
    code, shown, errors = run("score", folder / "model.deem", folder / name, *words)
    assert (code, errors) == (0, "")
    assert "80 of 80 tasks" in shown
    accuracy = {line[2:28].strip(): line.split()[-2] for line in shown.splitlines() if "%" in line}
    expected = model.score(wide.set_index("task"), truth)
    assert accuracy["DEEM"] == f"{100 * expected:.1f}"
    single = [
        np.mean(wide[judge][wide[judge].notna()] == truth[wide[judge].notna()]) for judge in JUDGES
    ]
    assert accuracy["best classifier: ann"] == f"{100 * single[0]:.1f}"
    assert accuracy["mean of the classifiers"] == f"{100 * np.mean(single):.1f}"


def test_score_uses_the_tasks_with_a_label(folder, model, wide, truth, tmp_path):
    partial = pd.DataFrame({"task": wide["task"], "label": truth})[10:30]
    partial.loc[12, "label"] = None
    partial.to_csv(tmp_path / "t.csv", index=False)
    words = ["--truth", tmp_path / "t.csv"]
    code, shown, _ = run("score", folder / "model.deem", folder / "wide.csv", *words)
    assert code == 0
    assert "19 of 80 tasks" in shown
    rows, labels = read_truth_file(tmp_path / "t.csv", read_votes_file(folder / "wide.csv"))
    assert rows.tolist() == [10, 11, *range(13, 30)]
    assert labels.tolist() == truth[rows].tolist()


def test_a_foreign_true_label_counts_as_wrong_with_a_warning(folder, truth, tmp_path):
    pd.DataFrame({"x": [*truth[:-1], "cow"]}).to_csv(tmp_path / "t.csv", index=False)
    words = ["--truth", tmp_path / "t.csv"]
    code, shown, errors = run("score", folder / "model.deem", folder / "wide.csv", *words)
    assert (code, errors.count("\n")) == (0, 1)
    assert "1 of 80 true labels are not among the classes" in errors
    assert "DEEM" in shown


def test_vote_accuracy_shares_ties():
    votes = read_votes([[0, 1, -1], [2, 2, 1], [-1, -1, -1]])
    assert vote_accuracy(votes, np.array([0, 2, 1])) == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert vote_accuracy(votes, np.array([-1, 2, -1])) == pytest.approx(1 / 3)
    found = accuracies(votes, np.array([0, 2, 1]))
    np.testing.assert_array_equal(found, [1.0, 0.5, 0.0])


BAD = {
    "missing votes": ("fit nothere.csv --out out", "nothere.csv: No such file"),
    "binary votes": ("fit model.deem --out out", "not a CSV file in UTF-8"),
    "open quote": ("fit quote.csv --out out", "not a CSV file in UTF-8"),
    "ragged": ("fit ragged.csv --out out", "2 cells in line 3, but the header has 3"),
    "no rows": ("fit header.csv --out out", "no rows"),
    "empty file": ("fit empty.csv --out out", "no rows"),
    "two names": ("fit twice.csv --out out", "several columns named 'a'"),
    "no votes": ("fit tasks.csv --out out", "no column of votes beside 'task'"),
    "identifiers": ("fit ids.csv --out out", "--task-column if it names the samples"),
    "long as wide": (
        "fit items.csv --out out --task-column item",
        "4 tasks of column 'item' in more than one row, for instance 'i0'; if each row is one "
        "vote, name its columns by --task-column, --worker-column and --label-column, else",
    ),
    "repeated tasks": ("fit rows.csv --out out", "1 tasks of column 'task' in more than one row"),
    "repeated later": ("predict model.deem rows.csv", "1 tasks of column 'task' in more than one"),
    "nothing in common": (
        "fit items.csv --out out",
        "no label that occurs in two of the columns 'item', 'judge', 'verdict', so these are no "
        "votes on the same classes; if each row is one vote, name its columns by --task-column",
    ),
    "fractions": ("fit half.csv --out out", "votes contain 0.5"),
    "task column": ("fit wide.csv --out out --task-column x", "no column 'x', found 'task'"),
    "worker column": (
        "fit long.csv --out out --worker-column x",
        "name the right one by --worker",
    ),
    "label column": ("fit long.csv --out out --label-column x", "name the right one by --label"),
    "no task": ("fit null.csv --out out", "1 nulls, but every vote needs a task"),
    "solver": ("fit wide.csv --out out --solver magic", "solver='magic' is unknown"),
    "selection": ("fit wide.csv --out out --selection magic", "selection='magic'"),
    "model": ("fit wide.csv --out out --model magic", "model='magic'"),
    "gold": ("fit wide.csv --out out --gold no.csv", "no.csv: No such file"),
    "foreign gold": ("fit wide.csv --out out --gold cow.csv", "gold contains label 'cow'"),
    "prior classes": (
        "fit wide.csv --out out --class-prior cat=0.5,dog=0.5",
        "'cat=0.5,dog=0.5', but the classes are 'bird', 'cat', 'dog'; give each its frequency",
    ),
    "prior form": ("fit wide.csv --out out --class-prior 0.2,0.3,0.5", "such as bird=0.5"),
    "prior number": (
        "fit wide.csv --out out --class-prior bird=.,cat=1,dog=1",
        "could not convert string to float: '.'; write it as 0.5.",
    ),
    "prior twice": ("fit wide.csv --out out --class-prior cat=1,dog=1,cat=1", "frequency once"),
    "task": ("explain model.deem wide.csv 7", "no task '7', but 100, 101"),
    "explanation": ("explain model.deem wide.csv 100 --out no/x.json", "no/x.json: No such file"),
    "no epochs": ("fit wide.csv --out out --solver cd --epochs 0", "'--epochs'"),
    "no name": ("fit wide.csv --out=", "Invalid value for '--out': it is empty; pass a name."),
    "demo without a name": ("demo --out=", "'--out': it is empty"),
    "labels without a name": ("predict model.deem wide.csv --out=", "'--out': it is empty"),
    "spreadsheet": (
        "predict model.deem wide.csv --out out --probabilities p.xlsx",
        "out is neither CSV nor Parquet by its name; choose one that ends in .csv or .parquet.",
    ),
    "other spreadsheet": (
        "predict model.deem wide.csv --out labels.csv --probabilities p.xlsx",
        "p.xlsx is neither CSV nor Parquet",
    ),
    "epochs": ("fit wide.csv --out out --epochs many", "'--epochs'"),
    "rate": ("fit wide.csv --out out --solver cd --learning-rate -1", "learning_rate=-1"),
    "classes": ("fit wide.csv --out out --n-classes 2", "; pass --n-classes 3,"),
    "no folder": ("fit wide.csv", "Missing option '--out'"),
    "folder": ("fit wide.csv --out wide.csv/sub", "wide.csv/sub: Not a directory"),
    "folder is a file": ("fit wide.csv --out wide.csv", "wide.csv: Not a directory"),
    "damaged Parquet": ("fit bad.parquet --out out", "bad.parquet is not a Parquet file"),
    "missing Parquet": ("fit no.parquet --out out", "no.parquet: No such file"),
    "demo folder": ("demo --out wide.csv/sub", "Not a directory"),
    "demo seed": ("demo --seed 4294967296", "random_state=4294967296"),
    "missing model": ("predict no.deem wide.csv", "no.deem"),
    "damaged model": ("predict cut.deem wide.csv", "truncated or not a model file"),
    "altered model": ("predict altered.deem wide.csv", "checksum"),
    "no model": ("predict wide.csv wide.csv", "not a model file"),
    "unseen label": ("predict model.deem unseen.csv", "not among the classes: 'cow'"),
    "lost classifier": ("predict model.deem lost.csv", "4 classifiers, but 5 are expected"),
    "other classifier": ("predict model.deem zoe.csv", "lack the classifiers 'eve'"),
    "output": ("predict model.deem wide.csv --out no/x.csv", "no/x.csv: No such file"),
    "output folder": ("predict model.deem wide.csv --out no/x.parquet", "no/x.parquet: No such"),
    "no truth": ("score model.deem wide.csv", "Missing option '--truth'"),
    "truth length": ("score model.deem wide.csv --truth short.csv", "2 labels, but the votes"),
    "truth columns": ("score model.deem wide.csv --truth wide.csv", "no column 'label'"),
    "truth tasks": ("score model.deem wide.csv --truth other.csv", "none of the 80 samples"),
    "truth twice": ("score model.deem wide.csv --truth again.csv", "1 tasks more than once"),
    "command": ("frobnicate", "No such command 'frobnicate'"),
    "option": ("fit wide.csv --out out --magic", "--magic"),
}


@pytest.fixture(scope="module")
def bad(folder):
    """The folder with all that can go wrong."""
    texts = {
        "quote": 'task,a\n1,"x\n',
        "ragged": "task,a,b\n1,x,y\n2,x\n",
        "header": "task,a,b\n",
        "empty": "",
        "twice": "a,a\nx,y\n",
        "tasks": "task\n1\n",
        "ids": "item,a\n" + "".join(f"i{i},{i % 2}\n" for i in range(30)),
        "items": "item,judge,verdict\n"
        + "".join(f"i{i % 4},{'ab'[i // 12]},{'xyz'[i % 3]}\n" for i in range(24)),
        "rows": "task,ann,bob,cy,dee,eve\n" + 2 * "7,cat,cat,cat,cat,cat\n",
        "half": "a,b\n0.5,1\n1,0\n",
        "null": "task,worker,label\n1,a,x\n,a,x\n2,b,y\n",
        "unseen": "ann,bob,cy,dee,eve\ncat,cat,cow,cat,cat\n",
        "lost": "ann,bob,cy,dee\ncat,cat,cat,cat\n",
        "zoe": "ann,bob,cy,dee,zoe\ncat,cat,cat,cat,cat\n",
        "short": "label\ncat\ndog\n",
        "other": "task,label\nz,cat\n",
        "cow": "task,label\n100,cow\n",
        "again": "task,label\n100,cat\n100,dog\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "bad.parquet").write_text("no Parquet")
    content = (folder / "model.deem").read_bytes()
    (folder / "cut.deem").write_bytes(content[:-100])
    (folder / "altered.deem").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_line_and_exit_code_2(bad, case, monkeypatch):
    monkeypatch.chdir(bad)
    words, message = BAD[case]
    code, shown, errors = run(*words.split())
    assert (code, shown) == (2, "") or case.startswith("demo")
    assert code == 2
    assert errors.startswith("deem: error: ")
    assert errors.count("\n") == 1
    assert message in errors
    # no failure leaves results behind
    assert not any(Path(name).exists() for name in ("out", "labels.csv", "demo_output"))


def test_a_folder_without_permission_is_named_before_the_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != tmp_path)
    code, shown, errors = run("fit", folder / "wide.csv", "--out", tmp_path / "a" / "b")
    assert (code, shown) == (2, "")
    assert errors.startswith(f"deem: error: {tmp_path / 'a' / 'b'}: Permission denied")


def test_a_demo_that_fails_leaves_no_folder(tmp_path):
    code, _, _ = run("demo", "--out", tmp_path / "out", "--seed", 2**32)
    assert code == 2
    assert not (tmp_path / "out").exists()


def test_warnings_name_options_in_place_of_parameters(folder, tmp_path):
    code, _, errors = run("fit", folder / "wide.csv", "--out", tmp_path, "--epochs", 3)
    expected = "epochs set, but the exact solver does not use it; pass --solver cd."
    assert (code, errors) == (0, f"deem: warning: {expected}\n")


@pytest.mark.parametrize(
    ("cure", "expected"),
    [
        ('pass solver="exact" with hidden_dim=1.', "pass --solver exact with --hidden-dim 1."),
        ("pass learning_rate=0.01, or less.", "pass --learning-rate 0.01, or less."),
        ("pass sampler='gibbs'.", "pass sampler='gibbs'."),
        ("pass solver=ExactEM(n=1).", "pass solver=ExactEM(n=1)."),
        ("pass solver=, a string.", "pass solver=, a string."),
    ],
)
def test_only_options_are_written_as_options(cure, expected):
    assert (
        commands._one_line(f"solver='x' is\nwrong; {cure}") == f"solver='x' is wrong; {expected}"
    )


def test_warnings_name_files_in_place_of_attributes():
    text = "unusual; see health_['copies'], confusion_ and history_."
    expected = "unusual; see copies in report.json, confusions.png and history.json."
    assert commands._one_line(text) == expected
    assert commands._one_line("x; see confusion_prior.") == "x; see confusion_prior."


@pytest.mark.parametrize(
    "command", ["fit wide.parquet --out o", "predict model.deem wide.csv --out o.parquet"]
)
def test_parquet_without_its_libraries_names_the_extra(folder, monkeypatch, command):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tables, "find_spec", lambda _: None)
    code, _, errors = run(*command.split())
    assert (code, errors.count("\n")) == (2, 1)
    assert "pip install 'deem[parquet]'" in errors


def test_csv_needs_none_of_the_extras(folder, tmp_path):
    """The command in a process of its own, where none of the extras can be imported."""
    code = (
        "import sys; sys.modules |= dict.fromkeys(['pandas', 'polars', 'pyarrow', 'numba']);"
        "from deem.cli import main; main()"
    )
    words = ["fit", folder / "long.csv", "--out", tmp_path]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "model.deem").is_file()


def test_the_installed_script_fails_in_one_line(monkeypatch, capfd):
    script = Path(sys.executable).with_name("deem")
    monkeypatch.setattr(sys, "argv", [str(script), "fit", "no.csv", "--out", "x"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(script), run_name="__main__")
    expected = (
        "deem: error: no.csv: No such file or directory; check the name and the permissions.\n"
    )
    assert (stopped.value.code, *capfd.readouterr()) == (2, "", expected)


def test_the_package_runs_as_the_command_line(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["deem", "--version"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(Path(deem.__file__).with_name("__main__.py")), run_name="__main__")
    # None is the code of a process that ends well.
    assert (stopped.value.code, *capfd.readouterr()) == (None, f"deem {deem.__version__}\n", "")


def test_help_and_version():
    for words in ([], ["--help"], ["fit", "-h"]):
        code, shown, errors = run(*words)
        assert (code, errors) == (0, "")
        assert "Usage: deem" in shown
    assert run("--version") == (0, f"deem {deem.__version__}\n", "")


def test_a_wide_file_may_name_tasks_in_several_ways(tmp_path):
    for place, (header, names) in enumerate(
        [
            ("task,a", None),
            ("id,a", None),
            (",a", None),
            ("__index_level_0__,a", None),
            ("item,a", ColumnNames(task="item")),
        ]
    ):
        path = tmp_path / f"{place}.csv"
        path.write_text(f"{header}\n007,x\n8,y\n")
        votes = read_votes_file(path, names)
        assert votes.tasks.tolist() == ["007", "8"]
        assert votes.classifiers.tolist() == ["a"]
    path.write_text("a,b\nx,y\n")
    assert read_votes_file(path).tasks is None


def test_rows_without_a_task_are_not_taken_for_one_task(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("task,a\n,x\n,y\n1,y\n")
    assert read_votes_file(path).tasks.tolist() == [None, None, "1"]


def test_silent_classifiers_need_no_label_in_common(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("a,b\n" + 15 * "x,-1\ny,\n")
    assert read_votes_file(path).n_votes == 30


@pytest.mark.parametrize(
    ("cells", "classes", "codes"),
    [
        (["0", "2", "-1", ""], [0, 2], [0, 1, -1, -1]),
        (["1.0", "3", "nan", "NA"], [1, 3], [0, 1, -1, -1]),
        (["1", "x", "-1", ""], ["1", "x"], [0, 1, -1, -1]),
        (["007", "7", "007", "NaN"], ["007", "7"], [0, 1, 0, -1]),
        (["True", "False", "<NA>", "True"], ["False", "True"], [1, 0, -1, 1]),
    ],
)
def test_cells_become_labels(tmp_path, cells, classes, codes):
    path = tmp_path / "v.csv"
    path.write_text("a,b\n" + "".join(f'"{cell}",\n' for cell in cells))
    votes = read_votes_file(path)
    assert votes.classes.tolist() == classes
    assert votes.to_dense()[:, 0].tolist() == codes


def test_spaces_around_the_cells_of_csv_do_not_count(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text('task , a , "b", c \n t0 , cat , cat , dog \n t1 ,  , " dog", NA \n  \n')
    votes = read_votes_file(path)
    assert votes.classifiers.tolist() == ["a", "b", "c"]
    assert votes.classes.tolist() == ["cat", "dog"]
    assert (votes.task_name, votes.tasks.tolist()) == ("task", ["t0", "t1"])
    assert votes.to_dense().tolist() == [[0, 0, 1], [-1, 1, -1]]


def test_an_empty_line_is_a_missing_cell_of_a_single_column(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("a\n1\n\n0\n \n1\n")
    assert read_table(path)["a"].tolist() == ["1", None, "0", None, "1"]
    assert read_votes_file(path).to_dense().tolist() == [[1], [-1], [0], [-1], [1]]
    path.write_text("a,b\n1,x\n\n,\n \n0,y")
    assert read_table(path)["a"].tolist() == ["1", None, "0"]


@pytest.mark.parametrize(
    ("header", "row", "names"),
    [
        ('"a, b, c";d', "1;2", ["a, b, c", "d"]),
        ('"a;b;c",d', "1,2", ["a;b;c", "d"]),
        ('"a,""b"";c"\td', "1\t2", ['a,"b";c', "d"]),
        ('"a\n,b,c";d', "1;2", ["a\n,b,c", "d"]),
        ('"a, b"', "1", ["a, b"]),
        ('"a, b"', '"1, 2"', ["a, b"]),
    ],
)
def test_a_delimiter_within_quotes_is_none(tmp_path, header, row, names):
    path = tmp_path / "v.csv"
    path.write_text(f"{header}\n{row}\n")
    assert list(read_table(path)) == names


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_come_back_as_they_were_written(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    table = {
        "text": np.array(["a, b", 'say "x"', None, "ä;\nö"], dtype=object),
        "mixed": np.array([1, "x", None, "y"], dtype=object),
    }
    write_table(path, table)
    found = read_table(path)
    assert found["text"].tolist() == table["text"].tolist()
    assert found["mixed"].tolist() == ["1", "x", None, "y"]


def test_parquet_keeps_large_integers_beside_nulls(tmp_path):
    path = tmp_path / "t.parquet"
    large = 2**60 + 1
    pl.DataFrame({"task": [1, 2], "a": [large, None], "b": [large, 0]}).write_parquet(path)
    votes = read_votes_file(path)
    assert votes.classes.tolist() == [0, large]
    assert votes.to_dense().tolist() == [[1, 1], [-1, 0]]


def test_polars_reads_and_writes_parquet_in_place_of_pyarrow(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda name: None if name == "pyarrow" else name)
    code, _, errors = run("fit", folder / "long.parquet", "--out", tmp_path)
    assert (code, errors) == (0, "")
    expected = read_votes_file(folder / "long.csv")
    assert read_table(tmp_path / "labels.parquet")["task"].tolist() == expected.tasks.tolist()
