"""The panel in which regions are drawn, taken from the cells, imported and judged."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QKeySequence, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QShortcut,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from immunescape import drawing
from immunescape.errors import ImmunescapeError
from immunescape.io.geojson import read_annotations, write_regions
from immunescape.margin import derive_tumour
from immunescape.napari.colours import ROLE_COLOURS
from immunescape.napari.layers import ROLE_TITLES
from immunescape.napari.panels._keys import KeyListener
from immunescape.napari.panels._regions_layers import DrawnLayers
from immunescape.napari.panels._regions_margin import MarginBox
from immunescape.napari.panels._regions_pen import Pen
from immunescape.napari.panels._regions_proposals import ProposalsBox
from immunescape.napari.panels._regions_strokes import (
    LINE,
    TOOLS,
    Stroke,
    apply_stroke,
    moved_outline,
    with_shape,
)
from immunescape.napari.step_widget import StepWidget
from immunescape.napari.view import go_to
from immunescape.regions import ANNOTATION_ROLES, Regions

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from immunescape.napari.session import Session

__all__ = ["RegionsPanel"]

_SMALLEST_UM, _LARGEST_UM = 1.0, 2000.0
_STEP = 1.25
_REACH_PX = 6.0
_COLUMNS = 4
_FILTER = "QuPath annotations (*.geojson *.json)"


class RegionsPanel(StepWidget):
    """Regions of the slide: drawn, imported, derived; exclusions; the margin."""

    key = "regions"
    title = "Regions"
    hint = "Draw the tumour and what to leave out, or take them from cells and proposals."

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.layers = DrawnLayers(session, self)
        self.pen = Pen(session.viewer, self)
        self.pen.stroked.connect(self._stroked)
        self.pen.dropped.connect(self._show_no_tool)
        self.pen.outline = self._outline
        self._make_roles()
        self._make_tools()
        self._make_list()
        self._make_files()
        self.margin = MarginBox(session)
        self._group("Margin", self.margin)
        self.proposals = ProposalsBox(session)
        self._group("Proposed exclusions", self.proposals)
        session.drawing.changed.connect(self._drawn)
        if session.autosave is not None:
            session.autosave.blocked.connect(lambda _: self._refresh())
            session.autosave.unfinished = self._unfinished
        self._keys = KeyListener(self, session.viewer, self._pressed)
        for keys, act in (("Ctrl+Z", self.undo), ("Ctrl+Shift+Z", self.redo)):
            QShortcut(QKeySequence(keys), self, activated=act)
        self.layers.show(session.drawing.state)
        self._drawn()

    # The face

    def _group(self, title: str, inside: QWidget) -> None:
        box = QGroupBox(title)
        layout = QVBoxLayout(box)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(inside)
        self.body.addWidget(box)

    def _make_roles(self) -> None:
        row = QHBoxLayout()
        self.roles = QComboBox()
        self.roles.setToolTip("What is drawn: each kind has a layer and a colour of its own.")
        for role in ANNOTATION_ROLES:
            swatch = QPixmap(14, 14)
            swatch.fill(QColor(ROLE_COLOURS[role]))
            self.roles.addItem(QIcon(swatch), ROLE_TITLES[role], role)
        self.roles.currentIndexChanged.connect(self._chose_role)
        row.addWidget(QLabel("Draw"))
        row.addWidget(self.roles, 1)
        self.body.addLayout(row)

    def _make_tools(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(3)
        self.tools: dict[str, QPushButton] = {}
        self._group_of_tools = QButtonGroup(self)
        self._group_of_tools.setExclusive(False)
        for number, (name, tool) in enumerate(TOOLS.items()):
            button = self._button(tool.title, f"{tool.tip} Key {tool.key}.", grid, number)
            button.setCheckable(True)
            button.clicked.connect(lambda on, name=name: self.take(name if on else ""))
            self.tools[name] = button
        self.actions_: dict[str, QPushButton] = {}
        tips = {
            "Simplify": ("Fewer corners, within the tolerance below.", self.simplify),
            "Fill holes": ("Fill the holes of the selected regions.", self.fill),
            "Delete": ("Delete the selected regions. Key Delete.", self.delete),
            "Undo": ("", self.undo),
            "Redo": ("", self.redo),
        }
        row = QGridLayout()
        row.setSpacing(3)
        for number, (name, (tip, act)) in enumerate(tips.items()):
            button = self._button(name, tip, row, number, columns=len(tips))
            button.clicked.connect(lambda _=False, act=act: act())
            self.actions_[name] = button
        self.body.addLayout(grid)
        self.body.addLayout(row)
        sizes = QHBoxLayout()
        self.radius = self._number(
            20.0, _SMALLEST_UM, _LARGEST_UM, "Radius of brush and eraser. Keys [ and ]."
        )
        self.radius.valueChanged.connect(self.pen.set_radius)
        self.tolerance = self._number(
            2.0, 0.1, 100.0, "Simplify moves no part of an outline by more than this.", 1
        )
        for text, control in (("Brush", self.radius), ("Tolerance", self.tolerance)):
            sizes.addWidget(QLabel(text))
            sizes.addWidget(control, 1)
        self.body.addLayout(sizes)

    def _button(
        self, text: str, tip: str, grid: QGridLayout, number: int, columns: int = _COLUMNS
    ) -> QPushButton:
        button = QPushButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setStyleSheet("QPushButton { padding: 3px 2px; }")
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        grid.addWidget(button, number // columns, number % columns)
        return button

    def _number(
        self, value: float, least: float, most: float, tip: str, decimals: int = 0
    ) -> QDoubleSpinBox:
        control = QDoubleSpinBox()
        control.setRange(least, most)
        control.setDecimals(decimals)
        control.setSuffix(" µm")
        control.setValue(value)
        control.setToolTip(tip)
        control.setKeyboardTracking(False)
        return control

    def _make_list(self) -> None:
        self.list = QTreeWidget()
        self.list.setHeaderLabels(["Region", "Area", "Outline", "Holes"])
        self.list.setRootIsDecorated(False)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.setMinimumHeight(110)
        self.list.setMaximumHeight(150)
        self.list.setToolTip("Everything that is drawn. Double-click goes there.")
        self.list.itemDoubleClicked.connect(self._go)
        self.list.itemSelectionChanged.connect(self._selected_in_list)
        self.body.addWidget(self.list)

    def _make_files(self) -> None:
        row = QHBoxLayout()
        self.files: dict[str, QPushButton] = {}
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
            self.files[name] = button
        self.body.addLayout(row)

    # Following the session

    def needs(self) -> str:
        """Return what the panel waits for."""
        autosave = self.session.autosave
        return super().needs() or ("" if autosave is None else autosave.why_blocked)

    def refresh(self) -> None:
        """Follow the slide and the result."""
        if not hasattr(self, "proposals"):
            return
        if self.session.slide is None:
            self.take("")
        self.files["Tumour from cells"].setEnabled(self.session.finished is not None)
        self.proposals.follow()
        self.margin.follow()

    def follow_study(self) -> None:
        """Follow the width of the margin and the site of the lesion."""
        self.margin.follow()

    def close_work(self, seconds: float = 60.0) -> None:
        """Stop the work and wait for its end, before the window goes."""
        super().close_work(seconds)
        self.margin.close_work(seconds)
        self.proposals.close_work(seconds)

    def hideEvent(self, event: Any) -> None:
        """Let go of the tool when another step is in front."""
        self.take("")
        super().hideEvent(event)

    # Tools

    @property
    def role(self) -> str:
        """The role that is drawn."""
        return str(self.roles.currentData())

    def set_role(self, role: str) -> None:
        """Draw another role."""
        self.roles.setCurrentIndex(self.roles.findData(role))

    def take(self, tool: str) -> None:
        """Take a tool in hand; none lets the pointer move the picture."""
        self.pen.put_down()
        if tool and self.session.slide is not None:
            self.pen.set_radius(self.radius.value())
            self.pen.take(tool, self.layers.choose(self.role))
        else:
            tool = ""
        for name, button in self.tools.items():
            button.setChecked(name == tool)

    def _show_no_tool(self) -> None:
        for button in self.tools.values():
            button.setChecked(False)

    def _chose_role(self) -> None:
        line = self.role == LINE
        for name in ("brush", "add", "hole"):
            self.tools[name].setEnabled(not line)
        if tool := self.pen.tool:
            self.take(tool if self.tools[tool].isEnabled() else "freehand")

    def _stroke(self, tool: str, points: Any) -> Stroke:
        slide = self.session.slide
        assert slide is not None
        height, width = (n * slide.pixel_size_um for n in slide.shape)
        reach = _REACH_PX / max(self.session.viewer.scene.camera.zoom, 1e-9)
        return Stroke(tool, self.role, points, self.radius.value(), reach, (width, height))

    def _stroked(self, tool: str, points: Any) -> None:
        try:
            after = apply_stroke(self.session.drawing.state, self._stroke(tool, points))
        except ImmunescapeError as error:
            show_warning(str(error))
            return
        self.session.drawing.push(after, TOOLS[tool].done)

    def _outline(self, tool: str, points: Any) -> "BaseGeometry | None":
        if tool != "move" or self.session.slide is None:
            return None
        return moved_outline(self.session.drawing.state, self._stroke(tool, points))

    def _unfinished(self) -> Regions | None:
        """Return the drawing with the stroke under way; None where none is or it does not fit."""
        if not self.pen.busy or self.session.slide is None:
            return None
        state = self.session.drawing.state
        try:
            return apply_stroke(state, self._stroke(self.pen.tool, self.pen.points()))
        except ImmunescapeError:
            return None

    def _pressed(self, event: Any) -> bool:
        """Do what a key means; tell whether it meant something."""
        plain = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier,
        )  # fmt: skip
        if not plain or not self.content.isEnabled():
            return False
        key, text = event.key(), event.text().upper()
        by_letter = {tool.key: name for name, tool in TOOLS.items()}
        if text in by_letter and self.tools[by_letter[text]].isEnabled():
            name = by_letter[text]
            self.take("" if self.pen.tool == name else name)
        elif text in ("[", "]"):
            factor = _STEP if text == "]" else 1 / _STEP
            self.radius.setValue(self.radius.value() * factor)
        elif key == Qt.Key.Key_Escape:
            if self.pen.busy:
                self.pen.give_up()
            else:
                self.take("")
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.pen.busy:
            self.pen.finish()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self._chosen():
            self.delete()
        else:
            return False
        return True

    def keyPressEvent(self, event: Any) -> None:
        """Hear the keys of the tools while the panel has the focus."""
        if not self._pressed(event):
            super().keyPressEvent(event)

    # Acts

    def undo(self) -> None:
        """Take the last step of the drawing back."""
        self.pen.give_up()
        if name := self.session.drawing.undo():
            self.session.message.emit(f"undone: {name}")

    def redo(self) -> None:
        """Bring back the step that was undone last."""
        self.pen.give_up()
        if name := self.session.drawing.redo():
            self.session.message.emit(f"done again: {name}")

    def simplify(self) -> None:
        """Give the selected regions, else those of the role, fewer corners."""
        tolerance = self.tolerance.value()
        self._change("simplification", lambda shape, _: drawing.simplify(shape, tolerance))

    def fill(self) -> None:
        """Fill the holes of the selected regions, else of those of the role."""
        self._change("holes filled", lambda shape, parts: drawing.fill_holes(shape, pieces=parts))

    def delete(self) -> None:
        """Delete the selected regions."""
        if not self._chosen():
            self.session.message.emit("select regions in the list first")
            return
        self._change("deletion", drawing.drop_parts)

    def _change(self, name: str, act: Any) -> None:
        state = self.session.drawing.state
        chosen = self._chosen() or {self.role: None}
        after = state
        for role, parts in chosen.items():
            if role in state:
                after = with_shape(after, role, act(state[role], parts))
        self.session.drawing.push(after, name)

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
        tumour = cells.points_um[np.asarray(cells["phenotype"] == "tumour", bool)]
        self.start(
            derive_tumour, tumour, finished.measured.counted_tissue(), self.session.study.tumour,
            annotations=self.session.drawing.state, tells=False, done=self._take_tumour,
        )  # fmt: skip

    def _take_tumour(self, region: "BaseGeometry") -> None:
        if region.is_empty:
            show_warning("The cells of this slide give no tumour region.")
            return
        self.session.drawing.push(
            with_shape(self.session.drawing.state, "tumour", region), "tumour from cells"
        )
        self.set_role("tumour")

    def _choose_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import annotations", filter=_FILTER)
        if path:
            self.import_from(Path(path))

    def import_from(self, path: Path) -> None:
        """Add the annotations of a file to what is drawn."""
        slide = self.session.slide
        if slide is None:
            return
        self.start(
            read_annotations, path, pixel_size_um=slide.pixel_size_um, slide_name=slide.name,
            shape=slide.shape, tells=False, done=lambda regions: self._imported(path, regions),
        )  # fmt: skip

    def _imported(self, path: Path, regions: Regions) -> None:
        state = after = self.session.drawing.state
        for role in regions:
            before = after.get(role)
            joined = regions[role] if before.is_empty else drawing.unite(before, regions[role])
            after = with_shape(after, role, joined)
        if after is not state:
            self.session.drawing.push(after, f"import of {path.name}")
        told = ", ".join(ROLE_TITLES[role].lower() for role in regions) or "nothing that is known"
        show_info(f"{path.name}: {told}")
        if regions.unknown:
            unused = ", ".join(f"{count} of {name!r}" for name, count in regions.unknown.items())
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
        if slide is None:
            return
        self.start(
            write_regions, path, self.session.drawing.state, slide.pixel_size_um, tells=False,
            done=lambda _: self.session.message.emit(f"written: {path.name}"),
        )  # fmt: skip

    # The list

    def _chosen(self) -> dict[str, list[int] | None]:
        """Return the selected pieces by role."""
        chosen: dict[str, list[int] | None] = {}
        for item in self.list.selectedItems():
            role, index = item.data(0, Qt.ItemDataRole.UserRole)
            pieces = chosen.setdefault(role, [])
            assert pieces is not None
            pieces.append(index)
        return chosen

    def _drawn(self, regions: Regions | None = None) -> None:
        """Follow the drawing: the list, undo and redo, the margin, the proposals."""
        state, history = self.session.drawing.state, self.session.drawing
        self.list.blockSignals(True)
        self.list.clear()
        for role in (r for r in ANNOTATION_ROLES if r in state):
            for part in drawing.parts_of(state[role]):
                area = "" if role == LINE else f"{part.area_mm2:.4f} mm²"
                holes = str(part.holes) if part.holes else ""
                item = QTreeWidgetItem(
                    [
                        f"{ROLE_TITLES[role]} {part.number}",
                        area,
                        f"{part.outline_mm:.2f} mm",
                        holes,
                    ]
                )
                swatch = QPixmap(10, 10)
                swatch.fill(QColor(ROLE_COLOURS[role]))
                item.setIcon(0, QIcon(swatch))
                item.setData(0, Qt.ItemDataRole.UserRole, (role, part.index))
                self.list.addTopLevelItem(item)
        self.list.blockSignals(False)
        for name, what, keys in (
            ("Undo", history.undo_name, "Ctrl+Z"),
            ("Redo", history.redo_name, "Ctrl+Shift+Z"),
        ):
            self.actions_[name].setEnabled(bool(what))
            self.actions_[name].setToolTip(f"{name} {what}. Keys {keys}." if what else keys)
        self.margin.follow()
        self.proposals.follow()

    def _selected_in_list(self) -> None:
        chosen = list(self._chosen())
        if len(chosen) == 1 and chosen[0] != self.role:
            self.set_role(chosen[0])

    def _go(self, item: QTreeWidgetItem) -> None:
        role, index = item.data(0, Qt.ItemDataRole.UserRole)
        x0, y0, x1, y1 = shapely.get_parts(self.session.drawing.state[role])[index].bounds
        go_to(self.session.viewer, (x0, y0, x1, y1), self.session.origin_um)
