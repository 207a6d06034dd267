"""What a worker does for one slide or one group, and how it tells of it; it never raises."""

import dataclasses
import hashlib
import json
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from immunescape.cohort.plan import Group, Work
from immunescape.cohort.staining import staining_rows
from immunescape.cohort.state import STATE, Beat, beating, read_state, write_state
from immunescape.errors import ImmunescapeError
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
from immunescape.pipeline.job import Job, open_job
from immunescape.pipeline.provenance import Recorder
from immunescape.pipeline.run import run_job
from immunescape.pipeline.takeover import without_tables
from immunescape.results import SlideResult
from immunescape.study import study_toml

__all__ = [
    "BY_SLIDE",
    "LOGS",
    "Outcome",
    "conclude",
    "failed",
    "fit_gates",
    "gates_path",
    "log_path",
    "measure",
    "tables_key",
]

LOGS = "logs"
"""Folder of a cohort's output that holds one log a slide."""
BY_SLIDE = "by_slide_gates"
"""Folder of a result that holds its tables under the slide's own gates."""
_REMEDY = "see its log; correct it and pass --retry-failed"
_CONCLUDED = (
    "x_um", "y_um", "phenotype", "region", "distance_to_margin_um", "edge_censored", "n_contacts",
    "n_cd8_contacts", "touching_cd8", "distance_to_cd8_um",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What came of one piece of work.

    Parameters
    ----------
    name
        The sample, or the group.
    done
        Whether it succeeded.
    text
        What to tell of it.
    """

    name: str
    done: bool
    text: str


def log_path(out: Path, name: str) -> Path:
    """Return the log of a sample."""
    return out / LOGS / f"{name}.log"


def gates_path(out: Path, group: Group) -> Path:
    """Return the file that holds the gates of a group."""
    return out / STATE / "gates" / f"{group.key}.json"


def measure(work: Work) -> Outcome:
    """Find and measure the cells of a slide, or take them over from an earlier run."""
    with _attempt(work) as attempt:
        job = attempt.opened()
        again = work.overwrite or not is_measured(job)
        if again:
            result = run_job(
                job, attempt.recorder, csv=work.csv, overwrite=work.overwrite,
                quick=without_tables(job.study),
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
    try:
        jobs = [_opened(work) for work in group.members]
        slides = [to_call(job) for job in jobs]
        gates = gates_of_group(slides, group.members[0].study)
        told = {
            "made_from": [[w.name, _gated_by(j)] for w, j in zip(group.members, jobs, strict=True)],
            "gates": {w.name: g.as_rows() for w, g in zip(group.members, gates, strict=True)},
            "staining": staining_rows(group, slides, gates),
        }
        path = gates_path(out, group)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as beside:
            beside.write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
    except Exception as error:
        for work in group.members:
            _log(work.out, work.name, f"gates: {_line(error)}", traceback.format_exc())
            _fail(work, "gates", error)
        return Outcome(label, False, f"gates not found: {_line(error)}")
    count = len(group.members)
    slides_text = f"{count} slide{'' if count == 1 else 's'}"
    return Outcome(label, True, f"gates of {slides_text} in {time.perf_counter() - begun:.1f} s")


def conclude(work: Work, gates: Mapping[str, Any]) -> Outcome:
    """Make the tables of a measured slide under the gates of its group, and under its own."""
    with _attempt(work) as attempt:
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
        tables = tables_key(_made_from(job), gates)
        attempt.finish("done", "tables", content=_gated_by(job), tables=tables, made=job)
        attempt.text = f"done, {len(result.cells)} cells"
    return attempt.outcome()


def failed(work: Work, step: str, error: str, remedy: str) -> Outcome:
    """Tell of a slide that failed without being able to tell it itself."""
    state = read_state(work.out, work.name)
    write_state(
        work.out,
        dataclasses.replace(
            state, standing="failed", step=step or state.step, key=work.key, error=error,
            remedy=remedy, ended=time.time(),
        ),
    )  # fmt: skip
    _log(work.out, work.name, f"failed: {error}; {remedy}")
    return Outcome(work.name, False, f"failed: {error}; {remedy}")


def tables_key(made_from: str, gates: Mapping[str, Any]) -> str:
    """Return what tables are made from: the slide with its study, and its gates."""
    return _digest([made_from, gates])


class _Attempt:
    """One piece of work on one slide: told of as it goes on, kept in a log."""

    def __init__(self, work: Work, beat: Beat) -> None:
        self.work, self.beat = work, beat
        self.recorder = _Told(self._step)
        self.begun = time.perf_counter()
        self.text = ""
        self.done = False

    def opened(self) -> Job:
        with self.recorder.step("open"):
            return _opened(self.work)

    def log(self, text: str) -> None:
        _log(self.work.out, self.work.name, text)

    def _step(self, name: str) -> None:
        self.log(f"{name}: begun")
        self.beat.tell(step=name)

    def finish(
        self, standing: Literal["measured", "done"], what: str, *, content: str, tables: str,
        made: Job,
    ) -> None:  # fmt: skip
        """Tell that it is done; ``what`` names the time it took, unless it was taken over."""
        seconds = dict(self.beat.state.seconds)
        if what:
            seconds[what] = round(time.perf_counter() - self.begun, 2)
        self.beat.tell(
            standing=standing, step="", content=content, made_from=_made_from(made), tables=tables,
            ended=time.time(), attempts=0, seconds=seconds,
        )  # fmt: skip
        self.done = True

    def outcome(self) -> Outcome:
        spent = time.perf_counter() - self.begun
        text = f"{self.text} in {spent:.1f} s" if self.done else self.text
        self.log(text)
        return Outcome(self.work.name, self.done, text)


class _Told(Recorder):
    """Records the cost of each step and tells which one begins."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._tell(name)
        with super().step(name):
            yield


@contextmanager
def _attempt(work: Work) -> Iterator[_Attempt]:
    """Tell of work on a slide; an error becomes its state, an interruption leaves it waiting."""
    state = read_state(work.out, work.name)
    if state.key != work.key:
        state = dataclasses.replace(state, key=work.key, content="", attempts=0)
    sample = work.sample
    state = dataclasses.replace(state, patient=sample.patient, timepoint=sample.timepoint)
    before = state.standing if state.standing in ("measured", "done") else "waiting"
    with beating(work.out, state) as beat:
        attempt = _Attempt(work, beat)
        _clear(work.folder)
        try:
            yield attempt
        except Exception as error:
            attempt.log(traceback.format_exc())
            told = _told(error)
            beat.tell(standing="failed", ended=time.time(), error=told[0], remedy=told[1])
            attempt.text = f"failed at {beat.state.step or 'open'}: {told[0]}; {told[1]}"
        except BaseException:
            beat.tell(standing=before, step="", attempts=0)
            raise


def _opened(work: Work) -> Job:
    job = open_job(work.inputs, work.folder.parent, work.study, work.name)
    opened = dataclasses.replace(job.opened, warnings=(*work.notes, *job.opened.warnings))
    return dataclasses.replace(job, opened=opened)


def _gated_by(job: Job) -> str:
    """Return the hash of what a slide's share in the gates of its group depends on."""
    return _digest([job.keys.gates, job.keys.unedited])


def _made_from(job: Job) -> str:
    return _digest([dataclasses.asdict(job.keys), study_toml(job.kept)])


def _write_beside(folder: Path, result: SlideResult, *, csv: bool) -> None:
    """Write the tables of a slide under its own gates."""
    positive = [c for c in result.cells.frame.columns if c.endswith("_positive")]
    frame = result.cells.frame[[*_CONCLUDED[:2], *positive, *_CONCLUDED[2:]]]
    with staged_folder(folder) as stage:
        write_cells(stage, dataclasses.replace(result.cells, frame=frame), csv=csv)
        for name, table in result.tables.items():
            if name not in ("sensitivity", "quality", "segmentation"):
                write_csv(stage / f"{name}.csv", table)


def _clear(folder: Path) -> None:
    """Remove what work that was killed left half-written beside a result."""
    if not folder.parent.is_dir():
        return
    for kind in ("partial", "replaced"):
        for path in folder.parent.glob(f".{_escaped(folder.name)}.{kind}-*"):
            if kind == "replaced" and not folder.exists():
                path.replace(folder)  # killed between the two moves: the older result is whole
            else:
                shutil.rmtree(path, ignore_errors=True)


def _escaped(name: str) -> str:
    from glob import escape

    return escape(name)


def _fail(work: Work, step: str, error: Exception) -> None:
    text, remedy = _told(error)
    state = read_state(work.out, work.name)
    write_state(
        work.out,
        dataclasses.replace(
            state, standing="failed", step=step, key=work.key, error=text, remedy=remedy,
            ended=time.time(), attempts=state.attempts + 1,
        ),
    )  # fmt: skip


def _told(error: Exception) -> tuple[str, str]:
    """Return what an error says, and its remedy."""
    text = _line(error)
    if not isinstance(error, ImmunescapeError):
        return text, _REMEDY
    what, parted, remedy = text.rpartition("; ")
    return (what, remedy) if parted else (text, _REMEDY)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, ImmunescapeError):
        return text
    return f"unexpected {type(error).__name__}: {text}" if text else type(error).__name__


def _log(out: Path, name: str, *texts: str) -> None:
    path = log_path(out, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    with path.open("a", encoding="utf-8") as log:
        for text in texts:
            log.write(f"{now} {text}\n")


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
