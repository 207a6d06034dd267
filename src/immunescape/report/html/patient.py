"""The page of one patient: what happened from timepoint to timepoint."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from immunescape.report.grid import three_digits
from immunescape.report.headlines import HEADLINES
from immunescape.report.html.page import Card, Check, link_to, page
from immunescape.report.html.patient_charts import course_charts, lesion_chart
from immunescape.report.html.patient_files import glimpses
from immunescape.report.html.patient_gates import backgrounds_table, gates_table, staining_table
from immunescape.report.html.patient_patterns import Said, course_said, holds, moment_said
from immunescape.report.html.patient_pictures import picture_key, side_by_side
from immunescape.report.html.patient_tables import (
    changes_table,
    number_card,
    patterns_table,
    slides_table,
)
from immunescape.report.judgement import adequacy
from immunescape.report.plots_cohort_parts import text_of
from immunescape.report.workbook_cohort import main_results
from immunescape.results import PATIENTS_COLUMNS, PATTERNS_COLUMNS, empty_table

if TYPE_CHECKING:
    from immunescape.report.html.drawn import Drawn
    from immunescape.report.told import Told
    from immunescape.samples import Sample, SampleResult

__all__ = ["Course", "Moment", "patient_page"]

_MOST_MOMENTS = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Moment:
    """One column of page one: a timepoint, or a specimen of it.

    Parameters
    ----------
    title, when
        The timepoint, and its day, lesion and site.
    missing
        Why there is nothing to show; empty where there is.
    picture
        The first of its slides in small.
    cards, checks
        Its numbers, and whether they are adequate.
    said
        The patterns shown, and what argues against them.
    """

    title: str
    when: str
    missing: str = ""
    picture: "Drawn | None" = None
    cards: tuple[Card, ...] = ()
    checks: tuple[Check, ...] = ()
    said: Said = field(default_factory=Said)


@dataclass(frozen=True, eq=False, kw_only=True)
class Course:
    """Everything that a patient's page is made of.

    Parameters
    ----------
    patient
        Who it is.
    timepoints
        All timepoints of the cohort, in the order of time.
    results
        The patient's slides, under one kind of gates or two.
    tables
        ``specimens, patients, patterns, staining, failures`` of the cohort.
    lesions
        ``lesions.csv`` of the cohort; None where there is none.
    samples
        The patient's rows of the sample sheet, those that failed too.
    """

    patient: str
    timepoints: tuple[str, ...]
    results: Sequence["SampleResult"]
    tables: Mapping[str, pd.DataFrame]
    lesions: pd.DataFrame | None = None
    samples: Sequence["Sample"] = field(default=())

    def mine(self, table: str, columns: tuple[str, ...] = ()) -> pd.DataFrame:
        """Return the patient's rows of a table; none where the cohort has no such table."""
        found = self.tables.get(table)
        if found is None or found.empty:
            return empty_table(columns or ("patient",))
        return found[found["patient"].astype(str) == self.patient]

    @property
    def gates(self) -> str:
        """The kind of gates whose numbers are shown first."""
        rows = self.mine("specimens")
        return "shared" if rows.empty or (rows["gates"] == "shared").any() else "slide"


def patient_page(course: Course) -> str:
    """Return the page of a patient, to lie in a folder beside those of the slides.

    Parameters
    ----------
    course
        The patient's slides and tables.
    """
    results = main_results(course.results)
    told = glimpses(results)
    pictures = side_by_side(told)
    specimens = course.mine("specimens")
    shown = specimens[specimens["gates"] == course.gates] if len(specimens) else specimens
    moments = list(_moments(course, shown, results, told, pictures))
    patterns = course.mine("patterns", PATTERNS_COLUMNS)
    patterns = patterns[(patterns["level"] == "patient") & (patterns["gates"] == course.gates)]
    changes = course.mine("patients", PATIENTS_COLUMNS)
    flags = dict.fromkeys(
        part for text in changes["flags"] for part in text_of(text).split("; ") if part
    )
    held = [row for row in patterns.to_dict("records") if holds(row)]
    charts, undrawn = course_charts(specimens, course.timepoints)
    return page(
        "patient.html",
        patient=course.patient,
        facts=_facts(course, results),
        moments=moments[:_MOST_MOMENTS],
        more=[moment.title for moment in moments[_MOST_MOMENTS:]],
        course=course_said(held),
        flags=list(flags),
        charts=charts,
        undrawn=undrawn,
        lesions=lesion_chart(course.patient, course.lesions, course.samples),
        changes=changes_table("changes", changes, patient=course.patient),
        gates=gates_table("gates", specimens, changes) if len(specimens) else None,
        staining=staining_table("staining", course.mine("staining")),
        backgrounds=backgrounds_table("backgrounds", course.results),
        held=patterns_table("patterns", pd.DataFrame(held, columns=patterns.columns)),
        patterns=patterns_table("all-patterns", patterns, every=True),
        slides=slides_table("slides", results, ".."),
        failures=course.mine("failures").to_dict("records"),
        pictures=[pictures[name] for name in pictures],
        key=picture_key(told),
        back=link_to("..", "report.html"),
    )


