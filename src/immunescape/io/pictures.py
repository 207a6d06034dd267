"""Pictures of a slide beside its result: small OME-TIFFs in the slide's own units."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from immunescape.errors import ImmunescapeError, OutputError
from immunescape.io.slides import open_slide
from immunescape.io.write_ome_tiff import write_ome_tiff
from immunescape.results import Picture

__all__ = ["PICTURES", "read_pictures", "write_picture"]

PICTURES = "pictures"
"""Folder of the pictures in that of a result."""
_SUFFIX = ".ome.tif"


def write_picture(folder: Path, name: str, picture: Picture) -> Path:
    """Write a picture as ``name.ome.tif``; the same picture gives the same bytes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    return write_ome_tiff(
        folder / f"{name}{_SUFFIX}", picture.pixels, picture.channels, picture.pixel_size_um,
        pyramid=False,
    )  # fmt: skip


def read_pictures(folder: Path, record: Mapping[str, Mapping[str, Any]]) -> dict[str, Picture]:
    """Read the pictures in the folder of a result.

    Parameters
    ----------
    folder
        The result.
    record
        What its provenance tells of them: ``x_um`` and ``y_um`` by name.

    Returns
    -------
    dict
        By name; a picture that is not there, or whose place is not told, is left out.

    Raises
    ------
    OutputError
        If one is damaged.
    """
    found = {}
    for name, told in record.items():
        path = folder / PICTURES / f"{name}{_SUFFIX}"
        if not path.is_file() or not {"x_um", "y_um"} <= set(told):
            continue
        try:
            slide = open_slide(path)
            found[name] = Picture(
                pixels=np.asarray(slide.arrays[0][:, :, :]),
                channels=slide.channels,
                pixel_size_um=slide.pixel_size_um,
                x_um=float(told["x_um"]),
                y_um=float(told["y_um"]),
            )
        except (ImmunescapeError, OSError, ValueError) as error:
            raise OutputError(
                f"{PICTURES}/{path.name} in {folder.name} is damaged; pass --overwrite to make it "
                "again"
            ) from error
    return found
