"""Proposed exclusions: what each would remove, and accepting or rejecting them."""

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from napari.layers import Layer
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from immunescape.drawing import unite
from immunescape.errors import ImmunescapeError
from immunescape.io.output import atomic_path, writing
from immunescape.napari.colours import ROLE_COLOURS
from immunescape.napari.kept import set_damaged_aside
from immunescape.napari.latest import Latest
from immunescape.napari.panels._regions_pen import segments_of
from immunescape.napari.step_widget import tell_error
from immunescape.napari.view import go_to
from immunescape.quality.places import Place, proposed_places
from immunescape.regions import Regions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from immunescape.napari.session import Session

__all__ = ["ProposalsBox"]

_NAMES = {
    "saturated": "Saturated",
    "fold": "Fold",
    "blurred": "Blurred",
    "pigment": "Pigment",
    "debris": "Debris",
}
_LAYER = "Proposed exclusions"
_FILE = "proposals.json"
_ACCEPTED = 0.99
"""A place of which this share is drawn as excluded counts as accepted."""
_OPEN, _TAKEN, _REJECTED = "", "left out", "rejected"


class ProposalsBox(QWidget):
    """Lists proposed exclusions and what each would remove.

    An accepted place becomes part of the drawn exclusions, where it can be edited and undone; a
    rejected one is remembered in the session's folder.

    Parameters
    ----------
    session
        The session.
    """

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.places: tuple[Place, ...] = ()
        self._rejected: list[tuple[str, float, float]] = []
        self._of: Any = None
        self.known = False  # whether proposals were looked for in the result
        self._judged_with: Any = None  # what was excluded when the list was made
        self._shown: Any = None
        self._find = Latest(_places, self)
        self._find.returned.connect(self._found)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self.text = QLabel()
        self.text.setWordWrap(True)
        outer.addWidget(self.text)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Place", "mm²", "Cells", "Tumour", "CD8", ""])
        self.tree.setToolTip("What leaving each place out would remove. Double-click goes there.")
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.tree.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.tree.setIndentation(12)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setUniformRowHeights(True)
        self.tree.itemExpanded.connect(self._fit_tree)
        self.tree.itemCollapsed.connect(self._fit_tree)
        self.tree.itemDoubleClicked.connect(self._go)
        outer.addWidget(self.tree)
        grid = QGridLayout()
        self.buttons: dict[str, QPushButton] = {}
        for column, (name, tip, act) in enumerate(
            (
                ("Accept", "Leave the selected places out.", lambda: self.accept(self.selected())),
                ("Reject", "Keep the selected places in.", lambda: self.reject(self.selected())),
                ("Accept all", "Leave every place out.", lambda: self.accept(self.places)),
                ("Reject all", "Keep every place in.", lambda: self.reject(self.places)),
            )
        ):
            button = QPushButton(name)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, act=act: act())
            grid.addWidget(button, 0, column)
            self.buttons[name] = button
        outer.addLayout(grid)
        self._list()

    # Following the session

    def follow(self) -> None:
        """Follow the result, and what is drawn."""
        finished = self.session.finished
        if finished is self._of:
            if self.session.drawing.state.shapes.get("excluded") is not self._judged_with:
                self._list()
            return
        self._of = finished
        self.places, self.known = (), False
        self._find.forget()
        self._list()
        if finished is not None:
            self._rejected = self._read()
            self._find.ask(finished)

    def set_line(self, width_um: float) -> None:
        """Draw lines in another width, since the picture was zoomed."""
        if self._shown is not None:
            self._shown.edge_width = width_um

    def close_work(self, seconds: float = 60.0) -> None:
        """Wait for what is at work, before the window goes."""
        self._find.wait(seconds)

    def _found(self, told: tuple[Any, tuple[Place, ...]]) -> None:
        finished, places = told
        if finished is self.session.finished:
            self.places, self.known = places, True
            self._list()

    # Deciding

    def selected(self) -> list[Place]:
        """Return the places that are selected; a kind stands for all of its places."""
        found: list[Place] = []
        for item in self.tree.selectedItems():
            held = item.data(0, Qt.ItemDataRole.UserRole)
            found += [p for p in held if p not in found]
        return found

    def accept(self, places: "Iterable[Place]") -> None:
        """Make places part of the drawn exclusions."""
        chosen = list(places)
        if not chosen:
            self.session.message.emit("select places in the list first")
            return
        self._rejected = [r for r in self._rejected if not any(_is(p, r) for p in chosen)]
        self._keep()
        state = self.session.drawing.state
        area = shapely.union_all([p.shape for p in chosen])
        shapes = {**state.shapes, "excluded": unite(state.get("excluded"), area)}
        self.session.drawing.push(Regions(shapes, state.unknown), "proposal accepted")
        self._list()

    def reject(self, places: "Iterable[Place]") -> None:
        """Keep places in, and remember it; one that was accepted stays until that is undone."""
        chosen = [p for p in places if self.status(p) == _OPEN]
        for place in chosen:
            point = shapely.point_on_surface(place.shape)
            self._rejected.append((place.issue, point.x, point.y))
        self._keep()
        self._list()

    def status(self, place: Place) -> str:
        """Return what was decided on a place; empty while it is open."""
        if any(_is(place, r) for r in self._rejected):
            return _REJECTED
        excluded = self.session.drawing.state.get("excluded")
        if not excluded.is_empty:
            inside = shapely.intersection(place.shape, excluded).area
            if inside >= _ACCEPTED * place.shape.area:
                return _TAKEN
        return _OPEN

    def _read(self) -> list[tuple[str, float, float]]:
        path = self.session.kept / _FILE
        if not path.is_file():
            return []
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            return [(str(issue), float(x), float(y)) for issue, x, y in said["rejected"]]
        except (OSError, ValueError, KeyError, TypeError):
            with contextlib.suppress(OSError):
                aside = set_damaged_aside(path)
                show_error(
                    f"{path.name} cannot be read; it is kept as {aside.name} in "
                    f"{path.parent.name}, and all proposals are open again"
                )
            return []

    def _keep(self) -> None:
        path = self.session.kept / _FILE
        if not self._rejected and not path.exists():
            return
        try:
            with writing(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_path(path) as beside:
                    text = json.dumps({"rejected": self._rejected})
                    beside.write_text(text + "\n", encoding="utf-8")
        except (OSError, ImmunescapeError) as error:
            tell_error(error)

    # The list and the picture

    def _list(self) -> None:
        self._judged_with = self.session.drawing.state.shapes.get("excluded")
        self.tree.clear()
        statuses = {id(place): self.status(place) for place in self.places}
        for issue in dict.fromkeys(place.issue for place in self.places):
            group = [place for place in self.places if place.issue == issue]
            every = sum(place.count for place in group)
            top = self._item(f"{_NAMES.get(issue, issue)} ({every})", group, statuses)
            self.tree.addTopLevelItem(top)
            for place in group:
                name = str(place.number) if place.number else f"{place.count} smaller"
                top.addChild(self._item(name, [place], statuses))
            top.setExpanded(len(group) <= 5)
        self.text.setText(self._words(list(statuses.values())))
        self.tree.setVisible(bool(self.places))
        self._fit_tree()
        for button in self.buttons.values():
            button.setVisible(bool(self.places))
        self._paint([p for p in self.places if statuses[id(p)] == _OPEN])

    def _fit_tree(self, _: Any = None) -> None:
        """Show every row: the panel scrolls, and a second bar inside it would be in the way."""
        tops = [self.tree.topLevelItem(k) for k in range(self.tree.topLevelItemCount())]
        rows = sum(1 + top.childCount() * top.isExpanded() for top in tops if top is not None)
        height = max(self.tree.sizeHintForRow(0), 14) * rows + 4
        self.tree.setFixedHeight(height + self.tree.header().sizeHint().height())

    def _item(self, name: str, places: list[Place], statuses: dict[int, str]) -> QTreeWidgetItem:
        decided = {statuses[id(place)] for place in places}
        status = decided.pop() if len(decided) == 1 else "some decided"
        area = sum(place.area_mm2 for place in places)
        counts = [
            sum(getattr(place, count) for place in places)
            for count in ("cells", "tumour_cells", "cd8_cells")
        ]
        item = QTreeWidgetItem([name, f"{area:.4f}", *map(str, counts), status])
        item.setData(0, Qt.ItemDataRole.UserRole, places)
        for column in range(1, 5):
            item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)
        if status != _OPEN:
            item.setForeground(0, QBrush(QColor("gray")))
        return item

    def _words(self, statuses: list[str]) -> str:
        finished = self.session.finished
        if finished is None:
            return "Saturation, folds, blur, pigment and debris are looked for when measuring."
        if not self.places and not self.known:
            return "Looking at what is proposed …"
        if not self.places:
            return "Nothing on this slide is proposed for exclusion."
        if finished.job.study.quality.exclude:
            return "All of these are left out already: the study's quality step excludes them."
        left = statuses.count(_OPEN)
        return f"{left} of {len(statuses)} still to be decided."

    def _paint(self, places: list[Place]) -> None:
        layers = self.session.viewer.layers
        if not places:
            if self._shown is not None and self._shown in layers:
                self._shown.visible = False
            return
        data = np.concatenate([segments_of(place.shape) for place in places])
        if self._shown is None or self._shown not in layers:
            active = layers.selection.active
            meta = {
                "name": _LAYER,
                "edge_color": ROLE_COLOURS["proposed"],
                "vector_style": "line",
                "scale": (1.0, 1.0),
                "translate": self.session.origin_um[::-1],
                "units": ("um", "um"),
                "axis_labels": ("y", "x"),
            }
            self._shown = self.session.viewer.add_layer(Layer.create(data, meta, "vectors"))
            if active is not None:
                layers.selection.active = active
        else:
            self._shown.data = data
        self._shown.translate = self.session.origin_um[::-1]
        self._shown.edge_width = 2.0 / max(self.session.viewer.scene.camera.zoom, 1e-9)
        self._shown.visible = True

    def _go(self, item: QTreeWidgetItem) -> None:
        places = item.data(0, Qt.ItemDataRole.UserRole)
        bounds = shapely.total_bounds([place.shape for place in places])
        x0, y0, x1, y1 = (float(v) for v in bounds)
        room = max(x1 - x0, y1 - y0, 20.0)
        bounds_um = (x0 - room, y0 - room, x1 + room, y1 + room)
        go_to(self.session.viewer, bounds_um, self.session.origin_um)


def _is(place: Place, rejected: tuple[str, float, float]) -> bool:
    issue, x, y = rejected
    return place.issue == issue and bool(shapely.intersects_xy(place.shape, x, y))


def _places(finished: Any) -> tuple[Any, tuple[Place, ...]]:
    measured = finished.measured
    masks = {name: proposal.mask for name, proposal in measured.proposals.items()}
    tissue = measured.tissue
    places = proposed_places(
        masks, finished.margin.analysed.mask, tissue.grid_um, tissue.frame_um, finished.cells
    )
    return finished, places
