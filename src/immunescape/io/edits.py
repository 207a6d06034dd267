"""``edits.csv``: corrections made by hand, one line each, only ever added to.

Each line ends with a line break, written last. A last line without one was cut short by a crash:
it is set aside, and every line before it counts.
"""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from immunescape.errors import EditsError
from immunescape.io.edit_rows import ACTIONS, CALL_WORDS, EDITS_COLUMNS, Edit, Edits, Outcome
from immunescape.io.output import atomic_path, writing

__all__ = [
    "ACTIONS",
    "CALL_WORDS",
    "EDITS_COLUMNS",
    "Edit",
    "Edits",
    "Outcome",
    "append_edits",
    "parse_edits",
    "read_edits",
    "torn_name",
]

_HEADER = ",".join(EDITS_COLUMNS) + "\n"


@dataclass(frozen=True)
class _Contents:
    """What a file holds: its corrections, and the bytes of a torn last line."""

    edits: Edits
    whole: int
    torn: bytes
    ends_open: bool


def read_edits(path: Path) -> Edits:
    """Read a file of corrections.

    Parameters
    ----------
    path
        UTF-8 CSV with the columns ``EDITS_COLUMNS``.

    Returns
    -------
    Edits
        Its rows. A torn last line is left out with a warning.

    Raises
    ------
    EditsError
        If the file cannot be read, or a row means nothing: names file, line and remedy.
    """
    return parse_edits(_bytes_of(path), path.name)


def parse_edits(data: bytes, name: str) -> Edits:
    """Return the corrections of a file's bytes; ``name`` is the file's, for messages."""
    return _parsed(data, name).edits


def append_edits(path: Path, rows: Sequence[Edit]) -> Edits:
    """Add rows to a file of corrections; they are on the disk when this returns.

    A torn last line is moved into a file beside (`torn_name`), where a person can look at it. If
    the rows cannot be written whole, the file is as it was.

    Parameters
    ----------
    path
        The file; it is made with its header if there is none. Its folder must exist.
    rows
        New rows, later than those of the file.

    Returns
    -------
    Edits
        All rows of the file.

    Raises
    ------
    EditsError
        If the file holds a row that means nothing, or rows are not later than its own.
    OutputError
        If the place cannot be written.
    """
    text = "".join(map(_line, rows)).encode()
    if not path.exists():
        edits = Edits().with_rows(*rows)
        with atomic_path(path) as beside, beside.open("wb") as file:
            _write(file, _HEADER.encode() + text)
        return edits
    data = _bytes_of(path)
    held = _parsed(data, path.name)
    try:
        edits = held.edits.with_rows(*rows)
    except EditsError as error:
        raise EditsError(f"{path.name}: {error}; read the file again") from None
    with writing(path):
        if held.torn:
            with path.with_name(torn_name(path)).open("ab") as file:
                _write(file, held.torn + b"\n")
        with path.open("r+b") as file:
            file.truncate(held.whole)
            file.seek(held.whole)
            try:
                _write(file, (_HEADER.encode() if not held.whole else b"")
                       + (b"\n" if held.ends_open else b"") + text)  # fmt: skip
            except OSError:
                file.truncate(held.whole)
                raise
    return edits


def torn_name(path: Path) -> str:
    """Return the name of the file beside that takes lines cut short."""
    return f"{path.stem}.torn.txt"


def _write(file: "io.BufferedIOBase", data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise EditsError(f"{path.name} does not exist; give a file of corrections") from None
    except OSError as error:
        raise EditsError(f"{path.name} cannot be read; check its permissions") from error


def _line(edit: Edit) -> str:
    """Return a row as one line: a line break within a text becomes a space."""
    values = [
        repr(float(value)) if isinstance(value, float) else " ".join(str(value).splitlines())
        for value in (getattr(edit, name) for name in EDITS_COLUMNS)
    ]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()


def _parsed(data: bytes, name: str) -> _Contents:
    *lines, tail = data.split(b"\n")
    rows: list[Edit] = []
    warnings: tuple[str, ...] = ()
    whole, torn = len(data), b""
    if lines:
        _check_header(lines[0], name)
        for number, line in enumerate(lines[1:], start=2):
            if line.strip():
                rows.append(_row(line, name, number))
                _check(rows, name, number)
    if tail.strip():
        number = len(lines) + 1
        try:
            if lines:
                rows.append(_row(tail, name, number))
            else:
                _check_header(tail, name)
        except EditsError:
            if not lines and not _HEADER.encode().startswith(tail):
                raise
            torn, whole = tail, len(data) - len(tail)
            warnings = (f"{name}, line {number}: cut short and not used; the lines before count",)
        else:
            _check(rows, name, number)
    ends_open = whole == len(data) and bool(tail.strip())
    return _Contents(Edits(tuple(rows), warnings), whole, torn, ends_open)


def _check_header(line: bytes, name: str) -> None:
    found = line.decode("utf-8-sig", errors="replace").strip()
    if found != _HEADER.strip():
        raise EditsError(
            f"{name}, line 1: {found[:60]!r} are not the columns of corrections; the first line "
            f"is {_HEADER.strip()}"
        )


def _check(rows: list[Edit], name: str, number: int) -> None:
    """Refuse a last row whose time does not ascend, or that takes back what is not there."""
    if not rows:
        return
    row = rows[-1]
    if len(rows) > 1 and row.time <= rows[-2].time:
        raise EditsError(
            f"{name}, line {number}: the time {row.time} is not later than that of the row "
            "before; rows are only ever added at the end"
        )
    if row.action == "undo" and not any(r.time == row.after for r in rows[:-1]):
        raise EditsError(
            f"{name}, line {number}: undo names {row.after}, the time of no earlier row; name the "
            "time of the row to take back, or remove the line"
        )


def _row(line: bytes, name: str, number: int) -> Edit:
    try:
        (fields,) = csv.reader([line.decode("utf-8")], strict=True)
        if len(fields) != len(EDITS_COLUMNS):
            raise EditsError(f"{len(fields)} fields, not {len(EDITS_COLUMNS)}; write one each")
        values = dict(zip(EDITS_COLUMNS, (f.strip() for f in fields), strict=True))
        return Edit(**values | {c: _number(c, values[c]) for c in ("x_um", "y_um")})  # type: ignore[arg-type]
    except EditsError as error:
        raise EditsError(f"{name}, line {number}: {error}") from None
    except (csv.Error, UnicodeDecodeError, ValueError) as error:
        raise EditsError(
            f"{name}, line {number}: no row of comma-separated UTF-8 text; mend or remove the line"
        ) from error


def _number(column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise EditsError(f"{column} is {text!r} and no number; give a position in µm") from None