def _facts(course: Course, results: "Sequence[SampleResult]") -> list[tuple[str, str]]:
    samples = course.samples or [r.sample for r in results]
    lesions = list(dict.fromkeys(s.lesion for s in samples if s.lesion))
    found = [
        ("slides", str(len(results))),
        ("lesions", ", ".join(lesions)),
        ("sites", ", ".join(dict.fromkeys(s.site.replace("_", " ") for s in samples if s.site))),
        ("gates", "shared over the patient or batch" if course.gates == "shared" else "by slide"),
    ]
    for column in dict.fromkeys(c for s in samples for c in s.carried):
        values = dict.fromkeys(s.carried.get(column, "") for s in samples)
        found.append((column, ", ".join(filter(None, values)) or "not told"))
    return [(name, value) for name, value in found if value]


def _moments(
    course: Course,
    shown: pd.DataFrame,
    results: "Sequence[SampleResult]",
    told: "Mapping[str, Told]",
    pictures: "Mapping[str, Drawn]",
) -> Iterator[Moment]:
    """Yield a moment for each specimen in the order of time, and for timepoints without one."""
    for timepoint in course.timepoints:
        mine = [r for r in results if r.sample.timepoint == timepoint]
        rows = shown[shown["timepoint"] == timepoint] if len(shown) else shown
        if not mine:
            yield Moment(title=timepoint, when="", missing=_why_missing(course, timepoint))
            continue
        said = _patterns_at(course, timepoint)
        for specimen in dict.fromkeys(r.sample.specimen for r in mine):
            slides = [r for r in mine if r.sample.specimen == specimen]
            its = rows[rows["specimen"] == specimen] if len(rows) else rows
            names = [r.sample.sample_id for r in slides]
            yield Moment(
                title=timepoint,
                when=_when(slides),
                picture=next((pictures[name] for name in names if name in pictures), None),
                cards=tuple(_cards(its)),
                checks=tuple(_checks(slides, told)),
                said=said,
            )


def _cards(specimen: pd.DataFrame) -> Iterator[Card]:
    for headline in HEADLINES:
        beside = []
        if headline.metric == "cd8_margin_to_centre_ratio":
            beside = [_density(specimen, region) for region in ("margin", "centre")]
        card = number_card(headline, specimen, beside=[line for line in beside if line])
        # said once a column: with the number that rests on all of the gates
        yield card if headline is HEADLINES[0] else dataclasses.replace(card, doubt="")


def _density(specimen: pd.DataFrame, region: str) -> str:
    rows = specimen[
        (specimen["metric"] == "cd8_density")
        & (specimen["phenotype"] == "cd8_t")
        & (specimen["region"] == region)
    ].to_dict("records")
    if not rows or pd.isna(rows[0]["value"]):
        return ""
    row = rows[0]
    ends = [three_digits(row[end]) for end in ("ci_low", "ci_high") if pd.notna(row[end])]
    within = f" ({' to '.join(ends)})" if len(ends) == 2 else ""
    return f"{region}: {three_digits(row['value'])} per mm²{within}"


def _checks(slides: "Sequence[SampleResult]", told: "Mapping[str, Told]") -> Iterator[Check]:
    """Yield whether the numbers are adequate; of several slides each check once, with its name."""
    several = len(slides) > 1
    for result in slides:
        name = result.sample.sample_id
        if name not in told:
            text = "the files of the slide cannot be read again: margin and control not known"
            yield Check(state="none", text=f"{name}: {text}" if several else text)
            continue
        for check in adequacy(told[name]):
            yield Check(state=check.state, text=f"{name}: {check.text}") if several else check


def _patterns_at(course: Course, timepoint: str) -> Said:
    patterns = course.mine("patterns", PATTERNS_COLUMNS)
    patterns = patterns[(patterns["gates"] == course.gates) & (patterns["timepoint"] == timepoint)]
    level = "patient" if (patterns["level"] == "patient").any() else "slide"
    rows = patterns[patterns["level"] == level].to_dict("records")
    return moment_said([row for row in rows if holds(row)])


def _why_missing(course: Course, timepoint: str) -> str:
    failed = {text_of(r["sample_id"]): r for r in course.mine("failures").to_dict("records")}
    for sample in course.samples:
        if sample.timepoint == timepoint and sample.sample_id in failed:
            row = failed[sample.sample_id]
            return f"could not be analysed: {text_of(row['error'])}; {text_of(row['remedy'])}"
    return "no slide of this timepoint"


def _when(slides: "Sequence[SampleResult]") -> str:
    first = slides[0].sample
    parts = [
        f"day {first.day:g}" if first.day is not None else "",
        first.lesion,
        first.site.replace("_", " "),
        f"{len(slides)} slides" if len(slides) > 1 else "",
    ]
    return ", ".join(filter(None, parts))
