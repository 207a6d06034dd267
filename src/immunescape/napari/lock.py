"""Who has a session's folder open: tells a crash from a window that is still running."""

import contextlib
import getpass
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from immunescape.io.output import atomic_path

__all__ = ["Holder", "Lock", "user"]

_FORGOTTEN_S = 300.0
"""A holder on another machine that has not been heard of for this long has crashed."""


@dataclass(frozen=True)
class Holder:
    """One window that has, or had, a folder open.

    Parameters
    ----------
    token
        Tells windows of one process apart.
    process
        Process id.
    begun
        When that process began, in seconds since 1970: process ids are given out again.
    machine
        Name of the machine.
    time
        When the holder was last heard of, in seconds since 1970.
    since
        When it took the folder; 0 where that was not told.
    person
        Whose window it is, as the machine knows them; empty where that was not told.
    """

    token: str
    process: int
    begun: float
    machine: str
    time: float
    since: float = 0.0
    person: str = ""

    def running(self) -> bool:
        """Whether the window may still be open."""
        import psutil

        if self.machine != socket.gethostname():
            return time.time() - self.time < _FORGOTTEN_S
        try:
            return abs(psutil.Process(self.process).create_time() - self.begun) < 1.0
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


class Lock:
    """A file in a folder that names the window which writes there.

    Parameters
    ----------
    folder
        The folder; it is made when the lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        import psutil

        self.path = folder / "open.lock"
        self._token = uuid4().hex
        self._begun = psutil.Process().create_time()
        self._since = 0.0

    def holder(self) -> Holder | None:
        """Return who holds the folder, None where nobody does; a damaged file names nobody."""
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            return Holder(
                token=str(said["token"]),
                process=int(said["process"]),
                begun=float(said["begun"]),
                machine=str(said["machine"]),
                time=float(said["time"]),
                since=float(said.get("since", 0.0)),
                person=str(said.get("person", "")),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def taken(self) -> Holder | None:
        """Return another window that has the folder open; None where there is none."""
        holder = self.holder()
        if holder is None or holder.token == self._token or not holder.running():
            return None
        return holder

    def left(self) -> Holder | None:
        """Return a window that ended without giving the folder back; None where there is none."""
        holder = self.holder()
        if holder is None or holder.token == self._token or holder.running():
            return None
        return holder

    def take(self) -> bool:
        """Hold the folder, or say that one still does; False where another window has it open."""
        if self.taken() is not None:
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        now = time.time()
        self._since = self._since or now
        own = Holder(
            self._token, os.getpid(), self._begun, socket.gethostname(), now, self._since, user()
        )  # fmt: skip
        with atomic_path(self.path) as beside:
            beside.write_text(json.dumps(asdict(own)) + "\n", encoding="utf-8")
        return True

    def give_back(self) -> None:
        """Let go of the folder; what another window holds stays, a folder without a file goes."""
        holder = self.holder()
        self._since = 0.0
        if holder is not None and holder.token == self._token:
            self.path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # something lies in it
                self.path.parent.rmdir()


def user() -> str:
    """Return who is logged in; empty where nobody is known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
