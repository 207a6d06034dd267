"""What a gate is looked at by: its cells' values on the scale that gates are found on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunescape.margin import left_out
from immunescape.panel import TITLES
from immunescape.phenotype import Gate, Threshold, in_parent
from immunescape.phenotype.sample import take_sample
from immunescape.phenotype.specs import GateMethod

if TYPE_CHECKING:
    from immunescape.phenotype import NoThreshold
    from immunescape.pipeline.live import LiveGates

__all__ = [
    "METHOD_TITLES",
    "GateValues",
    "LogScale",
    "Proposal",
    "gate_title",
    "gate_values",
    "origin",
]

METHOD_TITLES: dict[GateMethod, str] = {
    "gmm": "mixture", "otsu": "Otsu", "tail": "tail", "fixed": "set by hand",
}  # fmt: skip
"""How the methods are called on the screen."""

_PARENTS = {"all": "", "tumour": " on tumour cells", "non_tumour": " on other cells"}
_AUTOMATIC: tuple[GateMethod, ...] = ("otsu", "gmm", "tail")
_BINS = 128
_COARSE_BINS = 64
_MANY = 20_000
"""From this number of cells on the bins are fine."""
_FEW = 2
_NICE = (1.0, 2.0, 5.0)
_LESS_NICE = (1.5, 3.0, 4.0, 7.0)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LogScale:
    """A logarithmic scale that starts below the dimmest cells: ``x = log(value + shift)``.

    Parameters
    ----------
    shift
        What is added to a value.
    low, high
        Ends of the scale, as places.
    """

    shift: float
    low: float
    high: float

    def place(self, values: npt.ArrayLike) -> Array:
        """Return the place of values; what lies beyond an end is put there."""
        moved = np.asarray(values, np.float64) + self.shift
        with np.errstate(divide="ignore", invalid="ignore"):
            places = np.where(moved > 0, np.log(moved), self.low)
        return np.clip(places, self.low, self.high)

    def value(self, place: float) -> float:
        """Return the value at a place between the ends."""
        return float(np.exp(min(max(place, self.low), self.high)) - self.shift)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values along the scale, dimmest first, at most that many apart enough."""
        start, stop = self.value(self.low), self.value(self.high)
        top = max(abs(start), abs(stop))
        if not top > 0:
            return []
        decades = 10.0 ** np.arange(np.floor(np.log10(top)) - 5, np.floor(np.log10(top)) + 1)
        candidates = [0.0]
        for steps in (_NICE, _LESS_NICE):
            round_ones = [float(n * d) for d in decades[::-1] for n in steps[::-1]]
            candidates += round_ones + [-c for c in round_ones]
        apart = (self.high - self.low) / most
        chosen: list[float] = []
        for value in candidates:
            place = float(self.place(value))
            inside = start <= value <= stop
            if inside and all(abs(place - float(self.place(c))) >= apart for c in chosen):
                chosen.append(value)
        return sorted(chosen)


@dataclass(frozen=True)
class Proposal:
    """What one automatic method says of the parent's own cells.

    Parameters
    ----------
    method
        ``otsu``, ``gmm`` or ``tail``.
    threshold
        None where it finds no second population.
    reason
        Why there is none.
    """

    method: GateMethod
    threshold: float | None
    reason: str = ""

    @property
    def title(self) -> str:
        """Name of the method on the screen."""
        return METHOD_TITLES[self.method]


@dataclass(frozen=True, eq=False)
class GateValues:
    """The histogram of a gate.

    Parameters
    ----------
    gate
        The gate in force.
    scale
        Scale of the places.
    edges
        Places of the edges of the bins, ``(bins + 1,)``.
    counts
        The parent's cells in each bin, ``(bins,)``; the dimmest and the brightest stand in the
        outer bins.
    beside
        The slide's other cells in each bin; none where the parent is all cells.
    cells
        Number of the parent's cells with a value.
    proposals
        What the automatic methods say of these cells.
    """

    gate: Gate
    scale: LogScale
    edges: Array
    counts: Array
    beside: Array
    cells: int
    proposals: tuple[Proposal, ...]


