"""Staining of the slides that share gates: whether the same cell would be as bright on each."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from immunescape.cohort.plan import Group
from immunescape.margin import left_out
from immunescape.phenotype.pooling import dim_cells
from immunescape.pipeline.calling import ToCall
from immunescape.pipeline.grouped import GroupGates
from immunescape.pipeline.shared import MAIN

if TYPE_CHECKING:
    from immunescape.panel import Panel
    from immunescape.phenotype.pooling import DimLevel
    from immunescape.slide import Slide

__all__ = ["STAINING_COLUMNS", "exposures", "staining_rows", "staining_table", "staining_warnings"]

_BETWEEN = "|"
"""Parts names: no folder has it in its own."""
STAINING_COLUMNS = (
    "sample_id", "patient", "timepoint", "batch", "marker", "statistic", "shared_by", "dim_level",
    "dim_spread", "positive_cells", "slides", "not_comparable_with", "exposure_ms",
    "exposed_otherwise", "note",
)  # fmt: skip
"""One row a slide and marker: where its dim cells lie, and which slides differ from it."""

_EQUAL = 0.01
"""Exposures that differ by less are one: cameras keep to a setting no better."""


def exposures(slide: "Slide", panel: "Panel") -> dict[str, float]:
    """Return for how many ms each marker was exposed; those of which the file says nothing lack."""
    told = dict(zip(slide.channels, slide.exposure_ms, strict=False))
    known = {stain.marker: told.get(stain.channel) for stain in panel.stains}
    return {marker: time for marker, time in known.items() if time is not None}


def staining_rows(
    group: Group,
    slides: Sequence[ToCall],
    gates: Sequence[GroupGates],
    exposed: Sequence[Mapping[str, float]],
) -> list[dict[str, Any]]:
    """Compare the stains of slides that share gates.

    Parameters
    ----------
    group
        The slides.
    slides, gates
        Their measured cells and their gates, in the same order.
    exposed
        For how many ms each marker was exposed on each of them, where that is known.

    Returns
    -------
    list of dict
        A row a slide and stained statistic, as plain values. The level is that of the dim cells
        of all phenotypes, by which gates leave slides out: another offset, exposure or a stain
        that failed moves it, more or fewer positive cells do not. Where a slide has too few
        cells to be judged it is empty, and nothing is said. Exposures are told and compared
        (within 1 %); they leave no slide out, since some scanners divide by them.
    """
    min_cells = group.members[0].study.gating.min_cells
    rows: list[dict[str, Any]] = []
    levels: dict[tuple[str, str], list[tuple[str, DimLevel]]] = {}
    times: dict[str, dict[str, float]] = {}
    for work, slide, own, known in zip(group.members, slides, gates, exposed, strict=True):
        for marker, time in known.items():
            times.setdefault(marker, {})[work.name] = time
        cells = slide.measured.cells
        used = ~left_out(slide.annotations, cells.points_um)
        used &= ~slide.measured.in_excluded_proposals()
        for marker, statistic, limit in _stained(own):
            if statistic not in cells:
                continue
            values = cells[statistic].to_numpy(np.float64)[used]
            found = dim_cells(values, min_cells)
            if found is not None:
                levels.setdefault((marker, statistic), []).append((work.name, found))
            rows.append(
                {
                    "sample_id": work.name,
                    "marker": marker,
                    "statistic": statistic,
                    "shared_by": group.kind,
                    "dim_level": None if found is None else found.level,
                    "dim_spread": None if found is None else found.spread,
                    # of an internal control: cells above the lowest gate, whatever they are
                    "positive_cells": None if limit is None else int((values > limit).sum()),
                    "slides": len(group.members),
                    "exposure_ms": known.get(marker),
                }
            )
    for row in rows:
        beside = levels.get((row["marker"], row["statistic"]), [])
        mine = dict(beside).get(row["sample_id"])
        others = [name for name, level in beside if mine is not None and not mine.alike(level)]
        row["not_comparable_with"] = others
        notes = []
        if mine is None:
            notes.append("too few cells to judge its staining")
        elif others:
            notes.append(
                "dim cells are not as bright as there: stain or exposure differ, and those slides "
                "have no share in this gate"
            )
        time, of_others = row["exposure_ms"], times.get(row["marker"], {})
        row["exposed_otherwise"] = [
            name
            for name, other in of_others.items()
            if time is not None and not math.isclose(time, other, rel_tol=_EQUAL)
        ]
        if row["exposed_otherwise"]:
            there = sorted({of_others[name] for name in row["exposed_otherwise"]})
            notes.append(
                f"exposed for {time:g} ms, other slides for "
                + ", ".join(f"{other:g}" for other in there)
            )
        row["note"] = "; ".join(notes)
    return rows


def _stained(gates: GroupGates) -> Iterable[tuple[str, str, float | None]]:
    """Return each gated statistic of a slide with its lowest threshold."""
    found: dict[tuple[str, str], float | None] = {}
    for gate in gates.shared[MAIN]:
        if gate.source == "imported":
            continue
        key = gate.marker, gate.statistic
        known = [t for t in (found.get(key), gate.threshold) if t is not None]
        found[key] = min(known) if known else None
    return [(marker, statistic, limit) for (marker, statistic), limit in found.items()]


def staining_table(groups: Iterable[tuple[Group, Sequence[Mapping[str, Any]]]]) -> pd.DataFrame:
    """Return the staining of all slides, in the order of the sheet."""
    rows = []
    for group, told in groups:
        samples = {work.name: work.sample for work in group.members}
        for row in told:
            sample = samples.get(row["sample_id"])
            if sample is None:
                continue
            rows.append(
                {
                    **row,
                    "patient": sample.patient,
                    "timepoint": sample.timepoint,
                    "batch": sample.batch,
                    "not_comparable_with": _BETWEEN.join(row["not_comparable_with"]),
                    "exposed_otherwise": _BETWEEN.join(row["exposed_otherwise"]),
                    "line": sample.line,
                }
            )
    table = pd.DataFrame(rows, columns=[*STAINING_COLUMNS, "line"])
    table = table.sort_values("line", kind="stable")
    return table[list(STAINING_COLUMNS)].reset_index(drop=True)


def staining_warnings(table: pd.DataFrame) -> tuple[str, ...]:
    """Return one line for each slide and marker whose staining differs from most of its group."""
    lines = []
    for row in table.to_dict("records"):
        for column, verb, why in (
            ("not_comparable_with", "cannot be compared with", "background or exposure differ"),
            ("exposed_otherwise", "was not exposed as on", "the same cell is not as bright there"),
        ):
            others = [name for name in row[column].split(_BETWEEN) if name]
            if len(others) * 2 >= int(row["slides"]):
                lines.append(
                    f"{row['sample_id']}: {row['marker']} {verb} {', '.join(others)}: {why}"
                )
    return tuple(dict.fromkeys(lines))
