"""Figures within the window: a matplotlib canvas that looks like napari, copies and saves."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.utils.theme import get_theme
from qtpy.QtCore import Signal
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QSizePolicy, QWidget

from immunescape.io.output import atomic_path
from immunescape.report.plots_style import (
    BRIGHT,
    DARK,
    PAPER,
    Look,
    dress_axes,
    dress_figure,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Draw", "PlotCanvas"]

Draw = Callable[["Axes", Look], Any]
"""Draws in axes that are empty, in the colours of a look; what it returns is kept."""

_PNG_DPI = 200
_FILTERS = "Vector graphic (*.svg);;Picture (*.png)"


class PlotCanvas(FigureCanvasQTAgg):
    """One plot in the window, drawn by a function so that it can be drawn again for a file.

    It follows napari's theme; copies and files are always dark on white. The right button offers
    to copy and to save. The wheel is passed on, so that a panel scrolls under the pointer.

    Parameters
    ----------
    viewer
        The viewer whose theme is followed; bright where absent.
    height_px
        Height of the plot in the window.
    name
        Proposed name of a saved file, without its ending.

    Attributes
    ----------
    drawn
        What the function returned: handles to the artists, say, for those who drag them.
    """

    redrawn = Signal()
    """All artists are new: another function, another theme."""

    def __init__(
        self,
        viewer: Any = None,
        *,
        height_px: int = 240,
        name: str = "figure",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(Figure(dpi=100))
        if parent is not None:
            self.setParent(parent)
        self.name = name
        self.viewer = viewer
        self.drawn: Any = None
        self._draw: Draw | None = None
        self._live: list[Any] = []
        self._ground: Any = None
        self.axes: Axes = self.figure.add_subplot()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(height_px)
        self.setMinimumWidth(200)
        self.mpl_connect("draw_event", self._keep_ground)
        self._dress()
        if viewer is not None:
            viewer.events.theme.connect(self._follow_theme)

    @property
    def look(self) -> Look:
        """The colours of the theme that is on."""
        if self.viewer is None:
            return BRIGHT
        return DARK if get_theme(self.viewer.theme).type == "dark" else BRIGHT

    def show_plot(self, draw: Draw) -> Any:
        """Draw a plot in place of the one that is shown.

        Parameters
        ----------
        draw
            Called with empty axes and the look: now, after a change of theme, and for each file.

        Returns
        -------
        object
            What the function returned, also kept as ``drawn``.
        """
        self._draw = draw
        self._live.clear()
        self.axes.clear()
        self._dress()
        self.drawn = draw(self.axes, self.look)
        dress_axes(self.axes, self.look)
        self.draw_idle()
        self.redrawn.emit()
        return self.drawn

    # Artists that move

    def make_live(self, *artists: Any) -> None:
        """Draw these artists apart from the rest, so that moving them is cheap."""
        for artist in artists:
            artist.set_animated(True)
            self._live.append(artist)
        self.draw_idle()

    def draw_live(self) -> None:
        """Show the live artists where they are now, over a picture of all others."""
        if self._ground is None:
            self.draw_idle()
            return
        self.restore_region(self._ground)
        for artist in self._live:
            self.axes.draw_artist(artist)
        self.update()

    def _keep_ground(self, _: Any) -> None:
        self._ground = self.copy_from_bbox(self.figure.bbox) if self._live else None
        for artist in self._live:
            self.axes.draw_artist(artist)

    # Files and the clipboard

    def save(self, path: Path) -> None:
        """Save the plot, dark on white; the ending of the name says whether as SVG or PNG.

        Raises
        ------
        OutputError
            If the place cannot be written.
        """
        with atomic_path(path) as beside:
            beside.write_bytes(self.as_bytes(path.suffix.lower().lstrip(".") or "svg"))

    def as_bytes(self, kind: str) -> bytes:
        """Return the plot as a file of a kind: ``svg`` or ``png``."""
        figure, axes = new_figure(PAPER)
        if self._draw is not None:
            self._draw(axes, PAPER)
            dress_axes(axes, PAPER)
        out = io.BytesIO()
        named: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
        figure.savefig(out, format=kind, dpi=_PNG_DPI, **named)
        return out.getvalue()

    def copy(self) -> None:
        """Put the plot on the clipboard as a picture."""
        QApplication.clipboard().setImage(QImage.fromData(self.as_bytes("png")))

    def ask_save(self) -> None:
        """Ask where to save the plot, and save it."""
        from immunescape.napari.step_widget import tell_error

        chosen, kind = QFileDialog.getSaveFileName(
            self, "Save the figure", f"{self.name}.svg", _FILTERS
        )
        if not chosen:
            return
        path = Path(chosen)
        if path.suffix.lower() not in (".svg", ".png"):
            path = path.with_name(path.name + (".png" if "png" in kind else ".svg"))
        try:
            self.save(path)
        except Exception as error:
            tell_error(error)

    # Qt

    def contextMenuEvent(self, event: Any) -> None:
        """Offer to copy and to save."""
        menu = QMenu(self)
        menu.addAction("Copy picture", self.copy)
        menu.addAction("Save as SVG or PNG …", self.ask_save)
        menu.exec(event.globalPos())

    def wheelEvent(self, event: Any) -> None:
        """Tell matplotlib, then let the panel scroll."""
        super().wheelEvent(event)
        event.ignore()

    def _follow_theme(self, _: Any = None) -> None:
        if self._draw is not None:
            self.show_plot(self._draw)
        else:
            self._dress()
            self.draw_idle()

    def _dress(self) -> None:
        dress_figure(self.figure, self.look)
        dress_axes(self.axes, self.look)
