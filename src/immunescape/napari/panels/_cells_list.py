"""The list of corrections: what was made, by whom, and what became of it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from immunescape.napari.panels._cells_card import NAMES
from immunescape.napari.panels._cells_log import APPLIED, BACK, GOES, Entry, in_words

__all__ = ["CorrectionList"]

_HEIGHT = 96
_MOST = 500


class CorrectionList(QWidget):
    """Corrections, the newest first, with undo, redo and taking back any of them."""

    undone = Signal()
    """The last correction goes."""
    redone = Signal()
    """The last one taken back returns."""
    taken_back = Signal(object)
    """One correction, an ``Edit``, goes."""
    visited = Signal(object)
    """A person wants to see where an ``Edit`` was made."""

    def __init__(self) -> None:
        super().__init__()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self.told = QLabel()
        self.told.setWordWrap(True)
        outer.addWidget(self.told)
        self.rows = QListWidget()
        self.rows.setFixedHeight(_HEIGHT)
        self.rows.setWordWrap(True)
        self.rows.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.rows.setToolTip("Corrections, the newest first; double-click one to go there.")
        self.rows.itemDoubleClicked.connect(
            lambda item: self.visited.emit(item.data(Qt.ItemDataRole.UserRole).edit)
        )
        self.rows.itemSelectionChanged.connect(self._chosen)
        outer.addWidget(self.rows)
        row = QHBoxLayout()
        self.undo_button = QPushButton("Undo")
        self.undo_button.setToolTip("Take the last correction back (Ctrl+Z).")
        self.undo_button.clicked.connect(lambda: self.undone.emit())
        self.redo_button = QPushButton("Redo")
        self.redo_button.setToolTip("Bring back what was undone last (Ctrl+Shift+Z).")
        self.redo_button.clicked.connect(lambda: self.redone.emit())
        self.back_button = QPushButton("Take back")
        self.back_button.setToolTip("Take the chosen correction back, whatever came after it.")
        self.back_button.clicked.connect(self._take_back)
        for button in (self.undo_button, self.redo_button, self.back_button):
            row.addWidget(button)
        outer.addLayout(row)
        self.show_entries([], undo=False, redo=False)

    def show_entries(self, entries: Sequence[Entry], *, undo: bool, redo: bool) -> None:
        """Show corrections; of very many the newest."""
        self.rows.clear()
        for entry in entries[:_MOST]:
            item = QListWidgetItem(_text(entry))
            item.setData(Qt.ItemDataRole.UserRole, entry)
            item.setToolTip(_tip(entry))
            if entry.state in (BACK, GOES):
                font = item.font()
                font.setStrikeOut(True)
                item.setFont(font)
                item.setForeground(QColor("#909090"))
            elif entry.why:
                item.setForeground(QColor("#e69f00"))
            self.rows.addItem(item)
        count = sum(e.state not in (BACK, GOES) for e in entries)
        failed = sum(bool(e.why) for e in entries)
        text = f"{count} correction{'' if count == 1 else 's'}"
        self.told.setText(text + (f", {failed} not applied" if failed else ""))
        self.rows.setVisible(bool(entries))
        self.undo_button.setEnabled(undo)
        self.redo_button.setEnabled(redo)
        self._chosen()

    def _entry(self) -> Entry | None:
        items = self.rows.selectedItems()
        return items[0].data(Qt.ItemDataRole.UserRole) if items else None

    def _chosen(self) -> None:
        entry = self._entry()
        self.back_button.setEnabled(entry is not None and entry.state not in (BACK, GOES))

    def _take_back(self) -> None:
        entry = self._entry()
        if entry is not None:
            self.taken_back.emit(entry.edit)


def _text(entry: Entry) -> str:
    state = f"not applied: {entry.why}" if entry.why else entry.state
    mark = "✓ " if entry.state == APPLIED else ""
    return f"{mark}{in_words(entry.edit, NAMES)}; {state}"


def _tip(entry: Entry) -> str:
    edit = entry.edit
    made = datetime.strptime(edit.time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).astimezone()
    parts = [f"{made:%Y-%m-%d %H:%M}", f"x {edit.x_um:.1f} µm, y {edit.y_um:.1f} µm"]
    parts += [f"by {edit.user}"] if edit.user else []
    parts += [f"reason: {edit.reason}"] if edit.reason else []
    return "\n".join(parts)
