"""How the plugin's benchmark takes time: our calls apart from napari's, and a table's lines."""

import contextlib
import dataclasses
import functools
import inspect
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Figure", "Heart", "Span", "Stopwatch", "middle", "until"]

_MARK = "figure "
_BEAT_MS = 5


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Parameters
    ----------
    what
        What was measured.
    seconds, worked
        By the clock, and of the processors: all threads together, or the main one alone where
        the window is spoken of. None where it was not taken.
    bound
        What was promised by the clock; None where nothing was.
    remark
        What else there is to tell.
    times
        How many times it was measured; the median is given.
    """

    what: str
    seconds: float
    worked: float | None = None
    bound: float | None = None
    remark: str = ""
    times: int = 1

    @property
    def broken(self) -> bool:
        """Whether it took longer than promised."""
        return self.bound is not None and self.seconds > self.bound

    def line(self) -> str:
        """Return the figure as a person reads it."""
        worked = " " * 9 if self.worked is None else f"{self.worked:7.3f} s"
        bound = "" if self.bound is None else f"bound {self.bound:g} s"
        told = "BROKEN " if self.broken else ""
        often = f"median of {self.times}; " if self.times > 1 else ""
        return (
            f"{self.what:58} {self.seconds:7.3f} s {worked}  {bound:11} {told}{often}{self.remark}"
        ).rstrip("; ")

    def told(self) -> str:
        """Return the figure as one process tells it to another."""
        return _MARK + json.dumps(dataclasses.asdict(self))

    @staticmethod
    def heard(line: str) -> "Figure | None":
        """Return the figure that another process told; None for any other line."""
        return Figure(**json.loads(line[len(_MARK) :])) if line.startswith(_MARK) else None


def middle(figures: Iterable[Figure]) -> list[Figure]:
    """Return for all that was measured repeatedly the median, with the remark that goes with it."""
    runs: dict[str, list[Figure]] = {}
    for figure in figures:
        runs.setdefault(figure.what, []).append(figure)
    medians = []
    for repeated in runs.values():
        wanted = statistics.median_low(f.seconds for f in repeated)
        chosen = next(f for f in repeated if f.seconds == wanted)
        times = len(repeated) if len(repeated) > 1 else chosen.times
        medians.append(dataclasses.replace(chosen, times=times))
    return medians


@dataclass
class Span:
    """One call of ours, as it came from Qt or napari.

    Parameters
    ----------
    name
        The method.
    begun
        When, by `time.perf_counter`.
    seconds, worked
        Ours, by the clock and of the main thread's processor: what napari's calls took within it
        is left out.
    theirs, theirs_worked
        What those took.
    """

    name: str
    begun: float
    seconds: float = 0.0
    worked: float = 0.0
    theirs: float = 0.0
    theirs_worked: float = 0.0


class Stopwatch:
    """Parts what is ours from what is napari's, call by call, on the main thread.

    Time counts for whoever was entered last: in a method of ours it is ours, in one of napari's
    within it napari's, and where napari calls a method of ours again it is ours again.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._stack: list[tuple[Span | None, bool]] = []
        self._last = (0.0, 0.0)

    @contextlib.contextmanager
    def around(
        self, ours: Iterable[tuple[Any, str]], theirs: Iterable[tuple[Any, str]] = ()
    ) -> Iterator[None]:
        """Watch methods, class methods and properties that are set, given as class and name."""
        places = [(*place, True) for place in ours] + [(*place, False) for place in theirs]
        before = [(owner, name, vars(owner).get(name)) for owner, name, _ in places]
        for owner, name, own in places:
            there = inspect.getattr_static(owner, name)
            fresh: Any
            if isinstance(there, property):
                fresh = property(there.fget, self.timed(name, there.fset, own), there.fdel)
            elif isinstance(there, classmethod):
                fresh = classmethod(self.timed(name, there.__func__, own))
            else:
                fresh = self.timed(name, there, own)
            setattr(owner, name, fresh)
        try:
            yield
        finally:
            for owner, name, there in before:
                if there is None:  # it inherits it
                    delattr(owner, name)
                else:
                    setattr(owner, name, there)

    def timed(self, name: str, function: Callable[..., Any], ours: bool = True) -> Any:
        """Return a function that does the same and is watched."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            self._turn()
            span = self._stack[-1][0] if self._stack else None
            if span is None and ours:
                of = f"{type(arguments[0]).__name__}.{name}" if arguments else name
                span = Span(of, time.perf_counter())
                self.spans.append(span)
            self._stack.append((span, ours))
            try:
                return function(*arguments, **named)
            finally:
                self._turn()
                self._stack.pop()

        return timed

    def _turn(self) -> None:
        """Count what passed since the last turn for whoever it belongs to."""
        now, worked = time.perf_counter(), time.thread_time()
        if self._stack and (span := self._stack[-1][0]) is not None:
            if self._stack[-1][1]:
                span.seconds += now - self._last[0]
                span.worked += worked - self._last[1]
            else:
                span.theirs += now - self._last[0]
                span.theirs_worked += worked - self._last[1]
        self._last = now, worked


class Heart:
    """Beats in the window's event loop; between two beats the window stood still."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.beats: list[float] = []
        self._timer = QTimer()
        self._timer.setInterval(_BEAT_MS)
        self._timer.timeout.connect(lambda: self.beats.append(time.perf_counter()))
        self._timer.start()

    def longest(self, first: float = 0.0, last: float = float("inf")) -> tuple[float, int]:
        """Return the longest pause between two moments, and the number of beats."""
        beats = [beat for beat in self.beats if first <= beat <= last]
        pauses = (later - sooner for sooner, later in itertools.pairwise(beats))
        return max(pauses, default=0.0), len(beats)

    def stop(self) -> None:
        """Beat no more."""
        self._timer.stop()


def until(done: Callable[[], Any], seconds: float = 1200.0) -> None:
    """Let Qt work until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not done():
        QApplication.processEvents()
        time.sleep(0.001)
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came in {seconds:g} s")
