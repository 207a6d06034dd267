"""The window itself: its steps, and its end in the middle of work."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea

from immunescape.napari.workbench import STEPS, workbench_of
from tests.napari.small import write_small


def test_every_step_is_there_and_waits(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    bench = workbench_of(viewer)
    assert workbench_of(viewer) is bench
    for key in STEPS:
        qtbot.mouseClick(bench.buttons[key], Qt.MouseButton.LeftButton)
        panel = bench.stack.currentWidget()
        assert panel.key == key
        if key == "cohort":  # where a sheet can always be opened
            qtbot.waitUntil(panel.content.isEnabled)
            assert not panel.waiting.isVisible()
            continue
        qtbot.waitUntil(lambda panel=panel: bool(panel.waiting.text()))
        if key != "slide":  # where a slide can always be opened
            assert not panel.content.isEnabled()
    # a window of 1280 x 800 leaves the slide at least as much room as the dock takes
    assert bench.minimumSizeHint().width() <= 420
    bench.close_work()
    viewer.close()
    qtbot.wait(50)


def test_no_panel_is_wider_than_the_dock(open_step, qtbot):
    """What a scrolled panel asks for beyond its dock would be cut off at the right."""
    bench = workbench_of(open_step("slide").session.viewer)
    for key in STEPS:
        panel = bench.show_step(key)
        qtbot.waitUntil(panel.content.isEnabled)
        area = next(a for a in panel.findChildren(QScrollArea) if a.widget() is panel.content)
        qtbot.waitUntil(lambda area=area: area.viewport().width() > 300)
        room = bench.minimumWidth() - (bench.width() - area.viewport().width())
        assert panel.content.minimumSizeHint().width() <= room, key


@pytest.mark.parametrize("by", ["viewer", "workbench"])
def test_the_window_closed_in_mid_run(make_napari_viewer, qtbot, tmp_path, by):
    """The worker stops; neither a result nor a part of one is left."""
    viewer = make_napari_viewer(show=True)
    bench = workbench_of(viewer)
    viewer.open(write_small(tmp_path), plugin="immunescape")
    qtbot.waitUntil(lambda: bench.session.slide is not None)
    panel = bench.show_step("segment")
    panel.run()
    work, folder, out = panel.work, bench.session.folder, bench.session.out
    # in the middle: something is half-written beside the folder to be
    qtbot.waitUntil(lambda: any(out.glob(".P07.partial-*")), timeout=120_000)
    if by == "viewer":
        viewer.close()
    else:
        bench.close_work()
        viewer.close()
    assert work.wait(120)
    qtbot.wait(300)  # what the worker still says is heard, and hurts nobody
    assert not folder.exists()
    assert not list(out.glob(".P07*")) if out.exists() else True
