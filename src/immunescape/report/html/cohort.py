"""The page of a cohort: every patient visible, and whether it is more than chance."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from immunescape.report.headlines import HEADLINES, SHOWN
from immunescape.report.html.cohort_charts import MANY, groupings, paired_charts
from immunescape.report.html.cohort_patterns import matrix_of
from immunescape.report.html.cohort_sweep import sweep_summary
from immunescape.report.html.cohort_tables import (
    comparison_card,
    comparisons_table,
    failures_table,
    flags_table,
    specimens_table,
)
from immunescape.report.html.page import Card, page
from immunescape.report.html.patient_tables import changes_table
from immunescape.results import (
    COMPARISONS_COLUMNS,
    FAILURES_COLUMNS,
    PATIENTS_COLUMNS,
    PATTERNS_COLUMNS,
    SPECIMENS_COLUMNS,
    empty_table,
)

if TYPE_CHECKING:
    from immunescape.samples import Sample, SampleResult

__all__ = ["cohort_page", "main_rows"]

_COLUMNS = {
    "specimens": SPECIMENS_COLUMNS,
    "patients": PATIENTS_COLUMNS,
    "comparisons": COMPARISONS_COLUMNS,
    "patterns": PATTERNS_COLUMNS,
    "failures": FAILURES_COLUMNS,
}
_FILES = (
    ("cohort.csv", "every number of every slide"),
    ("specimens.csv", "every number of every specimen"),
    ("patients.csv", "changes in each patient"),
    ("comparisons.csv", "changes over patients"),
    ("patterns.csv", "patterns with their evidence"),
    ("staining.csv", "whether stains can be compared"),
    ("sweep.csv", "every number with a parameter varied"),
    ("failures.csv", "slides that could not be analysed"),
    ("report.xlsx", "all of it as a workbook, with a data dictionary"),
)
_MOST_WARNED = 8


def cohort_page(
    results: Sequence["SampleResult"],
    tables: Mapping[str, pd.DataFrame],
    timepoints: tuple[str, ...],
    links: Mapping[str, str],
    *,
    samples: Sequence["Sample"] = (),
    group_by: str = "",
    warnings: Sequence[str] = (),
) -> str:
    """Return the page of a cohort.

    Parameters
    ----------
    results
        The slides, each under one kind of gates.
    tables
        ``specimens, patients, comparisons, patterns, failures``, and ``staining, sweep``; one that
        is not there is empty.
    timepoints
        In the order of time.
    links
        Page of each patient, relative to this page.
    samples
        The rows of the sample sheet, those that failed too.
    group_by
        The column that patients are coloured by first.
    warnings
        What a reader of the whole should know.
    """
    every = {name: tables.get(name, empty_table(c)) for name, c in _COLUMNS.items()}
    main = {name: main_rows(table) for name, table in every.items()}
    samples = samples or [r.sample for r in results]
    choices, further, undrawn = paired_charts(
        main["specimens"], timepoints, groupings([r.sample for r in results], group_by)
    )
    lines = main["specimens"]
    lines = lines[["patient", "lesion"]].drop_duplicates()
    return page(
        "cohort.html",
        facts=_facts(results, samples, timepoints, every["failures"], main["specimens"]),
        warnings=_few(warnings),
        cards=_cards(main["comparisons"], timepoints),
        results=list(results),
        matrix=matrix_of(
            main["patterns"],
            timepoints,
            links,
            {(r.sample.patient, r.sample.timepoint) for r in results},
        ),
        timepoints=timepoints,
        choices=choices,
        further=further,
        undrawn=undrawn,
        many=len(lines) > MANY,
        comparisons=comparisons_table("comparisons", main["comparisons"]),
        changes=changes_table("changes", every["patients"], whole=True, links=links),
        specimens=specimens_table("specimens", main["specimens"], links),
        sweep=sweep_summary("sweep", tables.get("sweep"), timepoints),
        flags=flags_table("flags", main["patients"], main["comparisons"]),
        failures=failures_table("failures", every["failures"]),
        patients=list(links.items()),
        downloads=[
            (name, told)
            for name, told in _FILES
            if name.partition(".")[0] in (*tables, "cohort", "report")
        ],
    )


def main_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows under shared gates; under each slide's own where there are no others."""
    if table.empty or "gates" not in table:
        return table
    shared = table["gates"] == "shared"
    return table[shared] if shared.any() else table


def _facts(
    results: Sequence["SampleResult"],
    samples: Sequence["Sample"],
    timepoints: Sequence[str],
    failures: pd.DataFrame,
    specimens: pd.DataFrame,
) -> list[tuple[str, str]]:
    analysed = {r.sample.patient for r in results}
    patients = {s.patient for s in samples}
    of = f" of {len(patients)}" if len(patients) > len(analysed) else ""
    found = [
        ("patients", f"{len(analysed)}{of}"),
        ("slides analysed", str(len(results))),
        ("slides failed", str(len(failures))),
        ("timepoints", ", ".join(timepoints)),
    ]
    if len(specimens):
        shared = (specimens["gates"] == "shared").all()
        found.append(("gates", "shared over a patient or batch" if shared else "each slide's own"))
        sources = ", ".join(sorted({str(s) for s in specimens["tumour_source"].dropna() if s}))
        found.append(("tumour regions", sources))
    return [(name, value) for name, value in found if value]


def _cards(comparisons: pd.DataFrame, timepoints: Sequence[str]) -> list[Card]:
    """Return the first numbers from the first timepoint to the last that any patient has both."""
    steps = {
        (str(row["from_timepoint"]), str(row["to_timepoint"]))
        for row in comparisons.to_dict("records")
    }
    if not steps:
        return []
    order = {timepoint: place for place, timepoint in enumerate(timepoints)}
    far = max(
        steps, key=lambda s: (order.get(s[1], 0) - order.get(s[0], 0), -order.get(s[0], 0))
    )  # fmt: skip
    shown = (*HEADLINES, *(h for h in SHOWN if h.key in ("cd8_in_centre", "cd8_at_margin")))
    cards = [comparison_card(comparisons, headline, far) for headline in shown]
    return cards[:3] + [card for card in cards[3:] if card.known]


def _few(warnings: Sequence[str]) -> list[str]:
    """Return the first warnings, and how many there are besides."""
    left = len(warnings) - _MOST_WARNED
    more = [f"and {left} more; see the pages of the slides"] if left > 0 else []
    return [*warnings[:_MOST_WARNED], *more]
