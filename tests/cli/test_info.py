"""``immunescape info``: what is said of a slide before anything is computed."""

import numpy as np
import tifffile
from tests.real_data import DATA, needs

from immunescape.cli import main


def channels(capsys, slide):
    """Return the lines of the channels that are printed of a slide, by channel."""
    assert main(["info", str(slide)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.strip()[:1].isdigit()]
    return {line.split()[1]: line for line in rows}


def test_exposures_stand_with_the_channels_of_which_the_file_tells_them(tmp_path, capsys):
    file = tmp_path / "P01.ome.tif"
    times = {"ExposureTime": [2.5, 40.0], "ExposureTimeUnit": ["ms", "ms"]}
    metadata = {
        "axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5,
        "Channel": {"Name": ["DAPI", "CD8"]},
    }  # fmt: skip
    image = np.zeros((2, 32, 48), np.uint16)
    tifffile.imwrite(file, image, ome=True, metadata=metadata | {"Plane": times})
    told = channels(capsys, file)
    assert told["DAPI"].endswith(", exposed for 2.5 ms")
    assert told["CD8"].endswith(", exposed for 40 ms")
    tifffile.imwrite(file, image, ome=True, metadata=metadata)
    assert not any("exposed" in line for line in channels(capsys, file).values())


@needs("qptiff", "small_vectra.qptiff")
def test_exposures_of_a_real_qptiff_are_those_in_its_description(capsys):
    told = channels(capsys, DATA / "qptiff" / "small_vectra.qptiff")
    ends = [line.partition("exposed for ")[2] for line in told.values()]
    assert ends == ["2.63 ms", "14.29 ms", "208.03 ms"]
