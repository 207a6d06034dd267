"""The corrections of a session: rows that are only added, and what became of each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immunescape.io.edits import Edit, Edits, append_edits, read_edits
from immunescape.io.output import writing
from immunescape.pipeline.given import CORRECTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from immunescape.napari.session import Session

__all__ = ["CorrectionLog", "Entry", "in_words"]

APPLIED, WAITS, BACK, GOES = "applied", "to apply", "taken back", "to be taken back"


@dataclass(frozen=True)
class Entry:
    """One correction and how it stands."""

    edit: Edit
    state: str
    why: str = ""


class CorrectionLog:
    """Corrections in the session's file; the numbers follow when they are applied.

    Parameters
    ----------
    session
        The slide on the workbench.
    """

    def __init__(self, session: "Session") -> None:
        self.session = session
        self.edits = Edits()
        self.made_with = Edits()
        """Corrections that the result shown was made with."""

    def load(self) -> None:
        """Read the session's file, or that of the result where the session has none.

        Raises
        ------
        EditsError
            If a file holds a row that means nothing.
        """
        self.edits, self.made_with = Edits(), Edits()
        if self.session.slide is None:
            return
        made_with = self._of_result()
        if self.session.finished is not None and made_with.is_file():
            self.made_with = read_edits(made_with)
        own = self.session.edits_path
        self.edits = read_edits(own) if own.is_file() else self.made_with

    def _of_result(self) -> "Path":
        return self.session.folder / CORRECTIONS

    @property
    def why_not(self) -> dict[str, str]:
        """Why the result shown could not use a correction, by its time."""
        finished = self.session.finished
        if finished is None:
            return {}
        called = finished.shared.called
        outcomes = (
            *finished.measured.corrected.outcomes,
            *called.by_hand.outcomes(called.markers),
        )
        return {o.edit.time: o.why for o in outcomes if o.why}

    def add(self, row: Edit) -> None:
        """Add a row; it is on the disk when this returns.

        Raises
        ------
        EditsError, OutputError
            If the file cannot be read or written.
        """
        path = self.session.edits_path
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        fresh = () if path.is_file() else self.edits.rows
        self.edits = append_edits(path, (*fresh, row))
        self.session.edits_changed.emit()

    @property
    def waiting(self) -> bool:
        """Whether the result shown was made with other corrections."""
        return set(self.edits.active) != set(self.made_with.active)

    @property
    def pending(self) -> tuple[Edit, ...]:
        """Corrections that hold and that the result shown does not have, in order."""
        applied = {row.time for row in self.made_with.active}
        return tuple(row for row in self.edits.active if row.time not in applied)

    def entries(self) -> list[Entry]:
        """Return every correction, the newest first."""
        reasons = self.why_not
        active = {row.time for row in self.edits.active}
        applied = {row.time for row in self.made_with.active}
        found = []
        for row in reversed(self.edits.rows):
            if row.action == "undo":
                continue
            if row.time not in active:
                found.append(Entry(row, GOES if row.time in applied else BACK))
            elif row.time not in applied:
                found.append(Entry(row, WAITS))
            elif row.time in reasons:
                found.append(Entry(row, "not applied", reasons[row.time]))
            else:
                found.append(Entry(row, APPLIED))
        return found


def in_words(edit: Edit, titles: "dict[str, Any]") -> str:
    """Return a correction in a few words, such as ``CD8 positive (was negative)``.

    Parameters
    ----------
    edit
        The correction.
    titles
        How markers and phenotypes are called, by key.
    """
    if edit.action == "call":
        key, value = edit.call
        what = titles.get(value, value) if key == "phenotype" else f"{titles.get(key, key)} {value}"
    else:
        what = {"merge": "two cells merged", "split": "cell split", "delete": "cell deleted"}[
            edit.action
        ]
    before = titles.get(edit.before, edit.before)
    return f"{what} (was {before})" if before and edit.action == "call" else what
