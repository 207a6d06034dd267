"""The cells around the one that was clicked, with corrections that wait: a small Labels layer."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer
from skimage.draw import line

from immunescape.blocks import Block
from immunescape.napari.layers import ClassColours
from immunescape.napari.panels._review_pictures import block_around
from immunescape.segment.corrections import correct_labels

if TYPE_CHECKING:
    from immunescape.io.edits import Edit
    from immunescape.pipeline.finished import Finished

__all__ = ["Crop", "CropLayer", "crop_around"]

_HALF_UM = 40.0
_NAME = "Cell to correct"
_COLOURS = ("#b0b0b0", "#e69f00", "#ffffff")
"""Outlines: neighbours grey, corrections that wait orange, the chosen cells white."""


@dataclass(frozen=True, eq=False)
class Crop:
    """Labels of a square of the slide, corrections that wait applied.

    Parameters
    ----------
    block
        Pixels of the slide.
    labels
        ``(y, x)`` int32; cells that a correction made have numbers no stored cell has.
    changed
        Labels that corrections made or changed.
    why_not
        Why a correction could not be applied here, by its time.
    pixel_um
        Edge of a pixel.
    """

    block: Block
    labels: npt.NDArray[np.int32]
    changed: frozenset[int]
    why_not: dict[str, str]
    pixel_um: float

    def at(self, x_um: float, y_um: float) -> int:
        """Return the label at a position; 0 between cells, -1 beyond the crop."""
        row = int(y_um // self.pixel_um) - self.block.y0
        column = int(x_um // self.pixel_um) - self.block.x0
        height, width = self.labels.shape
        if not (0 <= row < height and 0 <= column < width):
            return -1
        return int(self.labels[row, column])

    def place_in(self, label: int, near_um: tuple[float, float]) -> tuple[float, float]:
        """Return the centre of a pixel of a cell: the one nearest to a position."""
        rows, columns = np.nonzero(self.labels == label)
        if not len(rows):
            return near_um
        x = (columns + self.block.x0 + 0.5) * self.pixel_um
        y = (rows + self.block.y0 + 0.5) * self.pixel_um
        k = int(np.argmin((x - near_um[0]) ** 2 + (y - near_um[1]) ** 2))
        return float(x[k]), float(y[k])


def crop_around(
    finished: "Finished", at_um: tuple[float, float], pending: "Sequence[Edit]"
) -> Crop | None:
    """Read the labels around a position and apply corrections that wait.

    Parameters
    ----------
    finished
        The result; only the pixels of the crop are read.
    at_um
        x and y.
    pending
        Corrections that the labels do not have yet, in order; those elsewhere are passed over.

    Returns
    -------
    Crop or None
        None beyond the slide.
    """
    measured = finished.measured
    pixel = measured.pixel_size_um
    block = block_around(*at_um, _HALF_UM, pixel).grown(0, measured.shape)
    if min(block.shape) <= 0:
        return None
    labels = np.array(measured.cell_labels[block.slices], np.int32)
    here = [_moved(e, block, pixel) for e in pending if e.action != "call"]
    here = [e for e in here if _within(e, block, pixel)]
    before = int(labels.max(initial=0))
    corrected = correct_labels(None, labels, here, pixel)
    beyond = max(int(finished.cells.labels.max(initial=0)) - before, 0)
    labels[labels > before] += beyond  # no stored cell has that number
    changed = frozenset(k + beyond if k > before else k for k in corrected.labels)
    why_not = {o.edit.time: o.why for o in corrected.outcomes if o.why}
    return Crop(block, labels, changed, why_not, pixel)


def _moved(edit: "Edit", block: Block, pixel: float) -> "Edit":
    """Return a correction with positions counted from the corner of the crop."""
    x0, y0 = block.x0 * pixel, block.y0 * pixel
    after = edit.after
    if edit.action in ("merge", "split"):
        names = [part.partition("=")[0] for part in edit.after.split()]
        values = [v - (x0 if n[0] == "x" else y0) for n, v in zip(names, edit.numbers, strict=True)]
        after = " ".join(f"{n}={v!r}" for n, v in zip(names, values, strict=True))
    return dataclasses.replace(edit, x_um=edit.x_um - x0, y_um=edit.y_um - y0, after=after)


def _within(edit: "Edit", block: Block, pixel: float) -> bool:
    height, width = block.shape
    return 0 <= edit.x_um < width * pixel and 0 <= edit.y_um < height * pixel


class CropLayer:
    """The layer that shows a crop, what is chosen in it, and a line being drawn.

    It is added when first needed and hidden when nothing is chosen: taking a layer out of a
    viewer costs napari a second. The layer that was active stays so.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self._crop: Crop | None = None
        self._chosen: tuple[int, ...] = ()

    @property
    def layer(self) -> Any:
        """The Labels layer; None before anything was chosen."""
        return self.viewer.layers[_NAME] if _NAME in self.viewer.layers else None

    def show(self, crop: Crop, chosen: Sequence[int], origin_um: tuple[float, float]) -> None:
        """Show a crop as outlines."""
        self._crop, self._chosen = crop, tuple(chosen)
        pixel, (x0, y0) = crop.pixel_um, origin_um
        place: dict[str, Any] = {
            "scale": (pixel, pixel),
            "translate": (y0 + (crop.block.y0 + 0.5) * pixel, x0 + (crop.block.x0 + 0.5) * pixel),
        }
        layer = self.layer
        if layer is None:
            layer = self._added(crop.labels, place)
        else:
            layer.translate = place["translate"]
            layer.scale = place["scale"]
            layer.visible = True
        self._draw(layer, crop.labels)

    def show_line(self, ends_um: tuple[float, float, float, float]) -> None:
        """Show a line across the crop while it is drawn; ``x0, y0, x1, y1`` of the slide."""
        if self._crop is None or self.layer is None:
            return
        crop = self._crop
        x0, y0, x1, y1 = (v / crop.pixel_um for v in ends_um)
        rows, columns = line(
            int(y0) - crop.block.y0, int(x0) - crop.block.x0,
            int(y1) - crop.block.y0, int(x1) - crop.block.x0,
        )  # fmt: skip
        height, width = crop.labels.shape
        seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        shown = crop.labels.copy()
        shown[rows[seen], columns[seen]] = self._line_label
        self._draw(self.layer, shown)

    def hide(self) -> None:
        """Show nothing."""
        self._crop = None
        if self.layer is not None and self.layer.visible:
            self.layer.visible = False

    @property
    def _line_label(self) -> int:
        assert self._crop is not None
        return int(self._crop.labels.max(initial=0)) + 1

    def _draw(self, layer: Any, labels: npt.NDArray[np.int32]) -> None:
        assert self._crop is not None
        classes = np.zeros(self._line_label + 1, np.uint8)
        classes[1:] = 1
        classes[[k for k in self._crop.changed if k < len(classes)]] = 2
        classes[[k for k in self._chosen if k < len(classes)]] = 3
        classes[self._line_label] = 3
        layer.data = labels
        layer.colormap = ClassColours(classes, _COLOURS)

    def _added(self, labels: npt.NDArray[np.int32], place: dict[str, Any]) -> Any:
        layers = self.viewer.layers
        active = layers.selection.active
        settings = {
            "name": _NAME, "opacity": 1.0, "units": ("um", "um"), "axis_labels": ("y", "x"),
            "metadata": {"immunescape": {"help": True}}, **place,
        }  # fmt: skip
        layer = Layer.create(labels, settings, "labels")
        layer.contour = 1
        layer.editable = False  # what is painted would be no correction that can be replayed
        self.viewer.add_layer(layer)
        if active is not None and active in layers:
            layers.selection.active = active
        return layer
