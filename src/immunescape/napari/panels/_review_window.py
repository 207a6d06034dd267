"""The window of the blinded review: one cell, one question, one key."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QDialog, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout

from immunescape.errors import ImmunescapeError
from immunescape.napari.panels._review_pictures import CellPicture, PictureQueue

if TYPE_CHECKING:
    import pandas as pd
    from qtpy.QtWidgets import QWidget

__all__ = ["ReviewWindow"]

_BAR_UM = 10.0
_VIEW_PX = 590
_KEYS = {Qt.Key.Key_Y: "yes", Qt.Key.Key_N: "no", Qt.Key.Key_U: "cannot tell"}


class ReviewWindow(QDialog):
    """Cells one by one, over the whole window, so that nothing tells slide, call or timepoint.

    Parameters
    ----------
    cells
        ``label, called, x_um, y_um`` in the order of showing.
    title
        Marker as a reader knows it.
    make
        Makes the picture of a number, on another thread.
    parent
        The window that is covered.
    """

    answered = Signal(int, str)
    """Number of a cell, and the answer."""

    def __init__(
        self, cells: "pd.DataFrame", title: str, make: Any, parent: "QWidget | None" = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Blinded review")
        self.setModal(True)
        self.setStyleSheet("QDialog { background: #202020 } QLabel { color: #e0e0e0 }")
        self.cells = cells
        self.at = 0
        self._outlines = True
        self._picture: CellPicture | None = None
        self.pictures = PictureQueue(make, len(cells))
        self.pictures.ready.connect(self._ready)
        outer = QVBoxLayout(self)
        outer.addStretch(1)
        question = QLabel(
            f"Is the cell outlined in <span style='color:#e69f00'>orange</span> positive for "
            f"<b>{title}</b>?"
        )
        question.setAlignment(Qt.AlignmentFlag.AlignCenter)
        question.setStyleSheet("font-size: 16px")
        outer.addWidget(question)
        self.view = QLabel()
        self.view.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.view.setMinimumSize(_VIEW_PX, _VIEW_PX)
        outer.addWidget(self.view)
        outer.addLayout(self._make_buttons())
        row = QHBoxLayout()
        row.addStretch(1)
        self.bar = QProgressBar()
        self.bar.setMaximumWidth(300)
        self.bar.setTextVisible(False)
        self.bar.setRange(0, max(len(cells), 1))
        self.told = QLabel()
        row.addWidget(self.bar)
        row.addWidget(self.told)
        row.addStretch(1)
        outer.addLayout(row)
        note = QLabel("Grey is the marker alone; its brightness is the same for every cell.")
        note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        outer.addWidget(note)
        outer.addStretch(1)
        if parent is not None:
            self.setGeometry(parent.window().frameGeometry())
        self.show_cell(0)

    def _make_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addStretch(1)
        self.buttons: dict[str, QPushButton] = {}
        for key, text, tip, act in (
            ("back", "Back (Backspace)", "Show the last cell again; a new answer replaces "
             "the old.", self.back),
            ("yes", "Yes (Y)", "The cell is positive.", lambda: self.answer("yes")),
            ("no", "No (N)", "The cell is negative.", lambda: self.answer("no")),
            ("unsure", "Cannot tell (U)", "Counts neither way; how many is told.",
             lambda: self.answer("cannot tell")),
            ("outlines", "Outlines (O)", "Show or hide the outlines.", self.toggle_outlines),
            ("end", "Stop (Esc)", "Answers so far are kept; go on later where you stopped.",
             self.close),
        ):  # fmt: skip
            button = QPushButton(text)
            button.setToolTip(tip)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setAutoDefault(False)
            button.clicked.connect(lambda _=False, act=act: act())
            row.addWidget(button)
            self.buttons[key] = button
        row.addStretch(1)
        return row

    def show_cell(self, number: int) -> None:
        """Show a cell; beyond the last the window closes."""
        if number >= len(self.cells):
            self.close()
            return
        self.at = number
        self.bar.setValue(number)
        self.told.setText(f"cell {number + 1} of {len(self.cells)}")
        self.buttons["back"].setEnabled(number > 0)
        self._show(self.pictures.ask(number))

    def answer(self, said: str) -> None:
        """Take an answer and go on; a cell that is not shown yet is not answered."""
        if self._picture is None:
            return
        number = self.at
        self.answered.emit(number, said)
        self.show_cell(number + 1)

    def back(self) -> None:
        """Go back by one."""
        if self.at > 0:
            self.show_cell(self.at - 1)

    def toggle_outlines(self) -> None:
        """Show or hide the outlines."""
        self._outlines = not self._outlines
        self._show(self._picture)

    def keyPressEvent(self, event: Any) -> None:
        """Answer by key; a key that is held down answers once."""
        key = event.key()
        if event.isAutoRepeat():
            return
        if key in _KEYS:
            self.answer(_KEYS[key])
        elif key == Qt.Key.Key_Backspace:
            self.back()
        elif key == Qt.Key.Key_O:
            self.toggle_outlines()
        elif key == Qt.Key.Key_Escape:
            self.close()

    def closeEvent(self, event: Any) -> None:
        """Make no more pictures."""
        self.pictures.close()
        super().closeEvent(event)
        self.finished.emit(0)

    def _ready(self, number: int, picture: Any) -> None:
        if number == self.at:
            self._show(picture)

    def _show(self, picture: Any) -> None:
        self._picture = picture if isinstance(picture, CellPicture) else None
        for key in ("yes", "no", "unsure"):
            self.buttons[key].setEnabled(self._picture is not None)
        if picture is None:
            self.view.setText("reading …")
        elif isinstance(picture, CellPicture):
            self.view.setPixmap(_pixmap(picture, self._outlines))
        else:
            known = isinstance(picture, ImmunescapeError)
            self.view.setText(str(picture) if known else "this cell cannot be read")


def _pixmap(picture: CellPicture, outlines: bool) -> QPixmap:
    pixels = picture.outlined if outlines else picture.bare
    height, width = pixels.shape[:2]
    image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    pixmap = QPixmap.fromImage(image)
    painter = QPainter(pixmap)
    length = round(_BAR_UM / picture.um_per_px)
    painter.fillRect(4, height - 40, length + 12, 36, QColor(0, 0, 0, 170))
    painter.setPen(QPen(QColor("#ffffff"), 3))
    painter.drawLine(10, height - 12, 10 + length, height - 12)
    painter.drawText(10, height - 20, f"{_BAR_UM:g} µm")
    painter.end()
    return pixmap
