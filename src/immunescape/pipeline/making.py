"""Labels and measurements of one slide made anew, with all of an earlier result that still holds.

Where a person corrected labels, the labels as they were found stay with their measurements in a
store within the store: another correction, or none, needs no network, and the numbers can be
given with and without.
"""

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from immunescape.blocks import BlockMap, Progress, in_threads, silent
from immunescape.io.labels import LabelStore, check_imported_labels
from immunescape.pipeline.corrections import Unedited
from immunescape.pipeline.kept import copy_plane, writable
from immunescape.pipeline.measured import (
    Labelled,
    Measured,
    label_slide,
    measure_labelled,
)
from immunescape.pipeline.takeover import (
    keep_measurements,
    labelled_before,
    taken_over,
    unedited_before,
    unedited_store,
    without_tables,
)
from immunescape.pipeline.touching import Touching
from immunescape.segment.corrections import correct_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immunescape.io.edits import Edit
    from immunescape.pipeline.job import Job
    from immunescape.pipeline.provenance import Recorder
    from immunescape.pipeline.stages import Earlier
    from immunescape.pipeline.tiles import Tiles
    from immunescape.study import Study

__all__ = ["Made", "correct_labelled", "corrected_in_place", "label_anew", "make"]

_ROUNDING = 1e-9

Made = tuple[Measured, Touching, Unedited | None]
"""Measurements, contacts, and the slide before its labels were corrected, where they were."""


def make(
    job: "Job",
    tiles: "Tiles",
    earlier: "Earlier | None",
    recorder: "Recorder",
    progress: Progress,
) -> Made:
    """Find, correct and measure the cells of a slide, and which of them touch.

    Parameters
    ----------
    job
        The slide.
    tiles
        Where its label images are written, and tiles that are done are kept.
    earlier
        What the folder of its result holds already.
    recorder
        Told which steps were run or taken over.
    progress
        Called as the work goes on.
    """
    edits = job.opened.edits.of_labels
    pixel = job.opened.slide.pixel_size_um
    if not edits:
        measured, store = _as_found(job, tiles, earlier, recorder, progress)
        return measured, _touching(job, measured, store, tiles, recorder, progress), None
    before, kept = _as_found(job, tiles, earlier, recorder, progress)
    store = tiles.corrected(pixel)
    keep_measurements(kept, before.cells)
    contacts = kept.table("contacts", job.keys.unedited_contacts)
    if contacts is None:
        touching = Touching.found(
            before, without_tables(job.study), progress,
            tiles.mapper("foundcontacts", job.keys.unedited_contacts),
        )  # fmt: skip
        contacts = touching.contacts
        if "tables/contacts" not in kept.group:
            touching.keep(kept, job.keys.unedited_contacts)
    found = Labelled(kept, before.nuclei, before.cell_labels, before.origin, before.label_warnings)
    with recorder.step("correct labels"):
        labelled = correct_labelled(found, store, edits, job.study, progress=progress)
    mapper = tiles.mapper("corrected", job.keys.measurements)
    measured = _measure(job, labelled, tiles, mapper, recorder, progress)
    touching = _touching(job, measured, store, tiles, recorder, progress)
    return measured, touching, Unedited(before, contacts)


def _as_found(
    job: "Job",
    tiles: "Tiles",
    earlier: "Earlier | None",
    recorder: "Recorder",
    progress: Progress,
) -> tuple[Measured, LabelStore]:
    """Return the slide with the labels as they are found, and the store that holds them."""
    opened, folder = job.opened, job.folder
    if earlier is not None and earlier.keys.unedited == job.keys.unedited:
        recorder.reuse("segment")
        if not opened.edits.of_labels:
            recorder.reuse("measure")
        with taken_over(folder):
            before = unedited_before(
                folder, opened, earlier, job.study, job.keys.unedited_contacts
            )  # fmt: skip
            place = tiles.fresh()
            shutil.copytree(unedited_store(folder, earlier), place)
            store = writable(place)
        planes = {name: store[name] for name in ("nuclei", "cells") if name in store}
        measured = replace(
            before.measured, nuclei=planes.get("nuclei"), cell_labels=planes["cells"]
        )
        return measured, store
    store = tiles.found(opened.slide.pixel_size_um)
    if earlier is not None and earlier.keys.labels == job.keys.labels:
        recorder.reuse("segment")
        with taken_over(folder):
            labelled = labelled_before(folder, store, opened, earlier)
    else:
        labelled = label_anew(job, store, recorder, progress, tiles)
    mapper = tiles.mapper("measured", job.keys.unedited)
    return _measure(job, labelled, tiles, mapper, recorder, progress), store


