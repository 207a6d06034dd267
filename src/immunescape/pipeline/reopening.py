"""Finding again the files that a result was made from."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape.errors import SlideError
from immunescape.io import fingerprint
from immunescape.study import read_study

if TYPE_CHECKING:
    from immunescape.study import Input, Study

__all__ = ["Reopened", "check_slide", "reopen_study"]

_FOLDERS_ABOVE = 3


@dataclass(frozen=True)
class Reopened:
    """A study, and the files that it was made with beside the slide.

    Parameters
    ----------
    study
        The study, without the files it names.
    files
        Fields of ``Inputs`` beside the slide: those files that were found.
    missing
        One sentence for each file that was not found.
    """

    study: "Study"
    files: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def reopen_study(path: Path, slide: Path) -> Reopened:
    """Return a study and the files it was made with, so that a person can go on with it.

    Parameters
    ----------
    path
        A study, such as that of a result.
    slide
        The slide to go on with, wherever it lies now.

    Returns
    -------
    Reopened
        Annotations, labels, calls and the control are looked for by name beside the study, in up
        to three folders above it, and beside the slide; a file of another size or content is
        another file. A study that was made from another slide lends its settings alone.

    Raises
    ------
    StudyError
        If the study cannot be read.
    """
    study = read_study(path)
    alone = dataclasses.replace(study, input=())
    made_from = [named for named in study.input if named.role == "slide"]
    if made_from and not any(slide.name == m.file or _is(slide, m) for m in made_from):
        return Reopened(alone)
    folder = path.parent
    places = (folder, *list(folder.resolve().parents)[:_FOLDERS_ABOVE], slide.resolve().parent)
    files: dict[str, Any] = {}
    missing = []
    for named in study.input:
        if named.role == "slide":
            continue
        found = next((p / named.file for p in places if _is(p / named.file, named)), None)
        if found is None:
            missing.append(
                f"{path.name} names {named.file} as {named.role}, which lies neither beside it nor "
                "beside the slide: it is not used"
            )
        elif named.role == "labels":
            files["labels"] = (*files.get("labels", ()), found)
        else:
            files[named.role] = found
    return Reopened(alone, files, tuple(missing))


def check_slide(folder: Path, slide: Path) -> "Study":
    """Return the study of a result, once it is sure that a slide is the one it was made from.

    Parameters
    ----------
    folder
        The result folder.
    slide
        The slide, wherever it lies now, under whatever name.

    Raises
    ------
    StudyError
        If the study cannot be read.
    SlideError
        If it is another slide.
    """
    study = read_study(folder / "study.toml")
    made_from = [named for named in study.input if named.role == "slide"]
    if made_from and not any(_is(slide, named) for named in made_from):
        raise SlideError(
            f"{slide.name} is not the slide that {folder.name} was made from; "
            f"choose {made_from[0].file}"
        )
    return study


def _is(path: Path, named: "Input") -> bool:
    if not path.exists():
        return False
    if path.is_file() and path.stat().st_size != named.size_bytes:
        return False
    found = fingerprint(path)
    return found.size_bytes == named.size_bytes and found.sha256 == named.sha256
