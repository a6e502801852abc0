"""Warnings point outside the library and are recorded by the call that raises them."""

import threading

import pytest

from deem.utils.exception import DeemWarning, SoftVotesWarning
from deem.utils.warning import collecting, warn


def code_of(package):
    """A function of another package that warns."""
    names = {"__name__": f"{package}.inner", "warn": warn, "DeemWarning": DeemWarning}
    exec(
        compile("def f(call=None):\n    (call or warn)('x', DeemWarning)", package, "exec"), names
    )
    return names["f"]


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("call", "place"),
    [
        (lambda: code_of("deem")(), __file__),
        (lambda: code_of("deem")(lambda text, category: code_of("sklearn")()), __file__),
        (lambda: code_of("deemed")(), "deemed"),
        (lambda: in_thread(code_of("deem")), threading.__file__),
    ],
)
def test_a_warning_points_at_the_first_line_outside(call, place):
    with pytest.warns(DeemWarning, match="^x$") as caught:
        call()
    assert [w.filename for w in caught] == [place]


def collected(*texts):
    with collecting() as found:
        for text in texts:
            warn(text, SoftVotesWarning)
    return found


@pytest.mark.filterwarnings("ignore::deem.utils.exception.DeemWarning")
def test_collecting_nests_and_ends():
    with collecting() as outer:
        warn("a", DeemWarning)
        inner = collected("b")
        warn("c", DeemWarning)
    warn("d", DeemWarning)
    assert outer == ["DeemWarning: a", "DeemWarning: c"]
    assert inner == ["SoftVotesWarning: b"]


def test_collecting_ends_after_an_error():
    with collecting() as outer, pytest.raises(SoftVotesWarning):
        collected("a")
    assert outer == []


def test_other_threads_are_shown_but_not_recorded():
    with pytest.warns(DeemWarning, match="b"), collecting() as found:
        in_thread(warn, "b", DeemWarning)
    assert found == []
