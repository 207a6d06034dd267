"""How large the report of a slide with a million cells is, and how soon a browser shows it.

The cells of a result are laid side by side until there are a million, under a picture of the same
extent; the page is written and opened in headless Chromium.

    immunescape demo -o demo
    python benchmarks/report.py demo/P01_baseline
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.report.html.slide import slide_report
from immunescape.report.told import OVERVIEW, load_told
from immunescape.results import Picture

sys.path.insert(0, str(Path(__file__).parents[1]))

CELLS = 1_000_000
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"


def many(told, number):
    """Return the result with its cells laid side by side, and its overview as one picture."""
    frame, overview = told.result.cells.frame, told.result.pictures[OVERVIEW]
    left, right, top, bottom = overview.extent_um
    tiles = int(np.ceil(np.sqrt(number / len(frame))))
    copies = [
        frame.assign(
            x_um=frame["x_um"] + (right - left) * (k % tiles),
            y_um=frame["y_um"] + (bottom - top) * (k // tiles),
        )
        for k in range(tiles * tiles)
    ]
    cells = pd.concat(copies, ignore_index=True).iloc[:number]
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="label")
    small = overview.pixels[:, :: tiles // 4, :: tiles // 4]
    wide = np.tile(small, (1, tiles, tiles))[:, :1200, :1200]
    picture = Picture(wide, overview.channels, tiles * (right - left) / wide.shape[2])
    pictures = {**told.result.pictures, OVERVIEW: picture}
    return replace(told, result=replace(told.result, cells=CellTable(cells), pictures=pictures))


def main():
    """Print the size of the page and the times."""
    from tests.report.browser import Browser

    told = many(load_told(Path(sys.argv[1])), CELLS)
    begun, busy = time.perf_counter(), time.process_time()
    text = slide_report(told)
    wall, busy = time.perf_counter() - begun, time.process_time() - busy
    print(f"{len(told.result.cells)} cells: page of {len(text.encode()) / 1e6:.2f} MB, written in "
          f"{wall:.1f} s ({busy:.1f} s of the processor)")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        path = Path(folder) / "report.html"
        path.write_text(text, encoding="utf-8")
        for k in range(3):
            begun = time.perf_counter()
            browser.open(path)
            browser.call("Runtime.evaluate", expression=DRAWN, awaitPromise=True)
            print(f"opened and drawn in {time.perf_counter() - begun:.2f} s"
                  f"{' (first)' if k == 0 else ''}")  # fmt: skip


if __name__ == "__main__":
    main()
