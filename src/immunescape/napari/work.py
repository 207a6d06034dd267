"""Work that would hold the window: done on another thread, told as it goes, and cancelled."""

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

__all__ = ["Cancelled", "Work", "remaining"]

_SECONDS_BETWEEN = 0.1


class Cancelled(Exception):
    """A person stopped the work."""


class Work(QObject):
    """One call of a core function on another thread.

    Signals come on the main thread: ``told(step, done, total)``, at most ten a second,
    ``returned(value)``, ``failed(error)``, ``cancelled()`` and, after each of the last three,
    ``ended()``.

    Parameters
    ----------
    function
        What to call.
    arguments, named
        Its arguments; ``progress`` is added where ``tells``.
    tells
        Whether the function takes a ``progress`` callback; only then can it be cancelled midway.
    """

    told = Signal(str, int, int)
    returned = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()

    def __init__(
        self, function: Callable[..., Any], *arguments: Any, tells: bool = True, **named: Any
    ) -> None:
        super().__init__()
        self._stop = threading.Event()
        self._last = 0.0
        self._over = threading.Event()
        self._begins = threading.Lock()
        self._begun = False
        if tells:
            named["progress"] = self._progress

        self.title = "work"
        """What it is called where napari asks whether to close a window that is at work."""
        self._call = partial(function, *arguments, **named)
        self._worker = create_worker(_Call(self), _start_thread=False)
        self._worker.returned.connect(self._conclude)

    def start(self) -> "Work":
        """Begin."""
        _at_work.add(self)
        self._worker.start()
        return self

    def run(self) -> tuple[str, Any]:
        """Do it, and tell how it ended; on the other thread."""
        with self._begins:
            if self._over.is_set():
                return "cancelled", None
            self._begun = True
        # Errors are values here: napari's worker would print a traceback of its own.
        try:
            return "returned", self._call()
        except Cancelled:
            return "cancelled", None
        except Exception as error:
            return "failed", error
        finally:
            self._over.set()

    def cancel(self) -> None:
        """Stop at the next report of progress; what is half-written goes with it."""
        self._stop.set()

    def wait(self, seconds: float = 60.0) -> bool:
        """Hold the caller until the function has ended; tell whether it has.

        One that has not begun never does: it is begun by the event loop, which the caller holds.
        """
        with self._begins:
            if not self._begun:
                self._over.set()
        return self._over.wait(seconds)

    @property
    def running(self) -> bool:
        """Whether the function has not ended."""
        return not self._over.is_set()

    def _progress(self, step: str, done: int, total: int) -> None:
        # napari asks its workers to end when the window is closed
        if self._stop.is_set() or self._worker.abort_requested:
            raise Cancelled
        now = time.monotonic()
        if now - self._last > _SECONDS_BETWEEN or done == total:
            self._last = now
            self.told.emit(step, done, total)

    def _conclude(self, outcome: tuple[str, Any]) -> None:
        how, value = outcome
        if how == "cancelled" or (how == "returned" and self._stop.is_set() and value is None):
            self.cancelled.emit()
        else:
            getattr(self, how).emit(value)
        self.ended.emit()


class _Call:
    """A piece of work as napari's worker calls it, named as a person knows it."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self) -> tuple[str, Any]:
        return self._work.run()

    def __str__(self) -> str:
        return self._work.title


_at_work: "weakref.WeakSet[Work]" = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End what is at work before Python does: a thread cannot outlive it."""
    running = [work for work in _at_work if work.running]
    for work in running:
        work.cancel()
    for work in running:
        work.wait()


def remaining(begun: float, done: int, total: int, now: float | None = None) -> str:
    """Return the time left of a step in words, such as ``about 40 s left``; empty while unknown.

    Parameters
    ----------
    begun
        ``time.monotonic()`` at its start.
    done, total
        Units of work; the time left is taken to be in proportion.
    now
        ``time.monotonic()``; asked for where absent.
    """
    if done <= 0 or total <= 0 or done >= total:
        return ""
    seconds = ((time.monotonic() if now is None else now) - begun) * (total - done) / done
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s left"
    return f"about {round(seconds / 60)} min left"
