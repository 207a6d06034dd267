"""Keys of a panel: heard by the panel and by the canvas, while the panel is in front."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

__all__ = ["KeyListener"]


class KeyListener(QObject):
    """Passes keys pressed over the canvas to a panel that can be seen.

    napari's own keys for the layer that happens to be active would come first otherwise, and
    "delete" or "merge" would mean something else from one layer to the next.

    Parameters
    ----------
    panel
        Asked only while it can be seen.
    act
        Called with a key event; tells whether the key meant something.
    """

    def __init__(self, panel: QWidget, viewer: Any, act: Callable[[Any], bool]) -> None:
        super().__init__(panel)
        self._panel, self._act = panel, act
        bare = getattr(viewer, "__wrapped__", viewer)  # behind the proxy napari gives to plugins
        window = getattr(bare.window, "_qt_viewer", None)
        self.canvas = None if window is None else window.canvas.native
        if self.canvas is not None:
            self.canvas.installEventFilter(self)

    def eventFilter(self, source: Any, event: Any) -> bool:
        """Take a key that means something to the panel; all else goes on to napari."""
        if event.type() != QEvent.Type.KeyPress or not self._panel.isVisible():
            return False
        return self._act(event)
