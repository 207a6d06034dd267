"""What one slide's numbers become while a gate moves: a step of milliseconds, not a run.

Nothing is fitted while a gate moves: the other gates and the tumour region stay as they are, and
`Moved.note` says where a run would let them follow. Apart from that the numbers are those of a
run whose study holds the moved gate as a fixed one.
"""

import dataclasses
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.margin import control_mask
from immunescape.panel import TITLES
from immunescape.phenotype import Gate, find_spec, in_parent
from immunescape.pipeline.analysis import _missing, _standing
from immunescape.pipeline.calling import Called, recall
from immunescape.pipeline.live_numbers import (
    LiveNumbers,
    Standing,
    codes_of,
    numbers_of,
    pdl1_known,
)
from immunescape.pipeline.live_swing import Contacts, Swing, swing_of
from immunescape.pipeline.live_values import gate_title
from immunescape.regions import Regions
from immunescape.spatial.kinds import kinds_of
from immunescape.spatial.touching import pair_rows

if TYPE_CHECKING:
    from immunescape.margin import MarginMap
    from immunescape.pipeline.control import ControlSlide
    from immunescape.pipeline.measured import Measured
    from immunescape.pipeline.touching import Touching
    from immunescape.study import Study

__all__ = ["LiveGates", "Moved"]

_PLACES = ("region", "edge_censored")


@dataclass(frozen=True, eq=False)
class Moved:
    """What a moved gate gives.

    Parameters
    ----------
    gate
        The gate at its new threshold.
    positive, negative, missing
        Cells of its parent, as in ``gates.csv``.
    changed
        Rows of the cells on another side than under the gate in force; all that are above it
        where that has no threshold.
    numbers
        The headline and its kin.
    note
        What stays as it was while the gate moves and would follow in a run; empty if nothing.
    """

    gate: Gate
    positive: int
    negative: int
    missing: int
    changed: npt.NDArray[np.int64]
    numbers: LiveNumbers
    note: str = ""

    @property
    def fraction(self) -> float:
        """Positive cells as a part of the parent's cells with a call; NaN without any."""
        known = self.positive + self.negative
        return self.positive / known if known else float("nan")


