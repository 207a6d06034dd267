"""How the calls of a slide swing when one gate moves: each cell is one of two things.

A cell is above a gate or it is not. Calling the slide once with the gate below and once with it
above all cells gives both sides of every cell, rules, parents and corrections included; any
threshold in between is a choice of side for each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunescape.phenotype import Gate, in_parent
from immunescape.pipeline.live_numbers import CODES, is_cd8

if TYPE_CHECKING:
    from immunescape.cells import CellTable

__all__ = ["Contacts", "Swing", "swing_of"]

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Contacts:
    """Which cells touch which, as rows of the cell table.

    Parameters
    ----------
    start
        Neighbours of row ``i`` are ``rows[start[i]:start[i + 1]]``, ``(n + 1,)``.
    rows
        Neighbours of all cells, one after another.
    """

    start: Ints
    rows: Ints

    @classmethod
    def of(cls, ends: tuple[Ints, Ints], n: int) -> "Contacts":
        """Return the neighbours of ``n`` cells from both ends of each contact."""
        one, other = np.concatenate(ends), np.concatenate(ends[::-1])
        start = np.zeros(n + 1, np.int64)
        np.cumsum(np.bincount(one, minlength=n), out=start[1:])
        return cls(start, other[np.argsort(one, kind="stable")])

    def touched(self, cells: Ints, times: Ints, n: int) -> npt.NDArray[np.float64]:
        """Sum ``times`` of some cells over the neighbours of each, ``(n,)``."""
        first, number = self.start[cells], self.start[cells + 1] - self.start[cells]
        before = np.cumsum(number) - number
        at = np.repeat(first - before, number) + np.arange(int(number.sum()))
        weights = np.repeat(times, number).astype(np.float64)
        found = np.bincount(self.rows[at], weights=weights, minlength=n)
        return np.asarray(found, np.float64)

    def near_cd8(self, codes: Codes) -> Ints:
        """Count the CD8 T cells that each cell touches, ``(n,)``, from the kinds of the cells."""
        cd8 = np.flatnonzero(is_cd8(codes))
        return self.touched(cd8, np.ones(len(cd8), np.int64), len(codes)).astype(np.int64)

    def counted(self, codes: Codes, touched: Ints | None = None) -> Ints:
        """Count the cells of each kind, not near and near a CD8 T cell, ``(CODES, 2)``.

        ``touched`` is that of `near_cd8` where it is known.
        """
        touched = self.near_cd8(codes) if touched is None else touched
        index = codes.astype(np.int64) * 2 + (touched > 0)
        return np.bincount(index, minlength=2 * CODES).reshape(CODES, 2).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Anchor:
    """A slide counted with a gate at one place.

    Parameters
    ----------
    place
        How many of the cells that change sides are not above the gate.
    codes
        Kind of every cell, ``(n,)``.
    touched, near
        CD8 T cells that each cell touches, and whether any, ``(n,)``.
    counts
        Cells of each kind, not near and near a CD8 T cell, ``(CODES, 2)``.
    """

    place: int
    codes: Codes
    touched: npt.NDArray[np.int32]
    near: Mask
    counts: Ints


@dataclass(frozen=True, eq=False)
class Swing:
    """Both sides of every cell that one gate decides for.

    Parameters
    ----------
    gate
        The gate in force.
    rows, values
        Cells that change sides and their values, dimmest first, ``(m,)``.
    below, above
        Kind of those cells where they are not, and are, above the gate, ``(m,)``.
    positive_below, positive_above
        Whether they then count as positive for the marker, ``(m,)``.
    positive
        Cells positive wherever the gate lies, ``(n,)``; rows of ``rows`` are False.
    reference
        How many of ``rows`` are not above the gate in force; all where it has no threshold.
    anchors
        The slide counted with the gate at some places: a threshold is counted from the nearest.
    own_values
        Values of the parent's cells that change sides, dimmest first.
    always, missing
        The parent's cells that are positive wherever the gate lies, and those without a call.
    own
        Number of the parent's cells.
    phenotypes
        Whether any cell's phenotype depends on the gate.
    """

    gate: Gate
    rows: Ints
    values: npt.NDArray[np.float64]
    below: Codes
    above: Codes
    positive_below: Mask
    positive_above: Mask
    positive: Mask
    reference: int
    anchors: tuple[Anchor, ...]
    own_values: npt.NDArray[np.float64]
    always: int
    missing: int
    own: int
    phenotypes: bool

    def place(self, threshold: float) -> int:
        """Return how many of the cells that change sides are not above a threshold."""
        return int(np.searchsorted(self.values, threshold, side="right"))

    def changed(self, threshold: float) -> Ints:
        """Return the rows of the cells on another side than at the reference."""
        return self.between(self.place(threshold), self.reference)

    def between(self, one: int, other: int) -> Ints:
        """Return the rows of the cells between two places."""
        return self.rows[min(one, other) : max(one, other)]

    def positives(self, threshold: float) -> Mask:
        """Return which cells are positive for the marker at a threshold, ``(n,)``."""
        at = self.place(threshold)
        found = self.positive.copy()
        found[self.rows[:at]] = self.positive_below[:at]
        found[self.rows[at:]] = self.positive_above[at:]
        return found

    def counts_at(self, threshold: float, contacts: Contacts) -> Ints:
        """Return the cells of each kind, not near and near a CD8 T cell, at a threshold."""
        at = self.place(threshold)
        anchor = min(self.anchors, key=lambda anchor: abs(anchor.place - at))
        span = slice(min(at, anchor.place), max(at, anchor.place))
        old, new = self.below[span], self.above[span]
        if at > anchor.place:
            old, new = new, old
        rows = self.rows[span]
        counts = anchor.counts.copy()
        here = anchor.near[rows]
        _move(counts, old, new, here, here)
        was, now = is_cd8(old), is_cd8(new)
        flipped = was != now
        if flipped.any():
            sign = np.where(now[flipped], 1, -1)
            near = anchor.touched + contacts.touched(rows[flipped], sign, len(anchor.near)) > 0
            turned = np.flatnonzero(near != anchor.near)
            codes = anchor.codes.copy()
            codes[rows] = new
            _move(counts, codes[turned], codes[turned], anchor.near[turned], near[turned])
        return counts


def swing_of(
    gate: Gate,
    cells: "CellTable",
    recalled: Callable[[Gate], tuple["CellTable", Codes]],
    contacts: Contacts,
) -> Swing:
    """Call the slide with a gate below and above all cells, and sort the cells between.

    Parameters
    ----------
    gate
        The gate in force.
    cells
        Measured cells.
    recalled
        Calls the slide with another gate in place of this one and returns the called cells and
        their kinds.
    contacts
        Which cells touch which.
    """
    column = f"{gate.marker}_positive"
    low, below = recalled(replace(gate, threshold=np.inf))
    dim, dim_known = _call(low, column)
    mine = in_parent(low, gate.parent)
    high, above = recalled(replace(gate, threshold=-np.inf))
    bright, bright_known = _call(high, column)
    values = cells[gate.statistic].to_numpy(np.float64)
    swings = (below != above) | (dim != bright) | (dim_known != bright_known)
    rows = np.flatnonzero(swings)
    rows = rows[np.argsort(values[rows], kind="stable")]
    ordered = values[rows]
    reference = len(rows)
    if gate.threshold is not None:
        reference = int(np.searchsorted(ordered, gate.threshold, side="right"))

    def anchored(place: int) -> Anchor:
        codes = below.copy()
        codes[rows[place:]] = above[rows[place:]]
        touched = contacts.near_cd8(codes)
        counts = contacts.counted(codes, touched)
        return Anchor(place, codes, touched.astype(np.int32), touched > 0, counts)

    own = mine[rows]
    fixed = mine & ~swings
    return Swing(
        gate=gate,
        rows=rows,
        values=ordered,
        below=below[rows],
        above=above[rows],
        positive_below=dim[rows],
        positive_above=bright[rows],
        positive=dim & ~swings,
        reference=reference,
        anchors=tuple(anchored(n) for n in sorted({0, len(rows) // 2, len(rows), reference})),
        own_values=ordered[own],
        always=int((fixed & dim).sum()),
        missing=int((fixed & ~dim_known).sum()),
        own=int(mine.sum()),
        phenotypes=bool((low["phenotype"] != high["phenotype"]).any()),
    )


def _call(cells: "CellTable", column: str) -> tuple[Mask, Mask]:
    """Return which cells are positive, and which have a call."""
    called = cells[column].array
    known = ~np.asarray(called.isna(), bool)
    return np.asarray(called.fillna(False), bool), known


def _move(counts: Ints, old: Codes, new: Codes, was_near: Mask, is_near: Mask) -> None:
    """Take cells out of the counts as what they were and put them in as what they are."""
    flat = counts.reshape(-1)
    for sign, code, near in ((-1, old, was_near), (1, new, is_near)):
        flat += sign * np.bincount(code.astype(np.int64) * 2 + near, minlength=flat.size)
