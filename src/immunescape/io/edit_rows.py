"""Corrections made by hand, as values: one row each, keyed by position, never by label."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal, get_args

from immunescape.errors import EditsError
from immunescape.results import PHENOTYPES

__all__ = ["ACTIONS", "CALL_WORDS", "EDITS_COLUMNS", "Action", "Edit", "Edits", "Outcome"]

Action = Literal["call", "merge", "split", "delete", "undo"]
ACTIONS: tuple[Action, ...] = get_args(Action)
EDITS_COLUMNS = ("time", "user", "action", "x_um", "y_um", "before", "after", "reason")
CALL_WORDS = ("positive", "negative", "missing")
"""What a marker of a cell can be set to."""

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_TIME_LENGTH = len("2026-01-31T12:00:00.000000Z")
_NUMBERS = {"merge": ("x", "y"), "split": ("x0", "y0", "x1", "y1")}
_STEP = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One correction.

    Parameters
    ----------
    time
        When it was made, ISO 8601 in UTC with microseconds, such as
        ``2026-01-31T12:00:00.000000Z``. No two rows of a file share one.
    action
        ``call`` sets a marker or the phenotype of one cell, ``merge`` makes two cells one,
        ``split`` cuts a cell in two, ``delete`` removes it, ``undo`` takes an earlier row back,
        another ``undo`` among them.
    x_um, y_um
        Position within the cell in question, µm from the outer corner of the slide's first pixel.
    after
        ``call``: ``phenotype=other``, ``cd8=positive``, ``pdl1=missing``; ``merge``: a position in
        the other cell, ``x=12.5 y=40.25``; ``split``: two points of a straight line,
        ``x0=1.0 y0=2.0 x1=3.0 y1=4.0``; ``undo``: the time of the row taken back; ``delete``:
        empty.
    before
        What the cell was, for a reader; it decides nothing.
    user, reason
        Who made it and why; they decide nothing.

    Raises
    ------
    EditsError
        If a field cannot mean what its action needs.
    """

    time: str
    action: Action
    x_um: float
    y_um: float
    after: str = ""
    before: str = ""
    user: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise EditsError(
                f"the action {self.action!r} is unknown; give one of {', '.join(ACTIONS)}"
            )
        if not _is_time(self.time):
            raise EditsError(
                f"{self.time!r} is no time; write it in UTC like 2026-01-31T12:00:00.000000Z"
            )
        if not (math.isfinite(self.x_um) and math.isfinite(self.y_um)):
            raise EditsError("x_um and y_um are not both numbers; give a position in µm")
        if self.action == "call":
            self._check_call()
        elif self.action == "undo" and not _is_time(self.after):
            raise EditsError(
                f"undo names {self.after!r} and no time; give the time of an earlier row"
            )
        elif self.action == "delete" and self.after:
            raise EditsError(f"delete has {self.after!r} under after; leave that empty")
        elif self.action in _NUMBERS:
            numbers = self.numbers
            if self.action == "split" and numbers[:2] == numbers[2:]:
                raise EditsError("both points of the line are one; give two points")

    def _check_call(self) -> None:
        key, value = self.call
        words = PHENOTYPES if key == "phenotype" else CALL_WORDS
        if not re.fullmatch(r"[a-z0-9_]+", key) or value not in words:
            raise EditsError(
                f"the call {self.after!r} cannot be read; write MARKER={'|'.join(CALL_WORDS)} "
                f"or phenotype={'|'.join(PHENOTYPES)}"
            )

    @property
    def call(self) -> tuple[str, str]:
        """Marker, or ``phenotype``, and the word it is set to."""
        key, _, value = self.after.partition("=")
        return key.strip(), value.strip()

    @property
    def numbers(self) -> tuple[float, ...]:
        """Coordinates in µm that a merge or a split names, in the order of the text."""
        names = _NUMBERS[self.action]
        form = " ".join(f"{name}=NUMBER" for name in names)
        wrong = EditsError(f"{self.action} has {self.after!r} under after; write {form}")
        parts = [part.partition("=") for part in self.after.split()]
        if tuple(part[0] for part in parts) != names:
            raise wrong
        try:
            values = tuple(float(part[2]) for part in parts)
        except ValueError:
            raise wrong from None
        if not all(map(math.isfinite, values)):
            raise wrong
        return values

    @property
    def where(self) -> str:
        """Action and position as a sentence names them."""
        return f"{self.action} at x {self.x_um:.1f} µm, y {self.y_um:.1f} µm"


@dataclass(frozen=True)
class Outcome:
    """Whether a correction could be replayed: ``why`` is empty where it was."""

    edit: Edit
    why: str = ""