@dataclass(frozen=True, eq=False)
class LiveGates:
    """Gates of one slide that can be moved; make one with `of`.

    The first question about a gate takes seconds on a million cells (`prepare` asks it, for
    another thread), every further one a few milliseconds.

    Parameters
    ----------
    measured, called, margin, study
        The slide as it was analysed.
    annotations
        Regions drawn by hand.
    control
        A control slide that vouches for the stains.
    calls
        The called cells with their places.
    missing
        Reason by marker key, for the markers that the slide lacks.
    standing
        Areas and limits.
    contacts
        Which cells touch which.
    in_control
        Whether each cell lies in tissue drawn as control.
    numbers
        The headline and its kin under the gates in force.
    """

    measured: "Measured"
    called: Called
    margin: "MarginMap"
    study: "Study"
    annotations: Regions
    control: "ControlSlide | None"
    calls: CellTable
    missing: dict[str, str]
    standing: Standing
    contacts: Contacts
    in_control: npt.NDArray[np.bool_]
    numbers: LiveNumbers
    _swings: dict[tuple[str, str], Swing] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(
        cls,
        measured: "Measured",
        called: Called,
        touching: "Touching",
        margin: "MarginMap",
        study: "Study",
        *,
        annotations: Regions | None = None,
        control: "ControlSlide | None" = None,
    ) -> "LiveGates":
        """Take up a slide as it was analysed.

        Parameters
        ----------
        measured
            Labels and measurements.
        called
            Calls and gates.
        touching
            Pairs of cells in contact.
        margin
            Regions and areas.
        study
            Rules and limits.
        annotations
            Regions drawn by hand.
        control
            A control slide that vouches for the stains.
        """
        cells = called.calls.cells
        contacts = Contacts.of(pair_rows(cells, touching.contacts), len(cells))
        return cls.assemble(
            measured, called, contacts, margin, study, annotations or Regions(), control
        )

    @classmethod
    def assemble(
        cls,
        measured: "Measured",
        called: Called,
        contacts: Contacts,
        margin: "MarginMap",
        study: "Study",
        annotations: Regions,
        control: "ControlSlide | None",
    ) -> "LiveGates":
        """Return the same as `of` from contacts that were sorted before."""
        cells = called.calls.cells
        places = margin.locate(cells.points_um).set_axis(cells.frame.index)
        cells = cells.with_columns(places[list(_PLACES)])
        missing = _missing(measured.panel, called)
        told = _standing(study, called, missing, {}, control)
        standing = Standing(margin.areas, told["params"], told["density"], told["control_slide"])
        in_control = control_mask(annotations, cells.points_um)
        counts = contacts.counted(codes_of(kinds_of(cells), in_control))
        return cls(
            measured, called, margin, study, annotations, control, cells, missing, standing,
            contacts, in_control, numbers_of(counts, standing, missing),
        )  # fmt: skip

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Gates in force that can be moved: those of measured markers, not of imported calls."""
        return tuple(
            gate
            for gate in self.called.gates
            if gate.source != "imported" and gate.statistic in self.measured.cells
        )

    @cached_property
    def shares(self) -> dict[tuple[str, str], float]:
        """Positive cells as a part of the parent's cells with a call, by gate; NaN without any."""
        found: dict[tuple[str, str], float] = {}
        for gate in self.gates:
            calls = self.calls[f"{gate.marker}_positive"][in_parent(self.calls, gate.parent)]
            known = int(calls.notna().sum())
            found[gate.marker, gate.parent] = int(calls.sum()) / known if known else float("nan")
        return found

    def gate(self, marker: str, parent: str) -> Gate:
        """Return the gate in force of a marker on the cells of a parent.

        Raises
        ------
        KeyError
            If there is none that can be moved.
        """
        for gate in self.gates:
            if (gate.marker, gate.parent) == (marker, parent):
                return gate
        raise KeyError(f"{marker}@{parent}")

    def prepare(self, marker: str, parent: str) -> Swing:
        """Sort the cells that a gate decides for; asked again, it is there already."""
        key = (marker, parent)
        with self._lock:
            if key not in self._swings:
                gate = self.gate(marker, parent)
                self._swings[key] = swing_of(
                    gate, self.measured.cells, lambda other: self._recalled(gate, other),
                    self.contacts,
                )  # fmt: skip
            return self._swings[key]

    def moved(self, marker: str, parent: str, threshold: float) -> Moved:
        """Return what a gate at another threshold gives; the other gates stay.

        Parameters
        ----------
        marker, parent
            Which gate.
        threshold
            Cells above it are positive, cells at it are not, in the marker's own units.
        """
        swing = self.prepare(marker, parent)
        above = len(swing.own_values) - int(
            np.searchsorted(swing.own_values, threshold, side="right")
        )
        positive = swing.always + above
        counts = swing.counts_at(threshold, self.contacts)
        gate = dataclasses.replace(
            swing.gate, method="fixed", source="fixed", threshold=float(threshold)
        )
        return Moved(
            gate=gate,
            positive=positive,
            negative=swing.own - swing.missing - positive,
            missing=swing.missing,
            changed=swing.changed(threshold),
            numbers=numbers_of(counts, self.standing, self._missing_at(swing, counts)),
            note=self.kept_while_moving(swing),
        )

    def positives(self, marker: str, parent: str, threshold: float) -> npt.NDArray[np.bool_]:
        """Return which cells are positive for a marker where one of its gates is moved, ``(n,)``.

        Cells of another parent are as their own gate calls them.
        """
        return self.prepare(marker, parent).positives(threshold)

    def turned(
        self, marker: str, parent: str, before: float, after: float
    ) -> npt.NDArray[np.int64]:
        """Return the rows of the cells whose call differs between two thresholds."""
        swing = self.prepare(marker, parent)
        return swing.between(swing.place(before), swing.place(after))

    def _recalled(self, gate: Gate, other: Gate) -> tuple[CellTable, npt.NDArray[np.int16]]:
        """Call the cells with another gate in place of one; return them and their kinds."""
        gates = tuple(other if g is gate else g for g in self.called.gates)
        called = recall(self.called, self.measured.cells, gates, self.study).cells
        called = called.with_columns(self.calls.frame[list(_PLACES)])
        return called, codes_of(kinds_of(called), self.in_control)

    def _missing_at(self, swing: Swing, counts: npt.NDArray[np.int64]) -> dict[str, str]:
        """Return which markers the slide lacks once a gate has a threshold."""
        panel, missing = self.measured.panel, dict(self.missing)
        for marker in self.missing:
            stain = panel.standing_for(marker)
            if stain is not None and stain.marker == swing.gate.marker and len(swing.rows):
                del missing[marker]
        if panel.standing_for("pdl1") is not None:
            missing.pop("pdl1", None)
            words = self.called.by_hand.calls.get("pdl1", {}).values()
            set_by_hand = sum(word != "missing" for word in words)
            if pdl1_known(counts) <= set_by_hand:  # that is no gate
                missing["pdl1"] = f"{TITLES['pdl1']} has no gate on this slide"
        return missing

    def kept_while_moving(self, swing: Swing) -> str:
        """Return what depends on a gate and stays while it moves, in words; empty if nothing."""
        if not swing.phenotypes:
            return ""
        kept = []
        if self.called.tumour_source == "derived":
            kept.append("the tumour region")
        for gate in self.called.gates:
            if gate.parent == "all":
                continue
            spec = find_spec(self.study.gate, gate.marker, gate.parent, self.study.gating)
            if spec.method != "fixed":
                kept.append(f"the gate of {gate_title(gate)}")
        if not kept:
            return ""
        return f"Kept while the gate moves, follow on release: {', '.join(kept)}."
