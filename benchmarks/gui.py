"""What the plugin costs a person in waiting, against its bounds.

    python benchmarks/gui.py [--quick]

A slide of 20,000 x 20,000 pixels and 6 channels is opened, the visible field of the sample slide
is previewed, the sample slide is analysed while the longest hold of the window is timed, and a
gate is dragged with a million cells on the slide. ``--quick`` takes a slide of 6,000 pixels and
100,000 cells. Every part runs in a process of its own, the first preview in three. Returns 1 if a
bound is broken. Needs a screen: run it under ``xvfb-run`` where there is none.

Ours is all time in our methods but that within napari's calls which make, insert, remove or
select a layer or take its features; that is told apart. A slot is one call of a method of ours by
Qt, by a signal or by napari. Python's bytecode is compiled beforehand, as pip does when it
installs; a first process does that, and has numba's loops compiled as well.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gui_gates import gate_rows
from gui_layers import CHANNELS, write_large_slide
from gui_timing import Figure, Heart, Span, Stopwatch, middle, until

OPEN_S, DRAG_S, PREVIEW_S, HOLD_S = 1.0, 0.1, 5.0, 0.1
TIMES = 3
FIELD_UM = (50.0, 50.0, 550.0, 550.0)


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
    """Return what napari does with layers when asked to: the parts of our slots that are its."""
    from napari._vispy.canvas import VispyCanvas
    from napari.components import LayerList
    from napari.layers import Labels, Layer
    from napari.utils.events.containers._selection import Selection

    return [
        (Layer, "create"), (LayerList, "insert"), (LayerList, "__delitem__"),
        (Labels, "features"), (Selection, "active"),
        (VispyCanvas, "_clean_and_update_scenegraph"),
    ]  # fmt: skip


def own_slots() -> list[tuple[Any, str]]:
    """Return our methods that Qt, our signals and napari call."""
    from immunescape.napari.arrival import Arrivals
    from immunescape.napari.autosave import Autosave
    from immunescape.napari.panels.segment import SegmentPanel
    from immunescape.napari.session import Session
    from immunescape.napari.step_widget import StepWidget
    from immunescape.napari.turns import Turns
    from immunescape.napari.work import Work

    return [
        (Work, "_conclude"), (Turns, "_act"), (SegmentPanel, "_tell"), (StepWidget, "_tell"),
        (StepWidget, "_ended"), (StepWidget, "_refresh"), (StepWidget, "_follow_study"),
        (Session, "set_finished"), (Arrivals, "settle"), (Arrivals, "_load"),
        (Arrivals, "_later"), (Autosave, "save"), (Autosave, "_concluded"),
        (Autosave, "_each_minute"),
    ]  # fmt: skip


def open_figures(folder: Path, quick: bool) -> Iterator[Figure]:
    """Open a large slide through napari several times: libraries are loaded by the first."""
    from qtpy.QtWidgets import QApplication

    from immunescape.napari.reading import slide_data

    pixels = 6_000 if quick else 20_000
    path = write_large_slide(folder, pixels)
    watch = Stopwatch()
    with watch.around(own_slots(), napari_work()):
        bench = new_bench()
        viewer, session = bench.session.viewer, bench.session
        for time_ in range(TIMES + 1):
            begun, worked = time.perf_counter(), time.process_time()
            slide_data(path)
            reading, worked = time.perf_counter() - begun, time.process_time() - worked
            watch.spans.clear()
            begun, process = time.perf_counter(), time.process_time()
            viewer.open(path, plugin="immunescape")
            until(lambda: session.slide is not None)
            QApplication.processEvents()
            shown, process = time.perf_counter() - begun, time.process_time() - process
            ours = sum(span.seconds for span in watch.spans)
            work = worked + sum(span.worked for span in watch.spans)
            told = f"{pixels} x {pixels} x {len(CHANNELS)}; read {reading:.3f} s"
            named = "open a slide" if time_ else "open the first slide"
            yield Figure(f"{named}: our own work", reading + ours, work, OPEN_S, told)
            yield Figure(f"  {named}: its picture, napari included", shown, process)
            viewer.layers.clear()
            until(lambda: session.slide is None)
    close(bench)


def previewed(panel: Any, name: str) -> Figure:
    """Press the button and wait for the picture."""
    begun, worked = time.perf_counter(), time.process_time()
    panel.preview_button.click()
    until(lambda: not panel.work.running and not panel.foot.isVisible())
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    told = panel.preview_text.text()
    return Figure(f"preview of the visible field, {name}", seconds, worked, PREVIEW_S, told)


def sample_panel(folder: Path) -> tuple[Any, Any]:
    """Open the sample slide, and its step Segment at a field."""
    from immunescape.cli.demo import sample_folder
    from immunescape.napari.view import go_to

    slide = shutil.copy(sample_folder() / "P01_baseline.ome.tif", folder)
    bench = new_bench()
    session = bench.session
    session.viewer.open(slide, plugin="immunescape")
    until(lambda: session.slide is not None)
    panel = bench.show_step("segment")
    go_to(session.viewer, FIELD_UM)
    return bench, panel


def preview_figures(folder: Path, quick: bool) -> Iterator[Figure]:
    """Preview as soon as the step is shown, with all that is to be loaded; and again."""
    bench, panel = sample_panel(folder)
    yield previewed(panel, "first, with loading")
    yield previewed(panel, "again")
    close(bench)


def warmed_figures(folder: Path, quick: bool) -> Iterator[Figure]:
    """Wait for what the step loads by itself; tell how long the window stood still meanwhile."""
    bench, panel = sample_panel(folder)
    heart = Heart()
    begun, worked = time.perf_counter(), time.process_time()
    until(lambda: panel.warming is not None and not panel.warming.running)
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    heart.stop()
    pause, beats = heart.longest()
    what = "  load the network in the background"
    yield Figure(what, seconds, worked, None, f"longest pause {pause:.3f} s of {beats} beats")
    yield previewed(panel, "first, once loaded")
    close(bench)


def analysis_figures(folder: Path, quick: bool) -> Iterator[Figure]:
    """Analyse the sample slide; tell what our slots took, and how long the window stood still."""
    watch = Stopwatch()
    # before the window is made: what is connected to a signal stays as it is
    with watch.around(own_slots(), napari_work()):
        bench, panel = sample_panel(folder)
        until(lambda: panel.warming is None or not panel.warming.running)
        heart = Heart()
        watch.spans.clear()
        begun, worked = time.perf_counter(), time.process_time()
        click = watch.timed("the click that starts it", panel.run_button.click)
        click()
        until(lambda: not panel.work.running and not panel.foot.isVisible())
        ended, worked = time.perf_counter(), time.process_time() - worked
        settle(bench)
        heart.stop()
        yield Figure("analyse the sample slide", ended - begun, worked)
        arrived = next(s for s in watch.spans if s.name == "Work._conclude" and s.theirs > 0)
        before = [span for span in watch.spans if span.begun < arrived.begun]
        yield slot("longest slot of ours while it runs", before)
        pause, beats = heart.longest(begun, arrived.begun)
        told = f"{beats} beats"
        yield Figure("  longest pause while it runs, drawing included", pause, None, None, told)
        yield from arrival(watch, arrived.begun)
        for _ in range(TIMES - 1):
            yield from again(bench, watch)
        close(bench)


def settle(bench: Any) -> None:
    """Wait until a result is shown in all its parts."""
    until(lambda: not bench.arrivals.turns.busy)
    still = time.perf_counter() + 1
    until(lambda: time.perf_counter() > still)


def again(bench: Any, watch: Stopwatch) -> Iterator[Figure]:
    """Take the result out of the window and let it come once more, all layers made anew."""
    from immunescape.napari.session import finish
    from immunescape.napari.showing import hide_result

    session = bench.session
    finished = finish(
        session.inputs, session.out, session.study, run=False, progress=lambda *_: None
    )
    hide_result(session)
    settle(bench)
    watch.spans.clear()
    begun = time.perf_counter()
    session.set_finished(finished)
    settle(bench)
    yield from arrival(watch, begun)


def arrival(watch: Stopwatch, begun: float) -> Iterator[Figure]:
    """Tell what was ours and what napari's when a result came into the window."""
    spans = [span for span in watch.spans if span.begun >= begun]
    yield slot("the result comes into the window: longest slot of ours", spans)
    seconds, worked = sum(s.seconds for s in spans), sum(s.worked for s in spans)
    yield Figure("  all our slots together", seconds, worked, None, f"{len(spans)} calls")
    theirs, worked = sum(s.theirs for s in spans), sum(s.theirs_worked for s in spans)
    longest = max(s.theirs for s in spans)
    told = f"at most {longest:.3f} s at a time"
    yield Figure("  napari inserts and removes its layers", theirs, worked, None, told)


