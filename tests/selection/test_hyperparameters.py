"""Prediction of hyperparameters: what is learned, what the user's choice does, foreign tables."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble  # noqa: F401 - importing it, which the predictor does late, draws
import torch
from jury import jury, long_form, soft_form
from scipy import sparse

from deem import DEEM
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM
from deem.math.activation import ACTIVATIONS
from deem.models import SoftIRBM
from deem.selection.hyperparameters import HyperparameterPredictor, shipped_predictor
from deem.selection.meta_features import META_FEATURES, meta_features
from deem.selection.runs import COLUMNS, SETTINGS, SOLVERS, Runs, read_runs, shipped_runs
from deem.utils.exception import ArgumentError, ModelFileError, UnusedParameterWarning

VOTES = jury(n=60, d=5).votes
FEATURES = meta_features(read_votes(VOTES))
QUICK = {"random_state": 0, "epochs": 2, "cd_k": 1}
GRADIENT = ("batch_size", "epochs", "learning_rate", "momentum", "init_method", "scheduler")
# What asks `DEEM` for each kind of training.
ASKED = {solver: {"solver": solver} for solver in SOLVERS} | {"deep": {"use_preprocessing": True}}


def run(name, score, solver="cd", features=None, **settings):
    """One row of a table."""
    given = {"batch_size": 64, "epochs": 2, "learning_rate": 0.01, "momentum": 0.5}
    given |= {"init_method": "mv", "scheduler": "none"}
    given |= {"preprocessing_layers": 0, "preprocessing_activation": "none"}
    numbers = {"score": score, "seconds": given["epochs"]}
    row = {"set": name, "solver": solver, **FEATURES, **(features or {}), **given, **numbers}
    return row | settings


def table(gain, solver="cd"):
    """Rows of 30 sets whose density decides which rate is the better one; `gain` points apart."""
    rows = []
    for i in range(30):
        dense = i % 2
        for rate in (0.01, 0.1):
            score = 50 * (i % 3) + gain * ((rate == 0.1) == dense)
            rows.append(run(f"s{i}", score, solver, {"density": dense}, learning_rate=rate))
    return rows


@pytest.fixture
def folder(tmp_path):
    HyperparameterPredictor().fit(table(5) + table(5, "exact")).save(tmp_path)
    return tmp_path


@pytest.mark.parametrize("density", [0, 1])
def test_the_votes_decide_where_they_decided_in_the_table(density):
    predictor = HyperparameterPredictor().fit(table(5))
    found = predictor.predict(FEATURES | {"density": density}, solver="cd")
    assert found["learning_rate"] == (0.1 if density else 0.01)


def test_the_level_of_a_set_teaches_nothing():
    # The same gains upon other levels: only differences within a set count.
    shifted = [row | {"score": row["score"] + 7 * int(row["set"][1:])} for row in table(5)]
    settings = [{"learning_rate": rate} for rate in (0.01, 0.1)]
    found = [
        HyperparameterPredictor()
        .fit(rows)
        ._scorer("cd")
        .predict(np.array(list(FEATURES.values())), settings)
        for rows in (table(5), shifted)
    ]
    np.testing.assert_allclose(*found, atol=1e-9)


def test_the_faster_of_equals_is_taken():
    rows = [
        run(f"s{i}", 3.0, epochs=epochs, seconds=epochs) for i in range(9) for epochs in (50, 5, 9)
    ]
    assert HyperparameterPredictor().fit(rows).predict(FEATURES, solver="cd")["epochs"] == 5


def test_what_is_fixed_changes_what_goes_with_it():
    rows = [
        run(
            f"s{i}",
            10.0 * ((rate > 0.05) == (start == "mv")),
            learning_rate=rate,
            init_method=start,
        )
        for i in range(20)
        for rate in (0.01, 0.1)
        for start in ("mv", "shares")
    ]
    predictor = HyperparameterPredictor().fit(rows)
    for rate, start in ((0.1, "mv"), (0.01, "shares")):
        found = predictor.predict(FEATURES, "cd", {"learning_rate": rate})
        assert (found["learning_rate"], found["init_method"]) == (rate, start)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_shipped_table_gives_settings_that_were_measured(solver):
    runs = shipped_runs()
    found = shipped_predictor().predict(read_votes(VOTES), solver=solver)
    assert found in [s for s, x in zip(runs.settings, runs.solvers, strict=True) if x == solver]
    layers, activation = found["preprocessing_layers"], found["preprocessing_activation"]
    if solver == "deep":
        assert layers > 0
        assert activation in ACTIVATIONS
    else:
        assert (layers, activation) == (0, "none")
    names = ("init_method",) if solver == "exact" else GRADIENT
    assert set(found) == {*names, "preprocessing_layers", "preprocessing_activation"}


def test_the_shipped_table_is_small_and_whole():
    runs = shipped_runs()
    assert len(runs.to_csv()) < 300_000
    assert set(runs.solvers.tolist()) == set(SOLVERS)
    assert len(set(runs.sets.tolist())) >= 20
    gradient = {"batch_size": 128, "epochs": 100, "learning_rate": 0.001, "momentum": 0.9}
    gradient |= {"init_method": "mv_rand", "scheduler": "none"}
    deep = gradient | {"epochs": 30, "init_method": "shares", "scheduler": "cosine"}
    deep |= {"preprocessing_layers": 1, "preprocessing_activation": "sparsemax"}
    starts = {"exact": {"init_method": "shares"}, "cd": gradient, "pcd": gradient, "deep": deep}
    for solver, default in starts.items():
        part = runs.take(runs.solvers == solver)
        pairs = zip(part.sets.tolist(), part.settings, strict=True)
        found = {name for name, settings in pairs if default.items() <= settings.items()}
        assert found == set(part.sets.tolist())


def test_equal_tables_give_equal_predictions(tmp_path):
    first = HyperparameterPredictor().fit()
    first.save(tmp_path / "new" / "folder")
    again = HyperparameterPredictor.load(tmp_path / "new" / "folder")
    assert again.runs_.to_csv() == first.runs_.to_csv()
    for seed, solver in enumerate(SOLVERS):
        votes = read_votes(jury(n=200, seed=seed, missing=0.1 * seed).votes)
        expected = first.predict(votes, solver)
        assert again.predict(votes, solver) == expected
        assert again.predict(meta_features(votes), solver) == expected


def test_a_table_of_rows_a_file_and_runs_are_the_same(folder):
    rows = table(5) + table(5, "exact")
    runs = HyperparameterPredictor().fit(rows).runs_
    for given in (folder / "runs.csv", str(folder / "runs.csv"), runs, Runs.from_rows(rows)):
        assert HyperparameterPredictor().fit(given).runs_.to_csv() == runs.to_csv()


FORMS = {
    "matrix": VOTES,
    "gaps": np.where(np.arange(VOTES.size).reshape(VOTES.shape) % 7, VOTES, -1),
    "floats": np.where(np.arange(VOTES.size).reshape(VOTES.shape) % 7, VOTES, np.nan),
    "strings": np.array(["red", "green", "blue"])[VOTES],
    "soft": soft_form(VOTES, 3),
    "wide": pd.DataFrame(VOTES),
    "long": pd.DataFrame(long_form(VOTES)),
    "sparse": sparse.csr_array(VOTES + 1),
    "Votes": read_votes(VOTES),
}


@pytest.mark.parametrize(
    ("form", "solver"),
    # One reader serves all solvers.
    [
        *((form, "auto") for form in FORMS),
        *((form, solver) for form in ("gaps", "soft") for solver in SOLVERS),
    ],
)
def test_every_form_of_votes_trains_with_every_solver(form, solver):
    # The epochs are set, to be quick, where contrastive divergence runs.
    settings = {} if solver in ("auto", "exact") else {"random_state": 0, "epochs": 2}
    settings |= ASKED.get(solver, {})
    fitted = DEEM(auto_hyperparameters=True, **settings).fit(FORMS[form])
    assert fitted.probas_.shape == (60, 3)
    assert np.isfinite(fitted.probas_).all()


@pytest.mark.parametrize("solver", ["cd", "pcd"])
def test_predicted_values_are_used_and_written_down(solver):
    crowd = jury(n=150, d=7, skill=(0.5, 0.9))
    model = DEEM(solver=solver, auto_hyperparameters=True, random_state=0, cd_k=2)
    before = model.get_params()
    model.fit(crowd.votes)
    assert model.get_params() == before
    expected = shipped_predictor().predict(read_votes(crowd.votes), solver=solver)
    settings = model.history_.settings
    assert {name: settings[name] for name in GRADIENT} == {n: expected[n] for n in GRADIENT}
    assert model.history_.n_epochs == expected["epochs"]
    assert model.score(crowd.votes, crowd.truth) > 0.75


def test_equal_fits_are_equal():
    first, second = (
        DEEM(solver="cd", auto_hyperparameters=True, **QUICK).fit(VOTES) for _ in range(2)
    )
    np.testing.assert_array_equal(first.probas_, second.probas_)


SET = {
    "batch_size": 512,
    "epochs": 100,
    "learning_rate": 0.001,
    "momentum": 0.9,
    "init_method": "mv_lo",
    "scheduler": "none",
}


@pytest.mark.parametrize("name", SET)
def test_what_the_user_sets_wins_also_when_it_is_the_default(name):
    settings = {"epochs": 1, name: SET[name]} if name != "epochs" else {"epochs": 3}
    model = DEEM(solver="cd", auto_hyperparameters=True, cd_k=1, **settings).fit(VOTES)
    assert model.history_.settings[name] == settings[name]


def test_what_is_given_to_fit_wins():
    model = DEEM(solver="cd", auto_hyperparameters=True, cd_k=1)
    model.fit(VOTES, epochs=2, learning_rate=0.25, batch_size=7)
    found = model.history_.settings
    assert (found["epochs"], found["learning_rate"], found["batch_size"]) == (2, 0.25, 7)


def test_a_schedule_of_ones_own_wins():
    def halves(optimizer):
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    settings = {"solver": "cd", "auto_hyperparameters": True, **QUICK}
    model = DEEM(scheduler=halves, **settings).fit(VOTES)
    assert model.history_.settings["scheduler"] == "halves"


def test_rates_of_another_optimizer_stay():
    model = DEEM(solver="cd", auto_hyperparameters=True, optimizer="adam", **QUICK).fit(VOTES)
    found = model.history_.settings
    assert (found["optimizer"], found["learning_rate"], found["momentum"]) == ("adam", 0.001, 0.9)


def test_a_model_instance_keeps_its_start():
    model = SoftIRBM(n_classifiers=5, n_classes=3)
    fitted = DEEM(model=model, auto_hyperparameters=True).fit(VOTES)
    assert fitted.history_.settings["init_method"] is None


def test_set_and_unused_parameters_are_named_and_predicted_ones_are_not():
    with pytest.warns(UnusedParameterWarning) as raised:
        DEEM(auto_hyperparameters=True, epochs=100, batch_size=512).fit(VOTES)
    (warning,) = raised
    assert str(warning.message).startswith("epochs, batch_size set, but the exact solver")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for solver in SOLVERS:
            settings = ASKED[solver] | ({} if solver == "exact" else {"epochs": 1})
            DEEM(auto_hyperparameters=True, **settings).fit(VOTES)


def test_a_solver_object_is_left_alone_by_name():
    with pytest.warns(UnusedParameterWarning, match="^auto_hyperparameters set, but a solver"):
        DEEM(solver=ExactEM(), auto_hyperparameters=True).fit(VOTES)


def test_a_folder_without_prediction_is_named(folder):
    with pytest.warns(UnusedParameterWarning, match="^model_dir set, .*auto_hyperparameters=True"):
        DEEM(model_dir=str(folder)).fit(VOTES)


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_table_of_ones_own_is_used(folder, kind):
    model = DEEM(solver="cd", auto_hyperparameters=True, model_dir=kind(folder)).fit(VOTES)
    assert model.history_.settings["batch_size"] == 64
    assert model.history_.settings["momentum"] == 0.5


def test_layers_of_a_table_are_left_out(tmp_path):
    deep = {"preprocessing_layers": 2, "preprocessing_activation": "sparsemax"}
    rows = [run(f"s{i}", 9.0, **deep) for i in range(5)]
    HyperparameterPredictor().fit(rows).save(tmp_path)
    model = DEEM(solver="cd", auto_hyperparameters=True, model_dir=tmp_path).fit(VOTES)
    assert type(model.model_) is SoftIRBM


@pytest.mark.parametrize(
    "votes",
    [VOTES[:, :1], VOTES[:10], np.zeros((20, 3), dtype=int), VOTES[:1]],
    ids=["one classifier", "ten samples", "one class", "one sample"],
)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.filterwarnings("ignore::deem.utils.exception.DeemWarning")
def test_small_votes(votes, solver):
    settings = ASKED[solver] | ({} if solver == "exact" else {"random_state": 0, "epochs": 2})
    fitted = DEEM(auto_hyperparameters=True, **settings).fit(votes)
    assert np.isfinite(fitted.probas_).all()


def test_verbose_says_what_was_chosen(capsys):
    DEEM(solver="cd", auto_hyperparameters=True, verbose=True, **QUICK).fit(VOTES)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "automatic hyperparameters: batch_size=" in shown.err
    assert "epochs=2" not in shown.err


def test_a_refused_folder_leaves_the_estimator(tmp_path):
    model = DEEM().fit(VOTES)
    labels = model.labels_.copy()
    model.set_params(auto_hyperparameters=True, model_dir=str(tmp_path / "absent"))
    with pytest.raises(ArgumentError, match=r"model_dir='.*absent' is no folder"):
        model.fit(VOTES[:20])
    np.testing.assert_array_equal(model.labels_, labels)


@pytest.mark.parametrize("given", [3, ["a"], "absent"])
def test_no_folder(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match="is no folder; pass one that"):
        DEEM(auto_hyperparameters=True, model_dir=given).fit(VOTES)


def test_a_folder_without_table(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelFileError, match=r"holds no runs\.csv, but model\.pkl; pass a folder"):
        HyperparameterPredictor.load(tmp_path)


HEADER = ",".join(COLUMNS)


def line(**changed):
    row = run("s", 1.0) | changed
    return ",".join(str(row[name]) for name in COLUMNS)


FOREIGN = {
    "empty": ("", "has 0 columns, .* lacks set, solver, "),
    "other": ("a,b\n1,2\n", "has 2 columns, of which a, b are unknown, and lacks set"),
    "extra": (f"{HEADER},more\n{line()},1\n", "of which more is unknown, and lacks none"),
    "header": (f"{HEADER}\n", "holds no runs; write at least one row"),
    "text": (f"{HEADER}\n{line(score='good')}\n", "row 1: score='good', expected a finite number"),
    "nan": (f"{HEADER}\n{line()}\n{line(kappa='nan')}\n", "row 2: kappa='nan', expected a finite"),
    "rate": (f"{HEADER}\n{line(learning_rate='fast')}\n", "learning_rate='fast', expected a"),
    "part": (f"{HEADER}\n{line(epochs=1.5)}\n", "epochs='1.5', expected a whole number"),
    "start": (f"{HEADER}\n{line(init_method='best')}\n", "init_method='best', expected one of"),
    "negative": (f"{HEADER}\n{line(batch_size=-1)}\n", "batch_size='-1', expected"),
    "shallow": (f"{HEADER}\n{line(solver='deep')}\n", "'deep' with preprocessing_layers=0, "),
    "solver": (f"{HEADER}\n{line(solver='magic')}\n", "solver='magic', expected one of exact, cd"),
    "short": (f"{HEADER}\ns,cd,1\n", "row 1: log_classifiers=None, expected a finite number"),
    "long": (f"{HEADER}\n{line()},7\n", "row 1 has more cells than the header"),
    "bytes": (b"\xff\xfe\x00", "is no text"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_table_is_refused(name, tmp_path):
    content, message = FOREIGN[name]
    path = tmp_path / "runs.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelFileError, match=message) as caught:
        DEEM(auto_hyperparameters=True, model_dir=str(tmp_path), solver="cd").fit(VOTES)
    assert str(path) in str(caught.value)


def test_the_line_of_the_test_is_a_table(tmp_path):
    (tmp_path / "runs.csv").write_text(f"{HEADER}\n{line()}\n")
    assert len(read_runs(tmp_path / "runs.csv")) == 1


def test_a_table_without_the_solver(tmp_path):
    HyperparameterPredictor().fit(table(5)).save(tmp_path)
    with pytest.raises(ArgumentError, match="solver='pcd', but the table holds runs of cd only"):
        DEEM(solver="pcd", auto_hyperparameters=True, model_dir=tmp_path).fit(VOTES)


def test_the_predictor_checks_its_arguments():
    with pytest.raises(ArgumentError, match=r"no table of runs yet; call fit\(\) first"):
        HyperparameterPredictor().predict(FEATURES)
    with pytest.raises(ArgumentError, match="solver='magic' is unknown"):
        shipped_predictor().predict(FEATURES, solver="magic")
    with pytest.raises(ArgumentError, match="meta-features lack kappa; pass what"):
        shipped_predictor().predict({k: FEATURES[k] for k in META_FEATURES if k != "kappa"})


def test_a_settled_value_of_another_solver_is_left_out():
    found = shipped_predictor().predict(FEATURES, "exact", {"epochs": 3, "init_method": "mv"})
    assert found["init_method"] == "mv"
    assert "epochs" not in found
    assert set(found) <= set(SETTINGS)
