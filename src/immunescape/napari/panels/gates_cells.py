"""The cells of one gate in the viewer: coloured by its call, and asked by a click."""

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from immunescape.napari.colours import ANSWER_COLOURS, rgba
from immunescape.napari.layers import classes_by_label, facts_of, label_layer, recolour
from immunescape.phenotype import in_parent

if TYPE_CHECKING:
    from immunescape.napari.session import Session
    from immunescape.pipeline.live import LiveGates

__all__ = ["GateColours", "cells_layer", "label_at"]

_POSITIVE, _NEGATIVE, _MISSING = 1, 2, 3
_COLOURS = [
    rgba(ANSWER_COLOURS[name], alpha)
    for name, alpha in (("positive", 0.8), ("negative", 0.3), ("missing", 0.6))
]
"""The stain stays in sight beneath; positive cells stand out."""


def cells_layer(session: "Session", *, add: bool = False) -> Any:
    """Return the layer of the slide's cells; None where it is not shown.

    Parameters
    ----------
    session
        The slide on the workbench.
    add
        Add the layer where there is none and a result is there.
    """
    finished = session.finished
    if session.slide is None or finished is None:
        return None
    for layer in session.viewer.layers:
        facts = facts_of(layer)
        if facts.get("labels") == "cells" and facts.get("slide") == session.slide.name:
            return layer
    if not add:
        return None
    made = label_layer(finished.store, "cells", finished.cells, slide=session.slide.name)
    return session.viewer.add_layer(Layer.create(*made))


def label_at(session: "Session", position: Any) -> int:
    """Return the label of the cell at a place of the viewer, in µm; 0 where there is none."""
    finished = session.finished
    if finished is None:
        return 0
    layer = cells_layer(session)
    x0, y0 = facts_of(layer).get("origin_um", (0.0, 0.0)) if layer is not None else (0.0, 0.0)
    pixel = finished.measured.pixel_size_um
    row, column = int((position[-2] - y0) // pixel), int((position[-1] - x0) // pixel)
    height, width = finished.measured.shape
    if not (0 <= row < height and 0 <= column < width):
        return 0
    return int(np.asarray(finished.measured.cell_labels[row, column]))


class GateColours:
    """Colours the cells of a gate's parent by the call; the colours before can be put back.

    Parameters
    ----------
    session
        The slide on the workbench.
    """

    def __init__(self, session: "Session") -> None:
        self.session = session
        self.layer: Any = None
        self._before: Any = None
        self._ours: Any = None
        self._rows: Any = None
        self._known: Any = None

    def take(self, live: "LiveGates", marker: str, parent: str) -> None:
        """Prepare for one gate: which cells are its parent's, and which have a value."""
        gate = live.gate(marker, parent)
        values = live.measured.cells[gate.statistic].to_numpy(np.float64)
        mine = in_parent(live.calls, gate.parent)
        known = np.isfinite(values)
        self._known = mine & known
        self._rows = np.where(mine, np.where(known, _NEGATIVE, _MISSING), 0).astype(np.uint8)
        self.live, self.marker, self.parent = live, marker, parent

    def paint(self, threshold: float | None) -> None:
        """Colour the cells as a threshold calls them; without one they have no call."""
        if self._rows is None:
            return
        layer = cells_layer(self.session, add=True)
        if layer is None:
            return
        classes = self._rows.copy()
        if threshold is None:
            classes[self._known] = _MISSING
        else:
            positive = self.live.positives(self.marker, self.parent, threshold)
            classes[positive & self._known] = _POSITIVE
        by_label = classes_by_label(self.live.calls, classes)
        if layer is not self.layer or layer.colormap is not self._ours:
            self.layer, self._before = layer, layer.colormap
            recolour(layer, by_label, _COLOURS)
            self._ours = layer.colormap
            return
        recolour(layer, by_label)

    def restore(self) -> None:
        """Give the cells the colours that they had before, unless another panel gave others."""
        if self.layer is not None and self.layer.colormap is self._ours:
            self.layer.colormap = self._before
        self.layer = self._before = self._ours = None
