"""The cells: coloured by what they are, asked by a click, corrected by hand."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QLineEdit, QPushButton

from immunescape.napari.layers import classes_by_label, recolour
from immunescape.napari.panels._cells_actions import Actions
from immunescape.napari.panels._cells_card import card_html
from immunescape.napari.panels._cells_choice import Choice
from immunescape.napari.panels._cells_colouring import classes_of, ways
from immunescape.napari.panels._cells_crop import CropLayer
from immunescape.napari.panels._cells_legend import Legend
from immunescape.napari.panels._cells_list import CorrectionList
from immunescape.napari.panels._cells_log import CorrectionLog
from immunescape.napari.panels._cells_pointer import Pointer
from immunescape.napari.panels._keys import KeyListener
from immunescape.napari.panels.gates_cells import cells_layer
from immunescape.napari.session import finish
from immunescape.napari.step_widget import StepWidget, tell_error

if TYPE_CHECKING:
    from immunescape.io.edits import Edit
    from immunescape.napari.panels._cells_colouring import Classes
    from immunescape.napari.session import Session

__all__ = ["CellsPanel"]

_NONE = "Click a cell to see what it is. Shift and a click choose a second one, to merge both."


class CellsPanel(StepWidget):
    """Colour cells, look at one, and correct what is wrong; the numbers follow."""

    key = "cells"
    title = "Cells"
    hint = "Colour the cells, click one, correct what is wrong."

    def __init__(self, session: "Session", parent: Any = None) -> None:
        self.log = CorrectionLog(session)
        self.choice = Choice(self.log)
        self._finished: Any = None
        self._classes: Classes | None = None
        super().__init__(session, parent)
        self._make_colours()
        self._make_card()
        self._make_corrections()
        self.body.addStretch(1)
        self.crop_layer = CropLayer(session.viewer)
        self.pointer = Pointer(session.viewer, self._listens, self.pick, self.cut)
        self.keys = KeyListener(self, session.viewer, self._key)
        session.edits_changed.connect(self._follow_edits)
        session.slide_changed.connect(self._load)
        self._load()

    def _make_colours(self) -> None:
        row = QHBoxLayout()
        self.way = QComboBox()
        self.way.setToolTip("What the colours of the cells mean.")
        self.way.currentIndexChanged.connect(lambda _: self.colour())
        self.outlines = QCheckBox("Outlines only")
        self.outlines.setToolTip("Draw the cells as outlines, so that the stains can be seen.")
        self.outlines.toggled.connect(self._outline)
        row.addWidget(QLabel("Colour by"))
        row.addWidget(self.way, 1)
        row.addWidget(self.outlines)
        self.body.addLayout(row)
        self.legend = Legend()
        self.legend.hidden_changed.connect(self._paint)
        self.body.addWidget(self.legend)

    def _make_card(self) -> None:
        self.card = QLabel(_NONE)
        self.card.setWordWrap(True)
        self.card.setTextFormat(Qt.TextFormat.RichText)
        self.card.setToolTip("The chosen cell: its values, the gates, where it lies.")
        self.body.addWidget(self.card)
        self.buttons = Actions()
        self.buttons.called.connect(self.call)
        self.buttons.deleted.connect(lambda: self._do(self.choice.delete))
        self.buttons.merged.connect(lambda: self._do(self.choice.merge))
        self.buttons.cutting.connect(self._cutting)
        self.body.addWidget(self.buttons)

    def _make_corrections(self) -> None:
        row = QHBoxLayout()
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("optional")
        self.reason.setToolTip("Why; stands beside the next corrections.")
        self.user = QLineEdit()
        self.user.setToolTip("Who corrects; stands beside each correction.")
        self.user.setMaximumWidth(80)
        for text, field, stretch in (("Reason", self.reason, 1), ("By", self.user, 0)):
            row.addWidget(QLabel(text))
            row.addWidget(field, stretch)
        self.body.addLayout(row)
        self.list = CorrectionList()
        self.list.undone.connect(self.undo)
        self.list.redone.connect(self.redo)
        self.list.taken_back.connect(lambda edit: self._add(self.log.edits.undo(edit)))
        self.list.visited.connect(self.visit)
        self.body.addWidget(self.list)
        self.apply_button = QPushButton("Apply corrections")
        self.apply_button.setToolTip(
            "Measure the cells that were merged or split, and make all numbers again; the slide "
            "is not segmented again."
        )
        self.apply_button.clicked.connect(self.apply)
        self.body.addWidget(self.apply_button)

    # Following the session

    def needs(self) -> str:
        """Return what the panel waits for."""
        if waits := super().needs():
            return waits
        if self.session.finished is None:
            return "Waits for cells: segment and measure the slide."
        return ""

    def _load(self) -> None:
        try:
            self.log.load()
        except Exception as error:
            tell_error(error)

    def refresh(self) -> None:
        """Follow the session."""
        finished = self.session.finished
        if finished is not self._finished:
            self._finished = finished
            self._load()
            self.choose(None)
        if finished is not None and not self.user.text():
            self.user.setText(self.session.study.reviewed_by)
        self._follow_edits()

    def _follow_edits(self) -> None:
        edits = self.log.edits
        self.list.show_entries(
            self.log.entries(),
            undo=edits.last_undoable is not None,
            redo=edits.last_redoable is not None,
        )
        self.apply_button.setEnabled(self.log.waiting)
        self.choice.follow()
        cells = self.choice.cells
        if cells is None:
            return
        found = ways(cells)
        if [self.way.itemData(k) for k in range(self.way.count())] != list(found):
            before = self.way.currentData()
            self.way.blockSignals(True)
            self.way.clear()
            for key, title in found.items():
                self.way.addItem(title, key)
            self.way.setCurrentIndex(max(self.way.findData(before), 0))
            self.way.blockSignals(False)
        self.colour()
        self._show_choice()

    # Colours

    def colour(self) -> None:
        """Colour the cells, and show what the colours mean."""
        cells, way = self.choice.cells, self.way.currentData()
        if cells is None or way is None:
            return
        self._classes = classes_of(cells, way, self.session.study.margin.width_um)
        self.legend.show_classes(self._classes)
        self._paint()

    def _paint(self) -> None:
        cells = self.choice.cells
        if self._classes is None or cells is None or not self.isVisible():
            return
        layer = cells_layer(self.session, add=True)
        if layer is None:
            return
        codes = self._classes.of_rows
        if hidden := self.legend.hidden:
            codes = codes.copy()
            codes[np.isin(codes, list(hidden))] = 0
        by_label = classes_by_label(cells, codes)
        for label, into in self.choice.joined.items():
            by_label[label] = by_label[into]
        by_label[list(self.choice.gone)] = 0
        recolour(layer, by_label, self._classes.colours)
        self.outlines.blockSignals(True)
        self.outlines.setChecked(layer.contour > 0)
        self.outlines.blockSignals(False)

    def _outline(self, on: bool) -> None:
        layer = cells_layer(self.session)
        if layer is not None:
            layer.contour = 1 if on else 0

    # Choosing

    def _listens(self) -> bool:
        return self.isVisible() and not self.needs() and self.content.isEnabled()

    def _in_slide(self, *values: float) -> tuple[float, ...]:
        """Return positions ``x, y, x, y ...`` of the viewer as positions of the slide."""
        return tuple(v - self.session.origin_um[k % 2] for k, v in enumerate(values))

    def pick(self, x: float, y: float, add: bool = False) -> None:
        """Choose the cell at a place of the viewer; with ``add`` as the second of two."""
        x, y = self._in_slide(x, y)
        if not add:
            self.choose((x, y))
            return
        if why := self.choice.add((x, y)):
            show_warning(f"Not chosen: {why}.")
        self._show_choice()

    def choose(self, at_um: tuple[float, float] | None) -> None:
        """Choose the cell at a position of the slide, in µm; None chooses none."""
        self.buttons.split_button.setChecked(False)
        self.choice.clear()
        if at_um is not None:
            self.choice.choose(at_um)
        self._show_choice()

    def _show_choice(self) -> None:
        choice, finished = self.choice, self.session.finished
        if choice.crop is None:
            self.crop_layer.hide()
        elif self.isVisible():
            self.crop_layer.show(choice.crop, choice.labels, self.session.origin_um)
        if finished is None or choice.cells is None or not choice.labels:
            self.card.setText(_NONE)
        elif len(choice.labels) == 2:
            self.card.setText(f"<b>cells {choice.labels[0]} and {choice.labels[1]}</b>")
        else:
            self.card.setText(card_html(finished, choice.cells, choice.labels[0]))
        self.buttons.show_cells(len(choice.labels), choice.calls)

    def visit(self, edit: "Edit") -> None:
        """Move the camera to where a correction was made, and choose what lies there."""
        x0, y0 = self.session.origin_um
        self.session.viewer.scene.camera.center = (0.0, edit.y_um + y0, edit.x_um + x0)
        self.choose((edit.x_um, edit.y_um))

    # Correcting

    def _told(self) -> dict[str, Any]:
        return {"user": self.user.text().strip(), "reason": self.reason.text().strip()}

    def _do(self, correct: Callable[[dict[str, Any]], str | None]) -> None:
        """Make a correction; say why where it cannot be applied."""
        try:
            why = correct(self._told())
        except Exception as error:
            tell_error(error)
            return
        if why:
            show_warning(f"Not corrected: {why}.")

    def _add(self, row: "Edit") -> None:
        self._do(lambda _: self.log.add(row))

    def call(self, key: str, value: str) -> None:
        """Set a marker, or the ``phenotype``, of the chosen cell."""
        self._do(lambda told: self.choice.call(key, value, told))

    def _cutting(self, on: bool) -> None:
        self.pointer.drawing = on
        self.session.message.emit("Draw a line across the cell." if on else "")

    def cut(self, x0: float, y0: float, x1: float, y1: float, done: bool) -> None:
        """Show a line, or cut the chosen cell along it; positions are those of the viewer."""
        a, b, c, d = self._in_slide(x0, y0, x1, y1)
        if not done:
            self.crop_layer.show_line((a, b, c, d))
            return
        self.buttons.split_button.setChecked(False)
        self._show_choice()
        self._do(lambda told: self.choice.split((a, b, c, d), told))

    def undo(self) -> None:
        """Take the last correction back."""
        if self.log.edits.last_undoable is not None:
            self._add(self.log.edits.undo(user=self._told()["user"]))

    def redo(self) -> None:
        """Bring back what was undone last."""
        if self.log.edits.last_redoable is not None:
            self._add(self.log.edits.redo(user=self._told()["user"]))

    def apply(self) -> None:
        """Make the numbers again with all corrections."""
        session = self.session
        self.start(
            finish, session.inputs, session.out, session.study, run=True,
            done=session.set_finished,
        )  # fmt: skip

    # Keys and leaving

    def _key(self, event: Any) -> bool:
        if not self._listens():
            return False
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        key = int(event.key())
        if control and key == Qt.Key.Key_Z.value:
            (self.redo if shift else self.undo)()
        elif key == Qt.Key.Key_Escape.value and self.choice.crop is not None:
            if self.pointer.drawing:
                self.buttons.split_button.setChecked(False)
                self._show_choice()
            else:
                self.choose(None)
        else:
            return not control and self.buttons.press(key)
        return True

    def keyPressEvent(self, event: Any) -> None:
        """Act on a key, when the panel has the focus."""
        if not self._key(event):
            super().keyPressEvent(event)

    def hideEvent(self, event: Any) -> None:
        """Leave nothing of ours on the canvas when another panel comes to the front."""
        super().hideEvent(event)
        self.choose(None)
