"""From opening a slide to its measured cells, through the segment panel."""

import dataclasses

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from immunescape.io.labels import LabelStore
from immunescape.napari.layers import facts_of
from immunescape.napari.panels._segment_model import takes_diameter
from immunescape.napari.panels.segment import STEP_WORDS
from immunescape.napari.view import go_to, visible_um
from immunescape.napari.workbench import workbench_of
from immunescape.segment import SegmentParams
from immunescape.study import Study
from tests.napari.small import write_small
from tests.slides import drawn_labels, write_labels, write_slide

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def bench(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    bench = workbench_of(viewer)
    yield bench
    bench.close_work()
    viewer.close()
    qtbot.wait(50)  # what Qt deletes later is deleted now


def opened(bench, qtbot, path):
    bench.session.viewer.open(path, plugin="immunescape")
    qtbot.waitUntil(lambda: bench.session.slide is not None, timeout=20_000)
    return bench.show_step("segment")


def facts(bench, kind):
    layers = [x for x in bench.session.viewer.layers if facts_of(x).get(kind)]
    return {facts_of(x)[kind]: x for x in layers}


def idle(panel):
    return not panel.work.running and not panel.foot.isVisible()


def test_the_panel_waits_for_a_slide(bench):
    panel = bench.show_step("segment")
    assert "Waits for a slide" in panel.waiting.text()
    assert not panel.content.isEnabled()


def test_preview_cancel_run_and_look(bench, qtbot, tmp_path):
    """Open, preview, cancel, run; the result is what the preview showed."""
    session = bench.session
    panel = opened(bench, qtbot, write_small(tmp_path))
    viewer = session.viewer
    assert panel.run_button.text() == "Segment and measure"
    assert not panel.diameter_form.native.isVisible()  # compact does not use it

    # the canvas shows a part of the slide, and the preview is of this part alone
    go_to(viewer, (30.0, 20.0, 90.0, 80.0))
    left, top, right, bottom = visible_um(viewer)
    assert left <= 30 and top <= 20 and right >= 90 and bottom >= 80
    go_to(viewer, (40.0, 40.0, 60.0, 60.0))
    qtbot.mouseClick(panel.preview_button, LEFT)
    assert not panel.content.isEnabled() and panel.foot.isVisible()
    qtbot.waitUntil(lambda: idle(panel), timeout=120_000)
    preview = facts(bench, "preview")
    assert set(preview) == {"nuclei", "cells"}
    data = np.asarray(preview["cells"].data)
    first = tuple(float(t) - 0.25 for t in preview["cells"].translate)  # upper left corner, y and x
    assert first[0] <= 40 and first[1] <= 40
    assert "nuclei in" in panel.preview_text.text() and "per mm²" in panel.preview_text.text()

    # cancelled before it ends: nothing is left, not even the folder
    qtbot.mouseClick(panel.run_button, LEFT)
    qtbot.waitUntil(lambda: panel.work.running, timeout=5_000)
    qtbot.mouseClick(panel.cancel_button, LEFT)
    qtbot.waitUntil(lambda: idle(panel), timeout=120_000)
    assert session.finished is None
    assert not session.folder.exists()
    assert not list(session.out.glob(".*")) if session.out.exists() else True

    said = []
    panel_tell = panel._tell
    panel._tell = lambda step, done, total: (said.append(step), panel_tell(step, done, total))
    qtbot.mouseClick(panel.run_button, LEFT)
    panel.work.told.connect(panel._tell)
    qtbot.waitUntil(lambda: session.finished is not None, timeout=300_000)
    qtbot.waitUntil(lambda: idle(panel), timeout=20_000)
    assert set(said) <= set(STEP_WORDS)
    assert not facts(bench, "preview")  # the result has taken its place
    qtbot.waitUntil(lambda: not bench.arrivals.turns.busy)
    labels = facts(bench, "labels")
    assert set(labels) == {"nuclei", "cells"}
    cells = np.asarray(LabelStore.open(session.folder / "labels.zarr")["cells"])
    assert len(labels["cells"].features) == len(np.unique(cells)) - 1
    # the preview showed the same cells: every one of it is one of the run's, and the other way
    y, x = (round(value / 0.5) for value in first)
    part = cells[y : y + data.shape[0], x : x + data.shape[1]]
    pairs = np.unique(np.stack([part.ravel(), data.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(part)) == len(np.unique(data)) > 5

    # how well: the table's words, and a click on a tile goes there
    table = session.finished.tables["segmentation"]
    assert f"{len(session.finished.cells.frame)} cells" in panel.quality.summary.text()
    assert panel.run_button.text() == "Segment and measure again"
    assert (session.folder / "segmentation.html").is_file()
    flagged = table.assign(judged=True, flagged=True, severity=1.0, reason="small nuclei?")
    tables = {**session.finished.tables, "segmentation": flagged}
    session.finished = dataclasses.replace(session.finished, tables=tables)
    panel.quality.show_result()
    tiles = panel.quality.tiles
    assert tiles.count() == len(table) and "stand out" in panel.quality.heading.text()
    item = tiles.item(0)
    qtbot.mouseClick(tiles.viewport(), LEFT, pos=tiles.visualItemRect(item).center())
    left, top, right, bottom = visible_um(viewer)
    row = table.iloc[0]
    assert left <= row.x_um + 1e-6 and right >= row.x_um + row.width_um - 1e-6
    assert (left + right) / 2 == pytest.approx(row.x_um + row.width_um / 2, abs=0.01)


def test_the_form_is_the_parameters(bench, qtbot, tmp_path):
    session = bench.session
    panel = opened(bench, qtbot, write_small(tmp_path, edge=64))
    assert panel.main_form["grow_um"].tooltip
    box = panel.main_form["grow_um"].native
    edit = box.lineEdit()
    edit.selectAll()
    qtbot.keyClicks(edit, "5")
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert session.study.segment == SegmentParams(grow_um=5)
    session.set_study(Study(segment=SegmentParams(grow_um=2, model="cpsam_v2")))
    assert panel.main_form["grow_um"].value == 2
    assert panel.diameter_form.native.isVisible()
    assert "cpsam_v2" in panel.model.currentText()
    assert takes_diameter("cpsam_v2") and not takes_diameter("compact")
    assert not takes_diameter("mine.safetensors")
    # back by hand, and an own file of weights
    panel.model.setCurrentIndex(panel.model.findData("compact"))
    panel.model.activated.emit(panel.model.currentIndex())
    assert session.study.segment.model == "compact"


def test_a_network_that_cannot_be_had_is_one_line(bench, qtbot, tmp_path):
    session = bench.session
    panel = opened(bench, qtbot, write_small(tmp_path, edge=64))
    session.set_step("segment", SegmentParams(model=str(tmp_path / "none.safetensors")))
    notification_manager.records.clear()
    qtbot.mouseClick(panel.preview_button, LEFT)
    qtbot.waitUntil(lambda: bool(notification_manager.records), timeout=60_000)
    assert "none.safetensors is no model" in notification_manager.records[-1].message
    qtbot.waitUntil(lambda: idle(panel))
    go_to(session.viewer, (900.0, 900.0, 950.0, 950.0))
    notification_manager.records.clear()
    panel.preview()
    assert "shows nothing of P07" in notification_manager.records[-1].message


def test_labels_made_elsewhere(bench, qtbot, tmp_path, monkeypatch):
    """Masks are taken in place of the network's, and are measured as they are."""
    session = bench.session
    panel = opened(bench, qtbot, write_slide(tmp_path / "in", "P09"))
    masks = write_labels(tmp_path)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(masks)], ""))
    panel.source.setCurrentIndex(1)
    panel.source.activated.emit(1)
    assert session.inputs.labels == (masks,)
    assert "cells.tif" in panel.labels_text.text()
    assert not panel.model.isVisible() and not panel.preview_button.isVisible()
    qtbot.mouseClick(panel.run_button, LEFT)
    qtbot.waitUntil(lambda: session.finished is not None, timeout=300_000)
    assert len(session.finished.cells.frame) == drawn_labels().max()
    shown = facts(bench, "labels")
    assert "cells" in shown and "nuclei" not in shown
    assert "imported labels" in panel.quality.summary.text()
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([], ""))
    panel.source.setCurrentIndex(0)
    panel.source.activated.emit(0)
    assert session.inputs.labels == () and panel.model.isVisible()