def _measure(
    job: "Job",
    labelled: Labelled,
    tiles: "Tiles",
    mapper: BlockMap,
    recorder: "Recorder",
    progress: Progress,
) -> Measured:
    return measure_labelled(
        job.opened.slide, job.opened.panel, labelled, job.study, progress=progress,
        recorder=recorder, mapper=mapper, scratch=tiles.room,
    )  # fmt: skip


def _touching(
    job: "Job",
    measured: Measured,
    store: LabelStore,
    tiles: "Tiles",
    recorder: "Recorder",
    progress: Progress,
) -> Touching:
    kept = Touching.kept(store, job.keys.contacts, measured, job.study)
    if kept is not None:
        recorder.reuse("contacts")
        return kept
    with recorder.step("contacts"):
        mapper = tiles.mapper("contacts", job.keys.contacts)
        touching = Touching.found(measured, job.study, progress, mapper)
        if "tables/contacts" not in store.group:
            touching.keep(store, job.keys.contacts)
    return touching


def label_anew(
    job: "Job",
    store: LabelStore,
    recorder: "Recorder",
    progress: Progress,
    tiles: "Tiles | None" = None,
) -> Labelled:
    """Segment the slide, or take over imported labels once their numbers are checked."""
    if job.opened.labels is not None:
        check_imported_labels(job.opened.labels)
    labelled = label_slide(
        job.opened.slide, job.opened.panel, store, job.study, labels=job.opened.labels,
        progress=progress, recorder=recorder,
        mapper=in_threads if tiles is None else tiles.labelling,
        scratch=None if tiles is None else tiles.planes,
    )  # fmt: skip
    if tiles is not None:
        tiles.drop_planes()
    return labelled


def correct_labelled(
    found: Labelled,
    store: LabelStore,
    edits: "Sequence[Edit]",
    study: "Study",
    *,
    progress: Progress = silent,
) -> Labelled:
    """Copy label images into another store and correct them there as a person asked.

    Parameters
    ----------
    found
        Labels as they were found; they stay as they are.
    store
        Where the corrected ones are written.
    edits
        Corrections of labels, in the order they were made.
    study
        Says which cells touch.
    progress
        Called as the work goes on.
    """
    planes: dict[str, Any] = {"nuclei": None}
    for name, plane in (("nuclei", found.nuclei), ("cells", found.cells)):
        if plane is not None:
            planes[name] = store.add(name, (plane.shape[-2], plane.shape[-1]))
            copy_plane(plane, planes[name])
    copied = replace(found, store=store, nuclei=planes["nuclei"], cells=planes["cells"])
    corrected = corrected_in_place(copied, edits, study, progress=progress)
    for name, plane in planes.items():
        if plane is not None:
            store.finish(name)
    return corrected


def corrected_in_place(
    labelled: Labelled,
    edits: "Sequence[Edit]",
    study: "Study",
    *,
    progress: Progress = silent,
) -> Labelled:
    """Correct label images that can be written to; see `correct_labelled`."""
    pixel = labelled.store.pixel_size_um
    grown = labelled.nuclei is not None and bool(labelled.origin.get("grown", False))
    # grown cells meet wherever they touch; others may have a strip between them
    gap_px = 0 if grown else int(study.contact.gap_um / pixel + _ROUNDING)
    corrected = correct_labels(
        labelled.nuclei, labelled.cells, edits, pixel, gap_px=gap_px, progress=progress
    )
    return replace(labelled, corrected=corrected)
