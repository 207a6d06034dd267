"""Nothing lost: saved within a second, in no other window's way, and offered after a crash."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import shapely
from qtpy.QtCore import Qt

from immunescape.io import open_slide
from immunescape.io.geojson import read_annotations
from immunescape.margin import MarginParams
from immunescape.napari.autosave import Autosave
from immunescape.napari.kept import read_drawing
from immunescape.napari.lock import Lock
from immunescape.napari.session import Session
from immunescape.napari.workbench import workbench_of
from immunescape.regions import Regions
from immunescape.study import read_study
from tests.napari.draw_and_wait import HALF_A_LOOP, TUMOUR
from tests.napari.small import write_small

BOX = Regions({"tumour": shapely.MultiPolygon([shapely.box(10, 10, 50, 60)])})
LINE = Regions({**BOX.shapes, "margin_line": shapely.MultiLineString([[(0, 0), (9, 9)]])})


@pytest.fixture
def path(tmp_path):
    return write_small(tmp_path / "slides")


@pytest.fixture
def opened(qtbot, path, tmp_path):
    """Returns a session with the slide opened, and what saves it."""
    made = []

    def make(**timing):
        session = Session(None, tmp_path / "out")
        autosave = Autosave(session, **({"after_s": 0.05} | timing))
        made.append(autosave)
        session.open(open_slide(path), path)
        return session, autosave

    yield make
    for autosave in made:
        autosave.close()


def drawn(session):
    slide = session.slide
    return read_annotations(
        session.annotations_path, pixel_size_um=slide.pixel_size_um, slide_name=slide.name
    )


def crash(folder, **changes):
    """Leave the lock of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    begun = psutil.Process(ended.pid).create_time()
    ended.wait()
    folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder)
    assert lock.take()
    said = json.loads(lock.path.read_text("utf-8"))
    said |= {"token": "another", "process": ended.pid, "begun": begun} | changes
    lock.path.write_text(json.dumps(said), "utf-8")
    return lock.path


def test_what_is_drawn_and_set_is_saved_by_another_thread(opened, qtbot, monkeypatch):
    session, autosave = opened()
    threads = []
    from immunescape.napari import autosave as module

    writes = module.save_snapshot
    monkeypatch.setattr(
        module,
        "save_snapshot",
        lambda s: (threads.append(threading.current_thread()), writes(s))[1],
    )
    assert not session.kept.exists()  # looking at a slide leaves nothing behind
    session.drawing.push(BOX, "freehand")
    session.set_step("margin", MarginParams(width_um=40))
    qtbot.waitUntil(lambda: not autosave.unsaved)
    assert drawn(session)["tumour"].equals(BOX["tumour"])
    assert read_study(session.study_path).margin.width_um == 40
    assert threads and all(t is not threading.main_thread() for t in threads)
    session.drawing.undo()
    qtbot.waitUntil(lambda: not autosave.unsaved)
    assert not session.annotations_path.exists()  # the command line would refuse an empty one
    assert (session.kept / "annotations.before.geojson").exists()
    assert session.inputs.annotations is None


def test_a_run_reads_what_was_drawn_a_moment_before(opened):
    session, autosave = opened(after_s=60)
    session.drawing.push(BOX, "freehand")
    assert session.inputs.annotations == session.annotations_path
    assert drawn(session)["tumour"].equals(BOX["tumour"])
    session.drawing.push(LINE, "freehand")
    autosave.close()
    assert sorted(drawn(session)) == ["margin_line", "tumour"]
    assert not (session.kept / "open.lock").exists()


def test_a_stroke_that_takes_long_is_saved_before_it_ends(opened, qtbot):
    session, autosave = opened(every_s=0.2)
    session.drawing.push(BOX, "freehand")
    stroke = [LINE]
    autosave.unfinished = lambda: stroke[0]
    qtbot.waitUntil(lambda: session.annotations_path.exists() and len(list(drawn(session))) == 2)
    saved = drawn(session)
    assert saved["margin_line"].equals(LINE["margin_line"])
    assert saved["tumour"].equals(BOX["tumour"])
    assert "margin_line" not in session.drawing.state  # it is no step of the drawing yet
    stroke[0] = None  # given up
    qtbot.waitUntil(lambda: list(drawn(session)) == ["tumour"])
    assert drawn(session)["tumour"].equals(BOX["tumour"])


