"""A table of gates read back: gates that were found, or edited by hand, hold for another run."""

import csv
from dataclasses import dataclass
from pathlib import Path

from immunescape.errors import StudyError
from immunescape.phenotype.specs import PARENTS, GateSpec

__all__ = ["GateFile", "load_gates", "read_gates"]

_NEEDED = ("marker", "threshold")
_YES = ("true", "1", "yes")
_NO = ("false", "0", "no", "")
_EMPTY = ("", "na", "nan", "none")
_SKIPPED = ("missing", "imported")


@dataclass(frozen=True)
class GateFile:
    """What a table of gates says.

    Parameters
    ----------
    specs
        A fixed gate for each row with a threshold.
    notes
        One line for each row that sets no gate.
    """

    specs: tuple[GateSpec, ...]
    notes: tuple[str, ...] = ()


def read_gates(path: str | Path) -> tuple[GateSpec, ...]:
    """Return the gates of a table, as `load_gates`."""
    return load_gates(path).specs


def load_gates(path: str | Path) -> GateFile:
    """Read a table like ``gates.csv``, perhaps edited by hand.

    Each row with a threshold becomes a fixed gate with its statistic, its range and whether it is
    confirmed. A range that the threshold was moved out of is left out. Rows whose source is
    ``missing`` or ``imported`` set no gate and are named in the notes.

    Parameters
    ----------
    path
        Text with a header, its columns parted by commas, or by semicolons or tabs and then perhaps
        with decimal commas, with or without a byte order mark. ``marker`` and ``threshold`` are
        needed; ``parent`` (``all`` where it is absent or empty), ``statistic``, ``gate_low,
        gate_high, confirmed, source`` are read; other columns are ignored.

    Raises
    ------
    StudyError
        Naming file, row and remedy, if the file cannot be read, a column is absent, a value is
        none of what it may be, or two rows set the same gate. The first row below the header is
        row 1.
    """
    path = Path(path)
    rows, comma = _rows(path)
    specs: list[GateSpec] = []
    notes = []
    for number, row in enumerate(rows, start=1):
        where = f"{path.name}, row {number}"
        marker = row["marker"].lower()
        parent = row.get("parent", "").lower() or "all"
        source = row.get("source", "").lower()
        if parent not in PARENTS:
            raise StudyError(
                f"{where}: parent is {row['parent']!r}; give one of {', '.join(PARENTS)}"
            )
        value = _number(row, "threshold", where, comma)
        if value is None or source in _SKIPPED:
            why = source if source in _SKIPPED else "without a threshold"
            notes.append(f"{where}: {marker}@{parent} is {why} and sets no gate")
            continue
        if any(s.marker == marker and s.parent == parent for s in specs):
            raise StudyError(f"{where}: {marker}@{parent} has a row above; remove one of them")
        low, high = (_number(row, c, where, comma) for c in ("gate_low", "gate_high"))
        if (low is not None and low > value) or (high is not None and high < value):
            low = high = None
            notes.append(f"{where}: the range of {marker}@{parent} does not hold its threshold")
        confirmed = _confirmed(row, where)
        try:
            specs.append(
                GateSpec(
                    marker, parent, "fixed", value, row.get("statistic", ""), low, high,
                    confirmed, "file",
                )
            )  # fmt: skip
        except StudyError as error:
            raise StudyError(f"{where}: {error}") from None
    if not specs:
        raise StudyError(f"{path.name} sets no gate; fill in the column threshold")
    return GateFile(tuple(specs), tuple(notes))


def _rows(path: Path) -> tuple[list[dict[str, str]], bool]:
    """Return the rows as text by column, and whether a comma may be a decimal one."""
    if not path.is_file():
        raise StudyError(f"{path.name} is no file; pass a table such as gates.csv")
    try:
        text = path.read_text(encoding="utf-8-sig")
        head = text.partition("\n")[0]
        delimiter = max(",;\t", key=head.count)
        lines = list(csv.reader(text.splitlines(), delimiter=delimiter, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(
            f"{path.name} cannot be read as a table; save it as CSV in UTF-8"
        ) from error
    columns = [c.strip().lower() for c in lines[0]] if lines else []
    twice = [c for c in dict.fromkeys(columns) if c and columns.count(c) > 1]
    if twice:
        raise StudyError(
            f"{path.name} has the column {twice[0]} more than once; remove one of them"
        )
    for column in _NEEDED:
        if column not in columns:
            raise StudyError(
                f"{path.name} has no column {column}; give the columns of a gates.csv, at least "
                "marker and threshold"
            )
    rows = []
    for number, line in enumerate((x for x in lines[1:] if any(c.strip() for c in x)), start=1):
        if len(line) > len(columns) and any(c.strip() for c in line[len(columns) :]):
            raise StudyError(
                f"{path.name}, row {number}: {len(line)} values for {len(columns)} columns; put "
                "text with a separator in quotation marks"
            )
        values = [c.strip() for c in line] + [""] * (len(columns) - len(line))
        rows.append(dict(zip(columns, values, strict=False)))
    return rows, delimiter != ","


def _number(row: dict[str, str], column: str, where: str, comma: bool) -> float | None:
    text = row.get(column, "")
    if text.lower() in _EMPTY:
        return None
    try:
        return float(text.replace(",", ".") if comma else text)
    except ValueError:
        raise StudyError(
            f"{where}: {column} is {text!r}; give a number or leave it empty"
        ) from None


def _confirmed(row: dict[str, str], where: str) -> bool:
    word = row.get("confirmed", "").lower()
    if word not in (*_YES, *_NO):
        raise StudyError(f"{where}: confirmed is {row['confirmed']!r}; give true or false")
    return word in _YES
