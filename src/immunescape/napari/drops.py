"""Slides and result folders dropped on the window open at once, without a question."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

from immunescape.napari.reading import find_reader, is_claimed

__all__ = ["Drops", "take_drops"]

Opens = Callable[[Path], object]


class Drops(QObject):
    """Takes what is ours of what is dropped; the rest goes the way it always goes.

    napari asks which reader to use wherever more than one takes a file, and for every folder.

    Parameters
    ----------
    viewer
        The viewer to open things in.
    target
        The part of the window that things are dropped on.
    opens
        Called with a path to open it without holding the window; None lets napari open it.
    owner
        With which ``opens`` ends; napari opens what is dropped after that.
    """

    def __init__(
        self,
        viewer: Any,
        target: QWidget,
        opens: Opens | None = None,
        owner: QWidget | None = None,
    ) -> None:
        super().__init__(target)
        self.opens = opens
        self.owner = owner
        self._viewer = viewer
        target.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Open a drop of slides and results; anything else is let through."""
        if event is None or event.type() != QEvent.Type.Drop or not event.mimeData().hasUrls():
            return False
        urls = event.mimeData().urls()
        paths = [Path(u.toLocalFile()) for u in urls if u.isLocalFile()]
        alone = self.opens is not None and len(paths) == 1 and isalive(self.owner)
        ours = is_claimed if alone else find_reader
        if len(paths) != len(urls) or not all(ours(p) for p in paths):
            return False
        event.acceptProposedAction()
        if alone and self.opens is not None:
            self.opens(paths[0])
            return True
        for path in paths:
            self._viewer.open(path, plugin="immunescape")
        return True


def take_drops(viewer: Any, inside: QWidget, opens: Opens | None = None) -> Drops | None:
    """Open slides and results that are dropped on a viewer's window.

    Parameters
    ----------
    viewer
        The viewer.
    inside
        Any widget in its window, such as a dock.
    opens
        What opens a path, such as the panel that shows progress and asks for what a file leaves
        open; napari itself where absent.

    Returns
    -------
    Drops or None
        What takes the drops; the one that is there already, or None if nothing in the window
        takes drops.
    """
    for part in inside.window().findChildren(QWidget):
        if type(part).__name__ == "QtViewer" and part.acceptDrops():
            there = part.findChildren(Drops)
            taking = there[0] if there else Drops(viewer, part)
            if opens is not None:
                taking.opens, taking.owner = opens, inside
            return taking
    return None
