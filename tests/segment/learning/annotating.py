"""Folders of annotated pairs, as people leave them."""

from pathlib import Path

import numpy as np
import tifffile

from immunescape.io import write_ome_tiff
from tests.segment.drawn import ellipses, stained

PIXEL_UM = 0.5


def counts_of(labels, seed=0):
    """A nuclear stain of the labels in 16 bits, background about 200."""
    return ((stained(np.maximum(labels, 0), seed) + 0.2).clip(0) * 1000).astype("uint16")


def write_pair(folder: Path, name: str, labels, *, seed=0, pixel_um=PIXEL_UM, image=None) -> None:
    """Write one pair into ``images`` and ``masks``; the picture has a second channel."""
    for sub in ("images", "masks"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    nuclear = counts_of(labels, seed) if image is None else image
    stack = np.stack([nuclear[::-1], nuclear])
    write_ome_tiff(folder / "images" / f"{name}.ome.tif", stack, ("CD8", "DAPI"), pixel_um)
    tifffile.imwrite(folder / "masks" / f"{name}.tif", labels)


def write_pairs(folder: Path, count: int, shape=(120, 110)) -> Path:
    """Write several pairs of ellipses, more and less crowded, and return the folder."""
    for k in range(count):
        write_pair(folder, f"P{k:02}", ellipses(shape, spacing=20 + k, seed=k), seed=k)
    return folder
