"""Saving and loading: nothing is lost, and a bad file changes nothing."""

import copy
import json
import struct

import numpy as np
import pandas as pd
import pytest
import torch
from jury import jury, soft_form

import deem
from deem import DEEM
from deem.core import persistence
from deem.core.persistence import read_file, write_file
from deem.core.solvers import ContrastiveDivergence, ExactEM, ExactGradient, Solver
from deem.models import SoftIRBM
from deem.models.pseudo_counts import PseudoCounts
from deem.samplers import Gibbs
from deem.utils.exception import ArgumentError, ModelFileError

VOTES = jury(missing=0.1, seed=4).votes
COMPLETE = jury().votes
CD = {"solver": "cd", "epochs": 2, "random_state": 0}
ESTIMATORS = {
    "exact": DEEM(),
    "binary": DEEM(n_classes=2),
    "cd": DEEM(**CD, optimizer="adam", scheduler="cosine", weight_decay=0.01),
    "pcd": DEEM(**CD | {"solver": "pcd"}, sampler="gibbs"),
    "two units": DEEM(hidden_dim=2, random_state=3),
    "too many states": DEEM(hidden_dim=8, epochs=1, random_state=1),
    "prior": DEEM(class_prior=[0.2, 0.3, 0.5]),
    "prior as array": DEEM(class_prior=np.array([0.2, 0.3, 0.5])),
    "model name": DEEM(model="SoftIRBM", model_params={"pseudo_counts": [2.0, 0.1]}),
    "pseudo counts": DEEM(model_params={"pseudo_counts": PseudoCounts(one_coin=1.0)}),
    "model class": DEEM(model=SoftIRBM),
    "model instance": DEEM(model=SoftIRBM(5, 3)),
    "solver object": DEEM(solver=ExactEM(tolerance=1e-4)),
    "gradient object": DEEM(solver=ExactGradient(tolerance=1e-3)),
    "cd object": DEEM(
        solver=ContrastiveDivergence(steps=2, sampler=Gibbs(), persistent=True),
        epochs=2,
        random_state=0,
    ),
    "sampler object": DEEM(**CD, sampler=Gibbs()),
    "device object": DEEM(device=torch.device("cpu")),
}


def votes_for(name):
    if name == "binary":
        return jury(k=2).votes
    return COMPLETE if name == "too many states" else VOTES


