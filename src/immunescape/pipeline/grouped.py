"""Slides that share their gates, one at a time: only the gates themselves need all at once."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immunescape.io.labels import LabelStore
from immunescape.phenotype import Gate
from immunescape.pipeline.analysis import analyse
from immunescape.pipeline.calling import ToCall
from immunescape.pipeline.outputs import STORE
from immunescape.pipeline.shared import MAIN, Shared, call_together
from immunescape.pipeline.stages import Earlier, earlier_result
from immunescape.pipeline.takeover import (
    measured_before,
    taken_over,
    unedited_before,
    without_tables,
)
from immunescape.pipeline.touching import Touching

if TYPE_CHECKING:
    from immunescape.pipeline.corrections import Unedited
    from immunescape.pipeline.job import Job
    from immunescape.results import SlideResult
    from immunescape.study import Study

__all__ = [
    "GroupGates",
    "gates_of_group",
    "is_measured",
    "judged_alone",
    "shared_calls",
    "to_call",
    "unedited_of",
]

Gates = Mapping[tuple[str, str], tuple[Gate, ...]]


@dataclass(frozen=True, eq=False)
class GroupGates:
    """The gates of one slide of a group.

    Parameters
    ----------
    shared
        By kind and variant, as ``Shared.gates``.
    alone
        Those of the slide by itself; another slide's only where it has none. Empty where the
        study asks for gates by slide, and those are the shared ones.
    """

    shared: Gates
    alone: tuple[Gate, ...] = ()

    def as_rows(self) -> dict[str, Any]:
        """Return plain values for JSON, from which `read` makes the very same gates."""
        return {
            "shared": [
                {"kind": kind, "variant": variant, "gates": [vars(gate) for gate in gates]}
                for (kind, variant), gates in self.shared.items()
            ],
            "alone": [vars(gate) for gate in self.alone],
        }

    @classmethod
    def read(cls, rows: Mapping[str, Any]) -> "GroupGates":
        """Return the gates that ``as_rows`` told."""
        shared = {
            (told["kind"], told["variant"]): tuple(Gate(**gate) for gate in told["gates"])
            for told in rows["shared"]
        }
        return cls(shared, tuple(Gate(**gate) for gate in rows["alone"]))


def is_measured(job: "Job") -> bool:
    """Tell whether a folder holds the measured cells of this slide for this study."""
    earlier = earlier_result(job.folder)
    return (
        earlier is not None
        and earlier.slide_sha256 == job.opened.files[0].sha256
        and earlier.keys.measurements == job.keys.measurements
        and earlier.keys.contacts == job.keys.contacts
    )


def to_call(job: "Job") -> ToCall:
    """Return a slide whose cells were measured, to be called by itself or with others.

    Raises
    ------
    OutputError
        If its folder holds no result that can be read.
    """
    with taken_over(job.folder):
        earlier = earlier_result(job.folder)
        if earlier is None:
            raise ValueError("the slide was not measured")
        opened = job.opened
        measured = measured_before(job.folder, opened, earlier, job.study)
        unedited = unedited_of(job, earlier)
    edits = opened.edits.of_calls
    return ToCall.of(measured, opened.annotations, opened.calls, edits, unedited)


def unedited_of(job: "Job", earlier: Earlier) -> "Unedited | None":
    """Return the slide before its labels were corrected, where an earlier result corrected them."""
    if not earlier.unedited:
        return None
    key = job.keys.unedited_contacts
    return unedited_before(job.folder, job.opened, earlier, job.study, key)


def gates_of_group(slides: Sequence[ToCall], study: "Study") -> tuple[GroupGates, ...]:
    """Fit the gates of slides that were stained alike, of one patient or one batch.

    Parameters
    ----------
    slides
        The slides, measured; the only step that needs the cells of all in memory.
    study
        Gates, rules and parameters.

    Returns
    -------
    tuple
        For each slide, in order.
    """
    shared = call_together(slides, study)
    if study.gating.share == "slide":
        return tuple(GroupGates(s.gates) for s in shared)
    alone = call_together(slides, _by_slide(study))
    return tuple(GroupGates(s.gates, a.gates[MAIN]) for s, a in zip(shared, alone, strict=True))


def shared_calls(job: "Job", gates: GroupGates) -> Shared:
    """Call the cells of one slide by the gates it shares; no cell of another is needed."""
    (shared,) = call_together([to_call(job)], job.study, gates.shared)
    return shared


def judged_alone(job: "Job", gates: GroupGates) -> "SlideResult":
    """Return the tables of a measured slide under its own gates; nothing is written.

    Tables of sensitivity are left out; those under the shared gates have them.

    Raises
    ------
    OutputError
        If its folder holds no result that can be read.
    """
    study = _by_slide(job.study)
    slide = to_call(job)
    with taken_over(job.folder):
        store = LabelStore.open(job.folder / STORE)
        touching = Touching.kept(store, job.keys.contacts, slide.measured, study)
    if touching is None:
        touching = Touching.found(slide.measured, study)
    (shared,) = call_together([slide], study, {MAIN: gates.alone})
    opened = job.opened
    return analyse(
        slide.measured, study, opened.annotations, edits=opened.edits.of_calls,
        unedited=slide.unedited, contacts=touching.contacts, shared=shared,
        control=opened.control,
    )  # fmt: skip


def _by_slide(study: "Study") -> "Study":
    gating = dataclasses.replace(study.gating, share="slide")
    return without_tables(dataclasses.replace(study, gating=gating))
