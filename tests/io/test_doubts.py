"""What a file leaves open is decided and told: one test a case."""

import numpy as np
import pytest
import tifffile
from tests.io.test_open_slide import NAMES, SCAN, write_ome, write_qptiff

from immunescape.io import open_slide

PIXELS = np.zeros((3, 40, 60), np.uint16)


def test_channels_without_a_name_are_numbered(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, PIXELS, imagej=True, metadata={"axes": "CYX"})
    assert (
        "stack.tif leaves channels without a name: they are called channel 1, channel 2, "
        "channel 3; --channel-names gives them names"
    ) in open_slide(path, pixel_size_um=0.5).warnings


@pytest.mark.parametrize("um", [20.0, 0.01])
def test_a_pixel_that_is_unusual_for_cells(tmp_path, um):
    path = write_ome(tmp_path / "a.ome.tif", PIXELS, um=um)
    assert open_slide(path).warnings == (
        f"a.ome.tif has a pixel of {um:g} µm, unusual for cells; --pixel-size-um overrides it",
    )
    assert open_slide(path, pixel_size_um=0.5).warnings == (
        f"a.ome.tif states a pixel of {um:g} µm; 0.5 µm from --pixel-size-um is used instead",
    )


def test_one_edge_of_the_pixel(tmp_path):
    path = tmp_path / "a.ome.tif"
    words = {"axes": "CYX", "Channel": {"Name": list(NAMES)}, "PhysicalSizeX": 0.5}
    tifffile.imwrite(path, PIXELS, ome=True, photometric="minisblack", metadata=words)
    slide = open_slide(path)
    assert slide.pixel_size_um == 0.5
    assert slide.warnings == (
        "a.ome.tif states one edge of a pixel only; the other is taken to be equal",
    )


def test_two_pixel_sizes_in_one_qptiff(tmp_path):
    path = tmp_path / "a.qptiff"
    options = {"resolution": (4e4, 4e4), "resolutionunit": "CENTIMETER"}
    write_qptiff(path, PIXELS, [""] * 3, NAMES, SCAN, **options)
    assert open_slide(path).warnings == (
        "a.qptiff states a pixel of 0.5 µm in its XML and of 0.25 µm in its resolution tags; "
        "the first is used, --pixel-size-um overrides it",
    )
