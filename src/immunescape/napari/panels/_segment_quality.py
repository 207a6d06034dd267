"""How well the nuclei of a slide were found, and the places to look at first."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from immunescape.napari.text import WrappedText
from immunescape.napari.view import go_to
from immunescape.pipeline.inspection import PAGE

if TYPE_CHECKING:
    from immunescape.napari.session import Session

__all__ = ["QualityView"]

_ROW = 44
_MOST_ROWS = 5


class QualityView(QWidget):
    """A summary, a button for the whole page, and the tiles that stand out.

    Parameters
    ----------
    session
        The session, whose result is judged.
    """

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.summary = WrappedText()
        self.page = QPushButton("Pictures and map …")
        self.page.setToolTip(f"Open {PAGE}: every tile that stands out, with its picture.")
        self.page.clicked.connect(self.open_page)
        self.heading = WrappedText()
        self.tiles = QListWidget()
        self.tiles.setWordWrap(True)
        self.tiles.setToolTip("Click a tile to go there. One that stands out need not be wrong.")
        self.tiles.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tiles.itemClicked.connect(self._go)
        self.tiles.itemActivated.connect(self._go)
        for part in (self.summary, self.page, self.heading, self.tiles):
            column.addWidget(part)

    def show_result(self) -> None:
        """Follow the session."""
        finished = self.session.finished
        self.setVisible(finished is not None)
        if finished is None:
            return
        table = finished.tables.get("segmentation")
        judged = table[table["judged"].astype(bool)] if table is not None else None
        flagged = judged[judged["flagged"].astype(bool)] if judged is not None else None
        count = len(finished.cells.frame)
        model = str(finished.measured.origin.get("model", "")) or "imported labels"
        area = finished.measured.counted_tissue()
        tissue = float(area.mask.sum()) * area.grid_um**2 / 1e6
        density = f", {count / tissue:.0f} per mm² of tissue" if tissue > 0 else ""
        self.summary.setText(f"{count} cells{density} ({model})")
        there = (finished.job.folder / PAGE).is_file()
        self.page.setVisible(there)
        self.tiles.clear()
        if judged is None or flagged is None or not len(judged):
            self.heading.setText("No tile holds enough tissue to be judged.")
        elif not len(flagged):
            self.heading.setText(f"None of {len(judged)} tiles stands out.")
        else:
            self.heading.setText(f"{len(flagged)} of {len(judged)} tiles stand out:")
            for _, row in flagged.sort_values("severity", ascending=False).iterrows():
                self._add(row)
        self.tiles.setVisible(self.tiles.count() > 0)
        self.tiles.setFixedHeight(_ROW * min(self.tiles.count(), _MOST_ROWS) + 6)

    def _add(self, row: Any) -> None:
        item = QListWidgetItem(f"{row['tile']}: {row['reason']}")
        item.setToolTip(str(row["reason"]))
        left, top = float(row["x_um"]), float(row["y_um"])
        bounds = (left, top, left + float(row["width_um"]), top + float(row["height_um"]))
        item.setData(Qt.ItemDataRole.UserRole, bounds)
        self.tiles.addItem(item)

    def _go(self, item: QListWidgetItem) -> None:
        bounds = item.data(Qt.ItemDataRole.UserRole)
        go_to(self.session.viewer, tuple(bounds), self.session.origin_um)

    def open_page(self) -> None:
        """Open the page in the browser."""
        finished = self.session.finished
        if finished is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(finished.job.folder / PAGE)))
