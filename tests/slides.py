"""Small slides that tests write: a row of round cells with known stains."""

from pathlib import Path

import numpy as np

from immunescape.io import write_ome_tiff

CHANNELS = ("DAPI", "CD8", "PD-L1", "S100", "SOX10")
PIXEL_UM = 0.5


def drawn_labels(rows: int = 12, columns: int = 18, radius: int = 9) -> np.ndarray:
    """Label image of discs on a square lattice, 20 pixels apart; label 1 is at the upper left."""
    labels = np.zeros((rows * 20, columns * 20), np.int32)
    y, x = np.mgrid[: labels.shape[0], : labels.shape[1]]
    for k in range(rows * columns):
        centre = 20 * (k // columns) + 9.5, 20 * (k % columns) + 9.5
        labels[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2] = k + 1
    return labels


def drawn_image(labels: np.ndarray) -> np.ndarray:
    """Five channels: cells on the left are tumour, every fifth is CD8+, every third PD-L1+."""
    noise = np.random.default_rng(0).normal(0, 3, (5, *labels.shape))
    image = np.full((5, *labels.shape), 50.0) + noise
    number = labels - 1
    middle = labels.shape[1] / 2
    left = np.arange(labels.shape[1])[None, :] < middle
    cell = labels > 0
    cd8 = cell & (number % 5 == 0)
    tumour = cell & left & ~cd8
    image[0][cell] += 400
    image[1][cd8] += 300
    image[2][cell & (number % 3 == 0)] += 300
    image[3][tumour] += 300
    image[4][tumour] += 300
    return image.clip(0, 65535).astype(np.uint16)


def write_slide(folder: Path, name: str = "slide", channels=CHANNELS, **keywords) -> Path:
    """Write the drawn slide as OME-TIFF and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ome.tif"
    write_ome_tiff(path, drawn_image(drawn_labels()), channels, PIXEL_UM, **keywords)
    return path


def write_labels(folder: Path, name: str = "cells.tif", labels=None) -> Path:
    """Write a label image and return its path."""
    import tifffile

    path = folder / name
    tifffile.imwrite(path, drawn_labels() if labels is None else labels)
    return path


def square(x0: float, y0: float, x1: float, y1: float, name: str = "Tumor") -> dict:
    """GeoJSON feature of a rectangle in pixels."""
    ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "annotation", "classification": {"name": name}},
    }


def write_geojson(folder: Path, *features: dict, name: str = "regions.geojson") -> Path:
    """Write features as a QuPath export and return its path."""
    import json

    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path
