"""Colours of a million cells: a class for each label, looked up on the drawn tile only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import DirectLabelColormap
from pydantic import PrivateAttr

from immunescape.napari.colours import rgba

__all__ = ["ClassColours", "recolour"]

_MOST = 250


class ClassColours(DirectLabelColormap):
    """A colormap for labels that draws every label in the colour of its class.

    napari's own direct colormap keeps a colour for each label in a dictionary, which takes
    seconds to make for a million cells. This one keeps a number a label; the drawn tile is
    mapped through it, so that a change costs one write and one look at what is on the screen.

    Parameters
    ----------
    classes
        ``(n,)`` class of each label, by the label: 0 is not drawn, k has ``colours[k - 1]``.
        Labels beyond the end, and 0 itself, are not drawn.
    colours
        Colour of each class, at most 250: ``#rrggbb`` or red, green, blue and opacity from 0
        to 1.
    """

    _table: Any = PrivateAttr(default=None)
    _palette: Any = PrivateAttr(default=None)

    def __init__(self, classes: npt.ArrayLike, colours: Sequence[Any]) -> None:
        if len(colours) > _MOST:
            raise ValueError(f"{len(colours)} classes; a colormap draws at most {_MOST}")
        palette = [(0.0, 0.0, 0.0, 0.0), *(_colour(c) for c in colours)]
        dictionary: dict[int | None, Any] = {k: np.array(c) for k, c in enumerate(palette)}
        super().__init__(color_dict={**dictionary, None: np.zeros(4)})
        self._palette = np.array(palette, np.float32)
        self.set_classes(classes)

    def set_classes(self, classes: npt.ArrayLike) -> None:
        """Give every label its class anew; the layer must be refreshed to show it."""
        known = np.asarray(classes)
        if known.size and (known.min() < 0 or known.max() >= len(self._palette)):
            raise ValueError(f"classes are from 0 to {len(self._palette) - 1}")
        table = np.zeros(max(known.size, 1) + 1, np.uint8)
        table[: known.size] = known
        table[0] = 0
        self._table = table

    @property
    def classes(self) -> npt.NDArray[np.uint8]:
        """Class of each label, by the label."""
        classes: npt.NDArray[np.uint8] = self._table[:-1]
        return classes

    # What napari asks of a colormap

    def map(self, values: Any) -> npt.NDArray[np.float32]:
        """Return the colour of each label, with one more axis of length 4."""
        colours: npt.NDArray[np.float32] = self._palette[self._classes_of(values)].copy()
        if self.use_selection:
            colours[np.asarray(values) != self.selection] = 0
        return colours

    def _classes_of(self, values: Any) -> npt.NDArray[np.uint8]:
        # the last entry is 0, and so is the first, where negative numbers are sent
        return np.asarray(np.take(self._table, np.asarray(values), mode="clip"))

    def _data_to_texture(self, values: Any) -> Any:
        if self.use_selection:
            chosen = np.asarray(values) == self.selection
            return chosen.astype(np.uint8)[()]
        return self._classes_of(values)[()]

    def _values_mapping_to_minimum_values_set(self, apply_selection: bool = True) -> Any:
        if self.use_selection and apply_selection:
            chosen = self._palette[self._classes_of(self.selection)]
            return {self.selection: 1, None: 0}, {0: np.zeros(4), 1: chosen}
        return self._label_mapping_and_color_dict

    @property
    def _label_mapping_and_color_dict(self) -> Any:
        colours = dict(enumerate(self._palette))
        numbers: dict[int | None, int] = {k: k for k in colours}
        return {**numbers, None: 0}, colours

    @property
    def _num_unique_colors(self) -> int:
        return len(self._palette)


def recolour(layer: Any, classes: npt.ArrayLike, colours: Sequence[Any] | None = None) -> None:
    """Draw the cells of a labels layer in the colours of their classes.

    Parameters
    ----------
    layer
        A napari Labels layer.
    classes
        ``(n,)`` class of each label, by the label; see `ClassColours`.
    colours
        Colours of the classes; None keeps those of the layer, which is faster.
    """
    known = layer.metadata.setdefault("immunescape", {})
    if colours is None and isinstance(layer.colormap, ClassColours):
        layer.colormap.set_classes(classes)
        layer.refresh(extent=False, thumbnail=False, highlight=False)
        return
    colours = known.get("class_colours") if colours is None else colours
    if colours is None:
        raise ValueError(f"{layer.name} has no colours by class yet; give them")
    known["class_colours"] = colours  # a person may choose another colour mode in between
    fresh = ClassColours(classes, colours)
    fresh.use_selection = layer.show_selected_label
    fresh.selection = layer.selected_label
    layer.colormap = fresh


def _colour(colour: Any) -> tuple[float, float, float, float]:
    if isinstance(colour, str):
        return rgba(colour)
    red, green, blue, *alpha = (float(value) for value in colour)
    return red, green, blue, alpha[0] if alpha else 1.0
