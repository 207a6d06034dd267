"""Going through the slides of a worklist, one on the workbench after the other."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from immunescape.cohort.worklist import next_sample
from immunescape.napari.session import new_study
from immunescape.napari.worklist import (
    OpenedSample,
    carry_gates,
    current_sample,
    open_sample,
    put_sample,
)

if TYPE_CHECKING:
    from immunescape.napari.session import Session
    from immunescape.samples import Sample

__all__ = ["Walk"]


class Walk(QObject):
    """Opens slides of a sheet; gates confirmed on one come along to the next of its patient.

    Parameters
    ----------
    session
        The workbench that they are opened on.
    start
        Starts work on another thread, as ``StepWidget.start`` does.
    """

    opening = Signal(int)
    """Row of the slide that is to be opened."""
    came = Signal()
    """A slide of the sheet is on the workbench, with all that belongs to it."""
    changed = Signal()
    """Something else is on the workbench."""

    def __init__(self, session: "Session", start: Callable[..., Any], parent: QObject) -> None:
        super().__init__(parent)
        self.session = session
        self.samples: tuple[Sample, ...] = ()
        self.out = Path()
        self._start = start
        self._opening: OpenedSample | None = None
        self._arrived = QTimer(self)
        self._arrived.setSingleShot(True)
        self._arrived.setInterval(0)  # once all who listen have taken up the slide
        self._arrived.timeout.connect(self._take_up)
        session.slide_changed.connect(self._slide_came)

    @property
    def current(self) -> str:
        """Name of the sample on the workbench; empty where it is none of the sheet's."""
        return current_sample(self.session, self.out)

    def beside(self, step: int) -> "Sample | None":
        """Return the sample before or after the one on the workbench."""
        return next_sample(self.samples, self.current, step)

    def go(self, step: int) -> None:
        """Open the next slide or the one before; of the chosen one where none is open."""
        if not self.samples:
            return
        wanted = self.beside(step)
        if wanted is None:
            self.session.message.emit("that was the last slide" if step > 0 else "the first slide")
            return
        self.open_row(self.samples.index(wanted))

    def open_row(self, row: int) -> None:
        """Open the slide of a row in place of the one before."""
        if not 0 <= row < len(self.samples):
            return
        sample = self.samples[row]
        self.opening.emit(row)
        if sample.sample_id == self.current:
            return
        self.session.saving.emit()  # the gates of the one before may be carried over
        self._start(
            open_sample, sample, self.samples, self.out, new_study(), tells=False, done=self._put
        )

    def _slide_came(self) -> None:
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._arrived.start()

    def _put(self, opened: OpenedSample) -> None:
        self._opening = opened
        put_sample(self.session, opened)

    def _take_up(self) -> None:
        """Go on with a slide that is on the workbench now."""
        opened, self._opening = self._opening, None
        if opened is None:
            self.changed.emit()
            return
        if self.current != opened.sample.sample_id:
            self._opening = opened  # another one is on the workbench still
            return
        if self.session.autosave is not None:
            self.session.autosave.hold()
        if opened.gates and carry_gates(self.session, opened):
            self.session.message.emit(
                f"gates of {opened.gates_of} carried over: confirm them in Gates"
            )
        self.came.emit()