def slot(what: str, spans: list[Span]) -> Figure:
    """Return the longest of our slots."""
    longest = max(spans, key=lambda span: span.seconds)
    told = f"{longest.name}; {len(spans)} calls"
    return Figure(what, longest.seconds, longest.worked, HOLD_S, told)


def drag_figures(folder: Path, quick: bool) -> Iterator[Figure]:
    """Drag gates: the median step is bounded, the worst told."""
    for what, seconds, worked, remark in gate_rows(folder, 100_000 if quick else 1_000_000):
        ours = what.endswith("one step of the panel")
        name = f"drag {what}" if ours else f"  {what}"
        yield Figure(name, seconds, worked, DRAG_S if ours else None, remark)


PARTS: dict[str, tuple[Callable[[Path, bool], Iterator[Figure]], int]] = {
    "open": (open_figures, 1),
    "preview": (preview_figures, TIMES),
    "warmed": (warmed_figures, 1),
    "analysis": (analysis_figures, 1),
    "drag": (drag_figures, 1),
}
"""The parts, and in how many processes each is run."""


def part_of(name: str, quick: bool, environment: dict[str, str]) -> list[Figure]:
    """Run a part in a process of its own and return what it measured."""
    command = [sys.executable, __file__, "--part", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    heard = (Figure.heard(line) for line in done.stdout.splitlines())
    return [figure for figure in heard if figure is not None]


def main() -> int:
    """Print the figures; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller slide and fewer cells")
    parser.add_argument("--part", choices=PARTS, help="measure one part, in this process")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    given = parser.parse_args()
    if given.part:
        with tempfile.TemporaryDirectory() as folder:
            for figure in PARTS[given.part][0](Path(folder), given.quick):
                print(figure.told(), flush=True)
        os._exit(0)  # taking Qt down in order is none of what is measured
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(f"{os.cpu_count()} processors, {load:.1f} processes waiting at the start")
    print(f"{'':58} {'clock':>9} {'processor':>9}", flush=True)
    broken = []
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        part_of("preview", True, environment)  # compiles what the others load
        for name in given.only:
            runs = [part_of(name, given.quick, environment) for _ in range(PARTS[name][1])]
            for figure in middle(f for run in runs for f in run):
                print(figure.line(), flush=True)
                broken += [figure.what] if figure.broken else []
    print("\nbroken: " + "; ".join(broken) if broken else "\nall bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
