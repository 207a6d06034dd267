"""The numbers of the slide, and the cells behind each of them."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from immunescape.napari.colours import ANSWER_COLOURS, PHENOTYPE_COLOURS, REGION_COLOURS
from immunescape.napari.panels._keys import KeyListener
from immunescape.napari.panels._numbers_chosen import CHOSEN, ChosenCells
from immunescape.napari.panels._numbers_figure import FigureBox
from immunescape.napari.panels._numbers_headline import HeadlineCard, WarningsBox
from immunescape.napari.panels._numbers_picture import canvas_picture, save_picture
from immunescape.napari.panels._numbers_steps import CellSteps
from immunescape.napari.panels._numbers_table import SummaryTable
from immunescape.napari.session import finish
from immunescape.napari.step_widget import StepWidget, tell_error
from immunescape.napari.work import Work
from immunescape.report.copies import copy_tables
from immunescape.report.html.slide_write import write_slide_report
from immunescape.report.picks import Picker
from immunescape.report.plots import Bar, draw_contacts, draw_densities, draw_profile
from immunescape.report.wording import PDL1_TITLES, PHENOTYPE_TITLES

if TYPE_CHECKING:
    from immunescape.napari.session import Session

__all__ = ["NumbersPanel"]

_CLICK = "Click a bar to outline its cells in the viewer."
_KINDS = ("cd8_t", "tumour", "other", "any")


class NumbersPanel(StepWidget):
    """Headline, warnings, cells one by one, figures and tables of the result."""

    key = "numbers"
    title = "Numbers"
    hint = "What the slide says, how sure that is, and which cells are behind it."

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.chosen = ChosenCells(session)
        self.picker: Picker | None = None
        self._reading: Work | None = None
        self._shown: Any = None
        self._changed = False
        self._stale = False
        self._make_run()
        self.results = QWidget()
        self.body.addWidget(self.results)
        self._column = QVBoxLayout(self.results)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.headline = HeadlineCard()
        self.headline.region_changed.connect(self._show_region)
        self.warnings = WarningsBox()
        self.steps = CellSteps(session, self.chosen)
        for widget in (self.headline, self.steps, self.warnings):
            self._column.addWidget(widget)
        self._make_figures()
        self._heading("All numbers")
        self.table = SummaryTable()
        self._column.addWidget(self.table)
        self._make_files()
        self.keys = KeyListener(self, session.viewer, self.steps.take_key)
        self.headline.region_box.activated.connect(lambda _: self.setFocus())
        session.annotations_changed.connect(self._note_change)
        session.edits_changed.connect(self._note_change)
        self.refresh()

    def _make_run(self) -> None:
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.body.addWidget(self.state)
        self.run_button = QPushButton("Run")
        self.run_button.setToolTip(
            "Find and measure the cells where that is not done yet, and compute all tables; only "
            "what changed is done again."
        )
        self.run_button.clicked.connect(self.run)
        self.body.addWidget(self.run_button)

    def _make_figures(self) -> None:
        self._heading("Figures")
        row = QHBoxLayout()
        self.kind_box, self.pdl1_box = QComboBox(), QComboBox()
        for kind in _KINDS:
            self.kind_box.addItem(PHENOTYPE_TITLES[kind], kind)
        for pdl1, title in PDL1_TITLES.items():
            self.pdl1_box.addItem(title or "any PD-L1", pdl1)
        self.kind_box.setToolTip("Which cells the first two figures count.")
        self.pdl1_box.setToolTip("Which of them, by PD-L1.")
        for box in (self.kind_box, self.pdl1_box):
            box.currentIndexChanged.connect(self._draw_kinds)
            row.addWidget(box, 1)
        self._column.addLayout(row)
        self.camera = QCheckBox("Move the view to the cells of a bar that is clicked")
        self.camera.setToolTip("Show all cells of the bar at once; else the view stays.")
        self.camera.setChecked(True)
        self._column.addWidget(self.camera)
        viewer = self.session.viewer
        self.profile = FigureBox(viewer, "infiltration_profile", _CLICK)
        self.densities = FigureBox(viewer, "densities_by_region", _CLICK)
        self.contacts = FigureBox(viewer, "pdl1_by_contact", _CLICK)
        for figure in (self.profile, self.densities, self.contacts):
            figure.bar_clicked.connect(self.choose)
            self._column.addWidget(figure)
        self.clear_button = QPushButton("Clear the outlines")
        self.clear_button.setToolTip("Remove the layer that outlines the chosen cells.")
        self.clear_button.clicked.connect(self.chosen.clear)
        self._column.addWidget(self.clear_button)

    def _make_files(self) -> None:
        self._heading("Take along")
        for text, tip, act in (
            ("Save report", "Write report.html and report.xlsx into the folder of the result, and "
             "open that folder.", self.save_report),
            ("Save all tables …", "Copy every table, with the cells as CSV, to a folder; tables "
             "have a point as the decimal mark.", self.ask_tables),
            ("Save the view as PNG …", "Save what the viewer shows, with a scale bar and its "
             "colours explained.", self.ask_picture),
            ("Copy the view", "Put what the viewer shows on the clipboard, with a scale bar and "
             "its colours explained.", self.copy_picture),
        ):  # fmt: skip
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(act)
            self._column.addWidget(button)

    def _heading(self, text: str) -> None:
        label = QLabel(f"<b>{text}</b>")
        label.setContentsMargins(0, 8, 0, 0)
        self._column.addWidget(label)

    # Following the session

    def refresh(self) -> None:
        """Show the result of the session, if it is not shown yet."""
        if not hasattr(self, "table"):
            return
        finished = self.session.finished
        self.run_button.setVisible(self.session.slide is not None)
        self.results.setVisible(finished is not None)
        if finished is not self._shown:
            self._shown, self._changed = finished, False
            self.chosen.clear()
            self.picker = None
            self._read_cells()
            tables = finished.tables if finished is not None else {}
            self.headline.show_summary(tables.get("summary"))
            self.table.show_summary(tables.get("summary"))
            self.warnings.show_warnings(finished.warnings if finished is not None else ())
            self._stale = True
        if self._stale and self.isVisible():  # hidden figures would hold the window for nothing
            self._stale = False
            self.in_turns("figures", self._drawn())
        self.follow_study()

    def _drawn(self) -> Iterator[None]:
        """Draw all figures, one at a time."""
        self._show_region()
        yield
        yield from self._kinds_drawn()

    def follow_study(self) -> None:
        """Say whether the numbers are those of what is set now."""
        if not hasattr(self, "table") or self.session.slide is None:
            return
        finished = self.session.finished
        if finished is None:
            text = "No numbers yet: Run finds the cells, gates them and computes the tables."
        elif self._changed or not self._same_study():
            text = "<b>Something was changed since these numbers were made: run again.</b>"
        else:
            text = ""
        self.state.setText(text)
        self.state.setVisible(bool(text))
        self.run_button.setText("Run" if finished is None else "Run again")

    def _same_study(self) -> bool:
        finished, study = self.session.finished, self.session.study
        assert finished is not None
        then = finished.job.study
        found = dataclasses.replace(study.segment, model=then.segment.model)
        same_model = Path(study.segment.model).name == Path(then.segment.model).name
        now = dataclasses.replace(study, segment=found, input=then.input)
        return same_model and now == then

    def _note_change(self) -> None:
        self._changed = self.session.finished is not None
        self.follow_study()

    def _show_region(self, _: str = "") -> None:
        finished = self.session.finished
        region = self.headline.region
        self.steps.show_cells(self.picker, region)
        if finished is None:
            return
        self.contacts.show_plot(
            lambda axes, look: draw_contacts(
                axes, look, finished.tables, region=region,
                negative=ANSWER_COLOURS["negative"], positive=ANSWER_COLOURS["positive"],
            )
        )  # fmt: skip

    def _draw_kinds(self, _: int = 0) -> None:
        self.in_turns("figures of kinds", self._kinds_drawn())

    def _kinds_drawn(self) -> Iterator[None]:
        """Draw the figures of the phenotype that is chosen, one at a time."""
        finished = self.session.finished
        if finished is None:
            return
        kind, pdl1 = str(self.kind_box.currentData()), str(self.pdl1_box.currentData())
        widths = finished.tables["summary"]["margin_width_um"].dropna()
        width = float(widths.iloc[0]) if len(widths) else finished.job.study.margin.width_um
        asked: dict[str, Any] = {"phenotype": kind, "pdl1": pdl1, "width_um": width}
        colour = PHENOTYPE_COLOURS.get(kind, "#b0b0b0")
        self.profile.show_plot(
            lambda axes, look: draw_profile(axes, look, finished.tables, colour=colour, **asked)
        )
        yield
        self.densities.show_plot(
            lambda axes, look: draw_densities(
                axes, look, finished.tables, colours=REGION_COLOURS, **asked
            )
        )

    def _read_cells(self) -> None:
        """Look through the cells on another thread: of a large slide that takes a while."""
        finished = self.session.finished
        if finished is None:
            return
        self._reading = Work(Picker, finished.cells, tells=False)
        self._reading.returned.connect(self._take_picker)
        self._reading.failed.connect(tell_error)
        self._reading.start()

    def _take_picker(self, picker: Picker) -> None:
        finished = self.session.finished
        if finished is not None and picker.cells is finished.cells:
            self.picker = picker
            self.steps.show_cells(picker, self.headline.region)

    # What a person does

    def keyPressEvent(self, event: Any) -> None:
        """Go to the next cell or the one before."""
        if not self.steps.take_key(event):
            super().keyPressEvent(event)

    def run(self) -> None:
        """Run the slide on another thread, and show its numbers."""
        if self.session.slide is None:
            return
        session = self.session
        self.start(finish, session.inputs, session.out, session.study, done=session.set_finished)

    def choose(self, bar: Bar) -> None:
        """Outline the cells of a bar."""
        finished = self.session.finished
        if finished is None or self.picker is None:
            self.session.message.emit("the cells are still being read")
            return
        mask = self.picker.mask(bar.pick)
        self.chosen.show({CHOSEN: finished.cells.labels[mask]})
        if self.camera.isChecked():
            self.chosen.go_to(mask)
        self.session.message.emit(f"{int(np.count_nonzero(mask))} cells outlined")

    def close_work(self, seconds: float = 60.0) -> None:
        """Stop the work, before the window goes."""
        super().close_work(seconds)
        if self._reading is not None:
            self._reading.wait(seconds)

    def hideEvent(self, event: Any) -> None:
        """Leave the cells filled as they were when another panel comes to the front."""
        super().hideEvent(event)
        self.chosen.fill()

    def ask_tables(self) -> None:
        """Ask for a folder, and copy the tables there."""
        chosen = QFileDialog.getExistingDirectory(self, "Save all tables in a folder")
        if chosen:
            self.save_tables(Path(chosen))

    def save_tables(self, folder: Path) -> None:
        """Copy the tables of the result to a folder named after the slide within another."""
        finished = self.session.finished
        assert finished is not None and self.session.slide is not None
        target = folder / self.session.folder.name
        self.start(
            copy_tables, finished.job.folder, finished.cells, target,
            done=lambda names: self.session.message.emit(f"{len(names)} files in {target.name}"),
        )  # fmt: skip

    def save_report(self) -> None:
        """Write the report of the result that is shown, and open its folder."""
        finished = self.session.finished
        if finished is None:
            return
        folder = finished.job.folder
        self.start(
            write_slide_report, folder, tells=False, done=lambda paths: self._saved(folder, paths)
        )

    def _saved(self, folder: Path, paths: tuple[Path, ...]) -> None:
        names = " and ".join(path.name for path in paths)
        self.session.message.emit(f"{names} saved in {folder.name}")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def ask_picture(self) -> None:
        """Ask for a file, and save the view there."""
        name = self.session.slide.name if self.session.slide is not None else "view"
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the view", f"{name}.png", "*.png")
        if chosen:
            path = Path(chosen)
            _tried(lambda: save_picture(self.session.viewer, path))

    def copy_picture(self) -> None:
        """Put the view on the clipboard."""
        QApplication.clipboard().setImage(canvas_picture(self.session.viewer))


def _tried(act: Callable[[], None]) -> None:
    try:
        act()
    except Exception as error:
        tell_error(error)
