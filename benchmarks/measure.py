"""Time the measurement and the contacts of a large field against scikit-image.

Run ``python benchmarks/measure.py``: 30,000 cells, 6 channels of uint16, 4096 x 4096 pixels.
Both sides give the same columns: area, centroid, eccentricity, solidity and the mean of every
channel in nucleus, cytoplasm, membrane and cell. scikit-image knows no compartments, so it is
handed a label image of each, made outside its time. Two markers read in the membrane add their
sectors, levels and percentiles, of which scikit-image gives nothing.
"""

import argparse
import os
import time

import numpy as np
import pandas as pd
from skimage.measure import regionprops_table

from immunescape.measure import measure_cells
from immunescape.panel import COMPARTMENTS, Panel, Stain
from immunescape.slide import Slide
from immunescape.spatial import find_contacts

PIXEL_UM = 0.5
RIM_PX = 2  # 1 µm


def tissue(rows, columns, size, seed=0):
    """Make cells like tissue: the nearest of jittered centres, cut at a radius."""
    rng = np.random.default_rng(seed)
    pitch = np.array([size / rows, size / columns])
    centres = (
        np.argwhere(np.ones((rows, columns))) + rng.uniform(0.1, 0.9, (rows * columns, 2))
    ) * pitch
    radii = rng.uniform(0.5, 0.75, rows * columns) * pitch.mean()
    y, x = np.arange(size)[:, None] + 0.5, np.arange(size)[None] + 0.5
    row, column = (y / pitch[0]).astype(int), (x / pitch[1]).astype(int)
    cells = np.zeros((size, size), np.int32)
    nuclei = np.zeros((size, size), np.int32)
    best = np.full((size, size), np.inf, np.float32)
    for dr in (-1, 0, 1):
        for dc in (-1, 0, 1):
            r, c = row + dr, column + dc
            inside = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
            index = np.where(inside, r * columns + c, 0)
            far = np.hypot(y - centres[index, 0], x - centres[index, 1]).astype(np.float32)
            mine = inside & (far < best)
            best[mine] = far[mine]
            within = mine & (far < radii[index])
            cells[mine] = 0
            nuclei[mine] = 0
            cells[within] = index[within] + 1
            core = within & (far < 0.6 * radii[index])
            nuclei[core] = index[core] + 1
    return nuclei, cells


def masked_labels(nuclei, cells):
    """Return the label image of each compartment."""
    rim = np.zeros(cells.shape, bool)
    size = cells.shape[0]
    for dy in range(-RIM_PX, RIM_PX + 1):
        for dx in range(-RIM_PX, RIM_PX + 1):
            if np.hypot(max(abs(dy) - 0.5, 0), max(abs(dx) - 0.5, 0)) > RIM_PX:
                continue
            here = (slice(max(0, -dy), size - max(0, dy)), slice(max(0, -dx), size - max(0, dx)))
            there = (slice(max(0, dy), size - max(0, -dy)), slice(max(0, dx), size - max(0, -dx)))
            rim[here] |= cells[here] != cells[there]
    return {
        "nucleus": nuclei,
        "cytoplasm": np.where(nuclei == 0, cells, 0),
        "membrane": np.where(rim, cells, 0),
        "cell": cells,
    }


def by_scikit_image(masks, image, markers):
    """Measure the same columns with regionprops_table, one call a compartment."""
    shape = ("area", "centroid", "eccentricity", "solidity")
    tables = []
    for compartment, labels in masks.items():
        names = ("label", *(shape if compartment == "cell" else ()), "intensity_mean")
        table = pd.DataFrame(regionprops_table(labels, image, properties=names))
        means = {f"intensity_mean-{i}": f"{m}_{compartment}_mean" for i, m in enumerate(markers)}
        tables.append(table.set_index("label").rename(columns=means))
    return pd.concat(tables, axis=1).sort_index()


def largest_difference(ours, peer, markers):
    """Return the largest relative difference of any column."""
    pairs = {
        "area_um2": peer["area"] * PIXEL_UM**2,
        "x_um": (peer["centroid-1"] + 0.5) * PIXEL_UM,
        "y_um": (peer["centroid-0"] + 0.5) * PIXEL_UM,
        "eccentricity": peer["eccentricity"],
        "solidity": peer["solidity"],
    }
    pairs |= {c: peer[c] for m in markers for k in COMPARTMENTS for c in [f"{m}_{k}_mean"]}
    return max(np.nanmax(np.abs(ours[c] / v.where(v > 0) - 1)) for c, v in pairs.items())


def timed(function, repeats=1):
    """Return the last result and the shortest time in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return result, min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="edge of the image in pixels")
    size = parser.parse_args().size
    scale = size / 4096
    nuclei, cells = tissue(round(150 * scale), round(200 * scale), size)
    image = np.random.default_rng(1).integers(0, 4096, (6, size, size), dtype=np.uint16)
    markers = tuple(f"m{i}" for i in range(len(image)))
    plain, membranes = (
        Panel(
            tuple(
                Stain(channel=m, marker=m, compartment="membrane" if i < n else "cell")
                for i, m in enumerate(markers)
            )
        )
        for n in (0, 2)
    )
    slide = Slide("benchmark", (image,), markers, PIXEL_UM)
    masks = masked_labels(nuclei, cells)
    channels_last = np.ascontiguousarray(np.moveaxis(image, 0, -1))
    print(
        f"{len(np.unique(cells)) - 1} cells, {(cells > 0).mean():.0%} of {size} x {size} pixels, "
        f"{len(image)} channels, {os.cpu_count()} processors"
    )

    def measure(panel):
        return lambda: measure_cells(slide, nuclei, cells, panel).frame

    _, first = timed(measure(plain))
    ours, seconds = timed(measure(plain), repeats=3)
    _, first_rims = timed(measure(membranes))
    _, rim_seconds = timed(measure(membranes), repeats=3)
    _, first_contacts = timed(lambda: find_contacts(cells, PIXEL_UM))
    contacts, contact_seconds = timed(lambda: find_contacts(cells, PIXEL_UM), repeats=3)
    peer, peer_seconds = timed(lambda: by_scikit_image(masks, channels_last, markers))

    print(f"{'':34}{'first call':>12}{'then':>10}")
    print(f"{'measure_cells':34}{first:>10.2f} s{seconds:>8.2f} s")
    print(f"{'skimage regionprops_table':34}{'':>12}{peer_seconds:>8.2f} s")
    print(f"{'times faster':34}{'':>12}{peer_seconds / seconds:>8.1f}")
    print(f"{'measure_cells, 2 membrane markers':34}{first_rims:>10.2f} s{rim_seconds:>8.2f} s")
    print(f"{'times faster':34}{'':>12}{peer_seconds / rim_seconds:>8.1f}")
    print(f"{'find_contacts':34}{first_contacts:>10.2f} s{contact_seconds:>8.2f} s")
    print(f"{len(contacts)} contacts; the first call includes loading or compiling the loops")
    print(
        f"largest relative difference of any value: {largest_difference(ours, peer, markers):.1e}"
    )
    if peer_seconds < 10 * max(2 * seconds, rim_seconds) or contact_seconds > 0.5:
        raise SystemExit(
            "slower than promised: 20 times scikit-image, 10 with membranes; contacts in 0.5 s"
        )


if __name__ == "__main__":
    main()
