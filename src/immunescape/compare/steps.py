"""Steps of a patient from one timepoint to a later one, each number's change within the patient."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import inf, isnan, nan, sqrt

from immunescape.compare.metrics import Bounds, Key
from immunescape.compare.numbers import Number
from immunescape.compare.reasons import join
from immunescape.compare.slides import told
from immunescape.compare.specimens import Specimen, rank_of
from immunescape.samples import timepoint_order

__all__ = ["Change", "Step", "steps_of"]

WITHIN = "within slide only"
"""What the interval of one patient's change holds: chance on these slides, no other."""


@dataclass(frozen=True)
class Change:
    """How one number of a patient changed from one timepoint to another.

    Parameters
    ----------
    from_value, to_value
        The number at either, a mean over specimens where there are several.
    unit
        Of both.
    effect, bounds
        Change on the scale of the metric, and its interval within these slides.
    n_slides, n_cells
        Slides and cells of both timepoints.
    evaluable, reason
        Whether there is a change to tell, and why not or what should be known.
    """

    from_value: float
    to_value: float
    unit: str
    effect: float
    bounds: Bounds
    n_slides: int
    n_cells: float
    evaluable: bool
    reason: str

    @property
    def direction(self) -> str:
        """``rises`` or ``falls`` where the interval leaves out no change, else ``unclear``."""
        if not self.evaluable:
            return "not evaluable"
        if self.bounds.low > 0:
            return "rises"
        return "falls" if self.bounds.high < 0 else "unclear"


@dataclass(frozen=True, eq=False)
class Step:
    """One lesion of one patient from one timepoint to another, under one kind of gates.

    Parameters
    ----------
    patient, lesion, start, end, gates
        Which it is; `lesion` is ``A to B`` where no lesion was taken at both timepoints.
    before, after
        Specimens at either timepoint.
    """

    patient: str
    lesion: str
    start: str
    end: str
    gates: str
    before: tuple[Specimen, ...]
    after: tuple[Specimen, ...]

    @property
    def name(self) -> tuple[str, str, str, str]:
        """Which step it is, whatever the gates."""
        return self.patient, self.lesion, self.start, self.end

    @cached_property
    def changes(self) -> Mapping[Key, Change]:
        """Change of every number that either timepoint has, in the order of the tables."""
        keys = {key for specimen in (*self.before, *self.after) for key in specimen.numbers}
        return {key: self._change(key) for key in sorted(keys, key=rank_of)}

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """What else differs between the timepoints than time."""
        found = []
        if {s.lesion for s in self.before} != {s.lesion for s in self.after}:
            found.append("lesion differs")
        for name in ("tumour_source", "site", "batch"):
            sides = (self.label(name, self.before), self.label(name, self.after))
            if sides[0] != sides[1] or any(" + " in side for side in sides):
                found.append(f"{name} differs")
        days = [[s.day for s in side if not isnan(s.day)] for side in (self.before, self.after)]
        if all(days) and sum(days[0]) / len(days[0]) > sum(days[1]) / len(days[1]):
            found.append("days run against the order of the timepoints")
        return tuple(found)

    def label(self, name: str, side: Sequence[Specimen] | None = None) -> str:
        """Return what a property is: one value, or ``a to b`` where the timepoints differ."""
        if side is not None:
            return told(specimen.label(name) for specimen in side)
        first, last = self.label(name, self.before), self.label(name, self.after)
        return first if first == last else f"{first or 'not told'} to {last or 'not told'}"

    def _change(self, key: Key) -> Change:
        sides = [_Side.of(key, specimens) for specimens in (self.before, self.after)]
        start, end = sides
        slides = start.n_slides + end.n_slides
        cells = start.n_cells + end.n_cells
        unit = start.unit or end.unit
        stop = join(
            *(
                f"{timepoint}: {side.reason}"
                for timepoint, side in zip((self.start, self.end), sides, strict=True)
                if side.reason and not side.numbers
            )
        )
        if stop:
            return Change(start.value, end.value, unit, nan, Bounds(), slides, cells, False, stop)
        signed = [(-1 / len(start.numbers), n) for n in start.numbers]
        signed += [(1 / len(end.numbers), n) for n in end.numbers]
        note = join(
            *(
                f"{timepoint}: {side.reason}"
                for timepoint, side in zip((self.start, self.end), sides, strict=True)
                if side.reason
            ),
            _no_cell(key, start, end),
        )
        effect = sum(weight * number.effect for weight, number in signed)
        return Change(
            start.value, end.value, unit, effect, _combined(signed, effect), slides, cells,
            True, note,
        )  # fmt: skip


