"""How long a changed margin width takes on an existing result: 4096 x 4096, 30,000 cells.

A slide with labels is analysed once; then the same command runs again in a fresh process with
another margin width, which must read no pixel and load no network.

    python benchmarks/rerun.py
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import shapely
import tifffile

from immunescape.io import write_ome_tiff
from immunescape.io.geojson import write_regions
from immunescape.regions import Regions
from measure import tissue

SIZE = 4096
CHANNELS = ("DAPI", "CD8", "PD-L1", "S100", "SOX10", "CD3")
PIXEL_UM = 0.5
WIDTHS = (100, 60, 140, 80)


def stained(cells, seed=0):
    """Return six channels in which each cell is bright or dark at random in each marker."""
    rng = np.random.default_rng(seed)
    count = int(cells.max()) + 1
    tumour = rng.random(count) < 0.6
    positive = [
        np.ones(count, bool), ~tumour & (rng.random(count) < 0.4), rng.random(count) < 0.3,
        tumour, tumour, ~tumour & (rng.random(count) < 0.5),
    ]  # fmt: skip
    image = np.empty((len(CHANNELS), *cells.shape), np.uint16)
    for plane, bright in zip(image, positive, strict=True):
        level = np.where(bright, rng.lognormal(6.5, 0.3, count), rng.lognormal(4, 0.3, count))
        level[0] = 40
        plane[:] = level[cells]
    return image


def main():
    """Print the times."""
    # as on a user's machine, modules are compiled once and kept
    usual = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        nuclei, cells = tissue(150, 200, SIZE)
        write_ome_tiff(place / "slide.ome.tif", stained(cells), CHANNELS, PIXEL_UM)
        tifffile.imwrite(place / "nuclei.tif", nuclei.astype(np.int32), compression="zlib")
        tifffile.imwrite(place / "cells.tif", cells.astype(np.int32), compression="zlib")
        middle = shapely.Point(SIZE * PIXEL_UM / 2, SIZE * PIXEL_UM / 2).buffer(650)
        write_regions(place / "tumour.geojson", Regions({"tumour": middle}), PIXEL_UM)
        for k, width in enumerate(WIDTHS):
            words = [
                "run", "slide.ome.tif", "-o", "out", "--labels", "nuclei.tif", "cells.tif",
                "--annotations", "tumour.geojson", "--margin.width-um", str(width), "--quiet",
            ]  # fmt: skip
            code = (
                "import sys; from immunescape.cli import main; "
                f"assert main({words!r}) == 0; "
                "print([m for m in ('torch', 'cellpose', 'numba') if m in sys.modules])"
            )
            begun = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=place, env=usual, capture_output=True, text=True,
                check=True,
            )  # fmt: skip
            whole = time.perf_counter() - begun
            record = json.loads((place / "out" / "slide" / "provenance.json").read_text())
            steps = {s["step"]: s["wall_s"] for s in record["steps"]}
            reused = [s["step"] for s in record["steps"] if s["reused"]]
            what = "first run" if k == 0 else f"margin width {width} µm"
            print(
                f"{what:<22} steps {sum(steps.values()):6.2f} s, whole command {whole:6.2f} s, "
                f"reused {', '.join(reused) or 'nothing'}, loaded {done.stdout.strip()}"
            )
            print("   ", ", ".join(f"{name} {wall:.2f}" for name, wall in steps.items()))


if __name__ == "__main__":
    main()
