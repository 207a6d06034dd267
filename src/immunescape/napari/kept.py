"""The files of a session's folder: written whole, read back, and set aside."""

import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error

from immunescape.errors import AnnotationError, ImmunescapeError
from immunescape.io.geojson import read_annotations, write_regions
from immunescape.io.output import writing
from immunescape.regions import Regions
from immunescape.study import Study, read_study, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from immunescape.napari.lock import Lock
    from immunescape.napari.session import Session

__all__ = [
    "Snapshot",
    "clock",
    "kept_files",
    "read_drawing",
    "read_settings",
    "save_snapshot",
    "set_aside",
    "set_damaged_aside",
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
    OSError
        If it cannot be set aside.
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
    except ImmunescapeError as error:
        if path != saved:
            raise
        aside = set_damaged_aside(path)
        problem = str(error).partition("; ")[0]
        raise AnnotationError(
            f"{problem}; it is kept as {aside.name} in {path.parent.name}, and the drawing is "
            "empty now"
        ) from error


def read_settings(session: "Session") -> Study | None:
    """Return the study that was saved for the slide; None without one.

    A damaged one is set aside and told: a slide can be opened all the same.
    """
    path = session.study_path
    if not path.is_file():
        return None
    try:
        return read_study(path)
    except ImmunescapeError as error:
        problem = str(error).partition("; ")[0]
        try:
            aside = f"it is kept as {set_damaged_aside(path).name}"
        except OSError:
            aside = "it cannot be moved"
        show_error(f"{problem}; {aside} in {path.parent.name}, and the usual settings are used")
        return None


def set_damaged_aside(path: "Path") -> "Path":
    """Move a file that cannot be read out of the way of what is written next, and name it.

    Raises
    ------
    OSError
        If its folder cannot be written.
    """
    aside = path.with_name(f"{path.stem}.{_stamp()}.damaged{path.suffix}")
    os.replace(path, aside)
    return aside


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