@dataclass(frozen=True)
class _Side:
    """One number at one timepoint: of the specimens that can be judged, and what of the others."""

    numbers: tuple[Number, ...]
    unit: str
    reason: str
    value: float
    n_slides: int
    n_cells: float

    @classmethod
    def of(cls, key: Key, specimens: Sequence[Specimen]) -> "_Side":
        there = [s.numbers[key] for s in specimens if key in s.numbers]
        good = tuple(
            n for n in there if n.evaluable and not isnan(n.effect) and abs(n.effect) < inf
        )
        out = [n.reason or "it has no logarithm" for n in there if n not in good]
        if len(there) < len(specimens):
            out.append("no such number")
        several = f"mean of {len(good)} specimens" if len(good) > 1 else ""
        left = [f"a specimen left out ({why})" for why in out] if good else out
        return cls(
            numbers=good,
            unit=there[0].unit if there else "",
            reason=join(several, *left),
            value=sum(n.value for n in good) / len(good) if good else nan,
            n_slides=sum(n.n_slides for n in good),
            n_cells=sum(n.n_cells for n in good),
        )


def steps_of(specimens: Sequence[Specimen]) -> tuple[Step, ...]:
    """Return every step from a timepoint to a later one that a patient has specimens at.

    Parameters
    ----------
    specimens
        Of all patients, under one kind of gates or both.

    Returns
    -------
    tuple
        Timepoints in the order of time over all patients. A step a lesion that was taken at both
        timepoints; where a patient has none, one step from all lesions of the first to all of the
        second.
    """
    order = timepoint_order(slide.sample for s in specimens for slide in s.slides)
    found: dict[tuple[str, str], list[Specimen]] = {}
    for specimen in specimens:
        found.setdefault((specimen.gates, specimen.patient), []).append(specimen)
    return tuple(
        step
        for (gates, patient), mine in sorted(found.items())
        for start, end in combinations(order, 2)
        for step in _lesion_steps(gates, patient, start, end, mine)
    )


def _lesion_steps(
    gates: str, patient: str, start: str, end: str, mine: Sequence[Specimen]
) -> Iterator[Step]:
    before, after = ([s for s in mine if s.timepoint == t] for t in (start, end))
    if not (before and after):
        return
    sides = [sorted({s.lesion for s in side}) for side in (before, after)]
    shared = [lesion for lesion in sides[0] if lesion in sides[1]]
    for lesion in shared:
        yield Step(
            patient, lesion, start, end, gates,
            tuple(s for s in before if s.lesion == lesion),
            tuple(s for s in after if s.lesion == lesion),
        )  # fmt: skip
    if not shared:
        name = " to ".join(" + ".join(x or "not told" for x in side) for side in sides)
        yield Step(patient, name, start, end, gates, tuple(before), tuple(after))


def _combined(signed: Sequence[tuple[float, Number]], effect: float) -> Bounds:
    """Return the interval of a weighted sum of independent numbers, from the interval of each.

    The distance from the sum to either end is the root of the summed squares of the weighted
    distances from each number to the end of its interval that moves the sum that way. Ends stay
    asymmetric, as those of densities and fractions are, and none has width 0.
    """
    methods = list(dict.fromkeys(number.effect_bounds.method for _, number in signed))
    if not all(methods):
        return Bounds()
    down = up = 0.0
    for weight, number in signed:
        below = number.effect - number.effect_bounds.low
        above = number.effect_bounds.high - number.effect
        first, second = (below, above) if weight > 0 else (above, below)
        down += (weight * first) ** 2
        up += (weight * second) ** 2
    method = f"{' and '.join(methods)}, squares added, {WITHIN}"
    return Bounds(effect - sqrt(down), effect + sqrt(up), method)


def _no_cell(key: Key, start: _Side, end: _Side) -> str:
    counted = key.metric in ("cd8_density", "cell_count")
    if counted and all(n.numerator == 0 for n in (*start.numbers, *end.numbers)):
        return "no such cell at either timepoint: the change is that of the areas alone"
    return ""
