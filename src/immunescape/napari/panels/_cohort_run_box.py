"""The part of the worklist that runs the cohort: here, in a terminal, or on a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from immunescape.cohort.scripts import (
    ClusterParams,
    cohort_words,
    command_line,
    slurm_script,
    write_script,
)
from immunescape.errors import ImmunescapeError
from immunescape.napari.forms import params_form, read_form
from immunescape.napari.panels._cohort_run import CohortProcess
from immunescape.napari.step_widget import tell_error
from immunescape.threads import allotted_threads

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RunBox"]

_LINES = 500
_LOG_HEIGHT = 96
_ENDS = {
    -1: "Stopped; run again to go on where it was.",
    0: "Done: report.html lies in the folder of the results.",
    1: "Done, but some slides failed: choose them above to see why.",
}


class RunBox(QWidget):
    """Buttons to run a cohort, and the lines that a run tells."""

    run_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.process = CohortProcess(self)
        self.process.told.connect(self._tell)
        self.process.ended.connect(self._ended)
        self.given: Callable[[], tuple[Path, Path] | None] = lambda: None
        """Returns the sheet and the folder of the cohort, once all is saved."""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        column.addWidget(QLabel("<b>Run all slides</b>"))
        row = QHBoxLayout()
        self.workers = QSpinBox()
        self.workers.setRange(1, max(1, allotted_threads()))
        self.workers.setToolTip("Processes that work side by side; each holds a slide in memory.")
        self.again = QCheckBox("failed ones too")
        self.again.setToolTip("Try slides again that failed though nothing of them changed.")
        self.run_button = _button("Run here", "Beside the window, which stays free.")
        self.run_button.clicked.connect(self.run_wanted)
        self.cancel_button = _button("Cancel", "Stop; what is finished stays, and is gone on with.")
        self.cancel_button.clicked.connect(self.stop)
        for part in (QLabel("Processes"), self.workers, self.again):
            row.addWidget(part)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.run_button)
        column.addWidget(self.cancel_button)
        self.state = QLabel()
        self.state.setWordWrap(True)
        column.addWidget(self.state)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(_LINES)
        self.log.setFixedHeight(_LOG_HEIGHT)
        column.addWidget(self.log)
        column.addLayout(self._make_elsewhere())
        self._show_state()
        self.state.hide()
        self.log.hide()

    def _make_elsewhere(self) -> QGridLayout:
        grid = QGridLayout()
        self.copy_button = _button("Copy command", "The same, to be pasted into a terminal.")
        self.copy_button.clicked.connect(self.copy_command)
        self.cluster_button = _button("For a cluster …", "Show what an array job is to ask for.")
        self.cluster_button.setCheckable(True)
        self.cluster_button.toggled.connect(self._show_cluster)
        grid.addWidget(self.copy_button, 0, 0)
        grid.addWidget(self.cluster_button, 0, 1)
        self.form = params_form(ClusterParams)
        self.script_button = _button(
            "Write SLURM script …", "Then run it with bash on the cluster's login node."
        )
        self.script_button.clicked.connect(self.ask_script)
        grid.addWidget(self.form.native, 1, 0, 1, 2)
        grid.addWidget(self.script_button, 2, 0, 1, 2)
        self._show_cluster(shown=False)
        return grid

    def _show_cluster(self, shown: bool) -> None:
        self.form.native.setVisible(shown)
        self.script_button.setVisible(shown)

    def words(self, sheet: Path, out: Path) -> list[str]:
        """Return the words after ``immunescape`` that do what is set here."""
        return cohort_words(
            sheet, out, workers=self.workers.value(), retry_failed=self.again.isChecked()
        )

    def start(self, sheet: Path, out: Path) -> None:
        """Run a sheet, unless a run is under way."""
        if self.process.running:
            return
        self.log.clear()
        self.log.show()
        self.state.setText("Running …")
        self.state.show()
        self.process.start(self.words(sheet, out))
        self._show_state()

    def stop(self) -> None:
        """Stop the run."""
        self.state.setText("Stopping …")
        self.process.stop()

    def copy_command(self) -> None:
        """Put the command on the clipboard."""
        if (given := self.given()) is not None:
            QApplication.clipboard().setText(command_line(self.words(*given)))
            self.state.setText("The command is on the clipboard.")
            self.state.show()

    def ask_script(self) -> None:
        """Ask where the script for a cluster goes, and write it."""
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save the script", "immunescape-cohort.sh", "Scripts (*.sh)"
        )
        if chosen:
            self.save_script(Path(chosen))

    def save_script(self, path: Path) -> None:
        """Write the script for a cluster."""
        given = self.given()
        if given is None:
            return
        try:
            asked: Any = read_form(self.form, ClusterParams())
            write_script(path, slurm_script(*given, asked))
        except ImmunescapeError as error:
            tell_error(error)
            return
        self.state.setText(f"On the cluster: bash {path.name}")
        self.state.show()

    def _tell(self, line: str) -> None:
        self.log.appendPlainText(line)

    def _ended(self, code: int) -> None:
        self.state.setText(_ENDS.get(code, "It could not run: see the last line below."))
        self._show_state()

    def _show_state(self) -> None:
        running = self.process.running
        self.run_button.setVisible(not running)
        self.cancel_button.setVisible(running)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