def test_opening_brings_back_what_was_left(opened, qtbot):
    session, autosave = opened()
    session.drawing.push(LINE, "freehand")
    session.set_step("margin", MarginParams(width_um=360))
    autosave.close()
    again, other = opened()
    assert other.question is None
    assert again.drawing.state["margin_line"].equals(LINE["margin_line"])
    assert again.drawing.undo_name == ""
    assert again.study.margin.width_um == 360
    before = again.annotations_path.stat().st_mtime_ns
    qtbot.wait(200)
    assert again.annotations_path.stat().st_mtime_ns == before  # nothing changed


def test_another_pixel_size_keeps_the_drawing_on_its_pixels(opened, path):
    session, _ = opened(after_s=60)
    session.drawing.push(BOX, "freehand")
    options = dataclasses.replace(session.study.slide, pixel_size_um=1.0)
    study = dataclasses.replace(session.study, slide=options)
    session.replace_slide(open_slide(path, pixel_size_um=1.0), study)
    assert session.drawing.state["tumour"].equals(shapely.box(20, 20, 100, 120))


def test_an_import_is_taken_up_and_its_file_left_alone(qtbot, path, tmp_path):
    from immunescape.io.geojson import write_regions

    given = tmp_path / "drawn in QuPath.geojson"
    write_regions(given, BOX, 0.5)
    text = given.read_bytes()
    session = Session(None, tmp_path / "out")
    autosave = Autosave(session, after_s=0.05)
    session.open(open_slide(path), path, annotations=given)
    assert session.drawing.state["tumour"].equals(BOX["tumour"])
    assert session.inputs.annotations == given
    session.drawing.push(Regions(), "deletion")
    autosave.close()
    assert session.inputs.annotations is None
    assert given.read_bytes() == text


def test_a_failure_to_write_is_told_and_tried_again(opened, qtbot, monkeypatch):
    from immunescape.napari import autosave as module

    told = []
    monkeypatch.setattr(module, "tell_error", told.append)
    session, autosave = opened()
    session.out.mkdir()
    session.kept.write_text("a file where the folder should be")
    session.drawing.push(BOX, "freehand")
    qtbot.waitUntil(lambda: len(told) == 1)
    assert session.kept.name in str(told[0])
    assert autosave.unsaved
    session.kept.unlink()
    session.drawing.push(LINE, "freehand")
    qtbot.waitUntil(lambda: not autosave.unsaved)
    assert sorted(drawn(session)) == ["margin_line", "tumour"]
    assert not list(session.kept.glob(".*"))


def test_a_damaged_drawing_is_set_aside(opened, monkeypatch):
    from immunescape.napari import autosave as module

    session, autosave = opened()
    session.drawing.push(BOX, "freehand")
    autosave.close()
    session.annotations_path.write_text('{"type": "FeatureColl')
    told = []
    monkeypatch.setattr(module, "tell_error", told.append)
    again, _ = opened()
    assert "annotations.geojson is not JSON" in str(told[0])
    assert not again.drawing.state.shapes
    assert list(again.kept.glob("annotations.*.damaged.geojson"))


def test_a_slide_that_is_open_elsewhere_is_not_written(opened, qtbot):
    one, _ = opened()
    one.drawing.push(BOX, "freehand")
    one.saving.emit()
    two, blocked = opened()
    assert "open in another window" in blocked.why_blocked
    assert two.drawing.state["tumour"].equals(BOX["tumour"])
    two.drawing.push(LINE, "freehand")
    qtbot.wait(200)
    assert list(drawn(one)) == ["tumour"]
    # neither had drawn: the first to save holds the folder
    one.autosave.close()
    two.slide_changed.emit()
    assert not blocked.why_blocked


def test_two_that_begin_at_once_do_not_overwrite_each_other(opened, qtbot):
    one, first = opened()
    two, second = opened()
    one.drawing.push(BOX, "freehand")
    qtbot.waitUntil(lambda: not first.unsaved)
    two.drawing.push(LINE, "freehand")
    qtbot.waitUntil(lambda: bool(second.why_blocked))
    assert list(drawn(one)) == ["tumour"]
    assert second.unsaved


