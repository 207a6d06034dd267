"""The command line that repeats what a window shows."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immunescape.pipeline import Inputs

__all__ = ["command_of"]


def command_of(named: "Inputs", out: Path, study: Path) -> str:
    """Return the command line that repeats the numbers, to be run beside the slide.

    Files below the folder of the slide are named from there, others by their whole path.

    Parameters
    ----------
    named
        The files of the run.
    out
        Folder for the results.
    study
        The study as it was saved.
    """
    base = named.slide.resolve().parent
    parts = ["immunescape run", _quoted(named.slide.name), "-o", _below(base, out)]
    parts += ["--study", _below(base, study)]
    given = {
        "--annotations": (named.annotations,), "--edits": (named.edits,),
        "--labels": named.labels, "--calls": (named.calls,), "--control": (named.control,),
    }  # fmt: skip
    for flag, paths in given.items():
        found = [_below(base, path) for path in paths if path is not None]
        parts += [flag, *found] if found else []
    return " ".join(parts)


def _below(base: Path, path: Path) -> str:
    """Return a path as it is written in a command that is run in a folder."""
    path = path.resolve()
    return _quoted(str(path.relative_to(base) if path.is_relative_to(base) else path))


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text
