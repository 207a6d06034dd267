"""The sample sheet as a worklist: who is how far with which slide, and running all of them."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from immunescape.cohort.handover import sheet_to_run
from immunescape.cohort.signing import SIGNED, sign
from immunescape.cohort.worklist import (
    content_signed,
    kept_folder,
    read_worklist,
)
from immunescape.errors import ImmunescapeError, SheetError
from immunescape.napari.latest import Latest
from immunescape.napari.lock import user
from immunescape.napari.panels._cohort_face import CohortFace
from immunescape.napari.panels._cohort_table import counted
from immunescape.napari.panels._cohort_walk import Walk
from immunescape.napari.session import default_out, new_study
from immunescape.napari.step_widget import StepWidget, tell_error
from immunescape.napari.worklist import (
    Looked,
    look_through,
    results_made,
)

if TYPE_CHECKING:
    from immunescape.cohort.sheet import Sheet
    from immunescape.napari.session import Session

__all__ = ["CohortPanel"]

_FILTER = "Sample sheets (*.csv *.tsv *.txt *.xlsx *.xlsm);;All files (*)"
_EVERY_MS = 10_000
_SOON_MS = 1500
"""What is drawn and set is saved a second after it changed."""


class CohortPanel(StepWidget):
    """Work through the slides of a sheet, sign them, and run them all."""

    key = "cohort"
    title = "Cohort"
    hint = (
        "All slides of a sample sheet, one after the other. Drop a sheet on the window, or open "
        "one here."
    )

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        self.sheet: Sheet | None = None
        self.out = Path()
        self.looked: tuple[Looked, ...] = ()
        self._results: dict[str, float] = {}
        super().__init__(session, parent)
        # a look may take longer than the time to the next one: every answer is shown
        self.looking = Latest(_look, self, wish=self._wish)
        self.looking.returned.connect(self._have_looked)
        self.walk = walk = Walk(session, self.start, self)
        self.face = face = CohortFace()
        walk.opening.connect(face.table.selectRow)
        walk.came.connect(self.look)
        walk.changed.connect(self.look_later)
        for part in face.parts:
            self.body.addWidget(part)
        face.table.wanted.connect(walk.open_row)
        face.table.currentCellChanged.connect(lambda *_: self._show_chosen())
        for pressed, act in (
            (face.sheet_button, self.ask_sheet),
            (face.folder_button, self.ask_out),
            (face.previous_button, lambda: self.go(-1)),
            (face.open_button, lambda: walk.open_row(face.table.currentRow())),
            (face.next_button, lambda: self.go(1)),
            (face.sign_button, self.sign),
            (face.withdraw_button, self.withdraw),
        ):
            pressed.clicked.connect(lambda _=False, act=act: act())
        self.run_box = face.run_box
        self.run_box.run_wanted.connect(self.run)
        self.run_box.process.ended.connect(self._ran)
        self.run_box.process.told.connect(lambda _: self.look_later())
        self.run_box.given = self.sheet_and_out
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SOON_MS)
        self._soon.timeout.connect(self.look)
        self._often = QTimer(self)
        self._often.setInterval(_EVERY_MS)
        self._often.timeout.connect(lambda: self.look() if self.isVisible() else None)
        for changed in (session.annotations_changed, session.edits_changed):
            changed.connect(self.look_later)
        session.study_changed.connect(lambda _: self.look_later())
        self._refresh()

    # The sheet

    def needs(self) -> str:
        """Return nothing: a sheet can always be opened here."""
        return ""

    def ask_sheet(self) -> None:
        """Ask for a sample sheet."""
        path, _ = QFileDialog.getOpenFileName(self, "Open a sample sheet", "", _FILTER)
        if path:
            self.open_path(Path(path))

    def open_path(self, path: Path, out: Path | None = None) -> None:
        """Open a sample sheet.

        Parameters
        ----------
        path
            The sheet.
        out
            Folder of the cohort; beside the sheet where absent.
        """
        if self.run_box.process.running:
            show_warning("A cohort runs here; cancel it first.")
            return
        out = default_out(path) if out is None else out

        def failed(error: Exception) -> None:
            if isinstance(error, SheetError):
                self._show_problems(path, error)
            else:
                tell_error(error)

        self.start(
            read_worklist, path, out, new_study(), tells=False, failed=failed,
            done=lambda sheet: self.take_sheet(sheet, out),
        )  # fmt: skip

    def take_sheet(self, sheet: "Sheet", out: Path | None = None) -> None:
        """Show a sheet that was read.

        Parameters
        ----------
        sheet
            The sheet.
        out
            Folder of the cohort; beside the sheet where absent.
        """
        self.sheet = sheet
        self.out = (default_out(sheet.path) if out is None else out).resolve()
        self.looked = ()
        self.walk.samples, self.walk.out = sheet.samples, self.out
        self.face.problems.setText("\n".join(f"⚠ {text}" for text in sheet.warnings))
        self._often.start()
        self._refresh()
        self.look()

    def _show_problems(self, path: Path, error: SheetError) -> None:
        self.sheet, self.looked, self.walk.samples = None, (), ()
        self.looking.forget()
        self.face.show_problems(path.name, error)
        self._refresh()

    def ask_out(self) -> None:
        """Ask for the folder of the cohort."""
        if self.sheet is None:
            return
        folder = QFileDialog.getExistingDirectory(self, "Folder of the cohort", str(self.out))
        if folder:
            self.open_path(self.sheet.path, Path(folder))

    def sheet_and_out(self) -> tuple[Path, Path] | None:
        """Return the sheet that a run is given, and its folder; None without one.

        What is drawn and set just now is saved first.
        """
        if self.sheet is None:
            return None
        self.session.saving.emit()
        try:
            return sheet_to_run(self.sheet, self.out), self.out
        except ImmunescapeError as error:
            tell_error(error)
            return None

    # Looking

    def look_later(self, *_: Any) -> None:
        """Look soon, once what changed is saved."""
        with contextlib.suppress(RuntimeError):  # the window is gone
            if self.sheet is not None:
                self._soon.start()

    def look(self) -> None:
        """See how far people are with each slide, on another thread."""
        self.looking.ask()

    def _wish(self) -> "_Of | None":
        return None if self.sheet is None else (self.sheet, self.out)

    def _have_looked(self, told: "tuple[_Of, tuple[Looked, ...]]") -> None:
        (sheet, out), looked = told
        if sheet is self.sheet and out == self.out:
            self.looked = looked
            self._show_rows()

    def refresh(self) -> None:
        """Follow the session."""
        if not hasattr(self, "run_box"):
            return
        there = self.sheet is not None
        self.face.show_sheet(there=there)
        if not there:
            return
        if not self.face.person.text():
            self.face.person.setText(self.session.study.reviewed_by or user())
        self._show_rows()

    def _show_rows(self) -> None:
        assert self.sheet is not None
        patients = len({s.patient for s in self.sheet.samples})
        people = f"{patients} patient{'' if patients == 1 else 's'}"
        told = f"<b>{self.sheet.path.name}</b>, {people}, results in {self.out.name}"
        self.face.facts.setText(f"{told}<br>{counted(self.looked)}" if self.looked else told)
        self.face.table.show_rows(self.looked, self.walk.current)
        self._show_chosen()

    def _show_chosen(self) -> None:
        self.face.show_chosen(self.face.chosen(self.looked))
        if self.sheet is None:
            return
        self.face.previous_button.setEnabled(self.walk.beside(-1) is not None)
        self.face.next_button.setEnabled(self.walk.beside(1) is not None)

    def go(self, step: int) -> None:
        """Open the next slide or the one before; of the chosen one where none is open."""
        if self.work is None or not self.work.running:
            self.walk.go(step)

    # Signing

    def sign(self) -> None:
        """Sign the chosen slide as it is now."""
        self._sign(withdraws=False)

    def withdraw(self) -> None:
        """Take the signature of the chosen slide back."""
        self._sign(withdraws=True)

    def _sign(self, *, withdraws: bool) -> None:
        chosen = self.face.chosen(self.looked)
        if chosen is None or self.sheet is None:
            return
        self.session.saving.emit()  # what is drawn just now is signed too
        sample = self.sheet.samples[self.face.table.currentRow()]
        try:
            content = "" if withdraws else content_signed(sample, self.out)
            sign(kept_folder(self.out, sample) / SIGNED, self.face.person.text(), content)
        except ImmunescapeError as error:
            tell_error(error)
        self.look()

    # Running

    def run(self) -> None:
        """Run all slides in a process of its own; the window stays free."""
        given = self.sheet_and_out()
        if given is not None:
            assert self.sheet is not None
            self._results = results_made(self.sheet.samples, self.out)
            self.run_box.start(*given)

    def _ran(self, code: int) -> None:
        if self.sheet is None:
            return
        here = self.walk.current
        made = results_made(self.sheet.samples, self.out)
        if here and made.get(here) != self._results.get(here):
            self.session.finished = None
            self.session.slide_changed.emit()  # the new result is looked for
        self.look()

    def close_work(self, seconds: float = 60.0) -> None:
        """Stop the run and whatever else is at work."""
        self._often.stop()
        self._soon.stop()
        self.run_box.process.close()
        super().close_work(seconds)
        self.looking.wait(seconds)

    def showEvent(self, event: Any) -> None:
        """Look again when the panel comes to the front."""
        super().showEvent(event)
        self.look()


_Of = tuple["Sheet", Path]
"""What is looked through: a sheet, and the folder of its results."""


def _look(sheet: "Sheet", out: Path) -> tuple[_Of, tuple[Looked, ...]]:
    return (sheet, out), look_through(sheet.samples, out)
