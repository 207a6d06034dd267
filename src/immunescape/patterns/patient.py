"""Which patterns hold of one patient: on its slides, at its timepoints, and over time."""

from collections.abc import Mapping

from immunescape.patterns.course import Step, read_course
from immunescape.patterns.numbers import Numbers
from immunescape.patterns.params import PatternParams
from immunescape.patterns.readings import read_slide, read_together
from immunescape.samples import Sample

__all__ = ["Key", "read_patient", "step_of", "those"]

Key = tuple[str, str, str]
"""Timepoint and sample, each empty where it does not apply, and pattern."""


def read_patient(
    samples: Mapping[str, tuple[Sample, ...]],
    numbers: Mapping[str, Numbers],
    params: PatternParams,
) -> dict[Key, bool | None]:
    """Return what holds of each slide, each timepoint and the course of one patient.

    Parameters
    ----------
    samples
        By timepoint, in the order of time.
    numbers
        By ``sample_id``.
    params
        Thresholds.
    """
    held: dict[Key, bool | None] = {}
    for timepoint, of in samples.items():
        slides = [read_slide(numbers[s.sample_id], params) for s in of]
        for sample, slide in zip(of, slides, strict=True):
            held |= {(timepoint, sample.sample_id, p): now for p, now in slide.items()}
        held |= {(timepoint, "", p): now for p, now in read_together(slides).items()}
    steps = [step_of(held, timepoint) for timepoint in samples]
    held |= {("", "", p): now for p, now in read_course(steps).items()}
    return held


def step_of(held: Mapping[Key, bool | None], timepoint: str) -> Step:
    """Return a timepoint with what holds over its slides."""
    return Step(timepoint, those(held, timepoint, ""))


def those(
    held: Mapping[Key, bool | None], timepoint: str, sample_id: str
) -> dict[str, bool | None]:
    """Return what holds at one place, by pattern."""
    return {p: now for (t, s, p), now in held.items() if t == timepoint and s == sample_id}