@pytest.mark.parametrize(
    ("changes", "crashed"),
    [
        ({}, True),
        ({"process": os.getpid(), "begun": 12.0}, True),  # the id was given out again
        ({"machine": "elsewhere"}, False),
        ({"machine": "elsewhere", "time": 1.0}, True),
    ],
)
def test_a_crash_is_told_from_a_running_window(tmp_path, changes, crashed):
    crash(tmp_path, **changes)
    lock = Lock(tmp_path)
    assert (lock.left() is not None) is crashed
    assert (lock.taken() is None) is crashed
    assert lock.take() is crashed
    (tmp_path / "open.lock").write_text("{torn")
    assert Lock(tmp_path).take()


@pytest.mark.parametrize("answer", ["Restore", "Start afresh", "Escape", "later"])
def test_after_a_crash_the_drawing_is_offered(opened, qtbot, answer):
    session, autosave = opened()
    session.drawing.push(BOX, "freehand")
    session.set_step("margin", MarginParams(width_um=40))
    autosave.close()
    lock = crash(session.kept)
    files = {p: p.read_bytes() for p in session.kept.iterdir()}
    again, other = opened()
    box = other.question
    assert box.text().startswith("Restore what you drew at ")
    assert box.defaultButton().text() == "Restore"
    again.drawing.push(LINE, "freehand")
    again.saving.emit()
    qtbot.wait(150)
    assert {p: p.read_bytes() for p in again.kept.iterdir()} == files  # before the answer
    again.drawing.undo()
    if answer == "Escape":
        qtbot.keyClick(box, Qt.Key.Key_Escape)
    elif answer == "later":
        other.close()
        assert lock.read_bytes() == files[lock]
        return
    else:
        (button,) = [b for b in box.buttons() if b.text() == answer]
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert other.question is None
    if answer == "Start afresh":
        assert not again.drawing.state.shapes
        assert again.study.margin.width_um == 100
        (aside,) = again.kept.glob("set aside *")
        assert (aside / "annotations.geojson").read_bytes() in files.values()
        assert (aside / "study.toml").exists()
    else:
        assert again.drawing.state["tumour"].equals(BOX["tumour"])
        assert again.study.margin.width_um == 40
    again.drawing.push(LINE, "freehand")
    again.saving.emit()
    assert sorted(drawn(again)) == ["margin_line", "tumour"]


def test_corrections_too_are_offered_after_a_crash(opened, qtbot):
    session, _ = opened()
    session.kept.mkdir(parents=True)
    session.edits_path.write_text("time,user\n")
    session.edits_changed.emit()
    qtbot.waitUntil(lambda: (session.kept / "open.lock").exists())
    assert not session.annotations_path.exists()


@pytest.mark.slow
def test_napari_killed_in_the_middle_of_drawing(make_napari_viewer, qtbot, path, tmp_path):
    log = tmp_path / "log.txt"
    with log.open("w") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.napari.draw_and_wait", path],
            cwd=Path(__file__).parents[2], stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
    saved = path.parent / "immunescape-results" / "P07.session" / "annotations.geojson"
    try:
        until = time.monotonic() + 300
        while not ("drawing" in log.read_text() and b"Necrosis" in _bytes(saved)):
            assert child.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.1)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    viewer = make_napari_viewer(show=True)
    bench = workbench_of(viewer)
    viewer.open(path, plugin="immunescape")
    qtbot.waitUntil(lambda: bench.autosave.question is not None, timeout=30_000)
    box = bench.autosave.question
    assert "Restore what you drew at" in box.text()
    assert "P07" in box.informativeText()
    box.grab().save(str(tmp_path / "question.png"))
    qtbot.mouseClick(box.defaultButton(), Qt.MouseButton.LeftButton)
    tumour = bench.session.drawing.state["tumour"]
    wanted = shapely.Polygon(TUMOUR)
    # the pointer sets whole pixels of the canvas
    assert shapely.hausdorff_distance(tumour.boundary, wanted.boundary) < 1.0
    assert (saved.parent / "open.lock").exists()
    assert read_drawing(bench.session)["tumour"].equals(tumour)
    # the loop that was not closed yet, by a straight line
    half = shapely.Polygon(HALF_A_LOOP)
    assert bench.session.drawing.state["necrosis"].area == pytest.approx(half.area, rel=0.05)
    bench.close_work()
    assert not (saved.parent / "open.lock").exists()


def _bytes(path):
    return path.read_bytes() if path.exists() else b""
