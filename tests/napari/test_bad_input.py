"""What is damaged, absent or something else is told in one line, and nothing drawn is lost."""

import shutil

import pytest
import shapely
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import Qt

from immunescape.cli import main
from immunescape.cli.demo import sample_folder
from immunescape.io.geojson import read_annotations
from immunescape.napari.workbench import workbench_of
from immunescape.regions import Regions
from tests.napari.dropping import drop

BASELINE = sample_folder() / "P01_baseline.ome.tif"
NOISE = bytes(range(256)) * 4

BAD = {
    "absent": ("absent.ome.tif does not exist", None),
    "no result": ("no result is a folder without", lambda at, _: at.mkdir()),
    "notes.txt": ("notes.txt is no image", lambda at, _: at.write_text("a note")),
    "text.ome.tif": ("text.ome.tif is no image", lambda at, _: at.write_text("a note")),
    "nothing.ome.tif": ("nothing.ome.tif is empty", lambda at, _: at.write_bytes(b"")),
    "cut.ome.tif": (
        "cut.ome.tif is a damaged or truncated TIFF",
        lambda at, _: at.write_bytes(BASELINE.read_bytes()[:100_000]),
    ),
    "P3": (
        "the cell table in P3 is damaged; rename that folder",
        lambda at, made: spoilt(at, made, "cells.parquet"),
    ),
    "P1": ("P1: study.toml is no text", lambda at, made: spoilt(at, made, "study.toml")),
    "P2": (
        "P2: regions.geojson is not JSON",
        lambda at, made: spoilt(at, made, "regions.geojson", b""),
    ),
    "P4": (
        "P4 is no whole result: labels.zarr is missing",
        lambda at, made: shutil.rmtree(shutil.copytree(made, at) / "labels.zarr"),
    ),
    "P9.session": ("holds what was drawn on P9; open that slide", lambda at, _: at.mkdir()),
    "two": (
        "two holds the results of 2 slides; open one of them: A, B",
        lambda at, made: [shutil.copytree(made, at / name) for name in "AB"],
    ),
}
NAPARIS = ("absent", "no result", "notes.txt")
"""What napari itself says when it is dropped: it may be meant for another plugin."""


def spoilt(at, made, name, data=NOISE):
    shutil.copytree(made, at)
    (at / name).write_bytes(data)


def errors():
    """What was told as errors since this was last asked."""
    found = [
        n.message for n in notification_manager.records if n.severity >= NotificationSeverity.ERROR
    ]
    notification_manager.records.clear()
    return found


@pytest.fixture
def bad(tmp_path, analysed):
    """Makes one of the bad things."""

    def made(kind):
        at = tmp_path / ("absent.ome.tif" if kind == "absent" else kind)
        if BAD[kind][1] is not None:
            BAD[kind][1](at, analysed / "P01_baseline")
        return at

    return made


def test_the_command_says_what_is_wrong_before_there_is_a_window(bad, capsys):
    for kind, (words, _) in BAD.items():
        assert main(["gui", str(bad(kind))]) == 2, kind
        said = capsys.readouterr().err.strip()
        assert words in said and "; " in said and "\n" not in said, said
        assert "Traceback" not in said


def test_a_drop_of_what_is_damaged_is_told(make_napari_viewer, qtbot, bad, tmp_path, analysed):
    viewer = make_napari_viewer(show=True)
    bench = workbench_of(viewer)
    panel = bench.panel("slide")
    qtbot.waitUntil(lambda: bench.drops is not None)
    errors()
    for kind, (words, _) in BAD.items():
        path = bad(kind)
        if kind in NAPARIS:
            continue
        drop(viewer, path)
        qtbot.waitUntil(lambda: not panel.work.running, timeout=20_000)
        qtbot.waitUntil(lambda: bool(notification_manager.records), timeout=20_000)
        (said,) = errors()
        assert words in said and "; " in said and "\n" not in said, said
        assert not viewer.layers and bench.session.slide is None
    # a folder with one result is that result
    shutil.copy(BASELINE, analysed)
    drop(viewer, analysed)
    qtbot.waitUntil(lambda: bench.session.finished is not None, timeout=60_000)
    assert not errors()
    bench.close_work()


def test_all_that_was_kept_is_damaged_and_nothing_of_it_is_lost(open_step, qtbot, analysed):
    kept = analysed / "P01_baseline.session"
    kept.mkdir()
    names = "study.toml", "annotations.geojson", "proposals.json", "review.csv", "edits.csv"
    for name in names:
        (kept / name).write_bytes(NOISE)
    errors()
    panel = open_step("review")
    session, bench = panel.session, workbench_of(panel.session.viewer)
    bench.panel("regions")
    cells = bench.show_step("cells")
    told = errors()
    for name in names:
        assert any(name in line for line in told), (name, told)
    assert all("\n" not in line and "report this" not in line for line in told), told
    assert session.slide is not None and session.finished is not None
    assert not session.drawing.state.shapes

    # what was there is there, beside what comes next or in its place
    for stem, ending in (("study", "toml"), ("annotations", "geojson"), ("proposals", "json")):
        (aside,) = kept.glob(f"{stem}.*.damaged.{ending}")
        assert aside.read_bytes() == NOISE
        assert any(aside.name in line for line in told)
    assert not panel.start_button.isEnabled() and "review.csv" in panel.counts.text()
    x, y = session.finished.cells.points_um[100]
    cells.choose((x, y))
    cells.call("cd8", "positive")
    (said,) = errors()
    assert said.startswith("edits.csv, line 1")
    for name in ("review.csv", "edits.csv"):
        assert (kept / name).read_bytes() == NOISE

    # and work goes on
    square = Regions({"tumour": shapely.box(10, 10, 200, 200)})
    session.drawing.push(square, "freehand")
    session.save_study()
    slide = session.slide
    found = read_annotations(
        session.inputs.annotations, pixel_size_um=slide.pixel_size_um, slide_name=slide.name
    )
    assert found["tumour"].equals(square["tumour"])
    assert not errors()


def test_a_folder_that_cannot_be_written_is_told_by_all_who_write(open_step, qtbot, analysed):
    kept = analysed / "P01_baseline.session"
    kept.write_text("a file where the folder should be")
    panel = open_step("regions")
    session, bench = panel.session, workbench_of(panel.session.viewer)
    errors()
    square = Regions({"tumour": shapely.box(10, 10, 200, 200)})
    cells = bench.show_step("cells")
    cells.choose(tuple(session.finished.cells.points_um[100]))
    writes = {
        "drawing": lambda: session.drawing.push(square, "freehand") or session.saving.emit(),
        "study": lambda: qtbot.mouseClick(bench.save_button, Qt.MouseButton.LeftButton),
        "proposal": lambda: panel.proposals.reject(panel.proposals.places[:1]),
        "correction": lambda: cells.call("cd8", "positive"),
    }
    for what, write in writes.items():
        write()
        told = errors()
        assert told and all("P01_baseline.session" in line for line in told), (what, told)
        assert all("\n" not in line and "report this" not in line for line in told), told
    # the drawing waits, and is written as soon as it can be
    assert session.drawing.state["tumour"].equals(square["tumour"])
    kept.unlink()
    session.saving.emit()
    assert session.annotations_path.is_file()
    assert not errors()
