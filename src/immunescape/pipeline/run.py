"""One slide from its file to its result folder, taking over what an earlier run left unchanged."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.blocks import BlockMap, Progress, silent
from immunescape.errors import OutputError
from immunescape.io.fingerprint import whole_hash
from immunescape.io.labels import LabelStore
from immunescape.io.output import staged_folder
from immunescape.pipeline.analysis import analyse
from immunescape.pipeline.calling import ToCall, with_gates
from immunescape.pipeline.corrections import Unedited
from immunescape.pipeline.given import CORRECTIONS, REPLACED
from immunescape.pipeline.grouped import unedited_of
from immunescape.pipeline.inputs import Inputs
from immunescape.pipeline.inspection import inspected
from immunescape.pipeline.job import Job, open_job
from immunescape.pipeline.making import corrected_in_place, label_anew, make
from immunescape.pipeline.measured import Labelled, Measured, measure_labelled
from immunescape.pipeline.named_files import with_model_found
from immunescape.pipeline.outputs import (
    OUTPUT_NAMES,
    REPORT,
    STORE,
    update_outputs,
    write_outputs,
)
from immunescape.pipeline.pictures import pictured
from immunescape.pipeline.provenance import Recorder, provenance_of
from immunescape.pipeline.shared import Shared, call_together
from immunescape.pipeline.stages import StageKeys, earlier_result
from immunescape.pipeline.sweep import Sweep, check_swept, sweep_table
from immunescape.pipeline.takeover import (
    UNEDITED,
    measured_before,
    taken_over,
    without_tables,
)
from immunescape.pipeline.tiles import Means, drop_labels, tiles_of
from immunescape.pipeline.touching import Touching
from immunescape.report.html.slide import slide_report
from immunescape.report.told import Told

if TYPE_CHECKING:
    from immunescape.results import SlideResult
    from immunescape.study import Study

__all__ = ["run_job", "run_slide"]


def run_slide(
    inputs: Inputs,
    out: Path,
    study: "Study",
    *,
    csv: bool = False,
    overwrite: bool = False,
    sweeps: tuple[Sweep, ...] = (),
    notes: tuple[str, ...] = (),
    means: Means = Means(),
    progress: Progress = silent,
) -> "SlideResult":
    """Analyse one slide and write its result folder ``out/<slide name>/``.

    Parameters
    ----------
    inputs
        The files given.
    out
        Folder that holds one folder a slide.
    study
        Everything that decides the numbers.
    csv
        Write the cells as CSV in place of parquet.
    overwrite
        Make everything again, whatever the folder holds.
    sweeps
        Parameters to vary; the summaries go to ``sweep.csv``.
    notes
        What was noticed while the study was read; told with the warnings.
    means
        How the run is carried out.
    progress
        Called as the work goes on.

    Returns
    -------
    SlideResult
        What was written.

    Raises
    ------
    ImmunescapeError
        One line that names the file, the thing and the remedy; nothing half-written stays, and
        an earlier result stays as it was. Only a run that is interrupted or killed, or loses its
        workers, leaves the tiles it has done, hidden beside the result; another one goes on from
        them.
    """
    recorder = Recorder()
    with recorder.step("open"):
        job = open_job(inputs, out, study)
        check_swept(sweeps, job.opened.panel, job.opened.slide.name)
    opened = dataclasses.replace(job.opened, warnings=(*notes, *job.opened.warnings))
    job = dataclasses.replace(job, opened=opened)
    return run_job(
        job, recorder, csv=csv, overwrite=overwrite, sweeps=sweeps, means=means, progress=progress
    )


def run_job(
    job: Job,
    recorder: Recorder,
    *,
    csv: bool = False,
    overwrite: bool = False,
    sweeps: tuple[Sweep, ...] = (),
    shared: Shared | None = None,
    quick: "Study | None" = None,
    means: Means = Means(),
    progress: Progress = silent,
) -> "SlideResult":
    """Take a job from where an earlier result left it.

    Parameters
    ----------
    job
        The slide, opened.
    recorder
        Told what each step costs.
    csv, overwrite, sweeps, means, progress
        As for `run_slide`.
    shared
        Calls that it made together with other slides. Where a parameter is varied these gates
        stay, but for one that is varied itself.
    quick
        A study for the tables, where they will be made again.
    """
    opened, folder, study, keys = job.opened, job.folder, job.study, job.keys
    slide = opened.slide
    earlier = None if overwrite else earlier_result(folder)
    if earlier and earlier.slide_sha256 != opened.files[0].sha256:
        raise OutputError(
            f"{folder.name} in {folder.parent.name} holds the result of another slide; "
            "pass --overwrite to replace it, or another folder with -o"
        )

    edits = opened.edits.of_calls
    fitted = {earlier.keys.gates: earlier.gates} if earlier else {}

    def judge(
        measured: Measured, touching: Touching, by: "Study", unedited: Unedited | None = None
    ) -> "SlideResult":
        together = shared
        if shared is not None and by is not (quick or study):
            by, together = with_gates(by, shared.called.gates), None
        if together is None:
            key = job.with_study(by).keys.gates
            unproposed = dataclasses.replace(measured, exclude_proposed=by.quality.exclude)
            slides = [
                ToCall.of(unproposed, opened.annotations, opened.calls, edits, unedited)
            ]  # fmt: skip
            (together,) = call_together(slides, by, fitted.get(key))
            fitted[key] = {**fitted.get(key, {}), **together.gates}
        return analyse(
            measured, by, opened.annotations, edits=edits, unedited=unedited,
            contacts=touching.contacts, growth=touching.growth, shared=together,
            control=opened.control, progress=progress,
        )  # fmt: skip

    def conclude(
        measured: Measured,
        touching: Touching,
        unedited: Unedited | None,
        mapper: BlockMap = means.mapper,
        whole_sha256: Callable[[], str] = lambda: earlier.whole_sha256 if earlier else "",
    ) -> "SlideResult":
        told = inspected(job, measured, earlier, recorder, progress, mapper)
        with recorder.step("analyse"):
            result = judge(measured, touching, quick or study, unedited)
        shown = pictured(job, result, earlier, recorder)
        result = dataclasses.replace(
            result, tables={**result.tables, "segmentation": told.tiles}, pages=told.pages,
            pictures=shown.pictures,
        )  # fmt: skip
        if sweeps:
            with recorder.step("sweep"):
                swept = sweep_table(
                    sweeps, lambda other: _swept(job, other, measured, touching, judge)
                )
            result = dataclasses.replace(result, tables={**result.tables, "sweep": swept})
        warnings = (*opened.warnings, *measured.warnings, *told.warnings, *result.warnings)
        warnings = tuple(dict.fromkeys(warnings))
        own = shared is None
        told_keys = keys if own else dataclasses.replace(keys, gates="")
        if not means.keep_labels:  # nothing can be taken over from it
            told_keys = StageKeys(labels="", measurements="", contacts="", gates="")
        provenance = provenance_of(
            study, opened, measured, told, told_keys, fitted[keys.gates] if own else {},
            recorder, warnings, unedited, whole_sha256(),
        )  # fmt: skip
        provenance = {**provenance, **result.provenance, "pictures": shown.record}
        result = dataclasses.replace(result, provenance=provenance, warnings=warnings)
        if quick is not None:  # its tables are made again once the gates are known
            return result
        outlines = shown.outlines(measured.cell_labels)
        page = slide_report(Told(result, kept, outlines))
        return dataclasses.replace(result, pages={**result.pages, REPORT: page})

    kept = job.kept if quick is None else job.with_study(quick).kept
    if shared is not None:
        kept = with_gates(kept, shared.called.gates)
    if earlier and earlier.keys.measurements == keys.measurements:
        recorder.reuse("segment")
        recorder.reuse("measure")
        with taken_over(folder):
            measured = measured_before(folder, opened, earlier, study)
            unedited = unedited_of(job, earlier)
            store = LabelStore.open(folder / STORE)
            touching = Touching.kept(store, keys.contacts, measured, study)
            if touching is not None:
                recorder.reuse("contacts")
            else:
                with recorder.step("contacts"):
                    touching = Touching.found(measured, study, progress)
        result = conclude(measured, touching, unedited)
        update_outputs(
            folder, result, kept, slide.pixel_size_um, csv=csv, edits=opened.given
        )  # fmt: skip
        if not means.keep_labels:
            drop_labels(folder / STORE, UNEDITED)
        return result
    # corrections that lie in the folder stay there, with rows that are added meanwhile
    replaces = OUTPUT_NAMES - {CORRECTIONS} if opened.given.own else OUTPUT_NAMES | {REPLACED}
    with (
        tiles_of(job, means) as tiles,
        whole_hash(job.inputs.slide) as whole_sha256,
        staged_folder(folder, replaces=replaces) as stage,
    ):
        measured, touching, unedited = make(job, tiles, earlier, recorder, progress)
        mapper = tiles.mapper("inspected", keys.inspection)
        result = conclude(measured, touching, unedited, mapper, whole_sha256)
        write_outputs(stage, result, kept, slide.pixel_size_um, csv=csv)
        tiles.give(stage / STORE, unedited=UNEDITED, keep_labels=means.keep_labels)
        opened.given.put(folder, stage)
    return result


def _swept(
    job: Job,
    study: "Study",
    measured: Measured,
    touching: Touching,
    judge: Callable[[Measured, "Touching", "Study"], "SlideResult"],
) -> "SlideResult":
    """Return the result of a slide under another study; only what it changes is made again."""
    study = without_tables(with_model_found(job.inputs, study))
    other = job.with_study(study)
    if other.keys.measurements == job.keys.measurements:
        if other.keys.contacts != job.keys.contacts:
            touching = Touching.found(measured, study)
        return judge(measured, touching, study)
    with tempfile.TemporaryDirectory(prefix="immunescape-") as folder:
        store = LabelStore.create(Path(folder) / STORE, job.opened.slide.pixel_size_um)
        recorder = Recorder()
        same_gap = study.contact.gap_um == job.study.contact.gap_um
        if other.keys.labels == job.keys.labels and (same_gap or not measured.corrected.outcomes):
            labelled = Labelled(
                store, measured.nuclei, measured.cell_labels, measured.origin,
                corrected=measured.corrected,
            )  # fmt: skip
        else:
            labelled = label_anew(other, store, recorder, silent)
            labelled = corrected_in_place(labelled, job.opened.edits.of_labels, study)
        again = measure_labelled(
            job.opened.slide, job.opened.panel, labelled, study, recorder=recorder
        )
        return judge(again, Touching.found(again, study), study)
