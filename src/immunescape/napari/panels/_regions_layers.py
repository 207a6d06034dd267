"""What is drawn, shown: a Shapes layer a role, and what a person changes in it taken back."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer, Signal

from immunescape.napari.colours import ROLE_COLOURS, rgba
from immunescape.napari.drawn_geometry import HOLE, PART, geometry_of, shapes_of
from immunescape.napari.layers import facts_of, regions_layers
from immunescape.napari.region_layers import role_of
from immunescape.regions import ANNOTATION_ROLES, Regions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shapely.geometry.base import BaseGeometry

    from immunescape.napari.session import Session

__all__ = ["DrawnLayers"]

_LINE_PX = 2.5
_HOLE_OPACITY = 0.6
_EDITING = ("select", "direct", "vertex_insert", "vertex_remove")
_NOTHING = shapely.MultiPolygon()


class DrawnLayers(QObject):
    """Shows ``session.drawing``, the truth, in one Shapes layer a role.

    What a person does with napari's own tools in such a layer becomes a step of the history. A
    layer that is taken out of the viewer takes nothing of the drawing with it.

    Parameters
    ----------
    session
        The session.
    """

    line_changed = Signal(float)
    """Width in µm that a line needs to look the same at the new zoom."""

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._layers: dict[str, Any] = {}
        self._shown: dict[str, BaseGeometry] = {}
        self._writing = False
        self._changed: set[str] = set()
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(0)
        self._look.timeout.connect(self._take_back)
        self._zoomed = QTimer(self)
        self._zoomed.setSingleShot(True)
        self._zoomed.setInterval(150)
        self._zoomed.timeout.connect(self._thin)
        session.drawing.changed.connect(self.show)
        session.viewer.scene.camera.events.zoom.connect(self._zooms)

    @property
    def line_um(self) -> float:
        """Width of a line that looks the same at any zoom."""
        return float(_LINE_PX / max(self.session.viewer.scene.camera.zoom, 1e-9))

    def layer(self, role: str) -> Any:
        """Return the layer of a role, made where there is none."""
        known = self._layers.get(role)
        layers = self.session.viewer.layers
        if known is not None and known in layers and self._ours(known):
            return known
        found = next((x for x in layers if role_of(x) == role and self._ours(x)), None)
        if found is None:
            found = self._made(role)
        self._layers[role] = found
        self._shown.pop(role, None)
        found.events.data.connect(lambda event, role=role: self._touched(role))
        self._write(role, self.session.drawing.state.get(role))
        return found

    def show(self, regions: Regions) -> None:
        """Show a drawing; only roles that changed are written."""
        for role in ANNOTATION_ROLES:
            geometry = regions.get(role)
            here = self._layers.get(role)
            if geometry.is_empty and (here is None or here not in self.session.viewer.layers):
                continue
            self.layer(role)
            if self._shown.get(role) is not geometry:
                self._write(role, geometry)

    def choose(self, role: str) -> Any:
        """Make the layer of a role the one that is worked on."""
        layer = self.layer(role)
        layer.visible = True
        self.session.viewer.layers.selection.active = layer
        return layer

    def drawn(self) -> "Iterable[Any]":
        """Return the layers that are in the viewer."""
        return [x for x in self._layers.values() if x in self.session.viewer.layers]

    def _ours(self, layer: Any) -> bool:
        slide = self.session.slide
        owner = facts_of(layer).get("slide", "")
        return not owner or (slide is not None and owner == slide.name)

    def _made(self, role: str) -> Any:
        slide = self.session.slide
        ((data, meta, kind),) = regions_layers(
            Regions(),
            roles=(role,),
            slide="" if slide is None else slide.name,
            pixel_size_um=0.0 if slide is None else slide.pixel_size_um,
            origin_um=self.session.origin_um,
        )
        layers = self.session.viewer.layers
        active = layers.selection.active
        layer = self.session.viewer.add_layer(Layer.create(data, meta, kind))
        if active is not None and active in layers:
            layers.selection.active = active
        return layer

    def _write(self, role: str, geometry: "BaseGeometry") -> None:
        layer = self._layers[role]
        outlines, kinds, parts = shapes_of(geometry)
        colour = rgba(ROLE_COLOURS[role])
        self._writing = True
        try:
            layer.selected_data = set()
            if len(layer.data):
                layer.remove(list(range(len(layer.data))))
            layer.current_edge_color = ROLE_COLOURS[role]
            layer.current_face_color = [0, 0, 0, 0]
            layer.current_edge_width = self.line_um
            if outlines:
                fainter = rgba(colour, _HOLE_OPACITY)
                layer.add(
                    outlines,
                    shape_type=kinds,
                    edge_width=self.line_um,
                    edge_color=[fainter if part == HOLE else colour for part in parts],
                    face_color=[[0.0, 0.0, 0.0, 0.0]],
                )
                layer.features = pd.DataFrame({PART: np.array(parts, dtype=object)})
            facts = layer.metadata.get("immunescape")
            if isinstance(facts, dict):
                facts["drawn"] = geometry
        finally:
            self._writing = False
        self._shown[role] = geometry

    def _touched(self, role: str) -> None:
        if not self._writing:
            self._changed.add(role)
            self._look.start()

    def _take_back(self) -> None:
        """Read what was done with napari's own tools."""
        changed, self._changed = self._changed, set()
        for role in sorted(changed):
            layer = self._layers.get(role)
            if layer is None or layer not in self.session.viewer.layers:
                continue
            state = self.session.drawing.state
            before = state.get(role)
            now = geometry_of(layer, line=role == "margin_line")
            if now.equals_exact(before, 1e-3) or (now.is_empty and before.is_empty):
                continue
            self._shown[role] = now
            self.session.drawing.push(
                Regions({**state.shapes, role: now}, state.unknown), "shape edited"
            )
            if str(layer.mode) not in _EDITING:
                self._write(role, now)  # as it was understood: joined, mended, with thin lines

    def _zooms(self, event: Any = None) -> None:
        self._zoomed.start()

    def _thin(self) -> None:
        """Keep lines as wide on the screen as they were."""
        self._writing = True
        try:
            for layer in self.drawn():
                if len(layer.data):
                    layer.edge_width = self.line_um
                layer.current_edge_width = self.line_um
        finally:
            self._writing = False
        self.line_changed.emit(self.line_um)
