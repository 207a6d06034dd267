"""How far each slide is, in one small file a slide: read from anywhere, written at once."""

import dataclasses
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from immunescape.io.output import atomic_path

__all__ = ["HEARTBEAT_S", "STATE", "State", "beating", "read_state", "state_path", "write_state"]

STATE = "state"
"""Folder of a cohort's output that tells how far each slide is."""
HEARTBEAT_S = 5.0
"""How often a running slide says that it is alive."""
_SILENT_S = 60.0

Standing = Literal["waiting", "running", "measured", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class State:
    """How far one slide is.

    Parameters
    ----------
    sample_id, patient, timepoint
        Which slide.
    standing
        ``waiting``; ``running``; ``measured``, waiting for the gates of its group; ``done``; or
        ``failed``.
    step
        The step that runs, or that failed.
    key
        Of the work that this is about.
    content
        Hash of what decides its gates, once it was measured.
    made_from
        Hash of its files and its study, once it was measured.
    tables
        Hash of what its tables were made from, once they are.
    started, ended
        Seconds since 1970 of the last attempt.
    attempts
        How often it was begun with this key.
    error, remedy
        Why it failed.
    seconds
        What measuring and making tables took.
    cells
        Number of its cells.
    host, pid, heartbeat
        Who works on it, and its last sign of life.
    """

    sample_id: str
    patient: str = ""
    timepoint: str = ""
    standing: Standing = "waiting"
    step: str = ""
    key: str = ""
    content: str = ""
    made_from: str = ""
    tables: str = ""
    started: float = 0.0
    ended: float = 0.0
    attempts: int = 0
    error: str = ""
    remedy: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    cells: int = 0
    host: str = ""
    pid: int = 0
    heartbeat: float = 0.0

    @property
    def gone(self) -> bool:
        """Whether the process that last worked on it was of this machine and is no more."""
        return self.host == socket.gethostname() and not psutil.pid_exists(self.pid)

    @property
    def stopped(self) -> bool:
        """Whether it ran and whoever worked on it is gone, as far as can be told from here."""
        if self.standing != "running":
            return False
        return self.gone or time.time() - self.heartbeat > _SILENT_S


def state_path(out: Path, name: str) -> Path:
    """Return the file that tells of a sample."""
    return out / STATE / f"{name}.json"


def read_state(out: Path, name: str) -> State:
    """Return how far a sample is; waiting where nothing is told, or nothing that can be read."""
    try:
        told: dict[str, Any] = json.loads(state_path(out, name).read_text(encoding="utf-8"))
        known = {f.name for f in dataclasses.fields(State)}
        return State(**{k: v for k, v in told.items() if k in known})
    except (OSError, ValueError, TypeError):
        return State(sample_id=name)


def write_state(out: Path, state: State) -> None:
    """Write how far a sample is, whole or not at all."""
    path = state_path(out, state.sample_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as beside:
        text = json.dumps(dataclasses.asdict(state), indent=1, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")


class Beat:
    """A running slide: what is told of it is written at each step and every few seconds."""

    def __init__(self, out: Path, state: State) -> None:
        self.out, self.state = out, state
        self._lock = threading.Lock()

    def tell(self, **changes: Any) -> None:
        """Write what changed."""
        with self._lock:
            self.state = dataclasses.replace(self.state, **changes, heartbeat=time.time())
            write_state(self.out, self.state)


@contextmanager
def beating(out: Path, state: State) -> Iterator[Beat]:
    """Tell that a slide is being worked on, until the block ends.

    Parameters
    ----------
    out
        Folder of the cohort.
    state
        What was told of it before; one attempt is added.
    """
    now = time.time()
    begun = dataclasses.replace(
        state, standing="running", started=now, ended=0.0, error="", remedy="",
        host=socket.gethostname(), pid=os.getpid(), attempts=state.attempts + 1,
    )  # fmt: skip
    beat = Beat(out, begun)
    beat.tell()
    done = threading.Event()

    def keep() -> None:
        while not done.wait(HEARTBEAT_S):
            beat.tell()

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        done.set()
        thread.join()
