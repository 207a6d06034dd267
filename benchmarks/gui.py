"""What the plugin costs a person in waiting, against its bounds.

    python benchmarks/gui.py [--quick]

A slide of 20,000 x 20,000 pixels and 6 channels is opened, a gate is dragged with a million cells
on the slide, the visible field of the sample slide is previewed, and the sample slide is analysed
while the longest hold of the window is timed. What napari itself does, such as inserting a layer
and drawing it, is measured apart. ``--quick`` takes a slide of 6,000 pixels and 100,000 cells.
Returns 1 if a bound is broken. Needs a screen: run it under ``xvfb-run`` where there is none.
"""

import argparse
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gui_gates import gate_rows
from gui_layers import CHANNELS, write_large_slide

OPEN_S, DRAG_S, PREVIEW_S, HOLD_S = 1.0, 0.1, 5.0, 0.1
BEAT_MS = 5


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``bound`` is None where nothing was promised."""

    what: str
    seconds: float
    bound: float | None = None
    remark: str = ""

    @property
    def broken(self) -> bool:
        """Whether it took longer than promised."""
        return self.bound is not None and self.seconds > self.bound

    def line(self) -> str:
        """Return the figure as it is printed."""
        bound = "" if self.bound is None else f"bound {self.bound:g} s"
        told = "BROKEN " if self.broken else ""
        return f"{self.what:58} {self.seconds:8.3f} s  {bound:12} {told}{self.remark}"


class Span(NamedTuple):
    """One call: its name, when it began, its seconds, and those of the processor."""

    name: str
    begun: float
    seconds: float
    worked: float


class Stopwatch:
    """Notes when some methods are called and how long they take; nested ones count once."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._depth = 0

    @contextlib.contextmanager
    def around(self, *places: tuple[Any, str]) -> Iterator[None]:
        """Time methods, given as class and name, while the block runs."""
        before = [(owner, name, getattr(owner, name)) for owner, name in places]
        for owner, name, function in before:
            setattr(owner, name, self.timed(f"{owner.__name__}.{name}", function))
        try:
            yield
        finally:
            for owner, name, function in before:
                setattr(owner, name, function)

    def timed(self, called: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is noted under a name."""

        def timed(*arguments: Any, **named: Any) -> Any:
            self._depth += 1
            begun, worked = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    spent = time.perf_counter() - begun, time.thread_time() - worked
                    self.spans.append(Span(called, begun, *spent))

        return timed


def until(done: Callable[[], Any], seconds: float = 1200.0) -> None:
    """Let Qt work until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not done():
        QApplication.processEvents()
        time.sleep(0.001)
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came in {seconds:g} s")


def new_bench() -> Any:
    """Return the workbench of a new viewer, every step of it shown once."""
    import napari
    from immunescape.napari.workbench import STEPS, workbench_of

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    bench = workbench_of(viewer)
    for key in STEPS:
        bench.show_step(key)
    bench.show_step("slide")
    return bench


def close(bench: Any) -> None:
    """Close a workbench and its viewer."""
    from qtpy.QtWidgets import QApplication

    bench.close_work()
    bench.session.viewer.close()
    QApplication.processEvents()


def napari_work() -> list[tuple[Any, str]]:
    """Return the calls in which napari inserts a layer, takes one away, or takes its features."""
    from napari.components import LayerList

    import napari

    return [(napari.Viewer, "add_layer"), (LayerList, "insert"), (LayerList, "__delitem__")]


def open_rows(folder: Path, pixels: int) -> Iterator[Figure]:
    """Open a large slide through napari, twice: libraries are loaded by the first."""
    from qtpy.QtWidgets import QApplication

    from immunescape.napari.reading import slide_data

    path = write_large_slide(folder, pixels)
    size = f"{pixels} x {pixels} x {len(CHANNELS)}"
    ours = Stopwatch()
    with ours.around(*own_slots()):
        bench = new_bench()
    viewer, session = bench.session.viewer, bench.session
    for again in (False, True):
        begun, worked = time.perf_counter(), time.process_time()
        slide_data(path)
        reading, worked = time.perf_counter() - begun, time.process_time() - worked
        begun = time.perf_counter()
        ours.spans.clear()
        viewer.open(path, plugin="immunescape")
        until(lambda: session.slide is not None)
        QApplication.processEvents()
        shown = time.perf_counter() - begun
        taking = sum(span.seconds for span in ours.spans)
        if again:
            told = (
                f"{size}; read {reading:.3f} s ({worked:.3f} s of the processor), "
                f"workbench {taking:.3f} s"
            )
            yield Figure("open a slide: our own work", reading + taking, OPEN_S, told)
            yield Figure("  until its first picture, napari's work included", shown)
        else:
            yield Figure("open the first slide of a window: our own work", reading + taking)
            viewer.layers.clear()
            until(lambda: session.slide is None)
    close(bench)


def drag_rows(folder: Path, cells: int) -> Iterator[Figure]:
    """Drag gates: the median step is bounded, the worst told."""
    for what, seconds, remark in gate_rows(folder, cells):
        ours = what.endswith("one step of the panel")
        name = f"drag {what}" if ours else f"  {what}"
        yield Figure(name, seconds, DRAG_S if ours else None, remark)


def own_slots() -> list[tuple[Any, str]]:
    """Return our methods that Qt and the session call while a step runs."""
    from immunescape.napari.arrival import Arrivals
    from immunescape.napari.autosave import Autosave
    from immunescape.napari.panels.segment import SegmentPanel
    from immunescape.napari.session import Session
    from immunescape.napari.step_widget import StepWidget

    return [
        (SegmentPanel, "_tell"), (StepWidget, "_ended"),
        (Session, "set_finished"), (Arrivals, "settle"), (Arrivals, "_load"), (Autosave, "save"),
        (Autosave, "_concluded"), (Autosave, "_each_minute"),
    ]  # fmt: skip


def sample_rows(folder: Path) -> Iterator[Figure]:
    """Preview what a window of the sample slide shows, then analyse the slide."""
    from immunescape.cli.demo import sample_folder
    from immunescape.napari.view import go_to

    slide = shutil.copy(sample_folder() / "P01_baseline.ome.tif", folder)
    ours, theirs = Stopwatch(), Stopwatch()
    # before the window is made: what is connected to a signal stays as it is
    with ours.around(*own_slots()), theirs.around(*napari_work()):
        bench = new_bench()
        session = bench.session
        session.viewer.open(slide, plugin="immunescape")
        until(lambda: session.slide is not None)
        panel = bench.show_step("segment")
        go_to(session.viewer, (50.0, 50.0, 550.0, 550.0))
        for name in ("first, with loading the network", "again"):
            begun, worked = time.perf_counter(), time.process_time()
            panel.preview_button.click()
            until(lambda: not panel.work.running and not panel.foot.isVisible())
            seconds = time.perf_counter() - begun
            worked = time.process_time() - worked
            told = f"{panel.preview_text.text()}; {worked:.1f} s of the processors"
            yield Figure(f"preview of the visible field, {name}", seconds, PREVIEW_S, told)
        yield from hold_rows(panel, ours, theirs)
        close(bench)


def hold_rows(panel: Any, ours: Stopwatch, theirs: Stopwatch) -> Iterator[Figure]:
    """Run the sample slide; tell what our slots took, and how long the window stood still."""
    from qtpy.QtCore import QTimer

    beats: list[float] = []
    heart = QTimer()
    heart.setInterval(BEAT_MS)
    heart.timeout.connect(lambda: beats.append(time.perf_counter()))
    heart.start()
    ours.spans.clear()
    theirs.spans.clear()
    begun = time.perf_counter()
    click = ours.timed("the click that starts it", panel.run_button.click)
    click()
    until(lambda: not panel.work.running and not panel.foot.isVisible())
    ended = time.perf_counter()
    until(lambda: time.perf_counter() > ended + 1)
    heart.stop()
    (shown, *_) = (span for span in ours.spans if span.name == "Session.set_finished")
    longest = max((s for s in ours.spans if s is not shown), key=lambda span: span.seconds)
    inside = [s.seconds for s in theirs.spans if 0 < s.begun - shown.begun < shown.seconds]
    yield Figure("analyse the sample slide", ended - begun)
    told = f"{longest.name}, {longest.worked:.3f} s of the processor; {len(ours.spans)} calls"
    yield Figure("longest hold by a slot of ours while it runs", longest.seconds, HOLD_S, told)
    own = shown.seconds - sum(inside)
    told = f"{shown.worked:.3f} s of the processor with napari's part"
    yield Figure("the result comes into the window: our own work", own, HOLD_S, told)
    yield Figure("  napari inserts its layers", sum(inside), None, f"{len(inside)} calls")
    before = [beat for beat in beats if beat < shown.begun]
    gaps = [later - sooner for sooner, later in itertools.pairwise(before)]
    told = f"{len(gaps)} beats of {BEAT_MS} ms"
    yield Figure("longest pause while it runs, drawing included", max(gaps), None, told)


def main() -> int:
    """Print the figures; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller slide and fewer cells")
    quick = parser.parse_args().quick
    parts = (
        lambda folder: open_rows(folder, 6_000 if quick else 20_000),
        sample_rows,
        lambda folder: drag_rows(folder, 100_000 if quick else 1_000_000),
    )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(f"{os.cpu_count()} processors, {load:.1f} processes waiting at the start", flush=True)
    broken = []
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            for figure in part(Path(folder)):
                print(figure.line(), flush=True)
                broken += [figure.what] if figure.broken else []
    print("\nbroken: " + "; ".join(broken) if broken else "\nall bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
