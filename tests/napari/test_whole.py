"""From the sample data to saved tables, and the window closed in mid-run, in a real viewer."""

import dataclasses
import hashlib
import threading
import time

import pandas as pd
import pytest
from qtpy.QtCore import Qt, QThreadPool

from immunescape.cli.demo import sample_folder
from immunescape.napari.layers import facts_of
from immunescape.napari.workbench import STEPS
from immunescape.study import read_study
from tests.napari.small import write_small

LEFT = Qt.MouseButton.LeftButton


def contents(folder):
    """The files of a folder and a digest of each."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def bench(make_napari_viewer_proxy, qtbot, tmp_path, monkeypatch):
    """The workbench as napari's menu opens it, for a person whose home is a passing folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1280, 800)
    dock, bench = viewer.window.add_plugin_dock_widget("immunescape", "Workbench")
    assert viewer.window.add_plugin_dock_widget("immunescape", "Workbench") == (dock, bench)
    return bench


def closed(bench, qtbot):
    bench.close_work()
    bench.session.viewer.close()
    qtbot.wait(50)


def run(bench, qtbot):
    """Press the button of step 3 with the pointer; return the work."""
    qtbot.mouseClick(bench.buttons["segment"], LEFT)
    panel = bench.panels["segment"]
    qtbot.waitUntil(panel.run_button.isEnabled)
    qtbot.mouseClick(panel.run_button, LEFT)
    assert panel.work.running and panel.foot.isVisible() and not panel.content.isEnabled()
    return panel.work


def test_from_the_sample_data_to_saved_tables(bench, qtbot, tmp_path):
    session, viewer = bench.session, bench.session.viewer
    before = contents(sample_folder())
    viewer.open_sample("immunescape", "baseline")
    qtbot.waitUntil(lambda: session.slide is not None, timeout=20_000)
    assert "P01_baseline" in bench.slide_label.text() and "not measured" in bench.slide_label.text()
    assert set(session.drawing.state) >= {"tumour"}  # what came drawn with it is taken up
    work = run(bench, qtbot)
    qtbot.waitUntil(lambda: session.finished is not None, timeout=600_000)
    assert not work.running
    qtbot.waitUntil(lambda: not bench.arrivals.turns.busy)
    assert session.folder == tmp_path / "home" / "immunescape-results" / "P01_baseline"
    shown = {facts_of(layer).get("labels") for layer in viewer.layers}
    assert {"cells", "nuclei"} <= shown

    # what the steps say is what lies on the disk
    for key in STEPS:
        qtbot.mouseClick(bench.buttons[key], LEFT)
        panel = bench.stack.currentWidget()
        assert panel.key == key and not panel.waiting.isVisible() and panel.content.isEnabled()
    cells = pd.read_parquet(session.folder / "cells.parquet").set_index("label")
    pd.testing.assert_frame_equal(cells, session.finished.cells.frame)
    counts = cells["phenotype"].value_counts()
    qtbot.mouseClick(bench.buttons["cells"], LEFT)
    legend = bench.panels["cells"].legend
    assert legend.item(0).text().startswith(f"tumour cell: {counts['tumour']:,} ")
    qtbot.mouseClick(bench.save_button, LEFT)
    assert read_study(session.study_path) == dataclasses.replace(session.study, input=())
    assert contents(sample_folder()) == before  # nothing was written beside the sample
    closed(bench, qtbot)


def test_the_window_closed_in_mid_run_leaves_the_earlier_result(bench, qtbot, tmp_path):
    """The worker stops, no thread is left, and what was there before is there, to the byte."""
    session = bench.session
    session.viewer.open(write_small(tmp_path), plugin="immunescape")
    qtbot.waitUntil(lambda: session.slide is not None, timeout=20_000)
    run(bench, qtbot)
    qtbot.waitUntil(lambda: session.finished is not None, timeout=600_000)
    out, kept = session.out, session.kept
    before = {p: d for p, d in contents(out).items() if p.parts[0] != kept.name}
    assert before

    segment = dataclasses.replace(session.study.segment, grow_um=1.0)
    session.set_step("segment", segment)  # everything is made anew
    work = run(bench, qtbot)
    qtbot.waitUntil(lambda: any(out.glob(".P07.partial-*")), timeout=120_000)
    assert work.running
    closed(bench, qtbot)
    assert work.wait(60)
    assert {p: d for p, d in contents(out).items() if p.parts[0] != kept.name} == before
    assert {p.name for p in out.iterdir()} == {"P07", kept.name}
    assert read_study(kept / "study.toml").segment == segment  # what was set is not lost
    assert not list(kept.glob("*.lock"))

    def ours():
        return [t.name for t in threading.enumerate() if t.name.startswith("immunescape")]

    until = time.monotonic() + 20
    while time.monotonic() < until and (ours() or QThreadPool.globalInstance().activeThreadCount()):
        qtbot.wait(50)
    assert ours() == []
    assert QThreadPool.globalInstance().activeThreadCount() == 0
