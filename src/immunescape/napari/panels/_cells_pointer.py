"""The pointer over the canvas: a click picks a cell, a drag draws a line where one is asked for."""

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Pointer"]

_STILL_PX = 4.0


class Pointer:
    """Listens to the canvas of a viewer while a panel can be seen.

    Parameters
    ----------
    viewer
        The viewer.
    listens
        Whether anything is to be heard now.
    picked
        Called with x and y in µm of the viewer's world and whether Shift was held.
    drawn
        Called with ``x0, y0, x1, y1`` and whether the line is finished.
    """

    def __init__(
        self,
        viewer: Any,
        listens: Callable[[], bool],
        picked: Callable[[float, float, bool], None],
        drawn: Callable[[float, float, float, float, bool], None],
    ) -> None:
        self.viewer = viewer
        self._listens, self._picked, self._drawn = listens, picked, drawn
        self._drawing = False
        viewer.mouse_drag_callbacks.append(self._pressed)

    @property
    def drawing(self) -> bool:
        """Whether the next drag draws a line instead of moving the picture."""
        return self._drawing

    @drawing.setter
    def drawing(self, drawing: bool) -> None:
        self._drawing = drawing
        self.viewer.scene.camera.mouse_pan = not drawing

    def close(self) -> None:
        """Listen no more."""
        if self._pressed in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._pressed)

    def _pressed(self, viewer: Any, event: Any) -> Iterator[None]:
        if not self._listens() or event.button not in (1, None):
            return
        y0, x0 = (float(v) for v in event.position[-2:])
        start = tuple(float(v) for v in event.pos)
        shift = "Shift" in event.modifiers
        drawing, moved = self._drawing, False
        yield
        while event.type == "mouse_move":
            there = tuple(float(v) for v in event.pos)
            moved |= max(abs(a - b) for a, b in zip(start, there, strict=True)) > _STILL_PX
            if drawing:
                y1, x1 = (float(v) for v in event.position[-2:])
                self._drawn(x0, y0, x1, y1, False)
            yield
        y1, x1 = (float(v) for v in event.position[-2:])
        if drawing and moved:
            self._drawn(x0, y0, x1, y1, True)
        elif not drawing and not moved and _clicks_pick(viewer):
            self._picked(x0, y0, shift)


def _clicks_pick(viewer: Any) -> bool:
    """Whether a click means nothing to the layer that is active, a tool to draw with, say."""
    active = viewer.layers.selection.active
    return str(getattr(active, "mode", "pan_zoom")) in ("pan_zoom", "pick")
