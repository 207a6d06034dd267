"""One figure of the panel: its plot, its buttons, and the bar under the pointer."""

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from immunescape.napari.plots import Draw, PlotCanvas
from immunescape.report.plots import Bar, bar_at

__all__ = ["FigureBox"]


class FigureBox(QWidget):
    """A plot of bars; a click chooses the cells of one.

    Parameters
    ----------
    viewer
        The viewer whose theme the plot follows.
    name
        Proposed name of a saved file.
    hint
        Shown below the plot while the pointer is on no bar.

    Attributes
    ----------
    bar_clicked
        Emitted with the ``Bar``.
    """

    bar_clicked = Signal(object)

    def __init__(
        self, viewer: Any, name: str, hint: str, *, height_px: int = 250,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 6)
        box.setSpacing(2)
        self.canvas = PlotCanvas(viewer, height_px=height_px, name=name)
        self.canvas.mpl_connect("motion_notify_event", self._point)
        self.canvas.mpl_connect("figure_leave_event", self._leave)
        self.canvas.mpl_connect("button_press_event", self._click)
        box.addWidget(self.canvas)
        self._hint = hint
        self.told = QLabel(hint)
        self.told.setWordWrap(True)
        self.told.setMinimumHeight(3 * self.told.fontMetrics().lineSpacing() + 2)
        self.told.setAlignment(Qt.AlignmentFlag.AlignTop)
        row = QHBoxLayout()
        row.addWidget(self.told, 1)
        self.copy_button = _button(row, "Copy", "Put this figure on the clipboard as a picture.")
        self.copy_button.clicked.connect(self.canvas.copy)
        self.save_button = _button(row, "Save …", "Save this figure as SVG or PNG.")
        self.save_button.clicked.connect(self.canvas.ask_save)
        box.addLayout(row)

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The bars that are drawn."""
        return self.canvas.drawn or ()

    def show_plot(self, draw: Draw) -> None:
        """Draw another plot; the function returns its bars."""
        self.canvas.show_plot(draw)
        self.told.setText(self._hint)

    def _bar(self, event: Any) -> Bar | None:
        if event.inaxes is not self.canvas.axes:
            return None
        return bar_at(self.bars, event.xdata, event.ydata)

    def _point(self, event: Any) -> None:
        bar = self._bar(event)
        self.told.setText(self._hint if bar is None else bar.text)
        pointing = Qt.CursorShape.PointingHandCursor
        self.canvas.setCursor(pointing if bar is not None else Qt.CursorShape.ArrowCursor)

    def _leave(self, _: Any) -> None:
        self.told.setText(self._hint)

    def _click(self, event: Any) -> None:
        bar = self._bar(event)
        if bar is not None and event.button == 1:
            self.bar_clicked.emit(bar)


def _button(row: QHBoxLayout, text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
    return button
