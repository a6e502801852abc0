"""Errors are the builtins a caller would expect."""

import inspect

import pytest

from deem.utils import exception
from deem.utils.exception import ArgumentError, DeemError, DeemWarning, check_choice

BUILTINS = {
    "ArgumentError": ValueError,
    "ShapeError": ValueError,
    "LabelError": ValueError,
    "DeviceError": ValueError,
    "IntractableError": NotImplementedError,
    "NonFiniteError": FloatingPointError,
    "ModelFileError": ValueError,
}
CLASSES = {
    name: cls
    for name, cls in vars(exception).items()
    if inspect.isclass(cls) and cls.__module__ == exception.__name__
}


def test_every_error_and_warning_is_public():
    checks = ["check_choice", "check_number", "check_whole"]
    assert sorted(CLASSES) + checks == sorted(exception.__all__)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"DeemError", "DeemWarning"}))
def test_each_class_is_an_error_of_a_builtin_kind_or_a_warning(name):
    cls = CLASSES[name]
    if name.endswith("Warning"):
        assert issubclass(cls, DeemWarning)
    else:
        assert issubclass(cls, DeemError)
        assert issubclass(cls, BUILTINS[name])


def test_warnings_are_user_warnings_which_python_shows():
    assert issubclass(DeemWarning, UserWarning)


@pytest.mark.parametrize("value", ["magic", None, 3])
def test_check_choice_names_argument_value_and_choices(value):
    with pytest.raises(ArgumentError) as caught:
        check_choice("solver", value, iter(["auto", "exact"]))
    assert str(caught.value) == f"solver={value!r} is unknown; choose one of: auto, exact."


def test_check_choice_accepts_a_choice():
    assert check_choice("solver", "exact", ("auto", "exact")) is None
