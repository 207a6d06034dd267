"""Gates: a threshold for each marker and parent, moved while cells and headline follow."""

import dataclasses
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.compat import isalive
from qtpy.QtCore import Qt

from immunescape.napari.history import History
from immunescape.napari.latest import Latest
from immunescape.napari.panels._cells_pointer import Pointer
from immunescape.napari.panels._keys import KeyListener
from immunescape.napari.panels.gates_cells import GateColours, label_at
from immunescape.napari.panels.gates_face import GatesFace
from immunescape.napari.panels.gates_plot import rounded
from immunescape.napari.panels.gates_ready import Ready, readied
from immunescape.napari.panels.gates_set import GatesSet
from immunescape.napari.panels.gates_text import counts_text, gate_text, numbers_text, why_text
from immunescape.napari.session import finish
from immunescape.napari.step_widget import StepWidget
from immunescape.pipeline.live_follow import fixed_spec
from immunescape.pipeline.live_values import gate_title
from immunescape.pipeline.live_why import why_called

if TYPE_CHECKING:
    from immunescape.napari.session import Session
    from immunescape.phenotype import Gate
    from immunescape.pipeline.finished import Finished
    from immunescape.pipeline.live import LiveGates
    from immunescape.pipeline.live_numbers import LiveNumbers
    from immunescape.pipeline.live_values import GateValues
    from immunescape.study import Study

__all__ = ["GatesPanel"]

Key = tuple[str, str]

_FOLLOWED = ("rule", "gating", "tumour", "margin", "density", "summary", "quality")
"""What of a study the gates follow without a new run."""


