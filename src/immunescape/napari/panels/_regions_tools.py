"""The face of the regions panel: kinds of region, tools, and a list of what is drawn."""

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from immunescape.drawing import parts_of
from immunescape.napari.colours import ROLE_COLOURS
from immunescape.napari.layers import ROLE_TITLES
from immunescape.napari.panels._regions_strokes import AREAS_ONLY, LINE, TOOLS
from immunescape.regions import ANNOTATION_ROLES, Regions

__all__ = ["ACTIONS", "RegionList", "ToolBox"]

ACTIONS = {
    "Simplify": "Fewer corners, within the tolerance below, for the selected regions, else all "
    "of the kind.",
    "Fill holes": "Fill the holes of the selected regions, else of all of the kind.",
    "Delete": "Delete the regions that are selected in the list. Key Delete.",
    "Undo": "Keys Ctrl+Z",
    "Redo": "Keys Ctrl+Shift+Z",
}
"""What can be done to regions, and what the tooltip says of it."""

_SMALLEST_UM, _LARGEST_UM = 1.0, 2000.0
_STEP = 1.25


class ToolBox(QWidget):
    """Choice of what is drawn, tools, and their sizes."""

    role_changed = Signal(str)
    tool_asked = Signal(str)
    """A tool was clicked; empty when it was put down."""
    acted = Signal(str)
    """Key of ``ACTIONS``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        self.roles = QComboBox()
        self.roles.setToolTip("What is drawn: each kind has a layer and a colour of its own.")
        for role in ANNOTATION_ROLES:
            self.roles.addItem(_swatch(role, 14), ROLE_TITLES[role], role)
        self.roles.currentIndexChanged.connect(self._chose)
        row.addWidget(QLabel("Draw"))
        row.addWidget(self.roles, 1)
        outer.addLayout(row)
        grid = QGridLayout()
        grid.setSpacing(3)
        self.tools: dict[str, QPushButton] = {}
        for number, (name, tool) in enumerate(TOOLS.items()):
            button = _button(tool.title, f"{tool.tip} Key {tool.key}.", grid, number, 4)
            button.setCheckable(True)
            button.clicked.connect(lambda on, name=name: self.tool_asked.emit(name if on else ""))
            self.tools[name] = button
        outer.addLayout(grid)
        grid = QGridLayout()
        grid.setSpacing(3)
        self.actions_: dict[str, QPushButton] = {}
        for number, (name, tip) in enumerate(ACTIONS.items()):
            button = _button(name, tip, grid, number, len(ACTIONS))
            button.clicked.connect(lambda _=False, name=name: self.acted.emit(name))
            self.actions_[name] = button
        outer.addLayout(grid)
        outer.addLayout(self._make_sizes())

    def _make_sizes(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.radius = _number(
            20.0, _SMALLEST_UM, _LARGEST_UM, "Radius of brush and eraser. Keys [ and ].", 0
        )
        self.tolerance = _number(
            2.0, 0.1, 100.0, "Simplify moves no part of an outline by more than this.", 1
        )
        for text, control in (("Brush", self.radius), ("Tolerance", self.tolerance)):
            row.addWidget(QLabel(text))
            row.addWidget(control, 1)
        return row

    @property
    def role(self) -> str:
        """The role that is drawn."""
        return str(self.roles.currentData())

    def set_role(self, role: str) -> None:
        """Draw another role."""
        self.roles.setCurrentIndex(self.roles.findData(role))

    def show_tool(self, tool: str) -> None:
        """Show which tool is in hand."""
        for name, button in self.tools.items():
            button.setChecked(name == tool)

    def change_radius(self, larger: bool) -> None:
        """Make brush and eraser a quarter larger, or as much smaller."""
        factor = _STEP if larger else 1 / _STEP
        value = round(self.radius.value() * factor)
        self.radius.setValue(value if value != self.radius.value() else value + (larger or -1))

    def show_history(self, undo: str, redo: str) -> None:
        """Say what undo and redo would do; empty where there is nothing."""
        for name, what in (("Undo", undo), ("Redo", redo)):
            button = self.actions_[name]
            button.setEnabled(bool(what))
            button.setToolTip(f"{name} {what}. {ACTIONS[name]}." if what else ACTIONS[name])

    def _chose(self) -> None:
        for name in AREAS_ONLY:
            self.tools[name].setEnabled(self.role != LINE)
        self.role_changed.emit(self.role)


class RegionList(QTreeWidget):
    """Everything that is drawn: a row a piece, with its area and the length of its outline."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderLabels(["Region", "Area", "Outline", "Holes"])
        self.setRootIsDecorated(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.setMinimumHeight(90)
        self.setMaximumHeight(120)
        self.setToolTip("Everything that is drawn. Double-click goes there.")

    def show_regions(self, regions: Regions) -> None:
        """List the pieces of a drawing; nothing is selected then."""
        self.blockSignals(True)
        self.clear()
        for role in (r for r in ANNOTATION_ROLES if r in regions):
            for part in parts_of(regions[role]):
                row = [
                    f"{ROLE_TITLES[role]} {part.number}",
                    "" if role == LINE else f"{part.area_mm2:.4f} mm²",
                    f"{part.outline_mm:.2f} mm",
                    str(part.holes) if part.holes else "",
                ]
                item = QTreeWidgetItem(row)
                item.setIcon(0, _swatch(role, 10))
                item.setData(0, Qt.ItemDataRole.UserRole, (role, part.index))
                self.addTopLevelItem(item)
        self.blockSignals(False)

    def chosen(self) -> dict[str, list[int]]:
        """Return the selected pieces by role, by their place in its geometry."""
        chosen: dict[str, list[int]] = {}
        for item in self.selectedItems():
            role, index = self.place(item)
            chosen.setdefault(role, []).append(index)
        return chosen

    def place(self, item: Any) -> tuple[str, int]:
        """Return role and place in its geometry of the piece in a row."""
        role, index = item.data(0, Qt.ItemDataRole.UserRole)
        return str(role), int(index)


def _button(text: str, tip: str, grid: QGridLayout, number: int, columns: int) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setStyleSheet("QPushButton { padding: 3px 2px; }")
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    grid.addWidget(button, number // columns, number % columns)
    return button


def _number(value: float, least: float, most: float, tip: str, decimals: int) -> QDoubleSpinBox:
    control = QDoubleSpinBox()
    control.setDecimals(decimals)
    control.setRange(least, most)
    control.setSuffix(" µm")
    control.setValue(value)
    control.setToolTip(tip)
    control.setKeyboardTracking(False)
    return control


def _swatch(role: str, edge: int) -> QIcon:
    swatch = QPixmap(edge, edge)
    swatch.fill(QColor(ROLE_COLOURS[role]))
    return QIcon(swatch)
