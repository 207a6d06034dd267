"""Take a picture of every panel on the sample patient, at 1280 x 800.

xvfb-run -a -s "-screen 0 1280x800x24" python docs/screenshots.py docs/images [numbers ...]

Each picture is ``gui_<panel>.png``. A panel that cannot be shown is told at the end, with exit
code 1; the others are taken all the same.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QApplication, QScrollArea

from immunescape.cli.demo import sample_folder
from immunescape.pipeline import Inputs, run_slide
from immunescape.study import Study

SIZE = (1280, 800)
SLIDE = "P01_baseline"
PATIENCE_S = 300


def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
    """Let the window work for a while, or until something holds."""
    end = time.monotonic() + (PATIENCE_S if until is not None else seconds)
    while time.monotonic() < end:
        QApplication.processEvents()
        if until is not None and until():
            return spin(seconds)
        time.sleep(0.01)
    if until is not None:
        raise TimeoutError("the window did not come to rest")


def settle(panel: Any) -> None:
    """Wait until a panel is at rest."""
    works = [getattr(panel, name, None) for name in ("work", "ready", "loading", "making")]
    spin(1.5, lambda: not any(getattr(work, "running", False) for work in works))


def scroll_to(panel: Any, widget: Any) -> None:
    """Bring a part of a panel to the top of what is seen of it."""
    area = next(a for a in panel.findChildren(QScrollArea) if a.isAncestorOf(widget))
    inside = area.widget()
    area.verticalScrollBar().setValue(widget.mapTo(inside, widget.rect().topLeft()).y() - 8)


class Pictures:
    """Shows panel after panel and keeps what the window looks like."""

    def __init__(self, viewer: Any, bench: Any, folder: Path, place: Path) -> None:
        self.viewer, self.bench, self.folder, self.place = viewer, bench, folder, place

    def take(self, name: str, window: Any = None) -> None:
        """Save the window, or another one, as a picture."""
        from PIL import Image

        spin(0.5)
        path = self.folder / f"gui_{name}.png"
        if window is None:
            self.viewer.window.screenshot(str(path), flash=False, canvas_only=False)
        else:
            window.grab().save(str(path))
        with Image.open(path) as picture:
            # six bits a colour: half the size, and no colour is another one
            small = picture.convert("RGB").point(lambda value: (value & 0xFC) | 2)
        small.save(path, optimize=True)

    def slide(self) -> None:
        """Show the slide and its channels."""
        settle(self.bench.show_step("slide"))
        self.take("slide")

    def regions(self) -> None:
        """Show what is drawn."""
        panel = self.bench.show_step("regions")
        settle(panel)
        spin(1.0, lambda: panel.proposals.known and not panel.margin.busy)
        self.take("regions")
        scroll_to(panel, panel.margin)
        self.take("margin")
        for layer in self.viewer.layers:
            if layer.name.startswith("Margin "):  # bands and lines stay in the view otherwise
                layer.visible = False

    def segment(self) -> None:
        """Show the preview of what the window shows."""
        panel = self.bench.show_step("segment")
        settle(panel)
        session = self.bench.session
        from immunescape.napari.view import go_to

        go_to(self.viewer, (200.0, 150.0, 420.0, 370.0), session.origin_um)
        panel.preview_button.click()
        settle(panel)
        self.take("segment")
        panel.clear_button.click()
        self.viewer.reset_view()

    def gates(self) -> None:
        """Show the histogram of a gate."""
        panel = self.bench.show_step("gates")
        spin(4.0)
        settle(panel)
        self.take("gates")

    def cells(self) -> None:
        """Show a cell that was clicked, with its calls."""
        panel = self.bench.show_step("cells")
        settle(panel)
        cells = self.bench.session.finished.cells
        escaped = cells["touching_cd8"].fillna(False) & (cells["phenotype"] == "tumour")
        label = int(cells.labels[escaped.to_numpy(bool)][20])
        x, y = (float(cells.frame.loc[label, c]) for c in ("x_um", "y_um"))
        panel.choose((x, y))
        from immunescape.napari.view import go_to

        go_to(self.viewer, (x - 60, y - 60, x + 60, y + 60), self.bench.session.origin_um)
        settle(panel)
        self.take("cells")
        panel.choose(None)
        self.viewer.reset_view()

    def review(self) -> None:
        """Show the panel, and a cell that waits for an answer."""
        panel = self.bench.show_step("review")
        settle(panel)
        self.take("review")
        before = set(QApplication.topLevelWidgets())
        panel.start_button.click()
        spin(3.0)
        fresh = [w for w in QApplication.topLevelWidgets() if w not in before and w.isVisible()]
        dialog = next((w for w in fresh if w.windowTitle() == "Blinded review"), None)
        if dialog is None:
            raise LookupError("the window of the review did not open")
        self.take("review_cell", dialog)
        dialog.close()
        spin(0.5)

    def numbers(self) -> None:
        """Show the headline, one cell of the list, the figures and the table."""
        panel = self.bench.show_step("numbers")
        settle(panel)
        self.take("numbers")
        panel.steps.step(1)
        panel.steps.step(1)
        spin(1.0)
        self.take("cell_by_cell")
        scroll_to(panel, panel.profile)
        bar = max(panel.profile.bars, key=lambda bar: bar.count)
        panel.choose(bar)
        spin(1.0)
        self.take("figures")
        panel.chosen.clear()
        scroll_to(panel, panel.table)
        self.viewer.reset_view()
        spin(0.5)
        self.take("tables")

    def cohort(self) -> None:
        """Show the sheet of the sample patient as a worklist, its first slide open."""
        panel = self.bench.show_step("cohort")
        panel.open_path(sample_folder() / "samples.csv", self.place / "cohort")
        spin(10.0, lambda: bool(panel.looked))
        panel.walk.open_row(0)
        spin(3.0)
        self.viewer.reset_view()
        settle(panel)
        self.take("cohort")


PANELS = ("slide", "regions", "segment", "gates", "cells", "review", "numbers", "cohort")


def main() -> int:
    """Take the pictures; return how many panels could not be shown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("panels", nargs="*", help="which panels; all where none is named")
    parser.add_argument("--slides", type=Path, help="keep slide and result here, to take more soon")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="immunescape-") as temporary:
        place = (options.slides or Path(temporary) / "P01").resolve()
        result = analysed(place)
        return shown(result, options.folder, options.panels or PANELS)


