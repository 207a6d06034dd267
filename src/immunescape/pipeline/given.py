"""The corrections of one run: which file they come from, and that none is ever lost."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from immunescape.errors import EditsError, StudyError
from immunescape.io.edits import EDITS_COLUMNS, Edits, parse_edits
from immunescape.io.output import atomic_path
from immunescape.study import Input

__all__ = ["CORRECTIONS", "PERSONAL_NAMES", "REPLACED", "GivenEdits", "find_edits"]

CORRECTIONS = "edits.csv"
"""Name of the corrections in a result folder, and in the study of a result."""
REPLACED = "edits.replaced.csv"
"""Where corrections stay that others were given in place of."""
PERSONAL_NAMES = frozenset(("annotations.geojson", CORRECTIONS, REPLACED, "edits.torn.txt"))
"""What a person made and keeps in a result folder, before there is a result or after."""

_EMPTY = (",".join(EDITS_COLUMNS) + "\n").encode()


@dataclass(frozen=True, eq=False)
class GivenEdits:
    """Corrections as they were read when a run began.

    Parameters
    ----------
    edits
        Its rows.
    data
        The bytes they were read from.
    own
        Whether they lie in the result folder already: rows that are added to that file while the
        run goes on stay.
    """

    edits: Edits = field(default_factory=Edits)
    data: bytes = _EMPTY
    own: bool = True

    @property
    def file(self) -> tuple[Input, ...]:
        """What a study says of them; nothing where there is no row."""
        if not len(self.edits):
            return ()
        digest = hashlib.sha256(self.data).hexdigest()
        name = Input(
            role="edits", file=CORRECTIONS, size_bytes=len(self.data), sha256=digest
        )  # fmt: skip
        return (name,)

    def put(self, folder: Path, stage: Path) -> None:
        """Write them into a new folder, unless they lie in the older one and stay there.

        Rows of the older folder that are not among them are added to ``REPLACED``.
        """
        there = folder / CORRECTIONS
        if self.own and there.exists():
            return
        before = folder / REPLACED
        replaced = before.read_bytes() if before.exists() else b""
        if _lost(there, self.edits):
            replaced += there.read_bytes().rstrip(b"\n") + b"\n"
        if replaced:
            _write(stage / REPLACED, replaced)
        _write(stage / CORRECTIONS, self.data)


def find_edits(
    given: Path | None,
    named: Input | None,
    folder: Path | None,
    places: Iterable[Path],
    slide_sha256: str,
) -> tuple[GivenEdits, tuple[str, ...]]:
    """Read the corrections of a run.

    Parameters
    ----------
    given
        The file that the caller gave; it goes before all else.
    named
        What the study says of the corrections of this slide.
    folder
        The result folder, whose own corrections are used where no other are given.
    places
        Where a file that the study names may lie.
    slide_sha256
        Hash of the slide: corrections of another slide are never used.

    Returns
    -------
    GivenEdits
        Without rows if there are none.
    tuple of str
        What a user should know.

    Raises
    ------
    EditsError
        If the file does not exist or holds what means nothing.
    StudyError
        If the study names corrections that lie nowhere.
    """
    there = None if folder is None else folder / CORRECTIONS
    usable = there is not None and there.is_file() and _of_slide(there.parent, slide_sha256)
    path = given
    if given is not None and not given.exists():
        raise EditsError(f"{given.name} does not exist; pass an existing file with --edits")
    if path is None and named is not None:
        found = [there] if usable and there is not None else []
        found += [p / named.file for p in places if (p / named.file).is_file()]
        same = [p for p in found if hashlib.sha256(p.read_bytes()).hexdigest() == named.sha256]
        path = next(iter((*same, *found)), None)
        if path is None:
            raise StudyError(
                f"the study names {named.file} as edits, which lies neither beside it nor beside "
                "the slide; pass --edits"
            )
    if path is None:
        path = there if usable else None
    edits, data = Edits(), _EMPTY
    if path is not None:
        if path.is_dir():
            raise EditsError(f"{path.name} is a folder; pass a file of corrections with --edits")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise EditsError(f"{path.name} cannot be read; check its permissions") from error
        edits = parse_edits(data, path.name)
    own = there is None or path == there or (path is None and not there.exists())
    if path is not None and there is not None and there.exists() and not own:
        own = path.samefile(there)
    warnings = list(edits.warnings)
    if given is not None and not data.strip():
        warnings.append(f"{given.name} is empty: no corrections are made")
    if given is not None and not _of_slide(given.parent, slide_sha256):
        warnings.append(
            f"{given.name} lies in the result of another slide: its positions may mean other cells"
        )
    if not own and there is not None and _lost(there, edits):
        whose = "" if usable else " of another slide"
        warnings.append(
            f"the result folder held other corrections{whose}: they are kept as {REPLACED}"
        )
    return GivenEdits(edits, data, own), tuple(warnings)


def _of_slide(folder: Path, sha256: str) -> bool:
    """Tell whether a folder holds the result of a slide, or no result that says otherwise."""
    try:
        told = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        return bool(told["input"]["sha256"] == sha256)
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _lost(path: Path, edits: Edits) -> bool:
    """Tell whether a file holds corrections that are not among others."""
    if not path.is_file():
        return False
    try:
        held = parse_edits(path.read_bytes(), path.name)
    except EditsError:
        return True
    return not set(held.rows) <= set(edits.rows)


def _write(path: Path, data: bytes) -> None:
    with atomic_path(path) as beside:
        beside.write_bytes(data)
