"""Cohorts of tiny slides with label images: a slide takes a second or two."""

import csv
from pathlib import Path

import numpy as np

from immunescape.io import write_ome_tiff
from tests.slides import CHANNELS, drawn_labels, square, write_geojson, write_labels

TIMEPOINTS = ("baseline", "response", "relapse")
EVERY = {"baseline": 4, "response": 5, "relapse": 6}
"""Of how many cells one is CD8+, by timepoint."""


def _drawn(every: int) -> dict[str, np.ndarray]:
    """Which of the 216 cells show what: every n-th CD8, every third PD-L1, the left half tumour."""
    number = np.arange(216)
    cd8 = number % every == 0
    tumour = (number % 18 < 9) & ~cd8
    return {"cd8": cd8, "pdl1": number % 3 == 0, "s100": tumour, "sox10": tumour}


def write_small_slide(folder: Path, name: str, every: int, seed: int) -> Path:
    """A slide of 216 round cells."""
    labels = drawn_labels()
    draw = np.random.default_rng(seed)
    level = draw.lognormal(0, 0.2, 217)[labels]
    image = np.full((5, *labels.shape), 50.0) + draw.normal(0, 3, (5, *labels.shape))
    image[0][labels > 0] += 400
    for channel, shown in enumerate(_drawn(every).values(), start=1):
        positive = np.append(False, shown)[labels]
        image[channel] += np.where(positive, 300, np.where(labels > 0, 20, 0)) * level
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ome.tif"
    write_ome_tiff(path, image.clip(0, 65535).astype(np.uint16), CHANNELS, 0.5)
    return path


def write_calls(folder: Path, name: str, every: int) -> Path:
    """Calls of all markers, so that no gate is fitted."""
    shown = _drawn(every)
    path = folder / f"{name}.calls.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *(f"{marker}_positive" for marker in shown)])
        writer.writerows([k + 1, *(bool(s[k]) for s in shown.values())] for k in range(216))
    return path


def write_small_cohort(folder: Path, names: tuple[str, ...], *, calls: bool = True) -> Path:
    """Write slides named like ``P1_baseline``, what goes with them, and their sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    write_labels(folder)
    write_geojson(folder, square(0, 0, 180, 240))
    lines = ["slide;patient;timepoint;labels;annotations;calls;day;batch;JAK1"]
    for seed, name in enumerate(names):
        patient, timepoint = name.split("_")
        every = EVERY[timepoint]
        slide = write_small_slide(folder, name, every, seed)
        given = write_calls(folder, name, every).name if calls else ""
        lines.append(
            f"{slide.name};{patient};{timepoint};cells.tif;regions.geojson;{given};"
            f"{90 * TIMEPOINTS.index(timepoint)};B1;{'lost' if patient == 'P1' else 'intact'}"
        )
    sheet = folder / "samples.csv"
    sheet.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return sheet


def tables(out: Path) -> dict[str, bytes]:
    """All tables of a cohort and of its slides, as they lie on the disk."""
    found = [*out.glob("*.csv"), *out.glob("slides/**/*.csv"), *out.glob("slides/**/*.parquet")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}
