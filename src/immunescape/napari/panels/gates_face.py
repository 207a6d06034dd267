"""The controls of the gate panel, and how they show what they are given."""

from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDoubleSpinBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from immunescape.napari.panels.gates_plot import GateCanvas, decimals
from immunescape.napari.panels.gates_text import value_text
from immunescape.pipeline.live_values import GateValues

__all__ = ["GatesFace"]

Key = tuple[str, str]
Row = tuple[Key, str, float | None, float, str]

_KEY = int(Qt.ItemDataRole.UserRole)
_LIST_ROWS = 6
_FARTHEST = 1e7
_LEGEND = "┊ results &nbsp; ▒ range &nbsp; ▾ proposals &nbsp; ▴ clicked cell"
_CLICK = "Click a cell in the picture to see why it was called so."


class GatesFace(QWidget):
    """List of gates, histogram, threshold, counts, headline, buttons, and one cell's reasons.

    Parameters
    ----------
    viewer
        The viewer whose theme the histogram follows.
    """

    chosen = Signal(str, str)
    """Marker and parent of the gate that a person picked."""
    typed = Signal(float)
    """A threshold that was typed."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.list = self._make_list()
        column.addWidget(self.list)
        self.canvas = GateCanvas(viewer)
        column.addWidget(self.canvas)
        legend = _text(_LEGEND)
        legend.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        legend.setStyleSheet("color: palette(mid)")
        column.addWidget(legend)
        column.addLayout(self._make_threshold())
        column.addLayout(self._make_review())
        self.counts, self.numbers, self.note, self.origin, self.left = (_text() for _ in range(5))
        self.note.setStyleSheet("color: #e69f00")
        for label in (self.counts, self.numbers, self.note):
            column.addWidget(label)
        self.why = _text(_CLICK)
        self.why.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.why)
        column.addWidget(self.origin)
        column.addWidget(self.left)
        column.addLayout(self._make_last())
        self._to_sight = QTimer(self)
        self._to_sight.setSingleShot(True)
        self._to_sight.setInterval(0)  # once the text has its place
        self._to_sight.timeout.connect(self._bring_to_sight)
        self.clear()

    def _make_list(self) -> QTreeWidget:
        shown = QTreeWidget()
        shown.setHeaderLabels(["Gate", "Above", "Positive", "State"])
        shown.setRootIsDecorated(False)
        shown.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        shown.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        shown.setMinimumWidth(0)
        shown.setToolTip("The gates of this slide. Choose one to look at it.")
        header = shown.header()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setStretchLastSection(False)
        shown.currentItemChanged.connect(self._picked)
        return shown

    def _make_threshold(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        self.spin = QDoubleSpinBox()
        self.spin.setKeyboardTracking(False)
        self.spin.setRange(-_FARTHEST, _FARTHEST)
        self.spin.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.spin.setMinimumWidth(72)
        self.spin.setToolTip("Cells above this intensity are positive; cells at it are not.")
        self.spin.valueChanged.connect(self.typed.emit)
        self.status = QLabel()
        self.undo_button = _button("↶", "")
        self.redo_button = _button("↷", "")
        for button in (self.undo_button, self.redo_button):
            button.setFixedWidth(28)
        row.addWidget(QLabel("Positive above"))
        row.addWidget(self.spin)
        row.addWidget(QLabel("(intensity)"))
        row.addStretch(1)
        row.addWidget(self.undo_button)
        row.addWidget(self.redo_button)
        return row

    def _make_review(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.reviewer = QLineEdit()
        self.reviewer.setPlaceholderText("your name or initials")
        self.reviewer.setToolTip("Who looks at the gates; stands beside every number.")
        self.confirm_button = _button(
            "Confirm", "Keep this threshold in the study, as looked at by the reviewer."
        )
        row.addWidget(QLabel("Reviewed by"))
        row.addWidget(self.reviewer, 1)
        row.addWidget(self.confirm_button)
        return row

    def _make_last(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.reset_button = _button(
            "Reset to automatic", "Take back what was set by hand; the automatic gate holds."
        )
        self.run_button = _button(
            "Update results", "Make all tables anew with the gates of the study."
        )
        row.addWidget(self.reset_button)
        row.addStretch(1)
        row.addWidget(self.status)
        row.addWidget(self.run_button)
        return row

    def keyPressEvent(self, event: Any) -> None:
        """Take back and bring back, wherever in the panel the keys go."""
        for keys, button in (
            (QKeySequence.StandardKey.Undo, self.undo_button),
            (QKeySequence.StandardKey.Redo, self.redo_button),
        ):
            if event.matches(keys):
                button.click()
                event.accept()
                return
        super().keyPressEvent(event)

    # What is shown

    def clear(self) -> None:
        """Show no gate."""
        self.list.blockSignals(True)
        self.list.clear()
        self.list.blockSignals(False)
        self.canvas.show_nothing()
        for label in (self.counts, self.origin, self.numbers, self.note, self.left, self.status):
            label.setText("")
        self.show_why("")

    def tell(self, text: str) -> None:
        """Say what is under way."""
        self.status.setText(f"<i>{text}</i>" if text else "")

    def show_gates(self, rows: list[Row], chosen: Key) -> None:
        """List the gates."""
        self.list.blockSignals(True)
        if self.list.topLevelItemCount() != len(rows):
            self.list.clear()
            self.list.addTopLevelItems([QTreeWidgetItem() for _ in rows])
        for number, (key, title, threshold, share, status) in enumerate(rows):
            item = self.list.topLevelItem(number)
            assert item is not None
            texts = (title, value_text(threshold), _percent(share), status)
            for column, text in enumerate(texts):
                item.setText(column, text)
            item.setData(0, _KEY, key)
            item.setToolTip(0, title)
            if key == chosen:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        header = self.list.header()
        assert header is not None
        row = max(self.list.sizeHintForRow(0), 14)
        shown = min(max(len(rows), 1), _LIST_ROWS)
        self.list.setFixedHeight(header.sizeHint().height() + row * shown + 4)

    def show_gate(
        self, values: GateValues, threshold: float | None, title: str, origin: str
    ) -> None:
        """Show the histogram of a gate and where the gate comes from."""
        self.spin.blockSignals(True)
        self.spin.setDecimals(decimals(values))
        self.spin.setSingleStep(10.0 ** (1 - decimals(values)))
        self.spin.blockSignals(False)
        self.canvas.show_gate(values, threshold, title)
        self.origin.setText(origin)

    def show_threshold(self, threshold: float, share: float) -> None:
        """Show a threshold as a number, and the positive share of the parent's cells."""
        self.spin.blockSignals(True)
        self.spin.setValue(threshold)
        self.spin.blockSignals(False)
        if (item := self.list.currentItem()) is not None:
            item.setText(1, value_text(threshold))
            item.setText(2, _percent(share))

    def show_numbers(self, counts: str, numbers: str, note: str) -> None:
        """Show what a threshold gives."""
        self.counts.setText(counts)
        self.numbers.setText(numbers)
        self.note.setText(note)
        self.note.setVisible(bool(note))

    def show_why(self, text: str, *, scroll: bool = False) -> None:
        """Show why a cell was called so; bring it into sight where asked to."""
        self.why.setText(text or f"<i>{_CLICK}</i>")
        if scroll:
            self._to_sight.start()

    def _bring_to_sight(self) -> None:
        area = self.parent()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parent()
        if isinstance(area, QScrollArea):
            area.ensureWidgetVisible(self.why, 0, 4)

    def show_steps(self, undo: str, redo: str) -> None:
        """Show what can be taken back and brought back."""
        for button, name, verb, keys in (
            (self.undo_button, undo, "Take back", "Ctrl+Z"),
            (self.redo_button, redo, "Bring back", "Ctrl+Shift+Z"),
        ):
            button.setEnabled(bool(name))
            button.setToolTip(f"{verb}: {name} ({keys})." if name else f"Nothing yet ({keys}).")

    def show_left(self, moved: bool, unsaved: bool) -> None:
        """Say what is left to do: gates moved and not confirmed, results of older gates."""
        parts = []
        if moved:
            parts.append("Moved gates count once they are confirmed.")
        if unsaved:
            parts.append("The tables are still those of the earlier study: update the results.")
        self.left.setText(" ".join(parts))
        self.left.setVisible(bool(parts))
        self.run_button.setEnabled(unsaved)

    def _picked(self, item: Any, _: Any = None) -> None:
        if item is not None:
            marker, parent = item.data(0, _KEY)
            self.chosen.emit(marker, parent)


def _text(text: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setMinimumWidth(1)  # a table in it must not widen the panel
    label.setTextFormat(Qt.TextFormat.RichText)
    return label


def _button(text: str, help_text: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(help_text)
    return button


def _percent(share: float) -> str:
    return "–" if share != share else f"{100 * share:.1f} %"
