"""Corrections made by hand, as lines of a file that is only ever added to."""

import errno
import os
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunescape.errors import EditsError, OutputError
from immunescape.io import edits as module
from immunescape.io.edits import Edit, Edits, append_edits, read_edits

HEADER = "time,user,action,x_um,y_um,before,after,reason\n"


def at(second: int) -> str:
    return f"2026-03-01T09:00:{second:02d}.000000Z"


def row(second: int, action: str, after: str = "", **more) -> Edit:
    return Edit(time=at(second), action=action, x_um=1.5, y_um=2.25, after=after, **more)


def test_the_file_is_what_its_columns_promise(tmp_path):
    path = tmp_path / "edits.csv"
    append_edits(path, [row(1, "call", "cd8=negative", before="cd8_t", user="Ö, Li")])
    append_edits(
        path, [row(2, "merge", "x=3.0 y=4.5", reason='one "cell"\nin two'), row(3, "delete")]
    )
    assert path.read_text(encoding="utf-8") == HEADER + (
        f'{at(1)},"Ö, Li",call,1.5,2.25,cd8_t,cd8=negative,\n'
        f'{at(2)},,merge,1.5,2.25,,x=3.0 y=4.5,"one ""cell"" in two"\n'
        f"{at(3)},,delete,1.5,2.25,,,\n"
    )
    assert [e.action for e in read_edits(path).rows] == ["call", "merge", "delete"]
    assert [p.name for p in tmp_path.iterdir()] == ["edits.csv"]


@given(
    x=st.floats(0, 1e6), y=st.floats(0, 1e6), text=st.text(max_size=20), user=st.text(max_size=5)
)
def test_a_row_comes_back_as_it_was_written(tmp_path_factory, x, y, text, user):
    path = tmp_path_factory.mktemp("rows") / "edits.csv"
    written = Edits().split(x, y, (x, y, x + 1, y + 0.1), reason=text, user=user)
    append_edits(path, [written])
    (read,) = read_edits(path).rows
    assert (read.time, read.x_um, read.y_um) == (written.time, x, y)
    assert read.numbers == (x, y, x + 1, y + 0.1)
    assert read.reason == " ".join(text.splitlines()).strip()


def test_positions_from_arrays_are_plain_numbers(tmp_path):
    path = tmp_path / "edits.csv"
    x, y = np.array([0.1, 0.2])
    append_edits(path, [Edits().merge(x, y, (x, y))])
    assert ",0.1,0.2,,x=0.1 y=0.2," in path.read_text()


def test_undo_and_redo_are_rows_too():
    edits = Edits()
    for step in ("a", "b", "undo", "undo", "redo", "redo", "undo", "c"):
        if step == "undo":
            new = edits.undo()
        elif step == "redo":
            new = edits.redo()
        else:
            new = edits.call(1.0, 1.0, "phenotype", "other", reason=step)
        edits = edits.with_rows(new)
    assert [e.action for e in edits.rows].count("undo") == 5
    assert [e.reason for e in edits.active] == ["a", "c"]
    assert edits.last_undoable.reason == "c"
    assert edits.last_redoable is None  # a correction was made since
    with pytest.raises(EditsError, match="undo one first"):
        edits.redo()
    one = edits.with_rows(edits.undo())
    assert one.last_redoable.reason == "c"
    with pytest.raises(EditsError, match="make one first"):
        Edits().undo()


@given(st.lists(st.sampled_from(["make", "undo", "redo"]), max_size=25))
def test_undo_and_redo_follow_two_stacks(steps):
    """The ordinary model of an editor: two stacks, and a new correction empties the second."""
    edits, done, undone = Edits(), [], []
    for n, step in enumerate(steps):
        if step == "make":
            edits = edits.with_rows(edits.delete(0.0, 0.0, reason=str(n)))
            done.append(str(n))
            undone = []
        elif step == "undo" and done:
            edits = edits.with_rows(edits.undo())
            undone.append(done.pop())
        elif step == "redo" and undone:
            edits = edits.with_rows(edits.redo())
            done.append(undone.pop())
        assert [e.reason for e in edits.active] == done
        assert (edits.last_redoable.reason if undone else None) == (undone[-1] if undone else None)
        assert (edits.last_redoable is None) == (not undone)


def test_a_row_out_of_order_can_be_taken_back_by_its_time():
    first, second = row(1, "delete", reason="a"), row(2, "delete", reason="b")
    edits = Edits((first, second, row(3, "undo", at(1))))
    assert [e.reason for e in edits.active] == ["b"]
    twice = edits.with_rows(row(4, "undo", at(1)))
    assert [e.reason for e in twice.active] == ["b"]


