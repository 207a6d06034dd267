"""Akoya QPTIFF: whole slides of the Vectra and PhenoImager."""

from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.io.found import Found, Scene, choose_scene
from immunescape.io.qpi_pages import qpi_pages
from immunescape.io.tiff_pages import resolution_um
from immunescape.io.units import milliseconds

if TYPE_CHECKING:
    from tifffile import TiffFile

__all__ = ["read_qptiff"]

_NOMINAL = 0.02


def read_qptiff(tif: "TiffFile", path: Path, scene: str | int | None) -> Found:
    """Read the header of a QPTIFF.

    A channel is called by its biomarker, or by its name where that is empty or stands twice. The
    XML states the pixel of the scan profile, often rounded (``0.5``); where the resolution tags
    agree within 2 % they are taken, being the calibrated value, otherwise the XML is.

    Raises
    ------
    SlideError
        As :func:`immunescape.io.qpi_pages.qpi_pages`, or if a second scene is asked for.
    """
    found = qpi_pages(tif, path)
    choose_scene(path, [Scene(found.levels[0].shape)], scene)
    biomarkers = [text["Biomarker"] for text in found.texts]
    channels = [
        text["Biomarker"]
        if text["Biomarker"] and biomarkers.count(text["Biomarker"]) == 1
        else " ".join(part for part in (text["Biomarker"], text["Name"]) if part)
        for text in found.texts
    ]
    tags = resolution_um(found.first)
    stated = found.stated_um
    notes: tuple[str, ...] = ()
    if stated is None:
        size = tags
    elif tags is not None and all(abs(edge - stated) <= _NOMINAL * stated for edge in tags):
        size = tags
    else:
        size = stated, stated
        if tags is not None:
            notes = (
                f"{path.name} states a pixel of {stated:g} µm in its XML and of {tags[1]:g} µm in "
                "its resolution tags; the first is used, --pixel-size-um overrides it",
            )
    return Found(
        arrays=found.levels,
        channels=tuple(name or None for name in channels),
        pixel_um=size,
        format="QPTIFF",
        notes=notes,
        exposure_ms=tuple(
            None
            if text["IsUnmixedComponent"].lower() == "true"
            else milliseconds(text["ExposureTime"], "µs")
            for text in found.texts
        ),
    )
