"""The panel in which regions are drawn, taken from the cells, imported and judged."""

from typing import TYPE_CHECKING, Any

import shapely
from napari.utils.notifications import show_warning
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QGroupBox,
    QShortcut,
    QVBoxLayout,
    QWidget,
)

from immunescape import drawing
from immunescape.errors import ImmunescapeError
from immunescape.napari.panels._keys import KeyListener
from immunescape.napari.panels._regions_files import FilesRow
from immunescape.napari.panels._regions_layers import DrawnLayers
from immunescape.napari.panels._regions_margin import MarginBox
from immunescape.napari.panels._regions_pen import Pen
from immunescape.napari.panels._regions_proposals import ProposalsBox
from immunescape.napari.panels._regions_strokes import (
    TOOLS,
    Stroke,
    apply_stroke,
    moved_outline,
    with_shape,
)
from immunescape.napari.panels._regions_tools import RegionList, ToolBox
from immunescape.napari.step_widget import StepWidget
from immunescape.napari.view import go_to

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from immunescape.napari.session import Session
    from immunescape.regions import Regions

__all__ = ["RegionsPanel"]

_REACH_PX = 6.0
_CONTROL, _SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
_PLAIN = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)


class RegionsPanel(StepWidget):
    """Regions of the slide: drawn, imported, derived; exclusions; the margin."""

    key = "regions"
    title = "Regions"
    hint = "Draw the tumour and what to leave out, or take them from cells and proposals."

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.layers = DrawnLayers(session, self)
        self.pen = Pen(session.viewer, self)
        self.box = ToolBox()
        self.list = RegionList()
        self.files = FilesRow(session, self.start)
        self.margin = MarginBox(session)
        self.proposals = ProposalsBox(session)
        self.body.addWidget(self.box)
        self.body.addWidget(self.list)
        self.body.addWidget(self.files)
        self._make_group("Margin", self.margin)
        self._make_group("Proposed exclusions", self.proposals)
        self._connect()
        self.layers.show(session.drawing.state)
        self._drawn()

    def _connect(self) -> None:
        session = self.session
        self.pen.stroked.connect(self._stroked)
        self.pen.dropped.connect(lambda: self.box.show_tool(""))
        self.pen.outline = self._outline
        self.box.radius.valueChanged.connect(self.pen.set_radius)
        self.box.role_changed.connect(self._chose_role)
        self.box.tool_asked.connect(self.take)
        self.files.tumour_drawn.connect(lambda: self.box.set_role("tumour"))
        acts = {
            "Simplify": self.simplify, "Fill holes": self.fill, "Delete": self.delete,
            "Undo": self.undo, "Redo": self.redo,
        }  # fmt: skip
        self.box.acted.connect(lambda name: acts[name]())
        self.list.itemDoubleClicked.connect(self._go)
        self.list.itemSelectionChanged.connect(self._selected)
        self.layers.line_changed.connect(self.margin.set_line)
        self.layers.line_changed.connect(self.proposals.set_line)
        session.drawing.changed.connect(self._drawn)
        if session.autosave is not None:
            session.autosave.blocked.connect(self._follow_lock)
            session.autosave.unfinished = self._unfinished
        self._keys = KeyListener(self, session.viewer, self._pressed)
        for keys, act in (("Ctrl+Z", self.undo), ("Ctrl+Shift+Z", self.redo)):
            QShortcut(QKeySequence(keys), self).activated.connect(act)

    def _make_group(self, title: str, inside: QWidget) -> None:
        box = QGroupBox(title)
        layout = QVBoxLayout(box)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(inside)
        self.body.addWidget(box)

    # Following the session

    def needs(self) -> str:
        """Return what the panel waits for."""
        autosave = self.session.autosave
        return super().needs() or ("" if autosave is None else autosave.why_blocked)

    def refresh(self) -> None:
        """Follow the slide and the result."""
        if self.session.slide is None:
            self.take("")
        self.files.buttons["Tumour from cells"].setEnabled(self.session.finished is not None)
        self.proposals.follow()
        self.margin.follow()

    def follow_study(self) -> None:
        """Follow the width of the margin and the site of the lesion."""
        self.margin.follow()

    def _follow_lock(self, why: str) -> None:
        self._refresh()

    def close_work(self, seconds: float = 60.0) -> None:
        """Stop the work and wait for its end, before the window goes."""
        super().close_work(seconds)
        self.margin.close_work(seconds)
        self.proposals.close_work(seconds)

    def hideEvent(self, event: Any) -> None:
        """Let go of the tool when another step is in front."""
        self.take("")
        super().hideEvent(event)

    def _drawn(self, regions: "Regions | None" = None) -> None:
        """Follow the drawing: the list, undo and redo, the margin, the proposals."""
        history = self.session.drawing
        self.list.show_regions(history.state)
        self.box.show_history(history.undo_name, history.redo_name)
        self.margin.follow()
        self.proposals.follow()

    def _selected(self) -> None:
        chosen = list(self.list.chosen())
        if len(chosen) == 1 and chosen[0] != self.box.role:
            self.box.set_role(chosen[0])

    def _go(self, item: Any) -> None:
        role, index = self.list.place(item)
        x0, y0, x1, y1 = shapely.get_parts(self.session.drawing.state[role])[index].bounds
        go_to(self.session.viewer, (x0, y0, x1, y1), self.session.origin_um)

    # Strokes

    def take(self, tool: str) -> None:
        """Take a tool in hand; none lets the pointer move the picture."""
        if not self.content.isEnabled() or self.session.slide is None:
            tool = ""
        self.pen.put_down()
        if tool:
            self.pen.set_radius(self.box.radius.value())
            self.pen.take(tool, self.layers.choose(self.box.role))
        self.box.show_tool(tool)

    def _chose_role(self, role: str) -> None:
        if tool := self.pen.tool:
            self.take(tool if self.box.tools[tool].isEnabled() else "freehand")

    def _stroke(self, tool: str, points: Any) -> Stroke:
        slide = self.session.slide
        assert slide is not None
        height, width = (n * slide.pixel_size_um for n in slide.shape)
        reach = _REACH_PX / max(self.session.viewer.scene.camera.zoom, 1e-9)
        return Stroke(tool, self.box.role, points, self.box.radius.value(), reach, (width, height))

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

    def _unfinished(self) -> "Regions | None":
        """Return the drawing with the stroke under way; None where none is or it does not fit."""
        if not self.pen.busy or self.session.slide is None:
            return None
        state = self.session.drawing.state
        try:
            return apply_stroke(state, self._stroke(self.pen.tool, self.pen.points()))
        except ImmunescapeError:
            return None

    # Keys

    def _pressed(self, event: Any) -> bool:
        """Do what a key means; tell whether it meant something."""
        if event.key() == Qt.Key.Key_Z and event.modifiers() in (_CONTROL, _CONTROL | _SHIFT):
            (self.redo if event.modifiers() & _SHIFT else self.undo)()
            return True
        if event.modifiers() not in _PLAIN or not self.content.isEnabled():
            return False
        key, text = event.key(), event.text().upper()
        by_letter = {tool.key: name for name, tool in TOOLS.items()}
        if text in by_letter and self.box.tools[by_letter[text]].isEnabled():
            name = by_letter[text]
            self.take("" if self.pen.tool == name else name)
        elif text in ("[", "]"):
            self.box.change_radius(text == "]")
        elif key == Qt.Key.Key_Escape:
            if self.pen.busy:
                self.pen.give_up()
            else:
                self.take("")
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.pen.busy:
            self.pen.finish()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.list.chosen():
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
        tolerance = self.box.tolerance.value()
        self._change(
            "simplification", lambda shape, parts: drawing.simplify(shape, tolerance, pieces=parts)
        )

    def fill(self) -> None:
        """Fill the holes of the selected regions, else of those of the role."""
        self._change("holes filled", lambda shape, parts: drawing.fill_holes(shape, pieces=parts))

    def delete(self) -> None:
        """Delete the selected regions."""
        if not self.list.chosen():
            self.session.message.emit("select regions in the list first")
            return
        self._change("deletion", drawing.drop_parts)

    def _change(self, name: str, act: Any) -> None:
        state = after = self.session.drawing.state
        chosen: dict[str, Any] = dict(self.list.chosen()) or {self.box.role: None}
        for role, parts in chosen.items():
            if role in state:
                after = with_shape(after, role, act(state[role], parts))
        self.session.drawing.push(after, name)
