"""The buttons that correct the chosen cell, and the keys that do the same."""

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from immunescape.napari.panels._cells_card import NAMES

__all__ = ["Actions"]

_PHENOTYPES = {"tumour": "T", "cd8_t": "C", "other": "O"}
_SHORT = {"tumour": "Tumour", "cd8_t": "CD8 T", "other": "Other"}
_OTHER_CALL = {"positive": "negative", "negative": "positive", "missing": "positive"}
_PER_ROW = 4


class Actions(QWidget):
    """What can be done to the chosen cells."""

    called = Signal(str, str)
    """A marker, or ``phenotype``, and the word it is set to."""
    deleted = Signal()
    """The chosen cell goes."""
    merged = Signal()
    """The two chosen cells become one."""
    cutting = Signal(bool)
    """A line is to be drawn across the chosen cell, or no longer."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, str] = {}
        self._markers: tuple[str, ...] = ()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(3)
        row = QHBoxLayout()
        row.addWidget(QLabel("It is"))
        self.phenotypes: dict[str, QPushButton] = {}
        for phenotype, key in _PHENOTYPES.items():
            button = self._button(
                f"{_SHORT[phenotype]} ({key})", f"Call the cell a {NAMES[phenotype]} ({key})."
            )
            button.clicked.connect(lambda _=False, p=phenotype: self.called.emit("phenotype", p))
            row.addWidget(button)
            self.phenotypes[phenotype] = button
        outer.addLayout(row)
        self._grid = QGridLayout()
        self._grid.setSpacing(3)
        outer.addLayout(self._grid)
        self.markers: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        self.delete_button = self._button("Delete (D)", "Remove the cell: it is none.")
        self.delete_button.clicked.connect(lambda: self.deleted.emit())
        self.merge_button = self._button(
            "Merge (M)", "Make the two chosen cells one; choose the second with Shift and a click."
        )
        self.merge_button.clicked.connect(lambda: self.merged.emit())
        self.split_button = self._button(
            "Split (S)", "Then draw a line across the cell, where it is to be cut; Esc leaves it."
        )
        self.split_button.setCheckable(True)
        self.split_button.toggled.connect(self.cutting.emit)
        for button in (self.delete_button, self.merge_button, self.split_button):
            row.addWidget(button)
        outer.addLayout(row)
        self.show_cells(0, {})

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return button

    def show_cells(self, count: int, calls: Mapping[str, str]) -> None:
        """Offer what can be done.

        Parameters
        ----------
        count
            Number of chosen cells.
        calls
            Call of the one chosen cell by marker; empty where it has none yet.
        """
        self._calls = dict(calls)
        self._show_markers(tuple(calls))
        for button in self.phenotypes.values():
            button.setEnabled(count == 1 and bool(calls))
        self.delete_button.setEnabled(count == 1)
        self.merge_button.setEnabled(count == 2)
        self.split_button.setEnabled(count == 1)
        if count != 1:
            self.split_button.setChecked(False)
        for number, (marker, call) in enumerate(calls.items(), 1):
            button = self.markers[marker]
            name, other = NAMES.get(marker, marker.upper()), _OTHER_CALL[call]
            button.setText(f"{name} {'+' if other == 'positive' else '−'} ({number})")
            button.setToolTip(f"{name} is called {call}; call it {other} ({number}).")
        for button in self.markers.values():
            button.setEnabled(count == 1 and bool(calls))

    def _show_markers(self, markers: tuple[str, ...]) -> None:
        if markers == self._markers or not markers:
            return
        for button in self.markers.values():
            self._grid.removeWidget(button)
            button.deleteLater()
        self._markers, self.markers = markers, {}
        for k, marker in enumerate(markers):
            button = self._button("", "")
            button.clicked.connect(lambda _=False, m=marker: self._flip(m))
            self._grid.addWidget(button, k // _PER_ROW, k % _PER_ROW)
            self.markers[marker] = button

    def _flip(self, marker: str) -> None:
        if marker in self._calls:
            self.called.emit(marker, _OTHER_CALL[self._calls[marker]])

    def press(self, key: int) -> bool:
        """Act on a key; tell whether it meant something here and now."""
        buttons = {
            Qt.Key.Key_D: self.delete_button,
            Qt.Key.Key_Delete: self.delete_button,
            Qt.Key.Key_M: self.merge_button,
            Qt.Key.Key_S: self.split_button,
            **{Qt.Key[f"Key_{_PHENOTYPES[p]}"]: b for p, b in self.phenotypes.items()},
            **{
                Qt.Key(Qt.Key.Key_1.value + k): self.markers[m]
                for k, m in enumerate(self._markers[:9])
            },
        }
        button: Any = buttons.get(Qt.Key(key)) if key in {k.value for k in buttons} else None
        if button is None or not button.isEnabled():
            return False
        button.click()
        return True
