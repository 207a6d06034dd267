"""Which cells are what: gates, tumour region and phenotypes, of one slide or of several at once."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.io.calls import ImportedCalls, read_calls
from immunescape.margin import GridMask, MarginMap, find_tumour, left_out, map_margin
from immunescape.phenotype import (
    Calls,
    Gate,
    GateSpec,
    Pool,
    call_phenotypes,
    find_spec,
    gate_by_parent,
    gate_lineage,
    gate_warnings,
    spec_warnings,
)
from immunescape.pipeline.corrections import ByHand, Unedited
from immunescape.regions import Regions

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from immunescape.io.edits import Edit
    from immunescape.pipeline.measured import Measured
    from immunescape.study import Study

__all__ = ["Called", "ToCall", "call_cells", "recall", "with_gates"]

Mask = npt.NDArray[np.bool_]

_DERIVED = "no tumour region was drawn; it is derived from the tumour cells"


@dataclass(frozen=True, eq=False)
class ToCall:
    """One slide whose cells are to be called.

    Parameters
    ----------
    measured
        Its labels and measurements.
    annotations
        Regions drawn by hand, in µm.
    calls
        Table of calls made elsewhere, in place of gates.
    by_hand
        Calls that a person corrected. No gate is fitted on them.
    unedited
        The slide before its labels were corrected; None where they were not.
    """

    measured: "Measured"
    annotations: Regions
    calls: Path | None = None
    by_hand: ByHand = field(default_factory=ByHand)
    unedited: Unedited | None = None

    @classmethod
    def of(
        cls,
        measured: "Measured",
        annotations: Regions,
        calls: Path | None,
        edits: "Sequence[Edit]",
        unedited: Unedited | None = None,
    ) -> "ToCall":
        """Look up which cells corrections of calls are about."""
        return cls(measured, annotations, calls, ByHand.located(edits, measured), unedited)

    @property
    def corrected(self) -> bool:
        """Whether a person corrected labels or calls."""
        return bool(self.by_hand) or self.unedited is not None

    def uncorrected(self) -> "ToCall":
        """Return the slide with none of its corrections."""
        measured = self.measured if self.unedited is None else self.unedited.measured
        return ToCall(measured, self.annotations, self.calls)


@dataclass(frozen=True, eq=False)
class Called:
    """Calls of every cell of a slide, and the tumour region they were made with.

    Parameters
    ----------
    calls
        The cells and what they are.
    gates
        Gates they were called by.
    tumour
        Tumour region in µm; empty where there is none.
    tumour_source
        ``imported`` or ``derived``.
    inside
        Whether each cell lies in the tumour region, ``(n,)``.
    imported
        Calls made elsewhere.
    derived_from_um
        Tumour cells from which the region was derived, ``(n, 2)``; None where it was drawn. They
        are called before the region is known: rules that ask for a place have no say in it.
    warnings
        What a reader of the numbers should know.
    by_hand
        Calls that a person corrected.
    """

    calls: Calls
    gates: tuple[Gate, ...]
    tumour: "BaseGeometry"
    tumour_source: str
    inside: Mask
    imported: ImportedCalls | None = None
    derived_from_um: npt.NDArray[np.float64] | None = None
    warnings: tuple[str, ...] = ()
    by_hand: ByHand = field(default_factory=ByHand)

    @property
    def phenotypes_given(self) -> bool:
        """Whether phenotypes were made elsewhere."""
        return self.imported is not None and self.imported.has_phenotype

    @property
    def markers(self) -> frozenset[str]:
        """Markers that the cells are called by."""
        return frozenset(g.marker for g in self.gates).union(
            self.imported.markers if self.imported else ()
        )

    def mapped(self, tissue: GridMask, annotations: Regions, study: "Study") -> MarginMap:
        """Return regions, areas and distances that the tumour region gives in a tissue."""
        return map_margin(
            tissue, annotations, self.tumour, self.tumour_source, study.slide.site, study.margin
        )


def call_cells(
    slides: Sequence[ToCall], study: "Study", known: tuple[Gate, ...] | None = None
) -> tuple[Called, ...]:
    """Gate the lineage markers, find the tumour region, then gate what depends on both.

    Parameters
    ----------
    slides
        One slide, or several that were stained alike: of one patient or one batch. Those share
        their gates unless the study asks for gates by slide; then the others only help out where
        a slide has none of its own.
    study
        Gates, rules and parameters.
    known
        Gates that one slide is known to have; none is fitted then.

    Returns
    -------
    tuple
        What was called, in the order of the slides.
    """
    usable = [~left_out(s.annotations, s.measured.cells.points_um) for s in slides]
    usable = [
        use & ~s.measured.in_excluded_proposals() for use, s in zip(usable, slides, strict=True)
    ]
    imported = [_imported(s) for s in slides]
    if known is not None:
        (slide,), (use,), (given,) = slides, usable, imported
        first = tuple(gate for gate in known if gate.parent == "all")
        alone = _place(slide, first, given, use, study, slide.by_hand)
        return (_called(slide, alone, known, study),)
    pools = _pools([s.measured.cells for s in slides], usable, study)
    lineage = [
        gate_lineage(
            s.measured.cells, s.measured.panel, study.gate, study.gating, rules=study.rule,
            imported=given, fit_on=use, pool=pool, seed=study.seed,
        )
        for s, given, use, pool in zip(slides, imported, usable, pools, strict=True)
    ]  # fmt: skip
    placed = [  # without corrections: gates are fitted on what the stains tell
        _place(s, gates, given, use, study, ByHand())
        for s, gates, given, use in zip(slides, lineage, imported, usable, strict=True)
    ]
    pools = _pools([p.calls.cells for p in placed], usable, study)
    return tuple(
        _by_parent(s, first, use, pool, study)
        for s, first, use, pool in zip(slides, placed, usable, pools, strict=True)
    )


def recall(called: Called, cells: CellTable, gates: tuple[Gate, ...], study: "Study") -> Calls:
    """Call the cells of a slide again by other gates; its tumour region stays.

    Parameters
    ----------
    called
        As they were called, with the region and the calls made elsewhere.
    cells
        Measured cells.
    gates
        The other gates, of all parents.
    study
        Holds the rules.
    """
    return call_phenotypes(
        cells, gates, study.rule, inside_tumour=called.inside, imported=called.imported,
        by_hand=called.by_hand.calls,
    )  # fmt: skip


def _imported(slide: ToCall) -> ImportedCalls | None:
    if slide.calls is None:
        return None
    measured = slide.measured
    return read_calls(slide.calls, measured.cells, pixel_size_um=measured.pixel_size_um)


def _pools(tables: list[CellTable], usable: list[Mask], study: "Study") -> list[Pool | None]:
    """Return for each slide the cells of the others."""
    if len(tables) == 1:
        return [None]
    name: Literal["patient", "batch"] = "batch" if study.gating.share == "batch" else "patient"
    kept = [CellTable(t.frame[use]) for t, use in zip(tables, usable, strict=True)]
    return [Pool(name, tuple(kept[:i] + kept[i + 1 :])) for i in range(len(kept))]


def _place(
    slide: ToCall,
    lineage: tuple[Gate, ...],
    imported: ImportedCalls | None,
    use: Mask,
    study: "Study",
    by_hand: ByHand,
) -> Called:
    """Find the tumour region and call phenotypes within it."""
    cells = slide.measured.cells
    told: dict[str, Any] = {"imported": imported, "by_hand": by_hand.calls}
    doubts: tuple[str, ...] = ()
    points = None
    if "tumour" in slide.annotations:
        tumour, source = slide.annotations["tumour"], "imported"
    else:
        first = call_phenotypes(cells, lineage, study.rule, **told).cells
        points = first.points_um[(first["phenotype"].to_numpy() == "tumour") & use]
        found = find_tumour(
            points, slide.measured.counted_tissue(), study.tumour, annotations=slide.annotations
        )
        tumour, source, doubts = found.region, "derived", found.warnings
    inside = Regions({"tumour": tumour}).covers("tumour", cells.points_um)
    calls = call_phenotypes(cells, lineage, study.rule, inside_tumour=inside, **told)
    return Called(calls, lineage, tumour, source, inside, imported, points, doubts, by_hand)


def _by_parent(
    slide: ToCall, placed: Called, use: Mask, pool: Pool | None, study: "Study"
) -> Called:
    """Add the gates that depend on the phenotype, and call every cell."""
    measured = slide.measured
    gates = placed.gates + gate_by_parent(
        placed.calls.cells, measured.panel, study.gate, study.gating, imported=placed.imported,
        fit_on=use, pool=pool, seed=study.seed,
    )  # fmt: skip
    if slide.by_hand:
        placed = _place(slide, placed.gates, placed.imported, use, study, slide.by_hand)
    return _called(slide, placed, gates, study)


def _called(slide: ToCall, placed: Called, gates: tuple[Gate, ...], study: "Study") -> Called:
    """Call every cell by all gates, and say what a reader should know of them."""
    measured = slide.measured
    calls = recall(placed, measured.cells, gates, study)
    derived = placed.tumour_source == "derived"
    return dataclasses.replace(
        placed,
        calls=calls,
        gates=gates,
        warnings=(
            *spec_warnings(measured.panel, study.gate),
            *_overruled(placed.imported, study),
            *gate_warnings(gates),
            *calls.warnings,
            *placed.warnings,
            *((_DERIVED,) if derived else ()),
        ),
    )


def _overruled(imported: ImportedCalls | None, study: "Study") -> tuple[str, ...]:
    """Return one line for each marker that the study gates although its calls are imported."""
    called = imported.markers if imported else ()
    both = dict.fromkeys(spec.marker for spec in study.gate if spec.marker in called)
    return tuple(f"the study's gate of {m} is not used: its calls were given" for m in both)


def with_gates(study: "Study", gates: tuple[Gate, ...]) -> "Study":
    """Return a study that sets the thresholds of gates, so that a slide alone repeats them.

    Thresholds that a person set, and markers that have none, stay as the study has them. A method
    that a person set gives way to what it found in the cells of all slides.

    Parameters
    ----------
    study
        As it was given.
    gates
        What one slide was called by.
    """
    fixed = tuple(
        GateSpec(
            marker=gate.marker, parent=gate.parent, method="fixed", value=gate.threshold,
            statistic=gate.statistic, gate_low=gate.gate_low, gate_high=gate.gate_high,
            confirmed=gate.confirmed, source="file",
        )
        for gate in gates
        if gate.threshold is not None
        and find_spec(study.gate, gate.marker, gate.parent, study.gating).method != "fixed"
    )  # fmt: skip
    found = {(spec.marker, spec.parent) for spec in fixed}
    left = tuple(spec for spec in study.gate if (spec.marker, spec.parent) not in found)
    return dataclasses.replace(study, gate=left + fixed)
