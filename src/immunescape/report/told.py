"""What a slide's report tells of: a result in memory, or the same read from its files alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.blocks import Plane
from immunescape.errors import ImmunescapeError, OutputError
from immunescape.io.geojson import read_regions
from immunescape.io.labels import LabelStore
from immunescape.io.pictures import read_pictures
from immunescape.io.tables import read_cells
from immunescape.panel import Panel
from immunescape.regions import Regions
from immunescape.results import (
    BANDS_COLUMNS,
    CONTACTS_COLUMNS,
    GATES_COLUMNS,
    QUALITY_COLUMNS,
    REGIONS_COLUMNS,
    SEGMENTATION_COLUMNS,
    SENSITIVITY_COLUMNS,
    SUMMARY_COLUMNS,
    Picture,
    SlideResult,
)
from immunescape.study import Study, read_study

__all__ = ["CLOSEUP", "OVERVIEW", "Told", "labels_within", "load_told", "result_folders"]

OVERVIEW, CLOSEUP = "overview", "closeup"
"""Names of the pictures that a result keeps."""
_COLUMNS = {
    "regions": REGIONS_COLUMNS,
    "bands": BANDS_COLUMNS,
    "contacts": CONTACTS_COLUMNS,
    "summary": SUMMARY_COLUMNS,
    "sensitivity": SENSITIVITY_COLUMNS,
    "quality": QUALITY_COLUMNS,
    "segmentation": SEGMENTATION_COLUMNS,
    "gates": GATES_COLUMNS,
}
_STORE = "labels.zarr"


@dataclass(frozen=True, eq=False)
class Told:
    """A result and what its report needs besides.

    Parameters
    ----------
    result
        The result, with its pictures where they were kept.
    study
        The study that repeats it.
    outlines
        ``(y, x)`` labels of the cells in the closeup, pixel for pixel; None without a closeup.
    """

    result: SlideResult
    study: Study
    outlines: npt.NDArray[np.int32] | None = None

    @cached_property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The tables as their files give them back, whether they were written yet or not."""
        return {name: _as_read(table) for name, table in self.result.tables.items()}

    @property
    def panel(self) -> Panel:
        """The stains of the slide."""
        return Panel(self.study.panel)

    @property
    def interface_mm(self) -> float:
        """Length of the tumour's border with analysed tissue."""
        return float(self.result.shapes.get("interface").length) / 1000

    def picture(self, name: str) -> Picture | None:
        """Return a picture, None where it was not kept."""
        return self.result.pictures.get(name)

    def row(
        self, metric: str, phenotype: str, region: str = "tissue", near: str = "contact"
    ) -> dict[Any, Any]:
        """Return a row of the summary; all its values are missing where it has none such."""
        summary = self.tables["summary"]
        found = summary[
            (summary["metric"] == metric)
            & (summary["phenotype"] == phenotype)
            & (summary["region"] == region)
            & summary["neighbourhood"].fillna("").isin((near, "") if near == "contact" else (near,))
        ]
        if found.empty:
            absent: dict[Any, Any] = dict.fromkeys(summary.columns, np.nan)
            about = {"metric": metric, "phenotype": phenotype, "region": region}
            return absent | about | {"evaluable": False, "reason": "the summary has no such row"}
        return found.to_dict("records")[0]


def load_told(folder: Path) -> Told:
    """Read a result from its folder; neither the slide nor the network is needed.

    Raises
    ------
    OutputError
        If the folder holds no complete result, or a damaged one.
    """
    try:
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        study = read_study(folder / "study.toml")
        shapes = Regions()
        if (folder / "regions.geojson").is_file():
            path = folder / "regions.geojson"
            shapes = read_regions(path, pixel_size_um=float(provenance["pixel_size_um"]))
        pictures = read_pictures(folder, provenance.get("pictures", {}))
        result = SlideResult(
            name=folder.name,
            cells=read_cells(folder),
            shapes=shapes,
            tables={n: _table(folder / f"{n}.csv", n) for n in _found(folder)},
            provenance=provenance,
            warnings=tuple(map(str, provenance.get("warnings", ()))),
            pictures=pictures,
        )
        outlines = None
        if CLOSEUP in pictures:
            store = LabelStore.open(folder / _STORE)
            outlines = labels_within(store["cells"], pictures[CLOSEUP])
        return Told(result, study, outlines)
    except FileNotFoundError as error:
        raise OutputError(
            f"{folder.name} holds no complete result: {Path(str(error.filename)).name} is absent; "
            "give the folder of a result, or run the slide again"
        ) from error
    except OutputError:
        raise
    except (ImmunescapeError, OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"the result in {folder.name} is damaged; run the slide again with --overwrite"
        ) from error


def result_folders(place: Path) -> tuple[Path, ...]:
    """Return the folders of results at a place, by name: itself, those in it, those in ``slides``.

    A hidden folder, in which something is being written, is none.
    """
    if (place / "provenance.json").is_file():
        return (place,)
    inside = [p for where in (place, place / "slides") if where.is_dir() for p in where.iterdir()]
    found = {p for p in inside if p.name[0] != "." and (p / "provenance.json").is_file()}
    return tuple(sorted(found, key=lambda path: path.name))


def _table(path: Path, name: str) -> pd.DataFrame:
    """Read a table that has all its columns."""
    return pd.read_csv(path)[list(_COLUMNS[name])]


def _found(folder: Path) -> tuple[str, ...]:
    """Return the tables of a result; those that every result has must be there."""
    may_lack = ("sensitivity", "quality", "segmentation")
    return tuple(n for n in _COLUMNS if n not in may_lack or (folder / f"{n}.csv").is_file())


def labels_within(labels: Plane, picture: Picture) -> npt.NDArray[np.int32]:
    """Return the part of a label image of the slide that a picture in full resolution shows."""
    pixel = picture.pixel_size_um
    y, x = round(picture.y_um / pixel), round(picture.x_um / pixel)
    height, width = picture.pixels.shape[1:]
    return np.asarray(labels[y : y + height, x : x + width], np.int32)


def _as_read(table: pd.DataFrame) -> pd.DataFrame:
    if not len(table.columns):
        return table
    return pd.read_csv(StringIO(table.to_csv(index=False, float_format="%.9g")))
