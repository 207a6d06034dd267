"""What the slide panel is made of: the slides to choose from, and how the file is read."""

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from immunescape.napari.text import ElidedText
from immunescape.params import help_texts
from immunescape.study import SlideOptions

__all__ = ["SITES", "Chooser", "ReadForm"]

SITES = (
    "", "skin", "lymph_node", "subcutis", "mucosa", "lung", "liver", "brain", "viscera",
)  # fmt: skip
"""Usual sites; any other can be typed."""

_HELP = help_texts(SlideOptions)
_SMALLEST_UM, _LARGEST_UM = 0.01, 20.0


class Chooser(QWidget):
    """The slides of the window, one of which is worked on, and a button to open others."""

    chosen = Signal(int)
    file_wanted = Signal()
    folder_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.box = QComboBox()
        self.box.setToolTip(
            "The slide that is worked on; the others in the window stay to be looked at."
        )
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setPlaceholderText("no slide yet")
        self.box.activated.connect(self.chosen)
        self.button = QPushButton("Open …")
        self.button.setToolTip("Open a slide, or a result to go on with.")
        self.button.setStyleSheet("QPushButton::menu-indicator { image: none }")
        menu = QMenu(self.button)
        menu.addAction("Slide file …", self.file_wanted.emit)
        menu.addAction("Result folder or OME-Zarr …", self.folder_wanted.emit)
        self.button.setMenu(menu)
        row.addWidget(self.box, 1)
        row.addWidget(self.button)

    def show_slides(self, names: list[str], current: int) -> None:
        """Show which slides there are, and which is worked on; -1 for none."""
        with QSignalBlocker(self.box):
            self.box.clear()
            self.box.addItems(names)
            self.box.setCurrentIndex(current)
        self.box.setEnabled(len(names) > 1)


class ReadForm(QWidget):
    """Pixel size, site and the folder for results."""

    pixel_size_set = Signal(float)
    file_size_wanted = Signal()
    site_set = Signal(str)
    folder_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.pixel_size = QDoubleSpinBox()
        self.pixel_size.setDecimals(4)
        self.pixel_size.setRange(_SMALLEST_UM, _LARGEST_UM)
        self.pixel_size.setSingleStep(0.01)
        self.pixel_size.setSuffix(" µm")
        self.pixel_size.setKeyboardTracking(False)
        self.pixel_size.setToolTip(_HELP["pixel_size_um"])
        self.pixel_size.valueChanged.connect(self.pixel_size_set)
        self.of_file = QPushButton("As in the file")
        self.of_file.setToolTip("Read the slide with the pixel size that its file states.")
        self.of_file.clicked.connect(self.file_size_wanted)
        form.addRow("Pixel size", _row(self.pixel_size, self.of_file))
        self.site = QComboBox()
        self.site.setEditable(True)
        self.site.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for site in SITES:
            self.site.addItem(site.replace("_", " "), site)
        self.site.setToolTip(_HELP["site"])
        self.site.activated.connect(self._tell_site)
        line = self.site.lineEdit()
        assert line is not None
        line.setPlaceholderText("not given")
        line.editingFinished.connect(self._tell_site)
        form.addRow("Site", self.site)
        self.out = ElidedText()
        choose = QPushButton("Choose …")
        choose.setToolTip("Folder for the results; what was drawn and set moves along.")
        choose.clicked.connect(self.folder_wanted)
        form.addRow("Results in", _row(self.out, choose))

    def show_pixel_size(self, edge_um: float, given: bool) -> None:
        """Show the pixel size, and whether a person gave it."""
        with QSignalBlocker(self.pixel_size):
            self.pixel_size.setValue(edge_um)
        self.of_file.setVisible(given)

    def show_site(self, site: str) -> None:
        """Show the site."""
        with QSignalBlocker(self.site):
            self.site.setCurrentText(site.replace("_", " "))

    def show_out(self, out: Path) -> None:
        """Show the last two folders of a path; the tooltip holds all of it."""
        self.out.setText("/".join(part for part in (out.parent.name, out.name) if part))
        self.out.setToolTip(str(out))

    def _tell_site(self, _: Any = None) -> None:
        self.site_set.emit("_".join(self.site.currentText().split()))


def _row(wide: QWidget, narrow: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(wide, 1)
    row.addWidget(narrow)
    return row
