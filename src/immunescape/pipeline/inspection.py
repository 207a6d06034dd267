"""The quality of the segmentation of one slide: judged, or taken over from an earlier result."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from immunescape.blocks import BlockMap, Progress, in_threads
from immunescape.quality import chosen_tiles, segmentation_quality, thumbnail
from immunescape.report.segmentation import segmentation_page
from immunescape.results import SEGMENTATION_COLUMNS

if TYPE_CHECKING:
    from immunescape.pipeline.job import Job
    from immunescape.pipeline.measured import Measured
    from immunescape.pipeline.provenance import Recorder
    from immunescape.pipeline.stages import Earlier

__all__ = ["PAGE", "Inspection", "inspected"]

PAGE = "segmentation.html"
"""Name of the page that a person looks at."""
_TABLE = "segmentation.csv"
_STEP = "inspect"
_LEAST_OTHERS, _MOST_OTHERS = 3, 6


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is told of the nuclei of a slide.

    Parameters
    ----------
    tiles
        The table ``segmentation``.
    figures
        Numbers of the slide; None where something could not be judged.
    warnings, notes
        What a reader should know, and what could not be judged.
    pages
        Text of the page by its file name; empty where the earlier one stays.
    """

    tiles: pd.DataFrame
    figures: Mapping[str, float | int | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> Mapping[str, object]:
        """What the provenance of a result keeps."""
        return {
            "figures": dict(self.figures),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }


def inspected(
    job: "Job",
    measured: "Measured",
    earlier: "Earlier | None",
    recorder: "Recorder",
    progress: Progress,
    mapper: BlockMap = in_threads,
) -> Inspection:
    """Judge the nuclei of a slide, unless an earlier result did with the same labels and limits.

    Parameters
    ----------
    job
        The slide and the folder of its result.
    measured
        Its labels and measurements.
    earlier
        What the folder holds already.
    recorder
        Told whether the step was run or taken over.
    progress
        Called as the work goes on.
    mapper
        Where the blocks are looked at.
    """
    if earlier is not None and earlier.keys.inspection == job.keys.inspection:
        before = _before(job.folder, earlier)
        if before is not None:
            recorder.reuse(_STEP)
            return before
    with recorder.step(_STEP):
        params = job.study.segmentation_quality
        quality = segmentation_quality(
            job.opened.slide, measured.panel, measured.cells, measured.nuclei,
            measured.cell_labels, measured.tissue.mask, measured.tissue.grid_um, params,
            proposals={name: mask.mask for name, mask in measured.proposals.items()},
            progress=progress, mapper=mapper,
        )  # fmt: skip
        flagged = min(int(quality.figures["tiles_flagged"]), params.thumbnails)
        more = min(max(_LEAST_OTHERS, _MOST_OTHERS - flagged), params.thumbnails)
        worst, others = chosen_tiles(quality.tiles, params.thumbnails, more, job.study.seed)
        page = segmentation_page(
            measured.name,
            quality,
            [thumbnail(quality, tile) for tile in worst],
            [thumbnail(quality, tile) for tile in others],
            model=str(measured.origin.get("model", "")),
            **measured.origin.get("tile_borders", {}),
        )
    return Inspection(
        tiles=quality.tiles,
        figures={name: _plain(value) for name, value in quality.figures.items()},
        warnings=quality.warnings,
        notes=quality.notes,
        pages={PAGE: page},
    )


def _plain(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.9g}") if math.isfinite(value) else None


def _before(folder: Path, earlier: "Earlier") -> Inspection | None:
    """Read what an earlier run told; None where its files are gone or are not what they were."""
    if not (folder / PAGE).is_file():
        return None
    try:
        tiles = pd.read_csv(folder / _TABLE, converters={"issues": str, "reason": str})
        kept = earlier.inspection
        return Inspection(
            tiles=tiles[list(SEGMENTATION_COLUMNS)],
            figures=kept["figures"],
            warnings=tuple(kept["warnings"]),
            notes=tuple(kept["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
