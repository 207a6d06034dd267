"""The second half: labels and measurements in, tables out; no pixel of the slide is read."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immunescape.blocks import Progress, silent
from immunescape.margin import (
    MarginMap,
    bandwidth_doubts,
    control_mask,
)
from immunescape.panel import EXPECTED_MARKERS, TITLES
from immunescape.phenotype import Gate, gate_table
from immunescape.pipeline.alternatives import (
    Judged,
    alternatives,
    other_bandwidths,
    with_rim_fractions,
)
from immunescape.pipeline.calling import Called, ToCall
from immunescape.pipeline.control import ControlSlide
from immunescape.pipeline.corrections import (
    Unedited,
    correction_record,
    correction_warnings,
    without_corrections,
)
from immunescape.pipeline.proposals import proposal_shapes, proposals_table
from immunescape.pipeline.shared import Shared, call_together
from immunescape.pipeline.touching import Touching
from immunescape.regions import Regions
from immunescape.results import REGION_NAMES, SlideResult
from immunescape.spatial import (
    add_contact_columns,
    band_table,
    block_counts,
    contact_table,
    control_positives,
    region_table,
    sensitivity_table,
    sensitivity_warnings,
    summarise,
    unproven_stains,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pandas as pd

    from immunescape.cells import CellTable
    from immunescape.io.edits import Edit
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


def analyse(
    measured: "Measured",
    study: "Study",
    annotations: Regions | None = None,
    *,
    calls: Path | None = None,
    edits: "Sequence[Edit]" = (),
    unedited: Unedited | None = None,
    contacts: "pd.DataFrame | None" = None,
    growth: "Mapping[float, pd.DataFrame] | None" = None,
    shared: Shared | None = None,
    control: ControlSlide | None = None,
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
    edits
        Calls of single cells that a person corrected; no gate is fitted on them.
    unedited
        The slide before its labels were corrected, for the table of sensitivity.
    contacts
        Pairs of cells in contact, where they are known already; found from the labels otherwise.
    growth
        Pairs in contact where nuclei are grown by other lengths, by that length in µm, for the
        table of sensitivity.
    shared
        Calls made together with other slides; made from this slide alone otherwise.
    control
        A control slide that vouches for the stains.
    progress
        Called as the work goes on.

    Returns
    -------
    SlideResult
        Its provenance tells of corrections alone. A slide without cells or without a tumour has
        all its tables, and what cannot be judged says why.
    """
    annotations = annotations or Regions()
    measured = dataclasses.replace(measured, exclude_proposed=study.quality.exclude)
    slide = ToCall.of(measured, annotations, calls, edits, unedited)
    if shared is None:
        (shared,) = call_together([slide], study)
    called = shared.called

    margin = called.mapped(measured.counted_tissue(), annotations, study)
    left_out = measured.exclude_proposed and bool(measured.proposals)
    kept = called.mapped(measured.tissue, annotations, study) if left_out else margin
    cells = called.calls.cells
    places = margin.locate(cells.points_um).set_axis(cells.frame.index)
    cells = with_rim_fractions(slide, called, cells.with_columns(places))
    if contacts is None:
        touching = Touching.found(measured, study, progress)
        contacts, growth = touching.contacts, growth or touching.growth
    missing = _missing(measured.panel, called)
    cells = add_contact_columns(cells, contacts, missing=missing)
    asked = study.sensitivity.tables != "none"
    bandwidths = other_bandwidths(slide, called, study) if asked else None
    judged = Judged(
        slide, called, margin, cells, shared.otherwise, growth or {}, missing, bandwidths
    )
    others = tuple(alternatives(judged, study)) if asked else ()
    if asked and shared.uncorrected is not None:
        lacking = _missing(measured.panel, shared.uncorrected)
        others += (without_corrections(slide, shared.uncorrected, lacking, study),)
    in_control = control_positives(cells, control_mask(annotations, cells.points_um))
    standing = _standing(study, called, missing, in_control, control)
    unproven = unproven_stains(
        cells,
        standing["params"],
        missing=missing,
        control_cells=in_control,
        control_slide=standing["control_slide"],
    )
    told: dict[str, Any] = {"missing": missing, "unproven": unproven, "seed": study.seed}
    counts = region_table(cells, margin.areas, study.density, **told)
    summary = summarise(
        cells,
        contacts,
        margin.areas,
        unconfirmed_gates=_unconfirmed(called.gates),
        statistic=_pdl1_statistic(called.gates),
        background_subtracted=measured.background_subtracted,
        alternatives=[a for a in others if a.kind == "gate"],
        contacts_known=True,
        regions=counts,
        seed=study.seed,
        **standing,
    ).assign(reviewed_by=study.reviewed_by)
    sensitivity = sensitivity_table(
        summary, cells, contacts, margin.areas, alternatives=others, **standing
    )
    tables = {
        "regions": counts,
        "bands": band_table(cells, margin.areas, **told),
        "contacts": contact_table(cells, contacts, missing=missing),
        "blocks": block_counts(cells, margin.areas, missing=missing),
        "summary": summary,
        "sensitivity": sensitivity,
        "quality": proposals_table(measured, kept, cells),
        "gates": gate_table(called.gates, cells),
    }
    outcomes = (*measured.corrected.outcomes, *called.by_hand.outcomes(called.markers))
    outcomes = tuple(sorted(outcomes, key=lambda outcome: outcome.edit.time))
    edited = measured.corrected.labels | called.by_hand.labels(called.markers)
    return SlideResult(
        name=measured.name,
        cells=_in_order(
            cells.with_columns({"edited": np.isin(cells.labels, list(edited))}), measured
        ),
        shapes=Regions({**margin.regions.shapes, **proposal_shapes(measured)}),
        tables=tables,
        provenance={"corrections": correction_record(outcomes)} if outcomes else {},
        warnings=(
            *correction_warnings(outcomes),
            *called.warnings,
            *margin.warnings,
            *_conflicts(cells),
            *_censored(cells, margin),
            *_control_doubt(control, study),
            *sensitivity_warnings(sensitivity),
            *(() if bandwidths is None else bandwidth_doubts(bandwidths)),
        ),
    )


