"""Model files: every kind of damage is noticed, nothing is unpickled, nothing half written."""

import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from deem.core import persistence
from deem.core.persistence import read_file, write_file
from deem.utils.exception import ArgumentError, ModelFileError

CONTENT = {
    "state": {"weight": torch.arange(6.0).reshape(2, 3), "mask": torch.tensor([True, False])},
    "classes": np.array(["cat", "dog"]),
    "epochs": 3,
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.deem"
    write_file(path, "Toy", CONTENT)
    return path


def same(a, b):
    """Equal in type, dtype, shape and every bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and bool(((a == b) | (a != a)).all())
    if isinstance(a, np.ndarray):
        return (
            type(b) is np.ndarray and a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
        )
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def round_trip(tmp_path, content):
    write_file(tmp_path / "file", "Toy", {"x": content})
    kind, found = read_file(tmp_path / "file", "Toy")
    assert kind == "Toy"
    return found["x"]


TENSORS = [
    torch.tensor([1.5, float("nan"), float("-inf"), -0.0], dtype=dtype)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
] + [
    torch.tensor([[0, 1], [1, 0]], dtype=dtype)
    for dtype in (torch.bool, torch.uint8, torch.int8, torch.int32, torch.int64)
]


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda tensor: str(tensor.dtype))
def test_tensors_of_every_dtype(tmp_path, tensor):
    assert same(tensor, round_trip(tmp_path, tensor))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(2.5),
        torch.zeros(0, 3),
        torch.arange(6.0).reshape(2, 3).T,
        torch.ones(1).expand(4),
        torch.nn.Parameter(torch.ones(2)),
    ],
    ids=["scalar", "empty", "transposed", "expanded", "parameter"],
)
def test_tensors_of_every_layout(tmp_path, tensor):
    found = round_trip(tmp_path, tensor)
    assert same(tensor.detach(), found)
    assert not found.requires_grad


@pytest.mark.parametrize(
    "array",
    [
        np.arange(4, dtype=np.int64),
        np.arange(4, dtype=np.uint8).reshape(2, 2),
        np.array([0.1, -2.5], dtype=np.float32),
        np.array([True, False]),
        np.arange(6.0).reshape(2, 3).T,
        np.zeros((0, 2)),
        np.array(["cat", "ünïcode", ""]),
        np.array([["a", "bb"], ["ccc", "d"]]),
        np.array(["cat", 3, None, 2.5, True], dtype=object),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays(tmp_path, array):
    assert same(array, round_trip(tmp_path, array))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        2**80,
        0.1,
        float("inf"),
        'text with "quotes" and é',
        (),
        (1, (2, [3, None])),
        [],
        {},
        {0: {"step": torch.tensor(1.0)}, 1: {"step": None}},
        {"mixed": 1, 2: "keys", None: 3},
        {"__tensor__": "a string, not a tensor"},
        {"__tuple__": [1]},
        {"__float__": "nan"},
        {"a.b": torch.zeros(1), "a": {"b": torch.ones(2)}},
        {1: torch.zeros(1), "1": torch.ones(2)},
    ],
    ids=repr,
)
def test_plain_and_nested_values(tmp_path, value):
    assert same(value, round_trip(tmp_path, value))


def test_numpy_scalars_become_plain(tmp_path):
    assert same(
        [3, 0.5, True], round_trip(tmp_path, [np.int64(3), np.float64(0.5), np.bool_(True)])
    )


def test_shared_memory_is_written_twice(tmp_path):
    base = torch.arange(4.0)
    found = round_trip(tmp_path, [base, base[1:], base])
    assert same([torch.arange(4.0), torch.arange(1.0, 4.0), torch.arange(4.0)], found)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", 1j, print, np.array([1j])])
def test_other_values_are_refused_and_nothing_is_written(tmp_path, value):
    with pytest.raises(ArgumentError, match=r"content\.deep\.1 is a .* a model file cannot hold"):
        write_file(tmp_path / "file", "Toy", {"deep": [0, value]})
    assert list(tmp_path.iterdir()) == []


def test_the_kind_is_given_back_and_checked(path):
    assert read_file(path)[0] == "Toy"
    with pytest.raises(ModelFileError, match=r"holds a Toy, expected a Other\."):
        read_file(path, "Other")


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_any_flipped_bit_is_noticed(path, bit):
    data = path.read_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= bit
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=r"model\.deem'"):
            read_file(path)


def test_any_truncation_is_noticed(path):
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match="truncated or not a model file"):
            read_file(path)


def test_appended_bytes_are_noticed(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelFileError):
        read_file(path)


def test_a_newer_version_is_named(path, monkeypatch):
    monkeypatch.setattr(persistence, "FORMAT_VERSION", 7)
    write_file(path, "Toy", CONTENT)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"version 7, this library reads up to 1; update"):
        read_file(path)


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        np.random.default_rng(0).bytes(500),
        pickle.dumps(Bomb()),
        b'{"class": "Toy"}' * 50,
    ],
    ids=["empty", "braces", "random", "pickle", "json"],
)
def test_foreign_bytes_are_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ModelFileError, match="truncated or not a model file"):
        read_file(tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_torch_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"bomb": Bomb()}, tmp_path / "file")
    with pytest.raises(ModelFileError):
        read_file(tmp_path / "file")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_plain_safetensors_file_is_refused(tmp_path, metadata):
    save_file({"weight": torch.ones(2)}, tmp_path / "file", metadata)
    with pytest.raises(ModelFileError, match="was not written by deem"):
        read_file(tmp_path / "file")


@pytest.mark.parametrize("name", ["nothing", "."])
def test_no_file_is_told_as_such(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="is no file; check the name"):
        read_file(tmp_path / name)


@pytest.mark.parametrize(
    ("where", "error", "text"),
    [
        ("nowhere/file", FileNotFoundError, r"nowhere/file': there is no folder .*; create it"),
        (
            "model.deem/file",
            NotADirectoryError,
            r"model\.deem/file': .* is a file; choose a folder",
        ),
        (".", IsADirectoryError, r"path='.*' is a folder; add the name of a file"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_named(path, where, error, text):
    before = path.read_bytes()
    with pytest.raises(error, match=text) as caught:
        write_file(path.parent / where, "Toy", CONTENT)
    assert ".tmp" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "hidden.tmp"), PermissionError),
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (OSError("disk full"), OSError),
    ],
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch, failure, error):
    before = path.read_bytes()

    def fail(*_):
        raise failure

    monkeypatch.setattr(os, "replace", fail)
    text = failure.strerror or "disk full"
    with pytest.raises(error, match=rf"model\.deem' cannot be written \({text}\); ") as caught:
        write_file(path, "Toy", {"epochs": 4})
    assert ".tmp" not in str(caught.value)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(path, "Toy", {"epochs": 4})
    monkeypatch.undo()
    assert same(read_file(path)[1], CONTENT)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_new_file_replaces_the_old_one(path):
    write_file(path, "Toy", {"epochs": 4})
    assert read_file(path)[1] == {"epochs": 4}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_files_have_the_usual_permissions(path):
    (path.parent / "other").write_text("")
    assert path.stat().st_mode == (path.parent / "other").stat().st_mode


def test_the_umask_is_left_alone_and_holds(tmp_path, monkeypatch):
    old = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)
        write_file(tmp_path / "file", "Toy", CONTENT)
    finally:
        monkeypatch.undo()
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_the_name_may_be_as_long_as_the_system_allows(tmp_path):
    write_file(tmp_path / ("x" * 255), "Toy", CONTENT)
    assert read_file(tmp_path / ("x" * 255))[0] == "Toy"


def stored_header(path):
    with safe_open(path, "pt") as file:
        return file.metadata()["deem"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_header_is_strict_json_and_keeps_every_float(tmp_path, value):
    found = round_trip(
        tmp_path, {"x": [value, 1.0], "array": np.array([value, "a"], dtype=object)}
    )
    assert np.array_equal(found["x"], [value, 1.0], equal_nan=True)
    assert np.array_equal(found["array"][:1].astype(float), [value], equal_nan=True)

    def refuse(name):
        raise AssertionError(name)

    json.loads(stored_header(tmp_path / "file"), parse_constant=refuse)


def test_files_with_bare_nan_are_read(tmp_path):
    text = '{"version":1,"kind":"Toy","content":{"x":[NaN,-Infinity]}}'
    save_file({}, tmp_path / "file", {"deem": text, "sha256": persistence._checksum(text, {})})
    assert np.array_equal(read_file(tmp_path / "file")[1]["x"], [np.nan, -np.inf], equal_nan=True)


def test_paths_may_be_strings(path):
    assert read_file(str(path))[0] == "Toy"
    write_file(str(path), "Toy", CONTENT)
