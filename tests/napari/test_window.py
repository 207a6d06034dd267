"""``immunescape gui`` shows the workbench with what it was given; drops open without a question."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from napari.settings import get_plugin_settings, get_settings
from qtpy.QtWidgets import QInputDialog, QWidget
from skimage.io import imsave

from immunescape.cli.demo import sample_folder
from immunescape.errors import SlideError
from immunescape.napari import window
from immunescape.napari.drops import take_drops
from tests.napari.dropping import drop

BASELINE = sample_folder() / "P01_baseline.ome.tif"


def test_slides_and_results_open_where_they_are_dropped(
    make_napari_viewer_proxy, analysed, tmp_path
):
    viewer = make_napari_viewer_proxy()
    dock = QWidget()
    viewer.window.add_dock_widget(dock, name="any")
    taking = take_drops(viewer, dock)
    assert taking is not None and take_drops(viewer, dock) is taking
    drop(viewer, BASELINE)
    assert [x.name for x in viewer.layers] == ["Nuclei (DAPI)", "S100", "SOX10", "CD8", "PD-L1"]
    assert {x.source.reader_plugin for x in viewer.layers} == {"immunescape"}
    viewer.layers.clear()
    shutil.copy(BASELINE, analysed)
    drop(viewer, analysed / "P01_baseline")
    assert {"PD-L1", "Cells", "Nuclei", "Tissue"} <= {x.name for x in viewer.layers}
    viewer.layers.clear()
    asked = []
    take_drops(viewer, dock, asked.append)
    drop(viewer, BASELINE)
    assert asked == [BASELINE] and not viewer.layers
    # what is not ours is napari's
    picture = tmp_path / "picture.png"
    imsave(picture, np.zeros((4, 4), np.uint8), check_contrast=False)
    drop(viewer, picture)
    assert [x.source.reader_plugin for x in viewer.layers] == ["napari"]


def test_the_workbench_of_napari_s_menu_is_that_of_the_command(
    make_napari_viewer, qtbot, monkeypatch, tmp_path
):
    viewer = make_napari_viewer(show=True)
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", "elsewhere")
    work = get_plugin_settings("immunescape").work
    monkeypatch.setattr(work, "cache_folder", str(tmp_path))
    get_settings().plugins.extension2reader = {}
    _, bench = viewer.window.add_plugin_dock_widget("immunescape", "Workbench")
    assert os.environ["CELLPOSE_LOCAL_MODELS_PATH"] == str(tmp_path)
    assert get_settings().plugins.extension2reader["*.ome.tif"] == "immunescape"
    assert viewer.canvas.overlays.scale_bar.visible
    # a slide that says nothing of its pixels: the panel asks, where napari's reader could not
    path = tmp_path / "P9.ome.tif"
    tifffile.imwrite(path, np.zeros((2, 8, 8), np.uint16), metadata={"axes": "CYX"}, ome=True)
    monkeypatch.setattr(QInputDialog, "getDouble", lambda *_: (0.25, True))
    qtbot.waitUntil(lambda: bench.drops is not None)
    drop(viewer, path)
    qtbot.waitUntil(lambda: bench.session.slide is not None, timeout=20_000)
    assert bench.session.slide.pixel_size_um == 0.25
    bench.close_work()


def test_what_is_wrong_with_a_slide_is_said_before_there_is_a_window(tmp_path):
    path = tmp_path / "P9.ome.tif"
    tifffile.imwrite(path, np.zeros((2, 8, 8), np.uint16), metadata={"axes": "CYX"}, ome=True)
    with pytest.raises(SlideError, match=r"P9\.ome\.tif has no pixel size"):
        window.make_window(path)


def test_the_command_shows_the_workbench_and_the_slide(tmp_path):
    """In a process of its own: the window comes up, holds both, and is closed."""
    slide = shutil.copy(BASELINE, tmp_path)
    code = f"""
import napari
from qtpy.QtCore import QTimer
from immunescape.cli import main
def look():
    viewer = napari.current_viewer()
    print(sorted(x.name for x in viewer.layers), list(viewer.window.dock_widgets))
    viewer.close()
run = napari.run
def run_and_look(*a, **k):
    QTimer.singleShot(500, look)
    run(*a, **k)
napari.run = run_and_look
raise SystemExit(main(["gui", {str(slide)!r}]))
"""
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "'PD-L1'" in done.stdout and "immunescape" in done.stdout.split("]")[1]
