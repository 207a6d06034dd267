"""Samples of a cohort: which slide belongs to which patient and timepoint, and what came of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

import pandas as pd

__all__ = ["TIMEPOINTS", "Sample", "SampleResult", "timepoint_order"]

TIMEPOINTS = ("baseline", "response", "relapse")
"""The timepoints whose order is known; others come after them, by day and then by name."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row of a sample sheet: one slide, and where it comes from.

    Parameters
    ----------
    sample_id
        Names the folder of the result.
    slide
        The slide file, OME-Zarr folder or folder of tiles.
    patient
        Who the slide is of.
    timepoint
        ``baseline``, ``response``, ``relapse`` or any other label.
    specimen
        One biopsy or resection; its slides are fields whose counts and areas are summed.
    lesion, site, batch
        The lesion, where it was, and the slides it was stained with; empty where not told.
    day
        Day of the biopsy, counted from any start that a patient's rows share; None if not told.
    annotations, labels, calls, study, edits
        Files that go with the slide.
    control
        Result folder of a control slide that was stained with it.
    carried
        The further columns of the sheet.
    line
        Line of the sheet that it stands in, the header being line 1.
    """

    sample_id: str
    slide: Path
    patient: str
    timepoint: str
    specimen: str
    lesion: str = ""
    site: str = ""
    batch: str = ""
    day: float | None = None
    annotations: Path | None = None
    labels: tuple[Path, ...] = ()
    calls: Path | None = None
    study: Path | None = None
    control: Path | None = None
    edits: Path | None = None
    carried: Mapping[str, str] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, eq=False)
class SampleResult:
    """A sample that was analysed, as its result folder holds it.

    Parameters
    ----------
    sample
        The row of the sheet.
    folder
        The result folder.
    tables
        Its tables by name, as they were written; see ``results.SlideResult``.
    provenance
        What produced them.
    warnings
        What a reader of the numbers should know.
    gates
        ``shared``: the gates of the slide's patient or batch, the main result; ``slide``: gates
        found on the slide alone. The same sample may stand in a list once under each.
    """

    sample: Sample
    folder: Path
    tables: Mapping[str, pd.DataFrame]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    gates: Literal["shared", "slide"] = "shared"


def timepoint_order(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Return the timepoints of samples in the order of time.

    Parameters
    ----------
    samples
        Of one patient, or of all.

    Returns
    -------
    tuple of str
        By the median day where every timepoint has one; else baseline, response, relapse, and
        then the others by name. Each once.
    """
    days: dict[str, list[float]] = {}
    for sample in samples:
        known = days.setdefault(sample.timepoint, [])
        if sample.day is not None:
            known.append(sample.day)
    names = {name: place for place, name in enumerate(TIMEPOINTS)}

    def by_name(timepoint: str) -> tuple[int, str]:
        return names.get(timepoint, len(names)), timepoint

    if days and all(days.values()):
        middle = {t: median(d) for t, d in days.items()}
        return tuple(sorted(days, key=lambda t: (middle[t], by_name(t))))
    return tuple(sorted(days, key=by_name))