def gate_values(live: "LiveGates", marker: str, parent: str) -> GateValues:
    """Count the cells of a gate in a histogram, and ask every automatic method.

    Parameters
    ----------
    live
        The slide.
    marker, parent
        Which gate.

    Returns
    -------
    GateValues
        Once made it serves every step of a drag; a million cells take a second or two.
    """
    gate = live.gate(marker, parent)
    values = live.measured.cells[gate.statistic].to_numpy(np.float64)
    finite = np.isfinite(values)
    mine = in_parent(live.calls, gate.parent) & finite
    other = finite & ~mine if gate.parent != "all" else np.zeros(len(values), bool)
    usable = ~left_out(live.annotations, live.calls.points_um)
    usable &= ~live.measured.in_excluded_proposals()
    params = live.study.gating
    proposals = []
    for method in _AUTOMATIC:
        found: Threshold | NoThreshold = params.automatic(method)(values[mine & usable])
        if isinstance(found, Threshold):
            proposals.append(Proposal(method, found.value))
        else:
            proposals.append(Proposal(method, None, found.reason))
    scale, edges, counts = _histogram(values[mine], values[mine | other])
    beside = np.histogram(scale.place(values[other]), bins=edges)[0].astype(np.float64)
    return GateValues(gate, scale, edges, counts, beside, int(mine.sum()), tuple(proposals))


def _histogram(own: Array, every: Array) -> tuple[LogScale, Array, Array]:
    """Return scale, edges and counts; values on a lattice are spread over its step."""
    bins = _BINS if own.size >= _MANY else _COARSE_BINS
    sample = take_sample(own, _FEW) if own.size >= _FEW else "none"
    if isinstance(sample, str):
        sample = take_sample(every, _FEW) if every.size >= _FEW else "none"
    if isinstance(sample, str):
        middle = float(own[0]) if own.size else 0.0
        reach = max(abs(middle), 1.0)
        shift = 2 * reach - middle
        scale = LogScale(shift, float(np.log(reach)), float(np.log(4 * reach)))
        edges = np.linspace(scale.low, scale.high, bins + 1)
        return scale, edges, np.histogram(scale.place(own), bins=edges)[0].astype(np.float64)
    centres = sample.log_values
    half = float(centres[1] - centres[0]) / 2
    scale = LogScale(sample.shift, float(centres[0]) - half, float(centres[-1]) + half)
    edges = np.linspace(scale.low, scale.high, bins + 1)
    if int(sample.counts[0].sum()) > own.size:  # the scale is that of all cells
        return scale, edges, np.histogram(scale.place(own), bins=edges)[0].astype(np.float64)
    counts = sample.counts[0].reshape(bins, -1).sum(1)
    counts[0] += own.size - counts.sum()
    return scale, edges, counts


def gate_title(gate: Gate) -> str:
    """Return the name of a gate, such as ``PD-L1 on tumour cells``."""
    return f"{TITLES.get(gate.marker, gate.marker.upper())}{_PARENTS[gate.parent]}"


def origin(gate: Gate) -> str:
    """Return in words where a gate in force comes from.

    Examples
    --------
    >>> origin(Gate("cd8", "all", "cd8_membrane_mean", "gmm", "slide:all", 3.0))
    'automatic (mixture), from these cells'
    >>> origin(Gate("pdl1", "tumour", "pdl1_membrane_mean", "tail", "slide:non_tumour", 3.0))
    "automatic (tail), from the slide's other cells"
    """
    if gate.source == "missing":
        return "no gate: no second population was found"
    if gate.source == "file":
        return "from a table of gates"
    if gate.source == "fixed":
        return "set by hand"
    where, _, cells = gate.source.partition(":")
    same = cells == gate.parent
    if where == "slide":
        whose = "these cells" if same else f"the slide's {_named(cells)}"
    else:
        whose = f"{'such cells' if same else _named(cells)} of the {where}'s slides"
    return f"automatic ({METHOD_TITLES.get(gate.method, gate.method)}), from {whose}"  # type: ignore[call-overload]


def _named(cells: str) -> str:
    return {"tumour": "tumour cells", "non_tumour": "other cells"}.get(cells, "cells")
