"""Corrections made by hand, replayed: which cells they are about, and what became of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from immunescape.io.edits import Edit, Outcome
from immunescape.segment.corrections import NO_CELL, OUTSIDE, labels_at
from immunescape.spatial import Alternative

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.pipeline.calling import Called, ToCall
    from immunescape.pipeline.measured import Measured
    from immunescape.study import Study

__all__ = ["ByHand", "Unedited", "correction_record", "correction_warnings", "without_corrections"]

_NAMED = 5


@dataclass(frozen=True, eq=False)
class Unedited:
    """A slide before its labels were corrected.

    Parameters
    ----------
    measured
        Labels as they were found, and measurements of these.
    contacts
        Pairs of its cells in contact.
    """

    measured: "Measured"
    contacts: "pd.DataFrame"


@dataclass(frozen=True)
class ByHand:
    """Calls that a person corrected, with the cell that each is about.

    Parameters
    ----------
    found
        Each correction and the label at its position: 0 where there is no cell, -1 outside the
        slide.
    """

    found: tuple[tuple[Edit, int], ...] = ()

    @classmethod
    def located(cls, edits: Sequence[Edit], measured: "Measured") -> "ByHand":
        """Look the positions of corrections up in the labels of a slide."""
        if not edits:
            return cls()
        points = np.array([(edit.x_um, edit.y_um) for edit in edits])
        labels = labels_at(measured.cell_labels, points, measured.pixel_size_um)
        return cls(tuple(zip(edits, labels.tolist(), strict=True)))

    def __bool__(self) -> bool:
        return bool(self.found)

    @cached_property
    def calls(self) -> Mapping[str, Mapping[int, str]]:
        """What is set, by marker or ``phenotype`` and label; of several the last one holds."""
        calls: dict[str, dict[int, str]] = {}
        for edit, label in self.found:
            key, word = edit.call
            if label > 0:
                calls.setdefault(key, {})[label] = word
        return calls

    def outcomes(self, markers: Collection[str]) -> tuple[Outcome, ...]:
        """Tell what became of each correction where cells are called by these markers."""
        return tuple(Outcome(edit, _why(edit, label, markers)) for edit, label in self.found)

    def labels(self, markers: Collection[str]) -> frozenset[int]:
        """Return the cells that were corrected."""
        return frozenset(
            label for edit, label in self.found if not _why(edit, label, markers)
        )  # fmt: skip


def _why(edit: Edit, label: int, markers: Collection[str]) -> str:
    if label <= 0:
        return OUTSIDE if label < 0 else NO_CELL
    key, _ = edit.call
    if key != "phenotype" and key not in markers:
        return f"no cell of this slide is called by {key}"
    return ""


def correction_warnings(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return one line that counts what was applied and names what was not; none without any."""
    if not outcomes:
        return ()
    lost = [outcome for outcome in outcomes if outcome.why]
    applied = len(outcomes) - len(lost)
    line = f"{applied} correction{'' if applied == 1 else 's'} by hand applied"
    if lost:
        named = "; ".join(f"{outcome.edit.where}: {outcome.why}" for outcome in lost[:_NAMED])
        more = f"; and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        line += f", {len(lost)} not: {named}{more}"
    return (line,)


def correction_record(outcomes: Sequence[Outcome]) -> Mapping[str, Any]:
    """Return what a result keeps of the corrections, without who made them."""
    return {
        "applied": sum(not outcome.why for outcome in outcomes),
        "not_applied": [
            {
                name: getattr(outcome.edit, name)
                for name in ("time", "action", "x_um", "y_um", "after")
            }
            | {"why": outcome.why}
            for outcome in outcomes
            if outcome.why
        ],
    }


def without_corrections(
    slide: "ToCall", called: "Called", missing: Mapping[str, str], study: "Study"
) -> Alternative:
    """Return the slide as it is judged with none of its corrections.

    Parameters
    ----------
    slide
        The slide with its corrections.
    called
        Its cells called without them, by gates fitted without them.
    missing
        Reason by marker key, for the markers that it then lacks.
    study
        Its parameters.
    """
    measured = slide.uncorrected().measured
    margin = called.mapped(measured.counted_tissue(), slide.annotations, study)
    cells = called.calls.cells
    places = margin.locate(cells.points_um).set_axis(cells.frame.index)
    return Alternative(
        "edits",
        "without corrections",
        cells.with_columns(places),
        None if slide.unedited is None else slide.unedited.contacts,
        margin.areas,
        missing,
    )