@dataclass(frozen=True)
class Edits:
    """Every row of a file of corrections, and which of them hold.

    Parameters
    ----------
    rows
        In the order of their times, each later than the one before.
    warnings
        What was noticed while they were read.

    Raises
    ------
    EditsError
        If times do not ascend or an undo names no earlier row.

    Examples
    --------
    An undo of an undo is a redo.

    >>> made = Edits().with_rows(Edits().delete(1.0, 2.0))
    >>> undone = made.with_rows(made.undo())
    >>> redone = undone.with_rows(undone.redo())
    >>> [len(edits.active) for edits in (made, undone, redone)]
    [1, 0, 1]
    """

    rows: tuple[Edit, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        known: set[str] = set()
        last = ""
        for row in self.rows:
            if row.time <= last:
                raise EditsError(f"the time {row.time} is not later than that of the row before")
            if row.action == "undo" and row.after not in known:
                raise EditsError(f"undo names {row.after}, the time of no earlier row")
            known.add(row.time)
            last = row.time

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _standing(self) -> tuple[Edit, ...]:
        """Rows that no standing row takes back, undo rows among them."""
        taken_back: set[str] = set()
        standing = []
        for row in reversed(self.rows):  # whatever takes a row back comes after it
            if row.time in taken_back:
                continue
            standing.append(row)
            if row.action == "undo":
                taken_back.add(row.after)
        return tuple(reversed(standing))

    @property
    def active(self) -> tuple[Edit, ...]:
        """Corrections that hold, in the order they were made; those taken back are left out."""
        return tuple(row for row in self._standing if row.action != "undo")

    @property
    def of_labels(self) -> tuple[Edit, ...]:
        """Active corrections that change which pixels belong to which cell."""
        return tuple(row for row in self.active if row.action != "call")

    @property
    def of_calls(self) -> tuple[Edit, ...]:
        """Active corrections that change what a cell is called."""
        return tuple(row for row in self.active if row.action == "call")

    @property
    def last_undoable(self) -> Edit | None:
        """The correction that an undo takes back; None if there is none."""
        return next(iter(reversed(self.active)), None)

    @property
    def last_redoable(self) -> Edit | None:
        """The correction that a redo brings back; None after a new correction or without undo."""
        undo = self._redoable()
        return None if undo is None else self._by_time[undo.after]

    @cached_property
    def _by_time(self) -> dict[str, Edit]:
        return {row.time: row for row in self.rows}

    def _redoable(self) -> Edit | None:
        """Return the latest standing undo of a correction, unless a correction was made since."""
        made = max((row.time for row in self.rows if row.action != "undo"), default="")
        for row in reversed(self._standing):
            if row.action == "undo" and self._by_time[row.after].action != "undo":
                return row if row.time > made else None
        return None

    def with_rows(self, *rows: Edit) -> "Edits":
        """Return the rows with more at the end."""
        return Edits((*self.rows, *rows), self.warnings)

    def next_time(self, now: datetime | None = None) -> str:
        """Return the time of a row made now; always later than the last row."""
        moment = (now or datetime.now(UTC)).astimezone(UTC)
        if self.rows:
            last = datetime.strptime(self.rows[-1].time, _TIME).replace(tzinfo=UTC)
            moment = max(moment, last + _STEP)
        return moment.strftime(_TIME)

    def call(self, x_um: float, y_um: float, key: str, value: str, **told: str) -> Edit:
        """Return a new row that sets a marker, or ``phenotype``, of the cell at a position."""
        return self._row("call", x_um, y_um, f"{key}={value}", told)

    def merge(
        self, x_um: float, y_um: float, other_um: tuple[float, float], **told: str
    ) -> Edit:  # fmt: skip
        """Return a new row that merges the cell at a position with the one at another."""
        return self._row("merge", x_um, y_um, _text("merge", other_um), told)

    def split(
        self,
        x_um: float,
        y_um: float,
        line_um: tuple[float, float, float, float],
        **told: str,
    ) -> Edit:
        """Return a new row that cuts the cell at a position; the line is ``x0, y0, x1, y1``."""
        return self._row("split", x_um, y_um, _text("split", line_um), told)

    def delete(self, x_um: float, y_um: float, **told: str) -> Edit:
        """Return a new row that removes the cell at a position."""
        return self._row("delete", x_um, y_um, "", told)

    def undo(self, row: Edit | None = None, **told: str) -> Edit:
        """Return a new row that takes a row back, the last correction that holds unless named.

        Raises
        ------
        EditsError
            If there is nothing to take back.
        """
        row = row or self.last_undoable
        if row is None:
            raise EditsError("there is no correction to undo; make one first")
        return self._row("undo", row.x_um, row.y_um, row.time, told)

    def redo(self, **told: str) -> Edit:
        """Return a new row that brings back what was undone last.

        Raises
        ------
        EditsError
            If nothing was undone, or a correction was made since.
        """
        undo = self._redoable()
        if undo is None:
            raise EditsError("there is no undone correction to redo; undo one first")
        return self._row("undo", undo.x_um, undo.y_um, undo.time, told)

    def _row(
        self, action: Action, x_um: float, y_um: float, after: str, told: dict[str, str]
    ) -> Edit:
        return Edit(
            time=self.next_time(), action=action, x_um=float(x_um), y_um=float(y_um), after=after,
            **told,
        )  # fmt: skip


def _text(action: str, values: Sequence[float]) -> str:
    return " ".join(
        f"{name}={float(value)!r}" for name, value in zip(_NUMBERS[action], values, strict=True)
    )


def _is_time(text: str) -> bool:
    try:
        return len(text) == _TIME_LENGTH and bool(datetime.strptime(text, _TIME))
    except ValueError:
        return False
