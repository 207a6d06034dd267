"""When the window that a widget lies in goes, and what is asked once one went without closing."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from immunescape.napari.kept import clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WindowWatch", "ask_to_restore"]


class WindowWatch(QObject):
    """Follows the window that a widget lies in, whichever that is by now.

    Parameters
    ----------
    widget
        Whose window is followed, from the moment it is shown.
    parent
        Whoever asks.
    """

    closing = Signal()
    """The window was told to close; it may still ask whether it should, and stay."""
    closed = Signal()

    def __init__(self, widget: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._widget: QWidget | None = widget
        self._window: QWidget | None = None
        self._told = False
        widget.installEventFilter(self)

    def eventFilter(self, source: Any, event: Any) -> bool:
        """Let every event pass, and tell of those that end the window."""
        kind = event.type()
        if kind == QEvent.Type.Show and self._widget is not None and source is self._widget:
            window = self._widget.window()
            if window is not None and window is not self._window:
                self._window = window
                window.installEventFilter(self)
        elif source is self._window and kind == QEvent.Type.Close:
            self._told = True
            self.closing.emit()
        elif source is self._window and kind == QEvent.Type.Hide and self._told:
            self.closed.emit()
        elif source is self._window and kind == QEvent.Type.Show:
            self._told = False
        return False

    def stop(self) -> None:
        """Let go of the window: what Qt has deleted is not kept alive by Python."""
        self._widget = self._window = None


def ask_to_restore(
    parent: QWidget | None, slide_name: str, when: float, answered: "Callable[[bool], None]"
) -> QMessageBox:
    """Offer what was saved before a crash; Enter, Escape and closing the question restore it.

    Parameters
    ----------
    parent
        Window that the question belongs to.
    slide_name
        Slide that was open.
    when
        When it was last saved, in seconds since 1970.
    answered
        Told once whether to start afresh.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("immunescape")
    box.setText(f"Restore what you drew at {clock(when)}?")
    box.setInformativeText(
        f"The window that had {slide_name} open ended without closing. Its drawing, corrections "
        "and settings were saved. If you start afresh, they are kept in a folder of their own."
    )
    restore = box.addButton("Restore", QMessageBox.ButtonRole.AcceptRole)
    afresh = box.addButton("Start afresh", QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(restore)
    box.setEscapeButton(restore)
    box.finished.connect(lambda _: answered(box.clickedButton() is afresh))
    box.finished.connect(box.deleteLater)
    box.open()
    return box
