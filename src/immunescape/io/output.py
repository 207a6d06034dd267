"""Writing whole or not at all: beside the target first, then renamed."""

import errno
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from immunescape.errors import OutputError

__all__ = ["NO_ROOM", "atomic_path", "check_folder_name", "staged_folder", "writing"]

NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT))
"""What the system says of a full disk or a used-up share of it."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(1, 10))} | {
    f"lpt{i}" for i in range(1, 10)
}


def check_folder_name(name: str) -> str:
    """Return a name that is safe as a folder on every system.

    Raises
    ------
    OutputError
        If the name is empty, starts with a dot, ends with a dot or a space, holds a character
        that Windows reserves, or is a device name of Windows.
    """
    forbidden = sorted({c for c in name if c in '<>:"/\\|?*' or ord(c) < 32})
    if forbidden:
        raise OutputError(f"{name!r} cannot name a folder: it holds {forbidden[0]!r}; rename it")
    if not name or name[0] == "." or name[-1] in ". " or name.split(".")[0].lower() in _RESERVED:
        raise OutputError(f"{name!r} cannot name a folder on every system; rename the slide")
    return name


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn a failure to write a file or folder into one line with its remedy.

    Parameters
    ----------
    place
        What the block writes, directly or in a hidden place beside it; errors about files
        elsewhere are passed on.

    Raises
    ------
    OutputError
        If there is no room, no permission, or another program holds a file.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise OutputError(
                f"no room is left to write {place.name}; free some, or choose another output folder"
            ) from error
        if not isinstance(error.filename, str | bytes | os.PathLike):
            raise
        failed = Path(os.fsdecode(error.filename)).absolute()
        if not _concerns(failed, place.absolute()):
            raise
        own = failed.name == place.name or failed.name.startswith(".")
        where = "" if own else f"{failed.name}: "
        raise OutputError(
            f"{place.name} cannot be written ({where}{error.strerror}); close programs that hold "
            "it open and check its permissions, or choose another output folder"
        ) from error


def _concerns(failed: Path, place: Path) -> bool:
    """Whether a path is a place, within it or its hidden stand-in, or a folder above it."""
    if place.is_relative_to(failed):
        return True
    if not failed.is_relative_to(place.parent):
        return False
    first = failed.relative_to(place.parent).parts[0]
    return first == place.name or first.startswith(f".{place.stem}.")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a path beside ``path``; what was written there takes its place if the block succeeds.

    Parameters
    ----------
    path
        File to write; its folder must exist. An existing file is replaced at once.

    Yields
    ------
    Path
        Where to write; it keeps the suffix of ``path`` and is removed if the block fails.

    Raises
    ------
    OutputError
        If the place cannot be written.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        with writing(path):
            yield beside
            os.replace(beside, path)
    finally:
        if beside.is_dir():
            shutil.rmtree(beside)
        else:
            beside.unlink(missing_ok=True)


@contextmanager
def staged_folder(target: Path, *, replaces: Collection[str] | None = None) -> Iterator[Path]:
    """Give an empty folder beside ``target`` that replaces it if the block succeeds.

    Parameters
    ----------
    target
        Folder to write. Parents are made, and removed again if the block fails and they are
        empty. An existing ``target`` stays until the new one is complete.
    replaces
        Names in an existing ``target`` that may go; anything else that lies there is moved into
        the new one. None replaces everything.

    Yields
    ------
    Path
        The folder to fill.

    Raises
    ------
    OutputError
        If the place cannot be written.
    """
    made = [p for p in (target.parent, *target.parent.parents) if not p.exists()]
    stage = target.parent / f".{target.name}.partial-{os.getpid()}"
    retired = target.parent / f".{target.name}.replaced-{os.getpid()}"
    emptied = True
    try:
        try:
            stage.mkdir(parents=True)
        except OSError as error:
            raise OutputError(
                f"cannot write into {target.parent.name or target.parent}: {error.strerror}; "
                "pass another folder with -o"
            ) from error
        with writing(target):
            yield stage
            if target.exists():
                emptied = replaces is None
                os.replace(target, retired)
            os.replace(stage, target)
            if not emptied:
                for path in [p for p in retired.iterdir() if p.name not in (replaces or ())]:
                    os.replace(path, target / path.name)
                emptied = True
    except BaseException:
        if retired.exists() and not target.exists():
            os.replace(retired, target)
            emptied = True
        shutil.rmtree(stage, ignore_errors=True)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise
    finally:
        if emptied:
            shutil.rmtree(retired, ignore_errors=True)
