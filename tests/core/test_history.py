"""Series with one entry an epoch."""

import json
import math

import pytest

from deem.core.history import History
from deem.utils.exception import ArgumentError


@pytest.fixture
def history():
    history = History({"solver": "ExactEM", "epochs": 3})
    history.append(loss=2.0)
    history.append(loss=1.0, accuracy=0.5)
    history.append(accuracy=0.75)
    return history


def equal(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def test_every_series_has_one_entry_an_epoch(history):
    nan = float("nan")
    assert history.n_epochs == 3
    assert all(map(equal, history["loss"], [2.0, 1.0, nan]))
    assert all(map(equal, history["accuracy"], [nan, 0.5, 0.75]))


def test_it_reads_like_a_dict_of_lists(history):
    assert list(history) == ["loss", "accuracy"]
    assert len(history) == 2
    assert "loss" in history
    with pytest.raises(KeyError):
        history["error"]


def test_names_of_one_epoch_keep_their_order():
    names = [f"series_{i}" for i in range(20)]
    history = History()
    history.append(**dict.fromkeys(names, 0.0))
    assert list(history) == names


def test_amend_changes_the_last_epoch_only(history):
    history.amend(accuracy=1, error=0.25)
    assert history["accuracy"][1:] == [0.5, 1.0]
    assert [math.isnan(x) for x in history["error"]] == [True, True, False]
    assert history.n_epochs == 3


def test_amend_needs_an_epoch():
    with pytest.raises(ArgumentError, match=r"no epoch to amend; call append\(\) first"):
        History().amend(loss=1)


def test_values_become_floats():
    history = History()
    history.append(n=3)
    assert isinstance(history["n"][0], float)


def test_repr_names_the_series(history):
    assert repr(history) == "History(3 epochs: loss, accuracy)"
    assert repr(History()) == "History(0 epochs: empty)"


@pytest.mark.parametrize("through", ["text", "file", "dict"])
def test_it_comes_back_from_json(history, through, tmp_path):
    if through == "dict":
        back = History.from_dict(history.to_dict())
    elif through == "text":
        back = History.from_json(history.to_json())
    else:
        text = history.to_json(tmp_path / "history.json")
        assert json.loads(text) is not None
        back = History.from_json(tmp_path / "history.json")
    assert back.settings == history.settings
    assert back.n_epochs == 3
    assert list(back) == list(history)
    assert all(map(equal, back["loss"], history["loss"]))


def test_json_has_null_for_nan_and_text_for_infinity():
    history = History({"tolerance": math.inf, "rate": math.nan, "epochs": 2})
    history.append(loss=math.inf)
    history.append(accuracy=0.5)

    def refuse(name):
        raise AssertionError(name)

    text = history.to_json()
    content = json.loads(text, parse_constant=refuse)
    assert content["series"] == {"loss": ["inf", None], "accuracy": [None, 0.5]}
    assert content["settings"] == {"tolerance": "inf", "rate": None, "epochs": 2}
    back = History.from_json(text)
    assert all(map(equal, back["loss"], [math.inf, math.nan]))
    assert all(map(equal, back["accuracy"], [math.nan, 0.5]))
    assert math.isnan(history["loss"][1])


def test_json_with_bare_nan_is_read():
    back = History.from_json('{"settings": {}, "series": {"loss": [NaN, 1.0]}, "n_epochs": 2}')
    assert all(map(equal, back["loss"], [math.nan, 1.0]))


def test_a_copy_is_independent(history):
    back = History.from_dict(history.to_dict())
    back.append(loss=0.0)
    assert history.n_epochs == 3
    assert len(history["loss"]) == 3


def test_settings_are_copied():
    settings = {"epochs": 1}
    History(settings).settings["epochs"] = 2
    assert settings == {"epochs": 1}