def analysed(place: Path) -> Path:
    """Return the result of the baseline slide, made where it is not there."""
    place.mkdir(parents=True, exist_ok=True)
    for path in sample_folder().glob(f"{SLIDE}.*"):
        if not (place / path.name).exists():
            shutil.copy(path, place)
    out = place / "immunescape-results"
    drawn = place / f"{SLIDE}.geojson"
    run_slide(Inputs(slide=place / f"{SLIDE}.ome.tif", annotations=drawn), out, Study())
    return out / SLIDE


def shown(result: Path, folder: Path, panels: Any) -> int:
    """Show the panels of a result one by one."""
    from immunescape.napari.window import make_window
    from immunescape.napari.workbench import workbench_of

    viewer = make_window(result)
    viewer.window.set_geometry(0, 0, *SIZE)
    bench = workbench_of(viewer)
    spin(1.0, lambda: bench.session.finished is not None)
    viewer.reset_view()
    place = result.parent.parent
    pictures, failed = Pictures(viewer, bench, folder, place), []
    for name in panels:
        try:
            getattr(pictures, name)()
            print(f"{name}: taken", flush=True)
        except Exception:
            traceback.print_exc()
            failed.append(name)
    viewer.close()
    spin(0.5)
    if failed:
        print(f"could not be shown: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
