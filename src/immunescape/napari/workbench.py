"""The one dock of the plugin: the steps in the order of the work, and where one is."""

import importlib
import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QShortcut,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from immunescape.napari.arrival import Arrivals
from immunescape.napari.autosave import Autosave
from immunescape.napari.drops import take_drops
from immunescape.napari.preferences import prefer_own_reader, read_preferences
from immunescape.napari.session import Session
from immunescape.napari.step_widget import StepWidget, tell_error

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from immunescape.napari.drops import Drops

__all__ = ["STEPS", "Workbench", "open_step", "workbench_of"]

DOCK = "Workbench (immunescape)"
"""The name that napari's menu gives the dock: there is one a viewer, however it was opened."""

STEPS: dict[str, tuple[str, str]] = {
    "slide": ("Slide", "SlidePanel"),
    "regions": ("Regions", "RegionsPanel"),
    "segment": ("Segment", "SegmentPanel"),
    "gates": ("Gates", "GatesPanel"),
    "cells": ("Cells", "CellsPanel"),
    "review": ("Review", "ReviewPanel"),
    "numbers": ("Numbers", "NumbersPanel"),
    "cohort": ("Cohort", "CohortPanel"),
}
"""The panels in the order of the work: module under ``napari.panels``, its name, its class."""

_WIDTH = 380
_ALONG = {"Alt+PgDown": 1, "Alt+PgUp": -1}
_BUTTONS = """
QToolButton { border: 1px solid palette(mid); border-radius: 3px; padding: 3px; }
QToolButton:hover { border-color: #0072b2; }
QToolButton:checked { background: #0072b2; color: white; border-color: #0072b2; }
"""
_benches: "weakref.WeakValueDictionary[int, Workbench]" = weakref.WeakValueDictionary()


