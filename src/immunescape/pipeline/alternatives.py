"""The same slide judged otherwise: what the numbers owe to a gate, a statistic or a parameter."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from immunescape.margin import compare_bandwidths, map_margin
from immunescape.measure import rim_fraction
from immunescape.phenotype import in_parent
from immunescape.pipeline.calling import Called, ToCall, call_cells, recall
from immunescape.spatial import Alternative, sox10_alternative

if TYPE_CHECKING:
    from immunescape.cells import CellTable
    from immunescape.margin import MarginMap
    from immunescape.phenotype import Gate, GateParams
    from immunescape.study import Study

__all__ = [
    "Judged",
    "alternatives",
    "called_otherwise",
    "other_bandwidths",
    "with_rim_fractions",
]

STATISTICS: tuple[Literal["unshared", "mean", "p35"], ...] = ("unshared", "mean", "p35")
"""Statistics of a membrane that gates can be fitted on."""

METHODS: tuple[Literal["gmm", "otsu"], ...] = ("gmm", "otsu")
"""Methods that put a threshold between two populations of like size."""

BANDWIDTHS = (0.5, 2.0)
"""Other bandwidths of a derived tumour region, as multiples of the chosen one."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One slide as it was judged: what its alternatives differ from.

    Parameters
    ----------
    slide
        Measurements and annotations.
    called
        Calls and gates.
    margin
        Regions.
    cells
        The called cells with their places and contacts.
    otherwise
        Calls with gates fitted in other ways, by kind and variant.
    growth
        Contacts of cells grown by other lengths, by that length in µm.
    missing
        Reason by marker key, for the markers that the slide lacks.
    bandwidths
        Regions derived with other bandwidths, of `other_bandwidths`.
    """

    slide: ToCall
    called: Called
    margin: "MarginMap"
    cells: "CellTable"
    otherwise: Mapping[tuple[str, str], Called]
    growth: Mapping[float, pd.DataFrame]
    missing: Mapping[str, str]
    bandwidths: pd.DataFrame | None = None


def called_otherwise(
    slides: Sequence[ToCall],
    study: "Study",
    known: "Mapping[tuple[str, str], tuple[Gate, ...]] | None" = None,
) -> tuple[Mapping[tuple[str, str], Called], ...]:
    """Call the cells of slides again by each other statistic of the membrane, and method.

    Only the calls are of interest: no range is estimated for these gates. Those that are
    `known` for a single slide are not fitted again.

    Returns
    -------
    tuple
        For each slide its calls by kind and variant of the alternative.
    """
    chosen = study.gating
    ways: dict[tuple[str, str], GateParams] = {}
    for name in STATISTICS:
        column = f"membrane_{name}"
        if name != chosen.membrane_statistic and any(_shows(s, column) for s in slides):
            ways["statistic", column] = dataclasses.replace(chosen, membrane_statistic=name)
    for method in METHODS:
        if method != chosen.method:
            ways["method", method] = dataclasses.replace(chosen, method=method)
    found: list[dict[tuple[str, str], Called]] = [{} for _ in slides]
    for way, gating in ways.items():
        gating = dataclasses.replace(gating, bootstrap_draws=0)
        there = (known or {}).get(way)
        other = call_cells(slides, dataclasses.replace(study, gating=gating), there)
        for mine, called in zip(found, other, strict=True):
            mine[way] = called
    return tuple(found)


def _shows(slide: ToCall, column: str) -> bool:
    cells = slide.measured.cells
    return any(
        bool(cells[name].notna().any())
        for name in cells.frame.columns
        if name.endswith(f"_{column}")
    )


def with_rim_fractions(slide: ToCall, called: Called, cells: "CellTable") -> "CellTable":
    """Fill in which share of its own rim of each cell is above the gate of its parent.

    Parameters
    ----------
    slide
        Holds the sectors of the rims.
    called
        Holds the gates, and who belongs to which parent.
    cells
        Where ``<marker>_membrane_fraction`` is filled in; a cell of unknown parent has none, nor
        have cells that are gated on anything but their membrane.
    """
    rims = slide.measured.rims
    if rims is None:
        return cells
    columns = {}
    for stain in slide.measured.panel.markers:
        name = f"{stain.marker}_membrane_fraction"
        if name not in cells:
            continue
        threshold = np.full(len(cells), np.nan)
        for gate in called.gates:
            # a threshold on another statistic, the whole cell's say, is in no units of a rim
            on_rim = gate.statistic.startswith(f"{stain.marker}_membrane_")
            if gate.marker == stain.marker and on_rim and gate.threshold is not None:
                threshold[in_parent(called.calls.cells, gate.parent)] = gate.threshold
        columns[name] = rim_fraction(rims, stain.marker, threshold)
    return cells.with_columns(columns)


def alternatives(judged: Judged, study: "Study") -> Iterator[Alternative]:
    """Yield every other way to judge a slide that applies to it.

    Parameters
    ----------
    judged
        The slide as it was judged.
    study
        Its parameters.
    """
    yield from _statistics(judged, study)
    yield from _gate_ends(judged, study)
    yield from _other_cells(judged, study)
    for grow_um, pairs in judged.growth.items():
        yield Alternative("growth", f"segment.grow_um = {grow_um:g}", None, pairs)
    if not judged.called.phenotypes_given:
        yield sox10_alternative(judged.cells, judged.missing)
    yield from _proposals(judged, study)
    yield from _bandwidths(judged, study)


def _statistics(judged: Judged, study: "Study") -> Iterator[Alternative]:
    """Gate on other statistics, by another method, and by how much of the rim is positive."""
    pdl1 = [gate for gate in judged.called.gates if gate.marker == "pdl1"]
    given = bool(pdl1) and all(gate.source == "imported" for gate in pdl1)
    # calls that were all imported rest on no gate: found otherwise, it would change nothing
    gated = not (given and judged.called.phenotypes_given)
    for (kind, name), called in judged.otherwise.items() if gated else ():
        yield Alternative(kind, name, _with_calls(judged.cells, called.calls.cells), None)
    fractions = "pdl1_membrane_fraction"
    if fractions in judged.cells and bool(judged.cells[fractions].notna().any()):
        share = judged.cells[fractions]
        positive = (share >= study.gating.positive_rim_fraction).astype("boolean")
        calls = {"pdl1_positive": positive.mask(share.isna())}
        yield Alternative("statistic", "membrane_fraction", judged.cells.with_columns(calls), None)


def _gate_ends(judged: Judged, study: "Study") -> Iterator[Alternative]:
    """Move the gates of PD-L1, then of CD8, to either end of their range."""
    gates = judged.called.gates
    for marker in ("pdl1",) if judged.called.phenotypes_given else ("pdl1", "cd8"):
        for end in ("low", "high"):
            moved = tuple(_at(gate, end) if gate.marker == marker else gate for gate in gates)
            if moved == gates:
                continue
            calls = recall(judged.called, judged.slide.measured.cells, moved, study)
            yield Alternative(
                "gate", f"{marker}_{end}", _with_calls(judged.cells, calls.cells), None
            )


def _other_cells(judged: Judged, study: "Study") -> Iterator[Alternative]:
    """Judge the tumour cells by the gate that the other cells have found for themselves.

    Where both have two populations but part them elsewhere, as light from neighbours makes them,
    each answers another question, and no resampling of either shows it.
    """
    gates = judged.called.gates
    by_parent = {gate.parent: gate for gate in gates if gate.marker == "pdl1"}
    own, other = by_parent.get("tumour"), by_parent.get("non_tumour")
    if own is None or other is None or other.threshold is None:
        return
    if own.threshold in (None, other.threshold) or "fixed" in (own.method, other.method):
        return
    moved = tuple(
        dataclasses.replace(gate, threshold=other.threshold) if gate is own else gate
        for gate in gates
    )
    calls = recall(judged.called, judged.slide.measured.cells, moved, study)
    yield Alternative("gate", "pdl1_of_other_cells", _with_calls(judged.cells, calls.cells), None)


def _at(gate: "Gate", end: str) -> "Gate":
    there = gate.gate_low if end == "low" else gate.gate_high
    return gate if there is None else dataclasses.replace(gate, threshold=there)


def _proposals(judged: Judged, study: "Study") -> Iterator[Alternative]:
    """Leave out what was proposed for exclusion, or keep it where it is left out."""
    measured = judged.slide.measured
    if not measured.proposals:
        return
    other = dataclasses.replace(measured, exclude_proposed=not measured.exclude_proposed)
    slide = dataclasses.replace(judged.slide, measured=other)
    name = "proposals_kept" if measured.exclude_proposed else "proposals_excluded"
    yield _elsewhere("quality", name, judged, slide, judged.called.tumour, study)


def other_bandwidths(slide: ToCall, called: Called, study: "Study") -> pd.DataFrame | None:
    """Derive the tumour region with other bandwidths too; None where it was drawn.

    Parameters
    ----------
    slide
        Measurements and annotations.
    called
        Holds the tumour cells from which its region was derived.
    study
        Its parameters.

    Returns
    -------
    pandas.DataFrame
        As `compare_bandwidths` gives it.
    """
    if called.derived_from_um is None:
        return None
    return compare_bandwidths(
        called.derived_from_um,
        slide.measured.counted_tissue(),
        study.tumour,
        factors=BANDWIDTHS,
        annotations=slide.annotations,
    )


def _bandwidths(judged: Judged, study: "Study") -> Iterator[Alternative]:
    """Place the cells by regions that other bandwidths give; the calls stay."""
    if judged.bandwidths is None:
        return
    for row in judged.bandwidths.iloc[1:].itertuples():
        if row.bandwidth_um == study.tumour.bandwidth_um:  # held at the end of its range
            continue
        name = f"tumour.bandwidth_um = {row.bandwidth_um:g}"
        yield _elsewhere("bandwidth", name, judged, judged.slide, row.region, study)


def _elsewhere(
    kind: str, name: str, judged: Judged, slide: ToCall, tumour: object, study: "Study"
) -> Alternative:
    """Place the same cells in other regions."""
    margin = map_margin(
        slide.measured.counted_tissue(),
        slide.annotations,
        tumour,  # type: ignore[arg-type]
        judged.called.tumour_source,
        study.slide.site,
        study.margin,
    )
    places = margin.locate(judged.cells.points_um).set_axis(judged.cells.frame.index)
    return Alternative(kind, name, judged.cells.with_columns(places), None, margin.areas)


def _with_calls(cells: "CellTable", called: "CellTable") -> "CellTable":
    """Put other calls into a table; places stay, contacts are found anew."""
    names = [
        c
        for c in called.frame.columns
        if c in ("phenotype", "is_tumour", "conflict", "s100_only") or c.endswith("_positive")
    ]
    return cells.with_columns(called.frame[names])
