"""Which gates a slide gets: those of all cells, then those of tumour and other cells apart."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.errors import StudyError
from immunescape.io.calls import ImportedCalls
from immunescape.panel import Panel, Stain
from immunescape.phenotype.fitting import fit_gate
from immunescape.phenotype.gates import INSTEAD, Gate, in_parent
from immunescape.phenotype.pooling import Group, Pool, Slidemate
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


def statistic_of(stain: Stain, params: GateParams | None = None) -> str:
    """Return the column of the cell table on which a stain is gated.

    Without parameters, or if it was not measured: the mean of its compartment.
    """
    membrane = stain.compartment == "membrane"
    what = params.membrane_statistic if params and membrane else "mean"
    return f"{stain.marker}_{stain.compartment}_{what}"


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
    pool: Pool | None = None,
    seed: int = 0,
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
    pool
        The patient's or batch's other slides, of the same panel.
    seed
        Seed of the gates' ranges.

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
            asked = _Asked(cells, params, fit_on, pool, seed)
            gates.append(_gate(asked, stain, spec, "all"))
    return tuple(gates)


def gate_by_parent(
    cells: CellTable,
    panel: Panel,
    specs: tuple[GateSpec, ...] = (),
    params: GateParams | None = None,
    *,
    imported: ImportedCalls | None = None,
    fit_on: Mask | None = None,
    pool: Pool | None = None,
    seed: int = 0,
) -> tuple[Gate, ...]:
    """Return the gates that hold for tumour cells and for the other cells apart.

    Parameters
    ----------
    cells
        Cells called by `call_phenotypes`. A cell that may or may not be a tumour cell is in
        neither parent.
    panel, specs, params, imported, fit_on, pool, seed
        As in `gate_lineage`; imported markers are not listed again.
    """
    params = params or GateParams()
    asked = _Asked(cells, params, fit_on, pool, seed)
    called = imported.markers if imported else ()
    parents: tuple[Parent, ...] = ("tumour", "non_tumour")
    return tuple(
        _gate(asked, panel[marker], find_spec(specs, marker, parent, params), parent)
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


@dataclass(frozen=True, eq=False)
class _Asked:
    """The cells of a slide and of its pool, and how they are asked."""

    cells: CellTable
    params: GateParams
    fit_on: Mask | None
    pool: Pool | None
    seed: int

    def here(self, statistic: str, parent: Parent) -> Slidemate:
        """Return the slide's cells of a parent, and the others."""
        use = np.ones(len(self.cells), dtype=bool) if self.fit_on is None else self.fit_on
        return _split(self.cells, statistic, parent, use)

    def others(self, statistic: str, parent: Parent) -> tuple[Slidemate, ...]:
        """Return the same of the other slides; those that lack the column are left out."""
        tables = self.pool.tables if self.pool else ()
        return tuple(
            _split(table, statistic, parent, np.ones(len(table), dtype=bool))
            for table in tables
            if _measured(table, statistic)
        )


def _gate(asked: _Asked, stain: Stain, spec: GateSpec, parent: Parent) -> Gate:
    """Fit one gate; a stain that was not measured has none."""
    cells, params = asked.cells, asked.params
    statistic = spec.statistic or statistic_of(stain, params)
    plain = statistic_of(stain)
    missing = Gate(stain.marker, parent, statistic, spec.method, "missing", None)
    instead = ""
    if not _measured(cells, statistic) and plain in cells:
        if spec.statistic and spec.value is not None and statistic != plain:
            note = f"its value is on {statistic}, which was not measured"
            return replace(missing, note=note)
        if statistic != plain:
            instead = f"{INSTEAD} {plain}, since {statistic} was not measured"
        statistic = plain
    if statistic not in cells:
        return replace(missing, note=f"the cells have no column {statistic}")
    here = asked.here(statistic, parent)
    gate = fit_gate(
        here.own, here.control, spec, statistic, params, parent=parent, seed=asked.seed,
        others=asked.others(statistic, parent),
        shared_by=asked.pool.name if asked.pool else "patient",
    )  # fmt: skip
    if not instead:
        return gate
    return replace(gate, note="; ".join(n for n in (gate.note, instead) if n))


def _measured(cells: CellTable, statistic: str) -> bool:
    """Whether a column is there and holds a value."""
    return statistic in cells and bool(cells[statistic].notna().any())


def _split(cells: CellTable, statistic: str, parent: Parent, use: Mask) -> Slidemate:
    values, points = cells[statistic].to_numpy(dtype=np.float64), cells.points_um
    if parent == "all":
        return Slidemate(Group(values[use], points[use]))
    tumour, rest = (in_parent(cells, p) & use for p in ("tumour", "non_tumour"))
    own, other = (tumour, rest) if parent == "tumour" else (rest, tumour)
    return Slidemate(Group(values[own], points[own]), Group(values[other], points[other]))
