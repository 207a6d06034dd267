"""One attempt at one slide: told of while it goes on, kept in a log, and whatever its end."""

import dataclasses
import hashlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any, Literal

from immunescape.cohort.plan import Work
from immunescape.cohort.state import Beat, beating, read_state, state_path, write_state
from immunescape.errors import ImmunescapeError
from immunescape.pipeline.given import PERSONAL_NAMES
from immunescape.pipeline.job import Job, open_job
from immunescape.pipeline.outputs import OUTPUT_NAMES
from immunescape.pipeline.provenance import Recorder
from immunescape.study import study_toml

__all__ = [
    "BY_SLIDE",
    "LOGS",
    "Attempt",
    "Outcome",
    "attempting",
    "digest",
    "failed",
    "log_path",
    "lost_slide",
    "made_from",
    "one_line",
    "opened_job",
]

LOGS = "logs"
"""Folder of a cohort's output that holds one log a slide."""
BY_SLIDE = "by_slide_gates"
"""Folder of a result that holds its tables under the slide's own gates."""
_REMEDY = "see its log; correct it and pass --retry-failed"


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
    lost
        Of a group: what to tell of each slide that could not be part of it.
    """

    name: str
    done: bool
    text: str
    lost: tuple["Outcome", ...] = ()


def log_path(out: Path, name: str) -> Path:
    """Return the log of a sample."""
    return out / LOGS / f"{name}.log"


class Attempt:
    """One piece of work on one slide: told of as it goes on, kept in a log."""

    def __init__(self, work: Work, beat: Beat) -> None:
        self.work, self.beat = work, beat
        self.recorder = _Told(self._step)
        self.begun = time.perf_counter()
        self.text = ""
        self.done = False

    def opened(self) -> Job:
        """Open the files of the slide."""
        with self.recorder.step("open"):
            return opened_job(self.work)

    def log(self, text: str) -> None:
        """Add a line to the log of the slide."""
        log_line(self.work.out, self.work.name, text)

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
            standing=standing, step="", content=content, made_from=made_from(made), tables=tables,
            ended=time.time(), attempts=0, seconds=seconds,
        )  # fmt: skip
        self.done = True

    def outcome(self) -> Outcome:
        """Return what came of it, and log it."""
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
def attempting(work: Work) -> Iterator[Attempt]:
    """Tell of work on a slide; an error becomes its state, an interruption leaves it waiting."""
    state = read_state(work.out, work.name)
    if state.key != work.key:
        state = dataclasses.replace(state, key=work.key, content="", attempts=0)
    sample = work.sample
    state = dataclasses.replace(state, patient=sample.patient, timepoint=sample.timepoint)
    with beating(work.out, state) as beat:
        attempt = Attempt(work, beat)
        _clear(work.folder)

        try:
            yield attempt
        except Exception as error:
            attempt.log(traceback.format_exc())
            told = what_failed(error)
            beat.tell(standing="failed", ended=time.time(), error=told[0], remedy=told[1])
            attempt.text = f"failed at {beat.state.step or 'open'}: {told[0]}; {told[1]}"
        except BaseException:
            beat.tell(standing="waiting", step="", attempts=0)
            raise


def opened_job(work: Work) -> Job:
    """Open the files of a slide and name its folder after the sample."""
    job = open_job(work.inputs, work.folder.parent, work.study, work.name)
    opened = dataclasses.replace(job.opened, warnings=(*work.notes, *job.opened.warnings))
    return dataclasses.replace(job, opened=opened)


def made_from(job: Job) -> str:
    """Return the hash of a slide's files and study."""
    return digest([dataclasses.asdict(job.keys), study_toml(job.kept)])


def _clear(folder: Path) -> None:
    """Put right what work that was killed left beside a result, or in it."""
    for place, name in ((folder.parent, folder.name), (folder, BY_SLIDE)):
        if not place.is_dir():
            continue
        for path in place.glob(f".{escape(name)}.replaced-*"):
            if not (place / name).exists():
                path.replace(place / name)  # killed between two moves: the older one is whole
                continue
            for kept in path.iterdir():  # what a person made was still to be moved
                if kept.name in PERSONAL_NAMES or kept.name not in {*OUTPUT_NAMES, BY_SLIDE}:
                    if not (place / name / kept.name).exists():
                        kept.replace(place / name / kept.name)
            shutil.rmtree(path, ignore_errors=True)
        for path in place.glob(f".{escape(name)}.partial-*"):
            shutil.rmtree(path, ignore_errors=True)
    told = state_path(folder.parent.parent, folder.name)
    for path in told.parent.glob(f".{escape(told.stem)}.*{told.suffix}"):
        if path.suffixes[-2:-1] != [f".{os.getpid()}"]:  # this process writes one just now
            path.unlink(missing_ok=True)


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
    log_line(work.out, work.name, f"failed: {error}; {remedy}")
    return Outcome(work.name, False, f"failed: {error}; {remedy}")


def lost_slide(work: Work, error: Exception, step: str = "gates", **changes: str) -> Outcome:
    """Tell of a slide that failed where others were looked at too."""
    text, remedy = what_failed(error)
    state = read_state(work.out, work.name)
    state = dataclasses.replace(state, attempts=state.attempts + 1, **changes)  # type: ignore[arg-type]
    write_state(work.out, state)
    log_line(work.out, work.name, *traceback.format_exception(error))
    return failed(work, step, text, remedy)


def what_failed(error: Exception) -> tuple[str, str]:
    """Return what an error says, and its remedy."""
    text = one_line(error)
    if not isinstance(error, ImmunescapeError):
        return text, _REMEDY
    what, parted, remedy = text.rpartition("; ")
    return (what, remedy) if parted else (text, _REMEDY)


def one_line(error: BaseException) -> str:
    """Return what an error says on one line, with its kind where nobody foresaw it."""
    text = " ".join(str(error).split())
    if isinstance(error, ImmunescapeError):
        return text
    return f"unexpected {type(error).__name__}: {text}" if text else type(error).__name__


def log_line(out: Path, name: str, *texts: str) -> None:
    path = log_path(out, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    with path.open("a", encoding="utf-8") as log:
        for text in texts:
            log.write(f"{now} {text}\n")


def digest(value: Any) -> str:
    """Return a hash of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