class Workbench(QWidget):
    """The dock: a button a step, the panel of the step, and a foot with what is saved.

    Panels are made when they are first shown.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        viewer = _bare(viewer)
        self.session = Session(viewer)
        viewer.canvas.overlays.scale_bar.visible = True
        preferences = read_preferences()
        preferences.use_cache()
        prefer_own_reader()
        self.drops: Drops | None = None  # takes what is dropped, once there is a window around
        self._docked = QTimer(self)
        self._docked.setSingleShot(True)
        self._docked.setInterval(0)  # a dock is shown before it lies in its window
        self._docked.timeout.connect(self._take_drops)
        self.autosave = Autosave(self.session, self, every_s=60 * preferences.save_minutes)
        self.session.annotations_changed.connect(self._show_drawn)
        self.arrivals = Arrivals(self.session, self)
        self.panels: dict[str, StepWidget] = {}
        self.setMinimumWidth(_WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(6, 6, 6, 6)
        self.slide_label = QLabel()
        self.slide_label.setWordWrap(True)
        outer.addWidget(self.slide_label)
        outer.addLayout(self._make_buttons())
        self.stack = QStackedWidget()
        outer.addWidget(self.stack, 1)
        outer.addLayout(self._make_foot())
        for keys, step in _ALONG.items():
            along = QShortcut(QKeySequence(keys), self)  # whichever panel is in front
            along.activated.connect(lambda step=step: self.go_along(step))
        self.session.slide_changed.connect(self._tell_slide)
        self.session.finished_changed.connect(self._tell_slide)
        self.session.message.connect(self._tell)
        self._tell_slide()
        _benches[id(viewer)] = self
        self.show_step("slide")

    def _make_buttons(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(3)
        self.buttons: dict[str, QToolButton] = {}
        group = QButtonGroup(self)
        group.setExclusive(True)
        for number, (key, (name, _)) in enumerate(STEPS.items()):
            button = QToolButton()
            button.setText(f"{number + 1} {name}")
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setStyleSheet(_BUTTONS)
            button.setToolTip(f"Alt+{number + 1}")
            button.setShortcut(f"Alt+{number + 1}")
            button.clicked.connect(lambda _=False, key=key: self.show_step(key))
            group.addButton(button)
            grid.addWidget(button, number // 4, number % 4)
            self.buttons[key] = button
        return grid

    def _make_foot(self) -> QVBoxLayout:
        foot = QVBoxLayout()
        row = QHBoxLayout()
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.save_button = QPushButton("Save study")
        self.save_button.setToolTip(
            "Write parameters, gates, annotations and corrections, so that the command line "
            "repeats these numbers."
        )
        self.save_button.clicked.connect(self.save_study)
        row.addWidget(self.status, 1)
        row.addWidget(self.save_button)
        foot.addLayout(row)
        note = QLabel("For research use, not for diagnosis.")
        note.setAlignment(Qt.AlignmentFlag.AlignRight)
        note.setStyleSheet("color: palette(mid)")
        foot.addWidget(note)
        return foot

    def panel(self, key: str) -> StepWidget:
        """Return the panel of a step, made where it is not there yet."""
        if key not in self.panels:
            module = importlib.import_module(f"immunescape.napari.panels.{key}")
            panel: StepWidget = getattr(module, STEPS[key][1])(self.session)
            self.panels[key] = panel
            self.stack.addWidget(panel)
        return self.panels[key]

    def show_step(self, key: str) -> StepWidget:
        """Bring the panel of a step to the front."""
        panel = self.panel(key)
        self.stack.setCurrentWidget(panel)
        self.buttons[key].setChecked(True)
        return panel

    def go_along(self, step: int) -> None:
        """Open the next slide of the worklist, or the one before; nothing without a worklist."""
        panel: Any = self.panels.get("cohort")
        if panel is not None:
            panel.go(step)

    def _show_drawn(self) -> None:
        """Have the panel made that shows what was drawn, where there is something."""
        if self.session.drawing.state.shapes:
            self.panel("regions")

    def save_study(self) -> None:
        """Write the study, and say how the command line repeats the numbers."""
        if self.session.slide is None:
            self._tell("nothing to save: no slide is open")
            return
        try:
            self.session.save_study()
        except Exception as error:
            tell_error(error)
            return
        self.save_button.setToolTip(self.session.command())

    def _tell_slide(self) -> None:
        slide = self.session.slide
        self.save_button.setEnabled(slide is not None)
        if slide is None:
            self.slide_label.setText("No slide yet: File > Open, or drop one on the window.")
            return
        height, width = (side * slide.pixel_size_um / 1000 for side in slide.shape)
        made = "measured" if self.session.finished is not None else "not measured yet"
        self.slide_label.setText(f"<b>{slide.name}</b>, {width:.1f} x {height:.1f} mm, {made}")

    def _tell(self, text: str) -> None:
        try:
            self.status.setText(text)
        except RuntimeError:  # the window is gone
            return
        QTimer.singleShot(8000, lambda: self._forget(text))

    def _forget(self, text: str) -> None:
        try:
            if self.status.text() == text:
                self.status.setText("")
        except RuntimeError:  # the window is gone
            return

    def close_work(self) -> None:
        """Stop whatever is at work, and wait for it."""
        self.arrivals.close_work()
        for panel in self.panels.values():
            panel.close_work()
        self.autosave.close()

    def showEvent(self, event: Any) -> None:
        """Take what is dropped on the window that the workbench was docked in."""
        super().showEvent(event)
        self._docked.start()

    def _take_drops(self) -> None:
        self.drops = take_drops(self.session.viewer, self, self.open_path)

    def open_path(self, path: "Path") -> None:
        """Open a slide, the folder of a result or a sample sheet."""
        from immunescape.cohort.worklist import is_sheet

        opener: Any = self.show_step("cohort") if is_sheet(path) else self.panel("slide")
        opener.open_path(path)

    def closeEvent(self, event: Any) -> None:
        """Leave nothing half-written behind."""
        self.close_work()
        super().closeEvent(event)


def workbench_of(viewer: "napari.viewer.Viewer") -> Workbench:
    """Return the workbench that a viewer shows; it is opened where there is none."""
    bench = _benches.get(id(_bare(viewer)))
    if bench is None:
        bench = Workbench(_bare(viewer))
        viewer.window.add_dock_widget(bench, name=DOCK, area="right")
    return bench


def open_step(viewer: "napari.viewer.Viewer", key: str) -> StepWidget:
    """Show the workbench at a step."""
    return workbench_of(viewer).show_step(key)


def _bare(viewer: Any) -> Any:
    """Return the viewer behind the proxy that napari hands to plugins."""
    return getattr(viewer, "__wrapped__", viewer)


def open_step_slide(viewer: "napari.viewer.Viewer") -> None:
    """Show the workbench at its step "slide"; for the manifest."""
    open_step(viewer, "slide")


def open_step_regions(viewer: "napari.viewer.Viewer") -> None:
    """Show the workbench at its step "regions"; for the manifest."""
    open_step(viewer, "regions")


def open_step_segment(viewer: "napari.viewer.Viewer") -> None:
    """Show the workbench at its step "segment"; for the manifest."""
    open_step(viewer, "segment")


def open_step_gates(viewer: "napari.viewer.Viewer") -> None:
    """Show the workbench at its step "gates"; for the manifest."""
    open_step(viewer, "gates")


def open_step_cells(viewer: "napari.viewer.Viewer") -> None:
    """Show the workbench at its step "cells"; for the manifest."""
    open_step(viewer, "cells")


def open_step_review(viewer: "napari.viewer.Viewer") -> None:
    """Show the workbench at its step "review"; for the manifest."""
    open_step(viewer, "review")


def open_step_numbers(viewer: "napari.viewer.Viewer") -> None:
    """Show the workbench at its step "numbers"; for the manifest."""
    open_step(viewer, "numbers")


def open_step_cohort(viewer: "napari.viewer.Viewer") -> None:
    """Show the workbench at its step "cohort"; for the manifest."""
    open_step(viewer, "cohort")
