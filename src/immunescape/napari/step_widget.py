"""What all panels have in common: a title, what they wait for, forms, and work with progress."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from immunescape.errors import ImmunescapeError
from immunescape.napari.forms import params_form, read_form, show_params
from immunescape.napari.work import Work, remaining

if TYPE_CHECKING:
    from immunescape.napari.session import Session

__all__ = ["StepWidget", "tell_error"]


def tell_error(error: Exception) -> None:
    """Show an error as a notification: one line that names the file, the thing and the remedy."""
    if isinstance(error, ImmunescapeError):
        show_error(str(error))
    else:
        show_error(f"{type(error).__name__}: {error}; please report this with what you did")


class StepWidget(QWidget):
    """One panel of the workbench.

    Subclasses set ``key`` and ``title``, fill ``self.body``, answer ``needs`` and follow the
    session in ``refresh``.

    Parameters
    ----------
    session
        The slide on the workbench.
    """

    key = ""
    title = ""
    hint = ""
    """One sentence on what is done here."""

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.work: Work | None = None
        self._forms: list[tuple[str, Any]] = []
        self._begun = 0.0
        self._step = ""
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        heading = QLabel(f"<b>{self.title}</b>")
        heading.setToolTip(self.hint)
        outer.addWidget(heading)
        if self.hint:
            hint = QLabel(self.hint)
            hint.setWordWrap(True)
            hint.setStyleSheet("color: palette(mid)")
            outer.addWidget(hint)
        self.waiting = QLabel()
        self.waiting.setWordWrap(True)
        self.waiting.setObjectName("waiting")
        outer.addWidget(self.waiting)
        self.content = QWidget()
        self.body = QVBoxLayout(self.content)
        self.body.setContentsMargins(0, 0, 4, 0)
        self.body.setAlignment(Qt.AlignmentFlag.AlignTop)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.content)
        outer.addWidget(scroll, 1)
        self._make_foot(outer)
        session.slide_changed.connect(self._refresh)
        session.finished_changed.connect(self._follow_result)
        session.study_changed.connect(self._follow_study)

    def _make_foot(self, outer: QVBoxLayout) -> None:
        self.foot = QWidget()
        row = QHBoxLayout(self.foot)
        row.setContentsMargins(0, 0, 0, 0)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumWidth(120)
        self.progress_text = QLabel()
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop this step; what is half-written is removed.")
        self.cancel_button.clicked.connect(self.cancel)
        row.addWidget(self.bar)
        row.addWidget(self.progress_text, 1)
        row.addWidget(self.cancel_button)
        self.foot.hide()
        outer.addWidget(self.foot)

    # What a subclass answers

    def needs(self) -> str:
        """Return what the panel waits for, in one sentence; empty when it can be used."""
        return "" if self.session.slide is not None else "Waits for a slide: open one, or drop it."

    def refresh(self) -> None:
        """Follow the session: called when slide or result changed, and when first shown."""

    def follow_study(self) -> None:
        """Follow a changed study, beyond the forms."""

    # Forms

    def add_form(self, step: str, names: tuple[str, ...] = ()) -> Any:
        """Add the form of one step of the study; it and the session's study follow each other.

        Parameters
        ----------
        step
            Name of the step's table in the study.
        names
            Fields to show; all where empty.
        """
        form = params_form(type(getattr(self.session.study, step)), names)
        show_params(form, getattr(self.session.study, step))

        def changed() -> None:
            try:
                params = read_form(form, getattr(self.session.study, step))
            except ImmunescapeError as error:
                show_warning(str(error))
                return
            self.session.set_step(step, params)

        form.changed.connect(changed)
        self._forms.append((step, form))
        self.body.addWidget(form.native)
        return form

    # Work

    def start(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        done: Callable[[Any], None] | None = None,
        failed: Callable[[Any], None] = tell_error,
        tells: bool = True,
        **named: Any,
    ) -> Work | None:
        """Do something long on another thread, with a bar, the time left and a way to stop.

        Parameters
        ----------
        function, *arguments, **named
            What to call; ``progress`` is added where ``tells``.
        done
            Called on the main thread with what came back.
        failed
            Called on the main thread with the error; told as a notification where absent.
        tells
            Whether the function reports progress.

        Returns
        -------
        Work or None
            None where the panel is at work already.
        """
        if self.work is not None and self.work.running:
            show_warning("This panel is still at work; cancel that first.")
            return None
        work = Work(function, *arguments, tells=tells, **named)
        work.title = self.title
        self.work = work
        self._begun, self._step = time.monotonic(), ""
        work.told.connect(self._tell)
        work.failed.connect(failed)
        work.cancelled.connect(lambda: self.session.message.emit(f"{self.title}: cancelled"))
        if done is not None:
            work.returned.connect(done)
        work.ended.connect(self._ended)
        self.bar.setRange(0, 0)
        self.progress_text.setText("starting …")
        self.cancel_button.setEnabled(tells)
        self.foot.show()
        self._refresh()
        return work.start()

    def cancel(self) -> None:
        """Stop the work at its next report."""
        if self.work is not None and self.work.running:
            self.progress_text.setText("stopping …")
            self.work.cancel()

    def close_work(self, seconds: float = 60.0) -> None:
        """Stop the work and wait for its end, before the window goes."""
        if self.work is not None and self.work.running:
            self.work.cancel()
            self.work.wait(seconds)

    def _tell(self, step: str, done: int, total: int) -> None:
        if step != self._step:
            self._step, self._begun = step, time.monotonic()
        self.bar.setRange(0, max(total, 0))
        self.bar.setValue(done)
        left = remaining(self._begun, done, total)
        self.progress_text.setText(f"{step}, {left}" if left else step)

    def _ended(self) -> None:
        self.foot.hide()
        self._refresh()

    def _refresh(self) -> None:
        waits = self.needs()
        self.waiting.setText(waits)
        self.waiting.setVisible(bool(waits))
        busy = self.work is not None and self.work.running
        self.content.setEnabled(not waits and not busy)
        self.refresh()

    def _follow_result(self) -> None:
        if self.isVisible():
            self._refresh()
        else:  # all panels at once would hold the window
            self.in_turns("refresh", self._refreshed(), now=False)

    def _refreshed(self) -> Iterator[None]:
        self._refresh()
        yield

    def in_turns(self, about: str, acts: Iterator[None], *, now: bool = True) -> None:
        """Do something in small acts, one a turn of the event loop; see `Turns`.

        Parameters
        ----------
        about
            What the acts are about; what is left of earlier ones about the same is dropped.
        acts
            Does an act whenever it is asked for the next value.
        now
            Whether the first act is done at once.
        """
        arrivals = self.session.arrivals
        if arrivals is None:  # no window
            for _ in acts:
                pass
        elif now:
            arrivals.turns.begin((self, about), acts)
        else:
            arrivals.turns.later((self, about), acts)

    def _follow_study(self, study: Any) -> None:
        for step, form in self._forms:
            show_params(form, getattr(study, step))
        self.follow_study()

    def showEvent(self, event: Any) -> None:
        """Bring the panel up to date when it comes to the front."""
        super().showEvent(event)
        self._refresh()
