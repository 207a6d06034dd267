"""Text in a panel: as high as its lines, whatever the width."""

from collections.abc import Iterable

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent, QShowEvent
from qtpy.QtWidgets import QLabel, QSizePolicy

__all__ = ["ElidedText", "WrappedText", "listed"]


class WrappedText(QLabel):
    """A label that wraps its lines and takes no more room than they need.

    Qt guesses the height of a wrapped label before it knows its width, which leaves gaps in a
    column.

    Parameters
    ----------
    text
        What it says.
    name
        Name of the widget, to find it by.
    """

    def __init__(self, text: str = "", name: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setObjectName(name)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def setText(self, text: str | None) -> None:
        """Say something else; without any text there is nothing to see."""
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Take the height of the lines at the new width."""
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Take the height at the width that the layout gave meanwhile."""
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        height = self.heightForWidth(self.width()) if self.text() else 0
        if height >= 0 and height != self.height():
            self.setFixedHeight(height)


class ElidedText(QLabel):
    """One line that gives up its middle where there is no room for all of it.

    All of it stands in the tooltip, unless another is set. It asks for no width of its own, so
    that a long name never pushes the rest of a panel out of sight.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setText(text)

    def setText(self, text: str | None) -> None:
        """Say something else."""
        self._whole = text or ""
        self.setToolTip(self._whole)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Say as much as the new width has room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        elided = self.fontMetrics().elidedText(
            self._whole, Qt.TextElideMode.ElideMiddle, max(self.width() - 2, 0)
        )
        if elided != self.text():
            super().setText(elided)


def listed(mark: str, texts: Iterable[str]) -> str:
    """Return texts as lines that begin with a mark."""
    return "\n".join(f"{mark} {text}" for text in texts)