class GatesPanel(StepWidget):
    """Move and confirm the gates of the slide on the workbench."""

    key = "gates"
    title = "Gates"
    hint = "Drag a threshold; confirm what you have looked at."

    def __init__(self, session: "Session", parent: Any = None) -> None:
        self.live: LiveGates | None = None
        self.values: GateValues | None = None
        self.chosen: Key = ("pdl1", "tumour")
        self.before: LiveNumbers | None = None
        self.first: dict[Key, Gate] = {}
        self.cell = 0
        self.colours = GateColours(session)
        self.history: History[GatesSet] = History(GatesSet())
        self._source: Finished | None = None
        self._slide: Any = None
        super().__init__(session, parent)
        self.latest = Latest(readied, self, wish=self._wish)
        self.latest.returned.connect(self._take)
        self.latest.busy_changed.connect(self._tell_busy)
        self.face = GatesFace(session.viewer)
        self.body.addWidget(self.face)
        face = self.face
        face.chosen.connect(self.choose)
        face.canvas.dragged.connect(self.step)
        face.canvas.released.connect(self.release)
        face.typed.connect(self._typed)
        face.confirm_button.clicked.connect(self.confirm)
        face.reset_button.clicked.connect(self.reset)
        face.undo_button.clicked.connect(self.undo)
        face.redo_button.clicked.connect(self.redo)
        face.run_button.clicked.connect(self.run)
        self.history.changed.connect(self._apply)
        self.pointer = Pointer(session.viewer, self.isVisible, self._picked, lambda *_: None)
        self.keys = KeyListener(self, session.viewer, self._key)
        self._show_state()

    # The session

    def needs(self) -> str:
        """Say what is missing: a slide, then its cells."""
        if waits := super().needs():
            return waits
        return "" if self.session.finished else "Waits for measured cells: run step 3, Segment."

    def refresh(self) -> None:
        """Take up another result."""
        finished, slide = self.session.finished, self.session.slide
        if slide is not self._slide:
            self._slide = slide
            self.history.start(GatesSet(confirmed=self.session.study.gate))
            self._show_state()
        if finished is self._source:
            return
        self._source = finished
        self.live = self.values = self.before = None
        self.first, self.cell = {}, 0
        self.colours.restore()
        self.face.clear()
        self._show_state()
        if finished is not None and self.isVisible():
            self.latest.ask()

    def follow_study(self) -> None:
        """Follow gates and rules that were set elsewhere."""
        state = self.history.state
        if self.session.study.gate != state.confirmed:
            state = dataclasses.replace(state, confirmed=self.session.study.gate)
            if self._source is None:
                self.history.start(state)
            else:
                self.history.push(state, "gates set elsewhere")
        elif self._behind() and self.isVisible():
            self.latest.ask()
        self._show_state()

    def showEvent(self, event: Any) -> None:
        """Colour the cells by the gate that is shown."""
        super().showEvent(event)
        if self._source is not None and (self.live is None or self._behind()):
            self.latest.ask()
        elif self.live is not None:
            self._paint()

    def hideEvent(self, event: Any) -> None:
        """Give the cells their colours back."""
        super().hideEvent(event)
        self.colours.restore()

    def close_work(self, seconds: float = 60.0) -> None:
        """Wait for what is under way as well."""
        super().close_work(seconds)
        self.latest.wait(seconds)

    # Getting a gate ready, on another thread

    def _wanted(self) -> "Study | None":
        """Return the study that the cells shown are to follow; None for that of the result."""
        if self.live is None:
            return None
        ours = {name: getattr(self.session.study, name) for name in _FOLLOWED}
        gates = self.history.state.specs
        return dataclasses.replace(self.live.study, gate=gates, **ours)

    def _behind(self) -> bool:
        """Whether the cells shown are those of another study."""
        return self.live is not None and self._wanted() != self.live.study

    def _wish(self) -> tuple[Any, ...] | None:
        if self._source is None:
            return None
        return self._source, self.live, self._wanted(), self.chosen

    def _take(self, ready: Ready) -> None:
        """Show a gate that is ready, unless the slide has gone meanwhile."""
        if not isalive(self.face) or ready.source is not self._source or self.face.canvas.busy:
            return  # the window has gone; or letting go asks again
        self.live = ready.live
        if self.before is None:
            self.before = ready.start.numbers
            self.first = {(g.marker, g.parent): g for g in ready.start.gates}
        self._show_state()
        if ready.values is None:
            self.face.show_numbers("All calls were imported: there is no gate to move.", "", "")
            return
        if self._behind() or (ready.key != self.chosen and self.chosen in self.first):
            self.latest.ask()
            return
        self.chosen = ready.key
        gate, first = ready.values.gate, self.first.get(ready.key, ready.values.gate)
        self.values = dataclasses.replace(ready.values, gate=first)
        self.face.show_gate(self.values, gate.threshold, gate_title(gate), gate_text(first))
        self.colours.take(self.live, *self.chosen)
        self.step(gate.threshold)
        self._explain()

    # What a person does

    def choose(self, marker: str, parent: str) -> None:
        """Show another gate."""
        self.face.canvas.let_go()
        if (marker, parent) != self.chosen and self.live is not None:
            self.chosen = (marker, parent)
            self.values = None
            self.latest.ask()

    def step(self, threshold: float | None) -> None:
        """Show what a threshold gives: counts, headline, cells; nothing is kept."""
        if self.live is None or self.values is None or self.before is None:
            return
        if threshold is None:
            self.face.show_numbers("no threshold: drag the line to set one", "", "")
            self._paint()
            return
        moved = self.live.moved(*self.chosen, threshold)
        headline = numbers_text(self.before, moved.numbers)
        note = moved.note if len(moved.changed) else ""
        self.face.show_numbers(counts_text(moved), headline, note)
        self.face.show_threshold(threshold, moved.fraction)
        self._paint(threshold)

    def release(self, threshold: float) -> None:
        """Keep a threshold where it was let go; what depends on it follows."""
        if self.live is None or self.values is None:
            return
        gate = self.live.gate(*self.chosen)
        if threshold == gate.threshold:
            if self._behind():
                self.latest.ask()
            return
        state = self.history.state.move(fixed_spec(gate, threshold))
        self.history.push(state, f"move {gate_title(gate)}")

    def confirm(self) -> None:
        """Put the gate that is shown into the study, with the name of who looked at it."""
        self.face.canvas.let_go()
        if self.live is None or self.values is None:
            return
        gate = self.live.gate(*self.chosen)
        name = self.face.reviewer.text().strip()
        if gate.threshold is None and self.face.canvas.threshold is None:
            show_warning(f"{gate_title(gate)} has no threshold yet; drag the line to set one.")
            return
        if not name:
            self.face.reviewer.setFocus()
            show_warning("Enter who reviews the gates, then confirm.")
            return
        if name != self.session.study.reviewed_by:
            self.session.set_study(dataclasses.replace(self.session.study, reviewed_by=name))
        threshold = self.face.canvas.threshold
        state = self.history.state.confirm(fixed_spec(gate, threshold))
        self.history.push(state, f"confirm {gate_title(gate)}")

    def reset(self) -> None:
        """Give the gate that is shown back to the automatic method."""
        self.face.canvas.let_go()
        state = self.history.state.reset(self.chosen)
        if state != self.history.state:
            self.history.push(state, "reset to automatic")

    def undo(self) -> None:
        """Take the last step back."""
        self.face.canvas.let_go()
        self.history.undo()

    def redo(self) -> None:
        """Bring back the step last taken back."""
        self.face.canvas.let_go()
        self.history.redo()

    def run(self) -> None:
        """Make all tables anew with the study's gates."""
        session = self.session
        self.start(finish, session.inputs, session.out, session.study, done=session.set_finished)

    def _typed(self, threshold: float) -> None:
        if self.values is None or threshold == self.face.canvas.threshold:
            return
        threshold = rounded(threshold, self.values)
        self.face.canvas.move_to(threshold)
        self.step(threshold)
        self.release(threshold)

    def _apply(self, state: GatesSet) -> None:
        """Let study and cells follow what was set, undone or brought back."""
        if self._source is None:
            return
        if state.confirmed != self.session.study.gate:
            self.session.set_study(dataclasses.replace(self.session.study, gate=state.confirmed))
        if self._behind():
            self.latest.ask()
        self._show_state()

    # Cells

    def _paint(self, threshold: float | None = None) -> None:
        if self.isVisible():
            at = threshold if threshold is not None else self.face.canvas.threshold
            self.colours.paint(at)

    def _picked(self, x_um: float, y_um: float, _: bool) -> None:
        self.cell = label_at(self.session, (y_um, x_um))
        self._explain(scroll=True)

    def _explain(self, *, scroll: bool = False) -> None:
        """Say why the cell that was clicked was called so, and point at it in the histogram."""
        why = why_called(self.live, self.cell) if self.live is not None and self.cell else None
        self.face.show_why("" if why is None else why_text(why), scroll=scroll)
        value = None
        for check in why.checks if why else ():
            if (check.gate.marker, check.gate.parent) == self.chosen:
                value = check.value
        self.face.canvas.mark(value)

    def _key(self, event: Any) -> bool:
        """Take undo and redo over the canvas too."""
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if not control or event.key() != Qt.Key.Key_Z:
            return False
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        (self.redo if shift else self.undo)()
        return True

    # What is shown

    def _tell_busy(self, busy: bool) -> None:
        if isalive(self.face):  # the work may end after the window
            self.face.tell("reading the cells …" if busy else "")

    def _status(self, key: Key) -> str:
        assert self.live is not None
        gate = self.live.gate(*key)
        if by_hand := self.history.state.status(key):
            return by_hand
        if gate.threshold is None:
            return "missing"
        return "from a file" if gate.source == "file" else "automatic"

    def _rows(self) -> list[tuple[Key, str, float | None, float, str]]:
        """Return a line for each gate: its key, title, threshold, positive share and status."""
        assert self.live is not None
        keyed = {(gate.marker, gate.parent): gate for gate in self.live.gates}
        return [
            (key, gate_title(gate), gate.threshold, self.live.shares[key], self._status(key))
            for key, gate in keyed.items()
        ]

    def _show_state(self) -> None:
        face, history = self.face, self.history
        face.show_steps(history.undo_name, history.redo_name)
        if not face.reviewer.text():
            face.reviewer.setText(self.session.study.reviewed_by)
        unsaved = self._source is not None and any(
            getattr(self.session.study, name) != getattr(self._source.job.study, name)
            for name in (*_FOLLOWED, "gate", "reviewed_by")
        )
        face.show_left(bool(history.state.moved), unsaved)
        if self.live is not None:
            face.show_gates(self._rows(), self.chosen)
