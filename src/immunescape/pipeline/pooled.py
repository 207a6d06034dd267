"""Several slides that were stained alike, with shared gates."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.blocks import Progress, silent
from immunescape.errors import OutputError
from immunescape.pipeline.grouped import to_call
from immunescape.pipeline.inputs import Inputs
from immunescape.pipeline.job import open_job
from immunescape.pipeline.provenance import Recorder
from immunescape.pipeline.run import run_job
from immunescape.pipeline.shared import call_together
from immunescape.pipeline.takeover import without_tables

if TYPE_CHECKING:
    from immunescape.results import SlideResult
    from immunescape.study import Study

__all__ = ["run_pooled"]


def run_pooled(
    inputs: Sequence[Inputs],
    out: Path,
    study: "Study",
    *,
    csv: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple["SlideResult", ...]:
    """Analyse slides that were stained alike, of one patient or one batch, with shared gates.

    Each slide is analysed by itself first, so that an interruption loses none that is done; then
    the gates are fitted on the cells of all, and the tables are made again.

    Parameters
    ----------
    inputs
        The files of each slide.
    out
        Folder that holds one folder a slide.
    study
        Everything that decides the numbers; ``gating.share`` says what the slides have in common.
    csv, overwrite, progress
        As for `run_slide`.

    Returns
    -------
    tuple
        What was written, in the order of the slides. The study of each result holds the shared
        thresholds, so that it repeats the slide alone.

    Raises
    ------
    ImmunescapeError
        As for `run_slide`; also where two slides would share a folder.
    """
    recorders = [Recorder() for _ in inputs]
    jobs = []
    for one, recorder in zip(inputs, recorders, strict=True):
        with recorder.step("open"):
            jobs.append(open_job(one, out, study))
    names = [job.folder.name.casefold() for job in jobs]
    for name in names:
        if names.count(name) > 1:
            raise OutputError(
                f"two slides are named {name}; their results would share a folder in {out.name}"
            )
    alone = without_tables(study)
    for job, recorder in zip(jobs, recorders, strict=True):
        run_job(job, recorder, csv=csv, overwrite=overwrite, progress=progress, quick=alone)
    slides = [to_call(job) for job in jobs]
    return tuple(
        run_job(job, recorder, csv=csv, progress=progress, shared=shared)
        for job, recorder, shared in zip(jobs, recorders, call_together(slides, study), strict=True)
    )
