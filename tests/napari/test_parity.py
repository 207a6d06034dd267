"""A session with everything in it, and the command line on the same slide: the same tables."""

import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, Qt

from immunescape.cli import main
from immunescape.io.edits import read_edits
from immunescape.io.label_store import LabelStore
from immunescape.io.tables import read_cells
from immunescape.napari.workbench import workbench_of
from immunescape.study import read_study
from tests.napari.pointer import Pointer
from tests.napari.test_cells import SHIFT, Hand, round_cell, touching

LEFT = Qt.MouseButton.LeftButton
TUMOUR = [(60, 60), (480, 80), (520, 300), (420, 500), (120, 460)]
TABLES = (
    "regions", "bands", "contacts", "summary", "sensitivity", "gates", "quality", "segmentation",
)  # fmt: skip


@pytest.fixture
def bench(make_napari_viewer_proxy, qtbot, sample_inputs, tmp_path):
    """The workbench as the manifest opens it, with the sample slide and nothing drawn on it."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1280, 800)
    _, bench = viewer.window.add_plugin_dock_widget("immunescape", "Workbench")
    slides = tmp_path / "my slides"
    slides.mkdir()
    slide = shutil.copy(sample_inputs.slide, slides)
    viewer.open(slide, plugin="immunescape")
    qtbot.waitUntil(lambda: bench.session.slide is not None, timeout=20_000)
    assert workbench_of(viewer) is bench
    yield bench
    bench.close_work()
    viewer.close()
    qtbot.wait(50)


def press(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, LEFT)


def draw_tumour(bench, qtbot):
    panel = bench.show_step("regions")
    qtbot.wait(200)
    press(qtbot, panel.box.tools["freehand"])
    Pointer(bench.session.viewer).drag(TUMOUR)
    (region,) = bench.session.drawing.state["tumour"].geoms
    assert region.area > 100_000


def run(bench, qtbot, button):
    before = bench.session.finished
    press(qtbot, button)
    qtbot.waitUntil(lambda: bench.session.finished is not before, timeout=600_000)
    return bench.session.finished


def move_a_gate(bench, qtbot):
    panel = bench.show_step("gates")
    canvas = panel.face.canvas

    def ready():
        return panel.values is not None and not panel.latest.busy and canvas._ground is not None

    def at(threshold):
        place = float(canvas.values.scale.place(threshold))
        x, _ = canvas.axes.transData.transform((place, 1.0))
        y = (canvas.axes.bbox.y0 + canvas.axes.bbox.y1) / 2
        ratio = canvas.device_pixel_ratio
        return QPoint(round(x / ratio), round(canvas.height() - y / ratio))

    qtbot.waitUntil(ready, timeout=120_000)
    automatic = panel.live.gate("pdl1", "tumour").threshold
    qtbot.mousePress(canvas, LEFT, pos=at(automatic))
    for factor in (1.1, 1.2, 1.3):
        qtbot.mouseMove(canvas, at(automatic * factor))
        qtbot.wait(30)
    qtbot.mouseRelease(canvas, LEFT, pos=at(canvas.threshold))
    qtbot.waitUntil(ready, timeout=120_000)
    assert canvas.threshold > 1.1 * automatic
    qtbot.keyClicks(panel.face.reviewer, "A. Reader")
    press(qtbot, panel.face.confirm_button)
    (spec,) = bench.session.study.gate
    assert spec.confirmed and spec.value == canvas.threshold
    qtbot.waitUntil(ready, timeout=120_000)


def correct_cells(bench, qtbot):
    """Merge two cells, split one and call another otherwise; return the panel."""
    panel = bench.show_step("cells")
    qtbot.waitUntil(panel.isVisible)
    hand, finished = Hand(panel, qtbot), bench.session.finished
    place = finished.cells.frame[["x_um", "y_um"]]

    def choose(label):
        x, y = place.loc[label]
        hand.go(x, y)
        hand.click(x, y)
        assert panel.choice.labels == [label]
        return x, y

    one = round_cell(finished.cells, "tumour")
    choose(one)
    hand.click(*place.loc[touching(finished, one)], SHIFT)
    hand.key(Qt.Key.Key_M)
    cut = round_cell(finished.cells, "tumour", [one])
    x, y = choose(cut)
    hand.key(Qt.Key.Key_S)
    hand.drag(x - 12, y, x + 12, y)
    called = round_cell(finished.cells, "tumour", [one, cut])
    choose(called)
    hand.key(Qt.Key.Key_C)
    rows = read_edits(bench.session.edits_path).rows
    assert [row.action for row in rows] == ["merge", "split", "call"]
    return panel


def test_the_command_line_repeats_a_session_exactly(bench, qtbot, tmp_path, monkeypatch):
    session = bench.session
    draw_tumour(bench, qtbot)
    first = run(bench, qtbot, bench.show_step("segment").run_button)
    move_a_gate(bench, qtbot)
    panel = correct_cells(bench, qtbot)
    again = run(bench, qtbot, panel.apply_button)
    assert len(again.cells) == len(first.cells)  # one less, one more
    assert again.cells["edited"].sum() == 4
    gates = again.tables["gates"].set_index(["marker", "parent"])
    assert gates.loc[("pdl1", "tumour"), "threshold"] == session.study.gate[0].value
    press(qtbot, bench.save_button)
    assert read_study(session.study_path).gate == session.study.gate

    command = shlex.split(session.command())
    assert bench.save_button.toolTip() == session.command()
    assert command[0] == "immunescape" and {"--study", "--annotations", "--edits"} <= set(command)
    where = command.index("-o") + 1
    assert command[where] == "immunescape-results"
    command[where] = str(tmp_path / "headless")
    monkeypatch.chdir(session.path.parent)
    assert main([*command[1:], "--quiet"]) == 0

    ours, theirs = session.folder, tmp_path / "headless" / session.folder.name
    same = {p.name for p in ours.iterdir()}
    assert same == {p.name for p in theirs.iterdir()}
    cells = [read_cells(folder).frame for folder in (ours, theirs)]
    pd.testing.assert_frame_equal(*cells, check_exact=True)
    pd.testing.assert_frame_equal(cells[1], again.cells.frame, check_exact=True)
    for name in TABLES:
        texts = [(folder / f"{name}.csv").read_bytes() for folder in (ours, theirs)]
        assert texts[0] == texts[1], name
        assert len(pd.read_csv(ours / f"{name}.csv")), name
    stores = [LabelStore.open(folder / "labels.zarr") for folder in (ours, theirs)]
    for name in ("nuclei", "cells"):
        images = [np.asarray(store[name]) for store in stores]
        assert images[0].any() and np.array_equal(*images), name
    for name in ("regions.geojson", "edits.csv"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
