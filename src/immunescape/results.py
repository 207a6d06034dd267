"""What comes out: the tables of one slide and the columns they promise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.regions import Regions

__all__ = [
    "BANDS_COLUMNS",
    "BLOCKS_COLUMNS",
    "BLOCK_COLUMNS",
    "BLOCK_UM",
    "COHORT_COLUMNS",
    "COMPARISONS_COLUMNS",
    "CONTACTS_COLUMNS",
    "FAILURES_COLUMNS",
    "GATES_COLUMNS",
    "METRICS",
    "PATIENTS_COLUMNS",
    "PATTERNS_COLUMNS",
    "PHENOTYPES",
    "QUALITY_COLUMNS",
    "REGIONS_COLUMNS",
    "REGION_NAMES",
    "SEGMENTATION_COLUMNS",
    "SENSITIVITY_COLUMNS",
    "SPECIMENS_COLUMNS",
    "SUMMARY_COLUMNS",
    "Failed",
    "Picture",
    "RegionAreas",
    "SlideResult",
    "empty_table",
]

REGION_NAMES = ("centre", "inner_margin", "outer_margin", "stroma", "margin", "tumour", "tissue")
"""The four disjoint regions, then their sums; tables by region hold all seven in this order."""

PHENOTYPES = ("tumour", "cd8_t", "other", "unknown")
"""What a cell can be; ``unknown`` where a needed value is missing. PD-L1 is no phenotype."""

REGIONS_COLUMNS = (
    "region", "phenotype", "pdl1", "count", "area_mm2", "density_per_mm2",
    "ci_low", "ci_high", "ci_method", "evaluable", "reason",
)  # fmt: skip
BANDS_COLUMNS = (
    "phenotype", "pdl1", "from_um", "to_um", "count", "area_mm2", "density_per_mm2",
    "ci_low", "ci_high", "ci_method",
)  # fmt: skip
CONTACTS_COLUMNS = (
    "from_phenotype", "from_pdl1", "to_phenotype", "to_pdl1", "region",
    "from_count", "to_count", "from_touching", "to_touching", "pairs",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "metric", "phenotype", "region", "neighbourhood", "statistic", "value", "unit",
    "numerator", "denominator", "ci_low", "ci_high", "ci_method",
    "gate_low_value", "gate_high_value", "p_value", "margin_width_um", "tumour_source",
    "reviewed_by", "evaluable", "reason",
)  # fmt: skip
GATES_COLUMNS = (
    "marker", "parent", "statistic", "method", "source", "threshold", "gate_low", "gate_high",
    "positive", "negative", "missing", "confirmed", "note",
)  # fmt: skip
SENSITIVITY_COLUMNS = (
    "kind", "variant", "metric", "phenotype", "region", "value", "unit", "numerator", "denominator",
    "main_value", "difference", "evaluable", "reason",
)  # fmt: skip
"""One row a metric under another way to judge the slide; ``kind`` groups the ways."""
QUALITY_COLUMNS = (
    "issue", "region", "cells", "tumour_cells", "cd8_cells", "area_mm2", "applied", "note",
)  # fmt: skip
SEGMENTATION_COLUMNS = (
    "tile", "x_um", "y_um", "width_um", "height_um", "tissue_mm2", "cells", "density_per_mm2",
    "median_area_um2", "small_share", "large_share", "ragged_share", "unstained_share",
    "empty_share", "stained_share", "missed_stain_share", "judged", "flagged", "severity",
    "issues", "reason",
)  # fmt: skip
"""One row a tile of the slide: its nuclei, and whether they are unlike the rest."""
BLOCK_COLUMNS = ("row", "column", "region", "from_um", "area_mm2")
"""Area of each square block of the slide by region and band; see `RegionAreas.by_block`."""
BLOCK_UM = 100.0
"""Edge of the square blocks that spatial intervals resample, in µm; anchored at the origin."""
BLOCKS_COLUMNS = (
    "row", "column", "region", "area_mm2", "cd8_t", "unknown",
    "tumour_touching_positive", "tumour_touching_negative", "tumour_touching_missing",
    "tumour_apart_positive", "tumour_apart_negative", "tumour_apart_missing",
    "other_touching_positive", "other_touching_negative", "other_touching_missing",
    "other_apart_positive", "other_apart_negative", "other_apart_missing",
)  # fmt: skip
"""One row each block of the slide and disjoint region in it: its tissue, its CD8 T cells, its
unknown cells, and the tumour and other cells by whether they touch a CD8 T cell and by PD-L1.
Empty where a marker is missing."""
_SAMPLE = ("sample_id", "patient", "timepoint", "specimen", "lesion", "site", "batch", "day")
COHORT_COLUMNS = (*_SAMPLE, "gates", *SUMMARY_COLUMNS)
"""The summaries of all slides; ``gates`` is ``shared`` or ``slide``. Further columns of the sheet
follow."""
SPECIMENS_COLUMNS = (
    "patient", "timepoint", "specimen", "lesion", "site", "batch", "day", "gates", "tumour_source",
    "n_slides", "n_cells", "metric", "phenotype", "region", "statistic", "value", "unit",
    "numerator", "denominator", "ci_low", "ci_high", "ci_method", "evaluable", "reason",
)  # fmt: skip
"""One row a specimen and metric: counts and areas of its slides are summed before dividing.
``statistic`` is the marker of a ratio of membrane to cytoplasm, empty elsewhere."""
PATIENTS_COLUMNS = (
    "patient", "lesion", "from_timepoint", "to_timepoint", "gates", "metric", "phenotype",
    "region", "statistic", "from_value", "to_value", "unit", "effect", "effect_scale", "ci_low",
    "ci_high", "ci_method", "n_slides", "n_cells", "flags", "evaluable", "reason",
)  # fmt: skip
"""One row a patient, metric and step from one timepoint to another; the interval is that of
chance within these slides only."""
COMPARISONS_COLUMNS = (
    "from_timepoint", "to_timepoint", "group_column", "group", "subset", "gates", "family",
    "metric", "phenotype", "region", "statistic", "n_patients", "n_slides", "n_cells", "effect",
    "effect_scale",
    "ci_low", "ci_high", "ci_method", "mixed_effect", "mixed_ci_low", "mixed_ci_high",
    "mixed_note", "p_value", "p_method", "smallest_p_value", "q_value", "flags", "evaluable",
    "reason",
)  # fmt: skip
"""One row a metric and step between timepoints, over all patients or a group of them; ``family``
is ``main`` or ``further``, and q counts the tests of one family."""
PATTERNS_COLUMNS = (
    "level", "patient", "timepoint", "sample_id", "gates", "axis", "pattern", "words", "holds",
    "evidence_for", "evidence_against", "rule", "otherwise", "evaluable", "reason",
)  # fmt: skip
"""One row a slide or patient and pattern; ``axis`` is ``t_cells``, ``pdl1`` or ``course``,
``otherwise`` names what other thresholds would say."""
FAILURES_COLUMNS = ("sample_id", "patient", "step", "error", "remedy", "attempts", "log")
METRICS = (
    "pdl1_negative_fraction_touching_cd8",
    "pdl1_negative_fraction_not_touching_cd8",
    "touching_cd8_fraction",
    "pdl1_induction_log_odds_ratio",
    "cd8_density",
    "cd8_margin_to_centre_ratio",
    "tumour_proportion_score",
    "combined_positive_score",
    "pdl1_all_cells_score",
    "membrane_to_cytoplasm_ratio",
    "sox10_cd8_conflict_count",
    "s100_only_count",
    "cell_count",
    "area",
)
"""The metrics of ``summary.csv``, in the order of its rows."""


def empty_table(columns: tuple[str, ...]) -> pd.DataFrame:
    """Return a table without rows that has the promised columns."""
    return pd.DataFrame({c: pd.Series(dtype=object) for c in columns})


@dataclass(frozen=True, eq=False)
class RegionAreas:
    """Area of each region and band of one slide, by the mask that also decides for its cells.

    Parameters
    ----------
    areas_mm2
        Area of each of the seven region names, in mm²; tissue less exclusions and holes.
    not_evaluable
        Regions that cannot be judged on this slide, whatever their counts, with the reason.
    bands
        One row a band of distance to the margin: ``from_um, to_um, area_mm2``, half-open,
        negative inside the tumour; area nearer to the frame than to the interface is left out.
        No rows where the tumour has no interface.
    edge_censored_mm2
        Area of tissue nearer to the frame than to the interface: part of the regions, not of
        the bands.
    margin_width_um
        Width of the margin on each side of the interface.
    margin_length_mm
        Length of the interface; 0 without one.
    tumour_source
        ``drawn``, ``imported`` or ``derived``; empty where there is no tumour region.
    by_block
        Area by square block of ``BLOCK_UM``: ``row, column`` of the block, ``region`` (one of the
        four disjoint ones), ``from_um`` (start of the band; NaN beyond the bands, where there is
        no interface, and for area nearer to the frame than to it), ``area_mm2``. Its sums are
        ``areas_mm2`` and ``bands``. Without rows where blocks are not known.
    """

    areas_mm2: Mapping[str, float]
    not_evaluable: Mapping[str, str]
    bands: pd.DataFrame
    edge_censored_mm2: float
    margin_width_um: float
    margin_length_mm: float
    tumour_source: str
    by_block: pd.DataFrame = field(default_factory=lambda: empty_table(BLOCK_COLUMNS))


@dataclass(frozen=True, eq=False)
class Picture:
    """Part of a slide in memory, in the slide's own units, to be shown at any contrast.

    Parameters
    ----------
    pixels
        ``(c, y, x)``, in the type of the slide.
    channels
        Name of each channel, as the slide gives it.
    pixel_size_um
        Edge of a pixel, which may stand for several of the slide.
    x_um, y_um
        Where its upper left corner lies on the slide.
    """

    pixels: npt.NDArray[np.generic]
    channels: tuple[str, ...]
    pixel_size_um: float
    x_um: float = 0.0
    y_um: float = 0.0

    @property
    def extent_um(self) -> tuple[float, float, float, float]:
        """Left, right, top, bottom on the slide."""
        height, width = (n * self.pixel_size_um for n in self.pixels.shape[1:])
        return self.x_um, self.x_um + width, self.y_um, self.y_um + height


@dataclass(frozen=True, eq=False)
class SlideResult:
    """Everything computed for one slide.

    Parameters
    ----------
    name
        Name of the slide.
    cells
        The complete cell table.
    shapes
        Tumour, margin bands, tissue and exclusions in µm.
    tables
        The tables ``regions, bands, contacts, summary, gates, sensitivity, quality`` under those
        names, each with the columns promised above; of a slide that was run ``segmentation`` too.
    provenance
        What produced them; holds no personal data and no absolute path.
    warnings
        What a reader of the numbers should know.
    pages
        Text of pages to look at, by file name; those that an earlier run wrote are left out.
    pictures
        The slide in small, and a part of it, by name: see ``pipeline.pictures``; empty where
        the slide itself was not at hand.
    """

    name: str
    cells: CellTable
    shapes: Regions
    tables: Mapping[str, pd.DataFrame]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """A slide that could not be analysed: it stays a row in the cohort."""

    name: str
    step: str
    error: str
    remedy: str
