"""Signing a slide: who stands for what was drawn, corrected and set, until any of it changes."""

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from immunescape.errors import ImmunescapeError, OutputError
from immunescape.io.edits import parse_edits
from immunescape.io.output import atomic_path, writing

__all__ = ["SIGNED", "Signature", "content_of", "read_signatures", "sign", "standing_signature"]

SIGNED = "signed.csv"
"""Table of signatures in the folder of what a person drew, corrected and set."""
_WITHDRAWN = ""


@dataclass(frozen=True)
class Signature:
    """One row of the table: somebody signed, or took the signature back.

    Parameters
    ----------
    time
        When, in UTC as ISO 8601.
    person
        Who.
    content
        Hash of what was signed; empty where the signature was taken back.
    """

    time: str
    person: str
    content: str


_COLUMNS = tuple(f.name for f in fields(Signature))


def content_of(files: Mapping[str, Path | None]) -> str:
    """Return the hash of what a signature stands for.

    Parameters
    ----------
    files
        By what they are, such as ``annotations``; None or a file that is not there is part of
        the hash as well: what is drawn later was not signed. Corrections without a row are none.

    Returns
    -------
    str
        SHA-256 as hexadecimal digits; order and folders of the files do not matter.
    """
    told = hashlib.sha256()
    for what in sorted(files):
        data = _data(what, files[what])
        told.update(f"{what}:{len(data)}:".encode())
        told.update(hashlib.sha256(data).digest())
    return told.hexdigest()


def _data(what: str, path: Path | None) -> bytes:
    if path is None or not path.is_file():
        return b""
    data = path.read_bytes()
    if what != "edits":
        return data
    try:
        return data if parse_edits(data, path.name).rows else b""
    except ImmunescapeError:
        return data


def read_signatures(path: Path) -> tuple[Signature, ...]:
    """Return all rows, the oldest first; none where there is no file.

    Raises
    ------
    OutputError
        If the file is no such table.
    """
    if not path.is_file():
        return ()
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
        if tuple(rows[0]) != _COLUMNS:
            raise ValueError("another header")
        return tuple(Signature(*row) for row in rows[1:] if row)
    except (OSError, ValueError, IndexError, TypeError, csv.Error) as error:
        raise OutputError(
            f"{path.name} in {path.parent.name} is no table of signatures; move it elsewhere to "
            "sign again"
        ) from error


def standing_signature(rows: tuple[Signature, ...], content: str) -> Signature | None:
    """Return the signature that stands: the last row, if it is of this content.

    Parameters
    ----------
    rows
        As ``read_signatures`` returns them.
    content
        Hash of what is there now.
    """
    if not rows or rows[-1].content == _WITHDRAWN or rows[-1].content != content:
        return None
    return rows[-1]


def sign(path: Path, person: str, content: str = _WITHDRAWN) -> Signature:
    """Add a row: somebody signs a content, or takes a signature back where it is empty.

    Raises
    ------
    OutputError
        If nobody is named, the file is no such table, or it cannot be written.
    """
    person = " ".join(person.split())
    if not person:
        raise OutputError("nobody is named as the one who signs; enter a name")
    row = Signature(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), person, content)
    rows = (*read_signatures(path), row)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(astuple(r) for r in rows)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as beside:
            beside.write_text(text.getvalue(), encoding="utf-8")
    return row
