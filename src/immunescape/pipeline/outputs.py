"""The files of one result."""

import json
import os
import shutil
from pathlib import Path

from immunescape.io.geojson import write_regions
from immunescape.io.output import atomic_path, writing
from immunescape.io.pictures import PICTURES, write_picture
from immunescape.io.tables import write_cells, write_csv
from immunescape.pipeline.given import CORRECTIONS, GivenEdits
from immunescape.pipeline.inspection import PAGE
from immunescape.report.workbook import write_slide_workbook
from immunescape.results import SlideResult
from immunescape.study import Study, write_study

__all__ = ["OUTPUT_NAMES", "REPORT", "STORE", "update_outputs", "write_outputs"]

STORE = "labels.zarr"
REPORT = "report.html"
"""Name of the page that tells of the result."""
WORKBOOK = "report.xlsx"
"""Name of the workbook of its tables; it comes with the page."""

_TABLES = (
    "regions", "bands", "contacts", "blocks", "summary", "sensitivity", "quality", "segmentation",
    "gates",
)  # fmt: skip

OUTPUT_NAMES = frozenset(
    (
        "study.toml", CORRECTIONS, "cells.parquet", "cells.csv", STORE, "sweep.csv",
        "regions.geojson", "provenance.json", PAGE, REPORT, WORKBOOK, PICTURES,
        *(f"{name}.csv" for name in _TABLES),
    )
)  # fmt: skip
"""What a result folder holds; other files that someone put there are never removed."""


def write_outputs(
    folder: Path, result: SlideResult, study: Study, pixel_size_um: float, *, csv: bool
) -> None:
    """Write every table of a result into a folder; the provenance comes last.

    Parameters
    ----------
    folder
        An existing folder.
    result
        What was computed.
    study
        The study with its inputs, so that the folder repeats itself.
    pixel_size_um
        Edge of a pixel; regions are written in pixels of the slide.
    csv
        Write the cells as CSV in place of parquet.
    """
    write_study(folder / "study.toml", study)
    write_cells(folder, result.cells, csv=csv)
    write_regions(folder / "regions.geojson", result.shapes, pixel_size_um)
    for name in _TABLES:
        write_csv(folder / f"{name}.csv", result.tables[name])
    if "sweep" in result.tables:
        write_csv(folder / "sweep.csv", result.tables["sweep"])
    if REPORT in result.pages:
        write_slide_workbook(folder, result.name, result.tables)
    for name, text in result.pages.items():
        with atomic_path(folder / name) as beside:
            beside.write_text(text, encoding="utf-8")
    for name, picture in result.pictures.items():
        write_picture(folder / PICTURES, name, picture)
    with atomic_path(folder / "provenance.json") as beside:
        text = json.dumps(result.provenance, indent=2, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")


def update_outputs(
    folder: Path,
    result: SlideResult,
    study: Study,
    pixel_size_um: float,
    *,
    csv: bool,
    edits: GivenEdits,
) -> None:
    """Replace the tables of a result whose labels stay; see `write_outputs`.

    All files are written beside the folder first, so that a failure to write leaves the older
    result whole; they are then moved one by one, the provenance last. Corrections that lie in the
    folder already are left there.

    Raises
    ------
    OutputError
        If the place cannot be written, or another program holds one of the files.
    """
    stage = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    try:
        with writing(folder):
            stage.mkdir()
            edits.put(folder, stage)
            write_outputs(stage, result, study, pixel_size_um, csv=csv)
            stale = {"cells.parquet" if csv else "cells.csv"}
            stale |= set() if "sweep" in result.tables else {"sweep.csv"}
            stale |= set() if REPORT in result.pages else {REPORT}
            for name in stale:  # of older settings
                (folder / name).unlink(missing_ok=True)
            if (stage / PICTURES).exists():
                (folder / PICTURES).mkdir(exist_ok=True)
            paths = [p for p in stage.rglob("*") if p.is_file()]
            for path in sorted(paths, key=lambda p: (p.name == "provenance.json", p)):
                os.replace(path, folder / path.relative_to(stage))
    finally:
        shutil.rmtree(stage, ignore_errors=True)
