"""Which gates a slide gets: those of all cells, then those of tumour and other cells apart."""

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.errors import StudyError
from immunescape.io.calls import ImportedCalls
from immunescape.panel import Panel, Stain
from immunescape.phenotype.gates import Gate, fit_gate, in_parent
from immunescape.phenotype.rules import DEFAULT_RULES, Rule
from immunescape.phenotype.specs import GateParams, GateSpec, Parent, find_spec

__all__ = [
    "COCKTAIL",
    "gate_by_parent",
    "gate_lineage",
    "markers_by_parent",
    "spec_warnings",
    "statistic_of",
]

Mask = npt.NDArray[np.bool_]

_BY_PARENT = ("pdl1",)
COCKTAIL = ("s100", "sox10")
"""Markers that one channel, ``s100_sox10``, may show together."""


def statistic_of(stain: Stain) -> str:
    """Return the column of the cell table on which a stain is gated."""
    return f"{stain.marker}_{stain.compartment}_mean"


def markers_by_parent(panel: Panel, specs: tuple[GateSpec, ...] = ()) -> tuple[str, ...]:
    """Return the markers gated for tumour and other cells apart, in the order of the panel.

    They are PD-L1, and any marker for which the study sets a gate on one of the two.
    """
    asked = {s.marker for s in specs if s.parent != "all"} | set(_BY_PARENT)
    return tuple(s.marker for s in panel.markers if s.marker in asked)


def gate_lineage(
    cells: CellTable,
    panel: Panel,
    specs: tuple[GateSpec, ...] = (),
    params: GateParams | None = None,
    *,
    rules: tuple[Rule, ...] = DEFAULT_RULES,
    imported: ImportedCalls | None = None,
    fit_on: Mask | None = None,
) -> tuple[Gate, ...]:
    """Return the gates that hold for all cells: every marker but those gated by parent.

    Parameters
    ----------
    cells
        Measured cells.
    panel
        Stains of the slide; each of its markers is gated.
    specs
        Gates set by the study.
    params
        How the others are found.
    rules
        Rules that will be used; their markers cannot be gated by parent.
    imported
        Calls made elsewhere; their markers are not gated but listed.
    fit_on
        Cells that thresholds are taken from, ``(n,)``; all if not given.

    Raises
    ------
    StudyError
        If the study gates a marker of a rule by parent: phenotypes are not known before it.
    """
    params = params or GateParams()
    apart = markers_by_parent(panel, specs)
    lineage = {m for rule in rules for m in (*rule.positive, *rule.negative)}
    for marker in apart:
        if shown := {m for m in _shown_by(marker) if m in lineage}:
            raise StudyError(
                f"{marker} is gated on one phenotype, but the rules need {sorted(shown)[0]} to "
                f"tell phenotypes; gate {marker}@all"
            )
    gates = list(_imported_gates(imported))
    called = imported.markers if imported else ()
    for stain in panel.markers:
        if stain.marker not in apart and stain.marker not in called:
            spec = find_spec(specs, stain.marker, "all", params)
            gates.append(_gate(cells, stain, spec, "all", params, fit_on))
    return tuple(gates)


def gate_by_parent(
    cells: CellTable,
    panel: Panel,
    specs: tuple[GateSpec, ...] = (),
    params: GateParams | None = None,
    *,
    imported: ImportedCalls | None = None,
    fit_on: Mask | None = None,
) -> tuple[Gate, ...]:
    """Return the gates that hold for tumour cells and for the other cells apart.

    Parameters
    ----------
    cells
        Cells called by `call_phenotypes`. A cell that may or may not be a tumour cell is in
        neither parent.
    panel, specs, params, imported, fit_on
        As in `gate_lineage`; imported markers are not listed again.
    """
    params = params or GateParams()
    called = imported.markers if imported else ()
    parents: tuple[Parent, ...] = ("tumour", "non_tumour")
    return tuple(
        _gate(
            cells, panel[marker], find_spec(specs, marker, parent, params), parent, params, fit_on
        )
        for marker in markers_by_parent(panel, specs)
        if marker not in called
        for parent in parents
    )


def spec_warnings(panel: Panel, specs: tuple[GateSpec, ...]) -> tuple[str, ...]:
    """Return one line for each marker that the study gates and the panel does not show."""
    lacking = dict.fromkeys(s.marker for s in specs if s.marker not in panel)
    return tuple(f"the study's gate of {m} is not used: the panel lacks {m}" for m in lacking)


def _shown_by(marker: str) -> tuple[str, ...]:
    return COCKTAIL if marker == "s100_sox10" else (marker,)


def _imported_gates(imported: ImportedCalls | None) -> tuple[Gate, ...]:
    markers = imported.markers if imported else ()
    return tuple(
        Gate(m, "all", f"{m}_positive", "imported", "imported", None, confirmed=True)
        for m in markers
    )


def _gate(
    cells: CellTable,
    stain: Stain,
    spec: GateSpec,
    parent: Parent,
    params: GateParams,
    fit_on: Mask | None,
) -> Gate:
    """Fit one gate; a stain that was not measured has none."""
    statistic = statistic_of(stain)
    if statistic not in cells:
        note = f"the cells have no column {statistic}"
        return Gate(stain.marker, parent, statistic, spec.method, "missing", None, note=note)
    values = cells[statistic].to_numpy(dtype=np.float64)
    use = np.ones(len(cells), dtype=bool) if fit_on is None else fit_on
    if parent == "all":
        return fit_gate(values[use], None, spec, statistic, params, parent=parent)
    tumour, rest = in_parent(cells, "tumour"), in_parent(cells, "non_tumour")
    own, other = (tumour, rest) if parent == "tumour" else (rest, tumour)
    return fit_gate(values[own & use], values[other & use], spec, statistic, params, parent=parent)
