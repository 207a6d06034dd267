"""All slides of a sample sheet, from their files to the tables of the cohort."""

import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from immunescape import __version__
from immunescape.cohort.attempt import lost_slide
from immunescape.cohort.collect import collect, read_result
from immunescape.cohort.plan import Work, groups_of, look_at, shard_of, work_on
from immunescape.cohort.reporting import PLAN, plan_of
from immunescape.cohort.settings import CohortRun
from immunescape.cohort.sheet import Sheet, read_sheet
from immunescape.cohort.state import HEARTBEAT_S, State, read_state
from immunescape.cohort.todo import Tell, Todo
from immunescape.cohort.workers import worker_processes
from immunescape.errors import OutputError, StudyError
from immunescape.io.output import atomic_path

if TYPE_CHECKING:
    from immunescape.samples import SampleResult
    from immunescape.study import Study

__all__ = ["PLAN", "CohortOutcome", "run_cohort"]


@dataclass(frozen=True)
class CohortOutcome:
    """How a run over a cohort ended.

    Parameters
    ----------
    done, failed, waiting
        Names of its samples: finished, failed, and left to others or to a later run.
    warnings
        What a reader of the numbers should know.
    tables
        Tables of the cohort that were written.
    """

    done: tuple[str, ...]
    failed: tuple[str, ...]
    waiting: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


def run_cohort(
    sheet_path: Path,
    out: Path,
    study: "Study",
    run: CohortRun = CohortRun(),
    *,
    study_file: Path | None = None,
    notes: tuple[str, ...] = (),
    tell: Tell = lambda line: None,
) -> CohortOutcome:
    """Analyse all slides of a sample sheet and write the tables of the cohort.

    Each slide is measured by itself; then gates are found for the slides of each patient or batch
    together, and the tables of each slide are made. What an earlier run left is gone on with.

    Parameters
    ----------
    sheet_path
        The sample sheet.
    out
        Folder of the cohort.
    study
        Everything that decides the numbers; a sample may have a file of its own.
    run
        How it is run; changes no number.
    study_file
        File that the study comes from: what it names is looked for beside it too.
    notes
        What was noticed while the study was read.
    tell
        Called with a line for each slide that was measured, finished or failed.

    Raises
    ------
    SheetError
        Listing all that is wrong with the sheet; nothing was written.
    ImmunescapeError
        One line that names the thing and the remedy, where the run as a whole cannot go on.
    """
    _check_sweeps(run.sweeps)
    sheet = read_sheet(
        sheet_path.resolve(),
        lambda sample: look_at(sample, study, run.sweeps),
        batches=study.gating.share == "batch",
    )
    out = out.resolve()
    scratch = run.scratch.resolve() if run.scratch else None
    works = [
        work_on(
            sample, study, out, study_file=study_file, sweeps=run.sweeps, csv=run.csv,
            overwrite=run.overwrite, notes=notes, scratch=scratch,
        )
        for sample in sheet.samples
    ]  # fmt: skip
    groups = groups_of(works)
    parts: tuple[tuple[Work, ...], ...] = tuple(group.members for group in groups)
    if run.shard != (0, 0):
        parts = shard_of(groups, *run.shard)
    mine = [work for part in parts for work in part]
    _only_one(out, mine)
    _write_plan(out, sheet, run)
    whole = [
        group for group, part in zip(groups, parts, strict=True) if len(part) == len(group.members)
    ]  # fmt: skip
    todo = Todo(mine, whole, run, tell)
    if todo.tasks:
        try:
            with worker_processes(run.workers, run.scheduler) as workers:
                todo.work_off(workers)
        except BaseException:
            todo.give_up()
            raise
    results = [] if run.shard != (0, 0) else _read_whole(works)
    states = {work.name: read_state(out, work.name) for work in works}
    standing = {work.name: _standing(states[work.name], work) for work in works}
    concerned = mine if run.shard != (0, 0) else works
    done, lost, waiting = (
        tuple(w.name for w in concerned if standing[w.name] == wanted)
        for wanted in ("done", "failed", "waiting")
    )
    warnings = sheet.warnings
    tables: tuple[str, ...] = ()
    if run.shard == (0, 0):
        collected = collect(sheet, works, groups, standing, out, run, results)
        warnings, tables = (*warnings, *collected.warnings), collected.tables
    return CohortOutcome(done, lost, waiting, warnings, tables)


def _read_whole(works: Sequence[Work]) -> "list[SampleResult]":
    """Read the results that are done; one that is damaged is a slide that failed."""
    results = []
    for work in works:
        state = read_state(work.out, work.name)
        if _standing(state, work) != "done":
            continue
        try:
            results += read_result(
                work.sample, work.folder, by_slide=work.study.gating.share == "slide"
            )
        except OutputError as error:
            lost_slide(work, error, step="collect", tables="")
    return results


def _check_sweeps(sweeps: Sequence[str]) -> None:
    """Refuse to vary how gates are found: those that slides share stay, and nothing would move."""
    for text in sweeps:
        name = text.partition("=")[0].strip().replace("-", "_")
        if name.startswith("gating.") and name != "gating.positive_rim_fraction":
            raise StudyError(
                f"the sweep names {name}, but gates that slides share stay as they are; vary a "
                "gate itself, such as pdl1@tumour=2,3.6"
            )


def _standing(state: State, work: Work) -> Literal["done", "failed", "waiting"]:
    if state.key != work.key:
        return "waiting"
    if state.standing in ("done", "failed"):
        return "done" if state.standing == "done" else "failed"
    return "waiting"


def _only_one(out: Path, works: Sequence[Work]) -> None:
    """Refuse to work on slides that another run is working on.

    Whether that lives is told by its signs of life, which are waited for: neither clocks nor
    process numbers of another machine mean anything here.
    """
    running = {}
    for work in works:
        state = read_state(out, work.name)
        if state.standing == "running" and not state.gone and state.pid != os.getpid():
            running[work.name] = state
    until = time.monotonic() + 2.5 * HEARTBEAT_S
    while running and time.monotonic() < until:
        for name, before in running.items():
            now = read_state(out, name)
            if now.heartbeat != before.heartbeat and now.standing == "running":
                where = "this machine" if now.host == socket.gethostname() else now.host
                raise OutputError(
                    f"{name} is being worked on in {out.name} by process {now.pid} on {where}; "
                    "wait until it is done, or stop it first"
                )
        time.sleep(0.5)


def _write_plan(out: Path, sheet: Sheet, run: CohortRun) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {out.name}: {error.strerror}; pass another folder with -o"
        ) from error
    plan = {
        "immunescape": __version__,
        "sheet": sheet.path.name,
        **plan_of(sheet.samples, sheet.lesions, run.group_by),
    }
    with atomic_path(out / PLAN) as beside:
        text = json.dumps(plan, indent=1, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")
