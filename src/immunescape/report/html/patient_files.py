"""What the page of a patient needs of each slide's files; its cells are not read."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.cells import CellTable
from immunescape.errors import ImmunescapeError
from immunescape.io.geojson import read_regions
from immunescape.io.pictures import read_pictures
from immunescape.regions import Regions
from immunescape.report.told import OVERVIEW, Told
from immunescape.results import SlideResult
from immunescape.study import read_study

if TYPE_CHECKING:
    from pathlib import Path

    from immunescape.results import Picture
    from immunescape.samples import SampleResult

__all__ = ["glimpse", "glimpses"]

_DAMAGED = (ImmunescapeError, OSError, ValueError, KeyError, TypeError)


def glimpses(results: "list[SampleResult]") -> dict[str, Told]:
    """Return what is told of each slide by its ``sample_id``; see `glimpse`."""
    found = {r.sample.sample_id: glimpse(r) for r in results}
    return {name: told for name, told in found.items() if told is not None}


def glimpse(result: "SampleResult") -> Told | None:
    """Return a slide's result without its cells, with its picture in small.

    Parameters
    ----------
    result
        The slide; its tables are taken as they are, the rest is read from its folder.

    Returns
    -------
    Told or None
        None where the folder tells neither study nor provenance. A picture or outlines that are
        absent or damaged are left out: the numbers do not rest on them.
    """
    folder = result.folder
    try:
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        study = read_study(folder / "study.toml")
    except _DAMAGED:
        return None
    found = SlideResult(
        name=result.sample.sample_id,
        cells=CellTable(pd.DataFrame({"x_um": [], "y_um": []}, index=pd.Index([], name="label"))),
        shapes=_shapes(folder, provenance),
        tables=result.tables,
        provenance=provenance,
        warnings=result.warnings,
        pictures=_overview(folder, provenance),
    )
    return Told(found, study)


def _shapes(folder: "Path", provenance: Mapping[str, Any]) -> Regions:
    path = folder / "regions.geojson"
    try:
        return read_regions(path, pixel_size_um=float(provenance["pixel_size_um"]))
    except _DAMAGED:
        return Regions()


def _overview(folder: "Path", provenance: Mapping[str, Any]) -> "dict[str, Picture]":
    try:
        record = {k: v for k, v in provenance.get("pictures", {}).items() if k == OVERVIEW}
        return read_pictures(folder, record)
    except _DAMAGED:
        return {}
