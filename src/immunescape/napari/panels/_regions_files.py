"""Regions that come from elsewhere, and go there: a file of QuPath, or the tumour cells."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from immunescape import drawing
from immunescape.io.geojson import read_annotations, write_regions
from immunescape.margin import derive_tumour
from immunescape.napari.layers import ROLE_TITLES
from immunescape.napari.panels._regions_strokes import with_shape

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from immunescape.napari.session import Session
    from immunescape.regions import Regions

__all__ = ["FilesRow"]

_FILTER = "QuPath annotations (*.geojson *.json)"


class FilesRow(QWidget):
    """Buttons that import, export, and take the tumour from the cells.

    Parameters
    ----------
    session
        The session.
    start
        Does something long, as `StepWidget.start`.
    """

    tumour_drawn = Signal()
    """The tumour was taken from the cells."""

    def __init__(self, session: "Session", start: Callable[..., Any]) -> None:
        super().__init__()
        self.session = session
        self._start = start
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.buttons: dict[str, QPushButton] = {}
        for name, tip, act in (
            ("Import …", "Add annotations from a GeoJSON file of QuPath.", self._choose_import),
            ("Export …", "Write what is drawn as GeoJSON that QuPath opens.", self._choose_export),
            (
                "Tumour from cells",
                "Take the tumour region that the tumour cells give; it can be edited then.",
                self.derive,
            ),
        ):
            button = QPushButton(name)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, act=act: act())
            row.addWidget(button)
            self.buttons[name] = button

    def derive(self) -> None:
        """Draw the tumour region that the tumour cells of the result give."""
        finished = self.session.finished
        if finished is None:
            return
        called = finished.shared.called
        if called.derived_from_um is not None:
            self._take_tumour(called.tumour)
            return
        cells = finished.cells
        points = cells.points_um[np.asarray(cells["phenotype"] == "tumour", bool)]
        self._start(
            derive_tumour, points, finished.measured.counted_tissue(), self.session.study.tumour,
            annotations=self.session.drawing.state, tells=False, done=self._take_tumour,
        )  # fmt: skip

    def _take_tumour(self, region: "BaseGeometry") -> None:
        if region.is_empty:
            show_warning("The cells of this slide give no tumour region.")
            return
        self.session.drawing.push(
            with_shape(self.session.drawing.state, "tumour", region), "tumour from cells"
        )
        self.tumour_drawn.emit()

    def _choose_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import annotations", filter=_FILTER)
        if path:
            self.import_from(Path(path))

    def import_from(self, path: Path) -> None:
        """Add the annotations of a file to what is drawn."""
        slide = self.session.slide
        if slide is not None:
            self._start(
                read_annotations, path, pixel_size_um=slide.pixel_size_um, slide_name=slide.name,
                shape=slide.shape, tells=False, done=lambda found: self._imported(path, found),
            )  # fmt: skip

    def _imported(self, path: Path, found: "Regions") -> None:
        state = after = self.session.drawing.state
        for role in found:
            before = after.get(role)
            joined = found[role] if before.is_empty else drawing.unite(before, found[role])
            after = with_shape(after, role, joined)
        if after is not state:
            self.session.drawing.push(after, f"import of {path.name}")
        told = ", ".join(ROLE_TITLES[role].lower() for role in found) or "nothing that is known"
        show_info(f"{path.name}: {told}")
        if found.unknown:
            unused = ", ".join(f"{count} of {name!r}" for name, count in found.unknown.items())
            show_warning(f"{path.name}: objects that mean nothing here are left out: {unused}")

    def _choose_export(self) -> None:
        slide = self.session.slide
        name = "annotations.geojson" if slide is None else f"{slide.name}.geojson"
        path, _ = QFileDialog.getSaveFileName(self, "Export annotations", name, filter=_FILTER)
        if path:
            self.export_to(Path(path))

    def export_to(self, path: Path) -> None:
        """Write what is drawn as GeoJSON, in pixels of the slide."""
        slide = self.session.slide
        if slide is not None:
            self._start(
                write_regions, path, self.session.drawing.state, slide.pixel_size_um, tells=False,
                done=lambda _: self.session.message.emit(f"written: {path.name}"),
            )  # fmt: skip
