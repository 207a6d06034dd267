"""The review: cells at random, their calls hidden, answered by key; how often calls are right."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
)

from immunescape.errors import ImmunescapeError
from immunescape.io.reviews import Answer, append_answer, read_answers
from immunescape.napari.contrast import slide_limits
from immunescape.napari.lock import user
from immunescape.napari.panels._review_blindfold import Blindfold
from immunescape.napari.panels._review_pictures import CellPicture, cell_picture
from immunescape.napari.panels._review_results import (
    gate_text,
    markers_called,
    results_html,
    title_of,
)
from immunescape.napari.panels._review_window import ReviewWindow
from immunescape.napari.step_widget import StepWidget, tell_error
from immunescape.spatial.review_cells import calls_to_review, draw_cells

if TYPE_CHECKING:
    from immunescape.napari.session import Session

__all__ = ["ReviewPanel"]

_MOST = 1000


class ReviewPanel(StepWidget):
    """Deal cells to a reader who is told neither slide nor call, and say how often calls hold."""

    key = "review"
    title = "Review"
    hint = "How often are the calls right? Cells at random, shown without their call."

    def __init__(self, session: "Session", parent: Any = None) -> None:
        self.dealing: ReviewWindow | None = None
        self._blindfold: Blindfold | None = None
        self._limits: dict[str, tuple[float, float]] = {}
        self._asked: Any = None
        self._unreadable = ""  # what was told of a table of answers that cannot be read
        self._drawn = pd.DataFrame()
        self._sizes = 0, 0
        super().__init__(session, parent)
        form = QFormLayout()
        self.reader = QLineEdit()
        self.reader.setPlaceholderText("initials")
        self.reader.setToolTip("Who answers; results are kept and told by reader.")
        self.marker = QComboBox()
        self.marker.setToolTip("The marker whose calls are judged.")
        self.per_call = QSpinBox()
        self.per_call.setRange(1, _MOST)
        self.per_call.setValue(30)
        self.per_call.setToolTip(
            "Cells drawn at random among those called positive, and as many among those called "
            "negative. All readers get the same cells. With 30 of each a share is known to "
            "about 15 points, with 100 to about 8."
        )
        form.addRow("Reader", self.reader)
        form.addRow("Marker", self.marker)
        form.addRow("Cells of each call", self.per_call)
        self.body.addLayout(form)
        self.counts = QLabel()
        self.counts.setWordWrap(True)
        self.body.addWidget(self.counts)
        self.start_button = QPushButton("Start")
        self.start_button.setToolTip(
            "Cells come one by one. Y: positive, N: negative, U: cannot tell, Backspace: back, "
            "Esc: stop."
        )
        self.start_button.clicked.connect(self.begin)
        self.body.addWidget(self.start_button)
        self.results = QLabel()
        self.results.setWordWrap(True)
        # the dock keeps its width, whatever the text would like
        self.results.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.results.setTextFormat(Qt.TextFormat.RichText)
        self.results.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.results.setToolTip(
            "Intervals hold 95 %. Sensitivity weighs both calls by their number on the slide: "
            "positive cells are shown more often than they occur."
        )
        self.body.addWidget(self.results)
        self.body.addStretch(1)
        session.slide_changed.connect(self._forget)
        for changed in (self.reader.textChanged, self.marker.currentIndexChanged,
                        self.per_call.valueChanged):  # fmt: skip
            changed.connect(lambda *_: self._tell_counts())
        self._refresh()

    @property
    def path(self) -> Any:
        """Table of answers."""
        return self.session.kept / "review.csv"

    def needs(self) -> str:
        """Return what the panel waits for."""
        if waits := super().needs():
            return waits
        if self.session.finished is None:
            return "Waits for cells and their calls: segment and measure the slide."
        if not markers_called(self.session.finished.cells):
            return "No marker of this slide has a call: see Gates."
        return ""

    def _forget(self) -> None:
        self._limits = {}

    def refresh(self) -> None:
        """Follow the session."""
        if self.needs():
            self.results.setText("")
            return
        assert self.session.finished is not None
        if not self.reader.text():
            self.reader.setText(self.session.study.reviewed_by or user())
        markers = markers_called(self.session.finished.cells)
        if [self.marker.itemData(k) for k in range(self.marker.count())] != list(markers):
            self.marker.blockSignals(True)
            self.marker.clear()
            for marker in markers:
                self.marker.addItem(title_of(marker), marker)
            self.marker.blockSignals(False)
        self.show_results()

    def show_results(self) -> None:
        """Show what all answers on this slide say."""
        finished = self.session.finished
        assert finished is not None
        gates = {m: self._gate(m) for m in markers_called(finished.cells)}
        try:
            self.results.setText(results_html(self._answers(), finished.cells, gates))
            self._unreadable = ""
        except ImmunescapeError as error:
            self.results.setText("")
            if str(error) != self._unreadable:  # the panel comes to the front often
                self._unreadable = str(error)
                tell_error(error)
        self._tell_counts()

    def _answers(self) -> pd.DataFrame:
        return read_answers(self.path)

    def _gate(self, marker: str) -> str:
        assert self.session.finished is not None
        return gate_text(self.session.finished.shared.called.gates, marker)

    def left(self) -> pd.DataFrame:
        """Return the cells that the reader has not answered yet, in the order of showing."""
        marker = str(self.marker.currentData())
        drawn = self._draw(marker)
        answers = self._answers()
        mine = answers[
            (answers["reader"] == self._reader())
            & (answers["marker"] == marker)
            & (answers["gate"] == self._gate(marker))
        ]
        done = {(f"{a:.2f}", f"{b:.2f}") for a, b in zip(mine["x_um"], mine["y_um"], strict=True)}
        rows = [
            (f"{a:.2f}", f"{b:.2f}") not in done
            for a, b in zip(drawn["x_um"].round(3), drawn["y_um"].round(3), strict=True)
        ]
        return drawn[rows].reset_index(drop=True)

    def _draw(self, marker: str) -> pd.DataFrame:
        """Return the cells that are shown to every reader; drawn once, while nothing changes."""
        finished = self.session.finished
        assert finished is not None
        asked = (finished, marker, self.per_call.value(), self.session.study.seed)
        if asked != self._asked:
            called = calls_to_review(finished.cells, marker)
            self._sizes = int(called.sum()), int((~called).sum())
            self._drawn = draw_cells(finished.cells, *asked[1:])
            self._asked = asked
        return self._drawn

    def _reader(self) -> str:
        return " ".join(self.reader.text().split())

    def _tell_counts(self) -> None:
        if self.needs() or self.marker.currentData() is None:
            self.counts.setText("")
            return
        try:
            left = len(self.left())
        except ImmunescapeError as error:
            self.counts.setText(str(error))
            self.start_button.setEnabled(False)
            return
        self.counts.setText(
            f"On the slide {self._sizes[0]:,} cells are called positive, {self._sizes[1]:,} "
            f"negative. {left} left to answer."
        )
        self.start_button.setEnabled(bool(left) and bool(self._reader()))

    def begin(self) -> None:
        """Deal the cells that are left; brightness is read from the slide first, elsewhere."""
        if not self._reader() or self.dealing is not None:
            return
        marker = str(self.marker.currentData())
        if marker in self._limits:
            self._deal()
            return
        slide, panel = self.session.slide, self.session.panel
        assert slide is not None and panel is not None
        self.start(slide_limits, slide, panel, done=self._with_limits, tells=False)

    def _with_limits(self, limits: Any) -> None:
        self._limits = dict(limits)
        self._deal()

    def _deal(self) -> None:
        finished, slide, panel = self.session.finished, self.session.slide, self.session.panel
        assert finished is not None and slide is not None and panel is not None
        marker = str(self.marker.currentData())
        stain = panel.standing_for(marker)
        assert stain is not None
        cells = self.left()
        labels = finished.measured.nuclei
        if labels is None:
            labels = finished.measured.cell_labels
        places = list(zip(cells["label"], cells["x_um"], cells["y_um"], strict=True))
        channel, limits = stain.channel, self._limits[stain.marker]

        def make(number: int) -> CellPicture:
            label, x, y = places[number]
            return cell_picture(slide, channel, limits, labels, int(label), (float(x), float(y)))

        self._blindfold = Blindfold(self.session.viewer)
        window = ReviewWindow(cells, title_of(marker), make, self.window())
        self.dealing = window
        gate, reader = self._gate(marker), self._reader()
        window.answered.connect(lambda k, said: self._keep(cells, k, said, marker, gate, reader))
        window.finished.connect(self._over)
        window.show()

    def _keep(
        self, cells: pd.DataFrame, number: int, said: str, marker: str, gate: str, reader: str
    ) -> None:
        row = cells.iloc[number]
        answer = Answer(
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), reader=reader,
            marker=marker, called=str(row["called"]), answer=said, x_um=float(row["x_um"]),
            y_um=float(row["y_um"]), gate=gate,
        )  # fmt: skip
        try:
            append_answer(self.path, answer)
        except Exception as error:
            tell_error(error)
            if self.dealing is not None:
                self.dealing.close()

    def _over(self, _: int) -> None:
        window, self.dealing = self.dealing, None
        if window is None:
            return
        if self._blindfold is not None:
            self._blindfold.take_off()
            self._blindfold = None
        window.deleteLater()
        if not self.needs():
            self.show_results()

    def close_work(self, seconds: float = 60.0) -> None:
        """Stop dealing, and whatever else is at work."""
        if self.dealing is not None:
            self.dealing.close()
        super().close_work(seconds)
