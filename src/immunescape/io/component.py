"""inForm's ``component_data.tif``: one unmixed float page a stain."""

from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.io.found import Found, Scene, choose_scene
from immunescape.io.qpi_pages import qpi_pages
from immunescape.io.tiff_pages import resolution_um

if TYPE_CHECKING:
    from tifffile import TiffFile

__all__ = ["read_component"]


def read_component(tif: "TiffFile", path: Path, scene: str | int | None) -> Found:
    """Read the header of a component file: names from each page's XML, pixel size from the tags.

    Raises
    ------
    SlideError
        As :func:`immunescape.io.qpi_pages.qpi_pages`, or if a second scene is asked for.
    """
    found = qpi_pages(tif, path)
    choose_scene(path, [Scene(found.levels[0].shape)], scene)
    stated = found.stated_um
    return Found(
        arrays=found.levels,
        channels=tuple(text["Name"] or text["Biomarker"] or None for text in found.texts),
        pixel_um=resolution_um(found.first) or (None if stated is None else (stated, stated)),
        format="inForm component data",
    )