def _missing(panel: "Panel", called: Called) -> dict[str, str]:
    """Return the reason for each expected marker that has no call on this slide."""
    cells = called.calls.cells
    reasons: dict[str, str] = {}
    for marker in EXPECTED_MARKERS:
        stain = panel.standing_for(marker)
        key = stain.marker if stain else marker
        column = f"{key}_positive"
        if column in cells and bool(cells[column].notna().to_numpy()[~_set(called, key)].any()):
            continue
        if called.phenotypes_given and marker != "pdl1":
            continue
        title = TITLES[marker]
        reasons[marker] = (
            f"the panel lacks {title}" if stain is None else f"{title} has no gate on this slide"
        )
    return reasons


def _set(called: Called, marker: str) -> "npt.NDArray[np.bool_]":
    """Tell for each cell whether a person set the marker: that is no gate, nor its absence."""
    return np.isin(called.calls.cells.labels, list(called.by_hand.calls.get(marker, ())))


def _standing(
    study: "Study",
    called: Called,
    missing: Mapping[str, str],
    control: Mapping[str, int],
    slide: ControlSlide | None,
) -> dict[str, Any]:
    """Return what decides whether a row of the summary can be judged."""
    elsewhere = called.imported is not None and (
        called.phenotypes_given or "cd8" in called.imported.markers
    )
    params = study.summary
    if elsewhere:  # whoever made the calls answers for the stain
        params = dataclasses.replace(params, min_stain_cells=0)
    least = params.min_control_cells
    return {
        "params": params,
        "density": study.density,
        "missing": missing,
        "control_cells": control,
        "control_slide": slide is not None and slide.vouches(("pdl1", "cd8"), least),
    }


def _control_doubt(control: ControlSlide | None, study: "Study") -> tuple[str, ...]:
    least = study.summary.min_control_cells
    if control is None or control.vouches(("pdl1", "cd8"), least):
        return ()
    counts = ", ".join(f"{m} {control.positive.get(m, 0)}" for m in ("pdl1", "cd8"))
    return (
        f"the control slide {control.name} does not show that the stains worked: positive cells "
        f"{counts}, {least} of each needed",
    )


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
    end = "frame" if margin.analysed.gaps is None else "frame, or to what was not imaged,"
    return (
        f"{count} cells and {area:.3f} mm² lie nearer to the {end} than to the interface: regions "
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
