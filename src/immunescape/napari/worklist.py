"""A slide of a sample sheet, opened as far as people got with it; who has it open."""

import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape.cohort.plan import SLIDES, study_of
from immunescape.cohort.worklist import Entry, entry_of, gates_to_carry, kept_folder
from immunescape.errors import ImmunescapeError
from immunescape.napari.layers import facts_of, slide_layers
from immunescape.napari.lock import Holder, Lock
from immunescape.napari.opening import open_with
from immunescape.napari.reading import is_result
from immunescape.napari.showing import insert, remove
from immunescape.study import Study, read_study

if TYPE_CHECKING:
    from immunescape.napari.layers import LayerData
    from immunescape.napari.session import Session
    from immunescape.phenotype import GateSpec
    from immunescape.samples import Sample

__all__ = [
    "Looked",
    "OpenedSample",
    "carry_gates",
    "current_sample",
    "look_through",
    "open_sample",
    "put_sample",
    "results_made",
]


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A row of the worklist.

    Parameters
    ----------
    entry
        How far people are with it.
    holder
        The window that has it open; None where there is none.
    """

    entry: Entry
    holder: Holder | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedSample:
    """A slide of the sheet, ready to be shown.

    Parameters
    ----------
    sample
        Its row.
    layers
        Layer data tuples, which know its study, files and folder.
    gates, gates_of
        Gates that people confirmed on another slide of the patient, and on which one; empty where
        none are carried over.
    """

    sample: "Sample"
    layers: "list[LayerData]" = field(default_factory=list)
    gates: "tuple[GateSpec, ...]" = ()
    gates_of: str = ""


def look_through(samples: Iterable["Sample"], out: Path) -> tuple[Looked, ...]:
    """Return how far people are with each slide, and who has it open; for another thread."""
    found = []
    for sample in samples:
        holder = Lock(kept_folder(out, sample)).holder()
        held = holder if holder is not None and holder.running() else None
        found.append(Looked(entry=entry_of(sample, out), holder=held))
    return tuple(found)


def open_sample(
    sample: "Sample", samples: Sequence["Sample"], out: Path, base: Study = Study()
) -> OpenedSample:
    """Open a slide of the sheet; for another thread.

    Parameters
    ----------
    sample, samples
        Its row, and all rows.
    out
        Folder of the cohort.
    base
        Study that all slides have in common.

    Raises
    ------
    ImmunescapeError
        One line that names the file, what is wrong and what to do.
    """
    kept = kept_folder(out, sample) / "study.toml"
    study: Study | None = None
    options = (set_before := _study_before(sample, out, base)).slide
    if kept.is_file():  # the session reads it, and says what is wrong with it
        try:
            options = read_study(kept).slide
        except ImmunescapeError:
            study = None
    else:
        study = set_before
    files = {
        "name": sample.sample_id, "annotations": sample.annotations, "labels": sample.labels,
        "calls": sample.calls, "edits": sample.edits, "control": sample.control,
    }  # fmt: skip
    layers = slide_layers(open_with(sample.slide, options))
    for _, meta, _ in layers:
        meta["metadata"]["immunescape"] |= {
            "out": out / SLIDES,
            "files": {what: given for what, given in files.items() if given},
            "front": True,
        } | ({} if study is None else {"study": study})
    gates_of, other = gates_to_carry(sample, samples, out)
    gates = tuple(g for g in other.gate if g.confirmed)
    return OpenedSample(sample=sample, layers=layers, gates=gates, gates_of=gates_of)


def _study_before(sample: "Sample", out: Path, base: Study) -> Study:
    """Return the study of a slide that nobody set here: of its result, else of the sheet."""
    result = out / SLIDES / sample.sample_id
    if is_result(result):
        study = read_study(result / "study.toml")
        if any(i.role == "slide" and i.file == sample.slide.name for i in study.input):
            return dataclasses.replace(study, input=())
    return study_of(sample, base)


def put_sample(session: "Session", opened: OpenedSample) -> None:
    """Put a slide of the sheet into the viewer, in place of the one before.

    What was drawn on that is saved first; slides that came otherwise stay.
    """
    arrivals = session.arrivals
    assert arrivals is not None
    viewer = session.viewer
    session.saving.emit()
    slide = opened.layers[0][1]["metadata"]["immunescape"]["slide"]
    gone = {s.slide.name for s in arrivals.slides if "name" in s.files} | {slide}
    remove(viewer, [x for x in viewer.layers if facts_of(x).get("slide") in gone])
    arrivals.settle()
    insert(viewer, opened.layers)
    viewer.reset_view()


def carry_gates(session: "Session", opened: OpenedSample) -> bool:
    """Take over the gates of another slide of the patient, as far as this one has their stains.

    Nobody has looked at them here: who did is not carried over with them.

    Returns
    -------
    bool
        Whether there were any.
    """
    panel = session.panel
    if panel is None:
        return False
    carried = tuple(g for g in opened.gates if panel.standing_for(g.marker) is not None)
    if not carried:
        return False
    named = {(g.marker, g.parent) for g in carried}
    own = tuple(g for g in session.study.gate if (g.marker, g.parent) not in named)
    session.set_study(dataclasses.replace(session.study, gate=(*carried, *own), reviewed_by=""))
    return True


def current_sample(session: "Session", out: Path) -> str:
    """Return the name of the sample on the workbench; empty where it is none of this folder."""
    name: Any = session.own_files().get("name", "")
    return str(name) if session.slide is not None and session.out == out / SLIDES else ""


def results_made(samples: Iterable["Sample"], out: Path) -> dict[str, float]:
    """Return when the result of each sample was made, in seconds since 1970."""
    found = {}
    for sample in samples:
        path = out / SLIDES / sample.sample_id / "provenance.json"
        with contextlib.suppress(FileNotFoundError):
            found[sample.sample_id] = path.stat().st_mtime
    return found
