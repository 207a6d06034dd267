"""The legend: a row a class with its colour and count, which hides and shows its cells."""

from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from immunescape.napari.panels._cells_colouring import Classes

__all__ = ["Legend"]

_SWATCH = 14


class Legend(QListWidget):
    """Classes with their colours and counts; an empty box hides a class."""

    hidden_changed = Signal()
    """Another set of classes is hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("Classes with their number of cells; empty a box to hide a class.")
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setIconSize(QSize(_SWATCH, _SWATCH))
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemChanged.connect(self._toggled)

    @property
    def hidden(self) -> frozenset[int]:
        """Numbers of the hidden classes, from 1."""
        rows = (self.item(k) for k in range(self.count()))
        return frozenset(
            k for k, row in enumerate(rows, 1) if row.checkState() == Qt.CheckState.Unchecked
        )

    def show_classes(self, classes: Classes) -> None:
        """Show classes; those of the same name stay hidden."""
        hidden = {self.item(k - 1).data(Qt.ItemDataRole.UserRole) for k in self.hidden}
        self.blockSignals(True)
        self.clear()
        total = max(sum(classes.counts), 1)
        for name, colour, count in zip(classes.names, classes.colours, classes.counts, strict=True):
            item = QListWidgetItem(_swatch(colour), f"{name}: {count:,} ({count / total:.0%})")
            item.setData(Qt.ItemDataRole.UserRole, name)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            off = name in hidden
            item.setCheckState(Qt.CheckState.Unchecked if off else Qt.CheckState.Checked)
            self.addItem(item)
        self.blockSignals(False)
        height = sum(self.sizeHintForRow(k) for k in range(self.count()))
        self.setFixedHeight(height + 2 * self.frameWidth() + 2)

    def _toggled(self, _: Any) -> None:
        self.hidden_changed.emit()


def _swatch(colour: str) -> QIcon:
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