def described(value):
    """A parameter as something that compares by value."""
    if isinstance(value, (Solver, Gibbs)):
        return type(value).__name__, {
            k: described(v) for k, v in vars(value).items() if k[0] != "_"
        }
    if isinstance(value, torch.nn.Module):
        return repr(value), [p.tolist() for p in value.parameters()]
    if isinstance(value, dict):
        return {k: described(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [described(v) for v in value]
    return str(value) if isinstance(value, torch.device) else value


def same_state(one, other):
    assert set(vars(one)) == set(vars(other))
    for name, value in vars(one).items():
        found = getattr(other, name)
        if name in ("model_", "history_"):
            continue
        if isinstance(value, np.ndarray):
            assert found.dtype == value.dtype, name
            np.testing.assert_array_equal(found, value, err_msg=name)
        else:
            assert described(found) == described(value), name
    assert one.history_.to_dict() == other.history_.to_dict()
    assert type(one.model_) is type(other.model_)
    assert other.model_.history is other.history_
    pairs = zip(one.model_.parameters(), other.model_.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_everything_comes_back(tmp_path, name):
    votes = votes_for(name)
    saved = ESTIMATORS[name].fit(votes)
    saved.save(tmp_path / "file.deem")
    loaded = deem.load(tmp_path / "file.deem")
    same_state(saved, loaded)
    np.testing.assert_array_equal(loaded.predict_proba(votes), saved.predict_proba(votes))
    if name != "too many states":
        assert loaded.score(votes) == saved.score(votes)


def test_a_loaded_estimator_trains_as_the_saved_one(tmp_path):
    saved = DEEM(**CD, sampler=Gibbs(), class_prior=None).fit(VOTES)
    saved.save(tmp_path / "file")
    again = deem.load(tmp_path / "file").fit(VOTES)
    np.testing.assert_array_equal(again.probas_, saved.probas_)


LABELS = {
    "strings": np.array(["cat", "dog", "owl"]),
    "objects": np.array(["cat", "dög", "🦉"], dtype=object),
    "floats": np.array([0.0, 1.0, 5.0]),
    "small ints": np.array([3, 4, 9], dtype=np.int8),
    "large ints": np.array([2**40, 2**50, 2**60]),
}


@pytest.mark.parametrize("names", LABELS.values(), ids=LABELS)
def test_label_names_come_back(tmp_path, names):
    saved = DEEM().fit(names[COMPLETE])
    saved.save(tmp_path / "file")
    loaded = deem.load(tmp_path / "file")
    same_state(saved, loaded)
    assert loaded.classes_.tolist() == names.tolist()
    np.testing.assert_array_equal(loaded.predict(names[COMPLETE]), saved.labels_)


def test_truth_values_come_back(tmp_path):
    votes = jury(k=2).votes.astype(bool)
    saved = DEEM().fit(votes)
    saved.save(tmp_path / "file")
    assert deem.load(tmp_path / "file").predict(votes).dtype == np.bool_


def test_frames_gold_and_reports_come_back(tmp_path, truth):
    frame = pd.DataFrame(COMPLETE, columns=list("abcde"), index=[f"q{i}" for i in range(120)])
    frame.loc["q7"] = None
    with pytest.warns(match="1 of 120"):
        saved = DEEM().fit(frame, truth, gold=pd.Series(truth, index=frame.index))
    saved.save(tmp_path / "file")
    loaded = deem.load(tmp_path / "file")
    same_state(saved, loaded)
    assert loaded.health_["empty_samples"] == ["q7"]
    assert loaded.feature_names_in_.tolist() == list("abcde")
    assert loaded.predict(frame).equals(saved.predict(frame))


def test_dates_as_tasks_can_be_saved(tmp_path):
    frame = pd.DataFrame(COMPLETE, index=pd.date_range("2026-01-01", periods=120), dtype=object)
    frame.iloc[7] = None
    with pytest.warns(match="1 of 120"):
        saved = DEEM().fit(frame)
    saved.save(tmp_path / "file")
    found = deem.load(tmp_path / "file").health_["empty_samples"]
    assert found == saved.health_["empty_samples"]
    assert [name[:10] for name in found] == ["2026-01-08"]


@pytest.mark.parametrize(
    ("name", "of", "frame"),
    [
        (
            "classifiers_",
            "classifiers",
            pd.DataFrame(COMPLETE, columns=pd.date_range("2026-01-01", periods=5).to_list()),
        ),
        ("classes_", "labels", pd.DataFrame(COMPLETE).map(lambda label: (label,))),
    ],
)
def test_names_that_cannot_be_saved(tmp_path, name, of, frame):
    saved = DEEM().fit(frame)
    text = f"^{name} holds .*a model file cannot hold; convert the names of the {of} to strings"
    with pytest.raises(ArgumentError, match=text):
        saved.save(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_load_keeps_what_the_user_configured(tmp_path):
    DEEM().fit(COMPLETE).save(tmp_path / "file")
    loaded = DEEM().set_output(transform="pandas")
    loaded.note_ = "mine"
    loaded.fit(pd.DataFrame(COMPLETE, columns=list("abcde"))).load(tmp_path / "file")
    assert isinstance(loaded.transform(COMPLETE), pd.DataFrame)
    assert loaded.note_ == "mine"
    assert not hasattr(loaded, "feature_names_in_")


def test_soft_votes_come_back(tmp_path):
    soft = soft_form(COMPLETE, 3)
    saved = DEEM().fit(soft)
    saved.save(tmp_path / "file")
    np.testing.assert_array_equal(deem.load(tmp_path / "file").predict_proba(soft), saved.probas_)


def test_the_map_in_use_and_that_of_fit_come_back(tmp_path):
    crowd = jury(k=2, d=5, n=600, skill=(0.5, 0.97))
    saved = DEEM().fit(crowd.votes)
    overruled = crowd.votes[saved.labels_ != (crowd.votes.mean(1) > 0.5)]
    saved.predict(crowd.votes, align_to=overruled)
    saved.save(tmp_path / "file")
    loaded = deem.load(tmp_path / "file")
    assert loaded.get_class_mapping() == {0: 1, 1: 0}
    assert loaded.reset_class_mapping().get_class_mapping() == {0: 0, 1: 1}


@pytest.mark.parametrize("name", ["x.pt", "x.deem", "x", "x.tar.gz", "ü x.safetensors"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_any_suffix(tmp_path, name, kind):
    DEEM().fit(VOTES).save(kind(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert deem.load(kind(tmp_path / name)).is_fitted_


def test_load_fills_in_place_and_replaces_parameters(tmp_path):
    saved = DEEM(n_classes=4, random_state=7).fit(VOTES)
    saved.save(tmp_path / "file")
    estimator = DEEM(solver="cd", epochs=1, random_state=1).fit(
        pd.DataFrame(VOTES).add_prefix("c")
    )
    assert estimator.load(tmp_path / "file") is estimator
    same_state(saved, estimator)
    assert estimator.get_params() == saved.get_params()


class Unregistered(SoftIRBM):
    """A model of one's own."""


class OwnEM(ExactEM):
    """A solver of one's own."""


class OwnGibbs(Gibbs):
    """A sampler of one's own."""


REFUSED = {
    "model": DEEM(model=Unregistered),
    "model instance": DEEM(model=Unregistered(5, 3)),
    "solver": DEEM(solver=OwnEM()),
    "sampler": DEEM(**CD, sampler=OwnGibbs()),
    "sampler in a solver": DEEM(
        solver=ContrastiveDivergence(sampler=OwnGibbs()), epochs=1, random_state=0
    ),
    "optimizer": DEEM(**CD, optimizer=lambda p: torch.optim.SGD(p, lr=0.01)),
    "optimizer class": DEEM(**CD, optimizer=torch.optim.Adam),
    "generator": DEEM(random_state=np.random.default_rng(0)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unregistered_objects_are_refused_before_writing(tmp_path, name):
    fitted = REFUSED[name].fit(VOTES)
    (tmp_path / "file").write_text("precious")
    what = name.split()[0].replace("generator", "random_state")
    with pytest.raises(ArgumentError, match=f"{what}.* is a "):
        fitted.save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_saving_replaces_a_file_in_one_step(tmp_path, monkeypatch):
    path = tmp_path / "file"
    DEEM(n_classes=4).fit(VOTES).save(path)

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(persistence.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        DEEM().fit(VOTES).save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert deem.load(path).n_classes_ == 4


@pytest.mark.parametrize("folder", ["absent", "file"])
def test_a_folder_that_cannot_be_written_to(tmp_path, folder):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=folder):
        DEEM().fit(VOTES).save(tmp_path / folder / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def flipped(data, where):
    return data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :]


def edited(data, change):
    """The file with its header changed, checksum and all as before."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def foreign_param(metadata):
    metadata["deem"] = metadata["deem"].replace('"hidden_dim":1', '"hidden_dim":2', 1)


DAMAGES = {
    "empty": (lambda d: b"", "truncated or not a model file"),
    "half": (lambda d: d[: len(d) // 2], "truncated or not a model file"),
    "last byte lost": (lambda d: d[:-1], "truncated or not a model file"),
    "first bit": (lambda d: flipped(d, 0), "truncated or not a model file"),
    "last bit": (lambda d: flipped(d, len(d) - 1), "was altered: its checksum differs"),
    "header": (lambda d: edited(d, foreign_param), "was altered: its checksum differs"),
    "no checksum": (lambda d: edited(d, lambda m: m.pop("sha256")), "was altered"),
    "not ours": (lambda d: edited(d, lambda m: m.pop("deem")), "was not written by deem"),
    "a pickle": (lambda d: b"\x80\x04K\x01.", "truncated or not a model file"),
    "a text": (lambda d: b"votes,more votes\n" * 9, "truncated or not a model file"),
}


@pytest.fixture(scope="module")
def fitted():
    return DEEM(n_classes=4).fit(COMPLETE)


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    """The bytes of a file as they should be."""
    path = tmp_path_factory.mktemp("files") / "file"
    DEEM().fit(VOTES).save(path)
    return path.read_bytes()


@pytest.fixture(params=["new", "fitted"])
def estimator(request, fitted):
    return DEEM(n_classes=4) if request.param == "new" else copy.deepcopy(fitted)


def assert_refused(estimator, path, text):
    before = dict(vars(estimator))
    with pytest.raises(ModelFileError, match=text):
        estimator.load(path)
    assert vars(estimator) == before or all(
        vars(estimator)[name] is value for name, value in before.items()
    )
    assert list(vars(estimator)) == list(before)


@pytest.mark.parametrize(("damage", "text"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_files(tmp_path, estimator, whole_file, damage, text):
    path = tmp_path / "file"
    path.write_bytes(damage(whole_file))
    assert_refused(estimator, path, text)


def test_any_flipped_byte_is_noticed(tmp_path):
    path = tmp_path / "file"
    DEEM().fit(VOTES[:20]).save(path)
    data = path.read_bytes()
    for where in np.random.default_rng(0).integers(0, len(data), 60):
        path.write_bytes(flipped(data, where))
        with pytest.raises(ModelFileError):
            deem.load(path)


def test_a_newer_version(tmp_path, estimator, monkeypatch):
    monkeypatch.setattr(persistence, "FORMAT_VERSION", 2)
    DEEM().fit(VOTES).save(tmp_path / "file")
    monkeypatch.undo()
    assert_refused(estimator, tmp_path / "file", "format version 2, .* up to 1; update deem")


def test_a_file_of_another_class(tmp_path, estimator):
    SoftIRBM(5, 3).save(tmp_path / "file")
    assert_refused(estimator, tmp_path / "file", "holds a SoftIRBM, expected a DEEM")


def unknown_class(content):
    content["model"]["class"] = "FutureIRBM"


def unknown_parameter(content):
    content["params"]["future"] = 1


def lost_part(content):
    del content["arrays"]


def lost_array(content):
    del content["arrays"]["skills_"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (unknown_class, "names the model class FutureIRBM, which this version does not have"),
        (unknown_parameter, "future"),
        (lost_part, "arrays"),
        (lost_array, "skills_"),
    ],
)
def test_content_that_does_not_fit(tmp_path, estimator, change, text):
    DEEM().fit(VOTES).save(tmp_path / "file")
    kind, content = read_file(tmp_path / "file")
    change(content)
    write_file(tmp_path / "file", kind, content)
    assert_refused(estimator, tmp_path / "file", text)


def test_no_such_file(tmp_path, estimator):
    before = dict(vars(estimator))
    with pytest.raises(FileNotFoundError, match="absent.*is no file; check the name"):
        estimator.load(tmp_path / "absent")
    assert list(vars(estimator)) == list(before)


def test_the_model_of_a_file_can_be_read_alone(tmp_path):
    fitted = DEEM(selection=None).fit(VOTES)
    fitted.model_.save(tmp_path / "model")
    model = SoftIRBM.load(tmp_path / "model")
    np.testing.assert_array_equal(DEEM(model=model).fit(VOTES).class_map_, fitted.class_map_)
