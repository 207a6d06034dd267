"""Drawn nuclei with known places and sizes, and the slides that show them."""

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.panel import Panel, Stain
from immunescape.quality import SegmentationQualityParams, segmentation_quality
from immunescape.slide import Slide

PANEL = Panel((Stain(channel="DAPI", marker="dapi", compartment="nucleus", role="nuclear"),))
GRID_UM = 2.0


def discs(shape, middles, radii):
    """Label image of discs: centres in pixels, (row, column); the first has label 1."""
    labels = np.zeros(shape, np.int32)
    radii = np.broadcast_to(radii, len(middles))
    for k, ((y, x), radius) in enumerate(zip(middles, radii, strict=True)):
        reach = int(np.ceil(radius)) + 1
        y0, x0 = max(int(y) - reach, 0), max(int(x) - reach, 0)
        part = labels[y0 : int(y) + reach + 1, x0 : int(x) + reach + 1]
        i, j = np.mgrid[: part.shape[0], : part.shape[1]]
        part[((i + y0 - y) ** 2 + (j + x0 - x) ** 2 <= radius**2) & (part == 0)] = k + 1
    return labels


def lattice(shape, step):
    """Middles on a square lattice, half a step from the frame."""
    rows, columns = (np.arange(n // step) * step + step / 2 - 0.5 for n in shape)
    return [(y, x) for y in rows for x in columns]


def table(labels, pixel_um):
    """Cell table of a label image, by plain counting."""
    n = int(labels.max())
    area = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    y, x = np.indices(labels.shape)
    sums = [np.bincount(labels.ravel(), v.ravel(), n + 1)[1:] for v in (x, y)]
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    there = np.flatnonzero(area) + 1
    area = area[there - 1]
    x_um, y_um = ((s[there - 1] / area + 0.5) * pixel_um for s in sums)
    frame = pd.DataFrame(
        {
            "x_um": x_um,
            "y_um": y_um,
            "area_um2": area * pixel_um**2,
            "nucleus_area_um2": area * pixel_um**2,
            "eccentricity": 0.0,
            "solidity": 1.0,
            "touches_frame": np.isin(there, edge),
        },
        index=pd.Index(there, name="label"),
    )
    return CellTable(frame)


def stained(labels, level=400.0, seed=0):
    """A nuclear stain: the labels bright, all else dark, with a camera's noise."""
    noise = np.random.default_rng(seed).normal(0, 10, labels.shape)
    return (100 + level * (labels > 0) + noise).clip(0, 65535).astype(np.uint16)


def slide_of(image, pixel_um, name="drawn"):
    return Slide(name=name, arrays=(image[None],), channels=("DAPI",), pixel_size_um=pixel_um)


def whole_tissue(shape, pixel_um):
    return np.ones(tuple(int(np.ceil(n * pixel_um / GRID_UM - 1e-9)) for n in shape), bool)


def judged(found, shown=None, pixel_um=1.0, tissue=None, nuclei=True, proposals=None, **params):
    """Judge the labels that were found on a slide that shows others."""
    image = stained(found if shown is None else shown)
    cells = table(found, pixel_um)
    return segmentation_quality(
        slide_of(image, pixel_um), PANEL, cells, found if nuclei else None, found,
        whole_tissue(found.shape, pixel_um) if tissue is None else tissue, GRID_UM,
        SegmentationQualityParams(**params), proposals=proposals,
    )  # fmt: skip
