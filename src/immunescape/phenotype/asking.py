"""The cells that are asked for a gate, in their order, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.methods import Automatic
from immunescape.phenotype.pooling import Group, Slidemate
from immunescape.phenotype.populations import NoThreshold, Populations, Threshold
from immunescape.phenotype.specs import GateMethod, GateParams, GateSpec, Parent
from immunescape.phenotype.together import TAIL, Together, fit_together, is_unclear

__all__ = ["Found", "Search"]

_CONTROL: dict[str, Parent] = {"tumour": "non_tumour", "non_tumour": "tumour"}
_NONE = NoThreshold("there are none")
_MOST_CELLS = 2_000_000
"""Of more cells than this every second, third, ... of each slide is asked."""


@dataclass(frozen=True, eq=False)
class Found:
    """What one set of cells says: a threshold or not, by which methods, from which cells.

    Where these cells were described together with others, ``beside`` and ``together`` hold those
    and the description.
    """

    result: Threshold | NoThreshold
    method: GateMethod
    chain: tuple[Automatic, ...]
    groups: tuple[Group, ...]
    beside: tuple[Group, ...] = ()
    together: Together | None = None

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """Intensities of all its cells."""
        return np.concatenate([np.empty(0), *(np.ravel(g.values) for g in self.groups)])

    @property
    def by_mixture(self) -> bool:
        """Whether a mixture found two populations."""
        return self.method == "gmm" and isinstance(self.result, Threshold)

    @property
    def reason(self) -> str:
        """Why there is no threshold; empty if there is one."""
        return self.result.reason if isinstance(self.result, NoThreshold) else ""


class Search:
    """The cells that may be asked for one gate; ``notes`` says why those asked had none."""

    def __init__(
        self, spec: GateSpec, params: GateParams, parent: Parent, here: Slidemate,
        others: Sequence[Slidemate], shared_by: str,
    ) -> None:  # fmt: skip
        self.params, self.parent, self.name = params, parent, shared_by
        self.method = spec.method
        self.other = _CONTROL.get(parent, parent)
        self.here, self.others = here, others
        self.notes: list[str] = []

    def alone(self) -> tuple[str, Found] | None:
        """Ask the slide itself, then the others."""
        controls = [s.control for s in self.others if s.control is not None]
        return self._ask("slide", [self.here.own], _present(self.here.control)) or (
            self._ask(self.name, [s.own for s in self.others], controls, "the other slides'")
            if self.others
            else None
        )

    def shared(self) -> tuple[str, Found] | None:
        """Ask all slides together, then the slide itself."""
        slides = [self.here, *self.others]
        controls = [s.control for s in slides if s.control is not None]
        pooled, control = self._find_both([s.own for s in slides], controls)
        own, alone = self._find_both([self.here.own], _present(self.here.control))
        doubt = self._doubted(pooled, control)
        if doubt is None:
            assert isinstance(pooled.result, Threshold)
            if self._doubted(own, alone) is None and not _parts(pooled.result, own.result):
                self.notes.append(
                    f"the threshold shared by the {self.name}, {pooled.result.value:.4g}, does not "
                    "part the two populations of this slide, whose own is taken: its stain differs"
                )
                return f"slide:{self.parent}", own
            return f"{self.name}:{self.parent}", pooled
        self.notes.append(f"{self._cells(self.parent)} of the {self.name}: {doubt}")
        if self._doubted(own, control) is None and not (
            pooled.reason == TAIL and is_unclear(own.result)
        ):
            self.notes.append("threshold of this slide's own")
            return f"slide:{self.parent}", own
        if control is not None and isinstance(control.result, Threshold):
            self.notes.append(f"threshold of its {self.other} cells")
            return f"{self.name}:{self.other}", control
        if alone is not None and isinstance(alone.result, Threshold):
            self.notes.append(f"threshold of the slide's {self.other} cells")
            return f"slide:{self.other}", alone
        if control is not None:
            self.notes.append(f"{self.other} cells: {control.reason}")
        return None

    def _ask(
        self, where: str, own: list[Group], controls: list[Group], whose: str = "the slide's"
    ) -> tuple[str, Found] | None:
        found, control = self._find_both(own, controls)
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

    def _find(self, groups: list[Group]) -> Found:
        """Apply the method to cells together, then look for a few positive ones."""
        groups = _thinned(groups)
        methods: tuple[GateMethod, ...] = (self.method,)
        if self.method != "tail":
            methods += ("tail",)
        chain = tuple(self.params.automatic(m) for m in methods)
        values = Found(_NONE, self.method, chain, tuple(groups)).values
        first: Threshold | NoThreshold = _NONE
        for k, method in enumerate(methods):
            result = chain[k](values)
            if isinstance(result, Threshold):
                return Found(result, method, chain[k:] if k else chain, tuple(groups))
            first = result if k == 0 else first
        return Found(first, self.method, chain, tuple(groups))

    def _find_both(self, own: list[Group], controls: list[Group]) -> tuple[Found, Found | None]:
        """Apply the method to the parent's cells and to the control.

        Where the mixture parts one of them without a valley, or finds one population in one and
        two in the other, they are described together.
        """
        found, control = self._find(own), self._find(controls)
        if not control.groups:
            return found, None
        pair = (found, control)
        if (
            self.method != "gmm"
            or not any(f.by_mixture for f in pair)
            or not any(is_unclear(f.result) or isinstance(f.result, NoThreshold) for f in pair)
        ):
            return pair
        both = fit_together(found.values, control.values, found.chain[0])
        if both is None:
            return pair
        told = _told(control, found, both.swapped())
        return _told(found, told, both), told

    def _doubted(self, found: Found, control: Found | None) -> str | None:
        """Why cells give no threshold, or one that the control contradicts; None if they do."""
        if isinstance(found.result, NoThreshold):
            return found.reason
        if control is None or isinstance(control.result, NoThreshold):
            return None
        return _contradicted(found.result.populations, control.result)

    @staticmethod
    def _cells(parent: str) -> str:
        return "cells" if parent == "all" else f"{parent} cells"


def _told(found: Found, beside: Found, both: Together) -> Found:
    """Return what cells say that are described together with others, where it is not clear.

    If they have no two populations by themselves, their threshold would be that of the others;
    then, and if their brighter cells prove to be a tail, only a higher one counts: the fewer cells
    are positive, the higher the threshold.
    """
    result = both.threshold(0, found.chain[0])
    least = beside.result.value if isinstance(beside.result, Threshold) else np.inf
    if isinstance(found.result, NoThreshold):
        if isinstance(result, NoThreshold) or result.value < least:
            return found
    elif not (found.by_mixture and is_unclear(found.result)):
        return found
    elif isinstance(result, NoThreshold):
        return found if found.result.value >= least else replace(found, result=result)
    return replace(found, result=result, beside=beside.groups, together=both)


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
