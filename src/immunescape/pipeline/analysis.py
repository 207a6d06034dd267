"""The second half: labels and measurements in, tables out; no pixel of the slide is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.blocks import Progress, silent
from immunescape.io.calls import read_calls
from immunescape.margin import MarginMap, derive_tumour, left_out, map_margin
from immunescape.panel import EXPECTED_MARKERS, TITLES
from immunescape.phenotype import (
    Calls,
    Gate,
    call_phenotypes,
    gate_by_parent,
    gate_lineage,
    gate_table,
    gate_warnings,
    spec_warnings,
)
from immunescape.regions import Regions
from immunescape.results import REGION_NAMES, SlideResult
from immunescape.spatial import (
    add_contact_columns,
    band_table,
    contact_table,
    find_contacts,
    region_table,
    summarise,
)

if TYPE_CHECKING:
    import pandas as pd
    from shapely.geometry.base import BaseGeometry

    from immunescape.cells import CellTable
    from immunescape.panel import Panel
    from immunescape.pipeline.measured import Measured
    from immunescape.study import Study

__all__ = ["analyse"]

_CONCLUDED = (
    "phenotype",
    "region",
    "distance_to_margin_um",
    "edge_censored",
    "n_contacts",
    "n_cd8_contacts",
    "touching_cd8",
    "distance_to_cd8_um",
    "edited",
)
"""Columns of the cell table that follow the measurements and the calls."""

_PARTS = (*REGION_NAMES[:4], "excluded")


@dataclass(frozen=True, eq=False)
class _Called:
    """Calls of every cell, and the tumour region they were made with."""

    calls: Calls
    gates: tuple[Gate, ...]
    tumour: "BaseGeometry"
    tumour_source: str
    phenotypes_given: bool
    warnings: tuple[str, ...] = ()


def analyse(
    measured: "Measured",
    study: "Study",
    annotations: Regions | None = None,
    *,
    calls: Path | None = None,
    contacts: "pd.DataFrame | None" = None,
    progress: Progress = silent,
) -> SlideResult:
    """Turn measured cells into phenotypes, regions, contacts and the tables about them.

    Parameters
    ----------
    measured
        Labels and measurements of one slide.
    study
        Gates, rules and the parameters of each step.
    annotations
        Regions drawn by hand, in µm; without a tumour among them, the tumour region is derived
        from the density of tumour cells. Cells in what was drawn to be left out are called, but
        no gate is taken from them.
    calls
        Table of calls made elsewhere, in place of gates.
    contacts
        Pairs of cells in contact, where they are known already; found from the labels otherwise.
    progress
        Called as the work goes on.

    Returns
    -------
    SlideResult
        Without provenance. A slide without cells or without a tumour has all its tables, and
        what cannot be judged says why.
    """
    annotations = annotations or Regions()
    called = _call(measured, study, annotations, calls)
    margin = map_margin(
        measured.tissue,
        annotations,
        called.tumour,
        called.tumour_source,
        study.slide.site,
        study.margin,
    )
    cells = called.calls.cells
    places = margin.locate(cells.points_um).set_axis(cells.frame.index)
    cells = cells.with_columns(places)
    if contacts is None:
        contacts = find_contacts(
            measured.cell_labels, measured.pixel_size_um, study.contact, progress=progress
        ).pairs
    missing = _missing(measured.panel, called)
    cells = add_contact_columns(cells, contacts, missing=missing)
    tables = {
        "regions": region_table(cells, margin.areas, study.density, missing=missing),
        "bands": band_table(cells, margin.areas, missing=missing),
        "contacts": contact_table(cells, contacts, missing=missing),
        "summary": summarise(
            cells,
            contacts,
            margin.areas,
            study.summary,
            density=study.density,
            missing=missing,
            unconfirmed_gates=_unconfirmed(called.gates),
            statistic=_pdl1_statistic(called.gates),
        ),
        "gates": gate_table(called.gates, cells),
    }
    return SlideResult(
        name=measured.name,
        cells=_in_order(cells.with_columns({"edited": False}), measured),
        shapes=margin.regions,
        tables=tables,
        warnings=(
            *called.warnings,
            *margin.warnings,
            *_conflicts(cells),
            *_censored(cells, margin),
        ),
    )


def _call(
    measured: "Measured", study: "Study", annotations: Regions, calls: Path | None
) -> _Called:
    """Gate the lineage markers, find the tumour region, then gate what depends on both."""
    cells, panel = measured.cells, measured.panel
    imported = read_calls(calls, cells) if calls else None
    use = ~left_out(annotations, cells.points_um)
    lineage = gate_lineage(
        cells, panel, study.gate, study.gating, rules=study.rule, imported=imported, fit_on=use
    )
    drawn = "tumour" in annotations
    if drawn:
        tumour, source = annotations["tumour"], "imported"
    else:
        first = call_phenotypes(cells, lineage, study.rule, imported=imported).cells
        points = first.points_um[first["phenotype"].to_numpy() == "tumour"]
        tumour, source = derive_tumour(points, measured.tissue, study.tumour), "derived"
    inside = Regions({"tumour": tumour}).covers("tumour", cells.points_um)
    placed = call_phenotypes(cells, lineage, study.rule, inside_tumour=inside, imported=imported)
    gates = lineage + gate_by_parent(
        placed.cells, panel, study.gate, study.gating, imported=imported, fit_on=use
    )
    final = call_phenotypes(cells, gates, study.rule, inside_tumour=inside, imported=imported)
    notes = (
        *spec_warnings(panel, study.gate),
        *gate_warnings(gates),
        *final.warnings,
        *(() if drawn else ("no tumour region was drawn; it is derived from the tumour cells",)),
    )
    given = imported is not None and imported.has_phenotype
    return _Called(final, gates, tumour, source, given, notes)


def _missing(panel: "Panel", called: _Called) -> dict[str, str]:
    """Return the reason for each expected marker that has no call on this slide."""
    cells = called.calls.cells
    reasons: dict[str, str] = {}
    for marker in EXPECTED_MARKERS:
        stain = panel.standing_for(marker)
        column = f"{stain.marker if stain else marker}_positive"
        if column in cells and bool(cells[column].notna().any()):
            continue
        if called.phenotypes_given and marker != "pdl1":
            continue
        title = TITLES[marker]
        reasons[marker] = (
            f"the panel lacks {title}" if stain is None else f"{title} has no gate on this slide"
        )
    return reasons


def _unconfirmed(gates: tuple[Gate, ...]) -> tuple[str, ...]:
    return tuple(
        gate.marker if gate.parent == "all" else f"{gate.marker}@{gate.parent}"
        for gate in gates
        if not gate.confirmed and gate.threshold is not None
    )


def _pdl1_statistic(gates: tuple[Gate, ...]) -> str:
    for gate in gates:
        if gate.marker == "pdl1" and gate.source != "imported":
            return gate.statistic.removeprefix("pdl1_")
    return ""


def _conflicts(cells: "CellTable") -> tuple[str, ...]:
    """Count the cells that are positive for SOX10 and CD8 by region."""
    counts = cells["region"][cells["conflict"].to_numpy(bool)].value_counts()
    listed = [f"{region} {counts[region]}" for region in _PARTS if counts.get(region, 0)]
    return (f"SOX10+ CD8+ cells by region: {', '.join(listed)}",) if listed else ()


def _censored(cells: "CellTable", margin: MarginMap) -> tuple[str, ...]:
    count = int((cells["edge_censored"] & (cells["region"] != "excluded")).sum())
    if not count:
        return ()
    area = margin.areas.edge_censored_mm2
    return (
        f"{count} cells and {area:.3f} mm² lie nearer to the frame than to the interface: regions "
        "hold them, bands leave them out",
    )


def _in_order(cells: "CellTable", measured: "Measured") -> "CellTable":
    """Put the columns in the order that is promised: measured, called, concluded."""
    frame = cells.frame
    first = list(measured.cells.frame.columns)
    positive = [c for c in frame.columns if c.endswith("_positive") and c not in first]
    order = ["piece", *first, *positive, *_CONCLUDED]
    ordered: pd.DataFrame = frame[order]
    return type(cells)(ordered)
