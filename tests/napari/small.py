"""A small slide, cut from the sample patient so that a run takes seconds."""

from pathlib import Path

import numpy as np

from immunescape.cli.demo import sample_folder
from immunescape.io import open_slide, write_ome_tiff

CHANNELS = ("DAPI", "CD8", "PD-L1", "S100", "SOX10")


def write_small(folder: Path, name: str = "P07", channels=CHANNELS, edge: int = 240) -> Path:
    """Write a square of the baseline slide that lies across the tumour's edge."""
    sample = open_slide(sample_folder() / "P01_baseline.ome.tif")
    assert sample.channels == CHANNELS
    rows, columns = slice(400, 400 + edge), slice(480, 480 + edge)
    pixels = np.asarray(sample.levels[0][: len(channels), rows, columns])
    folder.mkdir(parents=True, exist_ok=True)
    return write_ome_tiff(folder / f"{name}.ome.tif", pixels, channels, sample.pixel_size_um)
