"""Undo and redo: a line of states with one at the front."""

from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.napari.history import History


def test_steps_are_taken_back_and_brought_again_by_name():
    history, told = History(()), []
    history.changed.connect(told.append)
    assert (history.undo(), history.redo(), history.undo_name) == ("", "", "")
    history.push(("a",), "brush")
    history.push(("a", "b"), "hole")
    assert history.undo_name == "hole"
    assert history.undo() == "hole"
    assert (history.state, history.redo_name) == (("a",), "hole")
    assert history.undo() == "brush"
    assert history.state == ()
    assert history.redo() == "brush"
    assert told == [("a",), ("a", "b"), ("a",), (), ("a",)]


def test_a_new_step_ends_what_was_undone():
    history = History(0)
    for value in (1, 2, 3):
        history.push(value, str(value))
    history.undo()
    history.undo()
    history.push(9, "nine")
    assert (history.redo_name, history.redo(), history.state) == ("", "", 9)
    assert history.undo() == "nine"
    assert history.state == 1


def test_the_very_state_is_no_step_and_old_steps_go():
    first = object()
    history = History(first, most=2)
    history.push(first, "nothing")
    assert history.undo_name == ""
    states = [object() for _ in range(5)]
    for state in states:
        history.push(state, "step")
    assert [history.undo(), history.undo(), history.undo()] == ["step", "step", ""]
    assert history.state is states[2]
    history.start(first)
    assert (history.state, history.undo_name, history.redo_name) == (first, "", "")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["push", "undo", "redo"]), max_size=60))
def test_it_is_like_two_piles(acts):
    history, done, undone = History(0, most=10), [0], []
    for number, act in enumerate(acts, start=1):
        if act == "push":
            history.push(number, act)
            done, undone = [*done, number][-11:], []
        elif act == "undo":
            history.undo()
            if len(done) > 1:
                undone.append(done.pop())
        else:
            history.redo()
            if undone:
                done.append(undone.pop())
        assert history.state == done[-1]
        assert bool(history.undo_name) == (len(done) > 1)
        assert bool(history.redo_name) == bool(undone)