def test_times_are_unique_and_ascend_whatever_the_clock_says():
    late = datetime(2026, 3, 1, 9, 0, 59, tzinfo=UTC)
    edits = Edits((row(59, "delete"),))
    assert edits.next_time(late) == "2026-03-01T09:00:59.000001Z"
    assert edits.next_time(datetime(2020, 1, 1, tzinfo=UTC)) == "2026-03-01T09:00:59.000001Z"
    many = Edits()
    for _ in range(50):
        many = many.with_rows(many.delete(0.0, 0.0))
    assert len({e.time for e in many.rows}) == 50


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_line_cut_short_is_set_aside_and_no_other_is_lost(tmp_path, cut):
    path = tmp_path / "edits.csv"
    whole = append_edits(path, [row(1, "delete"), row(2, "call", "pdl1=missing")])
    before = path.read_bytes()
    append_edits(path, [row(3, "merge", "x=10.5 y=20.5", reason="Größe")])
    torn = path.read_bytes()[len(before) :][: -cut if cut > 1 else None]
    torn = torn[:-1] if cut == 1 else torn
    path.write_bytes(before + torn)
    read = read_edits(path)
    kept = len(read.rows) == 3  # cut within the reason: what decides is there
    assert read.rows[:2] == whole.rows
    assert bool(read.warnings) == (not kept and bool(torn))
    if read.warnings:
        assert read.warnings[0].startswith("edits.csv, line 4: cut short")
    after = append_edits(path, [row(4, "delete")])
    assert read_edits(path) == after
    assert [e.time for e in after.rows] == [e.time for e in read.rows] + [at(4)]
    assert read_edits(path).warnings == ()
    beside = tmp_path / "edits.torn.txt"
    assert beside.exists() == bool(read.warnings)
    if beside.exists():
        assert beside.read_bytes() == torn + b"\n"


def test_a_file_edited_by_hand_need_not_end_with_a_line_break(tmp_path):
    path = tmp_path / "edits.csv"
    path.write_text("\ufeff" + HEADER.replace("\n", "\r\n") + f"{at(1)},,delete,1,2,,,")
    assert len(append_edits(path, [row(2, "delete")])) == 2
    assert len(read_edits(path)) == 2


def test_an_empty_file_and_an_empty_table_hold_no_row(tmp_path):
    path = tmp_path / "edits.csv"
    for text in ("", HEADER, HEADER.strip(), HEADER[:10]):
        path.write_text(text)
        assert len(read_edits(path)) == 0
        append_edits(path, [row(1, "delete")])
        assert path.read_text() == HEADER + f"{at(1)},,delete,1.5,2.25,,,\n"


BAD = {
    "x is 'here'": (f"{at(1)},,delete,here,2,,,", "line 2: x_um is 'here'"),
    "no action": (f"{at(1)},,remove,1,2,,,", "line 2: the action 'remove' is unknown; give one of"),
    "local time": ("2026-03-01 09:00,,delete,1,2,,,", "line 2: '2026-03-01 09:00' is no time"),
    "a call of nothing": (f"{at(1)},,call,1,2,,cd8,", r"line 2: the call 'cd8' cannot be read"),
    "a phenotype": (f"{at(1)},,call,1,2,,phenotype=nerve,", "write MARKER=positive"),
    "half a position": (f"{at(1)},,merge,1,2,,x=3,", "line 2: merge has 'x=3' under after; write"),
    "a line of one point": (
        f"{at(1)},,split,1,2,,x0=1 y0=1 x1=1 y1=1,", "line 2: both points of the line are one",
    ),
    "nowhere": (f"{at(1)},,delete,nan,2,,,", "line 2: x_um and y_um are not both numbers"),
    "a delete of what": (f"{at(1)},,delete,1,2,,all,", "line 2: delete has 'all' under after"),
    "too few": (f"{at(1)},,delete,1,2", "line 2: 5 fields, not 8"),
    "an open quote": (f'{at(1)},,delete,1,2,,,"why', "line 2: no row of comma-separated"),
    "a time twice": (
        f"{at(1)},,delete,1,2,,,\n{at(1)},,delete,1,2,,,", "line 3: the time .* is not later",
    ),
    "an undo of nothing": (f"{at(1)},,undo,1,2,,{at(0)},", "line 2: undo names .*no earlier row"),
    "an undo of itself": (f"{at(1)},,undo,1,2,,{at(1)},", "line 2: undo names"),
    "an undo of a name": (f"{at(1)},,undo,1,2,,last,", "line 2: undo names 'last' and no time"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_row_that_means_nothing_is_named_with_its_line(kind, tmp_path):
    lines, message = BAD[kind]
    path = tmp_path / "edits.csv"
    path.write_text(HEADER + lines + "\n")
    with pytest.raises(EditsError, match=message) as caught:
        read_edits(path)
    assert str(caught.value).startswith("edits.csv, line ")
    before = path.read_bytes()
    with pytest.raises(EditsError):
        append_edits(path, [row(9, "delete")])
    assert path.read_bytes() == before


def test_another_table_is_refused_by_its_first_line(tmp_path):
    path = tmp_path / "edits.csv"
    path.write_text(HEADER.replace(",", ";"))
    with pytest.raises(EditsError, match=r"edits.csv, line 1: .* the first line is time,user"):
        read_edits(path)
    with pytest.raises(EditsError, match="none does not exist"):
        read_edits(tmp_path / "none")


def test_rows_that_are_not_later_are_refused_and_nothing_is_written(tmp_path):
    path = tmp_path / "edits.csv"
    append_edits(path, [row(5, "delete")])
    before = path.read_bytes()
    with pytest.raises(EditsError, match=r"edits.csv: the time .* read the file again"):
        append_edits(path, [row(5, "delete")])
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "edits.csv"
    append_edits(path, [row(1, "delete")])
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OutputError, match=r"no room is left to write edits.csv"):
        append_edits(path, [row(2, "delete")])
    assert path.read_bytes() == before
