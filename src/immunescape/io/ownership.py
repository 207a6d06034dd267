"""A folder in which one process works at a time, whatever machine it runs on."""

import contextlib
import json
import os
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunescape.errors import OutputError

__all__ = ["BEAT_S", "Ownership"]

BEAT_S = 5.0
"""How often an owner says that it lives."""
_OWNER = "owner.json"
_CLOCK_S = 60.0
"""The start of a machine is told so exactly: clocks are set."""


@dataclass(frozen=True, eq=False)
class Ownership:
    """What a process holds of a folder until it lets go or ends.

    Parameters
    ----------
    path
        The file in the folder that tells of it.
    rebooted
        Whether the last owner ended with the machine itself, so that what it had written shortly
        before may never have reached the disk.
    """

    path: Path
    rebooted: bool
    _ended: threading.Event

    @classmethod
    def take(cls, folder: Path) -> "Ownership":
        """Take hold of a folder.

        Parameters
        ----------
        folder
            It exists.

        Raises
        ------
        OutputError
            If another process works in it. One of another machine is known by its signs of life,
            for which some seconds are waited: neither its number nor its clock mean anything here.
        OSError
            If nothing can be written there.
        """
        path = folder / _OWNER
        told = {**_this_process(), "token": uuid.uuid4().hex}
        rebooted = False
        while True:
            before = _read(path)
            if before is not None:
                if _alive(path, before):
                    raise OutputError(
                        f"another run works on {folder.name}; wait for its end, or pass another "
                        "folder with -o"
                    )
                rebooted |= _ended_with_machine(before)
                if not _clear(path, before):
                    continue
            try:
                with path.open("x", encoding="utf-8") as file:
                    json.dump(told, file)
            except FileExistsError:
                continue
            break
        ended = threading.Event()
        threading.Thread(target=_beat, args=(path, ended), daemon=True).start()
        return cls(path, rebooted, ended)

    def release(self) -> None:
        """Let go, so that another process can take hold."""
        self._ended.set()
        self.path.unlink(missing_ok=True)


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        try:
            os.utime(path)
        except FileNotFoundError:
            return
        except OSError:  # a network drive that is away for a moment
            continue


def _read(path: Path) -> dict[str, Any] | None:
    """Return what is told of the owner, nothing of it where that cannot be read; None if none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _clear(path: Path, before: dict[str, Any]) -> bool:
    """Remove the file of an owner that is gone; False if another process was faster."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    if _read(aside) == before:
        aside.unlink()
        return True
    with contextlib.suppress(OSError):  # it is of one who has just taken hold
        os.rename(aside, path)
    return False


def _alive(path: Path, told: dict[str, Any]) -> bool:
    """Tell whether an owner other than this process works on."""
    import psutil

    here = _this_process()
    if told.get("host") == here["host"]:
        if told.get("pid") == here["pid"]:
            return False
        try:
            process = psutil.Process(int(told["pid"]))
            if process.status() == psutil.STATUS_ZOMBIE:  # it ended, and nobody asked how
                return False
            return bool(abs(process.create_time() - float(told["started"])) < 2)
        except (KeyError, TypeError, ValueError, psutil.Error):
            return False
    return _shows_life(path)


def _shows_life(path: Path) -> bool:
    """Tell whether an owner gives a sign of life while this process waits."""
    try:
        before = path.stat().st_mtime_ns
        until = time.monotonic() + 2.5 * BEAT_S
        while time.monotonic() < until:
            time.sleep(BEAT_S / 10)
            if path.stat().st_mtime_ns != before:
                return True
    except FileNotFoundError:  # it has just let go
        pass
    return False


def _ended_with_machine(told: dict[str, Any]) -> bool:
    here = _this_process()
    if told.get("host") != here["host"] or "boot" not in told:
        return False
    try:
        return bool(abs(float(told["boot"]) - here["boot"]) > _CLOCK_S)
    except (TypeError, ValueError):
        return False


def _this_process() -> dict[str, Any]:
    import platform

    import psutil

    own = psutil.Process()
    host = platform.node()
    with contextlib.suppress(OSError):  # containers may share a name, but number for themselves
        host = f"{host} {os.readlink('/proc/self/ns/pid')}"
    return {
        "host": host, "pid": own.pid, "started": own.create_time(),
        "boot": psutil.boot_time(),
    }  # fmt: skip
