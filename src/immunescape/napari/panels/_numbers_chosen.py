"""Cells that were chosen from a number, outlined in the viewer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from immunescape.napari.colours import PHENOTYPE_COLOURS
from immunescape.napari.layers import ClassColours, facts_of, label_layer, recolour
from immunescape.napari.view import go_to

if TYPE_CHECKING:
    from immunescape.napari.session import Session

__all__ = ["CHOSEN", "LISTED", "T_CELL", "ChosenCells"]

CHOSEN, LISTED, T_CELL = 1, 2, 3
"""Classes of the layer: chosen; on the list but not the one in front; a CD8 T cell beside it."""
_COLOURS = ("#ffffff", "#9a9a9a", PHENOTYPE_COLOURS["cd8_t"])
_NAME = "Chosen cells"
_OUTLINE_PX = 2


class ChosenCells:
    """A layer of outlines over the cells of the result, made when it is first needed.

    Parameters
    ----------
    session
        The slide on the workbench and its result.
    """

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._layer: Any = None
        self._filled: Any = None

    @property
    def layer(self) -> Any:
        """The layer; None where nothing was chosen, or where a person removed it."""
        known = self._layer is not None and self._layer in self._session.viewer.layers
        return self._layer if known else None

    def show(self, classes: Mapping[int, npt.ArrayLike]) -> None:
        """Outline cells.

        Parameters
        ----------
        classes
            Labels by their class; a later class wins over an earlier one.
        """
        finished = self._session.finished
        if finished is None:
            return
        by_label = np.zeros(int(finished.cells.labels.max(initial=0)) + 1, np.uint8)
        for k, labels in classes.items():
            by_label[np.asarray(labels, np.int64)] = k
        if self.layer is None:
            self._make(by_label)
        else:
            recolour(self.layer, by_label)
        self._layer.visible = True

    def bare(self) -> None:
        """Show the cells as outlines where they are filled, so that their stains are seen."""
        for layer in self._session.viewer.layers:
            facts = facts_of(layer)
            mine = (
                self._session.slide is not None and facts.get("slide") == self._session.slide.name
            )
            if mine and facts.get("labels") == "cells" and layer.contour == 0:
                layer.contour = 1
                self._filled = layer

    def fill(self) -> None:
        """Fill the cells again that `bare` showed as outlines."""
        if self._filled is not None and self._filled in self._session.viewer.layers:
            self._filled.contour = 0
        self._filled = None

    def clear(self) -> None:
        """Remove the layer."""
        self.fill()
        if self.layer is not None:
            self._session.viewer.layers.remove(self._layer)
        self._layer = None

    def go_to(self, mask: npt.NDArray[np.bool_], around_um: float = 30.0) -> None:
        """Let the canvas show some cells, all at once."""
        finished = self._session.finished
        if finished is None or not mask.any():
            return
        points = finished.cells.points_um[mask]
        low, high = points.min(axis=0) - around_um, points.max(axis=0) + around_um
        go_to(self._session.viewer, (*low, *high), self._session.origin_um)

    def _make(self, by_label: npt.NDArray[np.uint8]) -> None:
        finished = self._session.finished
        assert finished is not None
        data, meta, kind = label_layer(finished.store, origin_um=self._session.origin_um)
        meta.update(
            name=_NAME,
            opacity=1.0,
            colormap=ClassColours(by_label, _COLOURS),
            metadata={"immunescape": {"help": True}},
        )
        layers = self._session.viewer.layers
        active = layers.selection.active
        self._layer = Layer.create(data, meta, kind)
        self._layer.contour = _OUTLINE_PX
        layers.append(self._layer)
        if active is not None:  # whoever was drawing goes on drawing
            layers.selection.active = active
