"""The pen: what the pointer does over the canvas while a tool is in hand."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer, Signal
from shapely.geometry.base import BaseGeometry

from immunescape.drawing import brush

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CLICKED", "ROUND", "Pen", "segments_of"]

ROUND = ("brush", "eraser")
"""Tools with a disc at their tip."""
CLICKED = ("polygon",)
"""Tools that set a corner a click."""

Points = npt.NDArray[np.float64]

_NAME = "Pen"
_BETWEEN_S = 0.03
_STILL_PX = 4.0
_ZOOMS = "double_click_to_zoom"


def segments_of(lines: BaseGeometry) -> Points:
    """Return the straight pieces of lines, or of outlines, as starts and steps.

    Returns
    -------
    numpy.ndarray
        ``(n, 2, 2)`` in ``(y, x)``, as napari's Vectors take them.
    """
    if lines.geom_type.endswith("Polygon"):
        lines = shapely.boundary(lines)
    points, which = shapely.get_coordinates(shapely.get_parts(lines), return_index=True)
    same = which[1:] == which[:-1]
    starts, ends = points[:-1][same], points[1:][same]
    found: Points = np.stack([starts, ends - starts], axis=1)[:, :, ::-1]
    return found


class Pen(QObject):
    """Follows the pointer over one layer, shows the stroke, and hands it over when it ends.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    stroked = Signal(str, object)
    """Tool, and the path of the stroke as ``(n, 2)`` x and y in µm of the slide."""
    dropped = Signal()
    """The layer is no longer the active one: no tool is in hand."""

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.tool = ""
        self.outline: Callable[[str, Points], BaseGeometry | None] = lambda tool, points: None
        """Returns what to show of a stroke; None leaves it to the pen."""
        self.radius_um = 20.0
        self.path: list[tuple[float, float]] = []
        self._hover: tuple[float, float] | None = None
        self._layer: Any = None
        self._drawn_at = 0.0
        self._preview: Any = None
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(0)
        self._look.timeout.connect(self._follow)
        viewer.layers.selection.events.active.connect(self._selected)

    @property
    def busy(self) -> bool:
        """Whether a stroke is under way."""
        return bool(self.path)

    def points(self) -> Points:
        """Return the stroke so far, ``(n, 2)`` x and y in µm of the slide."""
        return np.array(self.path, float).reshape(-1, 2)

    def take(self, tool: str, layer: Any) -> None:
        """Take a tool in hand over a layer, which is made the active one."""
        self.put_down()
        self.tool, self._layer = tool, layer
        self.viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        layer.mouse_pan = False
        layer.mouse_drag_callbacks.append(self._pressed)
        layer.mouse_move_callbacks.append(self._moved)
        layer.mouse_double_click_callbacks.append(self._twice)
        for zooms in [f for f in self.viewer.mouse_double_click_callbacks if f.__name__ == _ZOOMS]:
            self.viewer.mouse_double_click_callbacks.remove(zooms)
            self._zooms = zooms
        self.show_tip()

    def put_down(self) -> None:
        """Let go of the tool; a stroke that is under way is given up."""
        layer, self._layer = self._layer, None
        self.give_up()
        self.tool = ""
        if layer is None:
            return
        for callbacks, ours in (
            (layer.mouse_drag_callbacks, self._pressed),
            (layer.mouse_move_callbacks, self._moved),
            (layer.mouse_double_click_callbacks, self._twice),
        ):
            if ours in callbacks:
                callbacks.remove(ours)
        layer.mouse_pan = True
        layer.cursor = "standard"
        if self._zooms is not None:
            self.viewer.mouse_double_click_callbacks.append(self._zooms)
            self._zooms = None

    _zooms: Any = None

    def set_radius(self, radius_um: float) -> None:
        """Change the radius of the brush and the eraser."""
        self.radius_um = radius_um
        self.show_tip()

    def show_tip(self) -> None:
        """Show the disc of a round tool, a cross for the others."""
        if self._layer is None:
            return
        if self.tool in ROUND:
            self._layer.cursor_size = 2 * self.radius_um
            self._layer.cursor = "circle"
        else:
            self._layer.cursor = "crosshair" if self.tool == "move" else "cross"

    def give_up(self) -> None:
        """Forget the stroke that is under way."""
        self.path = []
        self._hover = None
        self._show(force=True)

    def finish(self) -> None:
        """End a stroke that is set corner by corner."""
        if self.tool in CLICKED and self.path:
            self._hand_over()

    # The pointer

    def _at(self, event: Any) -> tuple[float, float]:
        y, x = self._layer.world_to_data(event.position)[-2:]
        return float(x), float(y)

    def _pressed(self, layer: Any, event: Any) -> "Iterator[None]":
        if event.button not in (1, None) or "Alt" in [str(m) for m in event.modifiers]:
            return
        if self.tool in CLICKED:
            yield from self._click(event)
            return
        tool = self.tool
        self.path = [self._at(event)]
        self._show(force=True)
        yield
        while event.type == "mouse_move":
            if not self.path or tool != self.tool:
                return  # given up
            self.path.append(self._at(event))
            self._show()
            yield
        if self.path and tool == self.tool:
            self.path.append(self._at(event))
            self._hand_over()

    def _click(self, event: Any) -> "Iterator[None]":
        start, moved = np.array(event.pos, float), False
        yield
        while event.type == "mouse_move":
            moved |= float(np.abs(np.array(event.pos) - start).max()) > _STILL_PX
            yield
        if not moved:
            self.path.append(self._at(event))
            self._show(force=True)

    def _moved(self, layer: Any, event: Any) -> None:
        if self.tool in CLICKED and self.path:
            self._hover = self._at(event)
            self._show()

    def _twice(self, layer: Any, event: Any) -> None:
        if self.tool in CLICKED:
            self.finish()
        elif self.tool in ROUND:
            # the second of two quick dabs comes as a double click
            self.path = [self._at(event)]
            self._hand_over()

    def _hand_over(self) -> None:
        tool, points = self.tool, self.points()
        self.give_up()
        self.stroked.emit(tool, points)

    def _selected(self, event: Any = None) -> None:
        # a layer that is added is the active one for a moment, also in the middle of a stroke
        self._look.start()

    def _follow(self) -> None:
        active = self.viewer.layers.selection.active
        if self._layer is not None and active is not self._layer:
            self.put_down()
            self.dropped.emit()

    # The stroke on the screen

    def _stroke(self) -> BaseGeometry:
        points = self.points()
        if not len(points):
            return shapely.MultiLineString()
        if (shown := self.outline(self.tool, points)) is not None:
            return shown
        if self.tool in ROUND:
            return brush(points, self.radius_um)
        if self._hover is not None:
            points = np.concatenate([points, [self._hover]])
        return shapely.MultiLineString([points] if len(points) > 1 else [])

    def _show(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._drawn_at < _BETWEEN_S:
            return
        self._drawn_at = now
        if not self.path and self._preview is None:
            return
        layer = self._shown_on()
        layer.edge_width = 1.5 / max(self.viewer.scene.camera.zoom, 1e-9)
        layer.data = segments_of(self._stroke())
        layer.visible = bool(self.path)

    def _shown_on(self) -> Any:
        """Return the layer of the stroke, made where there is none; the active layer stays."""
        layers = self.viewer.layers
        if self._preview is None or self._preview not in layers:
            active = layers.selection.active
            self._preview = Layer.create(
                np.zeros((0, 2, 2)),
                {
                    "name": _NAME,
                    "edge_color": "white",
                    "vector_style": "line",
                    "scale": (1.0, 1.0),
                    "units": ("um", "um"),
                    "axis_labels": ("y", "x"),
                    "opacity": 1.0,
                },
                "vectors",
            )
            self.viewer.add_layer(self._preview)
            layers.selection.active = active
        if self._layer is not None:
            self._preview.translate = self._layer.translate
        return self._preview
