"""The picture of the margin: bands, their ends, and dashed what is no margin."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
from napari.layers import Layer
from qtpy.QtCore import QObject

from immunescape.margin.preview import INNER, OUTER, MarginGround
from immunescape.napari.colours import ROLE_COLOURS, rgba
from immunescape.napari.latest import Latest
from immunescape.napari.panels._regions_pen import segments_of

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from immunescape.napari.session import Session

__all__ = ["MarginPicture", "dashes"]

_BANDS, _LINES, _DASHES = "Margin bands", "Margin lines", "Outline not counted"
_MOST_DASHES = 4000


def dashes(lines: "BaseGeometry", dash_um: float) -> npt.NDArray[np.float64]:
    """Return lines as dashes with gaps of the same length.

    Returns
    -------
    numpy.ndarray
        ``(n, 2, 2)`` starts and steps in ``(y, x)``, as napari's Vectors take them. Of very long
        lines dashes are longer, so that there are never more than 4000 or so.
    """
    dash = max(dash_um, float(lines.length) / (2 * _MOST_DASHES))
    found = [np.zeros((0, 2, 2))]
    for line in shapely.get_parts(lines):
        begin = np.arange(0, line.length, 2 * dash)
        ends = np.minimum(begin + dash, line.length)
        start, stop = (
            shapely.get_coordinates(shapely.line_interpolate_point(line, at))
            for at in (begin, ends)
        )
        found.append(np.stack([start, stop - start], axis=1)[:, :, ::-1])
    return np.concatenate(found)


class MarginPicture(QObject):
    """Shows a margin at a width, in layers of its own.

    Parameters
    ----------
    session
        The session.
    """

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._ground: MarginGround | None = None
        self._width_um = 0.0
        self._shown: dict[str, Any] = {}
        self._edges = Latest(_edges, self)
        self._edges.returned.connect(self._edged)

    def show(self, ground: MarginGround, width_um: float) -> None:
        """Show the bands at a width; where they end follows once it is known."""
        fresh = ground is not self._ground
        if not fresh and width_um == self._width_um:
            return
        self._ground, self._width_um = ground, width_um
        layer = self._layer(_BANDS, "labels")
        layer.data = ground.codes(width_um)
        layer.scale = (ground.grid_um, ground.grid_um)
        x, y = self.session.origin_um
        layer.translate = (y + ground.grid_um / 2, x + ground.grid_um / 2)
        layer.visible = True
        self._edges.ask(ground, width_um)
        if fresh or _DASHES not in self._shown:
            layer = self._layer(_DASHES, "vectors")
            dash = max(max(ground.distance_um.shape) * ground.grid_um / 120, 3.0)
            layer.data = dashes(ground.not_counted, dash)
            layer.edge_width = self._line_um()
        self._shown[_DASHES].visible = True

    def hide(self) -> None:
        """Let the margin be there without being seen."""
        self._edges.forget()
        self._ground = None
        for layer in self._shown.values():
            layer.visible = False

    def clear(self) -> None:
        """Take the margin out of the viewer."""
        self._edges.forget()
        self._ground = None
        for layer in self._shown.values():
            if layer in self.session.viewer.layers:
                self.session.viewer.layers.remove(layer)
        self._shown = {}

    def set_line(self, width_um: float) -> None:
        """Draw lines in another width, since the picture was zoomed."""
        for name in (_LINES, _DASHES):
            if (layer := self._shown.get(name)) is not None:
                layer.edge_width = width_um

    def close_work(self, seconds: float = 60.0) -> None:
        """Wait for what is at work, before the window goes."""
        self._edges.wait(seconds)

    def _edged(self, told: tuple[MarginGround, "BaseGeometry"]) -> None:
        ground, edges = told
        if ground is not self._ground:
            return
        layer = self._layer(_LINES, "vectors")
        interface, ends = segments_of(ground.interface), segments_of(edges)
        layer.data = np.concatenate([interface, ends])
        colours = [rgba(ROLE_COLOURS["interface"])] * len(interface)
        layer.edge_color = np.array([*colours, *[rgba("#ffffff", 0.8)] * len(ends)]).reshape(-1, 4)
        layer.edge_width = self._line_um()
        layer.visible = True

    def _line_um(self) -> float:
        return float(2.0 / max(self.session.viewer.scene.camera.zoom, 1e-9))

    def _layer(self, name: str, kind: str) -> Any:
        """Return one of our layers, made where it is not there; the active one stays."""
        layers = self.session.viewer.layers
        if (known := self._shown.get(name)) is not None and known in layers:
            return known
        meta: dict[str, Any] = {
            "name": name,
            "units": ("um", "um"),
            "axis_labels": ("y", "x"),
            "scale": (1.0, 1.0),
            "translate": self.session.origin_um[::-1],
        }
        data: Any = np.zeros((0, 2, 2))
        if kind == "labels":
            data = np.zeros((2, 2), np.uint8)
            meta["opacity"] = 0.35
            meta["colormap"] = {
                None: "transparent",
                0: "transparent",
                INNER: ROLE_COLOURS["inner_margin"],
                OUTER: ROLE_COLOURS["outer_margin"],
            }
        else:
            meta |= {"vector_style": "line", "edge_color": ROLE_COLOURS["analysed"]}
        active = layers.selection.active
        layer = Layer.create(data, meta, kind)
        self._shown[name] = self.session.viewer.add_layer(layer)
        if active is not None:
            layers.selection.active = active
        return layer


def _edges(ground: MarginGround, width_um: float) -> tuple[MarginGround, "BaseGeometry"]:
    return ground, ground.edges(width_um)
