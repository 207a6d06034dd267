"""Cohorts of tiny slides with label images: a slide takes a second."""

from pathlib import Path

import numpy as np
from tests.slides import CHANNELS, drawn_labels, square, write_geojson, write_labels

from immunescape.io import write_ome_tiff

TIMEPOINTS = ("baseline", "response", "relapse")


def write_small_slide(folder: Path, name: str, every: int, seed: int) -> Path:
    """A slide of 216 cells: the left half is tumour, every n-th cell CD8+, every third PD-L1+."""
    labels = drawn_labels()
    number = labels - 1
    draw = np.random.default_rng(seed)
    level = draw.lognormal(0, 0.2, labels.max() + 1)[labels]
    image = np.full((5, *labels.shape), 50.0) + draw.normal(0, 3, (5, *labels.shape))
    cell = labels > 0
    cd8 = cell & (number % every == 0)
    tumour = cell & (np.arange(labels.shape[1]) < labels.shape[1] / 2) & ~cd8
    image[0][cell] += 400
    for channel, positive in ((1, cd8), (2, cell & (number % 3 == 0)), (3, tumour), (4, tumour)):
        image[channel] += np.where(positive, 300, np.where(cell, 20, 0)) * level
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ome.tif"
    write_ome_tiff(path, image.clip(0, 65535).astype(np.uint16), CHANNELS, 0.5)
    return path


def write_small_cohort(folder: Path, patients: int = 2, timepoints: int = 2) -> Path:
    """Write slides, labels, annotations and their sheet; return the sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    write_labels(folder)
    write_geojson(folder, square(0, 0, 180, 240))
    lines = ["slide;patient;timepoint;sample_id;labels;annotations;day;batch;JAK1"]
    for p in range(patients):
        for t in range(timepoints):
            name = f"P{p + 1}_{TIMEPOINTS[t]}"
            slide = write_small_slide(folder, name, 4 + 2 * t, 10 * p + t)
            lines.append(
                f"{slide.name};P{p + 1};{TIMEPOINTS[t]};{name};cells.tif;regions.geojson;{90 * t};"
                f"B{p % 2};{'lost' if p else 'intact'}"
            )
    sheet = folder / "samples.csv"
    sheet.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return sheet
