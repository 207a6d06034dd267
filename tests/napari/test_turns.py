"""Acts on the main thread that take turns with the window."""

import re

import pytest
from qtpy.QtCore import QTimer

from immunescape.napari.turns import Turns


@pytest.fixture
def turns(qtbot):
    return Turns()


def acts(done, name, count):
    for k in range(count):
        done.append(f"{name}{k}")
        yield


def test_the_first_act_is_done_at_once_and_one_a_turn_after(turns, qtbot):
    done = []
    turns.begin("a", acts(done, "a", 3))
    assert done == ["a0"] and turns.busy
    turns.later("b", acts(done, "b", 2))
    assert done == ["a0"]
    window = QTimer()  # what else there is to do in the window
    window.timeout.connect(lambda: done.append("."))
    window.start(0)
    qtbot.waitUntil(lambda: not turns.busy)
    window.stop()
    told = "".join(done)
    assert told.replace(".", "") == "a0a1a2b0b1"
    assert re.fullmatch(r"a0\.*a1\.+a2\.+b0\.+b1\.*", told)


def test_what_begins_again_takes_the_place_of_what_is_left(turns, qtbot):
    done = []
    turns.begin("a", acts(done, "a", 9))
    turns.begin("other", acts(done, "o", 2))
    turns.begin("a", acts(done, "z", 2))
    qtbot.waitUntil(lambda: not turns.busy)
    assert done == ["a0", "o0", "z0", "o1", "z1"]


def test_an_act_may_drop_or_begin_its_own_kind(turns, qtbot):
    done = []

    def anew():
        done.append("old")
        turns.begin("a", acts(done, "new", 2))
        yield
        done.append("never")
        yield

    turns.begin("a", anew())
    assert done == ["old", "new0"]
    qtbot.waitUntil(lambda: not turns.busy)
    assert done == ["old", "new0", "new1"]

    def gives_up():
        turns.drop("b")
        done.append("last")
        yield
        done.append("never")

    turns.begin("b", gives_up())
    assert not turns.busy
    qtbot.wait(20)
    assert done[-1] == "last"


def test_an_error_ends_its_own_acts_alone(turns, qtbot):
    done = []

    def breaks():
        done.append("broken")
        raise ValueError("as it happens")
        yield

    turns.later("a", acts(done, "a", 1))
    with pytest.raises(ValueError, match="as it happens"):
        turns.begin("b", breaks())
    qtbot.waitUntil(lambda: not turns.busy)
    assert done == ["broken", "a0"]


def test_nothing_is_done_after_the_end(turns, qtbot):
    done = []
    turns.begin("a", acts(done, "a", 3))
    turns.stop()
    assert not turns.busy
    qtbot.wait(20)
    assert done == ["a0"]
