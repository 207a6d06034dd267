"""How a gate is found: which cells are asked, in which order, and how far it could move."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.gates import Gate
from immunescape.phenotype.methods import Automatic
from immunescape.phenotype.pooling import Group, Slidemate, comparable
from immunescape.phenotype.populations import NoThreshold, Populations, Threshold
from immunescape.phenotype.ranges import gate_range
from immunescape.phenotype.specs import GateMethod, GateParams, GateSpec, Parent

__all__ = ["fit_gate"]

_CONTROL: dict[str, Parent] = {"tumour": "non_tumour", "non_tumour": "tumour"}
_MANY_MISSED = 0.1
_MOST_CELLS = 2_000_000
"""Of more cells than this every second, third, ... of each slide is asked."""


@dataclass(frozen=True, eq=False)
class _Found:
    """What one set of cells says: a threshold or not, by which methods, from which cells."""

    result: Threshold | NoThreshold
    method: GateMethod
    chain: tuple[Automatic, ...]
    groups: tuple[Group, ...]

    @property
    def reason(self) -> str:
        return self.result.reason if isinstance(self.result, NoThreshold) else ""


def fit_gate(
    values: Group | npt.ArrayLike,
    control: Group | npt.ArrayLike | None,
    spec: GateSpec,
    statistic: str,
    params: GateParams | None = None,
    *,
    parent: Parent | None = None,
    others: Sequence[Slidemate] = (),
    shared_by: str = "patient",
    seed: int = 0,
) -> Gate:
    """Find the threshold of a marker for the cells of one parent.

    A fixed gate is what the study says. Otherwise cells are asked in this order, until some hold
    two populations:

    - slides that share a gate: the parent's cells of all of them, the parent's cells of this
      slide, then, as a positive control, the other cells of all of them and of this slide;
    - else: the parent's cells of this slide, its other cells, then the parent's and the other
      cells of the patient's or batch's other slides;

    then the value that the study gives for this case; and only then the gate is missing. Cells in
    which the method finds no second population are searched for a gap above the negative cells
    (``tail``) before they are given up, because positive cells may be few.

    Only slides whose dim cells are as bright as those of this one are asked (see
    `immunescape.phenotype.pooling.comparable`), and a shared threshold that does not part this
    slide's own two populations gives way to their own.

    Where the control holds two populations further apart than those of the parent, it also
    decides whether the parent's are a negative and a positive one: the parent's upper population
    must lie within two standard deviations of the control's positive one and nearer to it than to
    the negative one, and its lower population must be negative under the control. So the light
    that negative tumour cells receive from positive neighbours is not taken for tumour cells
    that are positive themselves.

    Parameters
    ----------
    values
        Intensities of the parent's cells, ``(n,)``; NaN is left out. May be empty. A `Group`
        has positions as well, and only then the gate has a range.
    control
        Intensities of the slide's other cells; None where there are none, as for ``all``.
    spec
        What the study sets for the marker.
    statistic
        Column that the intensities come from.
    params
        The automatic method's settings.
    parent
        Cells that the gate decides for; the parent of the spec if not given.
    others
        The patient's or batch's other slides, in the same statistic.
    shared_by
        ``patient`` or ``batch``: what the slides have in common.
    seed
        Seed of the range.

    Returns
    -------
    gate
        With a control gate no cell of the parent may be positive: that is a count of 0. Its range
        comes from the cells that the threshold comes from.
    """
    params = params or GateParams()
    parent = parent or spec.parent
    base = Gate(spec.marker, parent, statistic, spec.method, "missing", None)
    if spec.method == "fixed":
        known = "file" if spec.source == "file" else "fixed"
        return _given(base, spec, _beyond(spec, values, control), source=known)
    here = Slidemate(_group(values), None if control is None else _group(control))
    kept = comparable(here, others, params.min_cells)
    note = _left_out(len(others) - len(kept), len(others), shared_by)
    search = _Search(spec, params, parent, here, kept, shared_by)
    found = search.shared() if kept and params.share != "slide" else search.alone()
    notes = [*search.notes, *note]
    if found is not None:
        source, best = found
        assert isinstance(best.result, Threshold)
        key = zlib.crc32(f"{spec.marker}@{parent}".encode())
        span = gate_range(best.groups, best.chain, params.bootstrap_draws, (seed, key))
        low = high = None
        if span is not None:
            low, high = min(span[0], best.result.value), max(span[1], best.result.value)
            if span[2] > _MANY_MISSED:
                notes.append(f"{100 * span[2]:.0f} % of the bootstrap draws show no gate")
        return replace(
            base, method=best.method, source=source, threshold=best.result.value,
            gate_low=low, gate_high=high, confirmed=spec.confirmed, note="; ".join(notes),
        )  # fmt: skip
    if spec.value is not None:
        return _given(base, spec, "; ".join([*notes, "value given by the study"]))
    return replace(base, note="; ".join(notes))


def _given(base: Gate, spec: GateSpec, note: str = "", source: str = "fixed") -> Gate:
    """Return the gate at the value that a person gave."""
    return replace(
        base, method="fixed", source=source, threshold=spec.value, note=note,
        gate_low=spec.gate_low, gate_high=spec.gate_high,
        confirmed=spec.confirmed or spec.source == "study",
    )  # fmt: skip


def _beyond(
    spec: GateSpec, own: Group | npt.ArrayLike, control: Group | npt.ArrayLike | None
) -> str:
    """Tell of a given value that parts no cells of the slide, as one in other units does."""
    seen = np.concatenate([_group(v).values for v in (own, control) if v is not None])
    seen = seen[np.isfinite(seen)]
    assert spec.value is not None
    if not len(seen) or seen.min() <= spec.value <= seen.max():
        return ""
    side = "above" if spec.value > seen.max() else "below"
    return f"the threshold lies {side} every cell of the slide"


class _Search:
    """The cells that may be asked for one gate, and why those that were asked had none."""

    def __init__(
        self, spec: GateSpec, params: GateParams, parent: Parent, here: Slidemate,
        others: Sequence[Slidemate], shared_by: str,
    ) -> None:  # fmt: skip
        self.params, self.parent, self.name = params, parent, shared_by
        self.method = spec.method
        self.other = _CONTROL.get(parent, parent)
        self.here, self.others = here, others
        self.notes: list[str] = []

    def alone(self) -> tuple[str, _Found] | None:
        """Ask the slide itself, then the others."""
        controls = [s.control for s in self.others if s.control is not None]
        return self._ask("slide", [self.here.own], _present(self.here.control)) or (
            self._ask(self.name, [s.own for s in self.others], controls, "the other slides'")
            if self.others
            else None
        )

    def shared(self) -> tuple[str, _Found] | None:
        """Ask all slides together, then the slide itself."""
        together = [self.here, *self.others]
        control = _pooled(self._find([s.control for s in together if s.control is not None]))
        own = self._find([self.here.own])
        pooled = self._find([s.own for s in together])
        doubt = self._doubted(pooled, control)
        if doubt is None:
            assert isinstance(pooled.result, Threshold)
            alone = self._find(_present(self.here.control))
            if self._doubted(own, _pooled(alone)) is None and not _parts(pooled.result, own.result):
                self.notes.append(
                    f"the threshold shared by the {self.name}, {pooled.result.value:.4g}, does not "
                    "part the two populations of this slide, whose own is taken: its stain differs"
                )
                return f"slide:{self.parent}", own
            return f"{self.name}:{self.parent}", pooled
        self.notes.append(f"{self._cells(self.parent)} of the {self.name}: {doubt}")
        if isinstance(own.result, Threshold) and self._doubted(own, control) is None:
            self.notes.append("threshold of this slide's own")
            return f"slide:{self.parent}", own
        if control is not None and isinstance(control.result, Threshold):
            self.notes.append(f"threshold of its {self.other} cells")
            return f"{self.name}:{self.other}", control
        found = self._find(_present(self.here.control))
        if isinstance(found.result, Threshold):
            self.notes.append(f"threshold of the slide's {self.other} cells")
            return f"slide:{self.other}", found
        if control is not None:
            self.notes.append(f"{self.other} cells: {control.reason}")
        return None

    def _ask(
        self, where: str, own: list[Group], controls: list[Group], whose: str = "the slide's"
    ) -> tuple[str, _Found] | None:
        found = self._find(own)
        control = _pooled(self._find(controls))
        doubt = self._doubted(found, control)
        if doubt is None:
            if self.notes:
                self.notes.append(f"threshold of {whose} {self._cells(self.parent)}")
            return f"{where}:{self.parent}", found
        mark = f" of {whose[:-1]}" if where != "slide" else ""
        self.notes.append(f"{self._cells(self.parent)}{mark}: {doubt}")
        if control is not None and isinstance(control.result, Threshold):
            self.notes.append(f"threshold of {whose} {self.other} cells")
            return f"{where}:{self.other}", control
        if control is not None:
            self.notes.append(f"{self.other} cells{mark}: {control.reason}")
        return None

    def _find(self, groups: list[Group]) -> _Found:
        """Apply the method to cells together, then look for a few positive ones."""
        groups = _thinned(groups)
        methods: tuple[GateMethod, ...] = (self.method,)
        if self.method != "tail":
            methods += ("tail",)
        chain = tuple(self.params.automatic(m) for m in methods)
        values = np.concatenate([np.empty(0), *(np.ravel(g.values) for g in groups)])
        first: Threshold | NoThreshold = NoThreshold("there are none")
        for k, method in enumerate(methods):
            result = chain[k](values)
            if isinstance(result, Threshold):
                return _Found(result, method, chain[k:] if k else chain, tuple(groups))
            first = result if k == 0 else first
        return _Found(first, self.method, chain, tuple(groups))

    def _doubted(self, found: _Found, control: _Found | None) -> str | None:
        """Why cells give no threshold, or one that the control contradicts; None if they do."""
        if isinstance(found.result, NoThreshold):
            return found.reason
        if control is None or isinstance(control.result, NoThreshold):
            return None
        return _contradicted(found.result.populations, control.result)

    @staticmethod
    def _cells(parent: str) -> str:
        return "cells" if parent == "all" else f"{parent} cells"


def _group(values: Group | npt.ArrayLike) -> Group:
    if isinstance(values, Group):
        return values
    return Group(np.asarray(values, dtype=np.float64).ravel())


def _thinned(groups: list[Group]) -> list[Group]:
    """Return an even part of the cells of each slide where there are more than are needed."""
    step = -(-sum(len(g.values) for g in groups) // _MOST_CELLS)
    if step <= 1:
        return groups
    return [
        Group(g.values[::step], None if g.points_um is None else g.points_um[::step])
        for g in groups
    ]


def _present(group: Group | None) -> list[Group]:
    return [] if group is None else [group]


def _pooled(found: _Found) -> _Found | None:
    return found if found.groups else None


def _left_out(count: int, of: int, name: str) -> list[str]:
    if not count:
        return []
    return [
        f"{count} of {of} other slides of the {name} are not asked: their dim cells are not as "
        "bright as here, stain or exposure differ"
    ]


def _parts(shared: Threshold, own: Threshold | NoThreshold) -> bool:
    """Whether a shared threshold parts the slide's own populations, if it has two."""
    if isinstance(own, NoThreshold) or own.populations is None:
        return True
    populations = own.populations
    return bool(
        populations.low + populations.low_sd <= populations.place(shared.value) <= populations.high
    )


def _contradicted(own: Populations | None, other: Threshold) -> str | None:
    """Why the parent's two populations are not a negative and a positive one, if so."""
    if own is None or other.populations is None:
        return None
    control = other.populations
    low, high = own.value(own.low), own.value(own.high)
    if control.value(control.high) - control.value(control.low) <= high - low:
        return None
    least = max((control.low + control.high) / 2, control.high - 2 * control.high_sd)
    if control.place(high) < least:
        return "the brighter population is dimmer than the control's positive cells"
    if low >= other.value:
        return "the dimmer population is positive under the control"
    return None
