"""What a worker does for one slide or one group, and how it tells of it; it never raises."""

import dataclasses
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape.cohort.attempt import (
    BY_SLIDE,
    Outcome,
    attempting,
    digest,
    lost_slide,
    made_from,
    one_line,
    opened_job,
)
from immunescape.cohort.plan import Group, Work
from immunescape.cohort.staining import exposures, staining_rows
from immunescape.cohort.state import STATE
from immunescape.io.calls import read_calls
from immunescape.io.output import atomic_path, staged_folder
from immunescape.io.tables import write_cells, write_csv
from immunescape.pipeline import parse_sweep
from immunescape.pipeline.grouped import (
    GroupGates,
    gates_of_group,
    is_measured,
    judged_alone,
    shared_calls,
    to_call,
)
from immunescape.pipeline.run import run_job
from immunescape.pipeline.takeover import without_tables
from immunescape.pipeline.tiles import Means

if TYPE_CHECKING:
    from immunescape.pipeline.job import Job
    from immunescape.results import SlideResult

__all__ = ["conclude", "fit_gates", "gates_path", "measure", "read_gates", "tables_key"]

_CONCLUDED = (
    "x_um", "y_um", "phenotype", "region", "distance_to_margin_um", "edge_censored", "n_contacts",
    "n_cd8_contacts", "touching_cd8", "distance_to_cd8_um",
)  # fmt: skip


def gates_path(out: Path, group: Group) -> Path:
    """Return the file that holds the gates of a group."""
    return out / STATE / "gates" / f"{group.key}.json"


def read_gates(group: Group) -> dict[str, Any] | None:
    """Return what is kept of the gates of a group; None where there is nothing whole.

    What was kept before exposures were compared is not whole: nothing would be said of them.
    """
    try:
        told: dict[str, Any] = json.loads(
            gates_path(group.members[0].out, group).read_text(encoding="utf-8")
        )
        whole = {"made_from", "gates", "staining"} <= told.keys()
        return told if whole and all("exposure_ms" in row for row in told["staining"]) else None
    except (OSError, ValueError, AttributeError):
        return None


def measure(work: Work) -> Outcome:
    """Find and measure the cells of a slide, or take them over from an earlier run."""
    with attempting(work) as attempt:
        job = attempt.opened()
        again = work.overwrite or not is_measured(job)
        if again:
            result = run_job(
                job, attempt.recorder, csv=work.csv, overwrite=work.overwrite,
                quick=without_tables(job.study), means=Means(scratch=work.scratch),
            )  # fmt: skip
            attempt.beat.state = dataclasses.replace(attempt.beat.state, cells=len(result.cells))
        tables = "" if again else attempt.beat.state.tables
        attempt.finish(
            "measured", "measure" if again else "", content=_gated_by(job), tables=tables, made=job
        )  # fmt: skip
        attempt.text = "measured" if again else "measured before, taken over"
    return attempt.outcome()


def fit_gates(group: Group, out: Path) -> Outcome:
    """Fit the gates of a group on the cells of all its slides and keep them in a file."""
    label = f"{group.kind} {group.name}" if group.name else group.kind
    begun = time.perf_counter()
    jobs, slides, members, lost = [], [], [], []
    for work in group.members:
        try:
            job = opened_job(work)
            slide = to_call(job)
            if slide.calls is not None:  # what is wrong with them is the fault of one slide
                cells, pixel = slide.measured.cells, slide.measured.pixel_size_um
                read_calls(slide.calls, cells, pixel_size_um=pixel)
        except Exception as error:
            lost.append(lost_slide(work, error, content=""))
            continue
        jobs.append(job)
        slides.append(slide)
        members.append(work)
    group = dataclasses.replace(group, members=tuple(members))
    try:
        gates = gates_of_group(slides, group.members[0].study) if slides else ()
        exposed = [exposures(job.opened.slide, job.opened.panel) for job in jobs]
        told = {
            "made_from": [[w.name, _gated_by(j)] for w, j in zip(members, jobs, strict=True)],
            "gates": {w.name: g.as_rows() for w, g in zip(members, gates, strict=True)},
            "staining": staining_rows(group, slides, gates, exposed) if slides else [],
        }
        path = gates_path(out, group)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as beside:
            beside.write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
    except Exception as error:
        lost += [lost_slide(work, error) for work in members]
        return Outcome(label, False, f"gates not found: {one_line(error)}", tuple(lost))
    count = f"{len(members)} slide{'' if len(members) == 1 else 's'}"
    spent = time.perf_counter() - begun
    return Outcome(label, True, f"gates of {count} in {spent:.1f} s", tuple(lost))


def conclude(work: Work, gates: Mapping[str, Any]) -> Outcome:
    """Make the tables of a measured slide under the gates of its group, and under its own."""
    with attempting(work) as attempt:
        job = attempt.opened()
        found = GroupGates.read(gates)
        attempt.beat.tell(tables="")
        sweeps = tuple(parse_sweep(text, job.study) for text in work.sweeps)
        shared = shared_calls(job, found)
        result = run_job(
            job, attempt.recorder, csv=work.csv, sweeps=sweeps, shared=shared
        )  # fmt: skip
        if found.alone:
            attempt.beat.tell(step="own gates")
            _write_beside(job.folder / BY_SLIDE, judged_alone(job, found), csv=work.csv)
        else:
            shutil.rmtree(job.folder / BY_SLIDE, ignore_errors=True)
        for warning in result.warnings:
            attempt.log(f"warning: {warning}")
        attempt.beat.state = dataclasses.replace(attempt.beat.state, cells=len(result.cells))
        tables = tables_key(made_from(job), gates)
        attempt.finish("done", "tables", content=_gated_by(job), tables=tables, made=job)
        attempt.text = f"done, {len(result.cells)} cells"
    return attempt.outcome()


def tables_key(made_from: str, gates: Mapping[str, Any]) -> str:
    """Return what tables are made from: the slide with its study, and its gates."""
    return digest([made_from, gates])


def _gated_by(job: "Job") -> str:
    """Return the hash of what a slide's share in the gates of its group depends on."""
    return digest([job.keys.gates, job.keys.unedited])


def _write_beside(folder: Path, result: "SlideResult", *, csv: bool) -> None:
    """Write the tables of a slide under its own gates."""
    positive = [c for c in result.cells.frame.columns if c.endswith("_positive")]
    frame = result.cells.frame[[*_CONCLUDED[:2], *positive, *_CONCLUDED[2:]]]
    with staged_folder(folder) as stage:
        write_cells(stage, dataclasses.replace(result.cells, frame=frame), csv=csv)
        for name, table in result.tables.items():
            if name not in ("sensitivity", "quality", "segmentation"):
                write_csv(stage / f"{name}.csv", table)
