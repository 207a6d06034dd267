"""Every figure of a cohort's pages, to be saved as files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from immunescape.report.html.cohort import main_rows
from immunescape.report.html.cohort_charts import groupings, paired_sketches
from immunescape.report.html.cohort_write import page_names
from immunescape.report.html.patient_charts import course_sketches, lesion_sketch
from immunescape.report.html.patient_files import glimpses
from immunescape.report.html.patient_pictures import side_by_side_sketches
from immunescape.report.workbook_cohort import main_results
from immunescape.samples import timepoint_order

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.report.figures import Sketch
    from immunescape.samples import Sample, SampleResult

__all__ = ["cohort_sketches"]


def cohort_sketches(
    results: Sequence["SampleResult"],
    tables: Mapping[str, "pd.DataFrame"],
    lesions: "pd.DataFrame | None" = None,
    *,
    samples: Sequence["Sample"] = (),
    group_by: str = "",
) -> Iterator[tuple[str, "Sketch"]]:
    """Yield the figures of the cohort, then those of each patient, each with what goes before it.

    Parameters
    ----------
    results, tables, lesions, samples, group_by
        As for the pages; see `write_cohort_reports`.

    Yields
    ------
    str
        Goes before the name of its files: ``cohort-``, or the patient, and for a picture of a
        slide the slide too.
    Sketch
        The figure.
    """
    known = list(samples) or [r.sample for r in main_results(results)]
    timepoints = timepoint_order(known)
    specimens = tables["specimens"]
    shown = main_rows(specimens)
    if len(shown):
        for groups in groupings([r.sample for r in results], group_by):
            for sketch, _, _ in paired_sketches(shown, timepoints, groups):
                yield "cohort-", sketch
    for patient, name in page_names(dict.fromkeys(s.patient for s in known)).items():
        mine = specimens[specimens["patient"].astype(str) == patient]
        slides = glimpses([r for r in main_results(results) if r.sample.patient == patient])
        for slide, sketch in side_by_side_sketches(slides).items():
            yield f"{name}-{slide}-", sketch
        if len(mine):
            for sketch in course_sketches(mine, timepoints):
                yield f"{name}-", sketch
        lesion = lesion_sketch(patient, lesions, [s for s in known if s.patient == patient])
        if lesion is not None:
            yield f"{name}-", lesion
