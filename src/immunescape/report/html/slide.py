"""The report of one slide as a page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from immunescape.patterns import RESEARCH_USE
from immunescape.report.figures import (
    Sketch,
    closeup_sketch,
    overview_sketch,
    own_limits,
    slide_sketches,
)
from immunescape.report.html.drawn import SCREEN, Drawn, Mark, drawing, inline_svg
from immunescape.report.html.page import Column, Table, page
from immunescape.report.html.readings import readings
from immunescape.report.html.slide_tables import (
    all_settings,
    changed_settings,
    facts,
    gate_table,
    induction_table,
    items_table,
    provenance_table,
    quality_table,
    segmentation_table,
    summary_table,
)
from immunescape.report.judgement import adequacy, arguments, headline_cards
from immunescape.report.methods import CHECKLIST_SOURCES, methods
from immunescape.report.pictures import Limits
from immunescape.report.plots_parts import shortened
from immunescape.report.told import Told, load_told

__all__ = ["drawn", "slide_report"]

_SECTIONS = (
    ("pictures", "Pictures"),
    ("where", "CD8 T cells"),
    ("contact", "PD-L1 by contact"),
    ("ways", "Other ways to judge"),
    ("patterns", "Patterns"),
    ("gates", "Gates"),
    ("quality", "Quality"),
    ("parameters", "Parameters"),
    ("provenance", "Provenance"),
    ("methods", "Methods"),
    ("checklist", "Checklist"),
    ("numbers", "All numbers"),
)
_MOST_ARGUMENTS = 5
_LINE = 170


def slide_report(result: Told | Path, *, limits: tuple[Limits, Limits] | None = None) -> str:
    """Return the report of one slide, a page that needs nothing else.

    Parameters
    ----------
    result
        A result in memory, or the folder of one.
    limits
        Contrast of the overview and of the closeup, where slides are compared; that of the slide
        itself otherwise.

    Returns
    -------
    str
        HTML that loads nothing; all text of the result is escaped.

    Raises
    ------
    OutputError
        If the folder holds no complete result.
    """
    told = load_told(result) if isinstance(result, Path) else result
    limits = limits or own_limits(told)
    overview, closeup = limits
    first = [overview_sketch(told, overview, aspect=1.0), closeup_sketch(told, closeup, aspect=1.0)]
    rest = {s.name: s for s in slide_sketches(told, limits)}
    patterns = readings(told)
    text, references = methods(told)
    warnings = told.result.warnings
    against = arguments(told)
    return page(
        "slide.html",
        name=told.result.name,
        version=told.result.provenance.get("versions", {}).get("immunescape", ""),
        facts=facts(told),
        first=[drawn(s) for s in first if s is not None],
        cards=headline_cards(told),
        readings=[one.short for one in patterns if one.holds],
        checks=[replace(c, text=shortened(c.text, _LINE)) for c in adequacy(told)],
        against=_shortened(against),
        sections=_SECTIONS,
        pictures=[drawn(rest[n]) for n in ("cells", "closeup-plain") if n in rest],
        where=[drawn(rest[n]) for n in ("profile", "densities")],
        contact=drawn(rest["contacts"]),
        induction=induction_table(told),
        ways=drawn(rest["sensitivity"]),
        research=RESEARCH_USE,
        patterns=patterns,
        gates=[drawn(s) for n, s in rest.items() if n.startswith("gate-")],
        gate_table=gate_table(told),
        segmentation=segmentation_table(told),
        page="segmentation.html" if "segmentation" in told.tables else "",
        quality=quality_table(told),
        changed=changed_settings(told),
        all_settings=all_settings(told),
        warnings=warnings,
        provenance=provenance_table(told),
        methods=text,
        references=references,
        items=items_table(told),
        sources=tuple(CHECKLIST_SOURCES.items()),
        summary=summary_table(told),
    )


def drawn(sketch: Sketch) -> Drawn:
    """Return a figure as markup, with its values as a table behind it."""
    with drawing():
        figure, marks = sketch.draw(SCREEN)
        svg = inline_svg(
            figure, sketch.name, title=sketch.title, description=sketch.caption, marks=marks
        )
    return Drawn(
        svg=svg,
        title=sketch.title,
        caption=sketch.caption or sketch.title,
        table=_values(sketch, marks),
        picture=sketch.picture,
    )


def _values(sketch: Sketch, marks: Sequence[Mark]) -> Table | None:
    if not marks:
        return None
    parted = [mark.text.partition(": ") for mark in marks]
    return Table(
        key=f"{sketch.name}-values",
        caption=sketch.title,
        columns=(Column("what"), Column("value")),
        rows=[(what, value) for what, _, value in parted],
    )


def _shortened(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) <= _MOST_ARGUMENTS:
        return tuple(shortened(text, _LINE) for text in texts)
    left = len(texts) - _MOST_ARGUMENTS + 1
    some = (shortened(text, _LINE) for text in texts[: _MOST_ARGUMENTS - 1])
    return (*some, f"and {left} more: see the warnings below")
