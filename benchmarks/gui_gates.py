"""Time that a step takes while a gate is dragged, with a million cells on the slide.

    python benchmarks/gui_gates.py [--cells 1000000]

The cells lie on a lattice, a third of them in a drawn tumour; each touches its four neighbours.
Steps go through the panel as a pointer's would; what napari takes to look at its tile again is
measured apart.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import shapely

from gui_layers import write_large_labels

__all__ = ["gate_rows", "large_slide"]

PITCH_UM = 10.0
STEPS = 40
Row = tuple[str, float, float, str]
"""What was measured, its seconds by the clock and of the processor, and a remark."""

CHANNELS = {"cd8": "membrane", "s100": "cell", "sox10": "nucleus", "pdl1": "membrane"}


def large_slide(cells: int, folder: Path | None = None) -> Any:
    """Return a finished result of a slide drawn for the occasion, with all that a gate needs."""
    from immunescape.cells import CellTable
    from immunescape.io.label_store import LabelStore
    from immunescape.margin import GridMask, map_margin
    from immunescape.panel import Panel, Stain
    from immunescape.phenotype import GateParams
    from immunescape.pipeline.calling import ToCall
    from immunescape.pipeline.measured import Measured
    from immunescape.pipeline.shared import call_together
    from immunescape.pipeline.touching import Touching
    from immunescape.regions import Regions
    from immunescape.spatial import SensitivityParams
    from immunescape.study import Study

    across = int(np.ceil(np.sqrt(cells)))
    rng = np.random.default_rng(0)
    row, column = np.divmod(np.arange(cells), across)
    x, y = (column + 0.5) * PITCH_UM, (row + 0.5) * PITCH_UM
    edge = across * PITCH_UM
    tumour = shapely.Point(edge / 2, edge / 2).buffer(edge / 3)
    inside = np.asarray(shapely.contains_xy(tumour, x, y))
    t_cell = rng.random(cells) < np.where(inside, 0.06, 0.12)
    melanoma = inside & ~t_cell & (rng.random(cells) < 0.8)
    positive = {
        "cd8": t_cell, "s100": melanoma, "sox10": melanoma, "pdl1": rng.random(cells) < 0.3,
    }  # fmt: skip
    columns: dict[str, Any] = {"x_um": x, "y_um": y}
    for marker, compartment in CHANNELS.items():
        level = np.where(positive[marker], rng.lognormal(6, 0.4, cells), 0)
        values = 100 + rng.lognormal(3, 0.4, cells) + level
        for name in ("mean", "unshared") if compartment == "membrane" else ("mean",):
            columns[f"{marker}_{compartment}_{name}"] = values
    table = CellTable(pd.DataFrame(columns, index=pd.RangeIndex(1, cells + 1, name="label")))
    stains = [
        Stain(channel=marker.upper(), marker=marker, compartment=compartment)  # type: ignore[arg-type]
        for marker, compartment in CHANNELS.items()
    ]
    grid = int(np.ceil(edge / 2))
    store = None if folder is None else LabelStore.open(write_large_labels(folder, cells))
    measured = Measured(
        name="large", shape=(across * 20, across * 20), pixel_size_um=PITCH_UM / 20,
        panel=Panel(tuple(stains)), cells=table, nuclei=None,
        cell_labels=None if store is None else store["cells"],  # type: ignore[arg-type]
        tissue=GridMask(mask=np.ones((grid, grid), bool), grid_um=2.0, frame_um=(edge, edge)),
    )  # fmt: skip
    study = Study(
        gating=GateParams(bootstrap_draws=0), sensitivity=SensitivityParams(tables="none")
    )
    label = np.arange(1, cells + 1)
    beside, below = label[column < across - 1], label[: max(cells - across, 0)]
    beside = beside[beside < cells]
    pairs = pd.DataFrame(
        {
            "label_a": np.concatenate([beside, below]),
            "label_b": np.concatenate([beside + 1, below + across]),
        }
    )
    drawn = Regions({"tumour": tumour})
    (shared,) = call_together([ToCall(measured, drawn)], study)
    margin = map_margin(measured.counted_tissue(), drawn, tumour, "imported")
    job = SimpleNamespace(
        study=study, opened=SimpleNamespace(annotations=drawn, control=None, calls=None)
    )
    return SimpleNamespace(
        job=job, measured=measured, touching=Touching(pairs), shared=shared, margin=margin,
        cells=shared.called.calls.cells, store=store,
    )  # fmt: skip


def _timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, float, Any]:
    begun, worked = time.perf_counter(), time.process_time()
    value = function(*arguments)
    return time.perf_counter() - begun, time.process_time() - worked, value


def _median(steps: list[tuple[float, float]]) -> tuple[float, float]:
    seconds, worked = np.median(steps, axis=0)
    return float(seconds), float(worked)


def _drags(values: np.ndarray) -> list[float]:
    """Return thresholds of a slow drag through the cells, then of leaps from end to end."""
    slow = np.quantile(values, np.linspace(0.55, 0.75, STEPS // 2))
    leaps = np.quantile(values, np.tile([0.02, 0.98, 0.5], STEPS // 6))
    return [float(v) for v in (*slow, *leaps)]


def gate_rows(folder: Path, cells: int = 1_000_000) -> Iterator[Row]:
    """Measure, and yield a row for each figure.

    Parameters
    ----------
    folder
        Where labels are written.
    cells
        Number of cells.
    """
    from qtpy.QtWidgets import QApplication

    import napari
    from immunescape.napari.panels.gates import GatesPanel
    from immunescape.napari.panels.gates_ready import readied
    from immunescape.napari.session import Session
    from immunescape.pipeline.live_follow import fixed_spec, followed

    finished = large_slide(cells, folder)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    session = Session(viewer)
    session.slide = SimpleNamespace(name="large")  # type: ignore[assignment]
    session.study = finished.job.study
    session.finished = finished
    panel = GatesPanel(session)
    viewer.window.add_dock_widget(panel, area="right")
    while panel.values is None or panel.latest.busy:
        QApplication.processEvents()
        time.sleep(0.01)
    size = f"{cells} cells"
    for key in (("pdl1", "tumour"), ("cd8", "all"), ("sox10", "all")):
        name = key[0] if key[1] == "all" else "@".join(key)
        seconds, worked, ready = _timed(readied, finished, panel.live, None, key)
        yield f"{name}: cells sorted, on another thread", seconds, worked, size
        panel.chosen = key
        panel._take(ready)
        QApplication.processEvents()
        live = panel.live
        assert live is not None
        own, shown, told = [], [], []
        for threshold in _drags(live.prepare(*key).own_values):
            own.append(_timed(live.moved, *key, threshold)[:2])
            panel.face.canvas.move_to(threshold)
            told.append(_timed(panel.step, threshold)[:2])
            shown.append(_timed(QApplication.processEvents)[:2])
        half = STEPS // 2
        for what, steps in (("the numbers alone", own), ("one step of the panel", told)):
            leap = f"leaps across all cells {max(steps[half:])[0]:.3f} s"
            remark = f"worst {max(steps[:half])[0]:.3f} s; {leap}"
            yield (f"{name}: {what}", *_median(steps[:half]), remark)
        yield (f"{name}: napari and Qt draw it", *_median(shown), "software rendering here")
        gate = live.gate(*key)
        spec = fixed_spec(gate, float(np.median(live.prepare(*key).own_values)))
        study = dataclasses.replace(live.study, gate=(spec,))
        seconds, worked, _ = _timed(followed, live, study)
        yield f"{name}: what follows on release, on another thread", seconds, worked, size
    panel.latest.wait(60)
    viewer.close()


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for what, seconds, worked, remark in gate_rows(Path(folder), given.cells):
            print(f"{what:50} {seconds:8.3f} s {worked:8.3f} s  {remark}", flush=True)


if __name__ == "__main__":
    main()
