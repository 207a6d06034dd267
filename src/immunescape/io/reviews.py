"""Answers of readers to blinded cells: a table that only grows, a row an answer."""

import csv
import io
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pandas as pd

from immunescape.errors import OutputError
from immunescape.io.output import writing

__all__ = ["ANSWERS", "Answer", "append_answer", "read_answers"]

ANSWERS = ("yes", "no", "cannot tell")
"""To the question whether the cell shown is positive for the marker."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one reader said of one cell.

    Parameters
    ----------
    time
        When, in UTC as ISO 8601.
    reader
        Who.
    marker
        Key of the marker that was asked for.
    called
        How the cell was called then: ``positive`` or ``negative``. The reader was not told.
    answer
        One of ``ANSWERS``.
    x_um, y_um
        Centroid of the cell.
    gate
        What the calls were made by; answers to other gates say nothing of these.
    """

    time: str
    reader: str
    marker: str
    called: str
    answer: str
    x_um: float
    y_um: float
    gate: str = ""


_COLUMNS = tuple(f.name for f in fields(Answer))


def append_answer(path: Path, answer: Answer) -> None:
    """Add a row to a table of answers; the table is started where there is none.

    The row is on the disk when this returns. What a crash left of a row is cut off first.

    Raises
    ------
    OutputError
        If the table cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            whole = _whole(file, end)
            if whole < end:
                file.truncate(whole)
            row = "" if whole else _row(_COLUMNS)
            place = (f"{answer.x_um:.3f}", f"{answer.y_um:.3f}")
            values = [str(value) for value in astuple(answer)]
            row += _row((*values[:5], *place, *values[7:]))
            file.write(row.encode())
            file.flush()
            os.fsync(file.fileno())


def read_answers(path: Path) -> pd.DataFrame:
    """Read a table of answers; without rows where there is no file.

    Raises
    ------
    OutputError
        If the file is no such table.
    """
    if not path.is_file():
        return _none()
    data = path.read_bytes()
    text = data[: data.rfind(b"\n") + 1]
    if not text:
        if not _row(_COLUMNS).encode().startswith(data):  # no table that a crash cut short
            raise _unreadable(path)
        return _none()
    try:
        table = pd.read_csv(io.BytesIO(text), dtype=dict.fromkeys(_COLUMNS, "str"),
                            keep_default_na=False)  # fmt: skip
        table = table[list(_COLUMNS)].astype({"x_um": "float64", "y_um": "float64"})
    except (ValueError, KeyError) as error:
        raise _unreadable(path) from error
    if not table["answer"].isin(ANSWERS).all():
        raise _unreadable(path)
    return table


def _none() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in _COLUMNS})


def _unreadable(path: Path) -> OutputError:
    return OutputError(f"{path.name} is no table of answers; move it elsewhere to start another")


def _whole(file: io.BufferedRandom, end: int) -> int:
    """Return the length of what ends with a line break."""
    file.seek(0)
    return file.read(end).rfind(b"\n") + 1


def _row(values: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(" ".join(value.split()) for value in values)
    return text.getvalue()
