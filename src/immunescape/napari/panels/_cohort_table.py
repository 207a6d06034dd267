"""The worklist as a table, and a slide of it in words."""

import os
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from immunescape.cohort.worklist import STANDINGS
from immunescape.napari.kept import clock
from immunescape.napari.lock import Holder
from immunescape.napari.worklist import Looked

__all__ = ["WorklistTable", "counted", "in_words"]

_TITLES = ("Patient", "Timepoint", "Sample", "Standing", "Open")
_SAMPLE, _OPEN = 2, 4
_ROWS_SHOWN = 9
_MARKS = dict(zip(STANDINGS, ("○", "◔", "◑", "◕", "●"), strict=True))
"""A circle that fills: told by its shape, not by a colour."""


class WorklistTable(QTableWidget):
    """A row a slide, in the order of the sheet; the one on the workbench stands in bold."""

    wanted = Signal(int)
    """The row of a slide to open."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(0, len(_TITLES), parent)
        self.setHorizontalHeaderLabels(_TITLES)
        self.verticalHeader().hide()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setToolTip("Double-click a slide, or press Enter, to open it.")
        self.setShowGrid(False)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_SAMPLE, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_OPEN, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(36)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemDoubleClicked.connect(lambda item: self.wanted.emit(item.row()))

    def keyPressEvent(self, event: Any) -> None:
        """Open the chosen slide with Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentRow() >= 0:
            self.wanted.emit(self.currentRow())
            return
        super().keyPressEvent(event)

    def show_rows(self, looked: Sequence[Looked], current: str) -> None:
        """Show all rows; the chosen one stays chosen.

        Parameters
        ----------
        looked
            The slides in the order of the sheet.
        current
            Name of the one on the workbench.
        """
        self.setRowCount(len(looked))
        for row, one in enumerate(looked):
            sample = one.entry.sample
            here = sample.sample_id == current
            standing = one.entry.standing
            texts = (
                sample.patient, sample.timepoint, sample.sample_id,
                f"{_MARKS[standing]} {standing}", _open(one.holder, short=True),
            )  # fmt: skip
            for column, text in enumerate(texts):
                item = self.item(row, column)
                if item is None:
                    item = QTableWidgetItem()
                    self.setItem(row, column, item)
                item.setText(text)
                item.setToolTip(in_words(one))
                font = item.font()
                font.setBold(here)
                item.setFont(font)
                failed = one.entry.state.standing == "failed" or one.entry.problems
                item.setForeground(QColor("#d55e00") if failed else self.palette().text())
        pairs = [(one.entry.sample.patient, one.entry.sample.timepoint) for one in looked]
        told = len(set(pairs)) == len(pairs)  # else the name alone tells slides apart
        self.setColumnHidden(_SAMPLE, told)
        lines = min(max(len(looked), 1), _ROWS_SHOWN)
        height = self.verticalHeader().defaultSectionSize()
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + lines * height + 4)


def counted(looked: Sequence[Looked]) -> str:
    """Return how many slides stand where, such as ``3 to do, 1 signed``."""
    standings = [one.entry.standing for one in looked]
    return ", ".join(f"{standings.count(s)} {s}" for s in STANDINGS if s in standings)


def in_words(one: Looked) -> str:
    """Return all that is known of a slide, a line each."""
    entry = one.entry
    lines = [entry.sample.sample_id + (f", {held}" if (held := _open(one.holder)) else "")]
    lines.append("Regions drawn." if entry.annotated else "Nothing drawn.")
    if entry.gates:
        left = f"; left: {', '.join(entry.gates_left)}" if entry.gates_left else ""
        lines.append(f"Gates confirmed by {entry.gated_by}: {', '.join(entry.gates)}{left}.")
    elif entry.gates_left:
        lines.append(f"Gates nobody confirmed here: {', '.join(entry.gates_left)}.")
    if entry.answers:
        answers = f"{entry.answers} answer{'' if entry.answers == 1 else 's'}"
        lines.append(f"Review: {answers} by {', '.join(entry.readers)}.")
    if entry.signature is not None:
        lines.append(f"Signed by {entry.signature.person}, {_when(entry.signature.time)}.")
    if entry.withdrawn is not None:
        lines.append(
            f"Signature of {entry.withdrawn.person}, {_when(entry.withdrawn.time)}, no longer "
            "holds: something changed since."
        )
    state = entry.state
    if state.standing == "failed":
        lines.append(f"Run: failed at {state.step or 'open'}: {state.error}; {state.remedy}")
    elif state.stopped:
        lines.append("Run: stopped; run again to go on.")
    elif state.standing == "running":
        lines.append(f"Run: {state.step or 'running'}.")
    elif state.attempts or state.standing != "waiting":
        lines.append(f"Run: {state.standing}.")
    return "\n".join((*lines, *entry.problems))


def _open(holder: Holder | None, *, short: bool = False) -> str:
    """Return who has a slide open and since when; empty where nobody does."""
    if holder is None:
        return ""
    here = (holder.machine, holder.process) == (socket.gethostname(), os.getpid())
    since = clock(holder.since or holder.time)
    if short:
        return f"here {since}" if here else f"{holder.person or holder.machine} {since}"
    who = "here" if here else f"by {holder.person or 'somebody'} on {holder.machine}"
    return f"open {who} since {since}"


def _when(told: str) -> str:
    """Return the time of a signature as the clock on the wall showed it."""
    try:
        at = datetime.fromisoformat(told).astimezone()
    except ValueError:
        return told
    return f"{at:%d.%m.%Y %H:%M}"
