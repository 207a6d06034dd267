"""What every column of the tables means: said here once, for the data dictionary of a workbook."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from immunescape.results import (
    BANDS_COLUMNS,
    COHORT_COLUMNS,
    COMPARISONS_COLUMNS,
    CONTACTS_COLUMNS,
    FAILURES_COLUMNS,
    GATES_COLUMNS,
    PATIENTS_COLUMNS,
    PATTERNS_COLUMNS,
    QUALITY_COLUMNS,
    REGIONS_COLUMNS,
    SEGMENTATION_COLUMNS,
    SENSITIVITY_COLUMNS,
    SPECIMENS_COLUMNS,
    SUMMARY_COLUMNS,
)

__all__ = ["COLUMNS", "TABLE_COLUMNS", "Column", "tables_with"]


@dataclass(frozen=True)
class Column:
    """A column of the tables.

    Parameters
    ----------
    meaning
        What it holds, in one or two sentences.
    unit
        Unit of its numbers; empty for text, and where another column names it.
    """

    meaning: str
    unit: str = ""


LESION_COLUMNS = ("patient", "lesion", "day", "area_mm2")
STAINING_COLUMNS = (
    "sample_id", "patient", "timepoint", "batch", "marker", "statistic", "shared_by", "dim_level",
    "dim_spread", "positive_cells", "slides", "not_comparable_with", "exposure_ms",
    "exposed_otherwise", "note",
)  # fmt: skip

TABLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "summary": SUMMARY_COLUMNS,
    "regions": REGIONS_COLUMNS,
    "bands": BANDS_COLUMNS,
    "contacts": CONTACTS_COLUMNS,
    "gates": GATES_COLUMNS,
    "sensitivity": SENSITIVITY_COLUMNS,
    "quality": QUALITY_COLUMNS,
    "segmentation": SEGMENTATION_COLUMNS,
    "cohort": COHORT_COLUMNS,
    "specimens": SPECIMENS_COLUMNS,
    "patients": PATIENTS_COLUMNS,
    "comparisons": COMPARISONS_COLUMNS,
    "patterns": PATTERNS_COLUMNS,
    "staining": STAINING_COLUMNS,
    "failures": FAILURES_COLUMNS,
    "lesions": LESION_COLUMNS,
}
"""The columns of each table by the name of its file, without ``.csv``."""

_UM, _MM2, _UM2, _PER_MM2 = "µm", "mm²", "µm²", "per mm²"

COLUMNS: Mapping[str, Column] = {
    # where a slide comes from
    "sample_id": Column("Name of the slide in the sample sheet and of its result folder."),
    "patient": Column("Who the slide or lesion is of."),
    "timepoint": Column("When the specimen was taken: baseline, response, relapse or another."),
    "specimen": Column("One biopsy or resection; counts and areas of its slides are summed."),
    "lesion": Column("The lesion; empty where the sample sheet does not tell."),
    "site": Column("Where the lesion was, skin or lymph_node say."),
    "batch": Column("Slides that were stained together."),
    "day": Column("Day of the biopsy or measurement, from a start that a patient's rows share.",
                  "days"),
    "level": Column("Whether a row judges one slide, or a patient over the course."),
    "from_timepoint": Column("The earlier of the two timepoints compared."),
    "to_timepoint": Column("The later of the two timepoints compared."),
    "group_column": Column("Column of the sample sheet by which patients are grouped; empty for "
                           "all patients together."),
    "group": Column("The value of that column that these patients share."),
    "subset": Column("Which specimens a comparison is confined to where drawn and derived tumours, "
                     "sites or batches would be mixed; all otherwise."),
    # what is measured
    "metric": Column("What is measured."),
    "phenotype": Column("The cells meant: tumour, cd8_t, other, unknown, or any."),
    "pdl1": Column("PD-L1 status of the cells meant: any, positive or negative. A cell without a "
                   "PD-L1 value is any alone."),
    "region": Column("centre, inner_margin, outer_margin and stroma are disjoint; margin, tumour "
                     "and tissue are their sums."),
    "neighbourhood": Column("What touching means: contact of cell borders, or r15 for centroids "
                            "within 15 µm; empty where nearness plays no part."),
    "statistic": Column("Which reading of the marker was gated, membrane_unshared say."),
    "value": Column("The result, in the unit beside it; empty where not evaluable."),
    "unit": Column("Unit of the value; 1 for fractions and ratios."),
    "numerator": Column("What was counted, or the area, behind the value."),
    "denominator": Column("What it was divided by: a count of cells, or an area in mm²."),
    "ci_low": Column("Lower end of the 95 % interval, in the unit of the value or effect."),
    "ci_high": Column("Upper end of the 95 % interval, in the unit of the value or effect."),
    "ci_method": Column("How the interval was made: a bootstrap over blocks of 100 µm, over "
                        "patients, or an exact one by counts."),
    "gate_low_value": Column("The value with PD-L1 gated at the lower end of its range."),
    "gate_high_value": Column("The value with PD-L1 gated at the upper end of its range."),
    "p_value": Column("Chance of an effect at least as far from none if nothing differed; by "
                      "permutation."),
    "margin_width_um": Column("Width of the margin on each side of the interface.", _UM),
    "tumour_source": Column("Where the tumour region comes from: drawn, imported or derived."),
    "reviewed_by": Column("Who reviewed the slide; empty where nobody did."),
    "evaluable": Column("Whether the row can be judged."),
    "reason": Column("Why not evaluable, or what a reader of the row should know."),
    "gates": Column("shared: one gate a marker and parent for a patient or batch. slide: each "
                    "slide's own."),
    # regions, bands, contacts
    "count": Column("Number of cells.", "cells"),
    "area_mm2": Column("Area of analysed tissue; in lesions, of the lesion as measured in the "
                       "clinic.", _MM2),
    "density_per_mm2": Column("Cells by area; by tile, nuclei by area of tissue.", _PER_MM2),
    "from_um": Column("Start of a band of distance to the margin, negative inside the tumour; a "
                      "band holds its start and not its end.", _UM),
    "to_um": Column("End of a band of distance to the margin.", _UM),
    "from_phenotype": Column("Phenotype of the cells that touch."),
    "from_pdl1": Column("PD-L1 status of the cells that touch."),
    "to_phenotype": Column("Phenotype of the cells touched."),
    "to_pdl1": Column("PD-L1 status of the cells touched."),
    "from_count": Column("Cells of the first kind in the region.", "cells"),
    "to_count": Column("Cells of the second kind.", "cells"),
    "from_touching": Column("Cells of the first kind that touch at least one of the second.",
                            "cells"),
    "to_touching": Column("Cells of the second kind that are touched.", "cells"),
    "pairs": Column("Pairs of cells in contact."),
    # gates and what else would be said
    "marker": Column("The marker that is gated."),
    "parent": Column("The cells a gate is for: all, tumour or non_tumour."),
    "method": Column("How the gate was found: fixed, otsu, gmm (mixture) or tail."),
    "source": Column("Which cells the gate was found on: the slide's, the patient's, the batch's, "
                     "or the study's fixed value."),
    "threshold": Column("A cell at or above it is positive; in the units of the image."),
    "gate_low": Column("Lower end of the gate's bootstrap range, in the units of the image."),
    "gate_high": Column("Upper end of the gate's bootstrap range, in the units of the image."),
    "positive": Column("Cells of the parent above the gate.", "cells"),
    "negative": Column("Cells of the parent below the gate.", "cells"),
    "missing": Column("Cells of the parent without a value; never counted as negative.", "cells"),
    "confirmed": Column("Whether a person confirmed the gate."),
    "note": Column("What a reader of the row should know."),
    "kind": Column("What is judged another way: the membrane reading, the gate, the growth, ..."),
    "variant": Column("The other way."),
    "main_value": Column("The value as reported, in the same unit."),
    "difference": Column("The value judged the other way less the one reported."),
    # quality
    "issue": Column("What is wrong with tissue: pigment, a fold, blur, debris, saturation."),
    "cells": Column("Cells in such tissue.", "cells"),
    "tumour_cells": Column("Tumour cells in such tissue.", "cells"),
    "cd8_cells": Column("CD8 T cells in such tissue.", "cells"),
    "applied": Column("Whether such tissue was left out of the numbers."),
    "tile": Column("Number of a tile of the slide."),
    "x_um": Column("Left edge of the tile.", _UM),
    "y_um": Column("Upper edge of the tile.", _UM),
    "width_um": Column("Width of the tile.", _UM),
    "height_um": Column("Height of the tile.", _UM),
    "tissue_mm2": Column("Area of tissue in the tile.", _MM2),
    "median_area_um2": Column("Median area of its nuclei.", _UM2),
    "small_share": Column("Share of its nuclei that are too small.", "1"),
    "large_share": Column("Share of its nuclei that are too large.", "1"),
    "ragged_share": Column("Share of its nuclei with a ragged outline.", "1"),
    "unstained_share": Column("Share of its nuclei without nuclear stain.", "1"),
    "empty_share": Column("Share of its tissue that lies far from any nucleus.", "1"),
    "stained_share": Column("Share of its tissue with nuclear stain.", "1"),
    "missed_stain_share": Column("Share of its stained tissue that no nucleus covers.", "1"),
    "judged": Column("Whether the tile holds enough tissue to be judged."),
    "flagged": Column("Whether its nuclei are unlike the rest."),
    "severity": Column("How far it stands out; larger is worse."),
    "issues": Column("In what it stands out."),
    # specimens, patients, comparisons
    "family": Column("main for the numbers chosen before any was looked at, further for the rest; "
                     "q counts the tests of one family."),
    "n_slides": Column("Slides behind the row."),
    "n_cells": Column("Cells behind the row.", "cells"),
    "n_patients": Column("Patients behind the row; the patient is the unit of a comparison."),
    "from_value": Column("The value at the earlier timepoint, in the unit beside it."),
    "to_value": Column("The value at the later timepoint, in the unit beside it."),
    "effect": Column("The change from the earlier to the later timepoint, on the scale named "
                     "beside it; over patients, their mean."),
    "effect_scale": Column("Scale of the effect: log_density and log_ratio are natural "
                           "logarithms, so 0.69 is twice as much; difference is later less "
                           "earlier."),
    "mixed_effect": Column("The same effect from a mixed model with a random intercept a patient."),
    "mixed_ci_low": Column("Lower end of the mixed model's 95 % interval."),
    "mixed_ci_high": Column("Upper end of the mixed model's 95 % interval."),
    "mixed_note": Column("Why the mixed model did not fit, or what to know of it."),
    "p_method": Column("How p was found: over all permutations, or over a sample of them."),
    "smallest_p_value": Column("The smallest p that this number of patients can give at all."),
    "q_value": Column("p corrected for the number of metrics (Benjamini-Hochberg)."),
    "flags": Column("What makes the row doubtful: mixed sites, batches or tumour sources, stains "
                    "that cannot be compared, a conclusion that changes with the gates."),
    # staining
    "shared_by": Column("Whether gates are shared by a patient's slides or by a batch."),
    "dim_level": Column("Level of the slide's dim cells, in the units of the image: another "
                        "offset, exposure or a failed stain moves it, more positive cells do not."),
    "dim_spread": Column("Spread of the dim cells about their level."),
    "positive_cells": Column("Cells above the lowest gate of the marker, an internal control.",
                             "cells"),
    "slides": Column("Slides that share the gate."),
    "not_comparable_with": Column("Slides whose dim cells are not as bright, parted by |."),
    "exposure_ms": Column("For how long the marker was exposed; empty where the file of the slide "
                          "does not say.", "ms"),
    "exposed_otherwise": Column("Slides exposed for another time (over 1 %), parted by |."),
    # patterns
    "axis": Column("What a pattern is about: t_cells, pdl1, or course."),
    "pattern": Column("Name of a pattern of immune escape or response."),
    "words": Column("The pattern in words: what the numbers are consistent with."),
    "holds": Column("Whether the rule of the pattern holds; empty where it cannot be judged."),
    "evidence_for": Column("The numbers that speak for it."),
    "evidence_against": Column("The numbers that speak against it."),
    "rule": Column("The rule, with its thresholds."),
    "otherwise": Column("What other thresholds would say."),
    # failures
    "step": Column("The step that failed."),
    "error": Column("What went wrong."),
    "remedy": Column("What to do about it."),
    "attempts": Column("How often it was tried."),
    "log": Column("File that tells more."),
}  # fmt: skip
"""Every column that a table can hold, by its name; the sample sheet's own columns come on top."""


def tables_with(column: str, among: Iterable[str] = TABLE_COLUMNS) -> tuple[str, ...]:
    """Return which tables hold a column.

    Parameters
    ----------
    column
        Its name.
    among
        Names of the tables to look at.

    Examples
    --------
    >>> tables_with("pairs"), tables_with("from_um", ["regions", "bands"])
    (('contacts',), ('bands',))
    """
    return tuple(table for table in among if column in TABLE_COLUMNS[table])
