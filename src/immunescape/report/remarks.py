"""What is said below the tables: what is not evaluable, and notes, each once."""

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd

__all__ = ["Notes", "Remarks", "wrapped"]

_WIDTH = 100


def wrapped(text: str) -> str:
    """Break a line at the width of the terminal; what follows is indented."""
    return textwrap.fill(
        text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


class Notes:
    """Collects the notes of all tables: each text once, with the slides and rows it concerns."""

    def __init__(self) -> None:
        self._notes: dict[str, dict[str, list[str]]] = {}

    def add(self, text: str, slide: str, subject: str) -> None:
        """Take up one note on one row."""
        self._notes.setdefault(text, {}).setdefault(slide, []).append(subject)

    def text(self) -> str:
        """Lines to print below the tables; a note on several rows names the slides alone."""
        lines = []
        for text, slides in self._notes.items():
            subjects = {subject for some in slides.values() for subject in some}
            row = f" ({subjects.pop()})" if len(subjects) == 1 else ""
            lines.append(wrapped(f"note: {', '.join(slides)}{row}: {text}"))
        return "\n".join(lines)


class Remarks:
    """Collects what is not evaluable, each reason once, and passes notes on."""

    def __init__(self, notes: Notes) -> None:
        self._subjects: dict[str, list[str]] = {}
        self._stops: dict[str, dict[str, list[str]]] = {}
        self._notes = notes

    def add(self, slide: str, subject: str, row: Mapping[str, Any], *, notes: bool = True) -> None:
        """Take up the reason of a row; of an evaluable one only where `notes` asks for it."""
        self._subjects.setdefault(slide, []).append(subject)
        reason = "" if pd.isna(row["reason"]) else str(row["reason"])
        if not bool(row["evaluable"]):
            stops = self._stops.setdefault(reason or "no reason given", {})
            stops.setdefault(slide, []).append(subject)
        elif notes:
            for part in filter(None, reason.split("; ")):
                self._notes.add(part, slide, subject)

    def lines(self) -> list[str]:
        """Lines to print below a table; a slide alone stands for all of its rows."""
        lines = []
        for reason, slides in self._stops.items():
            where = []
            for slide, subjects in slides.items():
                rows = "" if subjects == self._subjects[slide] else f" ({', '.join(subjects)})"
                where.append(slide + rows)
            lines.append(wrapped(f"not evaluable: {'; '.join(where)}: {reason}"))
        return lines
