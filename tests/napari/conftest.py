"""What every test of the plugin needs: a screen, and the sample patient analysed once."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from immunescape.cli.demo import sample_folder
from immunescape.io import open_slide
from immunescape.pipeline import Inputs, run_slide
from immunescape.study import Study

HERE = Path(__file__).parent
BASELINE = "P01_baseline"


def pytest_collection_modifyitems(items):
    """Skip without a screen, and let napari's own deprecations pass."""
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker(
            pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
        )
        if not shown and sys.platform == "linux":
            item.add_marker(pytest.mark.skip(reason="needs a screen; run under xvfb-run"))


@pytest.fixture(scope="session")
def sample_inputs():
    """The baseline slide of the sample patient, with its annotations."""
    folder = sample_folder()
    (slide,) = folder.glob(f"{BASELINE}*.tif*")
    (drawn,) = folder.glob(f"{BASELINE}*.geojson")
    return Inputs(slide=slide, annotations=drawn)


@pytest.fixture(scope="session")
def _analysed_once(sample_inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("analysed")
    run_slide(sample_inputs, out, Study())
    return out


@pytest.fixture
def analysed(_analysed_once, tmp_path):
    """A folder that holds the result of the baseline slide; each test has a copy of its own."""
    out = tmp_path / "out"
    shutil.copytree(_analysed_once, out)
    return out


@pytest.fixture
def open_step(make_napari_viewer, qtbot, analysed, sample_inputs):
    """Opens a step of the workbench, in a window, on the sample slide as it was analysed."""
    from immunescape.napari.workbench import workbench_of  # Qt, once there is a screen

    benches = []

    def opened(step):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1280, 800)
        bench = workbench_of(viewer)
        benches.append(bench)
        slide = open_slide(sample_inputs.slide)
        bench.session.open(
            slide, sample_inputs.slide, out=analysed, annotations=sample_inputs.annotations
        )
        panel = bench.show_step(step)
        qtbot.waitUntil(lambda: bench.session.finished is not None, timeout=120_000)
        qtbot.waitUntil(panel.isVisible)
        qtbot.waitUntil(lambda: not bench.arrivals.turns.busy, timeout=60_000)
        if (regions := bench.panels.get("regions")) is not None:  # its layers come late
            qtbot.waitUntil(lambda: regions.proposals.known, timeout=60_000)
        return panel

    yield opened
    while benches:  # none is held: napari looks for viewers that are
        benches.pop().close_work()
