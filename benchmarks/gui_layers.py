"""Time to open a large slide in napari, and to recolour a million cells.

    python benchmarks/gui_layers.py [--pixels 20000] [--cells 1000000]

Our own work is what happens between the path and napari's layers; what napari itself takes to
show them is measured apart. The slide is written for the occasion: chunks of tissue-like pixels,
each stored once and linked to many places, so that it takes little room on the disk.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Row", "layer_rows", "write_large_labels", "write_large_slide"]

CHANNELS = ("DAPI", "PD-L1", "CD8", "S100", "SOX10", "CD68")
CHUNK = 1024
PIXEL_UM = 0.5

Row = tuple[str, float, str]
"""What was measured, its seconds, and a remark."""


def write_large_slide(folder: Path, pixels: int, channels: tuple[str, ...] = CHANNELS) -> Path:
    """Write a pyramidal OME-Zarr of square channels and return its path."""
    import zarr

    rng = np.random.default_rng(0)
    path = folder / "large.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=3)
    datasets, level, edge = [], 0, pixels
    while True:
        array = group.create_array(
            str(level), shape=(len(channels), edge, edge), chunks=(1, CHUNK, CHUNK), dtype="uint16"
        )
        across = -(-edge // CHUNK)
        for channel in range(len(channels)):
            tissue = _tissue(rng, max(16 >> level, 1))
            array[channel, :CHUNK, :CHUNK] = tissue[:edge, :edge]
            _link(path / str(level) / "c" / str(channel), across)
        scale = [1.0, PIXEL_UM * 2**level, PIXEL_UM * 2**level]
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [{"type": "scale", "scale": scale}],
            }
        )
        if edge <= CHUNK:
            break
        level, edge = level + 1, -(-edge // 2)
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": datasets}],
        "omero": {"channels": [{"label": name} for name in channels]},
    }
    return path


def _tissue(rng: np.random.Generator, spot: int) -> np.ndarray:
    """Return a chunk of spots on a noisy ground."""
    spots = np.kron(rng.random((CHUNK // spot, CHUNK // spot)) > 0.8, np.ones((spot, spot)))
    return (rng.poisson(120 + 300 * spots)).astype(np.uint16)


def _link(folder: Path, across: int) -> None:
    """Put the first chunk of a channel at every place of it."""
    first = folder / "0" / "0"
    for row in range(across):
        (folder / str(row)).mkdir(exist_ok=True)
        for column in range(across):
            if (row, column) != (0, 0):
                os.link(first, folder / str(row) / str(column))


def write_large_labels(folder: Path, cells: int) -> Path:
    """Write a label store of square cells, 20 pixels apart, and return its path."""
    from immunescape.io.label_store import LabelStore

    across = int(np.ceil(np.sqrt(cells)))
    edge = across * 20
    store = LabelStore.create(folder / "labels.zarr", PIXEL_UM)
    array = store.add("cells", (edge, edge))
    inside = (np.arange(edge) % 20 >= 2).astype(np.int32)
    for top in range(0, edge, CHUNK):
        rows = np.arange(top, min(top + CHUNK, edge))
        labels = (rows // 20 * across)[:, None] + np.arange(edge)[None] // 20 + 1
        array[rows[0] : rows[-1] + 1] = labels * inside[rows][:, None] * inside[None]
    store.finish("cells")
    return store.path


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    value = function()
    return time.perf_counter() - begun, value


def layer_rows(folder: Path, pixels: int = 20_000, cells: int = 1_000_000) -> Iterator[Row]:
    """Measure, and yield a row for each figure.

    Parameters
    ----------
    folder
        Where the slide and the labels are written.
    pixels
        Edge of the slide.
    cells
        Number of cells.
    """
    from napari.layers import Layer
    from qtpy.QtWidgets import QApplication

    import napari
    from immunescape.cells import CellTable
    from immunescape.io.label_store import LabelStore
    from immunescape.io.slides import open_slide
    from immunescape.napari.layers import label_layer, recolour, slide_layers

    path = write_large_slide(folder, pixels)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    open_slide(path)  # libraries are loaded once
    slide_layers(open_slide(path))
    seconds, layers = _timed(lambda: slide_layers(open_slide(path)))
    size = f"{pixels} x {pixels} x {len(CHANNELS)}"
    yield "open a slide: our own work", seconds, f"{size}, from the path to the layers"

    def show() -> None:
        for layer in layers:
            viewer.add_layer(Layer.create(*layer))
        viewer.reset_view()
        QApplication.processEvents()

    seconds, _ = _timed(show)
    yield "napari's own work until the first picture", seconds, f"{len(layers)} layers added"
    viewer.layers.clear()

    store = LabelStore.open(write_large_labels(folder, cells))
    index = pd.RangeIndex(1, cells + 1, name="label")
    frame = pd.DataFrame({"x_um": np.zeros(cells), "y_um": 0.0, "phenotype": "tumour"}, index=index)
    seconds, made = _timed(lambda: label_layer(store, "cells", CellTable(frame)))
    yield "labels with their table: our own work", seconds, f"{cells} cells"
    seconds, layer = _timed(lambda: viewer.add_layer(Layer.create(*made)))
    yield "labels with their table: napari's own work", seconds, ""
    viewer.reset_view()
    QApplication.processEvents()
    classes = np.random.default_rng(1).integers(0, 3, cells + 1).astype(np.uint8)
    colours = ["#d55e00", "#56b4e9"]
    recolour(layer, classes, colours)
    for zoom, view in ((1, "whole slide"), (16, "a field")):
        viewer.reset_view()
        viewer.scene.camera.zoom *= zoom
        QApplication.processEvents()
        steps = [_timed(lambda: recolour(layer, 2 - classes % 2))[0] for _ in range(9)]
        yield (
            "recolour all cells, one step",
            float(np.median(steps)),
            f"{view}; worst {max(steps):.3f} s",
        )
    tile = np.asarray(layer.data[0][:1600, :2000])
    colormap = layer.colormap

    def own_work() -> None:
        colormap.set_classes(classes)
        colormap._data_to_texture(tile)

    steps = [_timed(own_work)[0] for _ in range(9)]
    yield "  of it our own work", float(np.median(steps)), f"a tile of {tile.size / 1e6:.1f} Mpx"
    viewer.close()


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixels", type=int, default=20_000)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for what, seconds, remark in layer_rows(Path(folder), given.pixels, given.cells):
            rows.append({"what": what, "seconds": seconds, "remark": remark})
            print(f"{what:45} {seconds:8.3f} s  {remark}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
