"""Nothing lost: what is drawn and set is on the disk a second later, and offered after a crash."""

import atexit
import contextlib
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication, QWidget

from immunescape.errors import ImmunescapeError
from immunescape.napari.kept import (
    Snapshot,
    kept_files,
    read_drawing,
    save_snapshot,
    set_aside,
)
from immunescape.napari.leaving import WindowWatch, ask_to_restore
from immunescape.napari.lock import Lock
from immunescape.napari.step_widget import tell_error
from immunescape.regions import Regions
from immunescape.study import Study

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from qtpy.QtWidgets import QMessageBox

    from immunescape.napari.session import Session

__all__ = ["Autosave"]

_AFTER_S = 1.0
_EVERY_S = 60.0


class Autosave(QObject):
    """Saves what a session holds, and brings it back.

    Whatever is drawn or set is written a second after it changed, and each minute also what is
    being drawn just then; by another thread, beside its place first. While something is saved for
    the slide, a lock file lies in the session's folder. A lock that was left behind means a crash:
    what was saved is offered, and nothing is written before the answer. Corrections are lines of
    ``edits.csv`` that whoever makes them writes at once.

    Parameters
    ----------
    session
        What is saved.
    every_s, after_s
        Seconds between saves, and between a change and its save.
    """

    blocked = Signal(str)
    """Why nothing that is drawn here is kept; empty once it is."""
    _written = Signal(object)

    def __init__(
        self,
        session: "Session",
        parent: QObject | None = None,
        *,
        every_s: float = _EVERY_S,
        after_s: float = _AFTER_S,
    ) -> None:
        super().__init__(parent)
        self.session = session
        session.autosave = self
        self.unfinished: Callable[[], Regions | None] = lambda: None
        """Returns the drawing with the stroke that is under way, None where there is none."""
        self.question: QMessageBox | None = None
        self.why_blocked = ""
        self._lock: Lock | None = None
        self._folder: Path | None = None
        self._pixel_size_um = 1.0
        self._known_study = session.study
        self._waiting: dict[str, Any] = {}  # what changed since it was last written
        self._following = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="immunescape-save")
        self._job: Future[bool] | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(round(after_s * 1000))
        self._soon.timeout.connect(self.save)
        self._minute = QTimer(self)
        self._minute.setInterval(round(every_s * 1000))
        self._minute.timeout.connect(self._each_minute)
        self._minute.start()
        self._written.connect(self._concluded)
        session.slide_changed.connect(self._opened)
        session.drawing.changed.connect(self._drawn)
        session.study_changed.connect(self._set)
        session.edits_changed.connect(self._corrected)
        session.saving.connect(self.save_now)
        self._watch: WindowWatch | None = None
        if isinstance(parent, QWidget):
            # what is drawn is written before the window goes
            self._watch = WindowWatch(parent, self)
            self._watch.closing.connect(self.save_now)
            self._watch.closed.connect(self.close)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close)
        # a method held by atexit would keep the window alive
        atexit.register(_close_alive, weakref.ref(self))
        self._opened()

    def set_interval(self, every_s: float) -> None:
        """Save at other intervals."""
        self._minute.setInterval(round(every_s * 1000))

    # What changed

    def _drawn(self, regions: Regions) -> None:
        if self._following:
            if "annotations" in self.session.own_files():
                self.session.set_files(annotations=None)  # the drawing has taken its place
            self._plan(regions=regions)

    def _set(self, study: Study) -> None:
        if self._following and study != self._known_study:
            self._plan(study=study)
        self._known_study = study

    def _corrected(self) -> None:
        if self._following:
            self._plan(edits=True)

    def _plan(self, **changed: Any) -> None:
        self._waiting.update(changed)
        if not self._soon.isActive():
            self._soon.start()

    # Saving

    @property
    def unsaved(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._waiting) or (self._job is not None and not self._job.done())

    def save(self) -> None:
        """Have what changed written by another thread."""
        if self._job is not None and not self._job.done():
            self._plan()
            return
        if (snapshot := self._taken()) is not None:
            job = self._job = self._pool.submit(save_snapshot, snapshot)
            job.add_done_callback(lambda job: self._tell(job, snapshot))

    def save_now(self) -> None:
        """Write what changed before this returns; the files are about to be read."""
        self._wait()
        if (snapshot := self._taken()) is not None:
            self._job = self._pool.submit(save_snapshot, snapshot)
            self._wait()
            self._concluded((self._job, snapshot))

    def _wait(self) -> None:
        if self._job is not None:
            with contextlib.suppress(Exception):
                self._job.result()

    def _taken(self) -> Snapshot | None:
        """Return what waits to be written; nothing while a question is open or another writes."""
        if not (self._waiting and self._following) or self._folder is None or self._lock is None:
            return None
        changed, self._waiting = self._waiting, {}
        return Snapshot(
            self._folder,
            self._lock,
            self._pixel_size_um,
            changed.get("regions"),
            changed.get("study"),
        )

    def _tell(self, job: "Future[bool]", snapshot: Snapshot) -> None:
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._written.emit((job, snapshot))

    def _concluded(self, told: tuple["Future[bool]", Snapshot]) -> None:
        job, snapshot = told
        error = job.exception()
        if (error is None and job.result()) or snapshot.folder != self._folder:
            return
        # nothing is lost: it is tried again with the next change, and each minute
        again = {"regions": snapshot.regions, "study": snapshot.study}
        self._waiting = {k: v for k, v in again.items() if v is not None} | self._waiting
        if error is None:
            self._block()
        elif isinstance(error, Exception):
            tell_error(error)

    def _each_minute(self) -> None:
        if not self._following:
            return
        under_way = self.unfinished()
        if under_way is not None:
            self._waiting["regions"] = under_way
        if self._waiting:
            self.save()
        elif self._lock is not None and self._lock.path.exists():
            with contextlib.suppress(OSError, ImmunescapeError):
                self._lock.take()
        if under_way is not None:
            self._waiting["regions"] = self.session.drawing.state

    # Opening and closing a slide

    def _opened(self) -> None:
        """Take up the slide that is on the workbench now, once the one before is put away."""
        self._put_away()
        slide = self.session.slide
        if slide is None:
            self.session.drawing.start(Regions())
            return
        self._folder, self._pixel_size_um = self.session.kept, slide.pixel_size_um
        self._lock = Lock(self._folder)
        self._known_study = self.session.study
        try:
            drawn = read_drawing(self.session)
        except (OSError, ImmunescapeError) as error:
            tell_error(error)
            drawn = Regions()
        self.session.drawing.start(drawn)
        if self._lock.taken() is not None:
            self._block()
        elif self._lock.left() is not None and kept_files(self.session):
            self._ask()
        else:
            self._follow()

    def _follow(self) -> None:
        self.why_blocked = ""
        self._following = True
        self.blocked.emit("")

    def hold(self) -> None:
        """Hold the folder of the slide from now on, though nothing is saved in it yet.

        Others who work through the same slides see then who is at this one.
        """
        if not self._following or self._lock is None:
            return
        try:
            held = self._lock.take()
        except (OSError, ImmunescapeError):
            return  # where nothing can be written, the first save says so
        if not held:
            self._block()

    def _block(self) -> None:
        holder = self._lock.taken() if self._lock is not None else None
        where = f" (process {holder.process} on {holder.machine})" if holder else ""
        name = self.session.slide.name if self.session.slide is not None else "This slide"
        self.why_blocked = (
            f"{name} is open in another window{where}: what is drawn here is not kept. Close one "
            "of the two, then open the slide again here."
        )
        self._following = False
        self.blocked.emit(self.why_blocked)

    def _put_away(self) -> None:
        if self.question is not None:
            # unanswered: it is asked again when the slide is opened again
            self.question.blockSignals(True)
            self.question.close()
            self.question = None
        self.save_now()
        self._following = False
        self._soon.stop()
        self._waiting = {}
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._lock.give_back()
        self._lock = self._folder = None

    # After a crash

    def _ask(self) -> None:
        """Offer what was saved; nothing is written before the answer."""
        slide = self.session.slide
        assert slide is not None
        when = max(path.stat().st_mtime for path in kept_files(self.session))
        parent: Any = self.parent()
        window = parent.window() if isinstance(parent, QWidget) else None
        self.question = ask_to_restore(window, slide.name, when, self._answered)

    def _answered(self, afresh: bool) -> None:
        self.question = None
        if self._lock is None or self.session.slide is None:
            return
        try:
            if afresh:
                set_aside(self.session)
            held = self._lock.take()
        except (OSError, ImmunescapeError) as error:
            tell_error(error)
            held = True
            afresh = False
        if not held:
            self._block()
            return
        if afresh:
            self.session.set_study(replace(Study(), slide=self.session.study.slide))
            self.session.set_files(annotations=None)
            self.session.drawing.start(Regions())
            self.session.edits_changed.emit()
        self._follow()
        self.session.message.emit("started afresh" if afresh else "what was drawn is restored")

    def close(self) -> None:
        """Write what waits and give the folder back; for the end of the window."""
        self._minute.stop()
        self._put_away()
        self._pool.shutdown(wait=True)
        if self._watch is not None:
            self._watch.stop()


def _close_alive(alive: "weakref.ref[Autosave]") -> None:
    autosave = alive()
    if autosave is not None:
        with contextlib.suppress(RuntimeError):
            autosave.close()
