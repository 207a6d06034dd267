"""The files of a session's folder: written whole, read back, and set aside."""

import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from immunescape.errors import ImmunescapeError
from immunescape.io.geojson import read_annotations, write_regions
from immunescape.io.output import writing
from immunescape.regions import Regions
from immunescape.study import Study, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from immunescape.napari.lock import Lock
    from immunescape.napari.session import Session

__all__ = [
    "Snapshot",
    "clock",
    "kept_files",
    "read_drawing",
    "save_snapshot",
    "set_aside",
]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What was drawn and set at one moment; its parts never change, so any thread may write it.

    Parameters
    ----------
    folder
        The session's folder.
    lock
        Its lock.
    pixel_size_um
        Edge of a pixel of the slide.
    regions
        What is drawn; None leaves the file as it is.
    study
        The study; None leaves the file as it is.
    """

    folder: "Path"
    lock: "Lock"
    pixel_size_um: float
    regions: Regions | None
    study: Study | None


def save_snapshot(snapshot: Snapshot) -> bool:
    """Write a snapshot, each file beside its place first; for another thread.

    A drawing from which everything was removed leaves no file, as the command line needs it; the
    last one that held something stays as ``annotations.before.geojson``.

    Returns
    -------
    bool
        False where another window has the folder open: nothing is written.
    """
    with writing(snapshot.folder):
        if not snapshot.lock.take():
            return False
        if snapshot.regions is not None:
            path = snapshot.folder / "annotations.geojson"
            if any(not shape.is_empty for shape in snapshot.regions.shapes.values()):
                write_regions(path, snapshot.regions, snapshot.pixel_size_um)
            elif path.exists():
                os.replace(path, path.with_name("annotations.before.geojson"))
        if snapshot.study is not None:
            write_study(snapshot.folder / "study.toml", replace(snapshot.study, input=()))
    return True


def kept_files(session: "Session") -> "list[Path]":
    """Return the files that hold what a person drew, corrected and set, those that are there."""
    paths = (session.annotations_path, session.edits_path, session.study_path)
    return [path for path in paths if path.is_file()]


def read_drawing(session: "Session") -> Regions:
    """Return what was saved for the slide, else the annotations it was opened with.

    Raises
    ------
    ImmunescapeError
        If the file cannot be used. A saved one is set aside first: it must neither stop a run nor
        be written over.
    """
    slide = session.slide
    saved = session.annotations_path
    path = saved if saved.is_file() else session.own_files().get("annotations")
    if slide is None or path is None:
        return Regions()
    try:
        return read_annotations(
            path, pixel_size_um=slide.pixel_size_um, slide_name=slide.name, shape=slide.shape
        )
    except ImmunescapeError:
        if path == saved:
            os.replace(path, path.with_name(f"annotations.{_stamp()}.damaged.geojson"))
        raise


def set_aside(session: "Session") -> None:
    """Move what was saved into a folder of its own, beside what comes next.

    Raises
    ------
    OutputError
        If the folder cannot be written; what was not moved yet is where it was.
    """
    aside = session.kept / f"set aside {_stamp()}"
    with writing(session.kept):
        aside.mkdir()
        for path in kept_files(session):
            os.replace(path, aside / path.name)


def clock(when: float) -> str:
    """Return a time of day, with the day where that is not today.

    Parameters
    ----------
    when
        Seconds since 1970.
    """
    at = datetime.fromtimestamp(when)
    told = f"{at:%H:%M}"
    return told if at.date() == datetime.now().date() else f"{told} on {at:%d.%m.%Y}"


def _stamp() -> str:
    return datetime.now().strftime("%Y-%m-%d %H.%M.%S")
